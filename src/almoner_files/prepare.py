"""A row of a file as the API takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from almoner_files.delimited import SourceRow
from almoner_files.fields import Fields, reader
from almoner_files.mapping import EXTERNAL_ID, Mapping, Target


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a row: the line and the column of the file, and why."""

    line: int
    column: str
    reason: str


# The id here of what a cell names by an id of another system. Raises ValueError where there is
# none.
LookUp = Callable[[Target, str], str]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that goes into a body: what its cells become, and where that belongs."""

    name: str
    value: Callable[[Any], Any]
    parents: tuple[str, ...]
    member: str


class Bodies:
    """Makes rows of a file the bodies of Creates, by a mapping."""

    def __init__(self, mapping: Mapping, fields: Fields, look_up: LookUp) -> None:
        self._constants = mapping.constants
        self._identified_by = mapping.identified_by
        self._columns = [
            _column(column, target, mapping, fields, look_up)
            for column, target in mapping.columns.items()
            if target is not None and target.field != EXTERNAL_ID
        ]

    def of(self, source: SourceRow) -> tuple[dict[str, Any], list[RowError]]:
        """The body of a row, and everything that keeps it from being one. An empty cell names
        nothing.
        """
        if source.broken:
            return {}, [RowError(source.line, "", source.broken)]
        errors: list[RowError] = []
        body = dict(self._constants)
        if self._identified_by and isinstance(source.values.get(self._identified_by), dict | list):
            reason = "an id is a text or a number"
            errors.append(RowError(source.line, self._identified_by, reason))
        for column in self._columns:
            cell = source.values.get(column.name)
            if cell is None or cell == "":
                continue
            try:
                value = column.value(cell)
            except ValueError as error:
                errors.append(RowError(source.line, column.name, str(error)))
                continue
            into = body
            for parent in column.parents:
                into = into.setdefault(parent, {})
            into[column.member] = value
        return body, errors


def _column(
    name: str, target: Target, mapping: Mapping, fields: Fields, look_up: LookUp
) -> _Column:
    *parents, member = target.field.split(".")
    if target.namespace is None:
        field = fields.get(target.field)
        assert field is not None
        value = reader(field, mapping.dates, mapping.timezone)
        return _Column(name, value, tuple(parents), member)

    def known(cell: Any) -> str:
        return look_up(target, str(cell).strip())

    return _Column(name, known, tuple(parents), member)


def id_of(source: SourceRow, mapping: Mapping) -> str:
    """The id of the row in its own system; blank where it tells none."""
    column = mapping.identified_by
    return "" if column is None else str(source.values.get(column) or "").strip()


def is_id(text: str) -> bool:
    """Whether a text is an id of the API."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
