"""What Create of a collection takes, by its JSON Schema, and cells as such."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from almoner_files import days, kinds, moments

_TRUE: Final = frozenset({"true", "yes", "y", "1", "t", "x"})
_FALSE: Final = frozenset({"false", "no", "n", "0", "f"})


@dataclass(frozen=True)
class CreateField:
    """A field: its name, and what it holds; of an id, the collection that it is of, None where that
    may be any.
    """

    name: str
    kind: str
    to: str | None = None


class Fields:
    """The fields of Create of one collection; what it takes and passes over is none of them."""

    def __init__(self, collection: str, schema: Mapping[str, Any]) -> None:
        self.collection = collection
        self._fields = {
            name: CreateField(name, kinds.kind_of(property_), property_.get("x-resource"))
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

    def of_kind(self, kind: str) -> list[str]:
        """The fields that hold this."""
        return [field.name for field in self._fields.values() if field.kind == kind]

    def reference(self) -> str | None:
        """A field that names another row."""
        return next((f.name for f in self._fields.values() if f.kind == kinds.ID), None)


def reader(field: CreateField, dates: str, timezone: str) -> Callable[[Any], Any]:
    """What makes of a cell of a column what the API takes. It raises ValueError, saying what is
    expected. ``dates`` is how days are written, ``timezone`` of whose clocks times are that have no
    offset.
    """
    read = _READERS.get(field.kind, str)
    if field.kind == kinds.DATE:
        read = partial(days.day, dates=dates)
    elif field.kind == kinds.TIME:
        read = partial(moments.moment, dates=dates, timezone=timezone)

    is_as_it_is = read is str

    def value(cell: Any) -> Any:
        if isinstance(cell, str):
            return cell.strip() if is_as_it_is else read(cell.strip())
        # A sheet has numbers where people typed digits.
        return _digits(cell) if field.kind == kinds.TEXT else cell

    return value


def _digits(value: Any) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    return str(int(value)) if float(value).is_integer() else str(value)


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
