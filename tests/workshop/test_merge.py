"""Merging two designers' edits: what belongs to different parts comes together, the rest is theirs
to choose.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from almoner.merging.three_way import same
from almoner.workshop import kiwi_health
from almoner.workshop.assessment_design import (
    Assessment,
    AssessmentSection,
    Band,
    Condition,
    Question,
    Scoring,
)
from almoner.workshop.design import Phase, ProgramDesign, Terminology
from almoner.workshop.merge import MergeConflict, Merged, merge, resolve
from almoner.workshop.program_file import parse
from tests.tries import tries

PLAN = Question(
    name="plan",
    kind="choice",
    label="Plan",
    choices=("gold", "silver"),
    points={"gold": 2, "silver": 1},
)
PAIN = Question(name="pain", kind="scale", label="Pain", low=1, high=5)
MOOD = Question(name="mood", kind="text", label="Mood")


def program(*questions: Question, phases: tuple[Phase, ...] = (), **members: Any) -> ProgramDesign:
    """A program whose one assessment has these questions."""
    sections = (AssessmentSection(heading="Basics", questions=questions),)
    return ProgramDesign(
        name="P",
        phases=phases,
        assessments=(Assessment(id="intake", name="Intake", sections=sections),),
        **members,
    )


def phases(*names: str) -> ProgramDesign:
    return ProgramDesign(
        name="P", phases=tuple(Phase(name=name, title=name.upper()) for name in names)
    )


def names(merged: Merged) -> list[str]:
    return [phase.name for phase in merged.design.phases]


def questions(design: ProgramDesign) -> tuple[Question, ...]:
    return design.assessments[0].questions


BASE = program(PLAN, PAIN, MOOD)
DEMO = parse(kiwi_health.source())


def test_edits_of_two_questions_come_together() -> None:
    mine = program(PLAN, replace(PAIN, high=10), MOOD)
    theirs = program(replace(PLAN, label="Your plan"), PAIN, MOOD)
    merged = merge(BASE, theirs, mine)
    assert (merged.conflicts, questions(merged.design)) == (
        (),
        (replace(PLAN, label="Your plan"), replace(PAIN, high=10), MOOD),
    )


def test_edits_of_two_members_of_one_question_come_together() -> None:
    merged = merge(
        BASE,
        program(replace(PLAN, label="Yours"), PAIN, MOOD),
        program(replace(PLAN, required=True), PAIN, MOOD),
    )
    assert merged.conflicts == ()
    assert questions(merged.design)[0] == replace(PLAN, label="Yours", required=True)


def test_the_same_member_changed_twice_is_a_conflict_that_is_told_in_words_with_all_three_values() -> (
    None
):
    mine, theirs = (program(replace(PLAN, label=label), PAIN, MOOD) for label in ("Mine", "Theirs"))
    merged = merge(BASE, theirs, mine)
    path = 'assessments["intake"].sections["Basics"].questions["plan"].label'
    where = "Assessment Intake, section Basics, question plan, label"
    assert merged.conflicts == (MergeConflict(path, where, "Plan", "Theirs", "Mine"),)
    assert merged.design == theirs
    assert resolve(merged, {path: "mine"}) == mine
    assert resolve(merged, {path: "theirs"}) == theirs
    with pytest.raises(KeyError, match="label"):
        resolve(merged, {})


def test_the_same_edit_made_twice_is_no_conflict() -> None:
    both = program(replace(PLAN, label="Same"), PAIN)
    assert merge(BASE, both, both) == Merged(both, (), BASE, both, both)


def test_a_question_that_one_removed_and_the_other_edited_is_a_conflict() -> None:
    edited = replace(PAIN, label="Your pain")
    merged = merge(BASE, program(PLAN, MOOD), program(PLAN, edited, MOOD))
    (conflict,) = merged.conflicts
    assert (conflict.where, conflict.base, conflict.theirs, conflict.mine) == (
        "Assessment Intake, section Basics, question pain",
        PAIN,
        None,
        edited,
    )
    assert questions(resolve(merged, {conflict.path: "theirs"})) == (PLAN, MOOD)
    assert questions(resolve(merged, {conflict.path: "mine"})) == (PLAN, edited, MOOD)


def test_a_question_that_one_removed_and_the_other_left_alone_is_gone() -> None:
    merged = merge(BASE, program(PLAN, MOOD), program(replace(PLAN, label="Mine"), PAIN, MOOD))
    assert (merged.conflicts, questions(merged.design)) == ((), (replace(PLAN, label="Mine"), MOOD))


def test_what_both_added_is_kept_where_each_put_it() -> None:
    merged = merge(phases("a", "b"), phases("a", "theirs", "b"), phases("mine", "a", "b"))
    assert (merged.conflicts, names(merged)) == ((), ["mine", "a", "theirs", "b"])


def test_two_things_added_under_one_name_are_a_conflict() -> None:
    theirs, mine = (
        ProgramDesign(name="P", phases=(Phase(name="new", title=title),))
        for title in ("Theirs", "Mine")
    )
    (conflict,) = merge(phases(), theirs, mine).conflicts
    assert (conflict.where, conflict.base, conflict.theirs) == (
        "Phase new",
        None,
        Phase(name="new", title="Theirs"),
    )


def test_an_order_that_one_changed_takes_in_what_the_other_added_and_edited() -> None:
    theirs = ProgramDesign(name="P", phases=(*phases("a", "b", "c").phases, Phase(name="d")))
    merged = merge(phases("a", "b", "c"), theirs, phases("c", "b", "a"))
    assert (merged.conflicts, set(names(merged)), names(merged)[:1]) == (
        (),
        {"a", "b", "c", "d"},
        ["c"],
    )


def test_two_orders_that_fit_each_other_both_hold() -> None:
    merged = merge(
        phases("a", "b", "c", "d"), phases("b", "a", "c", "d"), phases("a", "b", "d", "c")
    )
    assert (merged.conflicts, names(merged)) == ((), ["b", "a", "d", "c"])


def test_two_orders_that_exclude_each_other_are_a_conflict() -> None:
    merged = merge(phases("a", "b", "c"), phases("b", "a", "c"), phases("a", "c", "b"))
    (conflict,) = merged.conflicts
    assert (conflict.path, conflict.where) == ("phases.order", "Phases, order")
    assert (conflict.theirs, conflict.mine) == (("b", "a", "c"), ("a", "c", "b"))
    assert [phase.name for phase in resolve(merged, {conflict.path: "mine"}).phases] == [
        "a",
        "c",
        "b",
    ]


def test_choices_and_points_merge_one_by_one() -> None:
    theirs = replace(
        PLAN, choices=("gold", "silver", "bronze"), points={"gold": 2, "silver": 1, "bronze": 0}
    )
    mine = replace(PLAN, choices=("gold",), points={"gold": 5})
    merged = merge(BASE, program(theirs, PAIN, MOOD), program(mine, PAIN, MOOD))
    assert merged.conflicts == ()
    assert questions(merged.design)[0] == replace(
        PLAN, choices=("gold", "bronze"), points={"gold": 5, "bronze": 0}
    )


def test_two_numbers_for_one_choice_are_a_conflict() -> None:
    theirs, mine = (
        program(replace(PLAN, points={"gold": points, "silver": 1}), PAIN, MOOD)
        for points in (3, 4)
    )
    (conflict,) = merge(BASE, theirs, mine).conflicts
    assert (conflict.where, conflict.base, conflict.theirs, conflict.mine) == (
        "Assessment Intake, section Basics, question plan, points, gold",
        2,
        3,
        4,
    )
    assert resolve(merge(BASE, theirs, mine), {conflict.path: "mine"}) == mine


def test_a_heading_that_one_renamed_keeps_the_question_that_the_other_added_below_it() -> None:
    theirs = program(PLAN, PAIN, MOOD)
    sections = (replace(theirs.assessments[0].sections[0], heading="To begin with"),)
    theirs = replace(theirs, assessments=(replace(theirs.assessments[0], sections=sections),))
    merged = merge(BASE, theirs, program(PLAN, PAIN, MOOD, Question(name="new", kind="text")))
    assert merged.conflicts == ()
    assert [(s.heading, len(s.questions)) for s in merged.design.assessments[0].sections] == [
        ("To begin with", 4)
    ]


def test_a_score_that_both_begin_is_a_conflict_and_one_that_one_begins_is_kept() -> None:
    def scored(*bands: Band) -> ProgramDesign:
        return replace(
            BASE, assessments=(replace(BASE.assessments[0], scoring=Scoring(bands=bands)),)
        )

    lower, other = scored(Band(name="low", low=0, high=3)), scored(Band(name="high", low=4, high=9))
    assert merge(BASE, lower, replace(BASE, name="Q")).design == replace(lower, name="Q")
    (conflict,) = merge(BASE, lower, other).conflicts
    assert conflict.where == "Assessment Intake, scoring"


def test_yes_and_one_are_two_answers() -> None:
    def asked(answer: bool | int) -> ProgramDesign:
        return program(
            PLAN, PAIN, replace(MOOD, shown_when=Condition(question="pain", equals=answer))
        )

    merged = merge(asked(True), asked(True), asked(1))
    assert questions(merged.design)[2].shown_when == Condition(question="pain", equals=1)
    assert type(questions(merged.design)[2].shown_when.equals) is int  # type: ignore[union-attr]


def test_two_blank_items_of_a_draft_are_kept_apart() -> None:
    blank = Question(name="", kind="text")
    theirs = program(PLAN, PAIN, MOOD, blank, replace(blank, label="Second"))
    merged = merge(BASE, theirs, program(replace(PLAN, label="Mine"), PAIN, MOOD))
    assert questions(merged.design) == (
        replace(PLAN, label="Mine"),
        PAIN,
        MOOD,
        blank,
        replace(blank, label="Second"),
    )


ANSWERS: list[str | int] = [True, 1, "a"]


class Designer:
    """Makes small programs whose parts often bear the same names; one seed makes one program."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def letter(self) -> str:
        return self.random.choice("abc")

    def some(self, make: Callable[[str], Any], names: str = "abcd") -> tuple[Any, ...]:
        return tuple(
            make(name) for name in self.random.sample(names, self.random.randint(0, len(names)))
        )

    def question(self, name: str) -> Question:
        condition = Condition(question=self.letter(), equals=self.random.choice(ANSWERS))
        return Question(
            name=name,
            kind="choice",
            label=self.letter(),
            choices=self.some(str, "abc"),
            low=self.random.choice([None, 1, 2]),
            shown_when=self.random.choice([None, condition]),
            points={name: self.random.randint(0, 1) for name in self.some(str, "abc")},
        )

    def assessment(self, name: str) -> Assessment:
        scoring = Scoring(
            bands=self.some(lambda band: Band(name=band, low=0, high=self.random.randint(1, 2)))
        )
        return Assessment(
            id=name,
            name=self.letter(),
            sections=self.some(
                lambda heading: AssessmentSection(
                    heading=heading, questions=self.some(self.question)
                ),
                "ab",
            ),
            scoring=self.random.choice([None, scoring]),
        )

    def design(self) -> ProgramDesign:
        return ProgramDesign(
            name=self.letter(),
            phases=self.some(
                lambda name: Phase(
                    name=name,
                    title=self.letter(),
                    next=self.random.choice([None, self.some(str, "abc")]),
                )
            ),
            assessments=self.some(self.assessment, "ab"),
            terminology=Terminology(patient=self.letter(), coach=self.letter()),
        )


DESIGNS = st.integers(0, 2**32).map(lambda seed: Designer(seed).design())


@tries(300)
@given(base=DESIGNS, other=DESIGNS)
def test_what_only_one_changed_is_the_outcome(base: ProgramDesign, other: ProgramDesign) -> None:
    for theirs, mine in ((base, other), (other, base), (other, other)):
        merged = merge(base, theirs, mine)
        assert merged.conflicts == ()
        assert same(merged.design, other)


@tries(300)
@given(base=DESIGNS, theirs=DESIGNS, mine=DESIGNS)
def test_conflicts_are_the_same_from_both_sides(
    base: ProgramDesign, theirs: ProgramDesign, mine: ProgramDesign
) -> None:
    forwards, other = merge(base, theirs, mine).conflicts, merge(base, mine, theirs).conflicts
    assert {c.path: (c.base, c.theirs, c.mine) for c in forwards} == {
        c.path: (c.base, c.mine, c.theirs) for c in other
    }
    assert len({c.path for c in forwards}) == len(forwards)


@tries(300)
@given(base=DESIGNS, theirs=DESIGNS, mine=DESIGNS)
def test_nothing_that_is_in_no_conflict_is_lost(
    base: ProgramDesign, theirs: ProgramDesign, mine: ProgramDesign
) -> None:
    for chosen in ("mine", "theirs"):
        merged = merge(base, theirs, mine)
        design = resolve(merged, {c.path: chosen for c in merged.conflicts})
        side = mine if chosen == "mine" else theirs
        for phase in side.phases:
            before = next((p for p in base.phases if p.name == phase.name), None)
            if before is None:
                assert phase.name in [p.name for p in design.phases]
            elif before.title != phase.title:
                # Under another name where the other side renamed it.
                assert phase.title in [p.title for p in design.phases]
        if side.name != base.name:
            assert design.name == side.name
        if side.terminology.patient != base.terminology.patient:
            assert design.terminology.patient == side.terminology.patient


@tries(50)
@given(data=st.data())
def test_edits_at_different_places_of_the_demos_program_all_arrive(data: st.DataObject) -> None:
    base = DEMO
    flat = [
        (a, s, q)
        for a, assessment in enumerate(base.assessments)
        for s, two in enumerate(assessment.sections)
        for q in range(len(two.questions))
    ]
    chosen = data.draw(st.lists(st.sampled_from(flat), min_size=2, max_size=8, unique=True))
    split = data.draw(st.integers(1, len(chosen) - 1))
    theirs, mine = edited(base, chosen[:split], "theirs"), edited(base, chosen[split:], "mine")
    merged = merge(base, theirs, mine)
    assert merged.conflicts == ()
    assert merged.design == edited(theirs, chosen[split:], "mine")


def edited(design: ProgramDesign, places: list[tuple[int, int, int]], text: str) -> ProgramDesign:
    for a, s, q in places:
        assessments = list(design.assessments)
        sections = list(assessments[a].sections)
        asked = list(sections[s].questions)
        asked[q] = replace(asked[q], help=text)
        sections[s] = replace(sections[s], questions=tuple(asked))
        assessments[a] = replace(assessments[a], sections=tuple(sections))
        design = replace(design, assessments=tuple(assessments))
    return design


def test_two_conditions_of_a_follow_up_are_chosen_between_and_never_mixed() -> None:
    def asked(condition: Condition) -> ProgramDesign:
        return program(PLAN, PAIN, replace(MOOD, shown_when=condition))

    base = asked(Condition(question="plan", equals="gold"))
    theirs, mine = (
        asked(Condition(question="pain", at_least=3)),
        asked(Condition(question="plan", equals="silver")),
    )
    merged = merge(base, theirs, mine)
    (conflict,) = merged.conflicts
    assert (conflict.theirs, conflict.mine) == (
        questions(theirs)[2].shown_when,
        questions(mine)[2].shown_when,
    )
    assert resolve(merged, {conflict.path: "mine"}) == mine


def test_lists_of_thousands_that_both_changed_come_together_at_once() -> None:
    def choosing(*choices: str) -> ProgramDesign:
        return program(replace(PLAN, choices=choices, points={}), MOOD)

    base = tuple(f"c{number}" for number in range(20_000))
    began = time.perf_counter()
    theirs, mine = (
        choosing(*base[10_000:], *(f"t{number}" for number in range(10_000))),
        choosing("m", *base),
    )
    merged = merge(choosing(*base), theirs, mine)
    assert not merged.conflicts
    assert questions(merged.design)[0].choices == ("m", *questions(theirs)[0].choices)
    assert time.perf_counter() - began < 3
