"""The vocabulary of fields: a kind with a name, a description and its rules, and the JSON objects
made of such fields.

Built-in collections and what a program designer defines in the Workshop are made of these alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import Enum
from typing import Any, ClassVar, Final

from almoner.errors import MOST_PROBLEMS, Problem, parse_problem
from almoner.vocabulary.kinds import Json, Kind, Problems, Ref, Schema

MISSING: Final = object()
# The default of a moment that is the database's clock at the time of the write.
NOW: Final = object()


class Shape(Enum):
    """How a collection is spelled (clarifications 4, 5 and 7): as the contract has it, as its later
    edition has it, or as it is stored, which is how pages, imports and exports read and write it.
    """

    DOCUMENTED = "documented"
    ENVELOPED = "enveloped"
    STORED = "stored"

    # Each request looks something up by it several times; that of Enum is a function of Python.
    __hash__ = object.__hash__


@dataclass(frozen=True)
class Field:
    """One field of a collection, of a nested object or of a Workshop definition.

    ``about`` is its description in the reference. ``required`` holds on Create, ``update_required``
    on Update.

    ``default`` is what a row gets where Create leaves the field out; a field with a default is
    never null. ``create`` and ``update`` tell whether the verb sets it; where it does not, the
    value is accepted and ignored (clarification 9). ``returned`` and ``stored`` are false for what
    only comes in. ``label`` is what people call it, where that does not follow from the name;
    ``help`` says in a form how to fill it in (``about`` where it is None); ``section`` names the
    part of the collection's forms that it is in (``Section``), the last one where it names none.
    ``titled`` is false where its words need no title in a line, as what a number is called.

    ``filter`` makes it a parameter of Find, under its own name or ``filter_as``; of those with one
    ``filter_either``, one must hold. ``indexed`` is false where so few rows are looked through that
    an index saves nothing. ``generated`` is the SQL expression of a column that PostgreSQL
    computes.

    What the enveloped shape has otherwise: ``enveloped_name`` is a second name there,
    ``optional_when_enveloped``, ``update_when_enveloped`` and ``returned_when_enveloped`` hold
    there alone, and a field ``only_enveloped`` is not in the documented shape at all, as one
    ``not_enveloped`` is not in that shape. How its values are spelled there, its kind knows."""

    name: str
    kind: Kind
    about: str = ""
    required: bool = False
    default: Any = MISSING
    create: bool = True
    update: bool = True
    returned: bool = True
    stored: bool = True
    filter: bool = False
    aliases: tuple[str, ...] = ()
    enveloped_name: str | None = None
    optional_when_enveloped: bool = False
    update_when_enveloped: bool = False
    returned_when_enveloped: bool = False
    only_enveloped: bool = False
    not_enveloped: bool = False
    update_required: bool = False
    generated: str | None = None
    filter_as: str | None = None
    filter_aliases: tuple[str, ...] = ()
    filter_either: str | None = None
    indexed: bool = True
    sample: Any = MISSING
    label: str = ""
    help: str | None = None
    section: str = ""
    titled: bool = True

    @property
    def title(self) -> str:
        """What people call it, in forms, on pages and in the timeline."""
        words = self.name.removeprefix("is_").removesuffix("_id").replace("_", " ")
        return self.label or words[:1].upper() + words[1:]

    @property
    def is_inside(self) -> bool:
        """Whether it is a key of a field that is an object, by its path: ``body.dose``."""
        return "." in self.name

    @property
    def nullable(self) -> bool:
        return (not self.required or self.optional_when_enveloped) and self.default is MISSING

    def in_shape(self, shape: Shape) -> Field:
        """The field as this shape has it. Whether the shape has it at all, ``only_enveloped``
        and ``not_enveloped`` tell.
        """
        if shape is not Shape.ENVELOPED:
            return self
        required = self.required and not self.optional_when_enveloped
        update = self.update or self.update_when_enveloped
        returned = self.returned or self.returned_when_enveloped
        kind = self.kind.enveloped()
        # A sample in the contract's spelling is none of a kind that has its own.
        sample = self.sample if kind is self.kind else MISSING
        return replace(
            self, kind=kind, required=required, update=update, returned=returned, sample=sample
        )

    @property
    def filters(self) -> bool:
        """Whether Find filters by it: every reference does (clarification 10)."""
        return self.filter or isinstance(self.kind, Ref)

    @property
    def filter_names(self) -> tuple[str, ...]:
        """The parameters of Find that filter by it."""
        return (self.filter_as or self.name, *self.filter_aliases)

    def example(self) -> Any:
        return self.kind.example() if self.sample is MISSING else self.sample


@dataclass(frozen=True)
class FormSection:
    """A part of a collection's forms under its heading. ``fields`` names some that are in it, in
    this order, before the others.

    A field is in the section that it or this names; one that nobody names is in the last of the
    collection."""

    name: str
    title: str
    fields: tuple[str, ...] = ()


# The last section where a collection's pages lay out the fields of the others by hand.
MORE: Final = FormSection("more", "More about it")


@dataclass(frozen=True)
class Object(Json):
    """A JSON object of known fields: unknown keys are refused by name, every violation is reported
    with its path.
    """

    fields: tuple[Field, ...]
    closed: bool = True
    by_name: Mapping[str, Field] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    hint: ClassVar[str] = "a JSON object is expected"

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {f.name: f for f in self.fields})

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        if type(value) is not dict:
            problems.append(parse_problem("json", path, self.hint))
            return None
        for key in value:
            if key not in self.by_name:
                add_unknown(problems, key, path, self.by_name)
        members = {}
        for item in self.fields:
            member = value.get(item.name)
            if member is not None:
                members[item.name] = item.kind.keep(member, f"{path}.{item.name}", problems)
            elif item.required:
                problems.append(missing_field(f"{path}.{item.name}"))
            elif item.name in value:
                members[item.name] = None
        return members

    def schema(self) -> Schema:
        return object_schema(self.fields, [f.name for f in self.fields if f.required])

    def example(self) -> Any:
        return {f.name: f.example() for f in self.fields}


@dataclass(frozen=True)
class ListOf(Json):
    """A JSON array whose items are all of one kind."""

    item: Kind

    name: ClassVar[str] = "list"
    hint: ClassVar[str] = "a list is expected"

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        if type(value) is list:
            items = []
            for n, item in enumerate(value):
                items.append(self.item.keep(item, f"{path}[{n}]", problems))
                if len(problems) > MOST_PROBLEMS:
                    break
            return items
        problems.append(parse_problem(self.name, path, self.hint))
        return None

    def schema(self) -> Schema:
        return {"type": "array", "items": self.item.schema()}

    def example(self) -> Any:
        return [self.item.example()]


def object_schema(fields: Sequence[Field], required: Sequence[str]) -> Schema:
    """The closed JSON schema of these fields."""
    properties = {
        f.name: nullable_schema(f.kind.schema(), f.nullable) | described(f) for f in fields
    }
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


def described(item: Field) -> Schema:
    return {"description": item.about} if item.about else {}


def nullable_schema(schema: Schema, nullable: bool) -> Schema:
    """The schema, with null allowed as well where ``nullable``."""
    if not nullable or "type" not in schema:
        return dict(schema)
    widened = {**schema, "type": [schema["type"], "null"]}
    return widened | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def add_unknown(
    problems: Problems, key: str, path: str, known: Mapping[str, Any], what: str = "field"
) -> None:
    """Adds the problem of a name that the model does not know: a typo must never be silently lost
    (clarification 9).

    ``what`` it is: a field of a body or a parameter of a query. Past ``MOST_PROBLEMS`` it is
    counted and no more."""
    if len(problems) >= MOST_PROBLEMS:
        problems.append(_YET_ANOTHER)
        return
    plain = printable(key)
    near = get_close_matches(plain, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else f" Known here: {', '.join(sorted(known))}."
    detail = f"Unknown {what} at {path}.{plain}.{hint}"
    problems.append(
        Problem("parse_exception", detail, {"path": f"{path}.{plain}"}, rule="unknown_field")
    )


_YET_ANOTHER: Final = Problem(
    "parse_exception", "Unknown field.", {"path": "."}, rule="unknown_field"
)


def printable(key: str) -> str:
    """A name that a caller sent, fit to be shown back to that caller: short, without control
    characters.
    """
    plain = "".join(c if c.isprintable() else "?" for c in key[:80])
    return plain if len(key) <= 80 else f"{plain}..."


def missing_field(path: str) -> Problem:
    return Problem(
        "parse_exception", f"Missing required field at {path}", {"path": path}, rule="required"
    )
