"""What has happened to patients, read from the change log: the events that set processes off."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from almoner.changes.feed import Position, behind, cursor_of
from almoner.database import Connection
from almoner.patient_merges.current_sql import current_id, with_merged
from almoner.processes.consents import CONSENT_FIELDS
from almoner.resources._entered_in_error import HOLDS
from almoner.vocabulary.times import iso
from almoner.workshop.trigger_design import Trigger

# The phase that a patient was created in is what the first change of it found.
_FIRST_PHASE: Final = """
coalesce((SELECT d.differences -> 'phase' ->> 0 FROM changes d WHERE d.environment_id = $1
  AND d.patient_id = c.row_id AND (d.epoch, d.xid, d.seq) > (c.epoch, c.xid, c.seq)
  AND d.resource = 'patients' AND 'phase' = ANY (d.fields)
  ORDER BY d.epoch, d.xid, d.seq LIMIT 1), r.phase)
"""
# What a field was right after a change is what the next change of it found.
_THEN: Final = """
coalesce((SELECT (d.differences -> '{field}' ->> 0)::boolean FROM changes d
  WHERE d.environment_id = $1 AND d.patient_id = c.patient_id
  AND (d.epoch, d.xid, d.seq) > (c.epoch, c.xid, c.seq) AND d.resource = c.resource
  AND d.row_id = c.row_id AND '{field}' = ANY (d.fields)
  ORDER BY d.epoch, d.xid, d.seq LIMIT 1), r.{field})
"""


def _consented(consent: str) -> str:
    """The name of a consent where a row gave it right after a change, else null."""
    then = " AND ".join(_THEN.format(field=field) for field in CONSENT_FIELDS[consent])
    return f"CASE WHEN {then} THEN '{consent}' END"


# Of each collection, what decides whether a change of it is an event, and which.
_ROWS: Final = {
    "patients": f"{_FIRST_PHASE} AS of",
    "assessment_responses": "r.spec_id AS of",
    "custom_data_type_records": "r.type_name AS of",
    "messages": "r.direction AS of",
    "calendar_events": "r.appointment_type AS of",
    "phone_numbers": f"concat_ws(' ', {_consented('sms')}, {_consented('calls')}) AS of",
    "email_addresses": f"{_consented('email')} AS of",
}
# What was entered in error sets nothing off.
_HOLD: Final = dict.fromkeys(("assessment_responses", "messages"), f"AND r.{HOLDS}")
_ROW: Final = " ".join(
    f"WHEN '{name}' THEN (SELECT to_json(found) FROM (SELECT {columns}, r.created_at FROM {name} r"
    f" WHERE r.environment_id = $1 AND r.id = c.row_id {_HOLD.get(name, '')}) found)"
    for name, columns in _ROWS.items()
)
_CHANGES: Final = f"""
SELECT c.epoch, c.xid, c.seq, c.kind, c.resource, c.row_id::text,
  {current_id("c.patient_id")}::text AS patient_id, c.changed_at,
  c.actor, c.request_id, c.fields, c.differences::text, CASE c.resource {_ROW} END::text AS row
FROM changes c
"""
# What was taken back, and that it was, sets nothing off.
_STANDS: Final = """
CASE WHEN c.through IN ('process', 'undo') THEN NOT EXISTS (SELECT FROM process_firings f
  WHERE f.environment_id = $1 AND f.id = c.request_id::uuid AND f.state = 'undone') ELSE true END
"""
_OF_PATIENT: Final = f"""
{_CHANGES} WHERE c.environment_id = $1 AND c.patient_id IN ({with_merged("$2")})
  AND c.changed_at > $3 AND c.changed_at <= $4 AND c.resource = ANY ($5::text[])
  AND c.kind IN ('create', 'update') AND {_STANDS}
ORDER BY c.epoch, c.xid, c.seq
"""
_READ: Final = f"""
{_CHANGES} WHERE c.environment_id = $1 AND {behind(2)}
  AND (c.epoch, c.xid, c.seq) <= ($5, $6, $7) AND c.resource = ANY ($8::text[])
  AND c.patient_id IS NOT NULL AND c.kind IN ('create', 'update') AND c.changed_at >= $9
  AND ($10 OR c.through <> 'demo') AND {_STANDS}
ORDER BY c.epoch, c.xid, c.seq LIMIT $11
"""
_AHEAD: Final = """
SELECT id::text AS row_id, user_id::text AS patient_id, appointment_type AS of, start_time
FROM calendar_events WHERE environment_id = $1 AND start_time > $2 AND start_time <= $3
  AND outcome IS NULL AND ($4 = '' OR appointment_type = $4)
ORDER BY start_time, id
"""
# The collection whose changes are an event.
_OF: Final = {
    "patient_created": "patients",
    "phase_entered": "patients",
    "phase_left": "patients",
    "assessment_finished": "assessment_responses",
    "record_written": "custom_data_type_records",
    "message_received": "messages",
    "appointment_booked": "calendar_events",
    "appointment_missed": "calendar_events",
}
BATCH: Final = 500


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a patient, the record that theirs goes on as. ``of`` is the phase,
    the assessment's id, the type of record or of appointment; ``cause`` names it once and for all;
    ``at`` is in UTC.

    ``actor`` and ``request_id`` are those of the change; blank where no change is behind it."""

    on: str
    of: str
    patient_id: str
    resource: str
    row_id: str
    cause: str
    at: datetime
    actor: str = ""
    request_id: str = ""

    @property
    def as_json(self) -> dict[str, str]:
        """What a firing keeps of it."""
        return {"on": self.on, "of": self.of, "resource": self.resource, "row_id": self.row_id}


def narrowed(when: Trigger) -> str:
    """What a trigger asks the event to be of; blank where of anything."""
    return (
        when.phase
        or when.assessment
        or when.record
        or when.appointment
        or when.consent
        or when.hook
    )


def starts(when: Trigger, event: Event) -> bool:
    """Whether an event is what a trigger waits for."""
    return when.event == event.on and narrowed(when) in ("", event.of)


def collections_of(when: Trigger) -> Collection[str]:
    """The collections whose changes may be what a trigger waits for."""
    known = _OF.get(str(when.event))
    return tuple(_ROWS) if known is None else (known,)


@dataclass(frozen=True)
class LogSpan:
    """A part of the log: behind ``after``, up to ``until``, of changes since a moment.

    ``with_demo``: those of the demo too, which set nothing off. ``of``: of these collections."""

    after: Position
    until: Position
    since: datetime
    with_demo: bool = False
    of: Collection[str] = tuple(_ROWS)


async def read(
    connection: Connection, environment_id: int, span: LogSpan, batch: int = BATCH
) -> tuple[list[Event], Position | None]:
    """The events of the next changes in a span, and where to go on; None at its end."""
    after, until = span.after, span.until
    rows = await connection.fetch(
        _READ,
        environment_id,
        *(after.epoch, after.xid, after.seq, until.epoch, until.xid, until.seq),
        *(list(span.of), span.since, span.with_demo, batch),
    )
    events = [event for row in rows for event in _events(row)]
    if len(rows) < batch:
        return events, None
    return events, Position(rows[-1]["epoch"], rows[-1]["xid"], rows[-1]["seq"])


async def of_patient(
    connection: Connection,
    environment_id: int,
    patient_id: str,
    span: tuple[datetime, datetime],
) -> list[Event]:
    """What happened to a patient behind a moment and up to another, in UTC, as the log has it."""
    rows = await connection.fetch(_OF_PATIENT, environment_id, patient_id, *span, list(_ROWS))
    return [event for row in rows for event in _events(row)]


class _Row(msgspec.Struct):
    """What decides which events a change of a row is."""

    of: str | None
    created_at: datetime


_row: Final = msgspec.json.Decoder(_Row).decode


def _events(change: Mapping[str, Any]) -> Iterator[Event]:
    if not change["row"]:
        return  # it is gone by now
    row = _row(change["row"])
    is_new = change["kind"] == "create"
    for on, of in _named(change, row.of or "", is_new):
        cursor = cursor_of(change["epoch"], change["xid"], change["seq"])
        yield Event(
            on=on,
            of=of,
            patient_id=change["patient_id"],
            resource=change["resource"],
            row_id=change["row_id"],
            cause=f"{cursor}:{on}",
            # Who loads what was long ago says when that was.
            at=min(row.created_at, change["changed_at"]) if is_new else change["changed_at"],
            actor=change["actor"],
            request_id=change["request_id"],
        )


def _named(change: Mapping[str, Any], of: str, is_new: bool) -> Iterator[tuple[str, str]]:
    resource = change["resource"]
    if resource == "patients" and is_new:
        yield "patient_created", ""
        yield "phase_entered", of
    elif resource == "patients":
        pair = _difference(change, "phase")
        if pair is not None:
            yield "phase_left", pair[0] or ""
            yield "phase_entered", pair[1] or ""
    elif resource == "custom_data_type_records":
        if change["fields"] not in (["user_id"], ["single"]):
            yield "record_written", of
    elif resource == "assessment_responses" and is_new:
        yield "assessment_finished", of
    elif resource == "messages" and is_new and of == "inbound":
        yield "message_received", ""
    elif resource == "calendar_events" and is_new:
        yield "appointment_booked", of
    elif resource == "calendar_events":
        pair = _difference(change, "outcome")
        if pair is not None and pair[1] == "no-show":
            yield "appointment_missed", of
    elif resource in ("phone_numbers", "email_addresses"):
        for consent in of.split():
            pairs = [_difference(change, field) for field in CONSENT_FIELDS[consent]]
            if is_new or any(pair is not None and not pair[0] for pair in pairs):
                yield "consent_given", consent


def _difference(change: Mapping[str, Any], field: str) -> list[Any] | None:
    """What a field was and is since this change; None where it did not change."""
    changed = msgspec.json.decode(change["differences"]) if change["differences"] else {}
    pair: list[Any] | None = changed.get(field)
    return pair


def appointment_cause(row_id: str, start_time: datetime | None) -> str:
    """What names an appointment that is ahead once and for all: one that is moved is ahead again.
    It has no time any more where that is None.
    """
    return f"{row_id}:{iso(start_time) if start_time is not None else ''}"


async def ahead(
    connection: Connection, environment_id: int, when: Trigger, first: datetime, last: datetime
) -> list[Event]:
    """The appointments that are so many hours ahead at a moment behind ``first``, up to ``last``.

    One that is moved is ahead once more."""
    before = timedelta(hours=when.hours or 0)
    rows = await connection.fetch(
        _AHEAD, environment_id, first + before, last + before, when.appointment
    )
    return [
        Event(
            on="appointment_ahead",
            of=row["of"],
            patient_id=row["patient_id"],
            resource="calendar_events",
            row_id=row["row_id"],
            cause=appointment_cause(row["row_id"], row["start_time"]),
            at=row["start_time"] - before,
        )
        for row in rows
    ]
