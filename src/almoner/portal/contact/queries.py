"""What is known of how to reach a patient, read together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from almoner.access.actors import name_sql
from almoner.data_api import statements
from almoner.data_api.declare import Row
from almoner.data_api.refusals import not_found
from almoner.database import Connection
from almoner.errors import problem
from almoner.portal.contact.sections import EMAILS, IDS, PHONES, ContactSection
from almoner.resources.patients import patients
from almoner.vocabulary.fields import Shape

_OWNED = {
    "phones": "user_id = $2",
    "emails": "user_id = $2",
    # By what a merge writes, programs that know the other record find this one.
    "ids": "welkin_id = $2 AND resource = 'patients' AND namespace NOT LIKE 'merged:%'",
}
_RECORDS = f"""
SELECT r.row_id::text, r.consent, r.given, r.how, r.received_on, r.note, {name_sql("r.recorded_by")} AS by, r.recorded_at
FROM consent_records r WHERE r.environment_id = $1 AND r.row_id = ANY ($2::uuid[]) ORDER BY r.id DESC
"""


@dataclass(frozen=True, kw_only=True)
class ConsentRecord:
    """How and when a consent was received or taken back. ``received_on`` is the day on which it was, ``recorded_at`` in UTC."""

    given: bool
    how: str
    received_on: date
    note: str
    by: str
    recorded_at: datetime


@dataclass(frozen=True)
class ContactRow:
    """A row of a section, as the API shows it, with the records of each of its consents, the newest first."""

    id: str
    row: Row
    updated_at: datetime
    records: Mapping[str, tuple[ConsentRecord, ...]]


async def rows(connection: Connection, environment_id: int, patient_id: str, section: ContactSection) -> list[ContactRow]:
    """The patient's rows of a section, the oldest first, each with its records."""
    resource = section.resource
    body = statements.body(resource, Shape.STORED, resource.name)
    found = await connection.fetch(
        f"SELECT {resource.name}.id::text, {body}, updated_at FROM {resource.name} "
        f"WHERE environment_id = $1 AND {_OWNED[section.slug]} ORDER BY created_at, id",
        *(environment_id, patient_id),
    )
    records: dict[tuple[str, str], list[ConsentRecord]] = {}
    if section.consents and found:
        for told in await connection.fetch(_RECORDS, environment_id, [row["id"] for row in found]):
            values = dict(told)
            records.setdefault((values.pop("row_id"), values.pop("consent")), []).append(ConsentRecord(**values))
    return [
        ContactRow(
            row["id"],
            msgspec.json.decode(row["body"]),
            row["updated_at"],
            {consent: tuple(records.get((row["id"], consent), ())) for consent in section.consents},
        )
        for row in found
    ]


async def details(connection: Connection, environment_id: int, patient_id: str) -> ContactRow:
    """The patient's own row. Raises a 404 ApiError where there is none."""
    row = await connection.fetchrow(statements.get(patients, Shape.STORED), environment_id, patient_id)
    if row is None:
        raise not_found(patients)
    return ContactRow(patient_id, msgspec.json.decode(row["body"]), row["updated_at"], {})


async def owned(connection: Connection, environment_id: int, patient_id: str, section: ContactSection, row_id: str | None) -> str:
    """The id of a row of this patient. Raises a 404 ApiError where it is not theirs."""
    query = f"SELECT id::text FROM {section.resource.name} WHERE environment_id = $1 AND {_OWNED[section.slug]} AND id = $3"
    found: str | None = row_id and await connection.fetchval(query, environment_id, patient_id, row_id)
    if not found:
        raise problem("not_found", f"This patient has no such {section.one} any more. Load the page again.")
    return found


async def everything(connection: Connection, environment_id: int, patient_id: str) -> dict[str, list[ContactRow]]:
    """The rows of every section, by its slug."""
    return {section.slug: await rows(connection, environment_id, patient_id, section) for section in (PHONES, EMAILS, IDS)}


def address(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The lines of a patient's address; none where nothing is known."""
    street = " ".join(part for part in (row.get("street"), row.get("street_line_two")) if part)
    place = ", ".join(part for part in (row.get("city"), row.get("state")) if part)
    lines = (street, " ".join(part for part in (place, row.get("zip_code")) if part), row.get("county"), row.get("country"))
    return tuple(line for line in lines if line)
