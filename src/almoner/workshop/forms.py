"""The forms of a program's assessments and custom data types, made from their design: to preview them, and to fill them in."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from almoner.pages.forms import controls
from almoner.pages.forms.controls import FieldView
from almoner.pages.moment_fields import two_meanings
from almoner.pages.visit import Form
from almoner.vocabulary.kinds import Kind, Text
from almoner.workshop import questions
from almoner.workshop.design import Assessment, FieldDesign, Question
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.score import Score, score

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


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
    live: bool = False,
) -> FormView:
    """An assessment with these answers, without the follow-ups that they do not call for.

    ``answers`` are JSON values by name, as the API has them; one that does not fit is shown as it is, and counts for nothing.
    ``errors`` are sentences by name. ``timezone`` is whose clock dates with a time are shown in. ``live``: the page is being
    filled in at this moment, and what is typed in it is left to the browser.
    """
    known = fitting(assessment.questions, answers)
    asked = questions.visible_questions(assessment, known)
    views = fields_view(assessment.questions, answers, errors=errors, prefix=prefix, timezone=timezone, live=live)
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
            SectionView(f"{prefix}section-{number}", section.heading, section.description, section.footer, tuple(fields))
        )
    return FormView(assessment.title or assessment.name, tuple(sections), score(assessment, known))


def fields_view(
    fields: Iterable[FieldDesign],
    answers: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    prefix: str = "",
    timezone: str = "UTC",
    live: bool = False,
) -> tuple[FieldView, ...]:
    """These fields with these values, each with an id of its own. The arguments are those of ``form_view``."""
    told = errors or {}
    seen: dict[str, int] = {}
    views = []
    for field in fields:
        plain = field.name if _PLAIN.fullmatch(field.name) else f"x{zlib.crc32(field.name.encode()):08x}"
        seen[plain] = seen.get(plain, 0) + 1
        at = f"{prefix}{plain}" + (f"--{seen[plain]}" if seen[plain] > 1 else "")
        plain_view = FieldView(
            id=at, name=f"{prefix}{field.name}", label=field.label or field.name, help=field.help, required=field.required
        )
        view = controls.with_value(
            plain_view, kind_of(field), value=answers.get(field.name), timezone=timezone, low=field.low, high=field.high
        )
        error = view.error or told.get(field.name, "")
        error = error and (two_meanings(view.value, view.widget) or error)
        views.append(replace(view, error=error, value="" if live else view.value))
    return tuple(views)


def depth_of(asked: Iterable[Question]) -> dict[str, int]:
    """How many follow-ups lead to each question; a circle ends where it closes."""
    waits = {question.name: question.shown_when.question if question.shown_when else "" for question in asked}
    depths = {}
    for name in waits:
        walked = {name}
        before = waits[name]
        while before in waits and before not in walked:
            walked.add(before)
            before = waits[before]
        depths[name] = len(walked) - 1
    return depths


def read(fields: Iterable[FieldDesign], form: Form, prefix: str = "", timezone: str = "UTC") -> dict[str, Any]:
    """The answers of a form that was sent, as JSON values. A blank is no answer.

    What cannot be read as its kind stays as it was typed, for the check that every answer goes through to say what is wrong.
    ``timezone`` is whose clock dates with a time were typed by.
    """
    answers = {field.name: controls.value_of(kind_of(field), form.texts(f"{prefix}{field.name}"), timezone) for field in fields}
    return {name: answer for name, answer in answers.items() if answer is not None}


def fitting(fields: Iterable[FieldDesign], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the answers that their kind accepts."""
    kept = {}
    for field in fields:
        problems: list[Any] = []
        if field.name in answers:
            kind_of(field).decode(answers[field.name], field.name, problems)
            if not problems:
                kept[field.name] = answers[field.name]
    return kept


def kind_of(field: FieldDesign) -> Kind:
    """What checks the values of a field; any text where its kind is none that there is, as in a draft that is not right yet."""
    known = FIELD_KINDS.get(field.kind)
    is_endless = any(isinstance(limit, float) and not math.isfinite(limit) for limit in (field.low, field.high))
    return Text() if known is None or is_endless else known.make(field)
