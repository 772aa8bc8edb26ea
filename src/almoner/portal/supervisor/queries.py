"""The numbers of the supervisor's page, as they are or as they were at the end of a past day.

A patient's phase and coach of a past day are those of before the first change since, which the log
has. Care flows are looked at as they are now, with what was completed since counted as open. What
nothing has changed since is in figures as it was then: only the rest is taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.figures.rows import DUE, WAITING, score_of
from almoner.patient_merges.current_sql import is_current
from almoner.portal.care_flows.view import days_late
from almoner.portal.inbox.queries import moment
from almoner.portal.panel.columns import NOBODY
from almoner.portal.patient_access import OF_WORKER
from almoner.resources._entered_in_error import HOLDS
from almoner.resources.messages import BY_A_PROGRAM
from almoner.vocabulary import clocks, json_values
from almoner.vocabulary.names import full_name_sql
from almoner.workshop import published_programs
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.score import Scorer

# What happened is counted over so many days before the end of the day that is looked at.
SPAN: Final = timedelta(days=28)
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
# Overdue by at least so many days; each is its own class up to the next.
AGES: Final = (1, 3, 8, 29)
# Answered within so many hours.
HOURS: Final = (4, 24, 48)
# Has waited for an answer for so many days, the classes between them.
WAITED: Final = (1, 7, 28)
_AT_ONCE: Final = 200


def _was(were: str, field: str) -> str:
    """The value of a field of a patient ``p`` on the day, in SQL."""
    return f"CASE WHEN {were} ? p.id::text THEN {were} ->> p.id::text ELSE p.{field}::text END"


# What phases and coaches were at the end of the day $3, by patient, where they were changed since:
# read once, and looked up, not joined. How much was changed is guessed wrong, and 100,000 patients
# joined with 10,000 changes in a loop took five minutes.
_WERE: Final = """
WITH changed AS (
  SELECT DISTINCT ON (c.row_id, f.name) c.row_id, f.name,
    c.differences #>> ARRAY[f.name, '0'] AS was
  FROM changes c CROSS JOIN LATERAL unnest(c.fields) AS f(name)
  WHERE c.environment_id = $1 AND c.changed_at >= $2 AND c.resource = 'patients'
    AND c.kind <> 'create' AND f.name IN ('phase', 'coach_id') AND c.differences IS NOT NULL
  ORDER BY c.row_id, f.name, c.epoch, c.xid, c.seq
)
SELECT coalesce(jsonb_object_agg(row_id, was) FILTER (WHERE name = 'phase'), '{}')::text,
  coalesce(jsonb_object_agg(row_id, was) FILTER (WHERE name = 'coach_id'), '{}')::text
FROM changed
"""
# $1 environment, $2 the worker to whose patients the role is kept or null, $3 the end of the day,
# $4 and $5 the phases and coaches of the day, where they were changed since.
_THEN: Final = f"""
WITH of_day AS (
  SELECT p.id, p.timezone, {_was("$4::jsonb", "phase")} AS phase,
    ({_was("$5::jsonb", "coach_id")})::uuid AS coach_id
  FROM patients p WHERE p.environment_id = $1 AND p.created_at < $3
    AND {is_current("p.id", at="$3")}
), those AS (SELECT * FROM of_day WHERE $2::uuid IS NULL OR coach_id = $2)
"""
_COACHES: Final = f"""{_THEN}
SELECT t.coach_id::text AS key, {full_name_sql("w")} AS title, count(*) AS number
FROM those t LEFT JOIN workers w ON w.environment_id = $1 AND w.id = t.coach_id
GROUP BY t.coach_id, w.first_name, w.last_name ORDER BY number DESC, title, key
"""
_PHASES: Final = f"{_THEN} SELECT phase AS key, count(*) AS number FROM those GROUP BY phase"
# About whom something to do was changed since: what was due is looked up in the flows and tasks
# themselves. Of all others what is due now (figures.rows) was due then.
_CHANGED_SINCE: Final = """
since AS MATERIALIZED (
  SELECT user_id AS id FROM care_flows WHERE environment_id = $1 AND updated_at >= $3
  UNION SELECT patient_id FROM worker_tasks WHERE environment_id = $1 AND updated_at >= $3)
"""
_LATE_THEN: Final = f"""{_THEN}, {_CHANGED_SINCE}
SELECT coalesce(f.word, t.timezone) AS zone, f.number::int AS day, count(*) AS number
FROM patient_figures f JOIN those t ON t.id = f.patient_id
WHERE f.environment_id = $1 AND f.figure = '{DUE}' AND f.number <= $7
  AND t.phase <> ALL ($6::text[])
  AND NOT EXISTS (SELECT FROM since s WHERE s.id = f.patient_id) GROUP BY zone, f.number
"""
_FLOWS: Final = f"""{_THEN}, {_CHANGED_SINCE}
SELECT t.id::text, t.timezone, f.care_flow::text AS body FROM since s JOIN those t ON t.id = s.id
JOIN care_flows f ON f.environment_id = $1 AND f.user_id = s.id WHERE f.created_at < $3
  AND t.phase <> ALL ($6::text[])
"""
# What workers had to do about somebody, on the day where they live.
_TASKS: Final = f"""{_THEN}, {_CHANGED_SINCE}
SELECT t.id::text, coalesce(k.timezone, t.timezone) AS timezone, w.due_date, w.due_time
FROM since s JOIN those t ON t.id = s.id
JOIN worker_tasks w ON w.environment_id = $1 AND w.patient_id = s.id
LEFT JOIN workers k ON k.environment_id = $1 AND k.id = w.worker_id
WHERE w.created_at < $3 AND t.phase <> ALL ($6::text[])
  AND coalesce(w.completed_at >= $3, true)
  AND (w.due_time < $3 OR w.due_date <= ($3 AT TIME ZONE 'UTC')::date)
"""
# Of whom there are answers since, and the newest of the day; of the others the band of now is that
# of the day.
_SINCE_ANSWERED: Final = """
since AS MATERIALIZED (SELECT DISTINCT user_id, spec_id FROM assessment_responses
  WHERE environment_id = $1 AND created_at >= $3 AND spec_id = ANY ($6::text[]))
"""
_ANSWERS: Final = f"""{_THEN}, {_SINCE_ANSWERED}
SELECT r.spec_id, r.version, r.model::text FROM since s JOIN those t ON t.id = s.user_id
CROSS JOIN LATERAL (SELECT spec_id, version, model FROM assessment_responses
  WHERE environment_id = $1 AND user_id = s.user_id AND created_at < $3 AND spec_id = s.spec_id
    AND {HOLDS} ORDER BY created_at DESC, id DESC LIMIT 1) AS r
"""
_UNCHANGED_BANDS: Final = f"""{_THEN}, {_SINCE_ANSWERED}
SELECT f.figure, f.word, count(*) AS number FROM patient_figures f JOIN those t
  ON t.id = f.patient_id
WHERE f.environment_id = $1 AND f.figure = ANY ($7::text[]) AND f.word IS NOT NULL
  AND NOT EXISTS (SELECT FROM since s WHERE s.user_id = f.patient_id
    AND s.spec_id = ($6::text[])[array_position($7::text[], f.figure)])
GROUP BY f.figure, f.word
"""
# As things are now, what is due and in which band is counted ahead (figures.rows).
_NOW: Final = f"""
FROM patient_figures f JOIN patients p ON p.environment_id = $1 AND p.id = f.patient_id
WHERE f.environment_id = $1 AND {OF_WORKER} AND {is_current("p.id")}
"""
_LATE_NOW: Final = f"""
SELECT coalesce(f.word, p.timezone) AS zone, f.number::int AS day, count(*) AS number {_NOW}
  AND f.figure = '{DUE}' AND f.number <= $4 AND p.phase <> ALL ($3::text[]) GROUP BY zone, f.number
"""
_WAITING_NOW: Final = f"""
SELECT (SELECT count(*) FROM unnest($3::float8[]) AS since WHERE f.number < since) AS place,
  count(*) AS number {_NOW} AND f.figure = '{WAITING}' GROUP BY place
"""
_BANDS_NOW: Final = f"""
SELECT f.figure, f.word, count(*) AS number {_NOW} AND f.figure = ANY ($3::text[])
  AND f.word IS NOT NULL GROUP BY f.figure, f.word
"""
_MISSED: Final = f"""{_THEN}
SELECT c.worker_id::text AS key, {full_name_sql("w")} AS title,
  count(*) FILTER (WHERE e.outcome = 'no-show') AS number, count(*) AS expected
FROM calendar_events e JOIN those t ON t.id = e.user_id
JOIN calendars c ON c.environment_id = $1 AND c.id = e.calendar_id
JOIN workers w ON w.environment_id = $1 AND w.id = c.worker_id
WHERE e.environment_id = $1 AND e.outcome IN ('no-show', 'completed')
  AND e.start_time >= $6 AND e.start_time < $3
GROUP BY c.worker_id, w.first_name, w.last_name
HAVING count(*) FILTER (WHERE e.outcome = 'no-show') > 0 ORDER BY number DESC, title, key
"""
# How many messages of patients were answered later than so many of the hours $5; null where there
# is no answer yet. The first answer is found on one way through the messages, from the newest on:
# looked up for each of 200,000 it took eight seconds.
_ANSWERED: Final = f"""{_THEN}
SELECT CASE WHEN a.at IS NOT NULL THEN (SELECT count(*) FROM unnest($7::float8[]) AS hours
  WHERE extract(epoch FROM a.at - a.send_time) > hours * 3600) END AS place, count(*) AS number
FROM (SELECT m.direction, m.send_time, min(m.send_time) FILTER (WHERE m.direction = 'outbound')
    OVER (PARTITION BY m.user_id ORDER BY m.send_time DESC) AS at
  FROM messages m JOIN those t ON t.id = m.user_id
  WHERE m.environment_id = $1 AND m.send_time >= $6 AND m.send_time < $3 AND m.{HOLDS}
    AND NOT {BY_A_PROGRAM}) AS a
WHERE a.direction = 'inbound' GROUP BY place
"""
_SINCE: Final = "SELECT min(changed_at) FROM changes WHERE environment_id = $1"


@dataclass(frozen=True, kw_only=True)
class CountedOf:
    """What is counted: in which environment, ``only`` the patients of one coach or None for all,
    up to ``end`` (UTC), which is the end of a past day or now. ``specs`` are the assessments with
    bands, by id, as the program has them now. Of patients in ``silent`` phases nothing is late.
    """

    environment_id: int
    only: str | None
    end: datetime
    specs: tuple[str, ...]
    silent: tuple[str, ...]
    is_past: bool


@dataclass(frozen=True, kw_only=True)
class SupervisorNumbers:
    """What was counted. ``coaches`` and ``missed`` are of (id or NOBODY, name, number), the
    most first; ``missed`` with how many appointments took place or were missed. ``late`` are
    patients by class of ``AGES``; ``answered`` messages by class of ``HOURS``, those later, and
    those not yet. ``bands`` are patients by assessment and band; ``waiting`` patients by class of
    ``WAITED``, None of a past day.
    """

    coaches: Sequence[tuple[str, str, int]]
    phases: Mapping[str, int]
    late: Sequence[int]
    bands: Mapping[str, Mapping[str, int]]
    missed: Sequence[tuple[str, str, int, int]]
    answered: Sequence[int]
    waiting: Sequence[int] | None


async def since(connection: Connection, environment_id: int) -> datetime | None:
    """From when on the log tells how it was; None where nothing was written yet."""
    first: datetime | None = await connection.fetchval(_SINCE, environment_id)
    return first


async def numbers(connection: Connection, of: CountedOf) -> SupervisorNumbers:
    """All of them, each by one statement."""
    were = await connection.fetchrow(_WERE, of.environment_id, of.end)
    basis = (of.environment_id, of.only, of.end, *were)
    began = of.end - SPAN
    coaches = await connection.fetch(_COACHES, *basis)
    phases = await connection.fetch(_PHASES, *basis)
    missed = await connection.fetch(_MISSED, *basis, began)
    hours = [float(hour) for hour in HOURS]
    answered = await connection.fetch(_ANSWERED, *basis, began, hours)
    return SupervisorNumbers(
        coaches=[
            (row["key"] or NOBODY, row["title"] or "nobody", row["number"]) for row in coaches
        ],
        phases={row["key"]: row["number"] for row in phases},
        late=_by_age(
            await _late(connection, of, basis) if of.is_past else await _late_now(connection, of)
        ),
        bands=(
            await _bands(connection, of, basis) if of.is_past else await _bands_now(connection, of)
        ),
        missed=[(row["key"], row["title"], row["number"], row["expected"]) for row in missed],
        answered=_by_hours({row["place"]: row["number"] for row in answered}),
        waiting=None if of.is_past else await _waiting_now(connection, of),
    )


class _StepDates(msgspec.Struct):
    reminder_date: str | None = None
    completed_at: str | None = None


class _GoalSteps(msgspec.Struct):
    interventions: list[_StepDates]


class _FlowSteps(msgspec.Struct):
    goals: list[_GoalSteps]


# Only what is needed is taken out of a flow; PostgreSQL would take many times as long.
_FLOW: Final = msgspec.json.Decoder(_FlowSteps)


async def _late_now(connection: Connection, of: CountedOf) -> Sequence[tuple[int, int]]:
    """How late, and how many patients that is true of."""
    latest = _since_1970(of.end.date()) + 1
    about = (of.environment_id, of.only, list(of.silent))
    rows = await connection.fetch(_LATE_NOW, *about, float(latest))
    return _by_days(rows, of.end)


async def _waiting_now(connection: Connection, of: CountedOf) -> Sequence[int]:
    since = [(of.end - timedelta(days=days)).timestamp() for days in WAITED]
    rows = await connection.fetch(_WAITING_NOW, of.environment_id, of.only, since)
    counts = {row["place"]: row["number"] for row in rows}
    return [counts.get(place, 0) for place in range(len(WAITED) + 1)]


async def _late(
    connection: Connection, of: CountedOf, basis: tuple[Any, ...]
) -> Sequence[tuple[int, int]]:
    """Patients by how long the oldest open step or worker's task about them was late, by the day
    where they live, or that worker.
    """
    basis = (*basis, list(of.silent))
    oldest: dict[str, int] = {}
    async with connection.transaction():
        async for row in connection.cursor(_FLOWS, *basis, prefetch=_AT_ONCE):
            for goal in _FLOW.decode(row["body"]).goals:
                for step in goal.interventions:
                    if step.reminder_date is None or _was_done(step, of.end):
                        continue
                    late = days_late(moment(step.reminder_date), row["timezone"], of.end)
                    oldest[row["id"]] = max(late, oldest.get(row["id"], 0))
        async for row in connection.cursor(_TASKS, *basis, prefetch=_AT_ONCE):
            due = row["due_date"] or clocks.day_of(row["due_time"], row["timezone"])
            late = (clocks.day_of(of.end, row["timezone"]) - due).days
            oldest[row["id"]] = max(late, oldest.get(row["id"], 0))
    latest = _since_1970(of.end.date()) + 1
    unchanged = await connection.fetch(_LATE_THEN, *basis, float(latest))
    return [*_by_days(unchanged, of.end), *((late, 1) for late in oldest.values())]


def _by_days(rows: Iterable[Mapping[str, Any]], end: datetime) -> list[tuple[int, int]]:
    """How late by the day of its zone, and how many that is true of."""
    return [
        (_since_1970(clocks.day_of(end, row["zone"])) - row["day"], row["number"]) for row in rows
    ]


def _since_1970(day: date) -> int:
    return day.toordinal() - _FIRST_DAY


def _by_age(counted: Iterable[tuple[int, int]]) -> list[int]:
    counts = [0] * len(AGES)
    for late, number in counted:
        reached = [place for place, age in enumerate(AGES) if late >= age]
        if reached:
            counts[reached[-1]] += number
    return counts


def _was_done(step: _StepDates, end: datetime) -> bool:
    return step.completed_at is not None and moment(step.completed_at) < end


async def _bands_now(connection: Connection, of: CountedOf) -> dict[str, dict[str, int]]:
    specs = {score_of(spec_id): spec_id for spec_id in of.specs}
    counts: dict[str, dict[str, int]] = {spec_id: {} for spec_id in of.specs}
    for row in await connection.fetch(_BANDS_NOW, of.environment_id, of.only, list(specs)):
        counts[specs[row["figure"]]][row["word"]] = row["number"]
    return counts


async def _bands(
    connection: Connection, of: CountedOf, basis: tuple[Any, ...]
) -> dict[str, dict[str, int]]:
    """Patients by the band of their newest answers to each assessment."""
    specs = {score_of(spec_id): spec_id for spec_id in of.specs}
    counts: dict[str, dict[str, int]] = {spec_id: {} for spec_id in of.specs}
    if not specs:
        return counts
    named = (*basis, list(of.specs))
    unchanged = await connection.fetch(_UNCHANGED_BANDS, *named, list(specs))
    for row in unchanged:
        counts[specs[row["figure"]]][row["word"]] = row["number"]
    scorers: dict[tuple[str, int], Scorer | None] = {}
    for row in await connection.fetch(_ANSWERS, *named):
        version = row["spec_id"], row["version"]
        if version not in scorers:
            design = await published_programs.element(
                connection, of.environment_id, "assessment", *version
            )
            scorers[version] = Scorer(design) if isinstance(design, Assessment) else None
        scorer = scorers[version]
        score = scorer.score(json_values.decode(row["model"])) if scorer is not None else None
        if score is not None and score.band is not None:
            of_spec = counts[row["spec_id"]]
            of_spec[score.band] = of_spec.get(score.band, 0) + 1
    return counts


def _by_hours(numbers: Mapping[int | None, int]) -> list[int]:
    """How many were answered within each of ``HOURS``, later, and not yet."""
    return [*(numbers.get(place, 0) for place in range(len(HOURS) + 1)), numbers.get(None, 0)]
