"""Whose program an environment holds: its own, with a draft, or that of another one that is tested
in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from almoner.access.environments import is_for_tests
from almoner.database import Connection
from almoner.pages.visit import Visit


@dataclass(frozen=True, kw_only=True)
class Tested:
    """That an environment is for tests of another. The rest is blank, 0 and None where nothing was
    locked in it yet.
    """

    live: str
    version: int
    message: str
    locked_by: str
    locked_at: datetime | None


async def tested_here(connection: Connection, environment_id: int) -> Tested | None:
    """Whose program is tested in this environment; None where patients are cared for in it."""
    row = await connection.fetchrow(
        "SELECT live.name AS live, coalesce(l.test_version, 0) AS version,"
        " coalesce(l.message, '') AS message, coalesce(l.locked_by, '') AS locked_by, l.locked_at"
        " FROM environments e JOIN environments live ON"
        " live.id = e.test_of LEFT JOIN LATERAL (SELECT * FROM program_locks WHERE environment_id ="
        " e.test_of AND test_environment_id = e.id ORDER BY number DESC LIMIT 1) l ON true WHERE"
        " e.id = $1",
        environment_id,
    )
    return None if row is None else Tested(**row)


async def away(visit: Visit, connection: Connection) -> Response | None:
    """To the overview, which explains it, where this environment has no draft of its own; None
    where it has.
    """
    return visit.go("/workshop") if await is_for_tests(connection, visit.environment_id) else None
