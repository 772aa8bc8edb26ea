"""``POST /processes/hooks/{name}``: another system says that something happened to a patient.

The caller proves who it is by the hook's secret (``access/hook_proof.py``), which also says which
environment is meant. A call that comes again sets nothing off again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from almoner.access.audit import ReadAudit
from almoner.access.hooks import HookCallers, Hooks
from almoner.access.secrets import SecretBox
from almoner.data_api.writes import new_id
from almoner.database import Connection, Database
from almoner.errors import problem
from almoner.patient_merges.current_sql import current_id
from almoner.processes.events import Event
from almoner.vocabulary import json_values
from almoner.vocabulary.json_values import JsonError

_DAYS: Final = 100
_SAVE: Final = """
INSERT INTO process_hooks (environment_id, name, way, sealed) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, name) DO UPDATE
SET way = excluded.way, sealed = excluded.sealed, changed_at = clock_timestamp()
"""
_CLOSE: Final = """
DELETE FROM process_hooks WHERE environment_id = $1 AND name = $2 RETURNING name
"""
_LIST: Final = """
SELECT name, way, changed_at FROM process_hooks WHERE environment_id = $1 ORDER BY name
"""
_READ: Final = """
SELECT environment_id, way, sealed FROM process_hooks WHERE name = $1 ORDER BY environment_id
"""
_BY_EXTERNAL_ID: Final = """
SELECT welkin_id::text FROM external_ids WHERE environment_id = $1 AND resource = 'patients'
  AND namespace = $2 AND external_id = $3
"""
_PATIENT: Final = """
SELECT id::text FROM patients WHERE environment_id = $1 AND id = $2
"""
# Later than those, no signature counts and no trial looks.
_TAKE: Final = f"""
WITH cleared AS (
  DELETE FROM process_calls WHERE environment_id = $1
  AND received_at < clock_timestamp() - interval '{_DAYS} days' AND read_at IS NOT NULL
)
INSERT INTO process_calls (environment_id, id, hook, digest, patient_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment_id, hook, digest) DO NOTHING RETURNING id::text
"""
_TAKEN: Final = """
SELECT id::text FROM process_calls WHERE environment_id = $1 AND hook = $2 AND digest = $3
"""
_LATEST: Final = """
SELECT id::text, patient_id::text, received_at FROM process_calls
WHERE environment_id = $1 AND hook = $2 ORDER BY received_at DESC LIMIT $3
"""
_UNREAD: Final = f"""
UPDATE process_calls SET read_at = clock_timestamp() WHERE environment_id = $1 AND id IN (
  SELECT id FROM process_calls WHERE environment_id = $1 AND read_at IS NULL
  ORDER BY received_at LIMIT $2)
RETURNING id::text, hook, {current_id("process_calls.patient_id")}::text AS patient_id, received_at
"""
_SINCE: Final = f"""
SELECT id::text, hook, {current_id("process_calls.patient_id")}::text AS patient_id, received_at
FROM process_calls
WHERE environment_id = $1 AND hook = $2 AND received_at BETWEEN $3 AND $4 ORDER BY received_at, id
"""
_EXPECTED: Final = (
    'Name the patient: {"patient_id": "…"}, or {"namespace": "…", "external_id": "…"}.'
)


def _sealed_for(environment_id: int, name: str) -> str:
    return f"process hook {environment_id}/{name}"


HOOKS: Final = Hooks(
    resource="processes",
    about="process hook",
    path="/processes/hooks/{name}",
    read=_READ,
    save=_SAVE,
    close=_CLOSE,
    sealed_for=_sealed_for,
)


@dataclass(frozen=True)
class OpenHook:
    """A hook that is open: how its callers prove who they are, and since when (UTC)."""

    name: str
    way: str
    changed_at: datetime


async def all_of(connection: Connection, environment_id: int) -> dict[str, OpenHook]:
    """The hooks that are open, by their names."""
    rows = await connection.fetch(_LIST, environment_id)
    return {row["name"]: OpenHook(**row) for row in rows}


async def latest(
    connection: Connection, environment_id: int, name: str, most: int
) -> Sequence[Mapping[str, Any]]:
    """The latest calls that a hook took: ``patient_id`` and ``received_at`` (UTC)."""
    rows: Sequence[Mapping[str, Any]] = await connection.fetch(_LATEST, environment_id, name, most)
    return rows


def route(
    database: Database,
    box: SecretBox,
    audit: ReadAudit,
    now: Callable[[], float] = time.time,
    watch: Callable[[], float] = time.monotonic,
) -> Route:
    """The route. ``now`` is in seconds since 1970; ``watch`` tells seconds."""
    callers = HookCallers.noted_in(audit, HOOKS, database, box, watch)

    async def called(request: Request) -> Response:
        name, body = request.path_params["name"], await request.body()
        environment_id, digest = await callers.of(request, name, body, now())
        async with database.transaction() as connection:
            patient_id = await _patient(connection, environment_id, body)
            values = (environment_id, new_id(), name, digest, patient_id)
            call_id, status = await connection.fetchval(_TAKE, *values), 202
            if call_id is None:
                call_id = await connection.fetchval(_TAKEN, environment_id, name, digest)
                status = 200
        answer = msgspec.json.encode({"call_id": call_id})
        return Response(answer, status, media_type="application/json")

    return HOOKS.route(called)


async def _patient(connection: Connection, environment_id: int, body: bytes) -> str:
    """The patient that a call names. Raises a 400 or 404 ApiError."""
    try:
        named = json_values.from_outside(body)
    except JsonError:
        raise problem("bad_request", f"The body is not JSON. {_EXPECTED}") from None
    if not isinstance(named, dict):
        raise problem("bad_request", _EXPECTED)
    id_here, patient_id = named.get("patient_id"), None
    if isinstance(id_here, str):
        patient_id = await connection.fetchval(_PATIENT, environment_id, _guid(id_here))
    elif isinstance(named.get("namespace"), str) and isinstance(named.get("external_id"), str):
        other = (named["namespace"], named["external_id"])
        if "\x00" not in "".join(other):
            patient_id = await connection.fetchval(_BY_EXTERNAL_ID, environment_id, *other)
    else:
        raise problem("bad_request", _EXPECTED)
    if patient_id is None:
        raise problem("not_found", "There is no such patient here.")
    return str(patient_id)


def _guid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def unread(connection: Connection, environment_id: int, most: int) -> list[Event]:
    """The next calls that set nothing off yet, the oldest first. That they were read is written
    down.
    """
    rows = await connection.fetch(_UNREAD, environment_id, most)
    return [_event(row) for row in sorted(rows, key=lambda row: row["received_at"])]


async def between(connection: Connection, environment_id: int, *values: Any) -> list[Event]:
    """The calls of the hook of a name from one moment to another."""
    return [_event(row) for row in await connection.fetch(_SINCE, environment_id, *values)]


def _event(call: Any) -> Event:
    return Event(
        on="hook_called",
        of=call["hook"],
        patient_id=call["patient_id"],
        resource="patients",
        row_id=call["patient_id"],
        cause=f"{call['id']}:hook_called",
        at=call["received_at"],
    )
