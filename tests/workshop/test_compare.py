"""Comparing two versions: each difference is told where it is, and all of them in a paragraph."""

from __future__ import annotations

import time

from msgspec.structs import replace

from almoner.workshop import kiwi_health
from almoner.workshop.assessment_design import Assessment, AssessmentSection, Condition, Question
from almoner.workshop.compare import compare, summary
from almoner.workshop.design import Phase, ProgramDesign, Role, Terminology
from almoner.workshop.program_file import parse

PLAN = Question(
    name="plan", kind="choice", label="Plan", choices=("gold", "silver"), points={"gold": 2}
)
MOOD = Question(name="mood", kind="text")


def program(*questions: Question, phases: tuple[str, ...] = ("intake", "paused")) -> ProgramDesign:
    sections = (AssessmentSection(heading="Basics", questions=questions),)
    assessments = (Assessment(id="intake", name="Intake assessment", sections=sections),)
    return ProgramDesign(
        name="P", phases=tuple(Phase(name=name) for name in phases), assessments=assessments
    )


BASE = program(PLAN, MOOD)


def described(before: ProgramDesign, after: ProgramDesign) -> list[str]:
    return [str(difference) for difference in compare(before, after)]


def test_a_program_does_not_differ_from_itself() -> None:
    demo = parse(kiwi_health.source())
    assert (compare(demo, parse(kiwi_health.source())), summary(())) == ((), "nothing changed")


def test_what_changed_is_told_with_its_place_and_both_values() -> None:
    (difference,) = compare(BASE, program(replace(PLAN, label="Your plan"), MOOD))
    assert difference.path == 'assessments["intake"].sections["Basics"].questions["plan"].label'
    assert (difference.kind, difference.before, difference.after) == (
        "changed",
        "Plan",
        "Your plan",
    )
    assert (
        str(difference)
        == "Assessment Intake assessment, section Basics, question plan, label: Plan became Your"
        " plan"
    )


def test_what_is_added_or_removed_as_a_whole_is_one_difference() -> None:
    new = Question(name="new", kind="text", label="New", help="Help")
    differences = compare(BASE, program(PLAN, new))
    assert [(d.kind, d.where, d.before, d.after) for d in differences] == [
        ("added", "Assessment Intake assessment, section Basics, question new", None, new),
        ("removed", "Assessment Intake assessment, section Basics, question mood", MOOD, None),
    ]


def test_choices_and_points_are_told_one_by_one() -> None:
    after = replace(PLAN, choices=("silver", "gold", "bronze"), points={"gold": 3, "silver": 1})
    start = "Assessment Intake assessment, section Basics, question plan"
    assert described(BASE, program(after, MOOD)) == [
        f"{start}, choices: bronze added",
        f"{start}, choices: the order changed",
        f"{start}, points of gold: 2 became 3",
        f"{start}, points of silver: 1 added",
    ]


def test_an_order_is_told_once() -> None:
    assert described(BASE, program(MOOD, PLAN)) == [
        "Assessment Intake assessment, section Basics, questions: the order changed"
    ]


def test_a_condition_that_is_added_is_told_as_a_whole_and_then_by_its_parts() -> None:
    first = replace(MOOD, shown_when=Condition(question="plan", equals="gold"))
    second = replace(MOOD, shown_when=Condition(question="plan", equals="silver"))
    start = "Assessment Intake assessment, section Basics, question mood"
    assert [(d.where, d.kind) for d in compare(BASE, program(PLAN, first))] == [
        (f"{start}, shown when", "added")
    ]
    assert described(program(PLAN, first), program(PLAN, second)) == [
        f"{start}, is: gold became silver"
    ]


def test_yes_is_not_one() -> None:
    before, after = (
        program(PLAN, replace(MOOD, shown_when=Condition(question="plan", equals=v)))
        for v in (True, 1)
    )
    assert [d.before for d in compare(before, after)] == [True]


def test_a_question_under_another_name_is_told_as_renamed() -> None:
    (line,) = described(BASE, program(replace(PLAN, name="chosen_plan"), MOOD))
    assert (
        line == "Assessment Intake assessment, section Basics, question plan, name in the API: plan"
        " became chosen_plan"
    )


def test_the_summary_counts_within_an_assessment_and_names_what_stands_alone() -> None:
    after = program(
        replace(PLAN, label="Yours", help="Help"),
        MOOD,
        *(Question(name=n, kind="text") for n in "xy"),
        phases=("intake",),
    )
    assert (
        summary(compare(BASE, after))
        == "phase paused removed; question plan changed in Intake assessment; 2 questions added to"
        " Intake assessment"
    )


def test_the_summary_of_a_first_version_and_of_the_whole_program() -> None:
    empty = ProgramDesign(name="P")
    assert (
        summary(compare(empty, BASE))
        == "phases intake and paused added; assessment Intake assessment added"
    )
    renamed = replace(
        empty, name="Q", terminology=Terminology(patient="member"), roles=(Role(name="nurse"),)
    )
    assert (
        summary(compare(empty, renamed))
        == "the program was renamed; role nurse added; terminology changed"
    )
    assert (
        summary(compare(program(phases=("a", "b")), program(phases=("b", "a"))))
        == "phases reordered"
    )


def test_a_long_summary_ends_with_how_much_more_there_is() -> None:
    after = ProgramDesign(
        name="P",
        assessments=tuple(
            Assessment(id=f"a{n}", name=f"A{n}", sections=(AssessmentSection(heading="S"),))
            for n in range(9)
        ),
    )
    questions = tuple(
        replace(
            a,
            sections=(AssessmentSection(heading="S", questions=(MOOD, replace(PLAN, name=a.id))),),
        )
        for a in after.assessments
    )
    text = summary(compare(after, replace(after, assessments=questions)))
    assert text.count(";") == 5
    assert text.endswith("; and 4 more kinds of change")


def test_a_choice_that_is_removed_reworded_or_added_is_told_once_with_its_points() -> None:
    def choices_described(*choices: str, **points: float) -> list[str]:
        question = Question(name="plan", kind="choice", choices=choices, points=points)
        noise = Question(name="noise", kind="text")
        section = AssessmentSection(heading="Basics", questions=(noise, question))
        before = Question(
            name="plan",
            kind="choice",
            choices=("gold", "silver", "none"),
            points={"gold": 2, "silver": 1},
        )
        old, new = (
            ProgramDesign(
                name="P",
                assessments=(
                    Assessment(id="a", name="A", sections=(replace(section, questions=asked),)),
                ),
            )
            for asked in ((noise, before), section.questions)
        )
        return [
            str(difference).rpartition("choices: ")[2] or str(difference)
            for difference in compare(old, new)
        ]

    assert choices_described("gold", "none", gold=2) == ["silver (1 point) removed"]
    assert choices_described("gold", "platinum", "none", gold=2, platinum=1) == [
        "silver became platinum"
    ]
    assert choices_described("gold", "silver", "none", "bronze", gold=2, silver=1, bronze=0.5) == [
        "bronze (0.5 points) added"
    ]
    rise = choices_described("gold", "platinum", "none", gold=2, platinum=3)
    assert rise[0] == "silver became platinum"
    assert rise[1].endswith("points of platinum: 1 became 3")
    assert len(rise) == 2


def test_thousands_of_texts_are_compared_within_a_moment() -> None:
    def of(name: str, count: int) -> ProgramDesign:
        texts = tuple(f"{name} {number}" for number in range(count))
        return program(replace(PLAN, choices=texts, points=dict.fromkeys(texts, 1)))

    began = time.process_time()
    assert len(compare(of("one", 20_000), of("other", 20_000))) == 20_000
    assert len(compare(of("one", 20_000), of("other", 20_001))) == 40_001
    assert time.process_time() - began < 5
