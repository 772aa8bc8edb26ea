"""Making one record of two of one person: what would move, what clashes, and the move itself, all or nothing.

The other record stays, marked, so that its id never means somebody else; what cannot be on one record twice stays with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import msgspec

from almoner.data_api.declare import Row
from almoner.data_api.store import Actor, Store
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.portal.patients.merge_sql import COUNTS, HOUSE_ROWS, LOCK, MERGED, NOTE, POINTING, ROW, SAME_NAMESPACE, SAME_TYPE
from almoner.portal.sight import Patient
from almoner.resources import RESOURCES
from almoner.resources.custom_data_type_records import custom_data_type_records
from almoner.resources.external_ids import external_ids
from almoner.resources.patients import patients

KEPT: Final = "kept"
OTHER: Final = "other"
_VALUES: Final = tuple(f for f in patients.stored if f.name not in ("id", "updated_at", "created_at"))


@dataclass(frozen=True)
class Value:
    """A field of both records, in words. ``differs``: somebody has to choose, since both say something."""

    name: str
    title: str
    kept: str
    other: str
    differs: bool
    takes: str


@dataclass(frozen=True)
class Clash:
    """Two rows of which the kept record can have one. ``name`` is what the form calls the choice; the ids are of the rows."""

    name: str
    title: str
    kept: str
    other: str
    kept_row: str
    other_row: str
    resource: str


@dataclass(frozen=True)
class Preview:
    """All that a merge would do: ``moves`` are titles of collections with how many rows of the other record."""

    values: Sequence[Value]
    moves: Sequence[tuple[str, int]]
    clashes: Sequence[Clash]


async def preview(visit: Visit, connection: Connection, kept: Patient, other: Patient) -> Preview:
    """What merging ``other`` into ``kept`` would do, as things are now."""
    rows = [await connection.fetchval(ROW, visit.environment_id, one.id) for one in (kept, other)]
    mine, theirs = (msgspec.json.decode(row) for row in rows)
    counts = await connection.fetch(COUNTS, visit.environment_id, other.id)
    titles = {resource.name: resource.title for resource in RESOURCES}
    moves = [(titles[row["name"]], row["number"]) for row in counts if row["number"]]
    return Preview(_values(visit, mine, theirs, kept, other), moves, await _clashes(visit, connection, kept, other))


def _values(visit: Visit, mine: Row, theirs: Row, kept: Patient, other: Patient) -> list[Value]:
    values = []
    for item in _VALUES:
        one, two = mine.get(item.name), theirs.get(item.name)
        if one in (None, "") and two in (None, ""):
            continue
        left, right = _shown(visit, item.name, mine, kept), _shown(visit, item.name, theirs, other)
        title = "Coach" if item.name == "coach_id" else item.name.replace("_", " ").capitalize()
        takes = OTHER if one in (None, "") else KEPT
        values.append(Value(item.name, title, left, right, one != two and one not in (None, "") and two not in (None, ""), takes))
    return values


def _shown(visit: Visit, name: str, row: Row, who: Patient) -> str:
    value = row.get(name)
    if name == "coach_id":
        return who.coach or ""
    if name == "phase":
        return visit.program.titles.get(("phases", str(value)), str(value))
    return "" if value is None else str(value)


async def _clashes(visit: Visit, connection: Connection, kept: Patient, other: Patient) -> list[Clash]:
    given = (visit.environment_id, kept.id, other.id)
    ids = await connection.fetch(SAME_NAMESPACE, *given)
    records = await connection.fetch(SAME_TYPE, *given)
    found = [
        Clash(f"id-{row['other_row']}", f"Id in {row['namespace']}", row["kept"], row["other"], *_rows(row), external_ids.name)
        for row in ids
    ]
    for row in records:
        title = visit.program.titles.get(("custom_data_types", row["type_name"]), row["type_name"])
        left, right = _summary(row["kept"]), _summary(row["other"])
        found.append(Clash(f"record-{row['other_row']}", title, left, right, *_rows(row), custom_data_type_records.name))
    return found


def _rows(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["kept_row"], row["other_row"]


def _summary(body: str) -> str:
    values = msgspec.json.decode(body)
    return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in values.items() if value not in (None, "", []))[:400]


async def merge(visit: Visit, kept: Patient, other: Patient, choices: Mapping[str, str]) -> None:
    """Moves everything of ``other`` to ``kept`` in one transaction. ``choices`` says KEPT or OTHER by the names of what differs.

    Raises ApiError: 409 where something was not decided, or one of the two has been merged meanwhile.
    """
    by = visit.actor
    async with visit.parts.database.transaction() as connection:
        await _lock(connection, by.environment_id, kept, other)
        planned = await preview(visit, connection, kept, other)
        choosing: list[Value | Clash] = [*(one for one in planned.values if one.differs), *planned.clashes]
        undecided = [one.title for one in choosing if choices.get(one.name) not in (KEPT, OTHER)]
        if undecided:
            raise problem("bad_request", f"Choose what is kept of: {', '.join(undecided)}.", undecided=undecided)
        store = visit.parts.store.within(connection)
        staying = await _settle(store, by, kept.id, other.id, planned.clashes, choices)
        moved = await store.move(by, other.id, kept.id)
        moved["external_ids"] = await _repoint(connection, store, by, kept.id, other.id, staying)
        for statement in HOUSE_ROWS:
            await connection.execute(statement, by.environment_id, other.id, kept.id)
        taken = [one.name for one in planned.values if (choices.get(one.name) if one.differs else one.takes) == OTHER]
        if taken:
            row = await connection.fetchval(ROW, by.environment_id, other.id)
            values = msgspec.json.decode(row)
            await store.update(by, patients, kept.id, {name: values[name] for name in taken}, None)
        await connection.execute(NOTE, by.environment_id, other.id, kept.id, msgspec.json.encode(moved).decode(), by.actor)


async def _lock(connection: Connection, environment_id: int, kept: Patient, other: Patient) -> None:
    """Keeps both from changing, in one order whoever merges which into which."""
    await connection.fetch(LOCK, environment_id, [kept.id, other.id])
    if await connection.fetchval(MERGED, environment_id, [kept.id, other.id]):
        raise problem("bad_request", "One of the two records was merged meanwhile. Look for the person again.")


async def _settle(
    store: Store, by: Actor, kept_id: str, other_id: str, clashes: Sequence[Clash], choices: Mapping[str, str]
) -> set[str]:
    """Makes room where the kept record can have one of two. Returns the mappings that stay with the other record."""
    staying = set()
    for clash in clashes:
        wins = choices[clash.name] == KEPT
        if clash.resource == custom_data_type_records.name:
            # Both are kept; the one that was not chosen is there as patients have records from when a type allowed several.
            loser = clash.other_row if wins else clash.kept_row
            await store.yield_claim(by, custom_data_type_records, loser)
        elif wins:
            staying.add(clash.other_row)
        else:
            # Two rows cannot change places at once under a rule of uniqueness: one steps aside under a name that nobody has.
            staying.add(clash.kept_row)
            namespace, aside = clash.title.removeprefix("Id in "), f"merging {uuid4()}"
            await store.update(by, external_ids, clash.kept_row, {"namespace": aside}, None)
            await store.update(by, external_ids, clash.other_row, {"welkin_id": kept_id}, None)
            await store.update(by, external_ids, clash.kept_row, {"welkin_id": other_id, "namespace": namespace}, None)
    return staying


async def _repoint(connection: Connection, store: Store, by: Actor, kept_id: str, other_id: str, staying: set[str]) -> int:
    """Lets the other record's mappings point at the kept one. Returns how many did."""
    rows = await connection.fetch(POINTING, by.environment_id, other_id, list(staying))
    for row in rows:
        await store.update(by, external_ids, row["id"], {"welkin_id": kept_id}, None)
    return len(rows)
