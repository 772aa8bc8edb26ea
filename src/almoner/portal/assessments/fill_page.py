"""Filling in an assessment: kept as a draft while somebody types, finished into a response through the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages import parsing
from almoner.pages.forms.problems import by_name
from almoner.pages.notation import time_of_day
from almoner.pages.visit import Form, Visit
from almoner.portal import patient_access
from almoner.portal.assessments import answer_form, drafts, responses
from almoner.portal.assessments.drafts import AnswerDraft, SavedDraft, TabInput, Texts
from almoner.portal.assessments.responses import Answered
from almoner.portal.patient import Patient
from almoner.portal.records.values import FieldValue, day
from almoner.resources.assessment_responses import assessment_responses
from almoner.vocabulary import clocks
from almoner.workshop.design import Assessment
from almoner.workshop.forms import FormView
from almoner.workshop.published_programs import element

_NO_SPEC: Final = "The program has no such assessment, or your role does not show it."
_FOLDER: Final = "portal/assessments"
_CHOOSE_FIRST: Final = "Two tabs answered a question differently. Choose which answer holds, then finish."
_NOTHING_YET: Final = "Nothing is answered yet. Answer at least one question, then finish."


@dataclass(frozen=True)
class AnswerClash:
    """Two texts for one question: the one that is kept, and the other one, from another tab. Blank where there is none."""

    kept: str
    other: str


@dataclass(frozen=True, kw_only=True)
class FillPart:
    """The part of the page that is drawn again at each answer.

    ``saved`` is when the draft was kept last, in the worker's zone, blank where nothing is kept yet. ``asked`` names the questions
    that stand in the form, ``seen`` has what is kept of each, for the next save to tell what others changed. ``clashes`` are by the
    name of the question. ``checked``: finishing was tried, so that what is wrong is told at once. ``wrong`` are the questions that
    keep it from being finished, ids and labels: ``missing`` those without an answer. ``gone``: the draft was finished or dropped in
    another tab.
    """

    view: FormView
    asked: tuple[str, ...]
    seen: tuple[tuple[str, str], ...]
    clashes: Mapping[str, AnswerClash]
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
    """The whole page. ``newest`` is the version that the program asks now, 0 where it has the assessment no more.

    ``left_over`` is what was typed for questions that this version does not ask; ``back`` the version that asked them, 0 where no
    other is known. ``earlier`` are the last answers to the same assessment.
    """

    patient: Patient
    assessment: Assessment
    version: int
    newest: int
    back: int
    left_over: tuple[FieldValue, ...]
    earlier: list[Answered]
    part: FillPart


@dataclass(frozen=True)
class _Sent:
    """What a form of the page sent."""

    patient_id: str
    assessment: Assessment
    version: int
    typed: TabInput
    checked: bool


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What a tab shows: ``texts`` of which those named in ``there`` are in its boxes already, and what it ``seen`` of the draft."""

    texts: Texts
    saved_at: datetime | None = None
    there: frozenset[str] = frozenset()
    seen: Mapping[str, list[list[str]]] = field(default_factory=dict)
    clashes: Texts = field(default_factory=dict)
    kept: Texts = field(default_factory=dict)
    checked: bool = False


def _opened(draft: AnswerDraft | None) -> _Shown:
    """A form that is opened anew."""
    if draft is None:
        return _Shown(texts={})
    seen = {name: [texts] for name, texts in draft.texts.items()}
    return _Shown(texts=draft.texts, saved_at=draft.saved_at, seen=seen, clashes=draft.clashes, kept=draft.texts)


def _after(visit: Visit, sent: _Sent, saved: SavedDraft) -> _Shown:
    """A form that was saved just now: what clashes stays in its box as it was typed, and has not been seen."""
    draft = saved.draft
    seen = {name: [texts] for name, texts in draft.texts.items()} | {name: sent.typed.seen.get(name, [[]]) for name in saved.mine}
    there = frozenset(sent.typed.texts) - saved.others if visit.is_fragment else frozenset()
    return _Shown(
        texts={**draft.texts, **saved.mine},
        saved_at=draft.saved_at,
        there=there,
        seen=seen,
        clashes=draft.clashes,
        kept=draft.texts,
        checked=sent.checked,
    )


async def show(visit: Visit) -> Response:
    """The form of one assessment, with what the draft has."""
    spec_id = visit.query("spec")
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        patient_path = f"/patients/{patient.id}"
        if not spec_id:
            return visit.go(f"{patient_path}/assessments#start")
        draft = await drafts.find(visit, connection, patient.id, spec_id)
        version = draft.version if draft else _newest(visit, spec_id)
        assessment = await _assessment(visit, connection, spec_id, version)
        shown = _opened(draft)
        part = _part(visit, assessment, shown)
        return visit.page(
            f"{_FOLDER}/fill.html",
            await _page(visit, connection, patient=patient, assessment=assessment, version=version, texts=shown.texts, part=part),
        )


async def answer(visit: Visit) -> Response:
    """Keeps what was typed, and does what was asked for: ``finish``, ``save`` and leave, ``again`` where the draft is gone, go on
    in another version (``version:4``), settle a clash (``other:dose``), or nothing but draw the form again."""
    form = await visit.form()
    do = form.text("do")
    async with visit.parts.database.transaction() as connection:
        sent = await _sent(visit, connection, form)
        version = sent.version
        if do.startswith("version:"):
            version = _number(do.partition(":")[2])
            await _assessment(visit, connection, sent.assessment.id, version)
        begun = form.truth("begun") and do != "again"
        saved = await drafts.save(
            visit,
            connection,
            patient_id=sent.patient_id,
            spec_id=sent.assessment.id,
            version=version,
            typed=sent.typed,
            begun=begun,
        )
        if saved is None or saved.draft.saved_at is None:
            # Nothing is kept, perhaps since the patient is none whom the visitor may see: that raises.
            await patient_access.patient(visit, connection, sent.patient_id)
    if saved is None:
        lost = _Shown(texts=sent.typed.texts, there=frozenset(sent.typed.texts), checked=sent.checked)
        return await _drawn(visit, sent, replace(_part(visit, sent.assessment, lost), gone=True), 409)
    here = f"/patients/{sent.patient_id}/assessments"
    if version != sent.version:
        return visit.go(f"{here}/new?spec={quote(sent.assessment.id, safe='')}&from={sent.version}")
    if do == "save":
        return visit.go(here)
    if do == "finish":
        return await _finish(visit, sent, saved)
    errors = _wrong(visit, sent, saved.draft.texts) if sent.checked else {}
    part = _part(visit, sent.assessment, _after(visit, sent, saved), errors)
    return await _drawn(visit, sent, part)


async def discard(visit: Visit) -> Response:
    """Removes the visitor's draft of one assessment."""
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        await drafts.drop(visit, connection, patient.id, form.text("spec"))
    return visit.go(f"/patients/{patient.id}/assessments")


async def _finish(visit: Visit, sent: _Sent, saved: SavedDraft) -> Response:
    """Makes the response and drops the draft, both or neither; not while two answers to one question are kept."""
    here, texts = f"/patients/{sent.patient_id}/assessments", saved.draft.texts
    shown = replace(_after(visit, sent, saved), checked=True)
    given = answer_form.answers(sent.assessment, texts, visit.worker.timezone)
    kept = answer_form.model(sent.assessment, given)
    refused: list[str] = [] if kept else [_NOTHING_YET]
    errors = {} if kept else _wrong(visit, sent, texts)
    if _part(visit, sent.assessment, shown).clashes:
        refused = [_CHOOSE_FIRST]
    elif kept:
        try:
            async with visit.parts.database.transaction() as connection:
                if not await drafts.drop(visit, connection, sent.patient_id, sent.assessment.id):
                    # The same form was sent twice: the first has made the response.
                    return visit.go(here)
                row = {
                    "user_id": sent.patient_id,
                    "spec_id": sent.assessment.id,
                    "spec_version": str(sent.version),
                    "worker_id": visit.worker.worker_id,
                    "model": kept,
                }
                written = await visit.parts.store.within(connection).create(visit.actor, assessment_responses, row)
            return visit.go(f"{here}/{written.id}")
        except ApiError as error:
            if error.status >= 500:
                raise
            asked = [question.name for question in sent.assessment.questions]
            errors, refused = by_name(error.problems, asked, ".model", answer_form.UNANSWERED)
    part = _part(visit, sent.assessment, shown, errors, tuple(refused), refocus=True)
    return await _drawn(visit, sent, part, 400)


async def _sent(visit: Visit, connection: Connection, form: Form) -> _Sent:
    patient_id = await patient_access.current_id(visit, connection, visit.path("id"))
    version = _number(form.text("version"))
    assessment = await _assessment(visit, connection, form.text("spec"), version)
    return _Sent(patient_id, assessment, version, answer_form.sent_by(form, form.text("do")), form.truth("checked"))


async def _assessment(visit: Visit, connection: Connection, spec_id: str, version: int) -> Assessment:
    found = None
    if spec_id not in visit.rights.hidden_assessments:
        found = await element(connection, visit.environment_id, "assessment", spec_id, version)
    if not isinstance(found, Assessment):
        raise problem("not_found", _NO_SPEC)
    return found


def _newest(visit: Visit, spec_id: str) -> int:
    spec = visit.program.newest_specs.get(spec_id)
    return spec.version if spec else 0


def _number(text: str) -> int:
    """A version as a form names it; 0, which no version has, where it is none."""
    return parsing.whole(text, high=10**8) or 0


def _wrong(visit: Visit, sent: _Sent, texts: Texts) -> dict[str, str]:
    given = answer_form.answers(sent.assessment, texts, visit.worker.timezone)
    spec = visit.program.specs.get((sent.assessment.id, sent.version))
    return answer_form.wrong(spec, answer_form.model(sent.assessment, given))


def _part(
    visit: Visit,
    assessment: Assessment,
    shown: _Shown,
    errors: Mapping[str, str] | None = None,
    refused: tuple[str, ...] = (),
    refocus: bool = False,
) -> FillPart:
    given = answer_form.answers(assessment, shown.texts, visit.worker.timezone)
    view = answer_form.drawn(assessment, given, errors or {}, visit.worker.timezone, shown.there)
    names = tuple(one.name.removeprefix(answer_form.PREFIX) for section in view.sections for one in section.fields)
    seen = tuple((name, msgspec.json.encode(texts).decode()) for name in names for texts in shown.seen.get(name, [[]]))
    clashes = {
        name: AnswerClash(*(", ".join(of.get(name, [])) for of in (shown.kept, shown.clashes)))
        for name in names
        if name in shown.clashes
    }
    refusing = [one for section in view.sections for one in section.fields if one.error]
    wrong, missing = (
        tuple((one.id, one.label) for one in refusing if (one.name.removeprefix(answer_form.PREFIX) in given) is is_answered)
        for is_answered in (True, False)
    )
    focus = refusing[0].id if refusing else "fill-refused-words"
    saved = "" if shown.saved_at is None else _clock(shown.saved_at, visit.worker.timezone)
    return FillPart(
        view=view,
        asked=names,
        seen=seen,
        clashes=clashes,
        saved=saved,
        checked=shown.checked,
        refused=refused,
        wrong=wrong,
        missing=missing,
        focus=focus if refocus else "",
    )


def _clock(at: datetime, timezone: str) -> str:
    """When something was kept, by the worker's clock."""
    here, today = clocks.local(at, timezone), clocks.today(timezone)
    return time_of_day(here) if here.date() == today else f"{day(here)} {time_of_day(here)}"


async def _drawn(visit: Visit, sent: _Sent, part: FillPart, status: int = 200) -> Response:
    """The form again: its part where a part of the page asked, else the page."""
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/form.html", Fragment(part), status)
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, sent.patient_id)
        page = await _page(
            visit, connection, patient=patient, assessment=sent.assessment, version=sent.version, texts=sent.typed.texts, part=part
        )
    return visit.page(f"{_FOLDER}/fill.html", page, status)


@dataclass(frozen=True)
class Fragment:
    """What the form's template sees where it is drawn alone."""

    part: FillPart


async def _page(
    visit: Visit, connection: Connection, patient: Patient, assessment: Assessment, version: int, texts: Texts, part: FillPart
) -> FillPage:
    asked = {question.name for question in assessment.questions}
    left = {name: [text for text in given if text.strip()] for name, given in texts.items() if name not in asked}
    back = _number(visit.query("from"))
    labels: dict[str, Any] = {}
    if any(left.values()) and back:
        older = await element(connection, visit.environment_id, "assessment", assessment.id, back)
        labels = {q.name: q.label for q in older.questions} if isinstance(older, Assessment) else {}
    left_over = tuple(FieldValue(name, labels.get(name) or name, ", ".join(given)) for name, given in left.items() if given)
    earlier = await responses.of_spec(visit, connection, patient.id, assessment.id)
    return FillPage(
        patient=patient,
        assessment=assessment,
        version=version,
        newest=_newest(visit, assessment.id),
        back=back,
        left_over=left_over,
        earlier=earlier,
        part=part,
    )
