"""Erasing a person: everything of theirs in one transaction, and what is left of it in the logs.

What is about nobody else goes, each row of a collection with an entry of the change log, by which
followers delete theirs. What the logs held of its values is blanked. Text of other people's rows
that speaks of the person is not looked for: that is for who wrote it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from graphlib import TopologicalSorter
from typing import Any, Final

from almoner.access.secrets import SealError, SecretBox
from almoner.chains.amend import amend
from almoner.data_api.change_log_sql import log_cte
from almoner.data_api.declare import Resource
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.erasure import coverage, person, traces
from almoner.erasure.person import Terms, mentions
from almoner.resources.integration_tasks import integration_tasks

# A page may wait for less; here it takes as long as it takes.
_PATIENCE: Final = "SET LOCAL statement_timeout = '30min'"
# What was done for the patient is taken from whoever does it; nothing of it goes on.
_CALL_OFF: Final = f"""
UPDATE work_steps SET state = 'cancelled', runner_id = NULL, finished_at = clock_timestamp()
WHERE environment_id = $1 AND state IN ('ready', 'running', 'blocked')
  AND (job_id = ANY ($5::uuid[]) OR args IS NOT NULL AND {mentions("args::text", 2)})
"""
# What a step was given and answered with, where it wrote of the patient or names them, and what
# those were given that it came from.
_BLANK_STEPS: Final = f"""
WITH RECURSIVE about AS (
  SELECT id, parent_id, job_id FROM work_steps WHERE environment_id = $1
    AND (args IS NOT NULL OR result IS NOT NULL)
    AND {traces.STEPS}
  UNION SELECT s.id, s.parent_id, s.job_id FROM about JOIN work_steps s ON s.environment_id = $1
    AND s.id = about.parent_id
), blanked AS (
  UPDATE work_steps SET args = NULL, result = NULL
  WHERE environment_id = $1 AND id IN (SELECT id FROM about)
    AND state NOT IN ('ready', 'running', 'blocked')
), reasons AS (
  UPDATE work_dismissals SET reason = '' WHERE environment_id = $1
    AND job_id IN (SELECT job_id FROM about)
), calls AS (
  DELETE FROM integration_calls WHERE environment_id = $1
    AND job_id IN (SELECT job_id FROM about)
)
SELECT count(*) FROM about
"""
_ANSWERS: Final = """
DELETE FROM idempotency_keys WHERE environment_id = $1 AND (row_id = ANY ($2::uuid[])
  OR EXISTS (SELECT FROM unnest($3::uuid[]) AS id WHERE position(uuid_send(id) IN patient) > 0))
"""
_NOTES: Final = """
UPDATE import_results SET note = NULL WHERE environment_id = $1 AND row_id = ANY ($2::uuid[])
  AND note IS NOT NULL
"""
_VIEWS: Final = f"DELETE FROM panel_views WHERE {traces.VIEWS}"
# Nobody gets any more what names the person.
_MESSAGES_TO_MANY: Final = f"""
WITH about AS (SELECT id FROM bulk_messages WHERE {traces.MESSAGES_TO_MANY}), called_off AS (
  UPDATE bulk_recipients SET state = 'not sent', settled_at = clock_timestamp(),
    reason = 'the text named somebody who was erased'
  WHERE environment_id = $1 AND bulk_message_id IN (SELECT id FROM about) AND state = 'waiting'
)
UPDATE bulk_messages SET contents = '' WHERE environment_id = $1
  AND id IN (SELECT id FROM about)
"""
_PAUSES: Final = (
    "DELETE FROM process_pauses WHERE environment_id = $1 AND kind = 'patient'"
    " AND name = ANY ($2::text[])"
)
_EFFECTS: Final = """
DELETE FROM process_effects WHERE environment_id = $1 AND firing_id IN (
  SELECT id FROM process_firings WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[]))
"""
_PARTS: Final = """
SELECT import_id::text, place, sealed, problems_sealed FROM import_parts WHERE environment_id = $1
"""
_DELETE_PART: Final = (
    "DELETE FROM import_parts WHERE environment_id = $1 AND import_id = $2 AND place = $3"
)
_FORGET: Final = "SELECT almoner_forget($1, $2, $3, $4)"
# The keys of what it blanks and deletes, as the chains know rows.
_LOGGED: Final = """
SELECT ARRAY[epoch, xid, seq]::bigint[] AS key FROM changes WHERE environment_id = $1
  AND patient_id = ANY ($2::uuid[]) AND differences IS NOT NULL
"""
_LOGGED_MAPPINGS: Final = """
SELECT ARRAY[epoch, xid, seq]::bigint[] AS key FROM changes WHERE environment_id = $1
  AND row_id = ANY ($2::uuid[]) AND changed_at >= $3 AND resource = 'external_ids'
  AND differences IS NOT NULL
"""
_CONSENTS: Final = """
SELECT ARRAY[id] AS key FROM consent_records WHERE environment_id = $1
  AND patient_id = ANY ($2::uuid[])
"""


async def erase(
    connection: Connection, box: SecretBox, by: Actor, records: Sequence[str], erasure_id: str
) -> Mapping[str, int]:
    """Erases a person, whose ``records`` are locked (``person.locked``), in the caller's
    transaction, as the erasure of this id. Answers with how many rows went, by table.
    """
    owner = by.environment_id
    await connection.execute(_PATIENCE)
    known = await person.terms(connection, owner, records)
    counts: Counter[str] = Counter()
    touched = await _touched(connection, owner, records)
    counts["consent_records"] = len(touched["consent_records"])
    counts["bulk_messages"] = _number(
        await connection.execute(
            _MESSAGES_TO_MANY,
            *(owner, *traces.patterns_of_texts(known), records),
        )
    )
    firings = await _house_rows(connection, owner, records, counts)
    gone, mappings, since = await _rows(connection, by, records, counts)
    await _work(connection, by, records=records, firings=firings, known=known, counts=counts)
    rows = [*records, *gone]
    counts["idempotency_keys"] = _number(await connection.execute(_ANSWERS, owner, rows, records))
    counts["import_results"] = _number(await connection.execute(_NOTES, owner, rows))
    patterns = traces.patterns_of_views(known)
    counts["panel_views"] = _number(await connection.execute(_VIEWS, owner, *patterns))
    counts["import_parts"] = await _uploaded(connection, box, owner, known)
    touched["changes"] += await _keys(connection, _LOGGED_MAPPINGS, owner, mappings, since)
    await connection.execute(_FORGET, owner, records, mappings, since)
    await amend(connection, owner, erasure_id, touched)
    return {table: number for table, number in sorted(counts.items()) if number}


async def _touched(
    connection: Connection, owner: int, records: Sequence[str]
) -> dict[str, list[Sequence[int]]]:
    """The keys of the rows of logs that almoner_forget blanks or deletes."""
    return {
        "changes": await _keys(connection, _LOGGED, owner, records),
        "consent_records": await _keys(connection, _CONSENTS, owner, records),
    }


async def _keys(connection: Connection, statement: str, *values: Any) -> list[Sequence[int]]:
    return [row["key"] for row in await connection.fetch(statement, *values)]


async def _house_rows(
    connection: Connection, owner: int, records: Sequence[str], counts: Counter[str]
) -> list[str]:
    """Deletes what the house holds of a patient. Answers with the ids of their firings."""
    counts["process_pauses"] = _number(await connection.execute(_PAUSES, owner, records))
    await connection.execute(_EFFECTS, owner, records)
    firings: list[str] = []
    for table, column in coverage.ROWS.items():
        if table == "consent_records":
            continue
        key = "id" if table == "process_firings" else column
        rows = await connection.fetch(
            f"DELETE FROM {table} WHERE environment_id = $1 AND {column} = ANY ($2::uuid[])"
            f" RETURNING {key}::text AS id",
            *(owner, records),
        )
        counts[table] = len(rows)
        firings += [row["id"] for row in rows] if table == "process_firings" else []
    return firings


async def _rows(
    connection: Connection, by: Actor, records: Sequence[str], counts: Counter[str]
) -> tuple[list[str], list[str], datetime | None]:
    """Deletes the rows of the collections, each with its entry in the log. Answers with their ids,
    with those of mappings whose log names no patient, and when the oldest of these was made.
    """
    # Consents refer to the patient.
    await connection.execute(_FORGET, by.environment_id, records, [], None)
    gone: list[str] = []
    for resource in _in_order():
        rows = await connection.fetch(
            _delete(resource, f"{resource.patient}"), by.environment_id, records, *by.stamp
        )
        counts[resource.name] = len(rows)
        gone += [row["id"] for row in rows]
    mappings: list[str] = []
    moments: list[datetime] = []
    for resource in coverage.mappings():
        assert resource.any_reference is not None
        rows = await connection.fetch(
            _delete(resource, resource.any_reference[1]), by.environment_id, gone, *by.stamp
        )
        counts[resource.name] += len(rows)
        mappings += [row["id"] for row in rows if row["patient_id"] is None]
        moments += [row["created_at"] for row in rows if row["patient_id"] is None]
    return gone + mappings, mappings, min(moments, default=None)


@cache
def _in_order() -> tuple[Resource, ...]:
    """Those about a patient, each before those that it refers to."""
    about = {resource.name: resource for resource in coverage.collections()}
    referring = {name: {ref.to for _, ref in about[name].references} - {name} for name in about}
    parents_first = TopologicalSorter(referring).static_order()
    return tuple(about[name] for name in reversed(list(parents_first)) if name in about)


@cache
def _delete(resource: Resource, column: str) -> str:
    """Parameters: environment, the ids that ``column`` has, the actor's three. The log says that
    rows went, and not what was in them.
    """
    about = (
        f"CASE WHEN {resource.any_reference[0]} = 'patients' THEN {column} END"
        if resource.any_reference
        else column
    )
    return (
        f"WITH gone AS (DELETE FROM {resource.name} WHERE environment_id = $1 AND {column} = ANY"
        f" ($2::uuid[]) RETURNING *), log AS ({log_cte(resource, 'delete', 'gone', 3)}) SELECT"
        f" id::text, {about} AS patient_id, created_at FROM gone"
    )


async def _work(
    connection: Connection,
    by: Actor,
    records: Sequence[str],
    firings: Sequence[str],
    known: Terms,
    counts: Counter[str],
) -> None:
    """Calls off what is to be done for the person, and blanks what was."""
    owner = by.environment_id
    await connection.execute(_CALL_OFF, owner, *known.parameters, firings)
    counts["work_steps"] = await connection.fetchval(
        _BLANK_STEPS, owner, *known.parameters, firings, records
    )
    fields = ["errors", "ref_ids"]
    counts[integration_tasks.name] += await connection.fetchval(
        _blank_tasks(), owner, *known.parameters, *by.stamp, fields, known.texts
    )


@cache
def _blank_tasks() -> str:
    """Tasks that name the person and are of no patient: what they name goes."""
    log = log_cte(integration_tasks, "update", "blanked", 5, fields="$8::text[]")
    return (
        "WITH blanked AS (UPDATE integration_tasks SET errors = '[]', ref_ids = '{}' WHERE"
        f" environment_id = $1 AND (ref_ids && $9::text[] OR {mentions('errors::text', 2)})"
        f" RETURNING *), log AS ({log}) SELECT count(*) FROM blanked"
    )


async def _uploaded(connection: Connection, box: SecretBox, owner: int, known: Terms) -> int:
    """Deletes the parts of files that were uploaded and name the person. What is sealed with a key
    that is lost tells nobody anything.
    """
    number = 0
    for row in await connection.fetch(_PARTS, owner):
        sealed = [row["sealed"], *([row["problems_sealed"]] if row["problems_sealed"] else [])]
        try:
            texts = [box.open(part, row["import_id"]) for part in sealed]
        except SealError:
            continue
        if any(map(known.are_in, texts)):
            await connection.execute(_DELETE_PART, owner, row["import_id"], row["place"])
            number += 1
    return number


def _number(tag: str) -> int:
    """How many rows a statement wrote, of its command tag."""
    return int(tag.rpartition(" ")[2])
