"""A patient's rows of a collection that is shown by its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.data_api import statements
from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.patient import Patient
from almoner.portal.values import fields_in_words, in_words, speaking, value_fields
from almoner.vocabulary.fields import Shape

# Of more rows than these the newest are shown, and the page says so.
MOST: Final = 200


@dataclass(frozen=True)
class ShownRow:
    """A row: what it is called, what else it says (titles and words), and its values as the API shows them."""

    id: str
    name: str
    facts: tuple[tuple[str, str], ...]
    row: Mapping[str, Any]
    updated_at: datetime


async def rows(visit: Visit, connection: Connection, resource: Resource, patient: Patient, most: int = MOST) -> list[ShownRow]:
    """The patient's rows, the newest first."""
    body = statements.body(resource, Shape.STORED, resource.name)
    found = await connection.fetch(
        f"SELECT {resource.name}.id::text, {body}, updated_at FROM {resource.name} "
        f"WHERE environment_id = $1 AND {resource.patient} = $2 ORDER BY created_at DESC, id LIMIT {most}",
        *(visit.environment_id, patient.id),
    )
    values = [msgspec.json.decode(record["body"]) for record in found]
    fields = value_fields(resource)
    words = await speaking(visit, connection, patient, fields, *values)
    naming = next((field for field in fields if field.name == resource.named), None)
    others = [field for field in fields if field is not naming]
    return [
        ShownRow(
            record["id"],
            in_words(naming, row.get(naming.name), words) if naming else "",
            tuple(fields_in_words(others, row, words)),
            row,
            record["updated_at"],
        )
        for record, row in zip(found, values, strict=True)
    ]


async def owned(connection: Connection, environment_id: int, resource: Resource, patient_id: str, row_id: str) -> bool:
    """Whether a row is this patient's."""
    query = f"SELECT 1 FROM {resource.name} WHERE environment_id = $1 AND {resource.patient} = $2 AND id = $3"
    return await connection.fetchval(query, environment_id, patient_id, row_id) is not None
