"""The form of an assessment as its template sees it: what one tab shows of a draft."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.data_api.declare import Row
from almoner.errors import Problem
from almoner.pages.notation import time_of_day
from almoner.pages.visit import Visit
from almoner.portal.assessments import answer_form
from almoner.portal.assessments.answer_form import PREFIX
from almoner.portal.assessments.drafts import AnswerDraft, SavedDraft, TabInput, Texts
from almoner.portal.assessments.responses import OWN, Answered
from almoner.portal.inputs import RowInput
from almoner.portal.patient import Patient
from almoner.portal.value_words import FieldValue, day
from almoner.vocabulary import clocks
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.forms import (
    FormView,
    SectionView,
    answer_errors,
    asked_answers,
    form_view,
)


@dataclass(frozen=True, kw_only=True)
class FillPart:
    """The part of the page that is drawn again at each answer.

    ``saved`` is when the draft was saved last, in the worker's zone, blank where nothing is saved
    yet. ``asked`` names the questions that stand in the form, ``bases`` has the draft's answers to
    each, for the next save to tell what others changed. ``conflicts`` are by the name of the
    question: its text in the draft and the other one, from another tab. ``checked``: finishing was
    tried, so that what is wrong is told at once. ``wrong`` are the questions that keep it from
    being finished, ids and labels: ``missing`` those without an answer. ``gone``: the draft was
    finished or dropped in another tab."""

    view: FormView
    asked: tuple[str, ...]
    bases: tuple[tuple[str, str], ...]
    conflicts: Mapping[str, tuple[str, str]]
    saved: str
    checked: bool = False
    refused: tuple[str, ...] = ()
    wrong: tuple[tuple[str, str], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    gone: bool = False
    # Where the focus goes, an id: to the first that is wrong, where finishing was tried just now.
    focus: str = ""


@dataclass(frozen=True, kw_only=True)
class FillPage:
    """The whole page. ``newest`` is the version that the program asks now, 0 where it has the
    assessment no more.

    ``left_over`` is what was typed for questions that this version does not ask; ``back`` the
    version that asked them, 0 where no other is known. ``earlier`` are the last answers to the same
    assessment."""

    patient: Patient
    assessment: Assessment
    version: int
    newest: int
    back: int
    left_over: tuple[FieldValue, ...]
    earlier: list[Answered]
    part: FillPart


@dataclass(frozen=True)
class Fragment:
    """What the form's template sees where it is drawn alone."""

    part: FillPart


_NOTHING: Final = TabInput({}, {})


@dataclass(frozen=True, kw_only=True)
class FillTab:
    """What one tab shows of a draft, ``entered`` in it and ``checked``; ``left`` names the
    questions whose text stands in its boxes already, ``mine`` has the texts of it that conflict
    with the draft: these stay as they were typed. ``own`` are the inputs of what a site has added.
    """

    patient_id: str
    assessment: Assessment
    version: int
    timezone: str
    own: Sequence[RowInput]
    draft: AnswerDraft | None = None
    entered: TabInput = _NOTHING
    mine: Texts = field(default_factory=dict)
    left: frozenset[str] = frozenset()
    checked: bool = False

    @property
    def texts(self) -> Texts:
        """What its boxes hold."""
        return {**self.draft.texts, **self.mine} if self.draft else self.entered.texts

    @property
    def bases(self) -> Mapping[str, list[list[str]]]:
        """The answers of the draft that it has read: not those that it conflicts with."""
        drafted = {
            name: [texts] for name, texts in (self.draft.texts if self.draft else {}).items()
        }
        return drafted | {name: self.entered.bases.get(name, [[]]) for name in self.mine}

    def answers(self, texts: Texts) -> dict[str, Any]:
        """These texts as JSON values."""
        return answer_form.answers(self.assessment, texts, self.timezone)

    @property
    def own_values(self) -> Row:
        """What it says in the fields that a site has added; blank ones are left out."""
        return OWN.values(self.own, answer_form.as_form(self.texts), new=True)

    def after(self, saved: SavedDraft, is_fragment: bool) -> FillTab:
        """The tab as it is once it was saved."""
        left = frozenset(self.entered.texts) - saved.others if is_fragment else frozenset()
        return replace(self, draft=saved.draft, mine=saved.mine, left=left)


def errors_of(visit: Visit, tab: FillTab) -> dict[str, str]:
    """What is wrong with the answers of the draft so far."""
    spec = visit.program.specs.get((tab.assessment.id, tab.version))
    if spec is None or tab.draft is None:
        return {}
    answers = asked_answers(tab.assessment, tab.answers(tab.draft.texts))
    problems: list[Problem] = []
    values = tab.own_values
    for control in tab.own:
        control.check(values.get(control.name), problems)
    return answer_errors(spec.model, answers) | own_errors(problems)[0]


def own_errors(problems: Iterable[Problem]) -> tuple[dict[str, str], list[Problem]]:
    """What is wrong with the fields that a site has added, by what the draft calls each; and the
    problems of anything else.
    """
    errors, others = OWN.errors(problems)
    return {f".{name}": text for name, text in errors.items()}, others


def part_of(
    tab: FillTab,
    errors: Mapping[str, str] | None = None,
    refused: tuple[str, ...] = (),
    refocus: bool = False,
) -> FillPart:
    answers, draft = tab.answers(tab.texts), tab.draft
    view = form_view(tab.assessment, answers, errors or {}, PREFIX, tab.timezone, left=tab.left)
    if tab.own:
        view = replace(view, sections=(*view.sections, _own_section(tab, errors or {})))
    fields = {
        control.name.removeprefix(PREFIX): control
        for section in view.sections
        for control in section.fields
    }
    refusing = {
        name: (control.id, control.label) for name, control in fields.items() if control.error
    }
    answered = {*answers, *(f".{name}" for name in tab.own_values)}
    first = next((at for at, _ in refusing.values()), "fill-refused-words")
    return FillPart(
        view=view,
        asked=tuple(fields),
        bases=tuple(
            (name, msgspec.json.encode(texts).decode())
            for name in fields
            for texts in tab.bases.get(name, [[]])
        ),
        conflicts={
            name: (", ".join(draft.texts.get(name, [])), ", ".join(draft.conflicts[name]))
            for name in fields
            if draft and name in draft.conflicts
        },
        saved=_clock(draft.saved_at, tab.timezone) if draft and draft.saved_at else "",
        checked=tab.checked,
        refused=refused,
        wrong=tuple(place for name, place in refusing.items() if name in answered),
        missing=tuple(place for name, place in refusing.items() if name not in answered),
        focus=first if refocus else "",
    )


def _own_section(tab: FillTab, errors: Mapping[str, str]) -> SectionView:
    """The last section of the form: what a site has added."""
    wrong = {control.name: errors.get(f".{control.name}", "") for control in tab.own}
    views = [
        replace(view, value="") if view.name.removeprefix(PREFIX) in tab.left else view
        for view in OWN.views(tab.own, tab.own_values, wrong, f"{PREFIX}own-")
    ]
    return SectionView(f"{PREFIX}own", OWN.title, "", "", tuple(views))


def _clock(at: datetime, timezone: str) -> str:
    """When something was kept, by the worker's clock."""
    here, today = clocks.local(at, timezone), clocks.today(timezone)
    return time_of_day(here) if here.date() == today else f"{day(here)} {time_of_day(here)}"
