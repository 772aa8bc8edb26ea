"""Records of a patient as they are read: by type, newest first, each in the version that it was
checked against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from almoner.data_api import statements
from almoner.database import Connection
from almoner.pages.cursors import Cursor
from almoner.pages.visit import Visit
from almoner.portal.collections.queries import StoredRow
from almoner.portal.inputs import form_fields
from almoner.portal.values import value_fields
from almoner.resources.custom_data_type_records import custom_data_type_records as records
from almoner.vocabulary.definitions import DataType
from almoner.vocabulary.fields import MORE, Field, Shape
from almoner.vocabulary.kinds import Guid

_FIELDS: Final = (
    f"r.id::text, {statements.body(records, Shape.STORED, 'r')}, r.version, r.updated_at"
)
_ROWS: Final = f"""
SELECT t.name, r.* FROM unnest($3::text[]) t(name) CROSS JOIN LATERAL (
  SELECT {_FIELDS} FROM custom_data_type_records r
  WHERE r.environment_id = $1 AND r.user_id = $2 AND r.type_name = t.name
    AND ($5::timestamptz IS NULL OR (r.updated_at, r.id) < ($5, $6::uuid))
    AND ($7 = '' OR r.body ->> $7 = $8)
  ORDER BY r.updated_at DESC, r.id DESC LIMIT $4
) r
"""
_BY_ID: Final = f"""
SELECT {_FIELDS} FROM custom_data_type_records r
WHERE r.environment_id = $1 AND r.user_id = $2 AND r.id = $3
"""
# What a record says beside the fields of its type.
BESIDE: Final = value_fields(records, MORE.name)


@dataclass(frozen=True, kw_only=True)
class PatientRecord(StoredRow):
    """A record, with the values of its type by their paths, and the version of the type that they
    were checked against.
    """

    version: int

    def left_over(self, data_type: DataType) -> Mapping[str, Any]:
        """The values by their paths that the type has no field for, as an older version may have
        left them.
        """
        known = {field.name for field in data_type.fields}
        return {
            path: value
            for path, value in self.values.items()
            if path.startswith("body.") and path not in known and value is not None
        }


def column_fields(data_type: DataType) -> Sequence[Field]:
    """What a record of this type says: the fields that the program gives it, then those of the
    collection.
    """
    return (*data_type.fields, *BESIDE)


def settable_fields(data_type: DataType, new: bool) -> Sequence[Field]:
    """Those that a form can set: on a ``new`` record, or on one that is there."""
    return (*data_type.fields, *form_fields(records, MORE.name, new))


def types(visit: Visit, names: Sequence[str] | None = None) -> Sequence[DataType]:
    """The types that the visitor's role shows, in the designer's order; only those of ``names``
    where they are given.
    """
    return [
        data_type
        for name, data_type in visit.program.custom_data_types.items()
        if name not in visit.rights.hidden_data and (names is None or name in names)
    ]


async def rows(
    visit: Visit,
    connection: Connection,
    patient_id: str,
    names: Sequence[str],
    limit: int,
    before: Cursor | None = None,
    only: tuple[str, str] = ("", ""),
) -> dict[str, list[PatientRecord]]:
    """The newest records of each of these types, at most ``limit`` of each, older than ``before``
    (time and id of a record); those alone that say in a field what ``only`` has beside it.
    """
    at, row_id = before or (None, None)
    by_type: dict[str, list[PatientRecord]] = {name: [] for name in names}
    for row in await connection.fetch(
        _ROWS, visit.environment_id, patient_id, list(names), limit, at, row_id, *only
    ):
        by_type[row["name"]].append(_record(row))
    return by_type


async def record_by_id(
    visit: Visit, connection: Connection, patient_id: str, record_id: str
) -> PatientRecord | None:
    """A record of this patient; None where there is none, or where the visitor's role hides its
    type.
    """
    parsed = Guid().decode(record_id, "", [])
    row = parsed and await connection.fetchrow(_BY_ID, visit.environment_id, patient_id, parsed)
    record = _record(row) if row else None
    return (
        None if record is None or record.values["type_name"] in visit.rights.hidden_data else record
    )


def _record(row: Mapping[str, Any]) -> PatientRecord:
    values = msgspec.json.decode(row["body"])
    values |= {f"body.{name}": value for name, value in values.pop("body").items()}
    return PatientRecord(
        id=row["id"], values=values, version=row["version"], updated_at=row["updated_at"]
    )
