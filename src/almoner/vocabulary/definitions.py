"""A program: what an environment's care program is made of, as the API checks against it.

The Workshop designs and publishes it; here it is a value. Its assessment specs and custom data
types are made of the same fields as the built-in collections."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal

from almoner.vocabulary.fields import Field, Object
from almoner.vocabulary.numbers import calculated

# The collections of which a role may hide some.
ANSWERS: Final = "assessment_responses"
RECORDS: Final = "custom_data_type_records"
NOTES: Final = "notes"
Permission = Literal["give_care", "supervise", "design", "integrate", "administer", "correct"]


# What a band of scores asks for: nothing, a look, or somebody who takes care of it.
Severity = Literal["calm", "watch", "act"]


@dataclass(frozen=True)
class Score:
    """A sum without rounding errors, whole where it is a whole number; ``band`` is None outside of
    every band.
    """

    total: int | float
    band: str | None
    severity: Severity = "calm"

    @property
    def in_words(self) -> str:
        """The number, and what it means where that is known."""
        return f"{calculated(self.total)} · {self.band}" if self.band else calculated(self.total)


def _no_score(answers: Mapping[str, Any]) -> Score | None:
    return None


@dataclass(frozen=True)
class Spec:
    """One published version of an assessment spec. ``version`` starts at 1 and grows when the spec
    changes. ``score`` is what answers add up to, None where they have no score.
    """

    id: str
    name: str
    version: int
    title: str
    model: Object
    score: Callable[[Mapping[str, Any]], Score | None] = field(default=_no_score, compare=False)


@dataclass(frozen=True)
class DataType:
    """One published version of a custom data type. ``single``: a patient has at most one record of
    it. ``title`` and ``description`` are for people.
    """

    name: str
    version: int
    body: Object
    single: bool = False
    title: str = ""
    description: str = ""

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields of its records by their paths in the row: ``body.dose``."""
        return tuple(replace(inside, name=f"body.{inside.name}") for inside in self.body.fields)


@dataclass(frozen=True)
class Rights:
    """What the roles of a worker open (``workshop.design.Role``), taken together."""

    may: frozenset[str]
    all_patients: bool
    hidden_data: frozenset[str]
    hidden_assessments: frozenset[str]
    second_factor: bool
    hidden_notes: frozenset[str] = frozenset()

    @property
    def hidden(self) -> Mapping[str, frozenset[str]]:
        """What is hidden of each collection of which some may be, by the collection's name."""
        return {
            ANSWERS: self.hidden_assessments,
            RECORDS: self.hidden_data,
            NOTES: self.hidden_notes,
        }


NO_RIGHTS = Rights(frozenset(), False, frozenset(), frozenset(), False)
REACHED = "reached"
# What comes of a call in every program, as people read it.
CALL_OUTCOMES: Mapping[str, str] = {
    REACHED: "Reached",
    "voicemail": "Left a voicemail",
    "no_answer": "No answer",
    "wrong_number": "Wrong number",
}
# The roles that every program has, whatever its designer says: by name, the title and what the role
# opens.
BUILT_IN: Mapping[str, tuple[str, tuple[Permission, ...]]] = {
    "coach": ("Coach", ("give_care",)),
    "designer": ("Designer", ("design", "integrate")),
    "admin": ("Administrator", ("administer", "integrate")),
}
BUILT_IN_RIGHTS: Mapping[str, Rights] = {
    name: Rights(frozenset(may), True, frozenset(), frozenset(), False)
    for name, (_, may) in BUILT_IN.items()
}

# What phases and types of appointment are told apart by, beside their words; in their order where
# the designer leaves it open.
COLORS: Final = ("slate", "sky", "indigo", "violet", "pink", "brown", "steel", "olive")
BY_ORDER: Final = "by_order"


def color_number(color: str, place: int) -> int:
    """Which of ``COLORS``, counted from 1, this is; of ``BY_ORDER`` that of the ``place``."""
    return (place % len(COLORS) if color == BY_ORDER else COLORS.index(color)) + 1


@dataclass(frozen=True)
class SidebarCard:
    """A card beside a patient's timeline, as the designer laid it out
    (``workshop.design.SidebarModule``).
    """

    title: str
    shows: str
    of: str = ""
    field: str = ""


@dataclass(frozen=True)
class AppointmentKind:
    """How a type of appointment is usually held. ``minutes`` is None where that is left open; no
    ``modalities``: any of them.
    """

    minutes: int | None = None
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """The newest published program of an environment; ``version`` is 0 where nothing has been
    published yet.

    ``specs`` holds every published version, keyed by spec id and version, so that a response can
    name an older one; ``spec_ids`` has the ids of the newest by their names. ``next_phases`` tells
    what may follow a phase, None where any may; of patients in ``silent_phases`` the inbox does
    not remind. ``titles`` has what people read, by group and name
    (``("phases", "intake")``); ``terminology`` what the program calls a ``patient``, ``patients``,
    a ``coach`` and ``coaches``, empty where nothing has been published. ``sidebar`` has the cards
    of the profile in their order. ``appointments`` tells how each of the ``appointment_types`` is
    usually held; ``colors`` which of ``COLORS`` a designer chose for an element, by group and name;
    ``acts`` whether it has processes. ``completing_outcomes`` are those of a call
    that has taken place; ``note_templates`` has what a note begins with, by its type."""

    version: int = 0
    name: str = ""
    phases: Collection[str] = ()
    appointment_types: Collection[str] = ()
    task_types: Collection[str] = ()
    note_types: Collection[str] = ()
    call_outcomes: Collection[str] = tuple(CALL_OUTCOMES)
    specs: Mapping[tuple[str, int], Spec] = field(default_factory=dict)
    newest_specs: Mapping[str, Spec] = field(default_factory=dict)
    spec_ids: Mapping[str, str] = field(default_factory=dict)
    custom_data_types: Mapping[str, DataType] = field(default_factory=dict)
    next_phases: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    silent_phases: frozenset[str] = frozenset()
    titles: Mapping[tuple[str, str], str] = field(default_factory=dict)
    terminology: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, Rights] = field(default_factory=lambda: BUILT_IN_RIGHTS)
    sidebar: tuple[SidebarCard, ...] = ()
    appointments: Mapping[str, AppointmentKind] = field(default_factory=dict)
    colors: Mapping[tuple[str, str], str] = field(default_factory=dict)
    acts: bool = False
    completing_outcomes: Collection[str] = (REACHED,)
    note_templates: Mapping[str, str] = field(default_factory=dict)

    def rights(self, roles: Collection[str]) -> Rights:
        """What these roles open together: each opens more, and only what all of them hide stays
        hidden.
        """
        in_force = [self.roles[name] for name in roles if name in self.roles]
        if not in_force:
            return NO_RIGHTS
        return Rights(
            may=frozenset().union(*(role.may for role in in_force)),
            all_patients=any(role.all_patients for role in in_force),
            hidden_data=frozenset.intersection(*(role.hidden_data for role in in_force)),
            hidden_assessments=frozenset.intersection(
                *(role.hidden_assessments for role in in_force)
            ),
            second_factor=any(role.second_factor for role in in_force),
            hidden_notes=frozenset.intersection(*(role.hidden_notes for role in in_force)),
        )

    def title(self, group: str, name: str) -> str:
        """What people call an element of a ``group`` such as ``phases``: its title, or its name
        where it has none or is gone.
        """
        built_in = CALL_OUTCOMES.get(name, name) if group == "call_outcomes" else name
        return self.titles.get((group, name), built_in)

    def dot(self, group: str, title: str) -> int:
        """Which of ``COLORS``, counted from 1, what people call this has in a ``group`` of
        ``names``: the one that its designer chose, else by the order of the program; 0 where it is
        none of them.
        """
        for place, name in enumerate(self.names(group)):
            if self.title(group, name) == title:
                return color_number(self.colors.get((group, name), BY_ORDER), place)
        return 0

    def role_title(self, name: str) -> str:
        """The program's title of a role, or ours; of a role that is gone, its name in words."""
        built_in, _ = BUILT_IN.get(name, ("", ()))
        return self.titles.get(("roles", name)) or built_in or name.replace("_", " ").capitalize()

    def names(self, of: str) -> Collection[str]:
        """The names that the program defines: of ``phases``, ``appointment_types`` or
        ``custom_data_types``.
        """
        choices: Collection[str] = getattr(self, of)
        return choices
