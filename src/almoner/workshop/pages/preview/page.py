"""The preview beside an assessment's editor: the form with what is typed in the editor, filled in
without being kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from almoner.errors import problem
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import questions
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.forms import FormView, answer_errors, asked_answers, form_view, read
from almoner.workshop.pages.assessment.page import PREFIX
from almoner.workshop.pages.assessment.parts import ASSESSMENTS, entered, part_of
from almoner.workshop.pages.editor import saving


@dataclass(frozen=True)
class PreviewPart:
    """The preview as it is after an answer; ``finished`` says what finishing would do."""

    assessment: Assessment
    preview: FormView
    finished: str


async def show(visit: Visit) -> Response:
    """The form with these answers and this unsaved edit. ``do`` is ``finish`` where it shall be
    checked as well.
    """
    form = await visit.form()
    async with visit.connection() as connection:
        draft = await saving.base_of(connection, visit.environment_id, form.text("base"))
    index = ASSESSMENTS.find(draft.design, form.text("assessment"))
    if index is None:
        raise problem(
            "not_found", "This assessment is no longer in the draft. Load the page again."
        )
    part = part_of(draft.design, index, form.text("part"))
    assessment = entered(part, form) if part else draft.design.assessments[index]
    answers = read(assessment.questions, form, PREFIX, visit.worker.timezone)
    errors, finished = {}, ""
    if form.text("do") == "finish":
        checked = questions.of_assessment(assessment, 0)
        errors = answer_errors(checked, asked_answers(assessment, answers))
        finished = (
            "" if errors else "A coach's answers would be kept now. The preview keeps nothing."
        )
        finished = finished or "These answers would not be accepted yet; each says why."
    view = form_view(assessment, answers, errors, PREFIX, visit.worker.timezone, left=answers)
    return visit.fragment(
        "workshop/pages/preview/assessment.html", PreviewPart(assessment, view, finished)
    )


ROUTES = (
    PageRoute(
        "/workshop/preview/assessment",
        show,
        methods=("POST",),
        may="design",
        background=True,
        repeatable=True,
    ),
)
