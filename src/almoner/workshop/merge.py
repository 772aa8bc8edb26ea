"""Two designers' edits of one program brought together, part by part, and what they must choose
between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from almoner.merging.three_way import ABSENT, MINE, Merge, Side, ThreeWay, merge_items, merge_values
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pairing import Key, at, called, keyed, label, paired, step, where, word
from almoner.workshop.shape import Member, is_whole, members


@dataclass(frozen=True)
class MergeConflict:
    """One part that both changed differently; None stands for a part that is not there.

    ``path`` names it from one merge of the same designs to the next; ``where`` says it to people.
    The values are plain values, parts of a program or, for an order, the names in that order."""

    path: str
    where: str
    base: Any
    theirs: Any
    mine: Any


@dataclass(frozen=True)
class Merged:
    """Two designs brought together. In ``design``, what is in conflict is as it is in
    ``theirs``.
    """

    design: ProgramDesign
    conflicts: tuple[MergeConflict, ...]
    base: ProgramDesign
    theirs: ProgramDesign
    mine: ProgramDesign


def merge(base: ProgramDesign, theirs: ProgramDesign, mine: ProgramDesign) -> Merged:
    """What both made of ``base``: every edit that only one made, and those that both made alike."""
    design, conflicts = _merge(base, theirs, mine, {})
    return Merged(design, conflicts, base, theirs, mine)


def resolve(merged: Merged, choices: Mapping[str, Side]) -> ProgramDesign:
    """The merged design with a side chosen for each conflict, by its path. Raises KeyError where a
    conflict has no choice.
    """
    for conflict in merged.conflicts:
        if conflict.path not in choices:
            raise KeyError(conflict.path)
    return _merge(merged.base, merged.theirs, merged.mine, choices)[0]


def _merge(
    base: ProgramDesign, theirs: ProgramDesign, mine: ProgramDesign, choices: Mapping[str, Side]
) -> tuple[ProgramDesign, tuple[MergeConflict, ...]]:
    merging = _Merging(lambda place, _: choices.get(place.path, ""))
    design: ProgramDesign = merging.part(_Place("", ()), base, theirs, mine)
    return design, tuple(
        MergeConflict(c.path.path, where(c.path.trail), c.base, c.theirs, c.mine)
        for c in merging.conflicts
    )


@dataclass(frozen=True)
class _Place:
    """Where a merge is: the path, and the same in words."""

    path: str
    trail: tuple[str, ...]

    def member(self, member: Member) -> _Place:
        return _Place(at(self.path, member), (*self.trail, label(member)))

    def item(self, member: Member, key: Key, item: Any) -> _Place:
        return _Place(step(self.path, member, key), (*self.trail, f"{word(member)} {called(item)}"))

    def number(self, name: str) -> _Place:
        return _Place(f"{self.path}[{json.dumps(name, ensure_ascii=False)}]", (*self.trail, name))

    def order(self) -> _Place:
        return _Place(f"{self.path}.order", (*self.trail, "order"))


class _Merging(ThreeWay[_Place]):
    """A merge of the parts of a program, by what ``shape`` says of them."""

    def part(self, place: _Place, base: Struct, theirs: Struct, mine: Struct) -> Any:
        values = {
            member.attribute: self.value(
                place.member(member),
                *(getattr(part, member.attribute) for part in (base, theirs, mine)),
                inside=self._inside(place, member),
            )
            for member in members(type(base))
        }
        return type(base)(**values)

    def _inside(self, place: _Place, member: Member) -> Merge[_Place] | None:
        if member.holds in ("parts", "texts"):
            return lambda _, *lists: self._list(place, member, *lists)
        if member.holds == "numbers":
            return self._numbers
        return self.part if member.struct is not None and not is_whole(member.struct) else None

    def _list(
        self, place: _Place, member: Member, base: Any, theirs: Any, mine: Any
    ) -> tuple[Any, ...]:
        sides = keyed(base), paired(base, theirs), paired(base, mine)

        def merge_item(key: Key, *items: Any) -> Any:
            sample = next(item for item in items if item is not ABSENT)
            return self.value(place.item(member, key, sample), *items, inside=self.part)

        def choose_order(*orders: list[Key]) -> list[Key]:
            names = [
                tuple(called(side[key]) for key in order)
                for side, order in zip(sides, orders, strict=True)
            ]
            return (
                orders[2]
                if self.choose(place.member(member).order(), *names) == MINE
                else orders[1]
            )

        return tuple(merge_items(sides, merge_item, choose_order).values())

    def _numbers(self, place: _Place, *sides: Mapping[str, float]) -> dict[str, float]:
        return merge_values(
            (*sides[1], *sides[2]),
            sides,
            lambda name, *numbers: self.value(place.number(name), *numbers),
        )
