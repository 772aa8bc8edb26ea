"""The page where one assessment is edited: questions, follow-ups, points and bands, beside the form
as a coach will see it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import checks
from almoner.workshop.assessment_design import Assessment, AssessmentSection, Question
from almoner.workshop.drafts import Draft
from almoner.workshop.forms import FormView, form_view
from almoner.workshop.pages.assessment.actions import ActionResult, OpenPart, act
from almoner.workshop.pages.assessment.outline import (
    ScoreCard,
    SectionOutline,
    cards,
    score_card,
    score_of,
)
from almoner.workshop.pages.assessment.parts import (
    ASSESSMENTS,
    AssessmentPart,
    entered,
    followers,
    opener,
    own_keys,
    part_of,
    read_part,
    title_of,
)
from almoner.workshop.pages.editor import saving
from almoner.workshop.pages.editor.form import sentence
from almoner.workshop.pages.editor.member_control import MemberControl
from almoner.workshop.pages.elements.summaries import AUDIENCE
from almoner.workshop.pages.frame import Frame, frame

PREFIX: Final = "preview-"
# The preview has answers of its own, which the editor does not send: it asks for what it shows
# then.
_TELL_PREVIEW: Final = {"HX-Trigger": '{"edited": {"target": "#preview-form"}}'}


@dataclass(frozen=True, kw_only=True)
class PartForm:
    """The form that is open. ``error`` is about the whole part, ``removal`` what is asked before it
    is removed, blank where it stays.

    ``back`` is the id of what opens it; ``sections`` are those that a question can stand in,
    ``section`` the number of its own. ``score`` tells of the score as its bands are typed."""

    part: str
    title: str
    is_new: bool
    changed: bool
    error: str
    fields: tuple[MemberControl, ...]
    removal: str
    back: str
    sections: tuple[tuple[str, str], ...] = ()
    section: str = ""
    score: ScoreCard | None = None


@dataclass(frozen=True, kw_only=True)
class AssessmentPage:
    """The editor. ``opened`` is the one form that is open; ``focus`` the id of what gets the focus,
    ``message`` what readers are told."""

    frame: Frame
    assessment: Assessment
    path: str
    base: int
    cards: tuple[SectionOutline, ...]
    score: ScoreCard
    audience: str
    problems: tuple[str, ...]
    opened: PartForm | None
    preview: FormView
    finished: str
    focus: str
    message: str


async def show(visit: Visit) -> Response:
    """The editor of an assessment; as a part of the page with the form that ``open`` names."""
    async with visit.connection() as connection:
        draft = await saving.draft_for_editor(visit, connection, "Assessments")
        if isinstance(draft, Response):
            return draft
        index = _index_of(draft, visit.path("assessment"))
        part = part_of(draft.design, index, visit.query("open"))
        opened = OpenPart(part=part, form=part.form(), changed=False) if part else None
        return await _answer(
            visit, connection, draft, index, ActionResult(None, opened, visit.query("focus"))
        )


async def edit(visit: Visit) -> Response:
    """Does what a button of the editor asks for, and shows what came of it."""
    form = await visit.form()
    async with visit.connection() as connection:
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
        index = _index_of(before, form.text("assessment"))
        result = act(before.design, index, form)
        if result is None:
            raise _gone()
        if result.design is None:
            return await _answer(visit, connection, before, index, result)
        assessment, earlier = result.design.assessments[index], before.design.assessments[index]
        saved = await saving.save(
            visit, connection, before, result.design, back=ASSESSMENTS.to("", earlier)
        )
        if isinstance(saved, Response):
            return saved
        if assessment.id != earlier.id or not visit.is_fragment:
            return visit.go(ASSESSMENTS.to("", assessment))
        message = " ".join(
            (result.message, *await saving.notes(connection, visit, before.revision, saved))
        )
        return await _answer(
            visit,
            connection,
            saved,
            _index_of(saved, assessment.id),
            replace(result, message=message),
        )


async def _answer(
    visit: Visit, connection: Connection, draft: Draft, index: int, result: ActionResult
) -> Response:
    assessment, at = draft.design.assessments[index], f"assessments[{index}]"
    problems = [
        problem
        for problem in checks.every_problem(draft.design)
        if problem.path == at or problem.path.startswith(f"{at}.")
    ]
    opened = _part_form(result.opened) if result.opened else None
    first = opened.fields[0] if opened and not opened.changed else None
    page = AssessmentPage(
        frame=await frame(visit, connection, draft),
        assessment=assessment,
        path=ASSESSMENTS.to("", assessment),
        base=draft.revision,
        cards=cards(assessment, at, problems),
        score=score_card(assessment, at, problems),
        audience=AUDIENCE[assessment.audience],
        problems=tuple(
            sentence(problem.text)
            for problem in problems
            if problem.path in (at, *(f"{at}.{key}" for key in own_keys(Assessment)))
        ),
        opened=opened,
        preview=form_view(assessment, {}, prefix=PREFIX, timezone=visit.worker.timezone),
        finished="",
        focus=result.focus
        or (f"{first.name}{':given' if first.control == 'part' else ''}" if first else ""),
        message=result.message,
    )
    if visit.is_fragment:
        status = 422 if result.opened and result.opened.errors else 200
        return visit.fragment("workshop/pages/assessment/changed.html", page, status, _TELL_PREVIEW)
    return visit.page("workshop/pages/assessment/page.html", page)


def _part_form(opened: OpenPart) -> PartForm:
    part = opened.part
    number, sections = part.place[0] if part.place else 0, part.assessment.sections
    is_whole = part.name != "scoring" or not read_part(part, opened.form).errors
    options = tuple(
        (str(at), section.heading or f"Section {at + 1}") for at, section in enumerate(sections)
    )
    return PartForm(
        part=part.name,
        title=title_of(part, opened.form),
        is_new=part.part is None,
        changed=opened.changed,
        error=opened.errors.get("", ""),
        fields=part.fields(opened.form, opened.errors),
        removal=_removal(part) if part.place and part.part else "",
        back=(
            "add-section"
            if part.struct is AssessmentSection and part.part is None
            else opener(part, part.place)
        ),
        sections=options if part.struct is Question and len(options) > 1 else (),
        section=str(number if opened.section is None else opened.section),
        score=(
            score_of(entered(part, opened.form)) if part.name == "scoring" and is_whole else None
        ),
    )


def _removal(part: AssessmentPart) -> str:
    waiting = ", ".join(f"“{title}”" for title in followers(part))
    after = "What is published keeps it until the next publish."
    after = f"{waiting} waits for its answer and will need another condition." if waiting else after
    with_it = "with its questions " if part.struct is AssessmentSection else ""
    return f"Remove “{title_of(part, part.form())}” {with_it}from the draft? {after}"


def _index_of(draft: Draft, assessment_id: str) -> int:
    index = ASSESSMENTS.find(draft.design, assessment_id)
    if index is None:
        raise _gone()
    return index


def _gone() -> Exception:
    return problem(
        "not_found",
        "This assessment, or the part of it, is no longer in the draft. Load the page again.",
    )


ROUTES = (
    PageRoute("/workshop/assessments/{assessment:path}", show, may="design"),
    PageRoute("/workshop/assessment", edit, methods=("POST",), may="design"),
)
