"""The form of an assessment while it is filled in: what was typed, what it means so far, what is
asked and what is wrong.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from almoner.pages.visit import Form
from almoner.portal.assessments.drafts import DRAFT, OTHER, TabInput, Texts
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.forms import read

# Stands before the names of the controls, so that no question can be taken for something else that
# the form sends.
PREFIX: Final = "a-"
# Stands before the name of a question where the form says what its answer was when the tab read it
# last, as a JSON list.
BASE: Final = "base."


def tab_input(form: Form, action: str) -> TabInput:
    """What a form of the page sent, blanks included, and how it settles a conflict:
    ``draft:<question>`` or ``other:<question>``.
    """
    texts = {
        name: list(form.texts(f"{PREFIX}{name}")) for name in dict.fromkeys(form.texts("asked"))
    }
    bases = {}
    for name in texts:
        lists = (_list_of(text) for text in form.texts(f"{BASE}{name}"))
        bases[name] = [texts_then for texts_then in lists if texts_then is not None] or [[]]
    side, _, question = action.partition(":")
    return TabInput(texts, bases, *((side, question) if side in (DRAFT, OTHER) else ()))


def _list_of(text: str) -> list[str] | None:
    try:
        # A form is without NUL; JSON may still name it.
        texts = msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        return None
    return [each.replace("\x00", "") for each in texts]


def as_form(texts: Texts) -> Form:
    """What was typed, as a form would send it."""
    return Form((f"{PREFIX}{name}", text) for name, answer in texts.items() for text in answer)


def answers(assessment: Assessment, texts: Texts, timezone: str) -> dict[str, Any]:
    """The answers as JSON values; what does not parse yet stays text."""
    return read(assessment.questions, as_form(texts), PREFIX, timezone)
