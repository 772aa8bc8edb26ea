"""What a row of a file says, as a collection has it: which column is which field, and what a cell
is as a value of the field's kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from almoner.data_api.declare import Resource
from almoner.data_api.declare import Row as Fields
from almoner.integrations.drop_files import REASON, Row
from almoner.vocabulary import json_values
from almoner.vocabulary.choices import Several
from almoner.vocabulary.fields import Field, Shape
from almoner.vocabulary.json_values import JsonError
from almoner.vocabulary.kinds import Boolean, Json, Kind, Texts
from almoner.vocabulary.numbers import Integer, Number, Seconds
from almoner_files import csv_text

EXTERNAL_ID: Final = "external_id"
_WORDS: Final = {
    **dict.fromkeys(("true", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "no", "n", "0"), False),
}


class BadRowError(Exception):
    """Why a row is not taken: a reason for each column that is wrong."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__()
        self.problems = problems


class Columns:
    """Which column holds which field. One that ``mapping`` does not name is called as its field;
    one that it maps to nothing is passed over.
    """

    def __init__(self, resource: Resource, mapping: Mapping[str, str]) -> None:
        self._names = resource.spelled[Shape.STORED].names
        self._mapping = mapping

    def target(self, column: str) -> str:
        """The field that a column holds, ``body.value`` for a part of one; blank for none. Raises
        BadRowError.
        """
        target = "" if column == REASON else self._mapping.get(column, column)
        head, parted, _ = target.partition(".")
        field = self._names.get(head)
        if target in ("", EXTERNAL_ID) or (
            field is not None and (not parted or isinstance(field.kind, Json))
        ):
            return target
        raise BadRowError(
            (column, f"there is no field {target}; map the column to one, or to nothing")
        )

    def read(self, row: Row, header: tuple[str, ...]) -> tuple[str, Fields]:
        """The external id and the fields that a row names; an empty cell names none. Raises
        BadRowError with every problem.
        """
        if row.wrong:
            raise BadRowError(("", row.wrong))
        if isinstance(row.cells, list) and len(row.cells) != len(header):
            raise BadRowError(
                ("", f"it has {len(row.cells)} cells where the header has {len(header)}")
            )
        cells: Iterable[tuple[str, Any]] = (
            zip(header, map(csv_text.as_text, row.cells), strict=True)
            if isinstance(row.cells, list)
            else row.cells.items()
        )
        fields: Fields = {}
        problems: list[tuple[str, str]] = []
        for column, cell in cells:
            try:
                target = self.target(column)
                if target and cell != "":
                    self._put(fields, target, cell, header, column)
            except BadRowError as error:
                problems += error.problems
        external_id = fields.pop(EXTERNAL_ID, "")
        if type(external_id) not in (str, int) or external_id == "":
            column = self.column(EXTERNAL_ID, header)
            problems.append((column, "the other system's id is missing"))
        if problems:
            raise BadRowError(*problems)
        return str(external_id), fields

    def column(self, target: str, header: Iterable[str]) -> str:
        """The column that holds a field, or the field itself where none does."""
        columns = [*header, *self._mapping]
        return next((name for name in columns if self._mapping.get(name, name) == target), target)

    def field(self, name: str) -> Field:
        """The declaration of a field."""
        return self._names[name]

    def _put(
        self, fields: Fields, target: str, cell: Any, header: tuple[str, ...], column: str
    ) -> None:
        head, parted, rest = target.partition(".")
        if parted:
            document = fields.setdefault(head, {})
            if not isinstance(document, dict):
                raise BadRowError((column, f"{head} has a value of its own already"))
            document[rest] = cell
        elif target == EXTERNAL_ID or not header:
            fields[target] = cell
        else:
            fields[target] = _value(self._names[head].kind, cell, column)


def _value(kind: Kind, cell: str, column: str) -> Any:
    """A cell of a CSV file as JSON has it: what else it must be, the collection's rules say."""
    text = cell.strip()
    if isinstance(kind, Boolean):
        if text.lower() not in _WORDS:
            raise BadRowError((column, "yes or no is expected"))
        return _WORDS[text.lower()]
    if isinstance(kind, Texts | Several) and not text.startswith("["):
        return [part.strip() for part in text.split(";") if part.strip()]
    if isinstance(kind, Integer | Number | Json | Texts | Several):
        try:
            return json_values.from_outside(text)
        except JsonError:
            raise BadRowError(
                (column, f"{_EXPECTED.get(type(kind), 'JSON')} is expected")
            ) from None
    return cell


_EXPECTED: Final[Mapping[type[Kind], str]] = {
    Integer: "a whole number",
    Seconds: "a whole number",
    Number: "a number",
}
