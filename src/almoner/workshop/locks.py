"""Locks: a revision of the draft, published where it is tested."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from almoner.access import environments
from almoner.access.worker_events import AT_THE_TERMINAL, By
from almoner.database import Connection
from almoner.errors import problem
from almoner.workshop import drafts
from almoner.workshop.breakages import WORDS
from almoner.workshop.publish import publish


@dataclass(frozen=True)
class Lock:
    """A revision that is tested. ``test_version`` is its version in the test environment;
    ``locked_at`` is in UTC.
    """

    number: int
    revision: int
    test_environment: str
    test_version: int
    message: str
    locked_by: str
    locked_at: datetime


async def lock(
    connection: Connection,
    environment_id: int,
    revision: int,
    test_environment_id: int,
    by: str,
    message: str = "",
    granter: By = AT_THE_TERMINAL,
) -> Lock:
    """Publishes a revision of this environment's draft in one of its test environments.

    The version and the lock stand together or not at all.

    What it breaks among the made-up patients there is nobody's loss. Raises Unfit with every
    problem that the revision has, LookupError where there is no such revision, ApiError where the
    other environment is no test environment of this one, Widens where it opens more to workers of
    that one and ``granter`` does not administer."""
    tests = {test.id for test in await environments.tests_of(connection, environment_id)}
    if test_environment_id not in tests:
        raise problem(
            "bad_request",
            "A program is tested in a test environment of its own environment, and this is none.",
        )
    draft = await drafts.at(connection, environment_id, revision)
    number = 0

    async def record(version: int) -> None:
        nonlocal number
        await drafts.hold(connection, environment_id)
        number = await connection.fetchval(
            "INSERT INTO program_locks (environment_id, number, revision, test_environment_id,"
            " test_version, message, locked_by) SELECT $1, 1 + coalesce(max(number), 0), $2, $3,"
            " $4, $5, $6 FROM program_locks WHERE environment_id = $1 RETURNING number",
            *(environment_id, revision, test_environment_id, version, message, by),
        )

    words = WORDS.keys()
    await publish(
        connection,
        test_environment_id,
        program=draft.design,
        by=by,
        message=message,
        accepting=words,
        granter=granter,
        recording=record,
    )
    return next(
        each for each in await list_locks(connection, environment_id) if each.number == number
    )


async def list_locks(connection: Connection, environment_id: int) -> tuple[Lock, ...]:
    """Every lock of an environment, the latest first."""
    rows = await connection.fetch(
        "SELECT l.number, l.revision, e.name, l.test_version, l.message, l.locked_by, l.locked_at"
        " FROM program_locks l JOIN environments e ON e.id = l.test_environment_id WHERE"
        " l.environment_id = $1 ORDER BY l.number DESC",
        environment_id,
    )
    return tuple(Lock(*row) for row in rows)
