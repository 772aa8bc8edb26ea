"""What a collection is, as a value. ``resources/`` holds one declaration a file; everything else is
derived from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

from almoner.data_api.endings import Ending
from almoner.data_api.indexed import IndexedPart, Search
from almoner.data_api.presented import Presented
from almoner.vocabulary.choices import Choice, ProgramChoice
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Field, FormSection, Shape
from almoner.vocabulary.kinds import Guid, Guids, Kind, Problems, Ref, Text
from almoner.vocabulary.times import IsoDateTime


class Verb(Enum):
    """An operation of the contract, with its HTTP method."""

    GET = "GET"
    FIND = "FIND"
    CREATE = "POST"
    UPDATE = "PUT"
    DELETE = "DELETE"


Row = dict[str, Any]
# A rule over a whole row: adds a problem for each violation, and may fill in what follows from the
# other fields.
Check = Callable[[Row, Program, Problems], None]


@dataclass(frozen=True)
class Related:
    """A row of another collection that is written with its parent (``on_create``). ``tells``: it
    tells people of what is new, and is left out where its parent is loaded from elsewhere."""

    resource: str
    values: Row
    # Where the related row's problems are reported: ``.phone``, ``.external_ids[0]``.
    path: str
    tells: bool = False


@dataclass(frozen=True)
class RuleQuestion:
    """What a rule has to know of other rows: asked within the write, where ``asked`` says so of
    what the body names.

    ``sql`` has for parameters the environment and the row's ``fields``; ``rule`` gets the row and
    what was found."""

    asked: Callable[[Row], bool]
    sql: str
    fields: tuple[str, ...]
    rule: Callable[[Row, Sequence[Mapping[str, Any]], Problems], None]


@dataclass(frozen=True)
class Through:
    """Rows of another table that belong to those of a collection: their ``key`` is what those have
    in ``column``.

    ``where``: those of them that count."""

    table: str
    key: str
    where: str = "true"
    column: str = "id"


@dataclass(frozen=True, eq=False)
class Filter:
    """A parameter of Find. ``sql`` is its condition, with ``{value}`` for the value, which is of
    ``kind``.

    Filters ``through`` the same rows hold of one of those together. Of those with one ``either``,
    one must hold."""

    name: str
    kind: Kind
    about: str
    sql: str
    through: Through | None = None
    either: str | None = None
    sample: Any = None


@dataclass(frozen=True)
class Unique:
    """Fields whose values together occur once in an environment; ``path`` names the field in the
    error.

    ``where`` names a hidden boolean field: a new row for which it is true may be the only one with
    these values, whatever it is for the others; a row for which it is false may always be written.
    An index cannot say that by itself, so that ``Store`` looks before it writes; the index holds
    against another who writes at the same time."""

    fields: tuple[str, ...]
    path: str
    detail: str
    where: str | None = None


@dataclass(frozen=True, eq=False)
class Spelled:
    """A collection as one shape has it: its fields, those of an answer by their keys, in order,
    every name that a body may use for a field, and every parameter that filters."""

    fields: tuple[Field, ...]
    answered: tuple[tuple[str, Field], ...]
    names: Mapping[str, Field]
    filters: Mapping[str, Filter]
    required: tuple[Field, ...] = field(init=False)
    update_required: tuple[Field, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "required", tuple(f for f in self.fields if f.required))
        on_update = tuple(f for f in self.fields if f.update_required)
        object.__setattr__(self, "update_required", on_update)


_AS_DECLARED = Presented()


@dataclass(frozen=True, eq=False)
class Resource:
    """A collection of the contract.

    ``about`` and ``singular`` are for the reference. ``patient`` names the column that tells which
    patient a row is about (or None). ``settle`` puts what a body names in order, before anything
    else looks at it. ``checks`` run over the whole row on Create and, when a field that they read
    is named, on Update, as ``questions`` do. ``on_create`` tells the rows that a Create writes
    along, ``ends`` those that end with it; ``on_update`` is run with each Update: SQL over
    ``written``, the rows with their ``differences``, and ``{by}``, the actor. ``part_of`` is the
    collection whose rows have these inside in the enveloped shape, and are written with them.
    ``finders`` are filters besides those of the fields. ``sections`` are the parts of its forms:
    the last one has every field that is in no other. ``presented`` is how pages show rows.
    ``searches`` are indexed for typing errors, ``orders`` are lists that pages walk, in SQL;
    ``parts`` are looked into by themselves. ``marks`` are columns of pages alone."""

    name: str
    title: str
    singular: str
    about: str
    verbs: tuple[Verb, ...]
    fields: tuple[Field, ...]
    patient: str | None = "user_id"
    settle: Callable[[Row], None] | None = None
    checks: tuple[Check, ...] = ()
    questions: tuple[RuleQuestion, ...] = ()
    ends: tuple[Ending, ...] = ()
    checked_fields: frozenset[str] = frozenset()
    on_create: Callable[[Row, Program], Sequence[Related]] | None = None
    on_update: str = ""
    unique: tuple[Unique, ...] = ()
    any_reference: tuple[str, str] | None = None
    part_of: str = ""
    finders: tuple[Filter, ...] = ()
    searches: tuple[Search, ...] = ()
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: tuple[IndexedPart, ...] = ()
    marks: tuple[Field, ...] = ()
    notes: tuple[str, ...] = ()
    provisional: bool = False
    happened: str | None = None
    sections: tuple[FormSection, ...] = (FormSection("fields", ""),)
    presented: Presented = _AS_DECLARED
    spelled: Mapping[Shape, Spelled] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "spelled", {shape: _spelled(self, shape) for shape in Shape})

    @property
    def tells_of_patients(self) -> bool:
        """Whether a row may be about a patient, as a mapping of a patient's id is too."""
        return self.patient is not None or self.any_reference is not None

    @cached_property
    def stored(self) -> tuple[Field, ...]:
        """The fields that are columns, in the order of the declaration."""
        return tuple(f for f in self.fields if f.stored)

    @cached_property
    def returned(self) -> tuple[Field, ...]:
        """The fields of an answer of any shape, in the order of the contract's example."""
        return tuple(f for f in self.fields if f.returned)

    @cached_property
    def references(self) -> tuple[tuple[Field, Ref], ...]:
        return tuple((f, f.kind) for f in self.stored if isinstance(f.kind, Ref))

    @cached_property
    def program_choices(self) -> tuple[tuple[Field, ProgramChoice], ...]:
        return tuple((f, f.kind) for f in self.stored if isinstance(f.kind, ProgramChoice))

    @cached_property
    def filters(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.filters)

    @cached_property
    def claims(self) -> tuple[Unique, ...]:
        """The rules of uniqueness that hold for some rows alone."""
        return tuple(rule for rule in self.unique if rule.where)

    @cached_property
    def writable(self) -> tuple[Field, ...]:
        """The columns that a Create may set by itself: all but what the database fills in."""
        return tuple(
            f
            for f in self.stored
            if f.generated is None and f.name not in ("id", "updated_at", "created_at")
        )

    @property
    def thing(self) -> str:
        """What people call a row, within a sentence."""
        return self.presented.thing or self.singular

    @property
    def things(self) -> str:
        """What people call several rows, as a heading."""
        return self.presented.things or self.title.capitalize()

    @cached_property
    def named(self) -> str:
        """What tells which row it is: a field or an SQL expression over the columns; empty where
        nothing does.
        """
        if self.presented.named is not None:
            return self.presented.named
        texts = (f.name for f in self.stored if f.returned and isinstance(f.kind, Text | Choice))
        return next(texts, "")

    @property
    def page(self) -> str:
        """The page behind a patient's address that is made of the declaration; empty where pages
        are made by hand, or none are.
        """
        by_hand = self.presented.place is not None or self.patient in (None, "id")
        return self.presented.page or ("" if by_hand else self.name.replace("_", "-"))

    @property
    def card(self) -> str:
        """What a program's layout calls the card beside a patient's timeline that is made of the
        declaration; empty as ``page``.
        """
        return (self.presented.card or self.name) if self.page else ""

    @property
    def place(self) -> str:
        """Where a row is read whole, behind the address of a patient's profile, with ``{id}`` for
        the row; empty for nowhere.
        """
        return f"/{self.page}#{{id}}" if self.page else self.presented.place or ""

    @cached_property
    def by_section(self) -> Mapping[str, tuple[Field, ...]]:
        """The fields of each section, in the order of a form."""
        named = {name: section.name for section in self.sections for name in section.fields}
        parts: dict[str, list[Field]] = {
            section.name: [self.field(name) for name in section.fields] for section in self.sections
        }
        for item in self.fields:
            if item.name not in named:
                parts[item.section or self.sections[-1].name].append(item)
        return {name: tuple(fields) for name, fields in parts.items()}

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)


def complete(resource: Resource) -> Resource:
    """The declaration as it is. Raises ValueError where rows are about a patient whom no field
    names.
    """
    if resource.patient is not None and all(
        field.name != resource.patient for field in resource.fields
    ):
        raise ValueError(
            f"{resource.name} has no field {resource.patient}, which would tell whom a row is"
            " about. Add patient_reference(...), or say patient=None where rows are about no"
            " patient."
        )
    return resource


def unique_name(resource: Resource, rule: Unique) -> str:
    """The index that keeps the rule: by this name the database's refusal is traced to its
    declaration.
    """
    return f"{resource.name}_{'_'.join(rule.fields)}_key"


def _spelled(resource: Resource, shape: Shape) -> Spelled:
    """What a shape has of a collection: this is where shapes differ, and the only place."""
    fields = tuple(
        f.in_shape(shape)
        for f in resource.fields
        if not (shape is Shape.DOCUMENTED and f.only_enveloped)
        and not (shape is Shape.ENVELOPED and f.not_enveloped)
    )
    answered: list[tuple[str, Field]] = []
    names: dict[str, Field] = {}
    for item in fields:
        second = [item.enveloped_name] if item.enveloped_name and shape is Shape.ENVELOPED else []
        if item.returned:
            answered += [(key, item) for key in (item.name, *second)]
        if item.returned or item.create or item.update:
            names |= dict.fromkeys((item.name, *item.aliases, *second), item)
    # What no edition of the contract has stands behind what it has.
    answered.sort(key=lambda each: each[1].not_enveloped)
    return Spelled(fields, tuple(answered), names, _filters(resource, fields, shape))


def _in_shape(finder: Filter, shape: Shape) -> Filter:
    kind = finder.kind.enveloped() if shape is Shape.ENVELOPED else finder.kind
    return finder if kind is finder.kind else replace(finder, kind=kind, sample=kind.example())


def _filters(resource: Resource, fields: tuple[Field, ...], shape: Shape) -> Mapping[str, Filter]:
    filters: dict[str, Filter] = {IDS.name: IDS}
    for item in fields:
        if item.filters:
            kind = item.kind.filter_kind()
            sample = item.example()
            by_field = Filter(
                item.name,
                kind,
                item.about,
                item.kind.filter_sql(item.name, "{value}"),
                either=item.filter_either,
                sample=sample[0] if isinstance(sample, list) else sample,
            )
            second = (
                [item.enveloped_name] if item.enveloped_name and shape is Shape.ENVELOPED else []
            )
            filters |= dict.fromkeys((*item.filter_names, *second), by_field)
    filters |= {finder.name: _in_shape(finder, shape) for finder in resource.finders}
    return filters


ID = Field(
    "id",
    Guid(),
    "Identifies the row, within this collection and across all of them.",
    create=False,
    update=False,
)
UPDATED_AT = Field(
    "updated_at",
    IsoDateTime(),
    "When the row last changed. Set by the database; grows with every change.",
    create=False,
    update=False,
)
CREATED_AT = Field(
    "created_at",
    IsoDateTime(),
    "When the row was created.",
    create=False,
    update=False,
    sample="2018-09-12T01:27:32.031362+00:00",
)


IDS = Filter(
    "ids",
    Guids(),
    "Rows with one of these ids, at most 1000: parted by commas, or a list in a body. A page then"
    " holds all of them.",
    "id = ANY ({value})",
    sample=Guid.sample,
)

# A patient; what comes for a record that was merged into another lands on the kept one.
PATIENT = Ref("patients", current="almoner_current_patient")


def patient_reference(about: str, update: bool = False) -> Field:
    """``user_id``: the patient that a row is about; ``patient_id`` in the enveloped shape
    (clarification 5).
    """
    return Field(
        "user_id",
        PATIENT,
        about,
        required=True,
        update=update,
        enveloped_name="patient_id",
        label="Patient",
    )
