"""What differs between two versions of a program, for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from almoner.merging.three_way import same
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pairing import at, called, keyed, label, paired, step, where, word
from almoner.workshop.shape import Member, members

Kind = Literal["added", "removed", "changed", "moved"]
_MOST_CLAUSES: Final = 6
_MOST_NAMES: Final = 3
_LONGEST_TEXT: Final = 60


class TrailStep(NamedTuple):
    """A part on the way to what differs: its sort, as ``question``, and its name; blank for what
    stands in no list. ``part`` is itself, for whoever says it in other words.
    """

    sort: str
    name: str
    part: Struct | None = None


Trail = tuple[TrailStep, ...]


@dataclass(frozen=True)
class Difference:
    """One difference between two versions. ``before`` is None for what was added, ``after`` for
    what was removed.

    ``trail`` has each part on the way: ("assessment", "Intake assessment"), ("question", "plan").
    ``member`` is the title of what changed in the last of them, and ``of`` its declaration; blank
    and None where the part itself was added or removed. ``name`` is the one of several numbers that
    changed. For what moved, ``before`` and ``after`` are the items in their order."""

    where: str
    path: str
    kind: Kind
    before: Any
    after: Any
    trail: Trail = ()
    member: str = ""
    of: Member | None = None
    name: str = ""

    def __str__(self) -> str:
        if self.kind == "moved":
            return f"{self.where}: the order changed"
        if self.member and self.kind == "changed":
            return f"{self.where}: {_shortened(self.before)} became {_shortened(self.after)}"
        if self.member:
            return (
                f"{self.where}: {_shortened(self.before if self.kind == 'removed' else self.after)}"
                f" {self.kind}"
            )
        return f"{self.where}: {self.kind}"


def compare(before: ProgramDesign, after: ProgramDesign) -> tuple[Difference, ...]:
    """All differences, in the order of the parts. What is added or removed as a whole is one
    difference.
    """
    return tuple(_of_part("", (), before, after))


def _of_part(path: str, trail: Trail, before: Struct, after: Struct) -> Iterator[Difference]:
    for member in members(type(before)):
        old, new = getattr(before, member.attribute), getattr(after, member.attribute)
        if same(old, new):
            continue
        if member.holds == "parts":
            yield from _of_parts(path, trail, member, old, new)
        elif member.holds == "texts" and None not in (old, new):
            points = tuple(
                getattr(part, "points", {}) if member.attribute == "choices" else {}
                for part in (before, after)
            )
            yield from _of_texts(path, trail, member, (old, new), points)
        elif member.holds == "part" and None not in (old, new):
            inner = trail or (TrailStep(label(member), ""),)
            yield from _of_part(at(path, member), inner, old, new)
        elif member.holds == "numbers":
            yield from _of_numbers(
                path, trail, member, *_apart_from_choices(before, after, old, new)
            )
        else:
            yield _changed(path, trail, member, old, new)


def _of_parts(path: str, trail: Trail, member: Member, old: Any, new: Any) -> Iterator[Difference]:
    before, after = keyed(old), paired(old, new)
    for key, item in after.items():
        inner = (*trail, TrailStep(word(member), called(item), item))
        if key not in before:
            yield Difference(
                where=_where(inner),
                path=step(path, member, key),
                kind="added",
                before=None,
                after=item,
                trail=inner,
            )
        elif not same(before[key], item):
            yield from _of_part(
                step(path, member, key),
                (*trail, TrailStep(word(member), called(before[key]), before[key])),
                before[key],
                item,
            )
    for key, item in before.items():
        if key not in after:
            inner = (*trail, TrailStep(word(member), called(item), item))
            yield Difference(
                where=_where(inner),
                path=step(path, member, key),
                kind="removed",
                before=item,
                after=None,
                trail=inner,
            )
    yield from _of_order(path, trail, member, (before, after))


def _of_texts(
    path: str,
    trail: Trail,
    member: Member,
    sides: tuple[Any, Any],
    points: tuple[Any, ...],
) -> Iterator[Difference]:
    """A text in the place of another is that one changed. What is added or removed is told with its
    points, where it has some.
    """
    before, after = keyed(sides[0]), keyed(sides[1])
    where, title = _where(trail, label(member)), label(member)
    changed = _reworded(*sides)
    fresh = set(changed.values())
    for old, new in changed.items():
        yield Difference(
            where=where,
            path=step(path, member, (old, 0)),
            kind="changed",
            before=old,
            after=new,
            trail=trail,
            member=title,
            of=member,
        )
    for key, item in after.items():
        if key not in before and item not in fresh:
            yield Difference(
                where=where,
                path=step(path, member, key),
                kind="added",
                before=None,
                after=_with_points(item, points[1]),
                trail=trail,
                member=title,
                of=member,
            )
    for key, item in before.items():
        if key not in after and item not in changed:
            yield Difference(
                where=where,
                path=step(path, member, key),
                kind="removed",
                before=_with_points(item, points[0]),
                after=None,
                trail=trail,
                member=title,
                of=member,
            )
    yield from _of_order(path, trail, member, (before, after))


def _reworded(old: tuple[str, ...], new: tuple[str, ...]) -> dict[str, str]:
    """The texts that stand in the place of another, in lists that have the rest in common: which
    became which.
    """
    if len(old) != len(new):
        return {}
    after, was = set(new), set(old)
    pairs = {before: other for before, other in zip(old, new, strict=True) if before != other}
    return (
        pairs
        if all(before not in after and other not in was for before, other in pairs.items())
        else {}
    )


def _with_points(choice: str, points: Mapping[str, float]) -> str:
    number = points.get(choice)
    return (
        choice if number is None else f"{choice} ({number} {'point' if number == 1 else 'points'})"
    )


def _apart_from_choices(
    before: Struct, after: Struct, old: Mapping[str, float], new: Mapping[str, float]
) -> tuple[Any, Any]:
    """The points of both, without those that are told with a choice that is added or removed; a
    reworded choice keeps its own.
    """
    was, now = (getattr(part, "choices", ()) for part in (before, after))
    renamed = _reworded(was, now)
    reworded = set(renamed.values())
    carried = {renamed.get(name, name): number for name, number in old.items()}
    gone, fresh = set(was) - set(now), set(now) - set(was)
    return (
        {name: number for name, number in carried.items() if name not in gone},
        {name: number for name, number in new.items() if name not in fresh or name in reworded},
    )


def _of_order(path: str, trail: Trail, member: Member, sides: Any) -> Iterator[Difference]:
    before, after = sides
    old, new = [key for key in before if key in after], [key for key in after if key in before]
    if old != new:
        was, now = (
            tuple(side[key] for key in order) for side, order in ((before, old), (after, new))
        )
        yield Difference(
            where=_where(trail, label(member)),
            path=at(path, member),
            kind="moved",
            before=was,
            after=now,
            trail=trail,
            member=label(member),
            of=member,
        )


def _of_numbers(
    path: str, trail: Trail, member: Member, old: Any, new: Any
) -> Iterator[Difference]:
    for name in dict.fromkeys((*new, *old)):
        before, after = old.get(name), new.get(name)
        if not same(before, after):
            where = f"{label(member)} of {name}"
            kind: Kind = "added" if before is None else "removed" if after is None else "changed"
            yield Difference(
                where=_where(trail, where),
                path=step(path, member, (name, 0)),
                kind=kind,
                before=before,
                after=after,
                trail=trail,
                member=label(member),
                of=member,
                name=name,
            )


def _changed(path: str, trail: Trail, member: Member, old: Any, new: Any) -> Difference:
    is_part = member.holds == "part"
    kind: Kind = (
        "added" if is_part and old is None else "removed" if is_part and new is None else "changed"
    )
    return Difference(
        where=_where(trail, label(member)),
        path=at(path, member),
        kind=kind,
        before=old,
        after=new,
        trail=trail,
        member=label(member),
        of=member,
    )


def _where(trail: Trail, member: str = "") -> str:
    return (
        where(
            [
                *(f"{step.sort} {step.name}".strip() for step in trail),
                *([member] if member else []),
            ]
        )
        or "Program"
    )


def _shortened(value: Any) -> str:
    if value is None or value in ("", ()):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Struct):
        return msgspec.json.encode(value).decode()
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def summary(differences: Iterable[Difference]) -> str:
    """The differences in one short paragraph: ``2 questions added to Intake assessment; phase
    paused removed``.
    """
    groups: dict[tuple[str, str, str], dict[str, None]] = {}
    for difference in differences:
        root, kind, of = _group(difference)
        groups.setdefault((root, kind, of), {})[
            difference.trail[-1][1] if difference.trail else difference.member
        ] = None
    clauses = [_clause(root, kind, of, list(names)) for (root, kind, of), names in groups.items()]
    if len(clauses) > _MOST_CLAUSES:
        rest = len(clauses) - _MOST_CLAUSES + 1
        clauses = [*clauses[: _MOST_CLAUSES - 1], f"and {rest} more kinds of change"]
    return "; ".join(clauses) or "nothing changed"


def _group(difference: Difference) -> tuple[str, str, str]:
    """What a difference is counted with: the element that it is inside of, what happened, and to
    what sort of thing.
    """
    trail = difference.trail
    if difference.kind == "moved":
        return (trail[0][1] or trail[0][0] if trail else ""), "moved", difference.member
    kind = "changed" if difference.member else difference.kind
    if not trail:
        return "", kind, ""
    return (trail[0][1] if len(trail) > 1 else ""), kind, trail[-1][0]


def _clause(root: str, kind: str, of: str, names: list[str]) -> str:
    if kind == "moved":
        return f"{of} reordered in {root}" if root else f"{of} reordered"
    if not of:
        return "the program was renamed"
    if len(names) == 1:
        what = f"{of} {names[0]}".strip()
    elif root or len(names) > _MOST_NAMES:
        what = f"{len(names)} {of}s"
    else:
        what = f"{of}s {', '.join(names[:-1])} and {names[-1]}"
    preposition = {"added": "to", "removed": "from", "changed": "in"}[kind]
    return f"{what} {kind} {preposition} {root}" if root else f"{what} {kind}"
