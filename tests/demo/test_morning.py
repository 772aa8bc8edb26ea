"""What the demo prepares for a coach's morning."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from almoner.data_api.store import Store
from almoner.database import Database
from almoner.demo import morning
from almoner.demo.load import load

NOW = datetime(2026, 3, 9, 15, 0, tzinfo=UTC)


async def counts(connection: Any, environment: int, coach: morning.Coach) -> tuple[int, ...]:
    row = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM calendar_events e JOIN calendars c ON c.environment_id = $1"
        " AND c.id = e.calendar_id WHERE e.environment_id = $1 AND c.worker_id = $2 AND"
        " e.start_time BETWEEN $3 AND $3 + interval '1 day'), (SELECT count(*) FROM messages m"
        " WHERE environment_id = $1 AND direction = 'inbound' AND send_time < $3 - interval '2"
        " days' AND read_at IS NULL), (SELECT count(*) FROM changes WHERE environment_id = $1)",
        *(environment, coach.id, NOW.replace(hour=5)),
    )
    return tuple(row)


async def test_a_coach_has_appointments_today_and_nothing_old_is_unread(
    database: Database, store: Store, program: int, connection: Any
) -> None:
    await load(
        database,
        store,
        environment_id=program,
        patients=40,
        seed=3,
        today=NOW.date(),
        progress=lambda *_: None,
    )
    coach = await morning.prepare(database, store, program, NOW)
    assert coach is not None
    first = await counts(connection, program, coach)
    assert first[0] >= 1
    assert first[1] == 0
    assert await morning.prepare(database, store, program, NOW) == coach
    assert await counts(connection, program, coach) == first


async def test_without_patients_there_is_no_coach(
    database: Database, store: Store, program: int
) -> None:
    assert await morning.prepare(database, store, program, NOW) is None
