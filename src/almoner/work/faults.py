"""Faults that keep something from being begun by itself: a row for each, as long as it lasts, so
that one never keeps others from being begun, and somebody learns of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Literal, Self

import structlog

from almoner.database import Connection, Database
from almoner.database.outages import AWAY
from almoner.errors import UnavailableError
from almoner.operations.logs import fault
from almoner.vocabulary.cron import ScheduleError
from almoner.work.dismissals import is_dismissed

# What is begun: what a process does (of a blank name: of any process), the jobs of an integration
# by its schedule, and by what changes.
Begun = Literal["process", "integration", "changes"]
PROCESS: Final = "process"
INTEGRATION: Final = "integration"
CHANGES: Final = "changes"
_STANDING: Final = "SELECT environment_id, name, message FROM work_faults WHERE begun = $1"
_NOTE: Final = """
INSERT INTO work_faults (environment_id, begun, name, id, code, message)
VALUES ($1, $2, $3, gen_random_uuid(), $4, $5) ON CONFLICT (environment_id, begun, name) DO UPDATE
SET code = excluded.code, message = excluded.message, noted_at = clock_timestamp()
"""
_CLEAR: Final = "DELETE FROM work_faults WHERE environment_id = $1 AND begun = $2 AND name = $3"
_OF: Final = f"""
FROM work_faults f WHERE f.environment_id = $1 AND $2 = {is_dismissed("f.id", "f.noted_at")}
"""
_LIST: Final = f"""
SELECT f.begun, f.name, f.id::text, f.code, f.message, f.noted_at {_OF} ORDER BY f.noted_at DESC
"""
_COUNT: Final = f"SELECT count(*) {_OF}"
_OWN: Final = "Almoner has a fault of its own: {name}. Its log says more."


class FaultsOfLook:
    """The faults of one look at what is to be begun, which ``begin`` opens. As it ends, what is new
    is noted and logged, and what is mended is gone: of environments that were looked at whole, or
    ``everywhere``.
    """

    def __init__(self, database: Database, begun: Begun, everywhere: bool = True) -> None:
        self._database = database
        self._begun = begun
        self._everywhere = everywhere
        self._ends: dict[tuple[int, str], Exception | None] = {}
        self._whole: set[int] = set()
        self._standing: dict[tuple[int, str], str] = {}

    async def begin(self, connection: Connection) -> None:
        """Reads what stands, over the connection that the look has anyway. What somebody else notes
        from now on is no matter of this look.
        """
        rows = await connection.fetch(_STANDING, self._begun)
        self._standing = {(row["environment_id"], row["name"]): row["message"] for row in rows}

    @contextmanager
    def of(self, environment_id: int, name: str) -> Iterator[None]:
        """What goes wrong within is a fault of this alone, unless the database is away."""
        key = environment_id, name
        try:
            yield
        except (UnavailableError, *AWAY):
            raise
        except Exception as error:
            self._ends[key] = error
        else:
            self._ends.setdefault(key, None)

    def whole(self, environment_id: int) -> None:
        """All of an environment was looked at: what has no fault now has none any more."""
        self._whole.add(environment_id)

    def has_fault(self, environment_id: int) -> bool:
        """Whether there has been one in the environment so far."""
        ends = self._ends.items()
        return any(key[0] == environment_id and error is not None for key, error in ends)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        of: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if error is None:
            await self._settle()

    async def _settle(self) -> None:
        for key in self._standing:
            if self._everywhere or key[0] in self._whole:
                self._ends.setdefault(key, None)
        changed = {key: error for key, error in self._ends.items() if self._is_changed(key, error)}
        if not changed:
            return
        async with self._database.connection() as connection:
            for (environment_id, name), error in changed.items():
                if error is None:
                    await clear(connection, environment_id, self._begun, name)
                else:
                    await self._note(connection, environment_id, name, error)

    def _is_changed(self, key: tuple[int, str], error: Exception | None) -> bool:
        message = None if error is None else _problem(error)["message"]
        return message != self._standing.get(key)

    async def _note(
        self, connection: Connection, environment_id: int, name: str, error: Exception
    ) -> None:
        structlog.get_logger().error(
            "a fault in what begins by itself",
            begun=self._begun,
            environment_id=environment_id,
            **fault(error),
        )
        values = (environment_id, self._begun, name, *_problem(error).values())
        await connection.execute(_NOTE, *values)


def _problem(error: Exception) -> Mapping[str, str]:
    if isinstance(error, ScheduleError):
        return {"code": "schedule_never", "message": str(error)}
    return {"code": "fault", "message": _OWN.format(name=type(error).__name__)}


async def clear(connection: Connection, environment_id: int, begun: Begun, name: str) -> None:
    """Forgets a fault: it is gone, or what had it is."""
    await connection.execute(_CLEAR, environment_id, begun, name)


async def standing(
    connection: Connection, environment_id: int, dismissed: bool = False
) -> list[Mapping[str, Any]]:
    """The faults that there are, or those that somebody has put away, the newest first: what is
    ``begun``, ``name``, ``id``, ``code``, ``message`` and ``noted_at`` (UTC).
    """
    return [dict(row) for row in await connection.fetch(_LIST, environment_id, dismissed)]


async def count(connection: Connection, environment_id: int, dismissed: bool = False) -> int:
    """How many of these there are."""
    number: int = await connection.fetchval(_COUNT, environment_id, dismissed)
    return number
