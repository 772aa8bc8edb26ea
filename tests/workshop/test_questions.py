"""Which questions are asked, in code and in words, and what a set of answers may hold because of
it.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from almoner.vocabulary.kinds import Problems
from almoner.workshop import questions
from almoner.workshop.assessment_design import (
    Assessment,
    AssessmentSection,
    Condition,
    FieldDesign,
    Question,
)
from almoner.workshop.design import CustomDataType

CHAIN = (
    # Out of order on purpose: a follow-up may stand before the question that it waits for.
    Question(
        name="when",
        kind="text",
        required=True,
        shown_when=Condition(question="wants_call", equals=True),
    ),
    Question(name="smokes", kind="boolean"),
    Question(name="wants_call", kind="boolean", shown_when=Condition(question="per_day", above=10)),
    Question(
        name="per_day",
        kind="integer",
        low=0,
        required=True,
        shown_when=Condition(question="smokes", equals=True),
    ),
    Question(name="noise", kind="text"),
)


def assessment(*asked: Question) -> Assessment:
    middle = len(asked) // 2
    return Assessment(
        id="a",
        name="A",
        sections=(
            AssessmentSection(questions=asked[:middle]),
            AssessmentSection(),
            AssessmentSection(questions=asked[middle:]),
        ),
    )


def checked(asked: tuple[Question, ...], answers: dict[str, Any]) -> list[tuple[str, str]]:
    problems: Problems = []
    questions.of_assessment(assessment(*asked), 7).keep(answers, ".model", problems)
    assert all((p.extra["spec"], p.extra["spec_version"]) == ("a", 7) for p in problems)
    return [(p.extra["path"], p.extra["rule"]) for p in problems]


@pytest.mark.parametrize(
    ("answers", "wrong"),
    [
        ({}, []),
        ({"noise": "x", "per_day": None}, []),
        ({"smokes": False, "wants_call": None}, []),
        ({"smokes": True}, [(".model.per_day", "required")]),
        ({"smokes": True, "per_day": None}, [(".model.per_day", "required")]),
        ({"smokes": True, "per_day": 10}, []),
        ({"smokes": True, "per_day": 11, "wants_call": True, "when": "noon"}, []),
        ({"smokes": True, "per_day": 11, "wants_call": True}, [(".model.when", "required")]),
        ({"per_day": 3}, [(".model.per_day", "not_asked")]),
        ({"smokes": None, "per_day": 0}, [(".model.per_day", "not_asked")]),
        # What hangs on a hidden question is hidden with it, whatever was answered to that one.
        (
            {"smokes": False, "per_day": 20, "wants_call": True, "when": "noon"},
            [
                (".model.per_day", "not_asked"),
                (".model.wants_call", "not_asked"),
                (".model.when", "not_asked"),
            ],
        ),
        # An answer that is not asked for is told so once, whether it would fit or not.
        ({"per_day": "many"}, [(".model.per_day", "not_asked")]),
        (
            {"when": 5, "wnts_call": 1},
            [(".model.wnts_call", "unknown_field"), (".model.when", "not_asked")],
        ),
        # Nothing is said of what waits for an answer that does not fit.
        ({"smokes": "yes", "per_day": 3, "wants_call": True}, [(".model.smokes", "kind")]),
    ],
)
def test_a_follow_up_is_answered_where_it_is_asked_and_nowhere_else(
    answers: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    assert checked(CHAIN, answers) == wrong


def test_a_refusal_says_what_the_question_waits_for() -> None:
    problems: Problems = []
    questions.of_assessment(assessment(*CHAIN), 1).keep({"wants_call": True}, ".model", problems)
    assert [p.detail for p in problems] == [
        "Failed to parse boolean at .model.wants_call: it is asked only when per_day is above 10,"
        " which is asked only when smokes is yes; leave it out"
    ]


def test_a_required_answer_that_is_missing_leaves_what_it_decides_hidden() -> None:
    asked = (
        Question(name="mood", kind="choice", choices=("low", "high"), required=True),
        Question(name="why", kind="text", shown_when=Condition(question="mood", answered=True)),
    )
    assert checked(asked, {"why": "x"}) == [
        (".model.mood", "required"),
        (".model.why", "not_asked"),
    ]


CHOICES = ("a", "b", "c")
TESTS = [
    ("boolean", {"equals": True}, "q is yes", [True], [False, None, 1, "yes"]),
    ("boolean", {"equals": False}, "q is no", [False], [True, None, 0]),
    ("integer", {"equals": 1}, "q is 1", [1, 1.0], [True, 2, "1", None]),
    ("text", {"equals": "x"}, "q is x", ["x"], ["X", 1, ["x"], None]),
    ("choice", {"one_of": ("a", "b")}, "q is a or b", ["a", "b"], ["c", ["a"], {}, None]),
    (
        "choices",
        {"includes": ("a", "b", "c")},
        "q includes a, b or c",
        [["x", "c"]],
        [[], ["x"], "a", None, {"a": 1}],
    ),
    ("number", {"above": 0.5}, "q is above 0.5", [0.6], [0.5, "1", True, None]),
    ("number", {"below": 0}, "q is below 0", [-1], [0, False, None]),
    ("scale", {"at_least": 3}, "q is at least 3", [3, 4], [2, "3"]),
    ("scale", {"at_most": 0}, "q is at most 0", [0], [1, False, None]),
    ("date", {"answered": True}, "q is answered", ["2018-01-01", ""], [None]),
]


@pytest.mark.parametrize(("kind", "test", "words", "passing", "failing"), TESTS)
def test_every_test_of_a_condition_holds_for_what_it_says(
    kind: str, test: dict[str, Any], words: str, passing: list[Any], failing: list[Any]
) -> None:
    condition = Condition(question="q", **test)
    asked = assessment(
        Question(name="q", kind=kind, choices=CHOICES, low=0, high=9),
        Question(name="f", kind="text", shown_when=condition),
    )
    assert questions.in_words(condition) == words
    assert questions.in_words(condition, {"q": "The question"}.__getitem__) == words.replace(
        "q", "The question", 1
    )
    assert all(
        "f" in questions.visible_questions(asked, {"q": answer, "f": 1}) for answer in passing
    )
    assert not any(
        "f" in questions.visible_questions(asked, {"q": answer, "f": 1}) for answer in failing
    )
    assert "q" in questions.visible_questions(asked, {})


def test_what_waits_for_nothing_that_is_or_for_itself_is_not_asked() -> None:
    """A draft may be half done; its preview must stand that."""
    asked = assessment(
        Question(name="lost", kind="text", shown_when=Condition(question="nowhere", answered=True)),
        Question(name="hen", kind="text", shown_when=Condition(question="egg", answered=True)),
        Question(name="egg", kind="text", shown_when=Condition(question="hen", answered=True)),
        Question(name="own", kind="text", shown_when=Condition(question="own", answered=True)),
        Question(name="twice", kind="text"),
        Question(name="twice", kind="text"),
    )
    assert questions.visible_questions(
        asked, dict.fromkeys(("nowhere", "hen", "egg", "own"), "x")
    ) == {"twice"}


def test_a_chain_of_thousands_of_follow_ups_is_no_trouble() -> None:
    chain = [Question(name="0", kind="boolean")]
    chain += [
        Question(
            name=str(n), kind="boolean", shown_when=Condition(question=str(n - 1), equals=True)
        )
        for n in range(1, 3000)
    ]
    asked = assessment(*reversed(chain))
    answers = {str(n): n < 1500 for n in range(3000)}
    assert len(questions.visible_questions(asked, answers)) == 1501


def test_the_schema_asks_only_for_what_is_always_asked() -> None:
    schema = questions.of_assessment(
        assessment(*CHAIN, Question(name="always", kind="text", required=True)), 1
    ).schema()
    assert schema["required"] == ["always"]
    assert (
        schema["properties"]["per_day"]["description"]
        == "Asked only when smokes is yes; required then."
    )
    assert msgspec.json.decode(msgspec.json.encode(schema)) == schema


def test_a_record_names_its_type_and_the_rule_that_it_breaks() -> None:
    fields = (
        FieldDesign(name="dose", kind="integer", low=1, required=True),
        FieldDesign(name="note", kind="text"),
    )
    checks = questions.of_custom_data_type(CustomDataType(name="drug", fields=fields), 4)
    problems: Problems = []
    assert checks.keep({"dose": 1, "note": None}, ".body", problems) == {"dose": 1, "note": None}
    assert problems == []
    checks.keep({"note": 5, "dos": 1}, ".body", problems)
    assert [dict(p.extra) for p in problems] == [
        {"path": ".body.dos", "rule": "unknown_field", "type_name": "drug", "type_version": 4},
        {"path": ".body.dose", "rule": "required", "type_name": "drug", "type_version": 4},
        {"path": ".body.note", "rule": "kind", "type_name": "drug", "type_version": 4},
    ]


def test_a_chain_of_thousands_of_follow_ups_is_told_in_few_words_each() -> None:
    first = Question(name="q0", kind="text")
    chain = [
        Question(
            name=f"q{n}", kind="text", shown_when=Condition(question=f"q{n - 1}", answered=True)
        )
        for n in range(1, 2_000)
    ]
    assessment = Assessment(
        id="a", name="A", sections=(AssessmentSection(questions=(first, *chain)),)
    )
    checked = questions.of_assessment(assessment, 1)
    assert "q1 is answered, which is asked only when q0 is answered" in checked.by_name["q2"].about
    assert max(len(field.about) for field in checked.fields) < 600
    problems: Problems = []
    checked.keep({"q0": "a", "q2": "b"}, "", problems)
    assert [problem.rule for problem in problems] == ["not_asked"]
