"""What a coach of the demo finds in the morning: a calendar for today, a few things that are due,
and messages to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection, Database
from almoner.demo import cast, panels
from almoner.resources import BY_NAME
from almoner.resources.messages import UNREAD
from almoner.vocabulary import clocks
from almoner.vocabulary.times import iso

# Minutes after midnight, length in minutes, type and modality of the appointments of a day.
_DAY: Final = (
    (570, 20, "coaching_call", "phone"),
    (660, 30, "medication_review", "video"),
    (780, 45, "nutrition_consult", "video"),
    (900, 20, "coaching_call", "phone"),
    (990, 60, "home_visit", "visit"),
)
# What is overdue for longer than this has been done, and nobody wrote it down: so it is written
# down.
_FORGOTTEN: Final = timedelta(days=9)


@dataclass(frozen=True)
class Coach:
    """The coach whose morning it is. ``timezone`` is an IANA name; ``patient_id`` is the patient of
    whom there is most to see.
    """

    id: str
    email: str
    timezone: str
    patient_id: str = ""


async def prepare(
    database: Database, store: Store, environment_id: int, now: datetime
) -> Coach | None:
    """Prepares today for the coach with the most patients, and returns who that is; None where
    nobody has any.

    ``now`` has an offset. Repeating it on the same day changes nothing.
    """
    by = Actor(environment_id, "demo", "demo", "demo:morning", whole=True)
    async with database.connection() as connection:
        coach = await _coach(connection, environment_id)
    if coach is None:
        return None
    ids = await cast.appear(database, store, by, coach.id, now)
    async with database.connection() as connection:
        await _settle(connection, environment_id, now)
        await panels.share(connection, environment_id, coach.id)
        patients = await _patients(connection, environment_id, coach, now, ids)
        forgotten = await _forgotten(connection, environment_id, coach)
    for row_id, care_flow in forgotten:
        done = _done(care_flow, coach, now)
        if done is not None:
            await store.update(by, BY_NAME["care_flows"], row_id, {"care_flow": done}, None)
    for (minute, length, kind, modality), (patient_id, calendar_id) in zip(
        _DAY, patients, strict=False
    ):
        local = clocks.local(now, coach.timezone).replace(
            hour=minute // 60, minute=minute % 60, second=0, microsecond=0
        )
        start = clocks.in_utc(local)
        event = {
            "calendar_id": calendar_id,
            "user_id": patient_id,
            "start_time": iso(start),
            "end_time": iso(start + timedelta(minutes=length)),
            "appointment_type": kind,
            "modality": modality,
        }
        await store.create(by, BY_NAME["calendar_events"], event)
    if patients:
        await _tasks(store, by, coach, [patient_id for patient_id, _ in patients], now)
    return replace(coach, patient_id=ids[0] if ids else "")


async def _tasks(
    store: Store, by: Actor, coach: Coach, patients: Sequence[str], now: datetime
) -> None:
    """What the coach has to do beside what the program asks for, and what a team may take."""
    today = clocks.local(now, coach.timezone).date()
    tasks: tuple[Row, ...] = (
        {
            "title": "Ring the pharmacy about the refill",
            "patient_id": patients[0],
            "worker_id": coach.id,
            "due_date": clocks.shifted(today, -1).isoformat(),
            "priority": "high",
            "note": "They close at six.",
        },
        {
            "title": "Send the new meal plan",
            "patient_id": patients[-1],
            "worker_id": coach.id,
            "due_date": today.isoformat(),
        },
        {"title": "Order glucose strips", "worker_id": coach.id, "priority": "low"},
        {
            "title": "Visit before the weekend",
            "patient_id": patients[len(patients) // 2],
            "role": "coach",
            "due_date": today.isoformat(),
        },
        {
            "title": "Prepare the case conference",
            "worker_id": coach.id,
            "due_date": clocks.shifted(today, 9).isoformat(),
        },
    )
    for task in tasks:
        await store.create(by, BY_NAME["worker_tasks"], task)


async def _coach(connection: Connection, environment_id: int) -> Coach | None:
    row = await connection.fetchrow(
        "SELECT w.id::text, w.email, w.timezone FROM workers w JOIN patients p ON p.environment_id"
        " = w.environment_id AND p.coach_id = w.id WHERE w.environment_id = $1 GROUP BY w.id,"
        " w.email, w.timezone ORDER BY count(*) DESC, w.email LIMIT 1",
        environment_id,
    )
    return None if row is None else Coach(*row)


async def _settle(connection: Connection, environment_id: int, now: datetime) -> None:
    """Everybody works from Monday to Friday, and has read what is older than a day and a half."""
    await connection.execute(
        "INSERT INTO working_hours (environment_id, worker_id, weekday, from_minute, to_minute)"
        " SELECT $1, id, day, 540, 1020 FROM workers, generate_series(0, 4) day WHERE"
        " environment_id = $1 ON CONFLICT DO NOTHING",
        environment_id,
    )
    await connection.execute(
        "UPDATE messages SET read_at = now(), read_by = 'demo' WHERE environment_id = $1 AND"
        f" {UNREAD} AND send_time < $2",
        *(environment_id, now - timedelta(hours=36)),
    )


async def _patients(
    connection: Connection, environment_id: int, coach: Coach, now: datetime, first: Sequence[str]
) -> list[tuple[str, str]]:
    """Patients of the coach for today's appointments, ``first`` before the others, each with the
    coach's calendar; none where today has some already."""
    today = clocks.local(now, coach.timezone).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = await connection.fetch(
        "SELECT p.id::text, c.id::text FROM patients p JOIN calendars c ON c.environment_id = $1"
        " AND c.worker_id = $2 WHERE p.environment_id = $1 AND p.coach_id = $2 AND p.phase IN"
        " ('intake', 'onboarding', 'active_coaching') AND NOT EXISTS (SELECT FROM calendar_events e"
        " WHERE e.environment_id = $1 AND e.calendar_id = c.id AND e.start_time BETWEEN $3 AND $4)"
        " ORDER BY array_position($6::uuid[], p.id), p.id LIMIT $5",
        *(environment_id, coach.id, today, today + timedelta(days=1), len(_DAY), first),
    )
    return [(row[0], row[1]) for row in rows]


async def _forgotten(
    connection: Connection, environment_id: int, coach: Coach
) -> list[tuple[str, Any]]:
    rows = await connection.fetch(
        "SELECT f.id::text, f.care_flow FROM care_flows f JOIN patients p ON p.environment_id = $1"
        " AND p.id = f.user_id WHERE f.environment_id = $1 AND (p.coach_id = $2::uuid OR"
        " strpos(f.care_flow::text, $2::uuid::text) > 0)",
        *(environment_id, coach.id),
    )
    return [(row["id"], msgspec.json.decode(row["care_flow"])) for row in rows]


def _done(care_flow: Any, coach: Coach, now: datetime) -> Any | None:
    """The flow with what was forgotten completed on the day after it was due; None where nothing
    was.
    """
    changed = False
    for goal in care_flow["goals"]:
        for step in goal["interventions"]:
            due = step.get("reminder_date")
            if due is None or step.get("completed_at") is not None:
                continue
            at = datetime.fromisoformat(due)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            if at < now - _FORGOTTEN:
                step["completed_at"] = iso(at + timedelta(days=1))
                step["completed_by_worker_id"] = coach.id
                changed = True
    return care_flow if changed else None
