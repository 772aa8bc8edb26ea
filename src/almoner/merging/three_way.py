"""Whose value holds where two people changed one thing, what they must choose between, and how the
items of lists come together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec import Struct

Side = Literal["theirs", "mine"]
THEIRS: Final = "theirs"
MINE: Final = "mine"
# Stands for what a side does not have where None is a value of its own.
ABSENT: Final = object()

Path = TypeVar("Path")
Key = TypeVar("Key", bound=Hashable)
Same = Callable[[Any, Any], bool]
# What becomes of a value, given its path or key and what base, theirs and mine have there.
Merge = Callable[[Path, Any, Any, Any], Any]
# Two orders of more items are not laid into each other, which compares each with each: somebody
# chooses one.
_MOST_TURNED: Final = 300


@dataclass(frozen=True)
class Conflict(Generic[Path]):
    """A value that both changed, each differently; None stands for what is not there. ``path`` is
    the same in the next merge.
    """

    path: Path
    base: Any
    theirs: Any
    mine: Any


def same(value: Any, other: Any) -> bool:
    """Whether two values say the same. Unlike ``==``, yes and no differ from one and zero."""
    return value is other or (bool(value == other) and _same_types(value, other))


def _same_types(value: Any, other: Any) -> bool:
    if isinstance(value, Struct):
        return all(
            _same_types(getattr(value, name), getattr(other, name))
            for name in value.__struct_fields__
        )
    if isinstance(value, tuple):
        return all(map(_same_types, value, other))
    return isinstance(value, bool) == isinstance(other, bool)


def whose(base: Any, theirs: Any, mine: Any, equal: Same = same) -> Side | None:
    """The side that changed the value, theirs where both changed it alike or nobody did; None where
    each changed it differently.
    """
    if equal(theirs, mine) or equal(base, mine):
        return THEIRS
    return MINE if equal(base, theirs) else None


class ThreeWay(Generic[Path]):
    """A merge under way; ``conflicts`` has what both changed and nobody has chosen."""

    def __init__(self, chosen: Callable[[Path, Any], str]) -> None:
        """``chosen``: the side that somebody chose, given a path and their value there; blank where
        nobody has.
        """
        self.conflicts: list[Conflict[Path]] = []
        self._chosen = chosen

    def value(
        self, path: Path, base: Any, theirs: Any, mine: Any, *, inside: Merge[Path] | None = None
    ) -> Any:
        """The value that holds.

        ``inside`` merges what both changed and all three have. Without it, a value is chosen as a
        whole: half of one and half of another would be neither."""
        side = whose(base, theirs, mine)
        if (
            side is None
            and inside is not None
            and not any(value is None or value is ABSENT for value in (base, theirs, mine))
        ):
            return inside(path, base, theirs, mine)
        return mine if (side or self.choose(path, base, theirs, mine)) == MINE else theirs

    def choose(self, path: Path, base: Any, theirs: Any, mine: Any) -> str:
        """The side that was chosen; blank, so that theirs holds, and a conflict, where nobody has
        chosen.
        """
        chosen = self._chosen(path, theirs)
        if not chosen:
            self.conflicts.append(
                Conflict(
                    path, *(None if value is ABSENT else value for value in (base, theirs, mine))
                )
            )
        return chosen


def merge_values(
    keys: Iterable[Key], sides: Sequence[Mapping[Key, Any]], merge: Merge[Key]
) -> dict[Key, Any]:
    """What becomes of the values of ``sides`` (base, theirs, mine) under these keys, in the order
    of the keys.

    ``merge`` is given ABSENT for what a side does not have, and returns it for what goes.
    """
    merged = {
        key: merge(key, *(side.get(key, ABSENT) for side in sides)) for key in dict.fromkeys(keys)
    }
    return {key: value for key, value in merged.items() if value is not ABSENT}


def merge_items(
    sides: Sequence[Mapping[Key, Any]], merge: Merge[Key], choose_order: Callable[..., list[Key]]
) -> dict[Key, Any]:
    """What becomes of the items of three lists, as ``merge_values`` has it, in an order that both
    changes agree with.

    What only one side has stands behind the item that it stands behind there. ``choose_order`` is
    given the three orders of what all have, where theirs and mine exclude each other, and returns
    the one that holds."""
    merged = merge_values((key for side in sides for key in side), sides, merge)
    orders = [[key for key in side if all(key in other for other in sides)] for side in sides]
    order = merge_orders(*orders)
    if order is None:
        order = choose_order(*orders)
    for side in reversed(sides[1:]):
        order = _insert(order, side, merged)
    return {key: merged[key] for key in order}


def merge_orders(base: list[Key], theirs: list[Key], mine: list[Key]) -> list[Key] | None:
    """One order of the same keys in which each pair stands as the side wants it that turned it
    round; None where there is none.
    """
    side = whose(base, theirs, mine)
    if side is not None:
        return mine if side == MINE else theirs
    if len(base) > _MOST_TURNED:
        return None
    places = [{key: number for number, key in enumerate(order)} for order in (theirs, mine)]
    before = dict.fromkeys(base, 0)
    for number, key in enumerate(base):
        for later in base[number + 1 :]:
            before[key if any(side[key] > side[later] for side in places) else later] += 1
    # Each item stands behind as many as it must be behind: only an order without a circle uses
    # every number once.
    order = sorted(base, key=before.__getitem__)
    return order if [before[key] for key in order] == list(range(len(order))) else None


def _insert(order: Sequence[Key], side: Iterable[Key], merged: Mapping[Key, Any]) -> list[Key]:
    """The order with what only this side has behind the item that it stands behind there."""
    placed = set(order)
    behind: dict[Key | None, list[Key]] = {}
    previous: Key | None = None
    for key in side:
        if key in placed:
            previous = key
        elif key in merged:
            behind.setdefault(previous, []).append(key)
    return [
        *behind.get(None, ()),
        *(key for before in order for key in (before, *behind.get(before, ()))),
    ]
