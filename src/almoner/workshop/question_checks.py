"""What can be wrong with the fields of a program, and with the questions of an assessment taken
together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from almoner.vocabulary.contact_kinds import is_blank
from almoner.workshop.assessment_design import Assessment, Condition, FieldDesign, Question, Scoring
from almoner.workshop.design_problem import DesignProblem, instead, short
from almoner.workshop.field_kinds import FIELD_KINDS, OPTIONS, FieldKind
from almoner.workshop.process_design import ProcessCondition
from almoner.workshop.shape import by_key

# Condition's tests by their names in a file, with the attribute and the kinds of answer that each
# can be asked about.
_ANY: Final = ("text", "number", "truth", "choice", "choices")
TESTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "is": ("equals", ("text", "number", "truth", "choice")),
    "one_of": ("one_of", ("choice",)),
    "includes": ("includes", ("choices",)),
    "above": ("above", ("number",)),
    "below": ("below", ("number",)),
    "at_least": ("at_least", ("number",)),
    "at_most": ("at_most", ("number",)),
    "answered": ("answered", _ANY),
}
# What is said of a condition without a test, in the words of a file; pages say it in words of their
# own.
NO_TEST: Final = f"a test is missing; one of {', '.join(TESTS)} is expected"
NOT_FINITE: Final = "a number is expected, not an endless one"
_WORDS: Final = {
    "text": "a text",
    "number": "a number",
    "truth": "true or false",
    "choice": "one of its choices",
}
_MOST_NAMED: Final = 10
Places = Mapping[str, tuple[str, Question]]


def of_field(field: FieldDesign, path: str) -> Iterator[DesignProblem]:
    """What is wrong with one field by itself: its kind, and the options that go with it."""
    kind = FIELD_KINDS.get(field.kind)
    if kind is None:
        blank = is_blank(field.kind)
        text = "this must not be blank" if blank else f"there is no kind {short(field.kind)}"
        yield DesignProblem(
            f"{path}.kind", text, hint=None if blank else partial(instead, field.kind, FIELD_KINDS)
        )
        return
    for option in OPTIONS:
        is_set = getattr(field, option, None) not in (None, (), {})
        if is_set and option not in kind.takes:
            yield DesignProblem(
                f"{path}.{option}", f"{option} does not go with the kind {field.kind}"
            )
        elif not is_set and option in kind.needs:
            yield DesignProblem(
                path,
                f"{option} is missing; the kind {field.kind} needs it",
                rests_on=(f"{path}.{option}",),
            )
    yield from _of_limits(field, kind, path)
    if isinstance(field, Question) and "points" in kind.takes:
        for choice in field.points:
            if choice not in field.choices:
                text, hint = (
                    f"there is no choice {short(choice)}",
                    partial(instead, choice, field.choices),
                )
                yield DesignProblem(
                    f"{path}.points{key(choice)}", text, rests_on=(f"{path}.choices",), hint=hint
                )


def key(name: str) -> str:
    """The end of a path that leads to what a text stands for in a mapping, such as ``points["some
    days"]``.
    """
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'["{escaped}"]'


def _of_limits(field: FieldDesign, kind: FieldKind, path: str) -> Iterator[DesignProblem]:
    limits = [
        (name, limit)
        for name, limit in (("low", field.low), ("high", field.high))
        if limit is not None
    ]
    if kind.answer != "number":
        return
    if kind.whole:
        wrong = [name for name, limit in limits if not isinstance(limit, int)]
        yield from (DesignProblem(f"{path}.{name}", "a whole number is expected") for name in wrong)
    if field.low is None or field.high is None:
        return
    if field.low >= field.high:
        yield DesignProblem(f"{path}.high", "high must be above low", rests_on=(f"{path}.low",))
    elif kind.most_steps is not None and field.high - field.low >= kind.most_steps:
        text = (
            f"a {field.kind} has at most {kind.most_steps} steps; the kind integer takes any number"
        )
        yield DesignProblem(f"{path}.high", text, rests_on=(f"{path}.low",))


def of_assessment(assessment: Assessment, path: str) -> Iterator[DesignProblem]:
    """What is wrong with the questions of an assessment taken together, and with its score."""
    places: dict[str, tuple[str, Question]] = {}
    for number, section in enumerate(assessment.sections):
        for index, question in enumerate(section.questions):
            at = f"{path}.sections[{number}].questions[{index}]"
            if question.name in places:
                before = f"{places[question.name][0]}.name"
                yield DesignProblem(
                    f"{at}.name", f"the name {short(question.name)} is used before", before
                )
            elif not is_blank(question.name):
                places[question.name] = (at, question)
            if question.shown_when is not None:
                yield from _of_tests(question.shown_when, f"{at}.shown_when")
    lists = (
        f"{path}.sections",
        *(f"{path}.sections[{n}].questions" for n in range(len(assessment.sections))),
    )
    for at, question in places.values():
        if question.shown_when is not None:
            yield from _of_reference(
                question, question.shown_when, places, f"{at}.shown_when", lists
            )
    yield from _cycles(places, lists)
    if assessment.scoring is not None:
        yield from _of_scoring(assessment, assessment.scoring, f"{path}.scoring", lists)


def tests_of(condition: Condition | ProcessCondition) -> list[str]:
    """The names of the tests that a condition states; exactly one in a condition that is right."""
    defaults = by_key(type(condition))
    return [
        name
        for name, (attribute, _) in TESTS.items()
        if getattr(condition, attribute) != defaults[name].default
    ]


def _of_tests(condition: Condition, path: str) -> Iterator[DesignProblem]:
    tests = tests_of(condition)
    if not tests:
        yield DesignProblem(path, NO_TEST, rests_on=(path,))
    elif len(tests) > 1:
        yield DesignProblem(path, f"exactly one test is expected, not {' and '.join(tests)}")


def _of_reference(
    question: Question, condition: Condition, places: Places, path: str, lists: tuple[str, ...]
) -> Iterator[DesignProblem]:
    waits_for = condition.question
    if is_blank(waits_for):
        yield DesignProblem(f"{path}.question", "this must not be blank")
    elif waits_for == question.name:
        yield DesignProblem(f"{path}.question", "a question cannot wait for its own answer")
    elif waits_for not in places:
        text = f"there is no question {short(waits_for)} in this assessment"
        hint = partial(_instead_of_question, waits_for, question.name, places)
        yield DesignProblem(f"{path}.question", text, rests_on=lists, hint=hint)
    else:
        target_path, target = places[waits_for]
        kind = FIELD_KINDS.get(target.kind)
        if kind is None:
            return
        for test in tests_of(condition):
            yield from _of_fit(condition, test, target, kind, (path, target_path))


def _of_fit(
    condition: Condition, test: str, target: Question, kind: FieldKind, paths: tuple[str, str]
) -> Iterator[DesignProblem]:
    """Whether a test can be asked about this question, and can ever hold."""
    path, rests_on = f"{paths[0]}.{test}", paths[1]
    attribute, fitting = TESTS[test]
    if kind.answer not in fitting:
        usable = ", ".join(name for name, (_, answers) in TESTS.items() if kind.answer in answers)
        text = (
            f"{test} does not go with the kind {target.kind} of {short(target.name)}; these do:"
            f" {usable}"
        )
        yield DesignProblem(path, text, rests_on=(rests_on,))
    elif test in ("one_of", "includes"):
        for number, choice in enumerate(getattr(condition, attribute)):
            if choice not in target.choices:
                yield _unknown_choice(f"{path}[{number}]", choice, target, rests_on)
    elif test == "is":
        yield from _of_value(condition.equals, target, kind, path, rests_on)
    elif test != "answered":
        text = _never(test, getattr(condition, attribute), target)
        if text:
            yield DesignProblem(path, text, rests_on=(rests_on,))


def _unknown_choice(path: str, choice: object, target: Question, rests_on: str) -> DesignProblem:
    hint = partial(instead, str(choice), target.choices)
    return DesignProblem(
        path, f"{short(target.name)} has no choice {short(choice)}", rests_on=(rests_on,), hint=hint
    )


def _instead_of_question(name: str, own: str, places: Places) -> str:
    return instead(name, sorted(places.keys() - {own}))


def _of_value(
    value: object, target: Question, kind: FieldKind, path: str, rests_on: str
) -> Iterator[DesignProblem]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {"truth": isinstance(value, bool), "number": is_number}.get(
        kind.answer, isinstance(value, str)
    )
    if not fits:
        text = (
            f"{_WORDS[kind.answer]} is expected; that is what the answer to {short(target.name)} is"
        )
        yield DesignProblem(path, text, rests_on=(rests_on,))
    elif kind.answer == "choice" and value not in target.choices:
        yield _unknown_choice(path, value, target, rests_on)
    elif isinstance(value, int | float) and is_number:
        if not math.isfinite(value):
            yield DesignProblem(path, NOT_FINITE)
        elif kind.whole and value != int(value):
            yield DesignProblem(
                path, f"the answer to {short(target.name)} is a whole number", rests_on=(rests_on,)
            )
        elif text := _never("at_least", value, target) or _never("at_most", value, target):
            yield DesignProblem(path, text, rests_on=(rests_on,))


def _never(test: str, value: float, target: Question) -> str:
    """Why no answer within the question's limits passes the test; blank where one may."""
    name, low, high = short(target.name), target.low, target.high
    if high is not None and (
        (test == "above" and value >= high) or (test == "at_least" and value > high)
    ):
        return f"this never holds: the highest answer to {name} is {high}"
    if low is not None and (
        (test == "below" and value <= low) or (test == "at_most" and value < low)
    ):
        return f"this never holds: the lowest answer to {name} is {low}"
    return ""


def _cycles(places: Places, lists: tuple[str, ...]) -> Iterator[DesignProblem]:
    """Questions that wait for each other, each circle once, told at the first of them."""
    waits = {
        name: q.shown_when.question for name, (_, q) in places.items() if q.shown_when is not None
    }
    settled: set[str] = set()
    for first in waits:
        walked: dict[str, None] = {}
        name = first
        while name in waits and name not in settled and name not in walked:
            walked[name] = None
            name = waits[name]
        if name in walked:
            names = list(walked)
            circle = names[names.index(name) :]
            if len(circle) > 1:
                yield _circle(circle, waits, places, lists)
        settled |= walked.keys()


def _circle(
    circle: list[str], waits: Mapping[str, str], places: Places, lists: tuple[str, ...]
) -> DesignProblem:
    first, *others = circle[:_MOST_NAMED]
    links = [f"{short(first)} is shown after {short(waits[first])}"]
    links += [f"{short(name)} after {short(waits[name])}" for name in others]
    more = f", and {len(circle) - _MOST_NAMED} more" if len(circle) > _MOST_NAMED else ""
    text = f"these questions wait for each other and are never asked: {', '.join(links)}{more}"
    return DesignProblem(f"{places[circle[0]][0]}.shown_when.question", text, rests_on=lists)


def _of_scoring(
    assessment: Assessment, scoring: Scoring, path: str, lists: tuple[str, ...]
) -> Iterator[DesignProblem]:
    if not any(question.points or question.weight is not None for question in assessment.questions):
        yield DesignProblem(path, "no question counts; give one points or a weight", rests_on=lists)
    in_order = []
    for number, band in enumerate(scoring.bands):
        at = f"{path}.bands[{number}]"
        if is_blank(band.name):
            yield DesignProblem(f"{at}.name", "this must not be blank")
        if band.low > band.high:
            yield DesignProblem(f"{at}.high", "high must not be below low", rests_on=(f"{at}.low",))
        else:
            in_order.append((band.low, band.high, at, band.name))
    in_order.sort()
    highest: tuple[float, str, str] | None = None
    for low, high, at, name in in_order:
        if highest is not None and low <= highest[0]:
            text = f"a score belongs to one band only; this one overlaps {short(highest[2])}"
            yield DesignProblem(at, text, highest[1], rests_on=(at,))
        if highest is None or high > highest[0]:
            highest = (high, at, name)
