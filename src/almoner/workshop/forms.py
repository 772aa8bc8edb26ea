"""The forms of a program's assessments and custom data types, made from their design: to preview
them, and to fill them in.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from almoner.errors import Problem
from almoner.pages.forms import controls
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_name
from almoner.pages.moment_fields import two_meanings
from almoner.pages.visit import Form
from almoner.vocabulary.definitions import Score
from almoner.vocabulary.fields import Object
from almoner.workshop import questions
from almoner.workshop.assessment_design import Assessment, FieldDesign, Question
from almoner.workshop.field_kinds import kind_of
from almoner.workshop.score import score

# What is said at a question that must be answered and is blank.
UNANSWERED: Final = "This must be answered."


@dataclass(frozen=True)
class SectionView:
    """A part of a form under its heading."""

    id: str
    heading: str
    description: str
    footer: str
    fields: tuple[FieldView, ...]


@dataclass(frozen=True)
class FormView:
    """A whole assessment. ``score`` is None where it has none."""

    title: str
    sections: tuple[SectionView, ...]
    score: Score | None


def form_view(
    assessment: Assessment,
    answers: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    prefix: str = "",
    timezone: str = "UTC",
    left: Container[str] = (),
) -> FormView:
    """An assessment with these answers, without the follow-ups that they do not call for.

    ``answers`` are JSON values by name, as the API has them; one that does not fit is shown as it
    is, and counts for nothing. ``errors`` are sentences by name. ``timezone`` is whose clock dates
    with a time are shown in. ``left`` names the questions that the browser shows already: what is
    typed there is left to it."""
    known = fitting(assessment.questions, answers)
    asked = questions.visible_questions(assessment, known)
    views = fields_view(
        assessment.questions, answers, errors=errors, prefix=prefix, timezone=timezone, left=left
    )
    by_question = iter(zip(assessment.questions, views, strict=True))
    depths = depth_of(assessment.questions)
    sections = []
    for number, section in enumerate(assessment.sections):
        fields = [
            replace(view, depth=depths[question.name])
            for question, view in (next(by_question) for _ in section.questions)
            if question.name in asked
        ]
        sections.append(
            SectionView(
                f"{prefix}section-{number}",
                section.heading,
                section.description,
                section.footer,
                tuple(fields),
            )
        )
    return FormView(assessment.title or assessment.name, tuple(sections), score(assessment, known))


def fields_view(
    fields: Iterable[FieldDesign],
    answers: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    prefix: str = "",
    timezone: str = "UTC",
    left: Container[str] = (),
) -> tuple[FieldView, ...]:
    """These fields with these values, each with an id of its own. The arguments are those of
    ``form_view``.
    """
    messages = errors or {}
    counts: dict[str, int] = {}
    views = []
    for field in fields:
        plain = controls.id_of(field.name)
        counts[plain] = counts.get(plain, 0) + 1
        at = f"{prefix}{plain}" + (f"--{counts[plain]}" if counts[plain] > 1 else "")
        plain_view = FieldView(
            id=at,
            name=f"{prefix}{field.name}",
            label=field.label or field.name,
            help=field.help,
            required=field.required,
        )
        view = controls.with_value(
            plain_view,
            kind_of(field),
            value=answers.get(field.name),
            timezone=timezone,
            low=field.low,
            high=field.high,
        )
        error = view.error or messages.get(field.name, "")
        error = error and (two_meanings(view.value, view.widget) or error)
        views.append(replace(view, error=error, value="" if field.name in left else view.value))
    return tuple(views)


def depth_of(asked: Iterable[Question]) -> dict[str, int]:
    """How many follow-ups lead to each question; a circle ends where it closes."""
    waits = {
        question.name: question.shown_when.question if question.shown_when else ""
        for question in asked
    }
    depths = {}
    for name in waits:
        walked = {name}
        before = waits[name]
        while before in waits and before not in walked:
            walked.add(before)
            before = waits[before]
        depths[name] = len(walked) - 1
    return depths


def read(
    fields: Iterable[FieldDesign], form: Form, prefix: str = "", timezone: str = "UTC"
) -> dict[str, Any]:
    """The answers of a form that was sent, as JSON values. A blank is no answer.

    What cannot be read as its kind stays as it was typed, for the check that every answer goes
    through to say what is wrong. ``timezone`` is whose clock dates with a time were typed by."""
    answers = {
        field.name: controls.value_of(kind_of(field), form.texts(f"{prefix}{field.name}"), timezone)
        for field in fields
    }
    return {name: answer for name, answer in answers.items() if answer is not None}


def fitting(fields: Iterable[FieldDesign], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the answers that their kind accepts."""
    accepted = {}
    for field in fields:
        problems: list[Any] = []
        if field.name in answers:
            kind_of(field).decode(answers[field.name], field.name, problems)
            if not problems:
                accepted[field.name] = answers[field.name]
    return accepted


def asked_answers(assessment: Assessment, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers to what is asked: what an assessment is finished with."""
    asked = questions.visible_questions(assessment, fitting(assessment.questions, answers))
    return {name: answer for name, answer in answers.items() if name in asked}


def answer_errors(checked: Object, answers: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with answers, as a sentence by the name of the question."""
    problems: list[Problem] = []
    checked.keep(dict(answers), ".model", problems)
    return by_name(problems, {*answers, *checked.by_name}, ".model", UNANSWERED)[0]
