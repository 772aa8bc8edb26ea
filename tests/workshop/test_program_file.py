"""What a program file may hold, and how everything that is wrong with one is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.vocabulary.kinds import Problems
from almoner.workshop import kiwi_health
from almoner.workshop.assessment_design import Assessment, Condition, FieldDesign, Question
from almoner.workshop.design import ProgramDesign
from almoner.workshop.field_kinds import FIELD_KINDS, model
from almoner.workshop.placeholders import PLACEHOLDERS
from almoner.workshop.process_design import ProcessCondition
from almoner.workshop.program_file import ProgramFileError, parse
from almoner.workshop.shape import by_key, members, walk

FULL = parse(kiwi_health.source())


def problems_of(source: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ProgramFileError) as caught:
        parse(source)
    return [(p.line, p.path, p.text) for p in caught.value.problems]


def only_problem_of(source: str) -> tuple[int, str]:
    [(line, _, text)] = problems_of(source)
    return line, text


def asking(options: str) -> str:
    return (
        "program: P\nassessments:\n- id: a\n  name: A\n  sections: [{questions: [\n    {name: f,"
        f" {options}}}\n  ]}}]\n"
    )


def test_everything_that_is_wrong_is_told_at_once_with_its_line() -> None:
    source = """\
program: 5
phases:
  - {name: intake, titel: Intake}
  - {name: intake}
  - [intake]
appointment_types: intake_call
phases: []
surveys: []
assessments:
  - id: a
    name: A
    sections:
      - heading: H
        questions:
          - {name: x, kind: txt}
          - {name: x, kind: choice}
          - {kind: integer, low: 1.5, choices: [a]}
          - {name: y, kind: scale, low: 5, high: 1, required: maybe}
          - {name: z, kind: choices, choices: [yes, a, a, ""]}
      - {heading: H, questions: [{name: x, kind: text}]}
  - id: a
    name: A
    sections: {}
    audience: everybody
roles:
  - {name: nurse, hidden_assessments: [b], may: [sleep]}
"""
    first = "assessments[0].sections[0].questions"
    assert problems_of(source) == [
        (1, "program", 'text is expected, not a number; put it in quotes: "5"'),
        (3, "phases[0]", "unknown key 'titel'; did you mean title?"),
        (4, "phases[1].name", "the name intake is used before, on line 3"),
        (
            5,
            "phases[2]",
            "a group of keys is expected here (name, title, description, next, reminders, color),"
            " not a list",
        ),
        (6, "appointment_types", "a list is expected, not text"),
        (7, "", "phases is given twice; it is on line 2 as well"),
        (8, "", f"unknown key 'surveys'; known here: {', '.join(by_key(ProgramDesign))}"),
        (15, f"{first}[0].kind", "there is no kind txt; did you mean text?"),
        (16, f"{first}[1]", "choices is missing; the kind choice needs it"),
        (16, f"{first}[1].name", "the name x is used before, on line 15"),
        (17, f"{first}[2]", "name is missing"),
        (17, f"{first}[2].choices", "choices does not go with the kind integer"),
        (17, f"{first}[2].low", "a whole number is expected"),
        (18, f"{first}[3].high", "high must be above low"),
        (18, f"{first}[3].required", "true or false is expected, not text"),
        (
            19,
            f"{first}[4].choices[0]",
            'text is expected, not true or false; put it in quotes: "yes"',
        ),
        (19, f"{first}[4].choices[2]", "a is listed before, on line 19"),
        (19, f"{first}[4].choices[3]", "this must not be blank"),
        (20, "assessments[0].sections[1].heading", "the heading H is used before, on line 13"),
        (
            20,
            "assessments[0].sections[1].questions[0].name",
            "the name x is used before, on line 15",
        ),
        (21, "assessments[1].id", "the id a is used before, on line 10"),
        (22, "assessments[1].name", "the name A is used before, on line 11"),
        (23, "assessments[1].sections", "a list is expected, not a group of keys"),
        (
            24,
            "assessments[1].audience",
            "everybody is not known here; one of these is expected: coach, coach_and_patient",
        ),
        (26, "roles[0].hidden_assessments[0]", "there is no assessment b; known here: a"),
        (
            26,
            "roles[0].may[0]",
            (
                "sleep is not known here; one of these is expected: give_care, supervise, design,"
                " integrate, administer, correct"
            ),
        ),
    ]


def test_what_could_not_be_read_causes_no_further_complaint() -> None:
    source = """\
program: P
phases:
  - {name: 5}
  - {name: done, next: ["5", intake, done]}
assessments:
  - id: a
    name: A
    sections:
      - questions:
          - {name: x, kind: scale, low: one, high: 5, weight: 1}
          - {name: y, kind: choices, choices: [no], shown_when: {question: x, above: high}}
          - {name: z, kind: text, shown_when: {question: y, includes: ["no"]}}
    scoring: {bands: [{name: all, low: 1}, {name: none, low: 0, high: 0}]}
roles: {name: nurse}
care_flows:
  - {name: f, goals: [{title: g, interventions: [{title: i, assignee: nurse}]}]}
"""
    assert [(line, text) for line, _, text in problems_of(source)] == [
        (3, 'text is expected, not a number; put it in quotes: "5"'),
        (10, "a number is expected, not text"),
        (11, 'text is expected, not true or false; put it in quotes: "no"'),
        (11, "a number is expected, not text"),
        (13, "high is missing"),
        (14, "a list is expected, not a group of keys"),
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("kind: number, low: .nan", "a number is expected, not an endless one"),
        ("kind: number, high: .inf", "a number is expected, not an endless one"),
        ("kind: number, low: '1'", "a number is expected, not text"),
        ("kind: integer, low: 9223372036854775808", "this number is too large"),
        ("kind: scale, low: 1", "high is missing; the kind scale needs it"),
        ("kind: choice, choices: []", "choices is missing; the kind choice needs it"),
        ("kind: boolean, low: 1", "low does not go with the kind boolean"),
        ("kind: text, low: !!int x", "this cannot be read as a number"),
        (
            "kind: text, label: 2018-01-01",
            'text is expected, not a date; put it in quotes: "2018-01-01"',
        ),
        (
            "kind: text, label: !secret x",
            'text is expected, not a value of the type !secret; put it in quotes: "x"',
        ),
        ("kind: text, label: ~", 'text is expected, not nothing; put it in quotes: "~"'),
        ('kind: text, label: "a\\0b"', "text cannot hold the character NUL"),
        ("kind: ' '", "this must not be blank"),
        (
            "kind: text, <<: {help: h}",
            f"unknown key '<<'; known here: {', '.join(by_key(Question))}",
        ),
        ("kind: text, ? [a] : b", f"a key must be text, one of {', '.join(by_key(Question))}"),
        (
            "kind: choice, choices: [a], points: {yes: 1}",
            'text is expected, not true or false; put it in quotes: "yes"',
        ),
        (
            "kind: choice, choices: [a], points: {a: 1, a: 2}",
            "a is given twice; it is on line 6 as well",
        ),
        (
            "kind: choice, choices: [a], points: [1]",
            "a number for each choice is expected, not a list",
        ),
        (
            "kind: text, shown_when: {question: g, is: [a]}",
            "text, a number, or true or false is expected, not a list",
        ),
        (
            "kind: text, shown_when: g",
            f"a group of keys is expected here ({', '.join(by_key(Condition))}), not text",
        ),
    ],
)
def test_an_option_that_does_not_fit_is_told_on_its_line(options: str, expected: str) -> None:
    problems = problems_of(asking(options))
    assert {line for line, _, _ in problems} == {6}
    assert expected in [text for _, _, text in problems]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("program: P\nphases: [", 3),
        ("program: P\n\tphases: []", 2),
        ("program: P\n---\nprogram: Q", 2),
        ("program: *nobody", 1),
        ("program: P\nphases:\n- name: é\x07", 3),
        ("program: P\nphases:\n- name: \ud800", 3),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(source: str, line: int) -> None:
    assert [problems for problems, _, _ in problems_of(source)] == [line]


@pytest.mark.parametrize("source", ["", "# nothing yet\n", "---\n"])
def test_an_empty_file_is_told_what_to_begin_with(source: str) -> None:
    assert "program" in {text for _, _, text in problems_of(source)}.pop()


@pytest.mark.parametrize("source", ["[]", "program", "program: {}", "- program: P"])
def test_a_file_that_is_something_else_is_refused(source: str) -> None:
    assert problems_of(source)


def test_a_file_nested_without_end_is_refused_instead_of_ending_the_process() -> None:
    assert only_problem_of("program: P\nphases: " + "[" * 500) == (
        2,
        "nested deeper than 20 levels",
    )
    assert only_problem_of("program: P\nphases: " + "[" * 300_000)[0] == 2


def test_a_small_file_that_stands_for_a_huge_one_is_refused() -> None:
    choices = f"[{', '.join(f'c{n}' for n in range(1000))}]"
    fields = "".join(f"    - {{name: f{n}, kind: choice, choices: *c}}\n" for n in range(1, 40))
    first = f"    - &f {{name: f0, kind: choice, choices: &c {choices}}}\n"
    copies = "".join(
        f"- {{id: a{n}, name: A{n}, sections: [{{questions: *fields}}]}}\n" for n in range(1, 40)
    )
    source = (
        "program: P\nassessments:\n- id: a\n  name: A\n  sections:\n  - questions:"
        f" &fields\n{first}{fields}{copies}"
    )
    assert any("more than 500,000 values" in text for _, _, text in problems_of(source))


def test_a_file_that_contains_itself_is_refused() -> None:
    assert problems_of("&all\nprogram: P\nphases: [*all]")


def test_a_file_that_is_too_long_is_refused() -> None:
    assert "longer than" in only_problem_of("program: P\n" + "#" * 5_000_000)[1]


def test_a_name_that_is_too_long_is_refused() -> None:
    source = f"program: {'p' * 201}\nphases:\n- name: {'n' * 201}\n"
    assert [line for line, _, _ in problems_of(source)] == [1, 3]


def test_an_appointment_has_a_plausible_length() -> None:
    lengths = "".join(
        f"- {{name: of_{minutes}, minutes: {minutes}}}\n" for minutes in (0, 1441, 1440, 1)
    )
    source = f"program: P\nappointment_types:\n{lengths}"
    assert [line for line, _, _ in problems_of(source)] == [3, 4]


def test_a_program_may_begin_with_its_name_alone() -> None:
    assert parse("program: Начало") == ProgramDesign(name="Начало")


def test_any_text_that_is_not_blank_is_a_name() -> None:
    design = parse(
        'program: P\nassessments: [{id: "Prüfung 7/b", name: "好", sections: [{questions: [{name:'
        ' "a.b", kind: text}]}]}]'
    )
    assert (design.assessments[0].id, design.assessments[0].questions[0].name) == (
        "Prüfung 7/b",
        "a.b",
    )


def test_everything_keeps_the_order_of_the_file() -> None:
    design = parse(kiwi_health.source())
    assert [p.name for p in design.phases][:3] == ["referred", "intake", "onboarding"]
    assert [f.name for f in design.assessments[0].questions] == [
        "insurance_provider",
        "plan_type",
        "active",
        "years_active",
        "last_hcp_visit",
        "pain_scale",
        "pain_place",
        "completed_at",
    ]


def test_anchors_save_writing_a_list_twice() -> None:
    mood = next(a for a in parse(kiwi_health.source()).assessments if a.id == "mood_check")
    assert mood.questions[0].choices == mood.questions[1].choices != ()


OPTIONS = {
    "choice": ", choices: [a, b]",
    "choices": ", choices: [a, b]",
    "scale": ", low: 0, high: 10",
    "integer": ", low: -2",
    "number": ", low: 0.5, high: 1",
}
GOOD_AND_BAD: dict[str, tuple[Any, Any]] = {
    "text": ("Grüße", 5),
    "long_text": ("one\ntwo", []),
    "integer": (-2, -3),
    "number": (0.5, 1.01),
    "boolean": (False, "false"),
    "date": ("2024-02-29", "2023-02-29"),
    "datetime": ("2018-08-12T10:20:15", "yesterday"),
    "choice": ("a", "c"),
    "choices": (["b", "a"], ["a", "a"]),
    "scale": (10, 10.5),
    "phone": ("555-555-5555", "911"),
    "email": ("grace@example.org", ""),
    "timezone": ("US/Pacific", "Mars/Olympus"),
    "state": ("CA", "XX"),
    "zip_code": ("94110", "9411"),
}


def good_and_bad(kind: str) -> tuple[Any, Any]:
    """A value that fits and one that does not; those of the kind itself where the table has
    none.
    """
    field = FieldDesign(name="f", kind=kind, choices=("a", "b"), low=0, high=10)
    return GOOD_AND_BAD.get(kind) or (FIELD_KINDS[kind].make(field).example(), {})


@pytest.mark.parametrize("kind", FIELD_KINDS)
def test_every_kind_survives_the_way_into_the_database_and_back(kind: str) -> None:
    [assessment] = parse(
        asking(f"kind: {kind}, label: L, help: H, required: true{OPTIONS.get(kind, '')}")
    ).assessments
    assert assessment.questions[0].kind == kind
    assert msgspec.json.decode(msgspec.json.encode(assessment), type=Assessment) == assessment


@pytest.mark.parametrize("kind", FIELD_KINDS)
def test_every_kind_takes_what_fits_and_refuses_what_does_not(kind: str) -> None:
    [assessment] = parse(asking(f"kind: {kind}{OPTIONS.get(kind, '')}")).assessments
    checked = model(assessment.questions)
    good, bad = good_and_bad(kind)
    problems: Problems = []
    assert checked.keep({"f": good}, ".model", problems) == {"f": good}
    assert problems == []
    checked.keep({"f": bad}, ".model", problems)
    assert [p.extra["path"] for p in problems] == [".model.f"]
    assert (
        msgspec.json.decode(msgspec.json.encode(checked.schema()))["additionalProperties"] is False
    )


def test_an_assessment_of_100_questions_reports_every_answer_that_does_not_fit() -> None:
    kinds = list(FIELD_KINDS)
    fields = tuple(
        FieldDesign(
            name=f"q{n}",
            kind=kinds[n % len(kinds)],
            choices=("a", "b"),
            low=0.5 if n % 15 == 3 else 0,
            high=10,
        )
        for n in range(100)
    )
    checked = model(fields)
    good = {
        f.name: (
            abs(value) if isinstance(value := good_and_bad(f.kind)[0], int) and value < 0 else value
        )
        for f in fields
    }
    problems: Problems = []
    assert checked.keep(good, ".model", problems) == good
    assert problems == []
    checked.keep({f.name: {"not": "an answer"} for f in fields}, ".model", problems)
    assert [p.extra["path"] for p in problems] == [f".model.q{n}" for n in range(100)]


PARTS = [
    ProgramDesign,
    *(m.struct for _, part in walk(FULL) for m in members(type(part)) if m.struct is not None),
]


def outcome_of(source: str) -> ProgramDesign | ProgramFileError:
    try:
        return parse(source)
    except ProgramFileError as error:
        return error


@given(st.text(max_size=200))
def test_any_text_that_is_no_program_is_refused_with_lines(source: str) -> None:
    outcome = outcome_of(source)
    assert isinstance(outcome, ProgramFileError)
    assert outcome.problems
    assert all(1 <= p.line <= len(source) + 2 for p in outcome.problems)


KEYS = sorted({name for part in PARTS for name in by_key(part)})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(list(FIELD_KINDS)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(VALUES)
def test_any_tree_of_values_is_either_a_program_or_refused(tree: Any) -> None:
    # JSON is YAML, so this feeds the file's reader with every shape under every key.
    source = msgspec.json.encode(tree).decode()
    outcome = outcome_of(source)
    assert isinstance(outcome, ProgramDesign) or outcome.problems


PAGE = (Path(__file__).parents[2] / "docs" / "program.md").read_text(encoding="utf-8")


def test_the_example_of_the_documentation_is_a_program_that_uses_everything() -> None:
    source = PAGE.partition("```yaml\n")[2].partition("```")[0]
    design = parse(source)
    used = {
        (type(part), m.key)
        for _, part in walk(design)
        for m in members(type(part))
        if getattr(part, m.attribute) != m.default
    }
    every = {(part, member.key) for part in PARTS for member in members(part)}
    assert {key for part, key in every - used if part not in (Condition, ProcessCondition)} == set()
    assert all(f"`{name}" in PAGE for name in [*by_key(Condition), *PLACEHOLDERS])


@pytest.mark.parametrize(
    "number", ["0x" + "f" * 6_000, "1" + ":1" * 200_000, "1" * 5_000, "0b" + "1" * 5_000]
)
def test_a_number_without_measure_is_told_at_once_like_any_that_cannot_be_read(number: str) -> None:
    source = (
        "program: P\nappointment_types:\n- {name: a, minutes: 30}\n- {name: b, minutes:"
        f" {number}}}\n"
    )
    assert only_problem_of(source) == (4, "this cannot be read as a number")
    line, text = problems_of(asking(f"kind: scale, low: 0.5, high: {number}"))[0][::2]
    assert (line, text) == (6, "this cannot be read as a number")


def test_a_file_of_thousands_of_errors_tells_the_first_and_that_there_are_more() -> None:
    source = "program: P\nphases:\n" + "".join(
        f"- {{name: p{n}, titel: x}}\n" for n in range(3_000)
    )
    problems = problems_of(source)
    assert problems[0] == (3, "phases[0]", "unknown key 'titel'; did you mean title?")
    assert problems[-1][2] == "these are the first 500; there may be more behind them" or problems[
        -2
    ][2].startswith("these are")
    assert len(problems) == 501


@pytest.mark.parametrize(
    "source",
    [
        "\ufeffprogram: P\n",
        "program: P\r\nphases: []\r\n",
        "%YAML 1.1\n---\nprogram: P\n...\n",
        "{program: P}",
    ],
)
def test_what_editors_put_around_a_program_does_no_harm(source: str) -> None:
    assert parse(source) == ProgramDesign(name="P")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("program: P\nphases: &a [*a]\n", 2),
        ("program: P\nphases: &a {x: *a}\n", 2),
        ("program: P\nphases: [&a {name: a}, {<<: *a}]\n", 2),
        ("program: P\n---\nprogram: Q\n", 2),
        ("program: P\nphases:\n\t- {name: a}\n", 3),
        ("program: 2026-01-01\n", 1),
        ("program: ~\n", 1),
        ("# nothing but a remark\n", 1),
        ("program: !!python/object:os.system x\n", 1),
        ("program: P\nappointment_types: [{name: a, minutes: !!int ''}]\n", 2),
    ],
)
def test_what_yaml_can_do_and_a_program_cannot_is_told_where_it_is(source: str, line: int) -> None:
    assert problems_of(source)[0][0] == line
