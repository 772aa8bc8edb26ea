"""A program as its designer states it: plain values, the same whether they come from a file, a page or the database.

A design holds what people need as well (titles, labels, help); ``almoner.definitions`` is what the API checks against.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class FieldDesign(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field of an assessment or of a custom data type.

    ``kind`` is a name of ``field_kinds.FIELD_KINDS``. ``low`` and ``high`` are inclusive limits, None for no limit.
    """

    name: str
    kind: str
    label: str = ""
    help: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    low: int | float | None = None
    high: int | float | None = None


class Phase(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stage of care that a patient can be in."""

    name: str
    title: str = ""


class AppointmentType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of appointment; ``minutes`` is how long one usually takes, None where that is left open."""

    name: str
    title: str = ""
    minutes: int | None = None


class TaskType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of task that a patient is shown."""

    name: str
    title: str = ""


class Assessment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A form whose answers are kept as assessment responses. API clients name it by ``id`` or by ``name``."""

    id: str
    name: str
    title: str = ""
    fields: tuple[FieldDesign, ...] = ()

    @property
    def key(self) -> str:
        """What identifies it from one version of the program to the next."""
        return self.id


class CustomDataType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of record that patients can have, in the program's own form."""

    name: str
    title: str = ""
    fields: tuple[FieldDesign, ...] = ()

    @property
    def key(self) -> str:
        """What identifies it from one version of the program to the next."""
        return self.name


class ProgramDesign(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A whole program, as one file holds it. Everything keeps the order in which the designer wrote it."""

    name: str
    phases: tuple[Phase, ...] = ()
    appointment_types: tuple[AppointmentType, ...] = ()
    assessments: tuple[Assessment, ...] = ()
    custom_data_types: tuple[CustomDataType, ...] = ()
    task_types: tuple[TaskType, ...] = ()


class Named(Protocol):
    """Anything of a program that has a name of its own."""

    @property
    def name(self) -> str: ...
