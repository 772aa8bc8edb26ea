"""What a collection is, as a value. ``resources/`` holds one declaration a file; everything else is derived from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from almoner.choices import ProgramChoice
from almoner.definitions import Program
from almoner.fields import Field
from almoner.kinds import Guid, Problems, Ref
from almoner.times import IsoDateTime


class Verb(Enum):
    """An operation of the contract, with its HTTP method."""

    GET = "GET"
    FIND = "FIND"
    CREATE = "POST"
    UPDATE = "PUT"
    DELETE = "DELETE"


Row = dict[str, Any]
# A rule over a whole row: adds a problem for each violation, and may fill in what follows from the other fields.
Check = Callable[[Row, Program, Problems], None]


@dataclass(frozen=True)
class Related:
    """A row of another collection that is written in the transaction of its parent (``on_create``)."""

    resource: str
    values: Row
    # Where the related row's problems are reported: ``.phone``, ``.external_ids[0]``.
    path: str


@dataclass(frozen=True)
class Unique:
    """Fields whose values together occur once in an environment; ``path`` names the field in the error.

    ``where`` names a hidden boolean field: a new row for which it is true may be the only one with these values, whatever
    it is for the others; a row for which it is false may always be written. An index cannot say that by itself, so that
    ``Store`` looks before it writes; the index holds against another who writes at the same time.
    """

    fields: tuple[str, ...]
    path: str
    detail: str
    where: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of the rows that pages look into: an index of ``keys`` that holds those alone for which the SQL ``where`` is true.

    A key is a column or an SQL expression over the columns; ``using`` is ``gin`` where what is looked for is in a list.
    """

    name: str
    keys: tuple[str, ...]
    where: str
    using: str = "btree"


@dataclass(frozen=True)
class Search:
    """What people search rows by, typing errors included: an index of ``almoner_plain`` of an SQL expression over the columns.

    ``text`` is the expression, with ``{row}`` before each column. ``column`` names a column that keeps what is searched, where
    more than one index needs it; a trigger fills it in, and neither the API nor the change log tells of it. ``beside`` are columns
    whose exact values the same index finds: that costs a write less than an index of their own.
    """

    name: str
    text: str
    column: str | None = None
    beside: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """The SQL of what the index holds."""
        return self.column or self.worked_out()

    def worked_out(self, row: str = "") -> str:
        """The SQL by which it follows from the columns of ``row``."""
        return f"almoner_plain({self.text.format(row=row)})"


@dataclass(frozen=True, eq=False)
class Resource:
    """A collection of the contract.

    ``about`` and ``singular`` are for the reference. ``patient`` names the column that tells which patient a row is about
    (None where it is about no patient). ``checks`` run over the whole row on Create and, when a field that they read is
    named, on Update. ``on_create`` tells the rows that a Create writes along. ``searches`` are indexed for typing errors,
    ``orders`` are lists that pages walk through, as SQL expressions over the columns; ``parts`` are looked into by themselves.
    ``marks`` are columns in which pages note something at a row: the API neither takes nor shows them, and writing one is no
    change of the row, neither by its ``updated_at`` nor in the change log.
    """

    name: str
    title: str
    singular: str
    about: str
    verbs: tuple[Verb, ...]
    fields: tuple[Field, ...]
    patient: str | None = "user_id"
    checks: tuple[Check, ...] = ()
    checked_fields: frozenset[str] = frozenset()
    on_create: Callable[[Row], Sequence[Related]] | None = None
    unique: tuple[Unique, ...] = ()
    any_reference: tuple[str, str] | None = None
    searches: tuple[Search, ...] = ()
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    marks: tuple[Field, ...] = ()
    notes: tuple[str, ...] = ()
    provisional: bool = False
    happened: str | None = None
    by_input: Mapping[bool, Mapping[str, Field]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_input", {shape: _input_names(self.fields, shape) for shape in (False, True)})

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
        """The fields of an answer, in the order of the contract's example."""
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
        return tuple(f for f in self.stored if f.generated is None and f.name not in ("id", "updated_at", "created_at"))

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)


def unique_name(resource: Resource, rule: Unique) -> str:
    """The index that keeps the rule: by this name the database's refusal is traced to its declaration."""
    return f"{resource.name}_{'_'.join(rule.fields)}_key"


def _input_names(fields: tuple[Field, ...], enveloped: bool) -> Mapping[str, Field]:
    """Every name under which a field is accepted in a body, with the field."""
    offered = [f for f in fields if f.returned or f.create or f.update]
    names = {name: f for f in offered for name in (f.name, *f.aliases)}
    if enveloped:
        names |= {f.enveloped_name: f for f in offered if f.enveloped_name}
    return names


ID = Field("id", Guid(), "Identifies the row, within this collection and across all of them.", create=False, update=False)
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


# A patient; what comes for a record that was merged into another lands on the kept one.
PATIENT = Ref("patients", current="almoner_current_patient")


def patient_reference(about: str, update: bool = False) -> Field:
    """``user_id``: the patient that a row is about; ``patient_id`` in the enveloped shape (clarification 5)."""
    return Field("user_id", PATIENT, about, required=True, update=update, enveloped_name="patient_id")
