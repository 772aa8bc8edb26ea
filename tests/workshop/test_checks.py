"""What can be wrong with a program whose parts have the right shape, each told where it is and in
words that help.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from msgspec.structs import replace

from almoner.workshop import kiwi_health
from almoner.workshop.assessment_design import (
    Assessment,
    AssessmentSection,
    Band,
    Condition,
    FieldDesign,
    Question,
    Scoring,
)
from almoner.workshop.checks import MOST_LISTED, design_from, problems
from almoner.workshop.design import (
    BUILT_IN_ROLES,
    CareFlowTemplate,
    CustomDataType,
    Goal,
    Intervention,
    MessageTemplate,
    Phase,
    ProgramDesign,
    Role,
    SidebarModule,
    Terminology,
)
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.goal_target import GoalTarget
from almoner.workshop.placeholders import PLACEHOLDERS, pieces
from almoner.workshop.program_file import ProgramFileError, parse
from almoner.workshop.program_text import write
from almoner.workshop.shape import walk
from tests.tries import tries
from tests.workshop.designs import parts

NOISE = Question(name="noise", kind="text", label="Nothing to do with it")
SCALE = Question(name="energy", kind="scale", low=1, high=5)
CHOICE = Question(name="mood", kind="choice", choices=("good", "bad"))
SEVERAL = Question(name="signs", kind="choices", choices=("cough", "fever"))
TRUTH = Question(name="smokes", kind="boolean")
HALF = Question(name="pain", kind="number", low=0, high=1)
SECOND = "assessments[0].sections[1].questions"


def problems_in(design: ProgramDesign) -> list[tuple[str, str]]:
    return [(p.path, p.text) for p in problems(design)]


def asking(*questions: Question, scoring: Scoring | None = None) -> ProgramDesign:
    """A program in which these are the second section of an assessment."""
    sections = (
        AssessmentSection(heading="First", questions=(NOISE,)),
        AssessmentSection(heading="Second", questions=questions),
    )
    return ProgramDesign(
        name="P", assessments=(Assessment(id="a", name="A", sections=sections, scoring=scoring),)
    )


def after(condition: Condition, name: str = "follow_up") -> Question:
    return Question(name=name, kind="text", shown_when=condition)


def test_the_demos_program_is_right() -> None:
    assert problems(parse(kiwi_health.source())) == []


@pytest.mark.parametrize(
    ("question", "path", "text"),
    [
        (
            replace(CHOICE, points={"good": 0, "bed": 1}),
            '.points["bed"]',
            "there is no choice bed; did you mean bad?",
        ),
        (replace(CHOICE, weight=1), ".weight", "weight does not go with the kind choice"),
        (replace(SCALE, points={"1": 1}), ".points", "points does not go with the kind scale"),
        (replace(NOISE, name="x", weight=0), ".weight", "weight does not go with the kind text"),
        (replace(SCALE, low=0.5), ".low", "a whole number is expected"),
        (replace(SCALE, low=None), "", "low is missing; the kind scale needs it"),
        (replace(SCALE, high=1), ".high", "high must be above low"),
        (
            replace(SCALE, low=-(2**40)),
            ".high",
            "a scale has at most 101 steps; the kind integer takes any number",
        ),
        (replace(SCALE, kind=" "), ".kind", "this must not be blank"),
        (replace(HALF, high=float("inf")), ".high", "a number is expected, not an endless one"),
        (replace(HALF, high=2**64), ".high", "this number is too large"),
        (replace(NOISE, name="x", label="a\0b"), ".label", "text cannot hold the character NUL"),
        (
            replace(NOISE, name="x", help="\ud83e"),
            ".help",
            "half of a surrogate pair is not a character",
        ),
        (replace(CHOICE, choices=("good", "bad", "good")), ".choices[2]", "good is listed before"),
        (replace(NOISE, kind="date"), ".name", "the name noise is used before"),
    ],
)
def test_a_question_by_itself(question: Question, path: str, text: str) -> None:
    assert problems_in(asking(SEVERAL, question)) == [(f"{SECOND}[1]{path}", text)]


@pytest.mark.parametrize(
    "condition",
    [
        Condition(question="mood", equals="bad"),
        Condition(question="mood", one_of=("bad", "good")),
        Condition(question="signs", includes=("fever",)),
        Condition(question="smokes", equals=False),
        Condition(question="energy", equals=1),
        Condition(question="energy", above=4.5),
        Condition(question="energy", below=2),
        Condition(question="pain", at_least=1),
        Condition(question="pain", at_most=0),
        Condition(question="pain", above=0),
        Condition(question="pain", equals=0.5),
        Condition(question="noise", equals="yes"),
        Condition(question="noise", answered=True),
    ],
)
def test_a_condition_that_fits_its_question(condition: Condition) -> None:
    assert problems_in(asking(SCALE, CHOICE, SEVERAL, TRUTH, HALF, after(condition))) == []


@pytest.mark.parametrize(
    ("condition", "path", "text"),
    [
        (
            Condition(question="mood"),
            "",
            (
                "a test is missing; one of is, one_of, includes, above, below, at_least, at_most,"
                " answered is expected"
            ),
        ),
        (
            Condition(question="pain", above=0, below=1),
            "",
            "exactly one test is expected, not above and below",
        ),
        (
            Condition(question="smokes", equals=False, answered=True),
            "",
            "exactly one test is expected, not is and answered",
        ),
        (Condition(question="", answered=True), ".question", "this must not be blank"),
        (
            Condition(question="follow_up", answered=True),
            ".question",
            "a question cannot wait for its own answer",
        ),
        (
            Condition(question="nois", answered=True),
            ".question",
            "there is no question nois in this assessment; did you mean noise?",
        ),
        (
            Condition(question="mood", equals="bed"),
            ".is",
            "mood has no choice bed; did you mean bad?",
        ),
        (
            Condition(question="mood", equals=1),
            ".is",
            "one of its choices is expected; that is what the answer to mood is",
        ),
        (
            Condition(question="mood", one_of=("good", "so")),
            ".one_of[1]",
            "mood has no choice so; known here: good, bad",
        ),
        (
            Condition(question="mood", above=1),
            ".above",
            "above does not go with the kind choice of mood; these do: is, one_of, answered",
        ),
        (
            Condition(question="signs", includes=("cold",)),
            ".includes[0]",
            "signs has no choice cold; known here: cough, fever",
        ),
        (
            Condition(question="signs", equals="cough"),
            ".is",
            "is does not go with the kind choices of signs; these do: includes, answered",
        ),
        (
            Condition(question="smokes", equals="yes"),
            ".is",
            "true or false is expected; that is what the answer to smokes is",
        ),
        (
            Condition(question="energy", equals=True),
            ".is",
            "a number is expected; that is what the answer to energy is",
        ),
        (Condition(question="energy", equals=1.5), ".is", "the answer to energy is a whole number"),
        (
            Condition(question="energy", equals=6),
            ".is",
            "this never holds: the highest answer to energy is 5",
        ),
        (
            Condition(question="energy", above=5),
            ".above",
            "this never holds: the highest answer to energy is 5",
        ),
        (
            Condition(question="energy", at_least=6),
            ".at_least",
            "this never holds: the highest answer to energy is 5",
        ),
        (
            Condition(question="energy", below=1),
            ".below",
            "this never holds: the lowest answer to energy is 1",
        ),
        (
            Condition(question="pain", at_most=-0.1),
            ".at_most",
            "this never holds: the lowest answer to pain is 0",
        ),
        (
            Condition(question="noise", equals=True),
            ".is",
            "a text is expected; that is what the answer to noise is",
        ),
    ],
)
def test_a_condition_that_does_not_fit(condition: Condition, path: str, text: str) -> None:
    design = asking(
        SCALE,
        CHOICE,
        SEVERAL,
        TRUTH,
        HALF,
        after(condition),
        after(Condition(question="mood", equals="bad"), "noise_2"),
    )
    assert problems_in(design) == [(f"{SECOND}[5].shown_when{path}", text)]


def test_a_circle_of_follow_ups_is_named_once_and_what_leads_to_it_is_not_blamed() -> None:
    design = asking(
        after(Condition(question="b", answered=True), "before"),
        after(Condition(question="c", answered=True), "b"),
        after(Condition(question="d", answered=True), "c"),
        after(Condition(question="b", answered=True), "d"),
        after(Condition(question="noise", answered=True), "fine"),
    )
    text = (
        "these questions wait for each other and are never asked: b is shown after c, c after d, d"
        " after b"
    )
    assert problems_in(design) == [(f"{SECOND}[1].shown_when.question", text)]


def test_two_circles_are_both_named() -> None:
    names = {"a": "b", "b": "a", "c": "d", "d": "c"}
    design = asking(
        *(after(Condition(question=other, answered=True), name) for name, other in names.items())
    )
    assert [path for path, _ in problems_in(design)] == [
        f"{SECOND}[0].shown_when.question",
        f"{SECOND}[2].shown_when.question",
    ]


def test_a_circle_of_many_questions_is_told_in_few_words() -> None:
    design = asking(
        *(
            after(Condition(question=f"q{(n + 1) % 500}", answered=True), f"q{n}")
            for n in range(500)
        )
    )
    [(_, text)] = problems_in(design)
    assert text.endswith("q9 after q10, and 490 more")


def test_a_score_needs_a_question_that_counts() -> None:
    assert problems_in(asking(SCALE, scoring=Scoring())) == [
        ("assessments[0].scoring", "no question counts; give one points or a weight")
    ]
    assert problems_in(asking(replace(SCALE, weight=0.5), scoring=Scoring())) == []
    assert problems_in(asking(replace(SEVERAL, points={"fever": 1}), scoring=Scoring())) == []


def test_bands_stand_beside_each_other() -> None:
    bands = (
        Band(name="high", low=10, high=20),
        Band(name="low", low=0, high=4),
        Band(name="backwards", low=9, high=8),
        Band(name="middle", low=4, high=9),
        Band(name="within", low=12, high=13),
        Band(name="low", low=30, high=30),
        Band(name=" ", low=40, high=41),
    )
    at = "assessments[0].scoring.bands"
    assert sorted(problems_in(asking(replace(SCALE, weight=1), scoring=Scoring(bands=bands)))) == [
        (f"{at}[2].high", "high must not be below low"),
        (f"{at}[3]", "a score belongs to one band only; this one overlaps low"),
        (f"{at}[4]", "a score belongs to one band only; this one overlaps high"),
        (f"{at}[5].name", "the name low is used before"),
        (f"{at}[6].name", "this must not be blank"),
    ]


def test_what_names_something_names_what_is_there() -> None:
    steps = (
        Intervention(title="Ask", assignee="coach"),
        Intervention(title="Look", assignee="nurs"),
        Intervention(title="Wait"),
    )
    design = ProgramDesign(
        name="P",
        phases=(Phase(name="intake", next=("done", "dune")), Phase(name="done", next=())),
        assessments=(Assessment(id="a", name="A"),),
        custom_data_types=(CustomDataType(name="lab"),),
        roles=(
            Role(name="nurse", hidden_data=("lab", "lap"), hidden_assessments=("A",)),
            Role(name="coach"),
        ),
        care_flows=(CareFlowTemplate(name="F", goals=(Goal(title="G", interventions=steps),)),),
    )
    assert problems_in(design) == [
        ("phases[0].next[1]", "there is no phase dune; did you mean done?"),
        (
            "care_flows[0].goals[0].interventions[1].assignee",
            "there is no role nurs; did you mean nurse?",
        ),
        ("roles[0].hidden_data[1]", "there is no custom data type lap; did you mean lab?"),
        ("roles[0].hidden_assessments[0]", "there is no assessment A; known here: a"),
    ]
    assert {role.name for role in BUILT_IN_ROLES} >= {"coach"}


def test_steps_goals_and_headings_are_coded_by_what_they_are_called() -> None:
    goal = Goal(title="G", interventions=(Intervention(title="Ask"), Intervention(title="Ask")))
    design = replace(
        asking(SCALE),
        care_flows=(
            CareFlowTemplate(name="F", goals=(goal, Goal(title="G"))),
            CareFlowTemplate(name="F"),
        ),
    )
    assert problems_in(design) == [
        ("care_flows[1].name", "the name F is used before"),
        ("care_flows[0].goals[1].title", "the title G is used before"),
        ("care_flows[0].goals[0].interventions[1].title", "the title Ask is used before"),
    ]
    blank = Assessment(
        id="a", name="A", sections=(AssessmentSection(), AssessmentSection(footer="x"))
    )
    assert problems_in(ProgramDesign(name="P", assessments=(blank,))) == [
        ("assessments[0].sections[1]", "another one has no heading either"),
    ]


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ("Hello {{patient.first_name}}, {{ coach.phone_number }} {or not}", []),
        (
            "Hello {{patient.firstname}}",
            ["there is no placeholder patient.firstname; did you mean patient.first_name?"],
        ),
        ("Hello {{patient.first_name", ["{{ is not closed: write {{patient.first_name}}"]),
        ("{{patient. {{patient.last_name}}", ["{{ is not closed: write {{patient.first_name}}"]),
        ("Hello patient}} and {{program.name}}", ["}} stands without {{ before it"]),
        ("{{}}", [f"there is no placeholder ; known here: {', '.join(PLACEHOLDERS)}"]),
    ],
)
def test_placeholders_of_a_message(body: str, texts: list[str]) -> None:
    design = ProgramDesign(
        name="P",
        message_templates=(
            MessageTemplate(name="noise", body="Hi"),
            MessageTemplate(name="m", body=body),
        ),
    )
    assert problems_in(design) == [("message_templates[1].body", text) for text in texts]
    assert "".join(piece.text for piece in pieces(body)) == body


def test_a_message_without_words_is_not_one() -> None:
    assert problems_in(
        ProgramDesign(name="P", message_templates=(MessageTemplate(name="m", body=" \n"),))
    ) == [("message_templates[0]", "body is missing; write the message")]


@pytest.mark.parametrize(
    ("module", "path", "text"),
    [
        (SidebarModule(title="x", shows="tasks", of="lab"), ".of", "of does not go with tasks"),
        (
            SidebarModule(title="x", shows="contact", field="value"),
            ".field",
            "field does not go with contact",
        ),
        (SidebarModule(title="x", shows="records"), "", "of is missing; name a custom data type"),
        (
            SidebarModule(title="x", shows="records", of="a"),
            ".of",
            "there is no custom data type a; known here: lab",
        ),
        (
            SidebarModule(title="x", shows="records", of="lab", field="value"),
            ".field",
            "field does not go with records",
        ),
        (
            SidebarModule(title="x", shows="chart"),
            "",
            "of is missing; name an assessment or a custom data type",
        ),
        (
            SidebarModule(title="x", shows="chart", of="labs"),
            ".of",
            "there is no assessment or custom data type labs; did you mean lab?",
        ),
        (
            SidebarModule(title="x", shows="chart", of="lab"),
            "",
            "field is missing; name the number to draw",
        ),
        (
            SidebarModule(title="x", shows="chart", of="lab", field="vale"),
            ".field",
            "lab has no field vale; did you mean value?",
        ),
        (
            SidebarModule(title="x", shows="chart", of="lab", field="unit"),
            ".field",
            "a chart draws numbers, and unit is none; known here: value",
        ),
        (
            SidebarModule(title="x", shows="chart", of="a"),
            "",
            "field is missing; a has no score to draw, so name a number",
        ),
    ],
)
def test_a_card_that_does_not_fit_what_it_shows(
    module: SidebarModule, path: str, text: str
) -> None:
    lab = CustomDataType(
        name="lab",
        fields=(FieldDesign(name="unit", kind="text"), FieldDesign(name="value", kind="number")),
    )
    right = (
        SidebarModule(title="1", shows="records", of="lab"),
        SidebarModule(title="2", shows="chart", of="lab", field="value"),
        SidebarModule(title="3", shows="chart", of="a", field="energy"),
    )
    design = replace(asking(SCALE), custom_data_types=(lab,), sidebar=(*right, module))
    assert problems_in(design) == [(f"sidebar[3]{path}", text)]


def test_a_chart_may_draw_the_score_of_an_assessment_that_has_one() -> None:
    design = asking(replace(SCALE, weight=1), scoring=Scoring())
    assert (
        problems_in(replace(design, sidebar=(SidebarModule(title="x", shows="chart", of="a"),)))
        == []
    )


@pytest.mark.parametrize(
    ("target", "path", "text"),
    [
        (
            {"of": "lap", "field": "value"},
            ".of",
            "there is no assessment or custom data type lap; did you mean lab?",
        ),
        ({"of": "lab", "choice": "ldl"}, "", "field is missing; name the number to measure"),
        (
            {"of": "lab", "field": "test", "choice": "ldl"},
            ".field",
            "a goal is measured by numbers, and test is none; known here: value",
        ),
        (
            {"of": "lab", "field": "value", "choice": "ldk"},
            ".choice",
            "test has no choice ldk; did you mean ldl?",
        ),
        (
            {"of": "lab", "field": "value"},
            "",
            "choice is missing; say which test is measured",
        ),
        (
            {"of": "a", "field": "energy", "choice": "ldl"},
            ".choice",
            "choice goes with records alone that choose what is measured",
        ),
        ({"of": "a"}, "", "field is missing; a has no score to measure, so name a number"),
        ({"of": "patient", "field": "height"}, ".field", "patients have no number height"),
    ],
)
def test_a_goal_is_measured_by_a_number_that_there_is(
    target: dict[str, Any], path: str, text: str
) -> None:
    test = FieldDesign(name="test", kind="choice", choices=("hba1c", "ldl"), required=True)
    lab = CustomDataType(name="lab", fields=(test, FieldDesign(name="value", kind="number")))
    right: tuple[dict[str, Any], ...] = (
        {"of": "lab", "field": "value", "choice": "hba1c"},
        {"of": "a", "field": "energy"},
    )
    goals = tuple(
        Goal(title=str(n), target=GoalTarget(**measure, value=7, direction="down"))
        for n, measure in enumerate((*right, target))
    )
    flow = CareFlowTemplate(name="F", goals=goals)
    design = replace(asking(SCALE), custom_data_types=(lab,), care_flows=(flow,))
    at = f"care_flows[0].goals[2].target{path}"
    assert [(where, text.partition("; known here")[0]) for where, text in problems_in(design)] == [
        (at, text.partition("; known here")[0])
    ]


def test_people_are_called_something() -> None:
    for blank in (" ", "\u3164", "\u200b\u2800"):
        assert problems_in(ProgramDesign(name="P", terminology=Terminology(patients=blank))) == [
            ("terminology.patients", "this must not be blank")
        ]
        assert problems_in(
            ProgramDesign(name="P", message_templates=(MessageTemplate(name="a", body=blank),))
        )


def test_every_kind_of_answer_has_a_test_for_follow_ups() -> None:
    for name, kind in FIELD_KINDS.items():
        about = Question(
            name="q", kind=name, choices=("a",) if "choices" in kind.needs else (), low=0, high=1
        )
        about = about if "low" in kind.takes else replace(about, low=None, high=None)
        assert problems_in(asking(about, after(Condition(question="q", answered=True)))) == []


def test_a_file_tells_these_problems_with_their_lines() -> None:
    source = """\
program: P
assessments:
  - id: a
    name: A
    sections:
      - questions:
          - name: mood
            kind: choice
            choices: [good, bad]
            points:
              good: 0
              bed: 1
          - name: why
            kind: text
            shown_when:
              question: moot
              is: bad
      - questions:
          - {name: mood, kind: text}
    scoring:
      bands:
        - {name: low, low: 0, high: 1}
        - {name: high, low: 1, high: 2}
message_templates:
  - name: Hello
    body: Hello {{patient.name}}
"""
    with pytest.raises(ProgramFileError) as caught:
        parse(source)
    assert [(p.line, p.text) for p in caught.value.problems] == [
        (12, "there is no choice bed; did you mean bad?"),
        (16, "there is no question moot in this assessment; did you mean mood?"),
        (18, "another one has no heading either, on line 6"),
        (19, "the name mood is used before, on line 7"),
        (23, "a score belongs to one band only; this one overlaps low, on line 22"),
        (26, "there is no placeholder patient.name; did you mean patient.last_name?"),
    ]


def test_a_design_is_made_of_plain_values() -> None:
    assert design_from({"program": "P", "phases": [{"name": "intake"}]}) == ProgramDesign(
        name="P", phases=(Phase(name="intake"),)
    )


@given(parts(ProgramDesign))
@tries(100, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_program_holds_its_problems_lead_to_a_place_in_it(design: ProgramDesign) -> None:
    places = {path for path, _ in walk(design)}
    for problem in problems(design):
        around = problem.path
        while around not in places:
            around = around[: max(around.rfind("."), around.rfind("["))]
            assert around
        assert problem.text


def test_looking_through_200_assessments_of_20_questions_takes_no_more_than_a_moment() -> None:
    questions = (SCALE, *(after(Condition(question="energy", above=2), f"q{n}") for n in range(20)))
    assessments = tuple(
        Assessment(id=f"a{n}", name=f"A{n}", sections=(AssessmentSection(questions=questions),))
        for n in range(200)
    )
    text = write(ProgramDesign(name="P", assessments=assessments))
    began = time.process_time()
    assert len(parse(text).assessments) == 200
    assert time.process_time() - began < 3  # 0.6 s on one quiet core; others may share it


@pytest.mark.parametrize(
    "body", ["{{" * 100_000, "}}" * 100_000, "{{patient.frist_name}}" * 20_000]
)
def test_a_message_full_of_braces_is_told_within_a_moment(body: str) -> None:
    began = time.perf_counter()
    templates = (
        MessageTemplate(name="m", body=body),
        MessageTemplate(name="right", body="{{patient.first_name}}"),
    )
    remarks = problems_in(ProgramDesign(name="P", message_templates=templates))
    assert {path for path, _ in remarks} == {"message_templates[0].body"}
    assert len(remarks) == MOST_LISTED
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("kind", ["integer", "number", "scale"])
def test_an_endless_number_is_no_answer(kind: str) -> None:
    question = Question(name="n", kind=kind, low=1, high=5)
    for endless in (float("inf"), float("-inf"), float("nan")):
        (problem,) = set(
            problems_in(asking(question, after(Condition(question="n", equals=endless))))
        )
        assert problem == (f"{SECOND}[1].shown_when.is", "a number is expected, not an endless one")
