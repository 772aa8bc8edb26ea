"""A row of a file as the API takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from almoner_files.delimited import SourceRow
from almoner_files.fields import Fields, value_of
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


def body_of(
    source: SourceRow, mapping: Mapping, fields: Fields, look_up: LookUp
) -> tuple[dict[str, Any], list[RowError]]:
    """The body of a Create, and everything that keeps it from being one. An empty cell names
    nothing.
    """
    if source.broken:
        return {}, [RowError(source.line, "", source.broken)]
    errors: list[RowError] = []
    body = dict(mapping.constants)
    for column, target in mapping.columns.items():
        cell = source.values.get(column)
        if target is None or target.field == EXTERNAL_ID or cell is None or cell == "":
            continue
        field = fields.get(target.field)
        assert field is not None
        try:
            if target.namespace is None:
                value = value_of(field, cell, mapping.dates)
            else:
                value = look_up(target, str(cell).strip())
        except ValueError as error:
            errors.append(RowError(source.line, column, str(error)))
            continue
        _put(body, target.field, value)
    return body, errors


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


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        body = body.setdefault(parent, {})
    body[name] = value
