"""What waits for a worker, before it is put in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from almoner.portal.care_flows.changes import Part
from almoner.vocabulary.names import Named

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, kw_only=True)
class InboxPatient(Named):
    """The patient of an entry. ``timezone`` is an IANA name."""

    id: str
    first_name: str
    last_name: str
    phase: str
    timezone: str


@dataclass(frozen=True, kw_only=True)
class DueStep:
    """An open intervention that is due: its place in the flow, counted from 0, and when it is due,
    in UTC.

    ``late`` counts the days since the one on which it is due, where the patient lives: 0 on that
    day. ``base`` is a flow that holds it alone: what a change is made from
    (``care_flows.changing``)."""

    patient: InboxPatient
    flow_id: str
    goal: int
    step: int
    due: datetime
    late: int
    base: Part

    @property
    def title(self) -> str:
        """What is to be done."""
        return str(self.base["goals"][0]["interventions"][0]["title"])

    @property
    def flow(self) -> str:
        """What its flow is for."""
        return str(self.base["description"])


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A conversation with unread messages: how many, and the newest of them. ``kind`` is a
    conversation type or None.
    """

    patient: InboxPatient
    conversation_id: str
    number: int
    at: datetime
    contents: str
    kind: str | None


@dataclass(frozen=True)
class Inactive:
    """A patient of whom nothing was heard since ``last_at``, with nothing to come either."""

    patient: InboxPatient
    last_at: datetime


@dataclass(frozen=True)
class New:
    """A patient of the last days. ``is_mine``: the worker is their coach already; else nobody
    is.
    """

    patient: InboxPatient
    at: datetime
    by: str
    is_mine: bool


@dataclass(frozen=True)
class Matches(Generic[_Entry]):
    """What was found of a sort. ``rest``: how many more there are than these, None where it is not
    known how many.
    """

    entries: list[_Entry]
    rest: int | None = 0

    @property
    def more(self) -> bool:
        """Whether there are more than is known."""
        return self.rest is None

    @property
    def number(self) -> int:
        """How many there are, or at least so many."""
        return len(self.entries) + (self.rest or 0)
