"""Values of a form as people read them: numbers, days, moments, yes and no, choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from almoner.pages.forms.controls import number
from almoner.pages.notation import time_of_day
from almoner.vocabulary import clocks
from almoner.vocabulary.times import IsoDate, IsoDateTime
from almoner.workshop.design import FieldDesign
from almoner.workshop.field_kinds import Scale
from almoner.workshop.forms import kind_of


@dataclass(frozen=True)
class Zones:
    """Whose clocks a moment is told by: the patient's, and the worker's who reads. Both are IANA names."""

    patient: str
    worker: str

    def moment(self, at: datetime) -> str:
        """The moment in the patient's zone, and in the worker's where that differs: ``2 Aug 2026 07:20 (you: 10:20)``."""
        there, here = clocks.local(at, self.patient), clocks.local(at, self.worker)
        shown = f"{day(there)} {time_of_day(there)}"
        if there.utcoffset() == here.utcoffset():
            return shown
        return (
            f"{shown} (you: {time_of_day(here)})"
            if there.date() == here.date()
            else f"{shown} (you: {day(here)} {time_of_day(here)})"
        )


@dataclass(frozen=True)
class FieldValue:
    """A field with its value in words; ``value`` is blank where there is none. ``numeric``: it stands right in a column."""

    name: str
    label: str
    value: str
    numeric: bool = False


def day(at: date) -> str:
    """A day as people write it: 2 Aug 2026."""
    return f"{at.day} {at:%b %Y}"


def field_values(fields: Iterable[FieldDesign], values: Mapping[str, Any], zones: Zones) -> tuple[FieldValue, ...]:
    """These fields with their values in words, in order."""
    return tuple(
        FieldValue(field.name, field.label or field.name, in_words(field, values.get(field.name), zones), is_numeric(field))
        for field in fields
    )


def beyond(fields: Iterable[FieldDesign], values: Mapping[str, Any], zones: Zones) -> tuple[FieldValue, ...]:
    """The values that none of the fields takes, as an older version may have left them, under their names."""
    known = {field.name for field in fields}
    left = {name: value for name, value in values.items() if name not in known and value is not None}
    return tuple(FieldValue(name, name, in_words(None, value, zones)) for name, value in left.items())


def is_numeric(field: FieldDesign) -> bool:
    """Whether its values are numbers, which stand right in a column."""
    return kind_of(field).column in ("bigint", "numeric")


def in_words(field: FieldDesign | None, value: Any, zones: Zones) -> str:
    """A JSON value in words, blank where there is none. ``field`` None: of no field that is known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        shown = number(value)
        scale = field is not None and isinstance(kind_of(field), Scale) and field.high is not None
        return f"{shown} of {number(field.high)}" if scale and field is not None and field.high is not None else shown
    if isinstance(value, list):
        return ", ".join(in_words(None, one, zones) for one in value)
    if isinstance(value, str):
        return value if field is None else _text(field, value, zones)
    return msgspec.json.encode(value).decode()


def _text(field: FieldDesign, value: str, zones: Zones) -> str:
    """A text as its kind means it; as it is where it means nothing."""
    kind = kind_of(field)
    try:
        if isinstance(kind, IsoDateTime):
            return zones.moment(kind.parse(value))
        if isinstance(kind, IsoDate):
            return day(kind.parse(value))
    except (ValueError, OverflowError):
        pass
    return value
