"""Tasks of integrations and processes while an environment is closed: who does one has time to end
it, and what is not done goes on where the environment is opened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

# A task of an integration ends within sixty seconds, where its author has not allowed more.
PATIENCE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.1
# Whose runner is gone ends no more.
_UNDER_WAY: Final = """
SELECT s.queue, count(*) FROM work_steps s JOIN work_runners r
  ON r.id = s.runner_id AND r.alive_until > clock_timestamp()
WHERE s.environment_id = ANY ($1::integer[]) AND s.state = 'running' GROUP BY s.queue ORDER BY 1
"""
_OPEN: Final = """
SELECT count(*) FILTER (WHERE state <> 'running'), count(*) FILTER (WHERE state = 'running')
FROM work_steps
WHERE environment_id = ANY ($1::integer[]) AND state IN ('ready', 'running', 'blocked')
"""


@dataclass(frozen=True)
class OpenTasks:
    """How many tasks wait for their turn or for others, and how many were under way, which whoever
    takes them up begins anew.
    """

    waiting: int
    begun_anew: int

    def tell(self, tell: Callable[[str], None]) -> None:
        """Says so, where there are any."""
        if self.waiting or self.begun_anew:
            tell(
                f"Tasks that go on where it is opened: {self.waiting} that wait, {self.begun_anew}"
                " that did not end in time and are begun anew."
            )


async def drain(
    connection: asyncpg.Connection,
    environment_ids: Sequence[int],
    tell: Callable[[str], None],
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Waits until the tasks that are under way have ended, for so many seconds at most. Their
    environments are not open any more, so that nobody begins another one.
    """
    until, is_waiting = time.monotonic() + patience, False
    while rows := await connection.fetch(_UNDER_WAY, list(environment_ids)):
        if time.monotonic() >= until:
            return
        if not is_waiting:
            named = ", ".join(f"{row['queue']}: {row['count']}" for row in rows)
            tell(f"Waiting for tasks under way ({named}), {patience:g} seconds at most ...")
        is_waiting = True
        await asyncio.sleep(_POLL_SECONDS)


async def left(connection: asyncpg.Connection, environment_ids: Sequence[int]) -> OpenTasks:
    """What is not done, once nobody writes there any more."""
    row = await connection.fetchrow(_OPEN, list(environment_ids))
    assert row is not None
    return OpenTasks(*row)
