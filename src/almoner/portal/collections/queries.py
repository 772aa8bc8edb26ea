"""A patient's rows of a collection that is shown as it is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.data_api import statements
from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.portal.patient import Patient
from almoner.portal.values import Fact, facts, in_words, speaking, value_fields
from almoner.resources._entered_in_error import HOLDS
from almoner.resources._entered_in_error import NAMES as ERROR_NAMES
from almoner.vocabulary.contact_kinds import Phone
from almoner.vocabulary.fields import Field, Shape
from almoner.vocabulary.kinds import Consent, Guid

# Of more rows than these the newest are shown, and the page says so.
MOST: Final = 200
_AT, _, _REASON = ERROR_NAMES


@dataclass(frozen=True, kw_only=True)
class StoredRow:
    """A row with its values as the API shows them, by field."""

    id: str
    values: Mapping[str, Any]
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class CollectionRow(StoredRow):
    """What a row is called, and what else it says by field.

    ``phone`` is its name where that is a number to call, else empty. ``error`` is why it was
    entered in error, None where it holds.
    """

    name: str
    phone: str
    facts: Mapping[str, Fact]
    is_dismissed: bool
    error: str | None
    created_at: datetime


async def rows(
    visit: Visit,
    connection: Connection,
    resource: Resource,
    patient: Patient,
    most: int = MOST,
    dismissed: bool = True,
) -> list[CollectionRow]:
    """The patient's rows, the newest first, those that were put away behind the others, or left out
    where not ``dismissed``, as are those that were entered in error.
    """
    body = statements.body(resource, Shape.STORED, resource.name)
    put_away = f"{resource.presented.dismissal or 'false'} IS TRUE"
    only = f" AND NOT ({put_away}){_holding(resource)}" if not dismissed else ""
    records = await connection.fetch(
        f"SELECT {resource.name}.id::text, {body}, {put_away} AS is_dismissed, created_at,"
        f" updated_at FROM {resource.name} WHERE environment_id = $1 AND"
        f" {_of_patient(resource)}{only} ORDER BY"
        f" {put_away}, created_at DESC, id LIMIT {most}",
        *(visit.environment_id, patient.id),
    )
    bodies = [msgspec.json.decode(record["body"]) for record in records]
    naming, others = _naming(resource), _others(resource)
    words = await speaking(visit, connection, patient, value_fields(resource), *bodies)
    return [
        CollectionRow(
            id=record["id"],
            name=in_words(naming, values.get(naming.name), words) if naming else "",
            phone=values[naming.name] if naming and isinstance(naming.kind, Phone) else "",
            facts={field.name: fact for field in others for fact in facts((field,), values, words)},
            values=values,
            is_dismissed=record["is_dismissed"],
            error=(values.get(_REASON) or "") if values.get(_AT) else None,
            created_at=record["created_at"],
            updated_at=record["updated_at"],
        )
        for record, values in zip(records, bodies, strict=True)
    ]


async def owned(
    connection: Connection, environment_id: int, resource: Resource, patient_id: str, row_id: str
) -> str:
    """The id of a row of this patient. Raises a 404 ApiError where it is not theirs."""
    query = (
        f"SELECT id::text FROM {resource.name} WHERE environment_id = $1 AND"
        f" {_of_patient(resource)} AND id = $3"
    )
    parsed = Guid().decode(row_id, "", [])
    own: str | None = parsed and await connection.fetchval(
        query, environment_id, patient_id, parsed
    )
    if not own:
        raise problem(
            "not_found", f"This patient has no such {resource.thing} any more. Load the page again."
        )
    return own


def _of_patient(resource: Resource) -> str:
    """The condition on rows that people see of the patient ``$2``."""
    if resource.any_reference:
        collection, key = resource.any_reference
        theirs = f"{collection} = 'patients' AND {key} = $2"
    else:
        theirs = f"{resource.patient} = $2"
    return f"{theirs} AND {resource.presented.where}" if resource.presented.where else theirs


def _holding(resource: Resource) -> str:
    return f" AND {HOLDS}" if any(field.name == _AT for field in resource.fields) else ""


def _naming(resource: Resource) -> Field | None:
    return next((field for field in value_fields(resource) if field.name == resource.named), None)


def _others(resource: Resource) -> Sequence[Field]:
    """What a row says beside its name. Consents, and whether it was put away or entered in error,
    are shown by themselves.
    """
    apart = (
        *ERROR_NAMES,
        resource.named,
        resource.presented.dismissal,
        *(resource.any_reference or ()),
    )
    sections = resource.presented.sections or ("",)
    fields = (field for section in sections for field in value_fields(resource, section))
    return [
        field for field in fields if field.name not in apart and not isinstance(field.kind, Consent)
    ]
