"""Answers checked against what was asked: the kinds of their fields, and which follow-ups are shown
at all.

This is the one place that checks a model against a published spec, and a record against its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from almoner.errors import MOST_PROBLEMS, Problem, parse_problem
from almoner.vocabulary.fields import Field, Object, missing_field
from almoner.vocabulary.kinds import Kind, Problems, Schema
from almoner.workshop import answer_schema
from almoner.workshop.assessment_design import Assessment, Condition, Question
from almoner.workshop.design import CustomDataType
from almoner.workshop.field_kinds import model
from almoner.workshop.process_design import ProcessCondition

Test = Callable[[Any], bool]
# A chain of follow-ups is told in full up to this length: each tells those before it, and together
# they would fill the memory.
_LONGEST_WORDS: Final = 400
_NOT_ASKED: Final = "not_asked"
_NUMBERS: Final = (int, float)


@dataclass(frozen=True)
class _FollowUp:
    """A question that is asked only where the answer to another passes the test.

    ``words`` says when, with what the other question depends on itself.
    """

    name: str
    kind: Kind
    required: bool
    condition: Condition
    test: Test
    words: str

    @property
    def decides(self) -> str:
        """The question whose answer decides."""
        return self.condition.question


@dataclass(frozen=True)
class Answers(Object):
    """A JSON object of answers or of a record's fields; every problem of it names the rule and the
    published version.

    ``named`` is what a problem's ``extra`` tells of the version: ``spec`` and ``spec_version``, or
    ``type_name`` and ``type_version``. ``follow_ups`` come in such an order that the question that
    decides stands before those that it decides."""

    named: tuple[tuple[str, Any], ...] = ()
    follow_ups: tuple[_FollowUp, ...] = ()

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        """The answers as they are kept. A follow-up that is not asked must have no answer; null is
        none.
        """
        follow_up_problems: Problems = []
        answers = super().keep(value, path, follow_up_problems)
        if self.follow_ups and answers is not None:
            follow_up_problems = self._with_follow_ups(answers, path, follow_up_problems)
        if follow_up_problems:
            extra = dict(self.named)
            problems += [
                replace(p, extra={**p.extra, "rule": p.rule, **extra})
                for p in follow_up_problems[:MOST_PROBLEMS]
            ]
            problems += follow_up_problems[MOST_PROBLEMS:]
        return answers

    def schema(self) -> Schema:
        """JSON Schema (2020-12) of what is accepted: which follow-ups are asked, and are required
        then, included.
        """
        schema = super().schema()
        if not self.follow_ups:
            return schema
        depending = {item.name for item in self.follow_ups}
        name = ":".join(quote(str(value), safe="") for _, value in self.named)
        always = (field.name for field in self.fields if field.name not in depending)
        return answer_schema.with_follow_ups(
            schema, self.follow_ups, always, f"urn:almoner:answers:{name}"
        )

    def _with_follow_ups(
        self, answers: Mapping[str, Any], path: str, problems: Problems
    ) -> Problems:
        """``problems``, and what is wrong with follow-ups. Nothing is said of one that waits for an
        answer that does not fit.
        """
        unfit = {p.extra["path"] for p in problems if p.rule == "kind"} if problems else ()
        hidden: set[str] = set()
        unsure: set[str] = set()
        for item in self.follow_ups:
            decides, answer, at = item.decides, answers.get(item.name), f"{path}.{item.name}"
            if unfit and (decides in unsure or f"{path}.{decides}" in unfit):
                unsure.add(item.name)
            elif decides not in hidden and item.test(answers.get(decides)):
                if answer is None and item.required and at not in unfit:
                    problems.append(missing_field(at))
            else:
                hidden.add(item.name)
                # What no longer fits was taken out of ``kept``: its answer is known by its problem.
                if answer is not None or at in unfit:
                    problems = [p for p in problems if p.extra["path"] != at]
                    problems.append(_not_asked(item, at))
        return problems


def of_assessment(assessment: Assessment, version: int) -> Answers:
    """What checks the answers to this version of an assessment."""
    fields = {field.name: field for field in model(assessment.questions).fields}
    follow_ups = tuple(
        _follow_up(question, fields[question.name], words)
        for question, words in _in_order(assessment)
    )
    for item in follow_ups:
        # Whether it must be answered is known only with the answers; a form that is built from the
        # schema reads it here.
        about = (
            f"{fields[item.name].about} Asked only when"
            f" {item.words}{'; required then' if item.required else ''}."
        )
        fields[item.name] = replace(fields[item.name], required=False, about=about.strip())
    named = (("spec", assessment.id), ("spec_version", version))
    return Answers(tuple(fields.values()), named=named, follow_ups=follow_ups)


def of_custom_data_type(data_type: CustomDataType, version: int) -> Answers:
    """What checks a record against this version of its type."""
    return Answers(
        model(data_type.fields).fields,
        named=(("type_name", data_type.name), ("type_version", version)),
    )


def visible_questions(assessment: Assessment, answers: Mapping[str, Any]) -> frozenset[str]:
    """The names of the questions that are to be asked, given these answers (JSON values by name).

    A question that waits for one that is not asked, or that there is not, is not asked either.
    Answers of any sort are taken."""
    questions = assessment.questions
    asked = {question.name for question in questions if question.shown_when is None}
    if len(asked) == len(questions):
        return frozenset(asked)
    for question, _ in _in_order(assessment):
        condition = question.shown_when
        if (
            condition is not None
            and condition.question in asked
            and passes(condition)(answers.get(condition.question))
        ):
            asked.add(question.name)
    return frozenset(asked)


def in_words(condition: Condition, label_of: Callable[[str], str] = str) -> str:
    """The condition as part of a sentence: ``wants_to_talk is yes``. ``label_of`` turns a
    question's name into what is read.
    """
    return test_in_words(condition, label_of(condition.question))


def test_in_words(condition: Condition | ProcessCondition, name: str) -> str:
    """What a condition asks of what is called ``name``, as part of a sentence."""
    if condition.equals is not None:
        return f"{name} is {_value(condition.equals)}"
    if condition.one_of:
        return f"{name} is {_any_of(condition.one_of)}"
    if condition.includes:
        return f"{name} includes {_any_of(condition.includes)}"
    limits = (
        ("above", condition.above),
        ("below", condition.below),
        ("at least", condition.at_least),
        ("at most", condition.at_most),
    )
    for words, limit in limits:
        if limit is not None:
            return f"{name} is {words} {limit}"
    return f"{name} is answered"


def _value(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _any_of(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"


def passes(condition: Condition | ProcessCondition) -> Test:
    """Whether an answer passes; any answer may be handed in, and none (None) never passes."""
    expected = condition.equals
    if isinstance(expected, bool):
        return lambda answer: answer is expected
    if expected is not None:
        return lambda answer: type(answer) is not bool and answer == expected
    if condition.one_of:
        return lambda answer: answer in condition.one_of
    if condition.includes:
        return lambda answer: (
            type(answer) is list and any(choice in answer for choice in condition.includes)
        )
    for limit, passes in _LIMITS.items():
        bound = getattr(condition, limit)
        if bound is not None:
            return _bounded(passes, bound)
    return lambda answer: answer is not None


_LIMITS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "above": lambda answer, bound: answer > bound,
    "below": lambda answer, bound: answer < bound,
    "at_least": lambda answer, bound: answer >= bound,
    "at_most": lambda answer, bound: answer <= bound,
}


def _bounded(passes: Callable[[Any, Any], bool], bound: float) -> Test:
    return lambda answer: type(answer) in _NUMBERS and passes(answer, bound)


def _in_order(assessment: Assessment) -> Iterable[tuple[Question, str]]:
    """The follow-ups, each behind the one that it waits for, with what all of them wait for in
    words.

    Those that wait for a question that there is not, or for each other in a circle, come last.
    """
    questions = {question.name: question for question in assessment.questions}
    words: dict[str, str] = {
        name: "" for name, question in questions.items() if question.shown_when is None
    }
    ordered: list[tuple[Question, str]] = []
    for first in questions.values():
        chain: list[Question] = []
        walked: set[str] = set()
        at: Question | None = first
        while at is not None and at.name not in words and at.name not in walked:
            walked.add(at.name)
            chain.append(at)
            at = questions.get(at.shown_when.question) if at.shown_when is not None else None
        for question in reversed(chain):
            assert question.shown_when is not None
            before = words.get(question.shown_when.question, "")
            if len(before) > _LONGEST_WORDS:
                before = "others are answered so"
            words[question.name] = in_words(question.shown_when) + (
                f", which is asked only when {before}" if before else ""
            )
            ordered.append((question, words[question.name]))
    return ordered


def _follow_up(question: Question, field: Field, words: str) -> _FollowUp:
    assert question.shown_when is not None
    return _FollowUp(
        name=question.name,
        kind=field.kind,
        required=question.required,
        condition=question.shown_when,
        test=passes(question.shown_when),
        words=words,
    )


def _not_asked(item: _FollowUp, path: str) -> Problem:
    refusal = parse_problem(
        item.kind.name, path, f"it is asked only when {item.words}; leave it out"
    )
    return replace(refusal, rule=_NOT_ASKED)
