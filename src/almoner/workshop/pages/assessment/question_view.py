"""The form of a question as its template draws it: only what goes with the kind, and the tests that fit what is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from almoner.pages.forms.controls import number
from almoner.workshop.design import Assessment, Question
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.pages.assessment.edits import Place
from almoner.workshop.pages.assessment.outline import kind_in_words
from almoner.workshop.pages.assessment.question_form import TEST_WORDS, QuestionText, api_name, tests_for

Pairs = tuple[tuple[str, str], ...]
Control = Literal["", "boxes", "select", "number", "text"]
_ALWAYS: Final = ("", "Always: it is no follow-up")
_YES_NO: Final = (("yes", "Yes"), ("no", "No"))


@dataclass(frozen=True, kw_only=True)
class QuestionForm:
    """What the form offers. ``value_control`` is what the answer is tested with, blank where nothing is.

    ``names_itself``: the name still follows the label. ``followers`` are the titles of the questions that wait for this one.
    """

    is_new: bool
    kinds: Pairs
    kind: str
    sections: Pairs
    others: Pairs
    tests: Pairs
    value_control: Control
    value_options: Pairs
    value_help: str
    names_itself: bool
    followers: tuple[str, ...]

    def removal(self, title: str) -> str:
        """What is asked before the question is removed."""
        if not self.followers:
            return f"Remove “{title}” from the draft? What is published keeps it until the next publish."
        names = ", ".join(f"“{name}”" for name in self.followers)
        return f"Remove “{title}” from the draft? {names} waits for its answer and will need another condition."


def question_form(assessment: Assessment, place: Place, text: QuestionText) -> QuestionForm:
    """The form of the question at a place of the assessment, with this typed in it."""
    inside = assessment.sections[place[0]].questions
    saved = inside[place[1]] if place[1] < len(inside) else None
    name = saved.name if saved else ""
    asked = next((one for one in assessment.questions if one.name == text.waits_for), None)
    control, options, said = _value_control(text.test, asked)
    kind = FIELD_KINDS.get(text.kind)
    kinds = tuple((one, f"{kind_in_words(one)}: {about.about}") for one, about in FIELD_KINDS.items())
    return QuestionForm(
        is_new=saved is None,
        kinds=kinds if kind else (*kinds, (text.kind, f"{text.kind} (there is no such kind)")),
        kind=kind_in_words(text.kind),
        sections=tuple((str(at), one.heading or f"Section {at + 1}") for at, one in enumerate(assessment.sections)),
        others=_others(assessment, name, text.waits_for),
        tests=tuple((test, TEST_WORDS[test]) for test in tests_for(asked)),
        value_control=control,
        value_options=options,
        value_help=said,
        names_itself=saved is None and text.name in ("", api_name(text.label)),
        followers=tuple(one.label or one.name for one in assessment.questions if name and _waits_for(one) == name),
    )


def _waits_for(question: Question) -> str:
    return question.shown_when.question if question.shown_when else ""


def _others(assessment: Assessment, name: str, chosen: str) -> Pairs:
    """The questions that this one may wait for: those that do not wait for it themselves, however many others lie between."""
    waits = {question.name: _waits_for(question) for question in assessment.questions}

    def leads_here(other: str) -> bool:
        walked: set[str] = set()
        while other and other not in walked:
            if other == name:
                return True
            walked.add(other)
            other = waits.get(other, "")
        return False

    found = [(one.name, one.label or one.name) for one in assessment.questions if not (name and leads_here(one.name))]
    if chosen and chosen not in dict(found):
        found.append((chosen, f"{chosen} (not to be asked about here)"))
    return (_ALWAYS, *found)


def _value_control(test: str, asked: Question | None) -> tuple[Control, Pairs, str]:
    if asked is None or test in ("", "answered"):
        return "", (), ""
    choices = tuple((choice, choice) for choice in asked.choices)
    if test in ("one_of", "includes"):
        return "boxes", choices, ""
    answer = FIELD_KINDS[asked.kind].answer if asked.kind in FIELD_KINDS else "text"
    if answer == "truth":
        return "select", _YES_NO, ""
    if answer == "choice":
        return "select", choices, ""
    if answer == "number":
        ends = [None if end is None else number(end) for end in (asked.low, asked.high)]
        return "number", (), f"Answers go from {ends[0]} to {ends[1]}." if None not in ends else ""
    return "text", (), ""
