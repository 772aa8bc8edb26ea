"""The page where one assessment is edited: questions, follow-ups, points and bands, beside the form as a coach will see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import checks
from almoner.workshop.design import Assessment
from almoner.workshop.drafts import Draft
from almoner.workshop.forms import FormView, form_view
from almoner.workshop.pages.assessment.commands import CommandResult, OpenForm, act, open_part
from almoner.workshop.pages.assessment.edits import index_of
from almoner.workshop.pages.assessment.outline import ScoreCard, SectionOutline, cards, range_in_words, score_card
from almoner.workshop.pages.assessment.parts_form import AUDIENCES, ScoringText, put_scoring
from almoner.workshop.pages.assessment.question_form import QuestionText
from almoner.workshop.pages.assessment.question_view import QuestionForm, question_form
from almoner.workshop.pages.assessment.score_range import reach, remarks
from almoner.workshop.pages.editor import saving
from almoner.workshop.pages.editor.form import sentence
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.shape import by_key

PREFIX: Final = "preview-"
# The preview has answers of its own, which the editor does not send: it asks for what it shows then.
_TELL_PREVIEW: Final = {"HX-Trigger": '{"edited": {"target": "#preview-form"}}'}


@dataclass(frozen=True)
class Focus:
    """The id of what gets the focus; ``edit-first`` is the first field of the form that is open."""

    id: str

    def attrs(self, field_id: str, first: bool = False) -> dict[str, Any]:
        """The attributes of a field that has this id; ``first``: it is the first of its form."""
        is_wanted = self.id == field_id or (first and self.id == "edit-first")
        return {"id": field_id} | ({"data-focus": True} if is_wanted else {})


@dataclass(frozen=True, kw_only=True)
class AssessmentPage:
    """The editor. ``opened`` is the one form that is open, ``told`` what readers are told.

    ``question`` is what the form of a question offers; ``scoring_range`` and ``scoring_remarks`` tell of the bands as they are
    typed.
    """

    frame: Frame
    assessment: Assessment
    path: str
    base: int
    cards: tuple[SectionOutline, ...]
    score: ScoreCard
    audience: str
    audiences: tuple[tuple[str, str], ...]
    descriptions: Mapping[str, str]
    problems: tuple[str, ...]
    opened: OpenForm | None
    question: QuestionForm | None
    scoring_range: str
    scoring_remarks: tuple[str, ...]
    preview: FormView
    finished: str
    focus: Focus
    told: str


async def show(visit: Visit) -> Response:
    """The editor of an assessment; as a part of the page with the form that ``open`` names."""
    async with visit.parts.database.connection() as connection:
        draft = await saving.draft_for_editor(visit, connection, "Assessments")
        if isinstance(draft, Response):
            return draft
        index = index_of(draft.design, visit.path("assessment"))
        if index is None:
            raise _gone()
        opened = open_part(draft.design.assessments[index], visit.query("open"))
        focus = visit.query("focus") or ("edit-first" if opened else "")
        return await _answer(visit, connection, draft, index, CommandResult(None, opened, focus))


async def edit(visit: Visit) -> Response:
    """Does what a button of the editor asks for, and shows what came of it."""
    form = await visit.form()
    base = form.text("base")
    async with visit.parts.database.connection() as connection:
        before = await saving.base_of(connection, visit.environment_id, base)
        index = index_of(before.design, form.text("assessment"))
        done = None if index is None else act(before.design, index, form)
        if index is None or done is None:
            raise _gone()
        if done.design is None:
            return await _answer(visit, connection, before, index, done)
        made = done.design.assessments[index]
        back = path_of(before.design.assessments[index].id)
        saved = await saving.save(visit, connection, before, done.design, back=back)
        if isinstance(saved, Response):
            return saved
        if made.id != before.design.assessments[index].id or not visit.is_fragment:
            return visit.go(path_of(made.id))
        index = index_of(saved.design, made.id)
        if index is None:
            raise _gone()
        told = " ".join((done.told, *await saving.notes(connection, visit, before.revision, saved)))
        return await _answer(visit, connection, saved, index, replace(done, told=told))


def path_of(assessment_id: str) -> str:
    """The address of an assessment's editor."""
    return f"/workshop/assessments/{quote(assessment_id, safe='')}"


async def _answer(visit: Visit, connection: Connection, draft: Draft, index: int, done: CommandResult) -> Response:
    design = draft.design
    assessment = design.assessments[index]
    at = f"assessments[{index}]"
    found = [one for one in checks.every_problem(design) if one.path == at or one.path.startswith(f"{at}.")]
    opened = done.opened
    text = opened.text if opened else None
    question = None
    if opened and isinstance(text, QuestionText):
        number, place = map(int, opened.part.split(".")[1:])
        question = question_form(assessment, (number, place), text)
    typed = put_scoring(assessment, text)[0] if isinstance(text, ScoringText) else assessment
    members = by_key(Assessment)
    page = AssessmentPage(
        frame=await frame(visit, connection, draft),
        assessment=assessment,
        path=path_of(assessment.id),
        base=draft.revision,
        cards=cards(assessment, at, found),
        score=score_card(assessment, at, found),
        audience=dict(AUDIENCES)[assessment.audience],
        audiences=AUDIENCES,
        descriptions={name: members[name].description for name in ("id", "name", "title", "audience")},
        problems=tuple(sentence(one.text) for one in found if one.path in (at, f"{at}.id", f"{at}.name")),
        opened=opened,
        question=question,
        scoring_range=range_in_words(reach(typed)),
        scoring_remarks=tuple(remarks(typed.scoring.bands, reach(typed))) if typed.scoring else (),
        preview=form_view(assessment, {}, prefix=PREFIX, timezone=visit.worker.timezone),
        finished="",
        focus=Focus(done.focus),
        told=done.told,
    )
    if visit.is_fragment:
        status = 422 if opened and opened.errors else 200
        return visit.fragment("workshop/pages/assessment/changed.html", page, status, _TELL_PREVIEW)
    return visit.page("workshop/pages/assessment/page.html", page)


def _gone() -> Exception:
    return problem("not_found", "This assessment, or the part of it, is no longer in the draft. Load the page again.")


ROUTES = (
    PageRoute("/workshop/assessments/{assessment:path}", show, may="design"),
    PageRoute("/workshop/assessment", edit, methods=("POST",), may="design"),
)
