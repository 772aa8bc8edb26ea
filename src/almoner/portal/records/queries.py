"""Records of a patient as they are read: by type, newest first, each in the version that it was checked against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.pages.cursors import Cursor
from almoner.pages.visit import Visit
from almoner.workshop.design import CustomDataType
from almoner.workshop.published_programs import decoded

_TYPES: Final = """
SELECT e.name, e.version, e.definition FROM program_elements e
JOIN unnest($2::text[], $3::integer[]) t(name, version) USING (name, version)
WHERE e.environment_id = $1 AND e.kind = 'custom_data_type'
"""
_ROWS: Final = """
SELECT t.name, r.* FROM unnest($3::text[]) t(name) CROSS JOIN LATERAL (
  SELECT r.id::text, r.body, r.version, r.updated_at FROM custom_data_type_records r
  WHERE r.environment_id = $1 AND r.user_id = $2 AND r.type_name = t.name
    AND ($5::timestamptz IS NULL OR (r.updated_at, r.id) < ($5, $6::uuid))
  ORDER BY r.updated_at DESC, r.id DESC LIMIT $4
) r
"""
_ONE: Final = """
SELECT r.id::text, r.type_name, r.body, r.version, r.updated_at FROM custom_data_type_records r
WHERE r.environment_id = $1 AND r.user_id = $2 AND r.id = $3
"""


@dataclass(frozen=True)
class PatientRecord:
    """A record: its values as JSON by the names of the fields, and the version of the type that they were checked against."""

    id: str
    type_name: str
    body: Mapping[str, Any]
    version: int
    updated_at: datetime


@dataclass(frozen=True)
class Type:
    """A published type in its newest version."""

    version: int
    design: CustomDataType

    @property
    def name(self) -> str:
        """The name in the API."""
        return self.design.name

    @property
    def title(self) -> str:
        """What people read."""
        return self.design.title or self.design.name

    @property
    def single(self) -> bool:
        """Whether a patient has one record of it at most."""
        return self.design.records == "one"


async def types(visit: Visit, connection: Connection, names: Sequence[str] | None = None) -> list[Type]:
    """The types that the visitor's role shows, in the designer's order; only those of ``names`` where they are given."""
    known = visit.program.custom_data_types
    wanted = [name for name in known if name not in visit.rights.hidden_data and (names is None or name in names)]
    if not wanted:
        return []
    rows = await connection.fetch(_TYPES, visit.environment_id, wanted, [known[name].version for name in wanted])
    found = {row["name"]: Type(row["version"], decoded(row, CustomDataType)) for row in rows}
    return [found[name] for name in wanted if name in found]


async def rows(
    visit: Visit,
    connection: Connection,
    patient_id: str,
    names: Sequence[str],
    limit: int,
    before: Cursor | None = None,
) -> dict[str, list[PatientRecord]]:
    """The newest records of each of these types, at most ``limit`` of each, older than ``before`` (time and id of a record)."""
    at, row_id = before or (None, None)
    found: dict[str, list[PatientRecord]] = {name: [] for name in names}
    for row in await connection.fetch(_ROWS, visit.environment_id, patient_id, list(names), limit, at, row_id):
        found[row["name"]].append(_record(row, row["name"]))
    return found


async def record_by_id(visit: Visit, connection: Connection, patient_id: str, row_id: str) -> PatientRecord | None:
    """A record of this patient; None where there is none, or where the visitor's role hides its type."""
    row = await connection.fetchrow(_ONE, visit.environment_id, patient_id, row_id)
    if row is None or row["type_name"] in visit.rights.hidden_data:
        return None
    return _record(row, row["type_name"])


def _record(row: Mapping[str, Any], type_name: str) -> PatientRecord:
    return PatientRecord(row["id"], type_name, msgspec.json.decode(row["body"]), row["version"], row["updated_at"])
