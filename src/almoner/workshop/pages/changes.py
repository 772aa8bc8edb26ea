"""The differences of two states of a program, grouped by element, each with before and after in
words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from almoner.workshop.assessment_design import Condition
from almoner.workshop.compare import Difference, Kind
from almoner.workshop.pages.program_prose import ProsePart, reading, words

_ORDER: Final[tuple[Kind, ...]] = ("added", "changed", "removed", "moved")


@dataclass(frozen=True)
class DifferenceSide:
    """One side of a difference: a text, a list in its order, or a part; all of them are blank where
    there is nothing.
    """

    text: str = ""
    names: tuple[str, ...] = ()
    part: ProsePart | None = None


@dataclass(frozen=True)
class ShownDifference:
    """One difference inside an element. ``where`` is blank where it is about the element itself."""

    where: str
    kind: Kind
    before: DifferenceSide
    after: DifferenceSide


@dataclass(frozen=True)
class ElementChanges:
    """What differs in one element: ``sort`` is such as assessment, ``name`` what it is called;
    blank for the program itself.
    """

    sort: str
    name: str
    changes: tuple[ShownDifference, ...]

    @property
    def counts(self) -> tuple[tuple[Kind, int], ...]:
        """How many there are of each kind, without those that there are none of."""
        number = Counter(change.kind for change in self.changes)
        return tuple((kind, number[kind]) for kind in _ORDER if number[kind])


def grouped(differences: Iterable[Difference]) -> tuple[ElementChanges, ...]:
    """The differences by element, in the order of the program."""
    by_element: dict[tuple[str, str], list[ShownDifference]] = {}
    for difference in differences:
        element = difference.trail[0] if difference.trail else ("program", "")
        inner = [f"{sort} {name}".strip() for sort, name in difference.trail[1:]]
        member = _quoted(difference)
        where = " · ".join([*inner, *([member] if member else [])])
        sides = (_side(difference, value) for value in (difference.before, difference.after))
        by_element.setdefault(element, []).append(
            ShownDifference(where[:1].upper() + where[1:], difference.kind, *sides)
        )
    return tuple(
        ElementChanges(sort, name, tuple(changes)) for (sort, name), changes in by_element.items()
    )


def _quoted(difference: Difference) -> str:
    """What changed in the last part of the way: the order of a list, one number of several, a
    member.
    """
    if difference.kind == "moved":
        return f"order of {difference.member}"
    place = difference.where.rpartition(", ")[2]
    return place if place.startswith(f"{difference.member} of ") else difference.member


def _side(difference: Difference, value: Any) -> DifferenceSide:
    if value is None and difference.kind in ("added", "removed"):
        return DifferenceSide()
    if difference.kind == "moved":
        return DifferenceSide(names=value)
    if isinstance(value, Struct) and not isinstance(value, Condition):
        return DifferenceSide(part=reading(value))
    return DifferenceSide(text=words(value))
