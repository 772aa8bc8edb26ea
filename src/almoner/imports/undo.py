"""An import is taken back: what it created is deleted, what it updated has its values of before
again, unless somebody has changed it since. What a process did by itself is nobody's: it keeps
nothing here, and goes with the patient whom it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from almoner.changes.differences import before_and_after
from almoner.data_api.declare import Resource
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.imports.results import Result
from almoner.resources import BY_NAME, RESOURCES

_CHANGED: Final = "It has been changed since."
_WRITTEN_ABOUT: Final = "Something about them has been written since."
_REFERRED: Final = "Something refers to it by now."
_NOW: Final = """
SELECT to_json(t)::text AS row, updated_at FROM {table} t
WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE
"""
_BY_OTHERS: Final = """
SELECT EXISTS (SELECT FROM changes WHERE environment_id = $1 AND patient_id = $2
  AND request_id <> $3 AND through <> 'process')
"""
# Who has written a row, or these fields of it, since the import did: people or other clients, or
# processes.
_SINCE: Final = """
SELECT coalesce(bool_or(through <> 'process'), false) AS others, count(*) > 0 AS anything
FROM changes WHERE environment_id = $1 AND patient_id = $2 AND resource = $3 AND row_id = $4
  AND request_id <> $5 AND (epoch, xid) > ($6, $7)
  AND ($8::text[] IS NULL OR fields IS NULL OR fields && $8)
"""
# The newest first: what refers to another goes before it.
_BY_PROCESSES: Final = """
SELECT resource, row_id::text FROM changes WHERE environment_id = $1 AND patient_id = $2
  AND kind = 'create' AND through = 'process' ORDER BY epoch DESC, xid DESC, seq DESC
"""
_IS_THERE: Final = "SELECT EXISTS (SELECT FROM {table} WHERE environment_id = $1 AND id = $2)"
_DIFFERENCES: Final = """
SELECT differences::text FROM changes WHERE environment_id = $1 AND epoch = $2 AND xid = $3
  AND resource = $4 AND row_id = $5 AND kind = 'update' ORDER BY seq
"""
_ALONG: Final = """
SELECT t.id::text FROM {table} t WHERE t.environment_id = $1 AND t.{field} = $2 AND EXISTS (
  SELECT FROM changes c WHERE c.environment_id = $1 AND c.epoch = $3 AND c.xid = $4
    AND c.kind = 'create' AND c.resource = '{table}' AND c.row_id = t.id)
"""


class KeptError(Exception):
    """Why a row stays as it is, in words."""


async def take_back(
    connection: Connection, store: Store, by: Actor, resource: Resource, result: Result
) -> None:
    """Takes back what came of a row. In a transaction of its own. Raises KeptError."""
    assert result.row_id is not None
    record = await connection.fetchrow(
        _NOW.format(table=resource.name), by.environment_id, result.row_id
    )
    if record is None:
        if result.outcome == "created":
            return
        raise KeptError("It is gone.")
    try:
        if result.outcome == "created":
            await _delete(connection, store, by, resource, result=result, record=record)
        else:
            await _restore(connection, store, by, resource, result=result, record=record)
    except asyncpg.IntegrityConstraintViolationError:
        raise KeptError(_REFERRED) from None
    except ApiError as refused:
        raise KeptError(" ".join(problem.detail for problem in refused.problems)) from None


async def _delete(
    connection: Connection,
    store: Store,
    by: Actor,
    resource: Resource,
    result: Result,
    record: Any,
) -> None:
    environment_id, row_id = by.environment_id, result.row_id
    assert row_id is not None
    if record["updated_at"] != result.updated_at:
        await _check_since(connection, by, resource, result=result, record=record)
    if resource.patient == "id":
        if await connection.fetchval(_BY_OTHERS, environment_id, row_id, by.request_id):
            raise KeptError(_WRITTEN_ABOUT)
        for each in await connection.fetch(_BY_PROCESSES, environment_id, row_id):
            there = _IS_THERE.format(table=each["resource"])
            if await connection.fetchval(there, environment_id, each["row_id"]):
                await store.delete(by, BY_NAME[each["resource"]], each["row_id"], None)
    for other in RESOURCES:
        for field, reference in other.references:
            if reference.to != resource.name:
                continue
            statement = _ALONG.format(table=other.name, field=field.name)
            along = await connection.fetch(
                statement, environment_id, row_id, result.epoch, result.xid
            )
            for row in along:
                await store.delete(by, other, row["id"], None)
    await store.delete(by, resource, row_id, None)


async def _check_since(
    connection: Connection,
    by: Actor,
    resource: Resource,
    *,
    result: Result,
    record: Any,
    names: Sequence[str] | None = None,
) -> None:
    """Raises KeptError where a row, or these fields of it, are not as the import wrote them, unless
    processes alone have written them since.
    """
    row = msgspec.json.decode(record["row"])
    patient_id = row[resource.patient] if resource.patient else None
    since = await connection.fetchrow(
        _SINCE,
        *(by.environment_id, patient_id, resource.name, result.row_id, by.request_id),
        *(result.epoch, result.xid, None if names is None else list(names)),
    )
    if since["others"] or not since["anything"]:
        raise KeptError(_CHANGED)


async def _restore(
    connection: Connection,
    store: Store,
    by: Actor,
    resource: Resource,
    result: Result,
    record: Any,
) -> None:
    assert result.row_id is not None
    texts = await connection.fetch(
        _DIFFERENCES,
        *(by.environment_id, result.epoch, result.xid, resource.name, result.row_id),
    )
    before, after = before_and_after(text["differences"] for text in texts)
    now: dict[str, Any] = msgspec.json.decode(record["row"])
    differing = [name for name, value in after.items() if now.get(name) != value]
    if differing:
        await _check_since(connection, by, resource, result=result, record=record, names=differing)
    if before:
        await store.update(by, resource, result.row_id, before, None)
