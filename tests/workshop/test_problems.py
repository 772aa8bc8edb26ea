"""Problems beyond those that are listed: what one element has, and what is left out of a dry
run.
"""

from __future__ import annotations

import time

from almoner.workshop.assessment_design import Assessment, AssessmentSection, Condition, Question
from almoner.workshop.checkable_part import sound
from almoner.workshop.checks import MOST_LISTED, every_problem, problems
from almoner.workshop.design import Phase, ProgramDesign, SidebarModule
from almoner.workshop.pages.elements.group import GROUP
from almoner.workshop.pages.elements.list_page import rows


def waiting(number: int) -> Question:
    return Question(
        name=f"w{number}",
        kind="text",
        shown_when=Condition(question="q", one_of=(f"choise number {number:04}",)),
    )


def test_what_is_left_out_of_a_dry_run_does_not_end_where_a_list_of_problems_does() -> None:
    wrong = Assessment(
        id="a",
        name="A",
        sections=(
            AssessmentSection(questions=(Question(name="q", kind="nothing"),) * (MOST_LISTED + 10)),
        ),
    )
    program = ProgramDesign(
        name="P",
        assessments=(
            wrong,
            Assessment(
                id="b",
                name="B",
                sections=(AssessmentSection(questions=(Question(name="q", kind="nothing"),)),),
            ),
        ),
        phases=(Phase(name="intake"),),
        sidebar=(SidebarModule(title="S", shows="records", of="nobody"),),
    )
    assert len(problems(program)) == MOST_LISTED
    left = sound(program, ProgramDesign(name="P"))
    assert (left.assessments, left.sidebar, left.phases) == ((), (), program.phases)
    counts = {
        key: [row.problems for row in rows(GROUP[key], program)] for key in ("sidebar", "phases")
    }
    assert counts == {"sidebar": [1], "phases": [0]}


def test_what_was_meant_is_looked_for_only_where_it_is_read() -> None:
    choices = tuple(f"choice number {number:03}" for number in range(200))
    asked = Question(name="q", kind="choice", choices=choices)
    waits = tuple(waiting(n) for n in range(5_000))
    design = ProgramDesign(
        name="P",
        assessments=(
            Assessment(id="a", name="A", sections=(AssessmentSection(questions=(asked, *waits)),)),
        ),
    )
    began = time.process_time()
    assert sum(1 for _ in every_problem(design)) >= 5_000
    assert time.process_time() - began < 2
