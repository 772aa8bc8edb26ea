"""What the editor of an assessment is made of, without a server: moving questions, the reach of a
score, and reading a form.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.pages.visit import Form
from almoner.workshop.assessment_design import Assessment, FieldDesign
from almoner.workshop.design import ProgramDesign
from almoner.workshop.field_kinds import FIELD_KINDS, kind_of
from almoner.workshop.forms import fields_view, fitting, form_view, read
from almoner.workshop.pages.assessment import order
from almoner.workshop.pages.assessment.parts import AssessmentPart, entered, part_of, saved
from almoner.workshop.pages.assessment.score_range import reach, remarks
from almoner.workshop.pages.editor.form import api_name
from almoner.workshop.score import score
from tests.workshop.pages.test_editor_form import sent_back


def assessment(*sections: list[dict[str, Any]], **more: Any) -> Assessment:
    """An assessment of sections of these questions; a question is text unless it says otherwise."""
    parts = [
        {"heading": str(at), "questions": [{"kind": "text", **question} for question in part]}
        for at, part in enumerate(sections)
    ]
    return msgspec.convert({"id": "a", "name": "A", "sections": parts, **more}, Assessment)


def part_named(form: Assessment, name: str) -> AssessmentPart:
    """A part of the one assessment of a program."""
    part = part_of(ProgramDesign(name="p", assessments=(form,)), 0, name)
    assert part is not None
    return part


def names(form: Assessment) -> list[str]:
    return ["".join(question.name for question in section.questions) for section in form.sections]


def after(name: str) -> dict[str, Any]:
    return {"shown_when": {"question": name, "answered": True}}


# b and c hang on a, c on b; d stands for itself, and e waits for a from the next section.
FORM = assessment(
    [{"name": "a"}, {"name": "b", **after("a")}, {"name": "c", **after("b")}, {"name": "d"}],
    [{"name": "e", **after("a")}],
)


@pytest.mark.parametrize(
    ("place", "step", "there", "names_then"),
    [
        ((0, 0), order.DOWN, (0, 1), ["dabc", "e"]),
        ((0, 3), order.UP, (0, 0), ["dabc", "e"]),
        ((0, 1), order.UP, (0, 1), ["abcd", "e"]),
        ((0, 1), order.DOWN, (0, 1), ["abcd", "e"]),
        ((0, 3), order.DOWN, (1, 0), ["abc", "de"]),
        ((1, 0), order.UP, (0, 4), ["abcde", ""]),
        ((0, 0), order.UP, (0, 0), ["abcd", "e"]),
        ((1, 0), order.DOWN, (1, 0), ["abcd", "e"]),
    ],
)
def test_a_question_moves_with_its_follow_ups(
    place: order.Place, step: int, there: order.Place, names_then: list[str]
) -> None:
    moved, at = order.move_question(FORM, place, step)
    assert (names(moved), at) == (names_then, there)


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 4), st.sampled_from([order.UP, order.DOWN])),
        max_size=30,
    )
)
def test_no_question_is_lost_or_doubled_by_moving(moves: list[tuple[int, int, int]]) -> None:
    form = FORM
    for number, at, step in moves:
        if at < len(form.sections[number].questions):
            question = form.sections[number].questions[at]
            form, (section, place) = order.move_question(form, (number, at), step)
            assert form.sections[section].questions[place] == question
    assert sorted("".join(names(form))) == ["a", "b", "c", "d", "e"]


def test_a_question_that_goes_to_another_section_stands_at_its_end() -> None:
    moved, place = saved(part_named(FORM, "question.0.3"), {}, 1)
    assert (names(moved.assessments[0]), place) == (["abc", "ed"], (1, 1))


def test_a_name_that_is_still_used_keeps_its_follow_ups() -> None:
    doubled = assessment([{"name": "a"}, {"name": "a"}, {"name": "b", **after("a")}])
    moved, _ = saved(part_named(doubled, "question.0.0"), {"name": "z"}, None)
    assert moved.assessments[0].questions[2].shown_when == doubled.questions[2].shown_when


COUNTED: list[dict[str, Any]] = [
    {
        "name": "one",
        "kind": "choice",
        "choices": ["x", "y"],
        "points": {"x": 1, "y": 3},
        "required": True,
    },
    {
        "name": "few",
        "kind": "choices",
        "choices": ["x", "y", "z"],
        "points": {"x": 2, "y": -1, "z": 4},
    },
    {"name": "yes", "kind": "boolean", "weight": 2},
    {"name": "step", "kind": "scale", "low": 1, "high": 3, "weight": -1},
]


def test_the_reach_is_what_the_best_and_the_worst_answers_score() -> None:
    form = assessment(COUNTED, scoring={})
    scores = reach(form)
    best = score(form, {"one": "y", "few": ["x", "z"], "yes": True})
    worst = score(form, {"one": "x", "few": ["y"], "step": 3})
    assert best is not None
    assert worst is not None
    assert (scores.lowest, scores.highest) == (worst.total, best.total) == (-3, 11)


@given(
    st.fixed_dictionaries(
        {"one": st.sampled_from(["x", "y"])},
        optional={
            "few": st.lists(st.sampled_from(["x", "y", "z"]), unique=True),
            "yes": st.booleans(),
            "step": st.integers(1, 3),
        },
    )
)
def test_every_score_lies_within_the_reach(answers: dict[str, Any]) -> None:
    form = assessment(COUNTED, scoring={})
    result, scores = score(form, answers), reach(form)
    assert result is not None
    assert scores.lowest is not None
    assert scores.highest is not None
    assert scores.lowest <= result.total <= scores.highest


@pytest.mark.parametrize(
    ("bands", "weight", "expected"),
    [
        ([("low", 0, 4), ("high", 5, 10)], 1, []),
        ([("low", 0, 4), ("high", 6, 10)], 1, ["No band holds the score 5."]),
        (
            [("low", 2, 4), ("high", 5, 7)],
            1,
            ["No band holds the scores 0 to 1.", "No band holds the scores 8 to 10."],
        ),
        ([("low", 0, 4), ("high", 5, 5)], 0.5, ["No band holds the scores between 4 and 5."]),
        (
            [("high", 4, 10), ("low", 0, 4)],
            1,
            ["low and high overlap: a score belongs to one band only."],
        ),
        (
            [("all", 0, 10), ("part", 2, 3)],
            1,
            ["all and part overlap: a score belongs to one band only."],
        ),
        ([], 1, []),
    ],
)
def test_what_bands_leave_out_or_name_twice_is_told(
    bands: list[tuple[str, int, int]], weight: float, expected: list[str]
) -> None:
    scale = {"name": "step", "kind": "scale", "low": 0, "high": 10, "weight": weight}
    scoring = {"bands": [{"name": name, "low": low, "high": high} for name, low, high in bands]}
    form = assessment([scale], scoring=scoring)
    assert form.scoring is not None
    assert remarks(form.scoring.bands, reach(form)) == expected


def test_a_number_without_limits_has_no_end() -> None:
    scores = reach(assessment([{"name": "n", "kind": "number", "low": 0, "weight": 1}]))
    assert (scores.lowest, scores.highest) == (0, None)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("How old are you?", "how_old_are_you"),
        ("Größe (cm)", "groe_cm"),
        ("   ", ""),
        ("日本", ""),
        ("a" * 90, "a" * 60),
    ],
)
def test_a_name_is_proposed_from_the_label(label: str, name: str) -> None:
    assert api_name(label) == name


@pytest.mark.parametrize("kind", FIELD_KINDS)
def test_every_kind_is_read_as_the_api_keeps_it(kind: str) -> None:
    sample: dict[str, tuple[str, Any]] = {
        "integer": ("7", 7),
        "number": ("0.5", 0.5),
        "boolean": ("no", False),
        "date": ("2026-03-08", "2026-03-08"),
        "datetime": ("2026-03-08T03:30", "2026-03-08T07:30:00.000000+00:00"),
        "choice": ("x", "x"),
        "choices": ("x", ["x"]),
        "scale": ("3", 3),
        "phone": ("+14155550123", "+14155550123"),
        "email": ("a@example.org", "a@example.org"),
        "timezone": ("US/Eastern", "US/Eastern"),
        "state": ("CA", "CA"),
        "zip_code": ("94110", "94110"),
    }
    constraints = (
        {"choices": ["x", "y"]}
        if kind in ("choice", "choices")
        else {"low": 1, "high": 9}
        if kind == "scale"
        else {}
    )
    example = kind_of(FieldDesign(name="f", kind=kind, choices=("x", "y"), low=1, high=9)).example()
    text, expected = sample.get(kind, (example, example))
    fields = assessment([{"name": "a field", "kind": kind, **constraints}]).questions
    answers = read(fields, Form([("p-a field", text), ("noise", "x")]), "p-", "US/Eastern")
    assert answers == fitting(fields, answers) == {"a field": expected}
    [view] = fields_view(fields, answers, prefix="p-", timezone="US/Eastern")
    assert text in (view.value, *view.chosen)
    assert " " not in view.id


def test_what_cannot_be_read_stays_as_it_was_typed() -> None:
    fields = assessment(
        [{"name": "n", "kind": "integer"}, {"name": "at", "kind": "datetime"}]
    ).questions
    answers = read(fields, Form([("n", "seven"), ("at", "soon")]))
    assert answers == {"n": "seven", "at": "soon"}
    assert [view.value for view in fields_view(fields, answers)] == ["seven", "soon"]
    assert fitting(fields, answers) == {}


def test_a_form_leaves_out_the_follow_ups_that_are_not_asked_and_stands_in_those_that_are() -> None:
    asked = form_view(FORM, {"a": "x", "b": "y"})
    assert [(view.label, view.depth) for view in asked.sections[0].fields] == [
        ("a", 0),
        ("b", 1),
        ("c", 2),
        ("d", 0),
    ]
    assert [
        view.label for part in form_view(FORM, {"b": "y"}).sections for view in part.fields
    ] == ["a", "d"]


def test_a_draft_that_is_not_right_yet_is_shown_all_the_same() -> None:
    wrong = assessment(
        [
            {"name": "a", "kind": "nothing"},
            {"name": "a", "kind": "scale"},
            {"name": "b", "kind": "choice"},
            {"name": "c", **after("c")},
        ],
    )
    view = form_view(wrong, {"a": 1})
    assert [field.id for field in view.sections[0].fields] == ["a", "a--2", "b"]


@pytest.mark.parametrize(
    "name",
    [
        "about",
        "scoring",
        "section.0",
        "question.0.0",
        "question.0.1",
        "question.0.2",
        "question.1.0",
    ],
)
def test_the_form_of_a_part_makes_the_part_again(name: str) -> None:
    part = part_named(FORM, name)
    assert entered(part, sent_back(part.fields(part.form(), {}))) == FORM
