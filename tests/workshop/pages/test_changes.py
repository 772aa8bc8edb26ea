"""What differs between two programs is said as people read it: by titles, and not by the names that
programs use.
"""

from __future__ import annotations

from msgspec.structs import replace

from almoner.workshop import kiwi_health
from almoner.workshop.assessment_design import Condition, Question
from almoner.workshop.design import Phase, ProgramDesign
from almoner.workshop.pages.changes import ElementChanges, ShownDifference, grouped
from almoner.workshop.pages.program_prose import ProsePart, groups, reading
from almoner.workshop.program_file import parse
from almoner.workshop.shape import with_items
from almoner.workshop.titles import titles_in

DEMO = parse(kiwi_health.source())
INTAKE = next(place for place, spec in enumerate(DEMO.assessments) if spec.id == "mood_check")
FIRST = DEMO.assessments[INTAKE].sections[0].questions[0]


def only(elements: tuple[ElementChanges, ...]) -> tuple[ElementChanges, ShownDifference]:
    (element,) = elements
    (change,) = element.changes
    return element, change


def with_question(*questions: Question) -> ProgramDesign:
    """The demo's program with these in the place of the mood check's first question."""
    steps = (("assessments", INTAKE), ("sections", 0), ("questions", 0))
    return with_items(DEMO, steps, *questions)


def lines(part: ProsePart) -> dict[str, str]:
    return {line.title: line.text for line in part.lines}


def test_what_an_element_names_is_called_by_its_title() -> None:
    phases = tuple(
        replace(phase, next=("active_coaching", *(phase.next or ())[1:]))
        if phase.name == "intake"
        else phase
        for phase in DEMO.phases
    )
    element, change = only(grouped(DEMO, replace(DEMO, phases=phases)))
    assert (element.sort, element.name) == ("phase", "Intake")
    assert change.where == "May be followed by"
    assert (change.before.text, change.after.text) == ("Onboarding", "Active coaching")


def test_a_title_that_changes_in_the_same_draft_is_the_new_one() -> None:
    phases = tuple(
        replace(phase, title="Moved away") if phase.name == "withdrawn" else phase
        for phase in DEMO.phases
    )
    after = replace(DEMO, phases=(*phases, Phase(name="extra", title="Extra", next=("withdrawn",))))
    elements = grouped(DEMO, after)
    added = next(element for element in elements if element.name == "Extra").changes[0].after.part
    assert added is not None
    assert lines(added) == {"Name in the API": "extra", "May be followed by": "Moved away"}


def test_a_question_is_told_by_its_label_and_a_condition_by_that_of_the_question_it_asks() -> None:
    element, change = only(grouped(DEMO, with_question(replace(FIRST, help="Today alone."))))
    assert (element.sort, element.name) == ("assessment", "Mood check")
    assert f"question “{FIRST.label}” · help" in change.where
    asked = Condition(question=FIRST.name, answered=True)
    follow = Question(name="since_when", kind="whole_number", label="Since when?", shown_when=asked)
    added = only(grouped(DEMO, with_question(FIRST, follow)))[1].after.part
    assert added is not None
    assert added.title == "Since when?"
    assert lines(added)["Shown when"].startswith(f"{FIRST.label} ")
    assert lines(added)["Kind"] == "whole number"


def test_an_order_is_told_by_titles() -> None:
    element, change = only(grouped(DEMO, replace(DEMO, phases=DEMO.phases[::-1])))
    assert (element.sort, change.kind) == ("program", "moved")
    assert change.before.names == tuple(phase.title for phase in DEMO.phases)


def test_a_whole_program_names_nothing_as_programs_do_but_where_it_says_so() -> None:
    names = {
        *(phase.name for phase in DEMO.phases if "_" in phase.name),
        *(spec.id for spec in DEMO.assessments if "_" in spec.id),
        *(kind.name for kind in DEMO.custom_data_types if "_" in kind.name),
        *(kind.name for kind in DEMO.appointment_types if "_" in kind.name),
    }
    assert names

    def raw(part: ProsePart) -> list[str]:
        own = [
            f"{line.title}: {line.text}"
            for line in part.lines
            if "API" not in line.title and names & set(line.text.replace(",", " ").split())
        ]
        return own + [each for line in part.lines for inner in line.inner for each in raw(inner)]

    assert [each for group in groups(DEMO) for item in group.items for each in raw(item)] == []


def test_two_assessments_may_ask_one_question_in_other_words() -> None:
    other = replace(
        DEMO.assessments[INTAKE],
        id="other",
        name="Other",
        sections=(
            replace(
                DEMO.assessments[INTAKE].sections[0],
                questions=(
                    replace(FIRST, label="In other words"),
                    Question(
                        name="more",
                        kind="text",
                        label="More",
                        shown_when=Condition(question=FIRST.name, answered=True),
                    ),
                ),
            ),
        ),
    )
    design = replace(DEMO, assessments=(other, *DEMO.assessments))
    part = reading(other, titles_in(design))
    section = next(line for line in part.lines if line.inner).inner[0]
    more = next(line for line in section.lines if line.inner).inner[1]
    assert lines(more)["Shown when"].startswith("In other words ")
