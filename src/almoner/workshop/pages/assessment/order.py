"""In which order an assessment asks: questions move with the follow-ups that stand below them.

A place is a section's number and the number of a question in it, both from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from almoner.workshop.assessment_design import Assessment, Question

Place = tuple[int, int]
UP: Final = -1
DOWN: Final = 1


def move_question(assessment: Assessment, place: Place, step: int) -> tuple[Assessment, Place]:
    """A question moved past its neighbour, with the follow-ups that stand below it. Returns the
    place where it then is.

    At the end of a section it goes on to the next one. A follow-up stays below the question that it
    waits for."""
    number, at = place
    inside = assessment.sections[number].questions
    above = parents(inside)
    siblings = [index for index, parent in enumerate(above) if parent == above[at]]
    neighbour = siblings.index(at) + step
    if 0 <= neighbour < len(siblings):
        first, second = sorted((at, siblings[neighbour]))
        end = _block_end(inside, second)
        swapped = (*inside[:first], *inside[second:end], *inside[first:second], *inside[end:])
        return with_questions(assessment, number, swapped), (
            number,
            first if step == UP else first + end - second,
        )
    other = number + step
    if above[at] >= 0 or not 0 <= other < len(assessment.sections):
        return assessment, place
    end, there = _block_end(inside, at), assessment.sections[other].questions
    to = len(there) if step == UP else 0
    left = with_questions(assessment, number, (*inside[:at], *inside[end:]))
    return with_questions(left, other, (*there[:to], *inside[at:end], *there[to:])), (other, to)


def parents(questions: Sequence[Question]) -> list[int]:
    """For each question of a section the number of the one that it stands below as a follow-up, -1
    where it is none.

    That is the one it waits for, where nothing but that one's follow-ups stands between the two.
    """
    above: list[int] = []
    open_above: list[int] = []
    for at, question in enumerate(questions):
        waits = question.shown_when.question if question.shown_when else None
        while open_above and questions[open_above[-1]].name != waits:
            open_above.pop()
        above.append(open_above[-1] if open_above else -1)
        open_above.append(at)
    return above


def _block_end(questions: Sequence[Question], at: int) -> int:
    """The number after a question and the follow-ups that stand below it."""
    above = parents(questions)
    return next((end for end in range(at + 1, len(questions)) if above[end] < at), len(questions))


def reorder(assessment: Assessment, order: Sequence[Sequence[Place]]) -> Assessment | None:
    """The questions in another order, a list of their places for each section; None where that is
    not each of them once.
    """
    places = [
        (number, at)
        for number, section in enumerate(assessment.sections)
        for at in range(len(section.questions))
    ]
    if (
        len(order) != len(assessment.sections)
        or sorted(place for part in order for place in part) != places
    ):
        return None
    sections = (
        replace(
            section,
            questions=tuple(assessment.sections[number].questions[at] for number, at in part),
        )
        for section, part in zip(assessment.sections, order, strict=True)
    )
    return replace(assessment, sections=tuple(sections))


def move_section(assessment: Assessment, number: int, step: int) -> tuple[Assessment, int]:
    """A section moved past its neighbour. Returns its number then."""
    other, sections = number + step, list(assessment.sections)
    if not 0 <= other < len(sections):
        return assessment, number
    sections[number], sections[other] = sections[other], sections[number]
    return replace(assessment, sections=tuple(sections)), other


def with_questions(
    assessment: Assessment, number: int, questions: Sequence[Question]
) -> Assessment:
    """The assessment with these questions in a section."""
    sections = list(assessment.sections)
    sections[number] = replace(sections[number], questions=tuple(questions))
    return replace(assessment, sections=tuple(sections))
