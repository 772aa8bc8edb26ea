"""The merge of two records: everything of one moves to the other, all or nothing.

The other record stays, marked, so that its id never means somebody else; what cannot be on one
record twice stays with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import msgspec

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.errors import problem
from almoner.patient_merges import sql
from almoner.patient_merges.same_contacts import same_contacts, unite
from almoner.resources.custom_data_type_records import custom_data_type_records
from almoner.resources.external_ids import external_ids
from almoner.resources.patients import patients

# The namespace of the mapping by which others find the kept record; the old id follows, since a
# record has one id in a namespace.
MERGED_INTO: Final = "merged:"
# Names with less in common than this are not one name with errors in it.
_ALIKE: Final = 0.3
# What a record says that the kept one may take over.
_SAYS: Final = tuple(
    field.name for field in patients.fields if field.stored and field.update and field.returned
)


@dataclass(frozen=True)
class Clash:
    """Two rows of which the kept record can have one; ``what`` they have in common: the namespace
    of two ids, the type of two records. ``row`` has more of both, as ``sql.SAME_NAMESPACE`` and
    ``sql.SAME_TYPE`` read it.
    """

    resource: str
    what: str
    survivor_row: str
    other_row: str
    row: Mapping[str, Any]


async def clashes(
    connection: Connection, environment_id: int, kept_id: str, other_id: str
) -> list[Clash]:
    """What has to be decided before the two can be one: ids in one namespace, records of a type of
    which a patient has one.
    """
    parameters = (environment_id, kept_id, other_id)
    ids = await connection.fetch(sql.SAME_NAMESPACE, *parameters)
    records = await connection.fetch(sql.SAME_TYPE, *parameters)
    return [
        *(_clash(external_ids.name, row["namespace"], row) for row in ids),
        *(_clash(custom_data_type_records.name, row["type_name"], row) for row in records),
    ]


def _clash(resource: str, what: str, row: Mapping[str, Any]) -> Clash:
    return Clash(resource, what, row["survivor_row"], row["other_row"], dict(row))


async def names_differ(
    connection: Connection, environment_id: int, kept_id: str, other_id: str
) -> bool:
    """Whether the names have so little in common that they are hardly of one person."""
    likeness: float = await connection.fetchval(sql.LIKENESS, environment_id, kept_id, other_id)
    return likeness < _ALIKE


async def lock(connection: Connection, environment_id: int, kept_id: str, other_id: str) -> None:
    """Keeps both from changing, in one order whoever merges which into which. Raises a 400 ApiError
    where one of them was merged already.
    """
    ids = [kept_id, other_id]
    await connection.fetch(sql.LOCK, environment_id, ids)
    for statement in sql.LOCK_CONTACTS:
        await connection.fetch(statement, environment_id, ids)
    if await connection.fetchval(sql.MERGED, environment_id, ids):
        raise problem(
            "bad_request", "One of the two records was merged meanwhile. Look for the person again."
        )


async def row_of(connection: Connection, environment_id: int, patient_id: str) -> Row:
    """What a record says, as the database has it."""
    row: Row = msgspec.json.decode(await connection.fetchval(sql.ROW, environment_id, patient_id))
    return row


async def merge(
    connection: Connection,
    store: Store,
    by: Actor,
    kept_id: str,
    other_id: str,
    decided: Sequence[tuple[Clash, bool]],
    taken: Collection[str],
) -> None:
    """Moves everything of the other record to the kept one, in the transaction that ``connection``
    and ``store`` are in; both are locked.

    ``decided`` has every clash, and whether the kept record's row stays; ``taken`` are the fields
    whose value is the other one's.
    """
    values = await row_of(connection, by.environment_id, other_id)
    ids = {"kept_id": kept_id, "other_id": other_id}
    staying = await _settle(store, by, **ids, decided=decided)
    same = await same_contacts(connection, by.environment_id, kept_id, other_id)
    await unite(connection, store, by, kept_id, same)
    moved = await move_rows(connection, store, by=by, **ids, staying=staying)
    pointer = {
        "resource": patients.name,
        "namespace": f"{MERGED_INTO}{other_id}",
        "external_id": other_id,
        "welkin_id": kept_id,
    }
    await store.create(by, external_ids, pointer)
    if taken:
        await store.update(by, patients, kept_id, {name: values[name] for name in taken}, None)
    counts = msgspec.json.encode(moved).decode()
    await connection.execute(sql.NOTE, by.environment_id, other_id, kept_id, counts, by.actor)


async def merge_unasked(
    connection: Connection, store: Store, by: Actor, kept_id: str, other_id: str
) -> None:
    """The merge that another system asks for, in the transaction that both are in: the kept record
    is right wherever both say something, and nobody is asked.

    Raises a 400 ApiError where neither names nor days of birth are alike: that is for a person to
    decide.
    """
    await lock(connection, by.environment_id, kept_id, other_id)
    mine, theirs = [
        await row_of(connection, by.environment_id, row_id) for row_id in (kept_id, other_id)
    ]
    born_apart = mine["birthday"] != theirs["birthday"]
    if born_apart and await names_differ(connection, by.environment_id, kept_id, other_id):
        raise problem(
            "bad_request",
            "The two records have neither name nor day of birth in common. If they are of one"
            " person, merge them on the page of either.",
        )
    await merge(
        connection,
        store,
        by,
        kept_id=kept_id,
        other_id=other_id,
        decided=[
            (clash, True)
            for clash in await clashes(connection, by.environment_id, kept_id, other_id)
        ],
        taken=[name for name in _SAYS if mine[name] is None and theirs[name] is not None],
    )


async def move_rows(
    connection: Connection,
    store: Store,
    by: Actor,
    kept_id: str,
    other_id: str,
    staying: Collection[str],
) -> dict[str, int]:
    """Moves every row that can be, in the transaction that ``connection`` and ``store`` are in.

    ``staying``: the mappings that are left with the other record. Returns how many moved, by
    collection."""
    moved = await store.move(by, other_id, kept_id)
    moved[external_ids.name] = await _repoint(
        connection, store, by=by, kept_id=kept_id, other_id=other_id, staying=staying
    )
    for statement in sql.HOUSE_ROWS:
        await connection.execute(statement, by.environment_id, other_id, kept_id)
    return moved


async def _settle(
    store: Store,
    by: Actor,
    kept_id: str,
    other_id: str,
    decided: Sequence[tuple[Clash, bool]],
) -> set[str]:
    """Makes room where the kept record can have one of two. Returns the mappings that stay with the
    other record.
    """
    staying = set()
    for clash, survivor_wins in decided:
        if clash.resource == custom_data_type_records.name:
            # Both are kept; the one that was not chosen is there as patients have records from when
            # a type allowed several.
            loser = clash.other_row if survivor_wins else clash.survivor_row
            await store.yield_claim(by, custom_data_type_records, loser)
        elif survivor_wins:
            staying.add(clash.other_row)
        else:
            # Two rows cannot change places at once under a rule of uniqueness: one steps aside
            # under a name that nobody has.
            staying.add(clash.survivor_row)
            aside = f"merging {uuid4()}"
            await store.update(by, external_ids, clash.survivor_row, {"namespace": aside}, None)
            await store.update(by, external_ids, clash.other_row, {"welkin_id": kept_id}, None)
            await store.update(
                by,
                external_ids,
                clash.survivor_row,
                {"welkin_id": other_id, "namespace": clash.what},
                None,
            )
    return staying


async def _repoint(
    connection: Connection,
    store: Store,
    by: Actor,
    kept_id: str,
    other_id: str,
    staying: Collection[str],
) -> int:
    """Lets the other record's mappings point at the kept one. Returns how many did."""
    rows = await connection.fetch(sql.POINTING, by.environment_id, other_id, list(staying))
    for row in rows:
        await store.update(by, external_ids, row["id"], {"welkin_id": kept_id}, None)
    return len(rows)
