"""The runner: the process that does work.

It shows that it lives, takes up what others left behind, and serves the queues that it is woken
for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import structlog

from almoner.database import Connection, Database
from almoner.database.open_environments import OPEN
from almoner.database.outages import AWAY
from almoner.errors import UnavailableError
from almoner.operations.logs import fault
from almoner.work import forgetting, library, waking
from almoner.work.pace import RunnerPace
from almoner.work.serving import QueueServer
from almoner.work.step import Handler, Step

_TOUCH: Final = """
INSERT INTO work_runners (id, alive_until) VALUES ($1, clock_timestamp() + $2 * interval '1 second')
ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until
"""
_LEAVE: Final = "DELETE FROM work_runners WHERE id = ANY ($1::uuid[])"
_BURY: Final = "DELETE FROM work_runners WHERE alive_until < clock_timestamp() - interval '1 hour'"
# Of every environment: a runner that is gone served them all. With what a fence has refused to this
# one. What runs is few rows, and has an index of its own.
_ABANDONED: Final = f"""
WITH left_behind AS (
  SELECT environment_id AS of_environment, id AS left_id FROM work_steps AS s
      WHERE state = 'running' AND queue = ANY ($1::text[])
  AND (NOT EXISTS (SELECT FROM work_runners AS r WHERE r.id = s.runner_id
      AND r.alive_until > clock_timestamp())
    OR (environment_id, id, claims) IN (SELECT * FROM unnest($2::int[], $3::uuid[], $4::int[])))
  AND {OPEN}
  ORDER BY environment_id, id FOR UPDATE SKIP LOCKED
)
UPDATE work_steps SET state = 'ready', runner_id = NULL, due_at = clock_timestamp()
FROM left_behind WHERE environment_id = of_environment AND id = left_id
    RETURNING environment_id, queue, id::text
"""
_UNBLOCKED: Final = f"""
WITH free AS (
  SELECT environment_id AS of_environment, id AS free_id FROM work_steps AS p
  WHERE state = 'blocked' AND queue = ANY ($1::text[]) AND NOT EXISTS (
    SELECT FROM work_steps AS c WHERE c.environment_id = p.environment_id AND c.parent_id = p.id
      AND c.state IN ('ready', 'running', 'blocked')) AND {OPEN}
  ORDER BY environment_id, id FOR UPDATE SKIP LOCKED
)
UPDATE work_steps SET state = 'ready' FROM free WHERE environment_id = of_environment
    AND id = free_id
"""
_DUE: Final = f"""
SELECT environment_id, name FROM work_queues AS q WHERE {OPEN}
    AND name = ANY ($1::text[]) AND EXISTS (
  SELECT FROM work_steps AS s WHERE s.environment_id = q.environment_id AND s.queue = q.name
      AND s.state = 'ready'
    AND s.due_at <= statement_timestamp())
"""


class Runner:
    """Does the work of some queues until it is asked to stop. ``counted`` is told of every try:
    queue and outcome. What steps were given goes ``keep_days`` after their job has ended.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        pace: RunnerPace | None = None,
        counted: Callable[[str, str], None] = lambda queue, state: None,
        keep_days: int = 30,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._pace = pace or RunnerPace()
        self._keep_days = keep_days
        self._log = structlog.get_logger()
        self._stop = asyncio.Event()
        # The name that steps are taken up in, once it is written down that it lives; and those that
        # it had.
        self._id: UUID | None = None
        self._ids: list[UUID] = []
        # What a fence has refused, with how often it was taken up: it is given back once its
        # environment is open again, and never where somebody has taken it up since.
        self._refused: dict[tuple[int, str], int] = {}
        self._server = QueueServer(
            database,
            handlers,
            runner_id=lambda: self._id,
            stop=self._stop,
            troubled=self._renew,
            refused=self._note_refused,
            counted=counted,
        )
        self._prune_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Works until ``stop`` is set; what is under way then has some seconds to end, and the rest
        is left to others at once.
        """
        parts = [
            asyncio.create_task(self._again(part))
            for part in (self._live, self._sweep, self._serve, self._forget)
            if self._handlers
        ]
        await stop.wait()
        self._stop.set()
        if parts:
            await asyncio.wait(parts, timeout=self._pace.grace)
            self._server.give_up()
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
        with suppress(UnavailableError, OSError, TimeoutError):
            async with asyncio.timeout(self._pace.grace), self._database.connection() as connection:
                await connection.execute(_LEAVE, self._ids)

    def _renew(self) -> None:
        """Lives on under another name: what was under way when the database was away is taken up
        once the old name is dead.
        """
        self._id = None

    def _note_refused(self, steps: Sequence[Step]) -> None:
        self._refused |= {(step.environment_id, step.id): step.claims for step in steps}

    async def _again(self, part: Callable[[], object]) -> None:
        """Goes on with a part of the runner, whatever goes wrong in it."""
        troubled = False
        while not self._stop.is_set():
            try:
                await part()  # type: ignore[misc]  # each is a coroutine
                troubled = False
            except (UnavailableError, *AWAY, asyncpg.PostgresError) as error:
                if not troubled:
                    self._log.error(
                        "the runner cannot work",
                        part=part.__name__,
                        **fault(error.__cause__ or error),
                    )
                troubled = True
                await self._pause(1.0)
            except Exception as error:
                self._log.error("a fault in the runner", part=part.__name__, **fault(error))
                await self._pause(1.0)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _live(self) -> None:
        name = self._id or uuid4()
        async with self._database.connection() as connection:
            await connection.execute(_TOUCH, name, self._pace.lease)
        if self._id is None:
            self._id = name
            self._ids = [*self._ids[-9:], name]
        until = asyncio.get_running_loop().time() + self._pace.lease / 4
        while (
            self._id == name
            and not self._stop.is_set()
            and asyncio.get_running_loop().time() < until
        ):
            await self._pause(min(self._pace.sweep, self._pace.lease / 4))

    async def _sweep(self) -> None:
        """Takes up what nobody runs any more, has those go on who can, and wakes somebody for every
        queue with something due.
        """
        known = list(self._handlers)
        async with self._database.transaction() as connection:
            back = await self._take_back(connection, known)
            await connection.execute(_UNBLOCKED, known)
            due = await connection.fetch(_DUE, known)
            await waking.wake(connection, [(row["environment_id"], row["name"]) for row in due])
        for key in back:
            self._refused.pop(key, None)
        now = asyncio.get_running_loop().time()
        if now >= self._prune_at:
            async with self._database.connection() as connection:
                await library.prune(connection)
                await connection.execute(_BURY)
            self._prune_at = now + self._pace.prune
        await self._pause(self._pace.sweep)

    async def _forget(self) -> None:
        await forgetting.forget(self._database, self._keep_days)
        await self._pause(self._pace.forget)

    async def _take_back(self, connection: Connection, known: list[str]) -> list[tuple[int, str]]:
        """Answers with environment and id of each step that somebody may take up again."""
        refused = [(*key, claims) for key, claims in self._refused.items()]
        columns = [list(column) for column in zip(*refused, strict=True)] or [[], [], []]
        rows = await connection.fetch(_ABANDONED, known, *columns)
        left: dict[tuple[int, str], list[str]] = {}
        for row in rows:
            left.setdefault((row["environment_id"], row["queue"]), []).append(row["id"])
        for (environment_id, queue), step_ids in left.items():
            await self._handlers[queue].released(connection, environment_id, step_ids)
        return [(row["environment_id"], row["id"]) for row in rows]

    async def _serve(self) -> None:
        async with self._database.apart() as connection:
            await library.serve_entries(
                connection, self._server.serve, self._stop, self._pace.lease
            )
