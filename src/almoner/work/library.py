"""The library that wakes runners (pgqueuer): an entry says that a queue is to be looked at, and is
put down in our own transaction.

Nothing is known by an entry alone: what is to be done stands in ``work_steps``, and a queue whose
entry was lost is woken again by the next sweep. The library's tables stand in a schema of their
own, made by our migrations. It takes 20 MiB, so that a process imports this module only when it
wakes or is woken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence import qb
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import Channel

from almoner.database import Connection

SCHEMA: Final = "work_queue"
_ENTRY: Final = "queue"
_BATCH: Final = 8
# Queues that one runner serves at once: more than it could be kept busy by, so that slow ones hold
# up no other.
_AT_ONCE: Final = 64
_PRUNE: Final = f"DELETE FROM {SCHEMA}.pgqueuer_log WHERE created < now() - interval '1 day'"
# Every name is given, so that no variable of the process's environment changes one.
_NAMES: Final = DBSettings(
    prefix="",
    db_schema=SCHEMA,
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
)

Serve = Callable[[int, str, int], Awaitable[None]]


def queries(connection: Connection) -> Queries:
    """The library's statements over this connection, in the transaction that it is in."""
    driver: Any = AsyncpgDriver(connection)  # type: ignore[arg-type]  # ours is asyncpg's, narrowed to what is used
    return Queries(
        driver,
        qb.QueryBuilderEnvironment(_NAMES),
        qb.QueryQueueBuilder(_NAMES),
        qb.QuerySchedulerBuilder(_NAMES),
    )


def manager(connection: Connection) -> QueueManager:
    """The library's loop over this connection, which is its alone."""
    return QueueManager(queries(connection), channel=_NAMES.channel)


async def put_down(connection: Connection, named: Sequence[tuple[int, str]], slot: int) -> None:
    """Puts down an entry for each queue, an environment and a name, where there is none in this
    slot.
    """
    if named:
        await queries(connection).enqueue(
            [_ENTRY] * len(named),
            [msgspec.json.encode((environment_id, queue, slot)) for environment_id, queue in named],
            [0] * len(named),
            dedupe_key=[f"{environment_id}/{queue}/{slot}" for environment_id, queue in named],
            on_conflict="skip",
        )


async def prune(connection: Connection) -> None:
    """Removes what the library noted of entries that were served a day ago."""
    await connection.execute(_PRUNE)


async def serve_entries(
    connection: Connection, serve: Serve, stop: asyncio.Event, lease: float
) -> None:
    """Calls ``serve`` with environment, queue and slot of each entry, until ``stop`` is set and
    what is under way has ended.

    The connection is this call's alone. An entry whose runner has died is another's after ``lease``
    seconds. Raises what the database does."""
    loop = manager(connection)
    loop.shutdown = stop

    @loop.entrypoint(_ENTRY)
    async def entry(job: Job) -> None:
        environment_id, queue, slot = msgspec.json.decode(
            job.payload or b"null", type=tuple[int, str, int]
        )
        await serve(environment_id, queue, slot)

    beat = timedelta(seconds=lease)
    await loop.run(
        dequeue_timeout=beat / 4,
        batch_size=_BATCH,
        max_concurrent_tasks=_AT_ONCE,
        heartbeat_timeout=beat,
    )
