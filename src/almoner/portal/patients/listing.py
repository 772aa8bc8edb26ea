"""The list of patients: filtered, sorted and paged by keys that indexes hold, with counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.patient_merges.current_sql import counts_by_phase, is_current
from almoner.portal.calendar.ahead import next_of
from almoner.portal.patient_access import only_of
from almoner.portal.patients import by_next
from almoner.portal.patients.by_next import ZONE
from almoner.resources.patients import NAME_ORDER
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import Named, full_name_sql

PAGE: Final = 50
# By the next appointment: whoever has one. It walks the appointments, not the patients.
NEXT: Final = "next"
# What is next for the patient ``page``.
_NEXT_OF: Final = next_of(
    "page.id", ZONE.format("page.timezone"), "e.start_time AS next_at, e.day AS next_day"
)
# More patients of a coach than these are found by walking all appointments: one in so many is soon
# theirs.
_MANY: Final = 4000
# The keys of each order, and whether the first is the greatest.
ORDERS: Final[Mapping[str, tuple[tuple[str, ...], bool]]] = {
    "name": ((NAME_ORDER, "id"), False),
    "phase": (("phase", NAME_ORDER, "id"), False),
    "newest": (("created_at", "id"), True),
    "changed": (("updated_at", "id"), True),
    NEXT: ((), False),
}
NOBODY: Final = "nobody"
_COLUMNS: Final = f"""
page.id::text, page.first_name, page.last_name, birthday, page.timezone, phase, coach_id::text,
{full_name_sql("w")} AS coach, page.created_at, page.updated_at, n.next_at, n.next_day
"""
_IS_CURRENT: Final = is_current("patients.id")


@dataclass(frozen=True, kw_only=True)
class PatientRow(Named):
    """A patient in the list. ``timezone`` is an IANA name; birthday and coach may be None.

    ``next_at`` (UTC) or ``next_day`` is the next appointment, where there is one: at a time, or on
    a day as a whole."""

    id: str
    first_name: str
    last_name: str
    birthday: date | None
    timezone: str
    phase: str
    coach_id: str | None
    coach: str | None
    created_at: datetime
    updated_at: datetime
    next_at: datetime | None
    next_day: date | None


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What the list is asked for. ``phase`` and ``coach`` are blank where all are shown; ``coach``
    is an id or NOBODY.

    ``after`` and ``before`` are ids of patients between whom and the reader the page lies, blank at
    the beginning."""

    phase: str
    coach: str
    order: str
    after: str
    before: str


@dataclass(frozen=True)
class Listed:
    """A page of the list, and whether there are others on either side."""

    rows: tuple[PatientRow, ...]
    has_before: bool
    has_after: bool


def chosen(visit: Visit) -> Chosen:
    """What the address asks for; what it cannot mean is left out. A role that keeps to its own
    patients sees those.
    """
    coach = only_of(visit) or visit.query("coach")
    order = visit.query("sort")
    return Chosen(
        phase=visit.query("phase") if visit.query("phase") in visit.program.phases else "",
        coach=coach if coach == NOBODY else _guid(coach),
        order=order if order in ORDERS else "name",
        after=_guid(visit.query("after")),
        before=_guid(visit.query("before")),
    )


async def list_patients(
    connection: Connection, environment_id: int, chosen: Chosen, number: int, zones: str
) -> Listed:
    """A page of the patients who are chosen. ``number`` is how many fit the filters, ``zones`` what
    SQL is given for each zone.
    """
    if chosen.order == NEXT:
        return await _by_next(connection, environment_id, chosen, number, zones)
    keys, descends = ORDERS[chosen.order]
    backwards = bool(chosen.before) and not chosen.after
    beyond = chosen.after or chosen.before
    parameters: list[Any] = [environment_id, zones]
    conditions = _conditions(chosen, parameters)
    if beyond:
        parameters.append(beyond)
        number = len(parameters)
        place = ", ".join(
            f"(SELECT {key} FROM patients WHERE environment_id = $1 AND id = ${number})"
            for key in keys[:-1]
        )
        sign = "<" if descends != backwards else ">"
        conditions += f" AND ({', '.join(keys)}) {sign} ({place}, ${number}::uuid)"
    direction = "DESC" if descends != backwards else "ASC"
    order = ", ".join(f"{key} {direction}" for key in keys)
    rows = await connection.fetch(
        f"""
SELECT {_COLUMNS}
FROM (SELECT *, row_number() OVER (ORDER BY {order}) AS place FROM patients
  WHERE environment_id = $1{conditions} AND {_IS_CURRENT} ORDER BY {order} LIMIT {PAGE + 1}) AS page
LEFT JOIN workers w ON w.environment_id = $1 AND w.id = page.coach_id
LEFT JOIN LATERAL ({_NEXT_OF}) AS n ON true
ORDER BY place
""",
        *parameters,
    )
    return _page(rows, backwards, bool(beyond))


def _page(rows: Sequence[Mapping[str, Any]], backwards: bool, beyond: bool) -> Listed:
    patients = [PatientRow(**row) for row in rows]
    more, page = len(patients) > PAGE, patients[:PAGE]
    if backwards:
        return Listed(tuple(reversed(page)), more, True)
    return Listed(tuple(page), beyond, more)


async def _by_next(
    connection: Connection, environment_id: int, chosen: Chosen, number: int, zones: str
) -> Listed:
    """A page of those who have an appointment ahead, the next one first.

    The appointments are walked in their order, and of each patient the first one counts; the
    patients of a coach or in a phase, if they are few, are looked up one by one instead
    (``by_next``)."""
    backwards = bool(chosen.before) and not chosen.after
    beyond = chosen.after or chosen.before
    parameters: list[Any] = [environment_id, zones]
    conditions = f"{_conditions(chosen, parameters)} AND {_IS_CURRENT}"
    place = f"${len(parameters) + 1}::uuid" if beyond else ""
    parameters += [beyond] if beyond else []
    are_few = bool(chosen.coach or chosen.phase) and number <= _MANY
    way = "DESC" if backwards else "ASC"
    rows: Sequence[Any] = ()
    for statement in by_next.statements(conditions, place, backwards, are_few, PAGE + 1):
        rows = await connection.fetch(
            f"""
SELECT {_COLUMNS} FROM ({statement}) AS page
LEFT JOIN workers w ON w.environment_id = $1 AND w.id = page.coach_id
LEFT JOIN LATERAL ({_NEXT_OF}) AS n ON true
ORDER BY page.starts {way}, page.user_id {way}
""",
            *parameters,
        )
        if len(rows) > PAGE:
            break
    return _page(rows, backwards, bool(beyond))


async def fitting(
    connection: Connection, environment_id: int, chosen: Chosen, limit: int
) -> list[str]:
    """The ids of all who fit the filters, on whatever page they are; no more than ``limit``."""
    parameters: list[Any] = [environment_id]
    conditions = _conditions(chosen, parameters)
    rows = await connection.fetch(
        f"SELECT id::text FROM patients WHERE environment_id = $1{conditions} AND {_IS_CURRENT}"
        f" LIMIT {limit}",
        *parameters,
    )
    return [row["id"] for row in rows]


@dataclass(frozen=True)
class PhaseCounts:
    """How many patients there are of these coaches, by phase; and how many all in all."""

    by_phase: Mapping[str, int]

    @property
    def all(self) -> int:
        """In every phase."""
        return sum(self.by_phase.values())

    def of(self, phase: str) -> int:
        """In this phase; in every one where it is blank."""
        return self.by_phase.get(phase, 0) if phase else self.all


async def counts(connection: Connection, environment_id: int, chosen: Chosen) -> PhaseCounts:
    """How many there are in each phase, whatever phase is wanted, without those that were merged
    into others.
    """
    parameters: list[Any] = [environment_id]
    conditions = _conditions(
        Chosen(phase="", coach=chosen.coach, order="name", after="", before=""), parameters
    )
    rows = await connection.fetch(counts_by_phase(conditions), *parameters)
    return PhaseCounts({row["phase"]: row["number"] for row in rows if row["number"]})


def _conditions(chosen: Chosen, parameters: list[Any]) -> str:
    conditions = ""
    if chosen.phase:
        parameters.append(chosen.phase)
        conditions += f" AND phase = ${len(parameters)}"
    if chosen.coach == NOBODY:
        conditions += " AND coach_id IS NULL"
    elif chosen.coach:
        parameters.append(chosen.coach)
        conditions += f" AND coach_id = ${len(parameters)}::uuid"
    return conditions


def _guid(text: str) -> str:
    return Guid().decode(text, "", []) or ""
