"""Calls of hooks that prove nothing: refused, logged, and in the audit trail.

A flood of them does not fill the trail: a process notes one a minute of each hook."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from starlette.requests import Request

from almoner.access.audit import ReadAudit
from almoner.database import Connection
from almoner.errors import ApiError, problem

# Seconds between two entries of one hook.
_BETWEEN: Final = 60.0
_LONGEST_NAME: Final = 64
_THROUGH: Final = "hook of {}"
_LATEST: Final = """
SELECT read_at FROM audit_reads WHERE environment_id = $1 AND verb = 'refuse' AND resource = $2
  AND through = $3 ORDER BY read_at DESC LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class _RefusedCaller:
    """Somebody who is not known."""

    environment_id: int
    actor: str = "unknown"


async def latest(
    connection: Connection, environment_id: int, resource: str, name: str, most: int
) -> list[datetime]:
    """When calls of a hook were refused (UTC), the latest first, as far as the trail notes them."""
    values = (environment_id, resource, _THROUGH.format(name), most)
    return [row["read_at"] for row in await connection.fetch(_LATEST, *values)]


class RefusedCalls:
    """Notes calls that are refused. ``watch`` tells seconds."""

    def __init__(self, audit: ReadAudit, watch: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._watch = watch
        # When each was noted last: of hooks that there are, so that these are few.
        self._noted: dict[tuple[int, str], float] = {}

    def refuse(
        self, request: Request, resource: str, name: str, environments: Iterable[int]
    ) -> ApiError:
        """The 401 for a call of this hook, to be raised; ``environments`` are those that have one
        of this name.
        """
        structlog.get_logger().warning(
            "a call of a hook is refused", resource=resource, hook=name[:_LONGEST_NAME]
        )
        request_id, now = request.scope.get("request_id", ""), self._watch()
        for environment_id in environments:
            key = (environment_id, f"{resource}/{name}")
            if now - self._noted.get(key, float("-inf")) >= _BETWEEN:
                self._noted[key] = now
                caller = _RefusedCaller(environment_id)
                through = _THROUGH.format(name)
                self._audit.note(
                    caller, request_id, "refuse", resource, patients=b"", through=through
                )
        return problem(
            "unauthorized",
            "Sign the call, or send the hook's secret as a bearer token.",
            {"WWW-Authenticate": 'Bearer realm="hook"'},
        )
