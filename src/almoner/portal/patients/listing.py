"""The list of patients: filtered, sorted and paged by keys that indexes hold, with counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.kinds import Guid
from almoner.pages.visit import Visit
from almoner.portal.sight import only_of
from almoner.resources.patients import NAME_ORDER

PAGE: Final = 50
# The keys of each order, and whether the first is the greatest.
ORDERS: Final[Mapping[str, tuple[tuple[str, ...], bool]]] = {
    "name": ((NAME_ORDER, "id"), False),
    "phase": (("phase", NAME_ORDER, "id"), False),
    "changed": (("updated_at", "id"), True),
}
NOBODY: Final = "nobody"
_NOT_MERGED = "NOT EXISTS (SELECT 1 FROM patient_merges m WHERE m.environment_id = $1 AND m.patient_id = patients.id)"


@dataclass(frozen=True)
class Row:
    """A patient in the list. ``timezone`` is an IANA name; birthday and coach may be None."""

    id: str
    first_name: str
    last_name: str
    birthday: date | None
    timezone: str
    phase: str
    coach_id: str | None
    coach: str | None
    updated_at: datetime

    @property
    def name(self) -> str:
        """The whole name."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True)
class Chosen:
    """What the list is asked for. ``phase`` and ``coach`` are blank where all are shown; ``coach`` is an id or NOBODY.

    ``after`` and ``before`` are ids of patients between whom and the reader the page lies, blank at the beginning.
    """

    phase: str
    coach: str
    order: str
    after: str
    before: str


@dataclass(frozen=True)
class Listed:
    """A page of the list, and whether there are others on either side."""

    rows: tuple[Row, ...]
    has_before: bool
    has_after: bool


def chosen(visit: Visit) -> Chosen:
    """What the address asks for; what it cannot mean is left out. A role that keeps to its own patients sees those."""
    coach = only_of(visit) or visit.query("coach")
    order = visit.query("sort")
    return Chosen(
        phase=visit.query("phase") if visit.query("phase") in visit.program.phases else "",
        coach=coach if coach == NOBODY else _guid(coach),
        order=order if order in ORDERS else "name",
        after=_guid(visit.query("after")),
        before=_guid(visit.query("before")),
    )


async def listed(connection: Connection, environment_id: int, wanted: Chosen) -> Listed:
    """A page of the patients who are wanted."""
    keys, descends = ORDERS[wanted.order]
    backwards = bool(wanted.before) and not wanted.after
    beyond = wanted.after or wanted.before
    parameters: list[Any] = [environment_id]
    conditions = _conditions(wanted, parameters)
    if beyond:
        parameters.append(beyond)
        number = len(parameters)
        place = ", ".join(f"(SELECT {key} FROM patients WHERE environment_id = $1 AND id = ${number})" for key in keys[:-1])
        sign = "<" if descends != backwards else ">"
        conditions += f" AND ({', '.join(keys)}) {sign} ({place}, ${number}::uuid)"
    direction = "DESC" if descends != backwards else "ASC"
    order = ", ".join(f"{key} {direction}" for key in keys)
    rows = await connection.fetch(
        f"""
SELECT page.id::text, page.first_name, page.last_name, birthday, page.timezone, phase, coach_id::text,
  w.first_name || ' ' || w.last_name AS coach, page.updated_at
FROM (SELECT *, row_number() OVER (ORDER BY {order}) AS place FROM patients
  WHERE environment_id = $1{conditions} AND {_NOT_MERGED} ORDER BY {order} LIMIT {PAGE + 1}) AS page
LEFT JOIN workers w ON w.environment_id = $1 AND w.id = page.coach_id
ORDER BY place
""",
        *parameters,
    )
    found = [Row(**row) for row in rows]
    more, shown = len(found) > PAGE, found[:PAGE]
    if backwards:
        return Listed(tuple(reversed(shown)), more, True)
    return Listed(tuple(shown), bool(beyond), more)


@dataclass(frozen=True)
class Counts:
    """How many patients there are of these coaches, by phase; and how many all in all."""

    by_phase: Mapping[str, int]

    @property
    def all(self) -> int:
        """In every phase."""
        return sum(self.by_phase.values())


async def counts(connection: Connection, environment_id: int, wanted: Chosen) -> Counts:
    """How many there are in each phase, whatever phase is wanted, without those that were merged into others."""
    parameters: list[Any] = [environment_id]
    conditions = _conditions(Chosen("", wanted.coach, "name", "", ""), parameters)
    rows = await connection.fetch(
        f"""
SELECT phase, sum(number)::bigint AS number FROM (
  SELECT phase, count(*) AS number FROM patients WHERE environment_id = $1{conditions} GROUP BY phase
  UNION ALL
  SELECT phase, -count(*) FROM patient_merges m JOIN patients USING (environment_id)
  WHERE environment_id = $1 AND patients.id = m.patient_id{conditions} GROUP BY phase
) AS parts GROUP BY phase
""",
        *parameters,
    )
    return Counts({row["phase"]: row["number"] for row in rows if row["number"]})


@dataclass(frozen=True)
class Coach:
    """A worker to whom patients can be assigned."""

    id: str
    name: str


async def coaches(connection: Connection, environment_id: int) -> tuple[Coach, ...]:
    """The workers who are not disabled, by name."""
    rows = await connection.fetch(
        """
SELECT w.id::text, w.first_name || ' ' || w.last_name AS name FROM workers w
LEFT JOIN worker_accounts a ON a.environment_id = w.environment_id AND a.worker_id = w.id
WHERE w.environment_id = $1 AND a.disabled_at IS NULL
ORDER BY almoner_plain(w.last_name || ' ' || w.first_name) COLLATE "C", w.id
""",
        environment_id,
    )
    return tuple(Coach(**row) for row in rows)


def _conditions(wanted: Chosen, parameters: list[Any]) -> str:
    conditions = ""
    if wanted.phase:
        parameters.append(wanted.phase)
        conditions += f" AND phase = ${len(parameters)}"
    if wanted.coach == NOBODY:
        conditions += " AND coach_id IS NULL"
    elif wanted.coach:
        parameters.append(wanted.coach)
        conditions += f" AND coach_id = ${len(parameters)}::uuid"
    return conditions


def _guid(text: str) -> str:
    return Guid().decode(text, "", []) or ""
