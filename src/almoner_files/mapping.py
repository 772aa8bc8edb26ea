"""Which column of a file is which field of a collection: guessed, shown, and kept as YAML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from almoner_files import kinds, moments
from almoner_files.days import ISO, NOTATIONS, day_of, is_day
from almoner_files.errors import FileError
from almoner_files.fields import Fields

# The column whose values identify the rows in the system that they come from.
EXTERNAL_ID: Final = "external_id"
# In a namespace: the collection that ids are of. The ids of one table say nothing of another's.
COLLECTION: Final = "{collection}"
NAMESPACE: Final = f"import_{COLLECTION}"
# Words of files for the fields of the contract.
_SYNONYMS: Final = {
    "dob": "birthday",
    "date_of_birth": "birthday",
    "birth_date": "birthday",
    "birthdate": "birthday",
    "given_name": "first_name",
    "firstname": "first_name",
    "forename": "first_name",
    "family_name": "last_name",
    "lastname": "last_name",
    "surname": "last_name",
    "zip": "zip_code",
    "postal_code": "zip_code",
    "address": "street",
    "address_1": "street",
    "address_2": "street_line_two",
    "e_mail": "email",
    "email_address": "email",
    "mobile": "phone",
    "telephone": "phone",
    "phone": "phone_number",
    "phone_number": "phone",
    "time_zone": "timezone",
    "tz": "timezone",
    "patient": "user_id",
    "patient_id": "user_id",
    "coach": "coach_id",
    "worker": "worker_id",
    "mrn": EXTERNAL_ID,
    "id": EXTERNAL_ID,
    "external_id": EXTERNAL_ID,
    "record_number": EXTERNAL_ID,
}


@dataclass(frozen=True)
class Target:
    """Where a column goes: a field, or a member of a JSON field (``model.low_mood``). With a
    ``namespace``, its values are ids of another system, by which rows are looked up, or ids of
    ours.
    """

    field: str
    namespace: str | None = None


@dataclass(frozen=True)
class Mapping:
    """What is made of a file. ``namespace`` is that of the ids in the column that is mapped to
    ``external_id``, in which ``{collection}`` stands for what they are of; a row that has none is
    known by what is in it. ``dates`` is how days are written, as ``strptime`` has it, ``timezone``
    of whose clocks times are that have no offset. A column without a target is left out.
    """

    collection: str
    namespace: str
    columns: dict[str, Target | None]
    dates: str = ISO
    timezone: str = moments.UTC_ZONE
    constants: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def identified_by(self) -> str | None:
        """The column that tells the ids of the rows."""
        return next(
            (c for c, target in self.columns.items() if target and target.field == EXTERNAL_ID),
            None,
        )

    @cached_property
    def own_namespace(self) -> str:
        """The namespace of the ids of the rows."""
        return namespace_of(self.namespace, self.collection)

    def column_of(self, path: str) -> str:
        """The column that a field's value came from; the field itself where none did."""
        for column, target in self.columns.items():
            if target and (path == target.field or target.field.startswith(f"{path}.")):
                return column
        parent = path.rpartition(".")[0]
        return self.column_of(parent) if parent else path

    def as_values(self) -> dict[str, Any]:
        """The mapping as YAML keeps it."""
        columns: dict[str, Any] = {}
        for column, target in self.columns.items():
            if target is None or target.namespace is None:
                columns[column] = target and target.field
            else:
                columns[column] = {"field": target.field, "namespace": target.namespace}
        return {
            "collection": self.collection,
            "namespace": self.namespace,
            "dates": self.dates,
            "timezone": self.timezone,
            "columns": columns,
            "constants": self.constants,
        }

    def save(self, path: Path) -> None:
        """Keeps it."""
        text = yaml.safe_dump(self.as_values(), sort_keys=False, allow_unicode=True)
        path.write_text(f"# Which column is which field; change it, and import again.\n{text}")


def read(path: Path, fields: Fields) -> Mapping:
    """A mapping that was kept. Raises FileError, saying what is wrong with it."""
    try:
        mapping = of_values(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise FileError(f"{path} is no mapping: {error}. Delete it to have it made anew.") from None
    targets = [target.field for target in mapping.columns.values() if target]
    named = targets + list(mapping.constants)
    unknown = [name for name in named if name != EXTERNAL_ID and fields.get(name) is None]
    if unknown:
        raise FileError(
            f"{path} names {', '.join(unknown)}, and {mapping.collection} has no such field. They"
            f" are {', '.join(fields.names)}."
        )
    if not moments.is_zone(mapping.timezone):
        raise FileError(f"{path} names the time zone {mapping.timezone}, and there is none.")
    return mapping


def of_values(values: Any) -> Mapping:
    """The mapping of which ``as_values`` was kept. Raises KeyError, TypeError, AttributeError or
    ValueError where it is none.
    """
    columns = {str(column): _target(target) for column, target in (values["columns"] or {}).items()}
    return Mapping(
        collection=values["collection"],
        namespace=values["namespace"],
        columns=columns,
        dates=values.get("dates") or ISO,
        timezone=values.get("timezone") or moments.UTC_ZONE,
        constants=values.get("constants") or {},
    )


def _target(value: Any) -> Target | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Target(value)
    return Target(value["field"], value.get("namespace"))


def namespace_of(namespace: str, collection: str) -> str:
    """The namespace in which ids of this collection are."""
    return namespace.replace(COLLECTION, collection)


def guess(
    collection: str,
    namespace: str,
    samples: Sequence[dict[str, Any]],
    fields: Fields,
    timezone: str = moments.UTC_ZONE,
) -> Mapping:
    """The likely mapping of a file that begins with these rows."""
    names = list(dict.fromkeys(name for row in samples for name in row))
    columns: dict[str, Target | None] = {}
    taken: set[str] = set()
    for exact in (True, False):
        for column in names:
            target = None if columns.get(column) else _guessed(column, exact, fields)
            if target is not None and target not in taken:
                taken.add(target)
                columns[column] = Target(target)
            else:
                columns.setdefault(column, None)
    for column, chosen in columns.items():
        meant = fields.get(chosen.field) if chosen else None
        if chosen and meant and meant.kind == kinds.ID:
            columns[column] = Target(chosen.field, namespace_of(namespace, meant.to or collection))
    return Mapping(
        collection=collection,
        namespace=namespace,
        columns={name: columns[name] for name in names},
        dates=_notation(_days(columns, samples, fields)),
        timezone=timezone,
    )


def other_notations(
    mapping: Mapping, samples: Sequence[dict[str, Any]], fields: Fields
) -> list[tuple[str, str]]:
    """Notations that fit every day of these rows as well as the mapping's does and make other days
    of them, each with a day that it reads otherwise: 03/02/1970 may be in March or in February.
    """
    read = {day: day_of(day, mapping.dates) for day in _days(mapping.columns, samples, fields)}
    if None in read.values():
        return []
    others = []
    for notation in NOTATIONS:
        readings = {day: day_of(day, notation) for day in read}
        unlike = [day for day, reading in readings.items() if reading != read[day]]
        if unlike and None not in readings.values():
            others.append((notation, unlike[0]))
    return others


def has_times_without_offset(
    mapping: Mapping, samples: Sequence[dict[str, Any]], fields: Fields
) -> bool:
    """Whether some of these rows have times of whose clocks only the mapping tells."""
    times = _cells(mapping.columns, samples, fields, kinds.TIME)
    return not all(map(moments.has_offset, times))


def unmatched(mapping: Mapping, samples: Sequence[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """The columns that the mapping names and none of these rows has, and those that they have and
    it does not name.
    """
    columns = dict.fromkeys(name for row in samples for name in row)
    missing = [name for name, target in mapping.columns.items() if target and name not in columns]
    return missing, [name for name in columns if name not in mapping.columns]


def _guessed(column: str, exact: bool, fields: Fields) -> str | None:
    if fields.get(column) is not None:
        return column
    name = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
    if fields.get(name) is not None:
        return name
    synonym = None if exact else _SYNONYMS.get(name)
    if synonym == EXTERNAL_ID or (synonym and fields.get(synonym) is not None):
        return synonym
    return None


def _days(
    columns: dict[str, Target | None], samples: Sequence[dict[str, Any]], fields: Fields
) -> list[str]:
    """The days of the columns of days and of times."""
    cells = _cells(columns, samples, fields, kinds.DATE)
    times = _cells(columns, samples, fields, kinds.TIME)
    return cells + [day for day in map(moments.day_in, times) if day is not None]


def _cells(
    columns: dict[str, Target | None], samples: Sequence[dict[str, Any]], fields: Fields, kind: str
) -> list[str]:
    """What stands in the columns of fields of a kind."""
    names = [c for c, t in columns.items() if t and (f := fields.get(t.field)) and f.kind == kind]
    cells = [row.get(name) for row in samples for name in names]
    return [str(cell).strip() for cell in cells if cell not in (None, "")]


def _notation(days: Sequence[str]) -> str:
    """How days are written: the first notation of those that fit most of them."""
    return max(NOTATIONS, key=lambda notation: sum(is_day(day, notation) for day in days))
