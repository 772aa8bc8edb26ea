"""Two designers' edits of one program brought together, part by part, and what they must choose between."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from msgspec import Struct

from almoner.workshop.design import ProgramDesign
from almoner.workshop.pairing import Key, at, called, keyed, label, paired, same, step, where, word
from almoner.workshop.shape import Member, is_said_as_one, members

Side = Literal["theirs", "mine"]
_MISSING: Final = object()
# Two orders of more items are not laid into each other, which compares each with each: somebody chooses one.
_MOST_TURNED: Final = 300


@dataclass(frozen=True)
class MergeConflict:
    """One part that both changed differently; None stands for a part that is not there.

    ``path`` names it from one merge of the same designs to the next; ``where`` says it to people. The values are plain values,
    parts of a program or, for an order, the names in that order.
    """

    path: str
    where: str
    base: Any
    theirs: Any
    mine: Any


@dataclass(frozen=True)
class Merged:
    """Two designs brought together. In ``design``, what is in conflict is as it is in ``theirs``."""

    design: ProgramDesign
    conflicts: tuple[MergeConflict, ...]
    base: ProgramDesign
    theirs: ProgramDesign
    mine: ProgramDesign


def merge(base: ProgramDesign, theirs: ProgramDesign, mine: ProgramDesign) -> Merged:
    """What both made of ``base``: every edit that only one made, and those that both made alike."""
    merging = _Merging()
    design: ProgramDesign = merging.part(_Place("", ()), base, theirs, mine)
    return Merged(design, tuple(merging.conflicts), base, theirs, mine)


def resolve(merged: Merged, choices: Mapping[str, Side]) -> ProgramDesign:
    """The merged design with a side chosen for each conflict, by its path. Raises KeyError where a conflict has no choice."""
    for conflict in merged.conflicts:
        if conflict.path not in choices:
            raise KeyError(conflict.path)
    design: ProgramDesign = _Merging(choices).part(_Place("", ()), merged.base, merged.theirs, merged.mine)
    return design


@dataclass(frozen=True)
class _Place:
    """Where a merge is: the path, and the same in words."""

    path: str
    trail: tuple[str, ...]

    def member(self, member: Member) -> _Place:
        return _Place(at(self.path, member), (*self.trail, label(member)))

    def item(self, member: Member, key: Key, item: Any) -> _Place:
        return _Place(step(self.path, member, key), (*self.trail, f"{word(member)} {called(item)}"))


@dataclass
class _Merging:
    """A merge under way. Each method returns the merged value of three, and notes what is in conflict."""

    choices: Mapping[str, Side] = field(default_factory=dict)
    conflicts: list[MergeConflict] = field(default_factory=list)

    def part(self, place: _Place, base: Struct, theirs: Struct, mine: Struct) -> Any:
        values = {
            member.attribute: self._member(place, member, *(getattr(part, member.attribute) for part in (base, theirs, mine)))
            for member in members(type(base))
        }
        return type(base)(**values)

    def _member(self, place: _Place, member: Member, base: Any, theirs: Any, mine: Any) -> Any:
        if same(theirs, mine) or same(base, mine):
            return theirs
        if same(base, theirs):
            return mine
        if None not in (base, theirs, mine):
            if member.holds in ("parts", "texts"):
                return self._list(place, member, base, theirs, mine)
            if member.holds == "numbers":
                return self._numbers(place.member(member), base, theirs, mine)
            if member.holds == "part" and not is_said_as_one(type(base)):
                return self.part(place.member(member), base, theirs, mine)
        return self._choose(place.member(member), base, theirs, mine)

    def _list(self, place: _Place, member: Member, base: Any, theirs: Any, mine: Any) -> tuple[Any, ...]:
        before, left, right = keyed(base), paired(base, theirs), paired(base, mine)
        kept: dict[Key, Any] = {}
        for key in dict.fromkeys((*before, *left, *right)):
            found = [side.get(key, _MISSING) for side in (before, left, right)]
            shown = next(item for item in found if item is not _MISSING)
            item = self._item(place.item(member, key, shown), *found)
            if item is not _MISSING:
                kept[key] = item
        order = self._order(place.member(member), (before, left, right))
        for side in (right, left):
            _insert(order, list(side), kept)
        return tuple(kept[key] for key in order)

    def _item(self, place: _Place, base: Any, theirs: Any, mine: Any) -> Any:
        if same(theirs, mine) or same(base, mine):
            return theirs
        if same(base, theirs):
            return mine
        if _MISSING in (base, theirs, mine):
            return self._choose(place, base, theirs, mine)
        return self.part(place, base, theirs, mine)

    def _numbers(self, place: _Place, base: Any, theirs: Any, mine: Any) -> dict[str, Any]:
        merged = {}
        for name in dict.fromkeys((*theirs, *mine)):
            inner = _Place(f"{place.path}[{json.dumps(name, ensure_ascii=False)}]", (*place.trail, name))
            value = self._item(inner, *(side.get(name, _MISSING) for side in (base, theirs, mine)))
            if value is not _MISSING:
                merged[name] = value
        return merged

    def _order(self, place: _Place, sides: Sequence[Mapping[Key, Any]]) -> list[Key]:
        """The order of the items that all three have."""
        shared = set(sides[0]) & set(sides[1]) & set(sides[2])
        base, theirs, mine = ([key for key in side if key in shared] for side in sides)
        if mine in (base, theirs):
            return theirs
        if theirs == base:
            return mine
        both = _both_orders(base, theirs, mine)
        if both is not None:
            return both
        names = [tuple(called(side[key]) for key in order) for side, order in zip(sides, (base, theirs, mine), strict=True)]
        ordering = _Place(f"{place.path}.order", (*place.trail, "order"))
        return mine if self._choose(ordering, *names) is names[2] else theirs

    def _choose(self, place: _Place, base: Any, theirs: Any, mine: Any) -> Any:
        shown = (None if value is _MISSING else value for value in (base, theirs, mine))
        self.conflicts.append(MergeConflict(place.path, where(place.trail), *shown))
        return mine if self.choices.get(place.path) == "mine" else theirs


def _both_orders(base: list[Key], theirs: list[Key], mine: list[Key]) -> list[Key] | None:
    """The order in which every pair stands as the one who turned it round wants it; None where there is none such."""
    if len(base) > _MOST_TURNED:
        return None
    places = [{key: number for number, key in enumerate(order)} for order in (base, theirs, mine)]
    first = dict.fromkeys(base, 0)
    for number, one in enumerate(base):
        for other in base[number + 1 :]:
            is_turned = any(side[one] > side[other] for side in places[1:])
            first[one if is_turned else other] += 1
    # Each item stands behind as many as it must be behind: only an order without a circle uses every number once.
    order = sorted(base, key=lambda key: first[key])
    return order if [first[key] for key in order] == list(range(len(order))) else None


def _insert(order: list[Key], side: list[Key], kept: Mapping[Key, Any]) -> None:
    """Puts what only this side has behind the item that it stands behind there."""
    placed = set(order)
    behind: dict[Key | None, list[Key]] = {}
    previous: Key | None = None
    for key in side:
        if key in placed:
            previous = key
        elif key in kept:
            behind.setdefault(previous, []).append(key)
    order[:] = [*behind.get(None, ()), *(key for one in order for key in (one, *behind.get(one, ())))]
