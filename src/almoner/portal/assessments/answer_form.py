"""The form of an assessment while it is filled in: what was typed, what it means so far, what is asked and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from almoner.errors import Problem
from almoner.pages.forms.problems import by_name
from almoner.pages.visit import Form
from almoner.portal.assessments.drafts import KEPT, OTHER, TabInput, Texts
from almoner.vocabulary.definitions import Spec
from almoner.workshop import questions
from almoner.workshop.design import Assessment
from almoner.workshop.forms import FormView, fitting, form_view, read

# Stands before the names of the controls, so that no question can be taken for something else that the form sends.
PREFIX: Final = "a-"
# Stands before the name of a question where the form says what it saw of its answer, as a JSON list.
SEEN: Final = "seen."
# What a question hears that must be answered and is blank.
UNANSWERED: Final = "This must be answered."


def texts_of(form: Form) -> dict[str, list[str]]:
    """What was typed for each question that stood in the form, blanks included."""
    asked = dict.fromkeys(form.texts("asked"))
    return {name: list(form.texts(f"{PREFIX}{name}")) for name in asked}


def sent_by(form: Form, do: str) -> TabInput:
    """What a form of the page sent, and how it settles a clash: ``kept:<question>`` or ``other:<question>``."""
    texts, seen = texts_of(form), {}
    for name in texts:
        told = (_list_of(text) for text in form.texts(f"{SEEN}{name}"))
        seen[name] = [one for one in told if one is not None] or [[]]
    choice, _, chosen = do.partition(":")
    return TabInput(texts, seen, *((choice, chosen) if choice in (KEPT, OTHER) else ()))


def _list_of(text: str) -> list[str] | None:
    try:
        # A form is without NUL; JSON may still name it.
        return [one.replace("\x00", "") for one in msgspec.json.decode(text, type=list[str])]
    except msgspec.DecodeError:
        return None


def answers(assessment: Assessment, texts: Texts, timezone: str) -> dict[str, Any]:
    """The answers as JSON values; what does not parse yet stays text."""
    pairs = ((f"{PREFIX}{name}", text) for name, typed in texts.items() for text in typed)
    return read(assessment.questions, Form(pairs), PREFIX, timezone)


def model(assessment: Assessment, given: Mapping[str, Any]) -> dict[str, Any]:
    """The answers to what is asked: what is kept when the assessment is finished."""
    asked = questions.visible_questions(assessment, fitting(assessment.questions, given))
    return {name: value for name, value in given.items() if name in asked}


def drawn(
    assessment: Assessment, given: Mapping[str, Any], errors: Mapping[str, str], timezone: str, there: Iterable[str] = ()
) -> FormView:
    """The form with these answers. ``there`` names the questions that the browser shows already: their text is left to it."""
    view = form_view(assessment, given, errors, PREFIX, timezone)
    left = {f"{PREFIX}{name}" for name in there}
    sections = (
        replace(section, fields=tuple(replace(one, value="") if one.name in left else one for one in section.fields))
        for section in view.sections
    )
    return replace(view, sections=tuple(sections))


def wrong(spec: Spec | None, kept: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the answers so far, as sentences by the name of the question."""
    problems: list[Problem] = []
    if spec is not None:
        spec.model.keep(dict(kept), ".model", problems)
    asked = {*kept, *(spec.model.by_name if spec else ())}
    return by_name(problems, asked, ".model", UNANSWERED)[0]
