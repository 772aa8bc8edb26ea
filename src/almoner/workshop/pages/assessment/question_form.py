"""The form of one question: what is typed in it, and the question that this makes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from almoner.pages import parsing
from almoner.pages.forms.controls import number
from almoner.pages.visit import Form
from almoner.workshop.checks import DesignProblem
from almoner.workshop.design import LONGEST_NAME, Condition, Question
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.pages.editor.form import sentence
from almoner.workshop.question_checks import NO_TEST, TESTS, given_tests, key

# Tests in the words that a designer picks them by, in the order in which they are offered.
TEST_WORDS: Final = {
    "is": "is",
    "one_of": "is one of",
    "includes": "includes any of",
    "above": "is above",
    "at_least": "is at least",
    "below": "is below",
    "at_most": "is at most",
    "answered": "is answered",
}
_NEEDED: Final = "This is needed."
_UNTESTED: Final = sentence(NO_TEST)


@dataclass(frozen=True, kw_only=True)
class QuestionText:
    """What the form of a question holds, as it is typed. ``choices`` are pairs of a choice and its points.

    ``waits_for`` names the question that a follow-up depends on, blank where it is none; ``values`` what its answer is tested with.
    """

    label: str = ""
    name: str = ""
    kind: str = "text"
    help: str = ""
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    low: str = ""
    high: str = ""
    weight: str = ""
    waits_for: str = ""
    test: str = ""
    values: tuple[str, ...] = ()

    def takes(self, option: str) -> bool:
        """Whether this option goes with the kind."""
        return self.kind in FIELD_KINDS and option in FIELD_KINDS[self.kind].takes


def text_of(question: Question) -> QuestionText:
    """A question as its form shows it."""
    condition = question.shown_when
    test, values = _test_of(condition) if condition else ("", ())
    return QuestionText(
        label=question.label,
        name=question.name,
        kind=question.kind,
        help=question.help,
        required=question.required,
        choices=tuple((choice, _typed(question.points.get(choice))) for choice in question.choices),
        low=_typed(question.low),
        high=_typed(question.high),
        weight=_typed(question.weight),
        waits_for=condition.question if condition else "",
        test=test,
        values=values,
    )


def read_text(form: Form) -> QuestionText:
    """What was typed. Choices and points belong together by their order."""
    choices, points = form.texts("choice"), form.texts("points")
    return QuestionText(
        label=form.text("label"),
        name=form.text("name"),
        kind=form.text("kind") or "text",
        help=form.text("help"),
        required=form.truth("required"),
        choices=tuple(zip(choices, points, strict=False)),
        low=form.text("low"),
        high=form.text("high"),
        weight=form.text("weight"),
        waits_for=form.text("waits_for"),
        test=form.text("test"),
        values=form.texts("value"),
    )


def tests_for(asked: Question | None) -> tuple[str, ...]:
    """The tests that fit the answers to a question; none where there is no such question."""
    kind = FIELD_KINDS.get(asked.kind) if asked else None
    return tuple(test for test in TEST_WORDS if kind and kind.answer in TESTS[test][1])


def settled(text: QuestionText, asked: Question | None) -> QuestionText:
    """The form made whole: a first empty choice where choices are due, and a test that fits what is asked about."""
    if text.takes("choices") and not text.choices:
        text = replace(text, choices=(("", ""), ("", "")))
    if text.kind == "scale" and not text.low and not text.high:
        text = replace(text, low="0", high="10")
    fitting = tests_for(asked)
    if not text.waits_for:
        return replace(text, test="", values=())
    if text.test not in fitting:
        return replace(text, test=fitting[0] if fitting else "", values=())
    return text


def api_name(label: str) -> str:
    """The name that a label suggests: small letters and underscores."""
    bare = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return "_".join(re.findall(r"[a-z0-9]+", bare))[:60].rstrip("_")


def build(text: QuestionText, asked: Question | None) -> tuple[Question, dict[str, str]]:
    """The question that was typed, and what is wrong with it that no check of a whole program can see, by the field's name.

    ``asked`` is the question that a follow-up waits for; None where there is none of its name.
    """
    errors: dict[str, str] = {}
    rows = [(at, choice.strip(), points) for at, (choice, points) in enumerate(text.choices) if choice.strip() or points.strip()]
    rows = rows if text.takes("choices") else []
    points = {}
    seen: set[str] = set()
    for at, choice, typed in rows:
        if not choice:
            errors[f"choice.{at}"] = "Name the choice that these points belong to."
        elif choice in seen:
            errors[f"choice.{at}"] = f"There is already an option {choice}."
        seen.add(choice)
        counted = parse_number(typed, f"points.{at}", errors) if text.takes("points") else None
        if counted is not None:
            points[choice] = counted
    if text.takes("choices") and not rows:
        errors["choice.0"] = "Give at least one choice."
    numbers = {name: parse_number(getattr(text, name), name, errors) for name in ("low", "high", "weight") if text.takes(name)}
    question = Question(
        name=text.name.strip() or api_name(text.label),
        kind=text.kind,
        label=text.label.strip(),
        help=text.help.strip(),
        required=text.required,
        choices=tuple(choice for _, choice, _ in rows),
        points=points,
        shown_when=_condition(text, asked, errors),
        **numbers,
    )
    if not question.name:
        errors["name"] = "Give it a name that programs call it by."
    elif len(question.name) > LONGEST_NAME:
        errors["name"] = f"A name has at most {LONGEST_NAME} characters."
    return question, errors


def errors_of(problems: Iterable[DesignProblem], path: str, text: QuestionText) -> dict[str, str]:
    """What the checks of the program say of the question at this path, as sentences by the name of the form's field."""
    found: dict[str, str] = {}
    for problem in problems:
        if problem.path == path or problem.path.startswith(f"{path}."):
            said = sentence(problem.text)
            place = problem.path.removeprefix(path).removeprefix(".")
            if not place and problem.rests_on and problem.rests_on[0].startswith(f"{path}."):
                place, said = problem.rests_on[0].removeprefix(f"{path}."), _NEEDED
            found.setdefault(_place(place, text), said)
    return found


def _place(place: str, text: QuestionText) -> str:
    """The form's field for a member's path below the question."""
    name, _, rest = place.partition(".")
    if name == "shown_when":
        return "waits_for" if rest == "question" else ("value" if rest else "test")
    if name.startswith("points"):
        rows = [at for at, (choice, _) in enumerate(text.choices) if name == f"points{key(choice.strip())}"]
        return f"points.{rows[0]}" if rows else "choice.0"
    if name.startswith("choices"):
        filled = [at for at, (choice, points) in enumerate(text.choices) if choice.strip() or points.strip()]
        index = int(name[8:-1]) if name != "choices" else 0
        return f"choice.{filled[index] if index < len(filled) else 0}"
    return name


def _condition(text: QuestionText, asked: Question | None, errors: dict[str, str]) -> Condition | None:
    if not text.waits_for:
        return None
    if text.test not in TESTS:
        errors["test"] = _UNTESTED
        return Condition(question=text.waits_for)
    attribute = TESTS[text.test][0]
    value = _tested(text, asked, errors)
    return Condition(question=text.waits_for) if value is None else Condition(question=text.waits_for, **{attribute: value})


def _tested(text: QuestionText, asked: Question | None, errors: dict[str, str]) -> Any:
    """What the answer is tested with, of the type that the test compares; None where it is not there."""
    answer = FIELD_KINDS[asked.kind].answer if asked and asked.kind in FIELD_KINDS else "text"
    given = tuple(value for value in text.values if value.strip())
    if text.test == "answered":
        return True
    if not given:
        errors["value"] = _UNTESTED
        return None
    if text.test in ("one_of", "includes"):
        return given
    if answer == "truth":
        return given[-1] == "yes"
    if answer == "number":
        return parse_number(given[-1], "value", errors)
    return given[-1]


def _test_of(condition: Condition) -> tuple[str, tuple[str, ...]]:
    test = next(iter(given_tests(condition)), "")
    value = getattr(condition, TESTS[test][0]) if test else ()
    if isinstance(value, bool):
        return test, ("yes" if value else "no",)
    return test, value if isinstance(value, tuple) else (value if isinstance(value, str) else number(value),)


def _typed(value: float | None) -> str:
    return "" if value is None else number(value)


def parse_number(typed: str, at: str, errors: dict[str, str]) -> int | float | None:
    """The number in a field; None where it is blank, or wrong and said so under the field's name."""
    if not typed.strip():
        return None
    try:
        return parsing.number(typed.strip())
    except ValueError as error:
        errors[at] = str(error)
        return None
