"""Making one record of two of one person: what would move, what clashes, and the move itself, all or nothing.

The other record stays, marked, so that its id never means somebody else; what cannot be on one record twice stays with it, and is
reached from the kept one (``merged.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import msgspec

from almoner.data_api.declare import Row
from almoner.data_api.store import Actor, Store
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.portal.patient import Patient
from almoner.portal.patients.merge_sql import (
    COUNTS,
    DRAFTS,
    HOUSE_ROWS,
    LIKENESS,
    LOCK,
    LOCK_CONTACTS,
    MERGED,
    NOTE,
    POINTING,
    ROW,
    SAME_NAMESPACE,
    SAME_TYPE,
)
from almoner.portal.patients.same_contacts import SameContact, same_contacts, unite
from almoner.portal.values import compare_rows, speaking, value_fields
from almoner.resources import RESOURCES
from almoner.resources.custom_data_type_records import custom_data_type_records
from almoner.resources.external_ids import external_ids
from almoner.resources.patients import patients
from almoner.vocabulary import clocks

KEPT: Final = "kept"
OTHER: Final = "other"
# What the form calls the word that two records, unlike as they are, are of one person.
SURE: Final = "sure"
# The namespace of the mapping by which others find the kept record; the old id follows, since a record has one id in a namespace.
MERGED_INTO: Final = "merged:"
# What coaches call the rows of a collection.
TITLES: Final = {resource.name: resource.things for resource in RESOURCES}
# Names with less in common than this are not one name with errors in it.
_ALIKE: Final = 0.3


@dataclass(frozen=True, kw_only=True)
class Value:
    """A field of both records, in words. ``differs``: somebody has to choose, since both say something."""

    name: str
    title: str
    kept: str
    other: str
    differs: bool
    takes: str


@dataclass(frozen=True)
class RowClash:
    """Two rows of which the kept record can have one. ``name`` is what the form calls the choice; the ids are of the rows."""

    name: str
    title: str
    kept: str
    other: str
    kept_row: str
    other_row: str
    resource: str


@dataclass(frozen=True)
class Aside:
    """An assessment that a worker has begun on both records. ``saved_at``, in UTC: of the other one's."""

    title: str
    worker: str
    saved_at: datetime


@dataclass(frozen=True, kw_only=True)
class MergePreview:
    """All that a merge would do: ``moves`` are titles of collections with how many rows of the other record.

    ``asides`` are drafts of which both stay. ``refusals`` tell of numbers and addresses that both have, with unlike consents.
    ``doubts`` say what speaks against one person; ``unlike``: so much that it must be confirmed.
    """

    values: Sequence[Value]
    moves: Sequence[tuple[str, int]]
    clashes: Sequence[RowClash]
    asides: Sequence[Aside]
    refusals: Sequence[str]
    doubts: Sequence[str]
    unlike: bool

    @property
    def digest(self) -> str:
        """Of what somebody decides by: where it is another one, the records are not those that were looked at."""
        looked_at = (self.values, self.clashes, self.asides, self.refusals, self.doubts)
        return hashlib.sha256(msgspec.json.encode(looked_at)).hexdigest()


async def preview(visit: Visit, connection: Connection, kept: Patient, other: Patient) -> MergePreview:
    """What merging ``other`` into ``kept`` would do, as things are now."""
    rows = [await connection.fetchval(ROW, visit.environment_id, one.id) for one in (kept, other)]
    mine, theirs = (msgspec.json.decode(row) for row in rows)
    counts = await connection.fetch(COUNTS, visit.environment_id, other.id)
    moves = [(TITLES[row["name"]], row["number"]) for row in counts if row["number"]]
    drafts = await connection.fetch(DRAFTS, visit.environment_id, kept.id, other.id)
    moving = sum(not row["both"] for row in drafts)
    asides = [Aside(spec_title(visit, row["spec_id"]), row["worker"], row["saved_at"]) for row in drafts if row["both"]]
    doubts = await _doubts(visit, connection, kept, other)
    same = await same_contacts(connection, visit.environment_id, kept.id, other.id)
    return MergePreview(
        values=await values_of(visit, connection, kept, mine, theirs),
        moves=[*moves, *([("Unfinished assessments", moving)] if moving else [])],
        clashes=await _clashes(visit, connection, kept, other),
        asides=asides,
        refusals=[text for one in same for text in _refusals(one)],
        doubts=doubts,
        unlike=len(doubts) > 1,
    )


def _refusals(same: SameContact) -> Iterator[str]:
    for title in same.refused():
        yield f"{same.words}, {title}: consented to on one record and not on the other. It counts as refused."


async def _doubts(visit: Visit, connection: Connection, kept: Patient, other: Patient) -> list[str]:
    """What speaks against the two being of one person."""
    doubts = []
    likeness = await connection.fetchval(LIKENESS, visit.environment_id, kept.id, other.id)
    if likeness < _ALIKE:
        doubts.append(f"The names have little in common: {kept.name} and {other.name}.")
    if kept.birthday and other.birthday and kept.birthday != other.birthday:
        born = [f"{day.day} {day:%b %Y}" for day in (kept.birthday, other.birthday)]
        doubts.append(f"They were not born on one day: {born[0]} and {born[1]}.")
    return doubts


def spec_title(visit: Visit, spec_id: str) -> str:
    """What an assessment is called now; its id where it is published no more."""
    spec = visit.program.newest_specs.get(spec_id)
    return spec.name if spec else spec_id


async def values_of(visit: Visit, connection: Connection, kept: Patient, mine: Row, theirs: Row) -> list[Value]:
    """The fields of which either record says something."""
    fields = value_fields(patients)
    words = await speaking(visit, connection, kept, fields, mine, theirs)
    return [
        Value(name=one.name, title=one.title, kept=one.one, other=one.other, differs=one.differs, takes=KEPT if one.one else OTHER)
        for one in compare_rows(fields, mine, theirs, words)
    ]


async def _clashes(visit: Visit, connection: Connection, kept: Patient, other: Patient) -> list[RowClash]:
    given = (visit.environment_id, kept.id, other.id)
    ids = await connection.fetch(SAME_NAMESPACE, *given)
    records = await connection.fetch(SAME_TYPE, *given)
    found = [
        RowClash(f"id-{row['other_row']}", f"Id in {row['namespace']}", row["kept"], row["other"], *_rows(row), external_ids.name)
        for row in ids
    ]
    for row in records:
        title = visit.program.title("custom_data_types", row["type_name"])
        hidden = row["type_name"] in visit.rights.hidden_data
        left, right = (_unseen(visit, row[f"{side}_at"]) if hidden else _summary(row[side]) for side in (KEPT, OTHER))
        found.append(RowClash(f"record-{row['other_row']}", title, left, right, *_rows(row), custom_data_type_records.name))
    return found


def _rows(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["kept_row"], row["other_row"]


def _unseen(visit: Visit, changed_at: datetime) -> str:
    """What stands for a record that the role does not show: enough to choose the newer one."""
    day = clocks.local(changed_at, visit.worker.timezone)
    return f"Not shown to your role. Last changed {day.day} {day:%b %Y}."


def _summary(body: str) -> str:
    values = msgspec.json.decode(body)
    return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in values.items() if value not in (None, "", []))[:400]


async def merge(visit: Visit, kept: Patient, other: Patient, choices: Mapping[str, str], digest: str) -> None:
    """Moves everything of ``other`` to ``kept`` in one transaction. ``choices`` says KEPT or OTHER by the names of what differs.

    ``digest`` is that of the preview by which they were made. Raises ApiError: 400 where something was not decided, or one of the
    two has been merged meanwhile; 412 where either of them was changed since that preview.
    """
    by = visit.actor
    async with visit.parts.database.transaction() as connection:
        await _lock(connection, by.environment_id, kept, other)
        planned = await preview(visit, connection, kept, other)
        if planned.digest != digest:
            raise problem("precondition_failed", "One of the two records was changed while you looked. Look again, then merge.")
        choosing: list[Value | RowClash] = [*(one for one in planned.values if one.differs), *planned.clashes]
        undecided = [one.title for one in choosing if choices.get(one.name) not in (KEPT, OTHER)]
        if undecided:
            raise problem("bad_request", f"Choose what is kept of: {', '.join(undecided)}.", undecided=undecided)
        if planned.unlike and choices.get(SURE) != "yes":
            raise problem("bad_request", "Confirm first that the two records, unlike as they are, are of one person.")
        store = visit.parts.store.within(connection)
        staying = await _settle(store, by, kept_id=kept.id, other_id=other.id, clashes=planned.clashes, choices=choices)
        await unite(connection, store, by, kept.id, await same_contacts(connection, by.environment_id, kept.id, other.id))
        moved = await move_rows(connection, store, by=by, kept_id=kept.id, other_id=other.id, staying=staying)
        pointer = {"resource": "patients", "namespace": f"{MERGED_INTO}{other.id}", "external_id": other.id, "welkin_id": kept.id}
        await store.create(by, external_ids, pointer)
        taken = [one.name for one in planned.values if (choices.get(one.name) if one.differs else one.takes) == OTHER]
        if taken:
            row = await connection.fetchval(ROW, by.environment_id, other.id)
            values = msgspec.json.decode(row)
            await store.update(by, patients, kept.id, {name: values[name] for name in taken}, None)
        await connection.execute(NOTE, by.environment_id, other.id, kept.id, msgspec.json.encode(moved).decode(), by.actor)


async def move_rows(
    connection: Connection, store: Store, by: Actor, kept_id: str, other_id: str, staying: Collection[str]
) -> dict[str, int]:
    """Moves every row that can be, in the transaction that ``connection`` and ``store`` are in.

    ``staying``: the mappings that are left with the other record. Returns how many moved, by collection.
    """
    moved = await store.move(by, other_id, kept_id)
    moved[external_ids.name] = await _repoint(connection, store, by=by, kept_id=kept_id, other_id=other_id, staying=staying)
    for statement in HOUSE_ROWS:
        await connection.execute(statement, by.environment_id, other_id, kept_id)
    return moved


async def _lock(connection: Connection, environment_id: int, kept: Patient, other: Patient) -> None:
    """Keeps both from changing, in one order whoever merges which into which."""
    await connection.fetch(LOCK, environment_id, [kept.id, other.id])
    for statement in LOCK_CONTACTS:
        await connection.fetch(statement, environment_id, [kept.id, other.id])
    if await connection.fetchval(MERGED, environment_id, [kept.id, other.id]):
        raise problem("bad_request", "One of the two records was merged meanwhile. Look for the person again.")


async def _settle(
    store: Store, by: Actor, kept_id: str, other_id: str, clashes: Sequence[RowClash], choices: Mapping[str, str]
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


async def _repoint(connection: Connection, store: Store, by: Actor, kept_id: str, other_id: str, staying: Collection[str]) -> int:
    """Lets the other record's mappings point at the kept one. Returns how many did."""
    rows = await connection.fetch(POINTING, by.environment_id, other_id, list(staying))
    for row in rows:
        await store.update(by, external_ids, row["id"], {"welkin_id": kept_id}, None)
    return len(rows)
