"""The audit trail as it is read, for those who answer for who saw and changed what: writes and reads in one list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.times import iso

DEFAULT: Final = 1_000

# The change log and the notes of reads, with the same columns. {patients} are the entry's, or the one asked for.
_WRITES: Final = """
(SELECT changed_at AS at, actor, through, request_id, kind AS verb, resource, row_id::text,
  {patients}, coalesce(fields, '{{}}') AS fields
FROM changes WHERE environment_id = $1{conditions} ORDER BY changed_at DESC LIMIT $2)
"""
_WRITTEN_PATIENTS: Final = "CASE WHEN patient_id IS NULL THEN '{}' ELSE ARRAY[patient_id::text] END"
_READS: Final = """
(SELECT read_at AS at, actor, through, request_id, verb, resource, row_id::text, {patients}, '{{}}'::text[] AS fields
FROM audit_reads WHERE environment_id = $1{conditions} ORDER BY read_at DESC LIMIT $2)
"""


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One read or write of one caller.

    ``verb`` is ``get`` or ``find`` for reads, ``create``, ``update`` or ``delete`` for writes. ``row_id`` is the row of a write or
    of a ``get`` through the API, None for a ``find``. ``patient_ids``: whom it was about; where one patient is asked for, that one
    alone. ``fields``: what an update named; never their values.
    """

    at: datetime
    actor: str
    through: str
    request_id: str
    verb: str
    resource: str
    row_id: str | None
    patient_ids: tuple[str, ...]
    fields: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        """The entry as JSON shows it."""
        return {
            "at": iso(self.at),
            "actor": self.actor,
            "through": self.through,
            "request_id": self.request_id,
            "verb": self.verb,
            "resource": self.resource,
            "row_id": self.row_id,
            "patient_ids": list(self.patient_ids),
            "fields": list(self.fields),
        }


async def trail(
    connection: Connection,
    environment_id: int,
    *,
    patient: str | None = None,
    actor: str | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
    limit: int = DEFAULT,
) -> list[TrailEntry]:
    """The newest entries of an environment, newest first, at most ``limit`` of them.

    ``patient`` is a patient's GUID. ``actor`` is as entries tell it; a client's id alone means that client. ``begin`` is inclusive,
    ``end`` is not; both have a time zone.
    """
    arguments: list[Any] = [environment_id, limit]
    writes, reads = "", ""

    def narrow(value: Any, on_writes: str, on_reads: str) -> None:
        nonlocal writes, reads
        if value is not None:
            arguments.append(value)
            place = f"${len(arguments)}"
            writes += f" AND {on_writes.format(place)}"
            reads += f" AND {on_reads.format(place)}"

    # Sixteen bytes found at a place that is no id's beginning would be chance itself; the second condition settles even that.
    narrow(patient, "patient_id = {0}", "position(uuid_send({0}) IN patients) > 0 AND {0} = ANY(almoner_ids(patients))")
    named = None if actor is None else [actor, f"client:{actor.lower()}"]
    narrow(named, "actor = ANY({}::text[])", "actor = ANY({}::text[])")
    narrow(begin, "changed_at >= {}", "read_at >= {}")
    narrow(end, "changed_at < {}", "read_at < {}")
    shown = "ARRAY[$3::uuid::text]" if patient is not None else ""
    statement = (
        _WRITES.format(conditions=writes, patients=f"{shown or _WRITTEN_PATIENTS} AS patient_ids")
        + "UNION ALL"
        + _READS.format(conditions=reads, patients=f"{shown or 'almoner_ids(patients)::text[]'} AS patient_ids")
        + "ORDER BY at DESC, request_id, verb, resource, row_id LIMIT $2"
    )
    records = await connection.fetch(statement, *arguments)
    return [
        TrailEntry(**{**record, "patient_ids": tuple(record["patient_ids"]), "fields": tuple(record["fields"])})
        for record in records
    ]
