"""What an edit makes of an assessment. Each takes one and returns another; nothing here knows of forms or drafts.

A place is a section's number and the number of a question in it, both from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from almoner.workshop.design import Assessment, ProgramDesign, Question, Section

Place = tuple[int, int]
UP: Final = -1
DOWN: Final = 1


def index_of(design: ProgramDesign, assessment_id: str) -> int | None:
    """Where an assessment stands in the program; None where it is not there."""
    return next((at for at, one in enumerate(design.assessments) if one.id == assessment_id), None)


def changed(design: ProgramDesign, index: int, edit: Callable[[Assessment], Assessment]) -> ProgramDesign:
    """The program with one of its assessments edited."""
    assessments = list(design.assessments)
    assessments[index] = edit(assessments[index])
    return replace(design, assessments=tuple(assessments))


def put_question(assessment: Assessment, place: Place, question: Question, section: int) -> tuple[Assessment, Place]:
    """The question put at a place, over the one that is there; at the end of its section where none is.

    ``section`` is where it shall stand: at the end of that section where this is another one. Follow-ups keep waiting for a
    question whose name changes, and for a choice whose wording does. Returns the place where it then is.
    """
    number, at = place
    inside = list(assessment.sections[number].questions)
    before = inside[at] if at < len(inside) else question
    if section != number:
        del inside[at : at + 1]
        moved = _with_questions(assessment, number, inside)
        place = (section, len(moved.sections[section].questions))
        moved = _with_questions(moved, section, [*moved.sections[section].questions, question])
    else:
        inside[at : at + 1] = [question]
        moved = _with_questions(assessment, number, inside)
    return reworded(renamed(moved, before.name, question.name), before, question), place


def renamed(assessment: Assessment, before: str, after: str) -> Assessment:
    """Follow-ups that waited for a question of the one name wait for the other."""
    if before == after or any(question.name == before for question in assessment.questions):
        return assessment

    def one(question: Question) -> Question:
        condition = question.shown_when
        if condition is None or condition.question != before:
            return question
        return replace(question, shown_when=replace(condition, question=after))

    sections = (replace(section, questions=tuple(map(one, section.questions))) for section in assessment.sections)
    return replace(assessment, sections=tuple(sections))


def reworded(assessment: Assessment, before: Question, after: Question) -> Assessment:
    """Follow-ups that waited for a choice of a question wait for it in its new words; its points were typed beside them.

    Only where it is plain which choice that is: as many choices as before, and one of them reads differently at its place.
    """
    pairs = [(old, new) for old, new in zip(before.choices, after.choices, strict=False) if old != new]
    namesakes = [question for question in assessment.questions if question.name == after.name]
    if len(before.choices) != len(after.choices) or len(pairs) != 1 or len(namesakes) != 1:
        return assessment
    old, new = pairs[0]

    def one(question: Question) -> Question:
        condition = question.shown_when
        if condition is None or condition.question != after.name:
            return question
        told = replace(
            condition,
            equals=new if condition.equals == old else condition.equals,
            one_of=tuple(new if choice == old else choice for choice in condition.one_of),
            includes=tuple(new if choice == old else choice for choice in condition.includes),
        )
        return replace(question, shown_when=told)

    sections = (replace(section, questions=tuple(map(one, section.questions))) for section in assessment.sections)
    return replace(assessment, sections=tuple(sections))


def remove_question(assessment: Assessment, place: Place) -> Assessment:
    """The assessment without one of its questions."""
    inside = list(assessment.sections[place[0]].questions)
    del inside[place[1]]
    return _with_questions(assessment, place[0], inside)


def move_question(assessment: Assessment, place: Place, step: int) -> tuple[Assessment, Place]:
    """A question moved past its neighbour, with the follow-ups that stand below it. Returns the place where it then is.

    At the end of a section it goes on to the next one. A follow-up stays below the question that it waits for.
    """
    number, at = place
    inside = list(assessment.sections[number].questions)
    end = block_end(inside, at)
    block = inside[at:end]
    if step == UP and at > 0:
        before = _sibling_before(inside, at)
        if before is None:
            return assessment, place
        return _with_questions(assessment, number, [*inside[:before], *block, *inside[before:at], *inside[end:]]), (number, before)
    if step == DOWN and end < len(inside):
        after = block_end(inside, end)
        if parents(inside)[end] != parents(inside)[at]:
            return assessment, place
        moved = [*inside[:at], *inside[end:after], *block, *inside[after:]]
        return _with_questions(assessment, number, moved), (number, at + after - end)
    other = number + step
    if not 0 <= other < len(assessment.sections) or parents(inside)[at] >= 0:
        return assessment, place
    there = list(assessment.sections[other].questions)
    where = len(there) if step == UP else 0
    left = _with_questions(assessment, number, [*inside[:at], *inside[end:]])
    return _with_questions(left, other, [*there[:where], *block, *there[where:]]), (other, where)


def parents(questions: Sequence[Question]) -> list[int]:
    """For each question of a section the number of the one that it stands below as a follow-up, -1 where it is none.

    That is the one it waits for, where nothing but that one's follow-ups stands between the two.
    """
    found: list[int] = []
    open_above: list[int] = []
    for at, question in enumerate(questions):
        waits = question.shown_when.question if question.shown_when else None
        while open_above and questions[open_above[-1]].name != waits:
            open_above.pop()
        found.append(open_above[-1] if open_above else -1)
        open_above.append(at)
    return found


def block_end(questions: Sequence[Question], at: int) -> int:
    """The number after a question and the follow-ups that stand below it."""
    above = parents(questions)
    end = at + 1
    while end < len(questions) and above[end] >= at:
        end += 1
    return end


def _sibling_before(questions: list[Question], at: int) -> int | None:
    """The number of the question before, of those that stand below the same one."""
    above = parents(questions)
    return next((number for number in range(at - 1, -1, -1) if above[number] == above[at]), None)


def reorder(assessment: Assessment, order: list[list[Place]]) -> Assessment | None:
    """The questions in another order, a list of their places for each section; None where that is not each of them once."""
    places = [(number, at) for number, section in enumerate(assessment.sections) for at in range(len(section.questions))]
    if len(order) != len(assessment.sections) or sorted(place for part in order for place in part) != places:
        return None
    sections = (
        replace(section, questions=tuple(assessment.sections[number].questions[at] for number, at in part))
        for section, part in zip(assessment.sections, order, strict=True)
    )
    return replace(assessment, sections=tuple(sections))


def put_section(assessment: Assessment, number: int, heading: str, description: str, footer: str) -> Assessment:
    """A section's words; a new section at the end where there is none of this number."""
    sections = list(assessment.sections)
    kept = sections[number].questions if number < len(sections) else ()
    sections[number : number + 1] = [Section(heading=heading, description=description, footer=footer, questions=kept)]
    return replace(assessment, sections=tuple(sections))


def remove_section(assessment: Assessment, number: int) -> Assessment:
    """The assessment without a section and its questions."""
    return replace(assessment, sections=assessment.sections[:number] + assessment.sections[number + 1 :])


def move_section(assessment: Assessment, number: int, step: int) -> tuple[Assessment, int]:
    """A section moved past its neighbour. Returns its number then."""
    other = number + step
    if not 0 <= other < len(assessment.sections):
        return assessment, number
    sections = list(assessment.sections)
    sections[number], sections[other] = sections[other], sections[number]
    return replace(assessment, sections=tuple(sections)), other


def _with_questions(assessment: Assessment, number: int, questions: list[Question]) -> Assessment:
    sections = list(assessment.sections)
    sections[number] = replace(sections[number], questions=tuple(questions))
    return replace(assessment, sections=tuple(sections))


def known_by(design: ProgramDesign, before: str, after: str) -> ProgramDesign:
    """Everything that names an assessment by the one id names it by the other."""
    if before == after:
        return design
    sidebar = (replace(one, of=after) if one.shows == "chart" and one.of == before else one for one in design.sidebar)
    roles = (
        replace(role, hidden_assessments=tuple(after if one == before else one for one in role.hidden_assessments))
        for role in design.roles
    )
    return replace(design, sidebar=tuple(sidebar), roles=tuple(roles))


def charted(design: ProgramDesign, assessment_id: str, before: str, after: str) -> ProgramDesign:
    """Charts that draw a question of an assessment under the one name draw it under the other."""
    if before == after:
        return design
    sidebar = (
        replace(one, field=after) if one.shows == "chart" and (one.of, one.field) == (assessment_id, before) else one
        for one in design.sidebar
    )
    return replace(design, sidebar=tuple(sidebar))
