"""Environments: every client, worker and row belongs to one, and nothing of one is visible from
another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from almoner.access import worker_events
from almoner.access.worker_events import AT_THE_TERMINAL, By
from almoner.database import Connection
from almoner.errors import ApiError, Problem, problem

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LISTED = (
    "SELECT e.id, e.name, e.created_at, live.name, e.state FROM environments e LEFT JOIN"
    " environments live ON live.id = e.test_of"
)


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment as it is listed. ``created_at`` is in UTC.

    ``test_of`` names the environment whose programs are tested in it; None for one in which
    patients are cared for. ``state``: open, or what a move to another database is at."""

    id: int
    name: str
    created_at: datetime
    test_of: str | None = None
    state: str = "open"


async def is_for_tests(connection: Connection, environment_id: int) -> bool:
    """Whether programs of another environment are tested here: there is no draft then, and nothing
    to design.
    """
    return bool(
        await connection.fetchval(
            "SELECT test_of IS NOT NULL FROM environments WHERE id = $1", environment_id
        )
    )


async def create(connection: Connection, name: str, test_of: int | None = None) -> int:
    """Makes an environment and returns its id. With ``test_of``, programs of that environment are
    tested in it.

    Raises ApiError where the name is taken or does not fit, or where ``test_of`` is a test
    environment itself."""
    _check_name(name)
    return await _create(connection, name, test_of, AT_THE_TERMINAL)


async def create_test(connection: Connection, name: str, live_id: int, by: By) -> Environment:
    """Makes an environment in which programs of the one of ``live_id`` are tested. It gives nobody
    anything: nobody is in it yet.

    Its whole name begins with that of the live one and a dot, which no other environment's does:
    what is answered here tells nothing of the names of others. Raises ApiError where the name does
    not fit, or there is one of that name here already."""
    _check_name(name)
    live: str = await connection.fetchval("SELECT name FROM environments WHERE id = $1", live_id)
    test_id = await _create(connection, f"{live}.{name}", live_id, by)
    return next(
        environment
        for environment in await tests_of(connection, live_id)
        if environment.id == test_id
    )


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise problem(
            "bad_request",
            "The name of an environment is made of small letters, digits, - and _; it begins with a"
            " letter or digit and has at most 63 characters.",
            path=".name",
        )


async def _create(connection: Connection, name: str, test_of: int | None, by: By) -> int:
    if (
        test_of is not None
        and await connection.fetchval("SELECT test_of FROM environments WHERE id = $1", test_of)
        is not None
    ):
        raise problem(
            "bad_request",
            "A test environment has no test environments of its own. Name the one that it tests"
            " for.",
        )
    try:
        async with connection.transaction():
            environment_id: int = await connection.fetchval(
                "INSERT INTO environments (name, test_of) VALUES ($1, $2) RETURNING id",
                name,
                test_of,
            )
            owner, after = (
                environment_id if test_of is None else test_of,
                {"name": name, "for_tests": test_of is not None},
            )
            await worker_events.changed(
                connection,
                owner,
                event="environment made",
                by=by,
                about=f"environment:{name}",
                before=None,
                after=after,
            )
    except asyncpg.UniqueViolationError:
        raise ApiError(
            Problem(
                "uniqueness_exception",
                "There is an environment of this name already.",
                {"path": ".name"},
            )
        ) from None
    return environment_id


async def find(connection: Connection, name: str) -> int | None:
    """The id of the environment of this name; None where there is none."""
    environment_id: int | None = await connection.fetchval(
        "SELECT id FROM environments WHERE name = $1", name
    )
    return environment_id


async def list_environments(connection: Connection) -> list[Environment]:
    """All environments, those for tests included, the oldest first."""
    return [Environment(*row) for row in await connection.fetch(f"{_LISTED} ORDER BY e.id")]


async def tests_of(connection: Connection, environment_id: int) -> list[Environment]:
    """The environments in which programs of this one are tested, the oldest first."""
    return [
        Environment(*row)
        for row in await connection.fetch(
            f"{_LISTED} WHERE e.test_of = $1 ORDER BY e.id", environment_id
        )
    ]
