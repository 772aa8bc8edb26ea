"""The differences of two states of a program, grouped by element, each with before and after in
words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from almoner.workshop.assessment_design import Condition
from almoner.workshop.compare import Difference, Kind, TrailStep, compare
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pages.program_prose import ProsePart, reading, with_own, words
from almoner.workshop.titles import Titles, titled, titles_in

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
    """What differs in one element: ``sort`` is such as assessment, ``name`` what people call it;
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


def grouped(before: ProgramDesign, after: ProgramDesign) -> tuple[ElementChanges, ...]:
    """What differs, by element, in the order of the program. What other parts name is called as
    ``after`` calls it, or ``before`` where it is gone.
    """
    titles = titles_in(before, after)
    by_element: dict[tuple[str, str], list[ShownDifference]] = {}
    for difference in compare(before, after):
        root = difference.trail[0] if difference.trail else TrailStep("program", "")
        own = with_own(root.part, titles) if root.part else titles
        name = titled(root.part) if root.part else root.name
        by_element.setdefault((root.sort, name), []).append(_difference(difference, own))
    return tuple(
        ElementChanges(sort, name, tuple(changes)) for (sort, name), changes in by_element.items()
    )


def _difference(difference: Difference, titles: Titles) -> ShownDifference:
    inner = [
        f"{step.sort} “{titled(step.part)}”" if step.part else step.sort
        for step in difference.trail[1:]
    ]
    where = " · ".join([*inner, *filter(None, [_member(difference)])])
    return ShownDifference(
        where[:1].upper() + where[1:],
        difference.kind,
        _side(difference, difference.before, titles),
        _side(difference, difference.after, titles),
    )


def _member(difference: Difference) -> str:
    """What changed in the last part of the way: the order of a list, one number of several, a
    member.
    """
    if difference.kind == "moved":
        return f"order of {difference.member}"
    return f"{difference.member} of {difference.name}" if difference.name else difference.member


def _side(difference: Difference, value: Any, titles: Titles) -> DifferenceSide:
    if value is None and difference.kind in ("added", "removed"):
        return DifferenceSide()
    if difference.kind == "moved":
        return DifferenceSide(names=tuple(words(item, titles, difference.of) for item in value))
    if isinstance(value, Struct) and not isinstance(value, Condition):
        return DifferenceSide(part=reading(value, titles))
    return DifferenceSide(text=words(value, titles, difference.of))
