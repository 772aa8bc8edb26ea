"""Values of a form as people read them: numbers, days, moments, yes and no, choices."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec

from almoner.pages.notation import time_of_day
from almoner.vocabulary import clocks
from almoner.vocabulary.fields import Field, Object
from almoner.vocabulary.kinds import Kind
from almoner.vocabulary.numbers import Seconds, number
from almoner.vocabulary.times import IsoDate, IsoDateTime
from almoner.workshop.field_kinds import Scale

# The field of a record that says in what its numbers are, where a type has such.
UNIT: Final = "unit"


@dataclass(frozen=True)
class Zones:
    """Whose clocks a moment is told by: the patient's, and the worker's who reads. Both are IANA
    names.
    """

    patient: str
    worker: str

    def moment(self, at: datetime) -> str:
        """The moment in the patient's zone, and in the worker's where that differs: ``2 Aug 2026
        07:20 (you: 10:20)``.
        """
        there, here = clocks.local(at, self.patient), clocks.local(at, self.worker)
        theirs = f"{day(there)} {time_of_day(there)}"
        if there.utcoffset() == here.utcoffset():
            return theirs
        return (
            f"{theirs} (you: {time_of_day(here)})"
            if there.date() == here.date()
            else f"{theirs} (you: {day(here)} {time_of_day(here)})"
        )


@dataclass(frozen=True)
class FieldValue:
    """A field with its value in words; ``value`` is blank where there is none."""

    name: str
    label: str
    value: str


def day(at: date) -> str:
    """A day as people write it: 2 Aug 2026."""
    return f"{at.day} {at:%b %Y}"


def field_values(
    fields: Iterable[Field], values: Mapping[str, Any], zones: Zones
) -> tuple[FieldValue, ...]:
    """These fields with their values in words, in order."""
    return tuple(
        FieldValue(
            field.name, field.title, kind_in_words(field.kind, values.get(field.name), zones)
        )
        for field in fields
    )


def without_units(fields: Sequence[Field]) -> Sequence[Field]:
    """The fields but for that of the unit, where there are numbers that it goes with."""
    if not any(is_numeric(field.kind) for field in fields):
        return fields
    return [field for field in fields if not _is_unit(field)]


def in_unit(words: str, field: Field, row: Mapping[str, Any], fields: Iterable[Field]) -> str:
    """The words for a field of a row; a number with the unit that another of the row's ``fields``
    says.
    """
    if not words or not is_numeric(field.kind):
        return words
    unit = next((row.get(other.name) for other in fields if _is_unit(other)), None)
    return f"{words} {unit}" if isinstance(unit, str) and unit.strip() else words


def _is_unit(field: Field) -> bool:
    return field.name.rpartition(".")[2] == UNIT


def beyond(
    known: Container[str], values: Mapping[str, Any], zones: Zones
) -> tuple[FieldValue, ...]:
    """The values that no field is known for, as an older version may have left them, under their
    names.
    """
    return tuple(
        FieldValue(name, name, kind_in_words(None, value, zones))
        for name, value in values.items()
        if name not in known and value is not None
    )


def is_numeric(kind: Kind) -> bool:
    """Whether its values are numbers, which stand right in a column."""
    return kind.column in ("bigint", "numeric")


def kind_in_words(kind: Kind | None, value: Any, zones: Zones) -> str:
    """A JSON value of a kind in words, as it is where the kind is None or means nothing by it."""
    if value is None or value in ("", []):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(kind, Seconds) and is_number(value):
        return f"{max(round(value / 60), 1)} min" if value else "0 min"
    if is_number(value):
        of = f" of {kind.high}" if isinstance(kind, Scale) and kind.high is not None else ""
        return f"{number(value)}{of}"
    if isinstance(value, list):
        return ", ".join(kind_in_words(None, item, zones) for item in value)
    if isinstance(value, dict):
        return _members_in_words(kind, value, zones)
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    try:
        if isinstance(kind, IsoDateTime):
            return zones.moment(kind.parse(value))
        if isinstance(kind, IsoDate):
            return day(kind.parse(value))
    except (ValueError, OverflowError):
        pass
    return value


def _members_in_words(kind: Kind | None, value: Mapping[str, Any], zones: Zones) -> str:
    """What an object says, member by member; of one with a single member, its value."""
    known = kind.by_name if isinstance(kind, Object) else {}
    words = {
        name: kind_in_words(known[name].kind if name in known else None, member, zones)
        for name, member in value.items()
    }
    if len(known) == 1 and words.keys() == known.keys():
        return next(iter(words.values()))
    titles = {
        name: known[name].title if name in known else name.replace("_", " ") for name in words
    }
    return "; ".join(f"{titles[name]}: {text}" for name, text in words.items() if text)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; yes and no are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
