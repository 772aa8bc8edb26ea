"""The kinds of field that a program designer chooses from, each with the kind of value that it is checked as.

``FIELD_KINDS`` is the only place that knows their names: the file, the checks and the forms read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from almoner.vocabulary.choices import Choice, Several, State
from almoner.vocabulary.contact_kinds import Phone, ZipCode
from almoner.vocabulary.fields import Field, Object
from almoner.vocabulary.kinds import Boolean, Email, Integer, Kind, LongText, Number, Schema, Text
from almoner.vocabulary.times import TIMEZONES, IsoDate, IsoDateTime, Timezone
from almoner.workshop.design import FieldDesign


@dataclass(frozen=True)
class Scale(Integer):
    """A step on a scale from ``low`` to ``high``, both inclusive: a whole number, shown as a row of buttons."""

    widget: ClassVar[str] = "scale"


class ListedTimezone(Timezone):
    """A time zone whose schema lists every name: forms that are made from it offer them."""

    def schema(self) -> Schema:
        return {"type": "string", "enum": sorted(TIMEZONES)}


@dataclass(frozen=True)
class FieldKind:
    """A kind that a designer can choose.

    ``takes`` names the options that go with it (of ``OPTIONS``), ``needs`` those that must be given. ``answer`` is what its values
    are compared as: by the condition of a follow-up, and when they count towards a score. ``whole`` tells that they are whole
    numbers, and so are its limits. ``make`` turns a designed field into what checks its values.
    """

    about: str
    make: Callable[[FieldDesign], Kind]
    answer: Literal["text", "number", "truth", "choice", "choices"] = "text"
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    whole: bool = False


def _integer(field: FieldDesign) -> Kind:
    return Integer(_whole(field.low), _whole(field.high))


def _scale(field: FieldDesign) -> Kind:
    return Scale(_whole(field.low), _whole(field.high))


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


def _kind_of_number(about: str, make: Callable[[FieldDesign], Kind], needs: tuple[str, ...] = (), whole: bool = True) -> FieldKind:
    return FieldKind(about=about, make=make, answer="number", takes=("low", "high", "weight"), needs=needs, whole=whole)


# What a field may say besides its kind, label and help.
OPTIONS: Final = ("choices", "low", "high", "points", "weight")
_LIMITS = ("low", "high")
_LIST = ("choices",)
_CHOOSE = ("choices", "points")

FIELD_KINDS: Final[Mapping[str, FieldKind]] = {
    "text": FieldKind("A line of text.", lambda field: Text()),
    "long_text": FieldKind("Text of several lines.", lambda field: LongText()),
    "integer": _kind_of_number("A whole number, between limits if you like.", _integer),
    "number": _kind_of_number("A number, between limits if you like.", lambda field: Number(field.low, field.high), whole=False),
    "boolean": FieldKind("Yes or no.", lambda field: Boolean(), "truth", ("weight",)),
    "date": FieldKind("A day.", lambda field: IsoDate()),
    "datetime": FieldKind("A day and a time of day.", lambda field: IsoDateTime()),
    "choice": FieldKind("One of several choices.", lambda field: Choice(field.choices), "choice", _CHOOSE, _LIST),
    "choices": FieldKind("Any number of several choices.", lambda field: Several(field.choices), "choices", _CHOOSE, _LIST),
    "scale": _kind_of_number("A step on a scale, from low to high.", _scale, _LIMITS),
    "phone": FieldKind("A US or Canadian phone number.", lambda field: Phone()),
    "email": FieldKind("An e-mail address.", lambda field: Email()),
    "timezone": FieldKind("A time zone, such as America/Los_Angeles.", lambda field: ListedTimezone()),
    "state": FieldKind("A state or territory of the US, as two letters.", lambda field: State()),
    "zip_code": FieldKind("A US zip code of five digits.", lambda field: ZipCode()),
}


def model(fields: tuple[FieldDesign, ...]) -> Object:
    """The JSON object that these fields describe, ready to check answers with."""
    return Object(tuple(Field(f.name, FIELD_KINDS[f.kind].make(f), f.help or f.label, required=f.required) for f in fields))
