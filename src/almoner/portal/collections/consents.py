"""Consents of a row: what they are, how each was received, and the recording of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from almoner.access.actors import name_sql
from almoner.data_api.declare import Resource, Row
from almoner.database import Connection
from almoner.figures.rows import consent_recorded
from almoner.pages import parsing
from almoner.pages.visit import Form, Visit
from almoner.portal import editing
from almoner.portal.editing import EditConflict, SavedRow
from almoner.portal.patient import Patient
from almoner.portal.values import in_sentence
from almoner.resources._consent_answers import UNDONE
from almoner.resources._consents import consents_of
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Consent

# How a consent was received, as it is stored, with what the form says of it and what a sentence
# does.
WAYS: Final = (("voice", "By voice"), ("writing", "In writing"), ("digital", "Digitally"))
ANSWERS: Final = ("yes", "no")
_CONTROLS: Final = ("given", "how", "received_on", "note")
_LONGEST_NOTE: Final = 2000
_RECORDS: Final = f"""
SELECT r.id, r.row_id::text, r.consent, r.given AS granted, r.how, r.received_on, r.note,
    {name_sql("r.recorded_by")} AS by, r.recorded_at
FROM consent_records r WHERE r.environment_id = $1 AND r.row_id = ANY ($2::uuid[])
    ORDER BY r.id DESC
"""
# Records of the visitor's of this hour that nothing was recorded or changed after, with what the
# consent was before; null where it was that already.
_LATEST: Final = """
SELECT r.consent, r.given AS granted, (
  SELECT c.differences #>> ARRAY[r.consent, '0'] FROM changes c
  WHERE c.environment_id = $1 AND c.patient_id = $2 AND c.row_id = r.row_id AND c.kind = 'update'
    AND c.actor = $5 AND c.through = 'portal' AND c.fields = ARRAY[r.consent]
    AND c.changed_at BETWEEN r.recorded_at - interval '10 seconds'
      AND r.recorded_at + interval '1 second'
    AND NOT EXISTS (SELECT FROM consent_records e WHERE e.environment_id = $1
      AND e.row_id = r.row_id AND e.consent = r.consent AND e.id < r.id
      AND e.recorded_at >= c.changed_at)
  ORDER BY c.changed_at DESC LIMIT 1) AS was
FROM consent_records r JOIN {table} t ON t.environment_id = $1 AND t.id = r.row_id
WHERE r.environment_id = $1 AND r.patient_id = $2 AND r.row_id = $3 AND r.id = ANY ($4::bigint[])
  AND r.recorded_by = $5 AND r.recorded_at > now() - interval '1 hour' AND r.how <> $6
  AND (to_jsonb(t) ->> r.consent)::boolean = r.given AND NOT EXISTS (
    SELECT FROM consent_records later WHERE later.environment_id = $1
      AND later.row_id = r.row_id AND later.consent = r.consent AND later.id > r.id)
ORDER BY r.id
"""
_RECORD: Final = """
INSERT INTO consent_records (environment_id, patient_id, resource, row_id, consent, given, how,
    received_on, note, recorded_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


@dataclass(frozen=True, kw_only=True)
class ConsentRecord:
    """How and when a consent was received or taken back. ``received_on`` is the day on which it
    was, ``recorded_at`` in UTC.
    """

    id: int
    granted: bool
    how: str
    received_on: date
    note: str
    by: str
    recorded_at: datetime

    @property
    def is_undo(self) -> bool:
        """Whether it takes back the one before it."""
        return self.how == UNDONE

    @property
    def way(self) -> str:
        """How it was received, within a sentence."""
        return in_sentence(dict(WAYS).get(self.how, self.how))


Records = Mapping[tuple[str, str], Sequence[ConsentRecord]]


def needed_for(resource: Resource, consent: str) -> str:
    """The consent without which this one means nothing: it is given after that, and ends with it;
    empty where there is none.
    """
    kind = resource.field(consent).kind
    return kind.needs if isinstance(kind, Consent) else ""


async def records_of(
    connection: Connection, environment_id: int, row_ids: Sequence[str]
) -> Records:
    """What was recorded of the consents of these rows, by row and consent, the newest first."""
    records: dict[tuple[str, str], list[ConsentRecord]] = {}
    for row in await connection.fetch(_RECORDS, environment_id, row_ids) if row_ids else ():
        columns = dict(row)
        records.setdefault((columns.pop("row_id"), columns.pop("consent")), []).append(
            ConsentRecord(**columns)
        )
    return records


def answer_of(form: Form) -> dict[str, str]:
    """What was typed into the form of an answer."""
    return {name: form.text(name) for name in _CONTROLS}


async def record(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    resource: Resource,
    *,
    row_id: str,
    consent: str,
    form: Form,
) -> SavedRow | EditConflict | dict[str, str]:
    """Writes an answer, how it was received, and what ends with it: all or nothing.

    Errors by control where it cannot be recorded."""
    errors = _errors(form, clocks.today(visit.worker.timezone))
    if errors:
        return errors
    is_granted = form.text("given") == "yes"
    async with connection.transaction():
        await consent_recorded(connection, visit.environment_id, patient.id)
        needed = needed_for(resource, consent)
        if (
            is_granted
            and needed
            and not await _is_granted(connection, visit, resource, row_id, needed)
        ):
            why = "first: without it, this one is of no use."
            return {"given": f"Record the consent to {consents_of(resource)[needed]} {why}"}
        answer = {consent: is_granted}
        result = await editing.update(visit, resource, row_id, answer, form, within=connection)
        # Who took the other's answer has received nothing that could be recorded.
        if isinstance(result, EditConflict) or result.row[consent] != is_granted:
            return result
        ended = () if is_granted else _ending_with(resource, consent, result.row)
        store = visit.parts.store.within(connection)
        # Each by itself, as each is taken back.
        for name in ended:
            await store.update(visit.actor, resource, row_id, {name: False}, None)
        for name in (consent, *ended):
            await connection.execute(
                _RECORD,
                *(visit.environment_id, patient.id, resource.name, row_id, name, is_granted),
                *(form.text("how"), parsing.day(form.text("received_on"))),
                *(form.text("note").strip(), visit.actor.actor),
            )
    return result


async def undo(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    resource: Resource,
    *,
    row_id: str,
    record_ids: Sequence[int],
) -> bool:
    """Takes back what the visitor recorded within the hour by these records, all of them or none;
    answers whether it did: not where somebody has answered since. What was recorded stays, with a
    record that it was taken back.
    """
    async with connection.transaction():
        await consent_recorded(connection, visit.environment_id, patient.id)
        # Who answers meanwhile waits, or is waited for.
        await connection.execute(
            f"SELECT FROM {resource.name} WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE",
            *(visit.environment_id, row_id),
        )
        rows = await connection.fetch(
            _LATEST.format(table=resource.name),
            *(visit.environment_id, patient.id, row_id, record_ids, visit.actor.actor, UNDONE),
        )
        if not record_ids or len(rows) != len(record_ids):
            return False
        store = visit.parts.store.within(connection)
        for row in rows:
            is_granted = row["granted"] if row["was"] is None else row["was"] == "true"
            await store.update(visit.actor, resource, row_id, {row["consent"]: is_granted}, None)
            await connection.execute(
                _RECORD,
                *(visit.environment_id, patient.id, resource.name, row_id, row["consent"]),
                *(is_granted, UNDONE, clocks.today(visit.worker.timezone), ""),
                visit.actor.actor,
            )
    return True


def _ending_with(resource: Resource, consent: str, row: Row) -> tuple[str, ...]:
    """The consents of a row that end with this one."""
    names = consents_of(resource)
    return tuple(name for name in names if row[name] and needed_for(resource, name) == consent)


async def _is_granted(
    connection: Connection, visit: Visit, resource: Resource, row_id: str, consent: str
) -> bool:
    """Whether another consent of the row is given; it stays so until the transaction ends."""
    row = f"FROM {resource.name} WHERE environment_id = $1 AND id = $2 FOR SHARE"
    return bool(await connection.fetchval(f"SELECT {consent} {row}", visit.environment_id, row_id))


def _errors(form: Form, today: date) -> dict[str, str]:
    errors: dict[str, Any] = {}
    if form.text("given") not in ANSWERS:
        errors["given"] = "Say whether the patient consents."
    if form.text("how") not in dict(WAYS):
        errors["how"] = "Say how it was received."
    received = parsing.day(form.text("received_on"))
    if received is None:
        errors["received_on"] = "Give the day on which it was received."
    elif received > today:
        errors["received_on"] = "It cannot have been received on a day that is still to come."
    if len(form.text("note")) > _LONGEST_NOTE:
        errors["note"] = f"Keep the note below {_LONGEST_NOTE:,} characters."
    return errors
