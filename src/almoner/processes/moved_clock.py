"""The clock of a test environment, which may be ahead of all others: what processes wait for comes
at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from almoner.access import worker_events
from almoner.access.worker_events import By
from almoner.database import Connection
from almoner.errors import problem
from almoner.processes.firings import QUEUE
from almoner.vocabulary.times import iso
from almoner.work import waking

LONGEST: Final = timedelta(days=3660)
# Who reads the log for the environment makes no firing meanwhile by the time that it was.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('process_positions', $1::int))"
_STANDING: Final = """
SELECT name, clock_ahead, almoner_now() AS now FROM environments
WHERE id = $1 AND test_of IS NOT NULL FOR NO KEY UPDATE
"""
_MOVE: Final = "UPDATE environments SET clock_ahead = $2 WHERE id = $1"
_HASTEN: Final = """
UPDATE work_steps SET due_at = due_at - $3::interval
WHERE environment_id = $1 AND queue = $2 AND state = 'ready' AND due_at > clock_timestamp()
"""
# What was looked at ahead of time is looked at again as its time comes.
_BACK: Final = (
    "UPDATE process_clocks SET looked_until = $2, until = NULL, patient_id = NULL"
    " WHERE environment_id = $1 AND (looked_until > $2 OR until > $2)",
    "UPDATE process_positions SET ahead_until = $2 WHERE environment_id = $1 AND ahead_until > $2",
)


async def move(connection: Connection, environment_id: int, to: datetime | None, by: By) -> None:
    """Has it be that time there, in UTC, and go on from it; None: the time that it is everywhere.

    Steps of processes that wait come so much nearer; they stay where they are as the clock is set
    back. Raises a 400 ``ApiError`` for a time that is earlier than it is there, or ten years away,
    and where this is no test environment."""
    async with connection.transaction():
        await connection.execute(_LOCK, environment_id)
        row = await connection.fetchrow(_STANDING, environment_id)
        if row is None:
            raise problem("bad_request", "Clocks are moved in test environments alone.")
        ahead = timedelta() if to is None else to - row["now"]
        if to is not None and not row["clock_ahead"] <= ahead <= LONGEST:
            there = iso(row["now"] + row["clock_ahead"])
            raise problem(
                "bad_request",
                f"It is {there} there, and a clock goes forward, by ten years at most. Set it back"
                " by clock=now.",
            )
        await connection.execute(_MOVE, environment_id, ahead)
        if to is None:
            for statement in _BACK:
                await connection.execute(statement, environment_id, row["now"])
        else:
            nearer = ahead - row["clock_ahead"]
            await connection.execute(_HASTEN, environment_id, QUEUE, nearer)
            await waking.wake(connection, [(environment_id, QUEUE)])
        before, after = (
            {"seconds_ahead": round(t.total_seconds())} for t in (row["clock_ahead"], ahead)
        )
        about = f"environment:{row['name']}"
        await worker_events.changed(
            connection, environment_id, "clock moved", by, about, before=before, after=after
        )
