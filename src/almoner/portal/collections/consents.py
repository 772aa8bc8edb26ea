"""Consents of a row: what they are, how each was received, and the recording of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from almoner.access.actors import name_sql
from almoner.data_api.declare import Resource, Row
from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.visit import Form, Visit
from almoner.portal import editing
from almoner.portal.editing import EditConflict, SavedRow
from almoner.portal.patient import Patient
from almoner.portal.values import in_sentence
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
SELECT r.row_id::text, r.consent, r.given AS granted, r.how, r.received_on, r.note,
    {name_sql("r.recorded_by")} AS by, r.recorded_at
FROM consent_records r WHERE r.environment_id = $1 AND r.row_id = ANY ($2::uuid[])
    ORDER BY r.id DESC
"""
# A consent that is not given was refused where anybody ever answered; else nobody asked.
_ANSWERED: Final = """
SELECT r.row_id::text, r.consent FROM consent_records r
WHERE r.environment_id = $1 AND r.row_id = ANY ($3::uuid[])
UNION SELECT c.row_id::text, f.name FROM changes c CROSS JOIN LATERAL unnest(c.fields) AS f (name)
WHERE c.environment_id = $1 AND c.patient_id = $2 AND c.row_id = ANY ($3::uuid[])
  AND c.kind = 'update'
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

    granted: bool
    how: str
    received_on: date
    note: str
    by: str
    recorded_at: datetime

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


async def answered(
    connection: Connection, environment_id: int, patient_id: str, row_ids: Sequence[str]
) -> set[tuple[str, str]]:
    """The consents of these rows that somebody ever answered, by row and consent: with a record, or
    by a change that another system made.
    """
    if not row_ids:
        return set()
    rows = await connection.fetch(_ANSWERED, environment_id, patient_id, row_ids)
    return {(row["row_id"], row["consent"]) for row in rows}


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
        if ended:
            store = visit.parts.store.within(connection)
            await store.update(visit.actor, resource, row_id, dict.fromkeys(ended, False), None)
        for name in (consent, *ended):
            await connection.execute(
                _RECORD,
                *(visit.environment_id, patient.id, resource.name, row_id, name, is_granted),
                *(form.text("how"), parsing.day(form.text("received_on"))),
                *(form.text("note").strip(), visit.actor.actor),
            )
    return result


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
