"""An import is taken back: what it created is deleted, what it updated has its values of before
again, unless somebody has changed it since.
"""

from __future__ import annotations

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
from almoner.resources import RESOURCES

_CHANGED: Final = "It has been changed since."
_WRITTEN_ABOUT: Final = "Something about them has been written since."
_REFERRED: Final = "Something refers to it by now."
_NOW: Final = """
SELECT to_json(t)::text AS row, updated_at FROM {table} t
WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE
"""
_BY_OTHERS: Final = """
SELECT EXISTS (SELECT FROM changes WHERE environment_id = $1 AND patient_id = $2
  AND request_id <> $3)
"""
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
        raise KeptError(_CHANGED)
    if resource.patient == "id" and await connection.fetchval(
        _BY_OTHERS, environment_id, row_id, by.request_id
    ):
        raise KeptError(_WRITTEN_ABOUT)
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
    if any(now.get(name) != value for name, value in after.items()):
        raise KeptError(_CHANGED)
    if before:
        await store.update(by, resource, result.row_id, before, None)
