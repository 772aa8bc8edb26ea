"""Which item of a list of a program is which in another version of it, and what people and paths
call it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from almoner.merging.pairing import pair
from almoner.merging.three_way import same
from almoner.workshop.shape import Member, identity, members

# An item's name, and how many of that name stand before it in its list: a draft may hold two of one
# name for a while.
Key = tuple[str, int]
# Above this share of members in common, an item under another name is the same item renamed.
_ALIKE: Final = 0.5
# So many pairs of items are looked at; it takes about a tenth of a second.
_MOST_COMPARED: Final = 5_000
_CALLED: Final = {"sidebar": "sidebar card", "processes": "process"}


def keyed(items: Sequence[Any]) -> dict[Key, Any]:
    """The items of a list by their keys, in order; an item is a part of a program, or a text."""
    counts: Counter[str] = Counter()
    by_key = {}
    for item in items:
        name = item if isinstance(item, str) else getattr(item, identity(type(item)))
        by_key[name, counts[name]] = item
        counts[name] += 1
    return by_key


def paired(base: Sequence[Any], other: Sequence[Any]) -> dict[Key, Any]:
    """The items of ``other`` by the keys that they have in ``base``, in their own order; what is
    new keeps its own key.

    An item that is in neither list under the other's name, and is otherwise much like one, is that
    item renamed."""
    before, after = keyed(base), keyed(other)
    gone = [key for key in before if key not in after]
    new = [key for key in after if key not in before]
    if len(gone) * len(new) > _MOST_COMPARED or not all(
        isinstance(item, Struct) for item in base[:1]
    ):
        # Texts are never alike; and where so much is new, it is another program.
        return after

    def alike(old: Key, key: Key) -> float:
        share = likeness(before[old], after[key])
        return share if share > _ALIKE else 0

    nearest = pair(gone, new, alike)
    renamed = dict(zip(nearest, gone, strict=True))
    return {renamed.get(key, key): item for key, item in after.items()}


def likeness(item: Any, other: Any) -> float:
    """The share of what two items say that they have in common, their names aside: from 0 to 1."""
    if isinstance(item, str):
        return 0.0
    of: type[Struct] = type(item)
    shares = [
        _common(member, getattr(item, member.attribute), getattr(other, member.attribute))
        for member in members(of)
        if member.attribute != identity(of) and not _both_default(member, item, other)
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _both_default(member: Member, item: Struct, other: Struct) -> bool:
    return same(getattr(item, member.attribute), member.default) and same(
        getattr(other, member.attribute), member.default
    )


def _common(member: Member, item: Any, other: Any) -> float:
    if member.holds != "parts":
        return float(same(item, other))
    names = [set(keyed(items)) for items in (item, other)]
    return len(names[0] & names[1]) / max(map(len, names))


def step(path: str, member: Member, key: Key) -> str:
    """The path of an item of a list, such as ``assessments["intake"].sections["Basics"]``."""
    name, number = key
    again = f", {number + 1}" if number else ""
    return f"{at(path, member)}[{json.dumps(name, ensure_ascii=False)}{again}]"


def at(path: str, member: Member) -> str:
    """The path of a member of the part at ``path``."""
    return f"{path}.{member.key}" if path else member.key


def word(member: Member) -> str:
    """What one item of a list is called: ``appointment type``, ``question``."""
    return _CALLED.get(member.key) or member.key.removesuffix("s").replace("_", " ")


def called(item: Any) -> str:
    """What people call an item: its name, else what tells it from its neighbours."""
    name: str = (
        item
        if isinstance(item, str)
        else getattr(item, "name", "") or getattr(item, identity(type(item)))
    )
    return name.strip() or "without a name"


def label(member: Member) -> str:
    """A member's title inside of a sentence."""
    return member.title[:1].lower() + member.title[1:]


def where(trail: Sequence[str]) -> str:
    """Where something is, for people: ``Assessment Intake assessment, question plan_type,
    label``.
    """
    text = ", ".join(trail)
    return text[:1].upper() + text[1:]
