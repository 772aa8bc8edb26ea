"""The preview beside an assessment's editor: the form with what is typed in the editor, filled in without being kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from almoner.errors import problem
from almoner.pages.forms.refusals import refusal
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import questions
from almoner.workshop.design import Assessment
from almoner.workshop.forms import FormView, form_view, kind_of, read
from almoner.workshop.pages.assessment.commands import typed_into
from almoner.workshop.pages.assessment.edits import index_of
from almoner.workshop.pages.assessment.page import PREFIX
from almoner.workshop.pages.editor import saving


@dataclass(frozen=True)
class PreviewPart:
    """The preview as it is after an answer; ``finished`` says what finishing would do."""

    assessment: Assessment
    preview: FormView
    finished: str


async def show(visit: Visit) -> Response:
    """The form with these answers and this unsaved edit. ``do`` is ``finish`` where it shall be checked as well."""
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        draft = await saving.base_of(connection, visit.environment_id, form.text("base"))
    index = index_of(draft.design, form.text("assessment"))
    if index is None:
        raise problem("not_found", "This assessment is no longer in the draft. Load the page again.")
    typed = typed_into(draft.design.assessments[index], form)
    answers = read(typed.questions, form, PREFIX, visit.worker.timezone)
    errors, finished = {}, ""
    if form.text("do") == "finish":
        errors = wrong(typed, answers)
        finished = "" if errors else "A coach's answers would be kept now. The preview keeps nothing."
        finished = finished or "These answers would not be accepted yet; each says why."
    view = form_view(typed, answers, errors, PREFIX, visit.worker.timezone, live=True)
    return visit.fragment("workshop/pages/preview/assessment.html", PreviewPart(typed, view, finished))


def wrong(assessment: Assessment, answers: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the answers to an assessment, as a sentence by the name of the question."""
    asked = questions.visible_questions(assessment, answers)
    found = {}
    for question in assessment.questions:
        answer = answers.get(question.name)
        if question.name not in asked:
            continue
        if answer is None and question.required:
            found[question.name] = "This must be answered."
        elif answer is not None:
            problems: list[Any] = []
            kind_of(question).decode(answer, question.name, problems)
            if problems:
                found[question.name] = refusal(problems[0])
    return found


ROUTES = (PageRoute("/workshop/preview/assessment", show, methods=("POST",), may="design", background=True, repeatable=True),)
