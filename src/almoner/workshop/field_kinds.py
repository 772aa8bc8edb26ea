"""The kinds of field that a program designer chooses from, each with the kind of value that it is
checked as.

``FIELD_KINDS`` is the only place that knows their names: the file, the checks and the forms read
it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

from almoner.vocabulary.choices import Choice, Several, State, are_names, name_in_words
from almoner.vocabulary.contact_kinds import Phone, ZipCode
from almoner.vocabulary.fields import Field, Object
from almoner.vocabulary.kinds import Boolean, Email, Kind, LongText, Schema, Text
from almoner.vocabulary.numbers import Integer, Number
from almoner.vocabulary.times import TIMEZONES, IsoDate, IsoDateTime, Timezone
from almoner.workshop.assessment_design import FieldDesign


@dataclass(frozen=True)
class Scale(Integer):
    """A step on a scale from ``low`` to ``high``, both inclusive: a whole number, shown as a row of
    buttons.
    """

    widget: ClassVar[str] = "scale"


class ListedTimezone(Timezone):
    """A time zone whose schema lists every name: forms that are made from it offer them."""

    def schema(self) -> Schema:
        return {"type": "string", "enum": sorted(TIMEZONES)}


@dataclass(frozen=True, kw_only=True)
class FieldKind:
    """A kind that a designer can choose.

    ``title`` is what a designer reads where the name, without its underscores, is not that.
    ``takes`` names the options that go with it (of ``OPTIONS``), ``needs`` those that must be
    given, ``begins`` what a new one has; ``words`` are the title and the help of an option where
    they are not those of its declaration. ``answer`` is what its values are compared as: by the
    condition of a follow-up, and when they count towards a score. ``whole`` tells that they are
    whole numbers, and so are its limits; ``most_steps`` is how many of them there may be. ``make``
    turns a designed field into what checks its values."""

    about: str
    make: Callable[[FieldDesign], Kind]
    title: str = ""
    answer: Literal["text", "number", "truth", "choice", "choices"] = "text"
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    begins: Mapping[str, int | float] = field(default_factory=dict)
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    whole: bool = False
    most_steps: int | None = None


def _integer(field: FieldDesign) -> Kind:
    return Integer(_whole(field.low), _whole(field.high))


def _choice(field: FieldDesign) -> Kind:
    # The designer's own words, but for names that others' systems have for them.
    in_words = name_in_words if are_names(field.choices) else str
    return Choice(
        field.choices, words=tuple((choice, in_words(choice)) for choice in field.choices)
    )


def _scale(field: FieldDesign) -> Kind:
    return Scale(_whole(field.low), _whole(field.high))


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


# What a field may say besides its kind, label and help.
OPTIONS: Final = ("choices", "low", "high", "points", "weight")
_WEIGHT: Final = (
    "Weight in the score",
    "The answer times this is added. Blank: it does not count.",
)
_NUMBER: Final[Mapping[str, Any]] = {
    "answer": "number",
    "takes": ("low", "high", "weight"),
    "words": {"weight": _WEIGHT},
}
_CHOOSE: Final[Mapping[str, Any]] = {"takes": ("choices", "points"), "needs": ("choices",)}
_YES: Final = (
    "Points for yes",
    "Added to the score where the answer is yes. Blank: it does not count.",
)

FIELD_KINDS: Final[Mapping[str, FieldKind]] = {
    "text": FieldKind(about="A line of text.", make=lambda field: Text()),
    "long_text": FieldKind(about="Text of several lines.", make=lambda field: LongText()),
    "integer": FieldKind(
        title="whole number",
        about="A whole number, between limits if you like.",
        make=_integer,
        whole=True,
        **_NUMBER,
    ),
    "number": FieldKind(
        about="A number, between limits if you like.",
        make=lambda field: Number(field.low, field.high),
        **_NUMBER,
    ),
    "boolean": FieldKind(
        title="yes or no",
        about="Yes or no.",
        make=lambda field: Boolean(),
        answer="truth",
        takes=("weight",),
        words={"weight": _YES},
    ),
    "date": FieldKind(about="A day.", make=lambda field: IsoDate()),
    "datetime": FieldKind(
        title="date and time", about="A day and a time of day.", make=lambda field: IsoDateTime()
    ),
    "choice": FieldKind(
        about="One of several choices.",
        make=_choice,
        answer="choice",
        **_CHOOSE,
    ),
    "choices": FieldKind(
        title="several choices",
        about="Any number of several choices.",
        make=lambda field: Several(field.choices),
        answer="choices",
        **_CHOOSE,
    ),
    # A scale is shown as a row of buttons.
    "scale": FieldKind(
        about="A step on a scale, from low to high.",
        make=_scale,
        needs=("low", "high"),
        begins={"low": 0, "high": 10},
        whole=True,
        most_steps=101,
        **_NUMBER,
    ),
    "phone": FieldKind(about="A US or Canadian phone number.", make=lambda field: Phone()),
    "email": FieldKind(title="e-mail", about="An e-mail address.", make=lambda field: Email()),
    "timezone": FieldKind(
        title="time zone",
        about="A time zone, such as America/Los_Angeles.",
        make=lambda field: ListedTimezone(),
    ),
    "state": FieldKind(
        about="A state or territory of the US, as two letters.", make=lambda field: State()
    ),
    "zip_code": FieldKind(about="A US zip code of five digits.", make=lambda field: ZipCode()),
}


def kind_title(name: str) -> str:
    """What a designer reads for the name of a kind, in a sentence; the name itself where there is
    no such kind.
    """
    kind = FIELD_KINDS.get(name)
    return (kind.title if kind else "") or name.replace("_", " ")


def kind_of(field: FieldDesign) -> Kind:
    """What checks the values of a field; any text where its kind is none that there is, as in a
    draft that is not right yet.
    """
    known = FIELD_KINDS.get(field.kind)
    is_endless = any(
        isinstance(limit, float) and not math.isfinite(limit) for limit in (field.low, field.high)
    )
    return Text() if known is None or is_endless else known.make(field)


def model(fields: tuple[FieldDesign, ...]) -> Object:
    """The JSON object that these fields describe, ready to check answers with."""
    return Object(tuple(map(declared, fields)))


def declared(field: FieldDesign) -> Field:
    """The field as collections declare theirs."""
    return Field(
        field.name,
        kind_of(field),
        field.help or field.label,
        required=field.required,
        label=field.label or field.name,
        help=field.help,
    )


def reference_page() -> str:
    """The page of the documentation that lists the question types, in Markdown."""
    rows = [
        f"| `{name}` | {kind_title(name)} | {kind.about} | {_COMPARED[kind.answer]} |"
        f" {_options(kind)} |"
        for name, kind in FIELD_KINDS.items()
    ]
    return "\n".join((_PAGE, *rows)) + "\n"


def _options(kind: FieldKind) -> str:
    return ", ".join(f"`{name}`{' (needed)' if name in kind.needs else ''}" for name in kind.takes)


_COMPARED: Final = {
    "text": "a text",
    "number": "a number",
    "truth": "yes or no",
    "choice": "a choice",
    "choices": "choices",
}
_PAGE: Final = """<!-- Generated by `almoner docs write`. -->

# Question types

The kinds of question of an assessment, and of field of a custom data type. What an answer is
compared as says which conditions a follow-up may have ([program files](../program.md)). `points`
and `weight` are for questions alone.

| kind | in the Workshop | what it takes | compared as | options |
| - | - | - | - | - |"""
