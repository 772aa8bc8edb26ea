"""The JSON Schema that is published of an assessment or a data type accepts what the decoder
accepts, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.vocabulary import json_values
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import TIMEZONES, IsoDateTime, iso
from almoner.workshop import questions
from almoner.workshop.assessment_design import (
    Assessment,
    AssessmentSection,
    Condition,
    FieldDesign,
    Question,
)
from almoner.workshop.design import CustomDataType
from almoner.workshop.field_kinds import FIELD_KINDS
from tests.tries import tries

CHOICES = ("none", "a little", "very much", "é")
LIMITS = st.none() | st.sampled_from([-3, 0, 1, 5, 10**6])
# A day from the ends of the calendar, so that every offset stays within it: a JSON Schema knows no
# such ends.
MOMENTS = st.datetimes(datetime.fromisoformat("0001-01-02"), datetime.fromisoformat("9999-12-30"))


def edges() -> st.SearchStrategy[Any]:
    """Values at which readers differ. Floats beyond 2**53 are left out: what was meant is not known
    once they are read.
    """
    numbers = st.sampled_from(
        [
            7.0,
            -0.0,
            0.5,
            1e3,
            1e300,
            2**53,
            2**63 - 1,
            2**63,
            -(2**63),
            -(2**63) - 1,
            10**400,
            True,
            False,
        ]
    )
    whole = st.integers(-4, 12) | st.integers(-4, 12).map(float)
    texts = st.sampled_from(
        [
            "",
            " ",
            "\x00",
            "a\x00",
            "a\n",
            "94110",
            "94110\n",
            "٩٤١١٠",
            "CA",
            "ca",
            "\u200b",
            "yes",
            "null",
            "é" * 321,
        ]
    )
    times = st.sampled_from(
        [
            "2024-02-29",
            "2023-02-29",
            "0000-01-01",
            "2024-2-9",
            "2024-02-29\n",
            "2016-12-31T23:59:60Z",
        ]
    )
    more = st.sampled_from(
        [
            "2024-01-01T24:00:00Z",
            "2024-01-01t00:00:00z",
            "2024-01-01T00:00:00+24:00",
            "2024-13-01T00:00:00Z",
        ]
    )
    phones = st.sampled_from(
        [
            "555-555-5555",
            "555-555-5555\n",
            "555-555-555",
            "US/Pacific",
            "us/pacific",
            "America/Nowhere",
        ]
    )
    return (
        numbers
        | whole
        | texts
        | times
        | more
        | phones
        | st.none()
        | st.text(max_size=6)
        | st.sampled_from([[], {}, [1], [None]])
    )


def fitting(design: FieldDesign) -> st.SearchStrategy[Any]:
    """Values that mostly fit a field of this kind."""
    answer = FIELD_KINDS[design.kind].answer
    if design.kind == "datetime":
        return MOMENTS.map(lambda moment: moment.isoformat() + "Z")
    by_kind: dict[str, st.SearchStrategy[Any]] = {
        "date": st.dates().map(date.isoformat),
        "timezone": st.sampled_from(sorted(TIMEZONES)),
        "state": st.sampled_from(["CA", "PR", "AA"]),
        "zip_code": st.from_regex(r"[0-9]{5}", fullmatch=True),
        "phone": st.just("555-555-5555"),
    }
    by_answer: dict[str, st.SearchStrategy[Any]] = {
        "number": st.integers(-4, 12) | st.sampled_from([0.5, 5.0, 1.0, -3.0]),
        "truth": st.booleans(),
        "choice": st.sampled_from(CHOICES),
        "choices": st.lists(st.sampled_from(CHOICES), max_size=4),
        "text": st.text(max_size=5),
    }
    return by_kind.get(design.kind, by_answer[answer])


@st.composite
def conditions(draw: st.DrawFn, before: Sequence[FieldDesign]) -> Condition:
    """When a follow-up is asked: by any test that fits what one of the questions before takes."""
    decides = draw(st.sampled_from(before))
    number = st.sampled_from([0, 1, 2.5, 5])
    tests: dict[str, list[dict[str, st.SearchStrategy[Any]]]] = {
        "number": [{name: number} for name in ("above", "below", "at_least", "at_most", "equals")],
        "truth": [{"equals": st.booleans()}],
        "choice": [
            {"equals": st.sampled_from(CHOICES)},
            {"one_of": st.sampled_from([CHOICES[:1], CHOICES[1:3]])},
        ],
        "choices": [{"includes": st.sampled_from([CHOICES[:1], CHOICES[1:3]])}],
        "text": [{"equals": st.sampled_from(["yes", "é"])}],
    }
    answer = FIELD_KINDS[decides.kind].answer
    chosen = draw(st.sampled_from([*tests[answer], {"answered": st.just(True)}]))
    return Condition(question=decides.name, **{name: draw(value) for name, value in chosen.items()})


@st.composite
def designs(draw: st.DrawFn) -> tuple[Question, ...]:
    questions: list[Question] = []
    for number in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(sorted(FIELD_KINDS)))
        takes = FIELD_KINDS[kind].takes
        low, high = draw(LIMITS), draw(LIMITS)
        if "low" not in takes:
            low = high = None
        elif kind == "scale":
            low, high = 0, 10
        elif low is not None and high is not None and low > high:
            low, high = high, low
        depends = bool(questions) and draw(st.booleans())
        shown_when = draw(conditions(questions)) if depends else None
        questions.append(
            Question(
                name=f"q{number}",
                kind=kind,
                required=draw(st.booleans()),
                choices=CHOICES if "choices" in takes else (),
                low=low,
                high=high,
                shown_when=shown_when,
            )
        )
    return tuple(questions)


@st.composite
def answered(draw: st.DrawFn) -> tuple[tuple[Question, ...], dict[str, Any]]:
    """A design, and an object of answers to it: some missing, most fitting, some at the edges, now
    and then one too many.
    """
    design = draw(designs())
    model: dict[str, Any] = {}
    for question in design:
        how = draw(st.integers(0, 9))
        if how:
            model[question.name] = draw(edges() if how < 3 else fitting(question))
    if draw(st.integers(0, 19)) == 0:
        model["q9"] = 1
    return design, model


def as_sent(value: Any) -> Any:
    return msgspec.json.decode(json.dumps(value).encode())


def disagreement(checks: questions.Answers, value: Any) -> str | None:
    """What the schema and the decoder say differently of this value; None where they agree."""
    schema = jsonschema_rs.validator_for(checks.schema(), validate_formats=True)
    problems: Problems = []
    stored = checks.keep(as_sent(value), ".model", problems)
    if schema.is_valid(value) and problems:
        return f"the schema takes what the decoder refuses: {problems[0].detail}"
    if not problems and not schema.is_valid(canonical(checks, stored)):
        return (
            f"the decoder takes what the schema refuses: {next(schema.iter_errors(stored)).message}"
        )
    return None


def canonical(checks: questions.Answers, values: dict[str, Any]) -> dict[str, Any]:
    """The answers with each moment in the notation that the API answers with; it takes several more
    (clarification 11).
    """
    return {
        name: (
            iso(IsoDateTime().parse(value))
            if value is not None and isinstance(checks.by_name[name].kind, IsoDateTime)
            else value
        )
        for name, value in values.items()
    }


@tries(400)
@given(answered())
def test_schema_and_decoder_agree_on_generated_answers(
    case: tuple[tuple[Question, ...], dict[str, Any]],
) -> None:
    design, model = case
    checks = questions.of_assessment(
        Assessment(id="a", name="A", sections=(AssessmentSection(questions=design),)), 1
    )
    assert disagreement(checks, model) is None
    plain = tuple(
        FieldDesign(
            name=q.name, kind=q.kind, required=q.required, choices=q.choices, low=q.low, high=q.high
        )
        for q in design
    )
    assert (
        disagreement(
            questions.of_custom_data_type(CustomDataType(name="t", fields=plain), 1), model
        )
        is None
    )


@pytest.mark.parametrize("kind", sorted(FIELD_KINDS))
@tries(60)
@given(value=edges())
def test_schema_and_decoder_agree_at_the_edges_of_every_kind(kind: str, value: Any) -> None:
    takes = FIELD_KINDS[kind].takes
    field = FieldDesign(
        name="f",
        kind=kind,
        choices=CHOICES if "choices" in takes else (),
        low=0 if kind == "scale" else None,
        high=10 if kind == "scale" else None,
    )
    checks = questions.of_custom_data_type(CustomDataType(name="t", fields=(field,)), 1)
    for body in ({"f": value}, {"f": [value, value]}, {"f": [value]}):
        assert disagreement(checks, body) is None


def test_seven_point_nought_is_a_whole_number_and_is_kept_as_one() -> None:
    checks = questions.of_custom_data_type(
        CustomDataType(name="t", fields=(FieldDesign(name="f", kind="integer", low=1),)), 1
    )
    whole = "9007199254740993"
    for sent, stored_text in (
        (b"7.0", "7"),
        (b"7", "7"),
        (b"7e0", "7"),
        (whole.encode(), whole),
        (whole.encode() + b".0", whole),
    ):
        problems: Problems = []
        stored = checks.keep(json_values.decode(b'{"f": ' + sent + b"}"), ".model", problems)
        assert (json.dumps(stored["f"]), problems) == (stored_text, [])
    for sent in (b"7.5", b"0.0", b"1e300"):
        problems = []
        checks.keep(json_values.decode(b'{"f": ' + sent + b"}"), ".model", problems)
        assert len(problems) == 1, sent


def test_the_schema_says_which_follow_ups_are_asked() -> None:
    chain = (
        Question(name="smokes", kind="boolean", required=True),
        Question(
            name="per_day",
            kind="integer",
            required=True,
            shown_when=Condition(question="smokes", equals=True),
        ),
        Question(name="why", kind="text", shown_when=Condition(question="per_day", above=10)),
    )
    checks = questions.of_assessment(
        Assessment(id="a", name="A", sections=(AssessmentSection(questions=chain),)), 3
    )
    schema = checks.schema()
    jsonschema_rs.meta.validate(schema)
    assert schema["$id"] == "urn:almoner:answers:a:3"
    taken = jsonschema_rs.validator_for(
        {"type": "object", "properties": {"within": schema}}
    ).is_valid
    cases = [
        ({"smokes": False}, True),
        ({"smokes": True}, False),
        ({"smokes": True, "per_day": None}, False),
        ({"smokes": True, "per_day": 3.0}, True),
        ({"smokes": False, "per_day": 3}, False),
        ({"smokes": True, "per_day": 3, "why": "so"}, False),
        ({"smokes": True, "per_day": 11, "why": "so"}, True),
        ({"smokes": False, "per_day": None, "why": None}, True),
    ]
    assert [taken({"within": model}) for model, _ in cases] == [expected for _, expected in cases]
