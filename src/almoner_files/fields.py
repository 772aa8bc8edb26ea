"""What Create of a collection takes, by its JSON Schema, and cells as such."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, Final

import msgspec

from almoner_files import kinds

# January 31: it tells days from months in any notation.
_EXAMPLE: Final = date(1970, 1, 31)
# A sheet that is saved as CSV may have a time behind its days.
_MIDNIGHT: Final = re.compile(r"[ T]0?0:00(:00(\.0+)?)?$")
ISO: Final = "%Y-%m-%d"
_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUE: Final = frozenset({"true", "yes", "y", "1", "t", "x"})
_FALSE: Final = frozenset({"false", "no", "n", "0", "f"})


@dataclass(frozen=True)
class CreateField:
    """A field: its name, and what it holds."""

    name: str
    kind: str


class Fields:
    """The fields of Create of one collection; what it takes and passes over is none of them."""

    def __init__(self, collection: str, schema: Mapping[str, Any]) -> None:
        self.collection = collection
        self._fields = {
            name: CreateField(name, kinds.kind_of(property_))
            for name, property_ in schema["properties"].items()
            if not property_.get("readOnly")
        }
        self._required = tuple(schema.get("required", ()))

    @property
    def names(self) -> list[str]:
        return list(self._fields)

    def lacking(self, named: Iterable[str]) -> list[str]:
        """What a new row needs and is not among the fields that are named."""
        there = {name.partition(".")[0] for name in named}
        return [name for name in self._required if name not in there]

    def get(self, name: str) -> CreateField | None:
        """The field of this name; of ``model.low_mood``, a member of a JSON field whose kind is not
        known.
        """
        document, _, member = name.partition(".")
        if member:
            parent = self._fields.get(document)
            return (
                CreateField(name, "") if parent is not None and parent.kind == kinds.JSON else None
            )
        return self._fields.get(name)

    def reference(self) -> str | None:
        """A field that names another row."""
        return next((f.name for f in self._fields.values() if f.kind == kinds.ID), None)


def reader(field: CreateField, dates: str) -> Callable[[Any], Any]:
    """What makes of a cell of a column what the API takes. It raises ValueError, saying what is
    expected.
    """
    read = _READERS.get(field.kind, str)
    if field.kind == kinds.DATE:
        read = partial(_day, dates=dates)

    def value(cell: Any) -> Any:
        if isinstance(cell, str):
            return read(cell.strip())
        # A sheet has numbers where people typed digits.
        return _digits(cell) if field.kind == kinds.TEXT else cell

    return value


def example(notation: str) -> str:
    """January 31, 1970 in a notation of ``strptime``."""
    return _EXAMPLE.strftime(notation)


def is_day(text: str, notation: str) -> bool:
    """Whether a cell is a day in a notation of ``strptime``."""
    return day_of(text, notation) is not None


def day_of(text: str, notation: str) -> date | None:
    """The day that a cell is in a notation of ``strptime``; None where it is none."""
    try:
        return datetime.strptime(_MIDNIGHT.sub("", text), notation).date()  # noqa: DTZ007
    except ValueError:
        return None


def _digits(value: Any) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    return str(int(value)) if float(value).is_integer() else str(value)


def _day(text: str, dates: str) -> str:
    if dates == ISO and _ISO_DAY.fullmatch(text):
        # As most files have it; by its notation it takes a tenth of all that a row takes.
        with suppress(ValueError):
            return date.fromisoformat(text).isoformat()
    day = day_of(text, dates) or day_of(text, ISO)
    if day is not None:
        return day.isoformat()
    raise ValueError(f"a day is expected, written as {example(dates)} for January 31, 1970")


def _boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("yes or no is expected")
    return word in _TRUE


def _from_json(kind: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        if kind == "":
            # A member of a document: what is no number, truth value or list is a text.
            return text
        expected = "JSON" if kind == kinds.JSON else "a number"
        raise ValueError(f"{expected} is expected") from None


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    kinds.BOOLEAN: _boolean,
    **{kind: partial(_from_json, kind) for kind in (kinds.INTEGER, kinds.NUMBER, kinds.JSON, "")},
}
