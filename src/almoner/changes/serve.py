"""``GET /v1/changes``: the change feed over HTTP (additive)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from almoner.access.audit import ReadAudit
from almoner.access.tokens import Access
from almoner.changes import feed
from almoner.data_api import find
from almoner.data_api.serve import Answer, Request, may
from almoner.database import Database
from almoner.errors import ApiError, Problem, parse_problem, problem
from almoner.fields import unknown_field
from almoner.kinds import Problems

SCOPE = "changes"


class ChangeFeed:
    """Answers with the settled changes of the caller's environment, behind a cursor, in order."""

    def __init__(self, database: Database, access: Callable[[Request], Awaitable[Access]], audit: ReadAudit) -> None:
        self._database = database
        self._access = access
        self._audit = audit

    async def answer(self, request: Request) -> Answer:
        """A page of changes. Raises ApiError: 401, 403, 405, and 400 for parameters that do not fit."""
        access = await self._access(request)
        if request.method not in ("GET", "HEAD"):
            raise problem("method_not_allowed", "/v1/changes allows GET.", {"Allow": "GET"})
        may(access.can_read(SCOPE), f"{SCOPE}.read")
        after, limit = _parameters(request.query)
        async with self._database.connection() as connection:
            changes, more = await feed.read(connection, access.environment_id, after, limit)
        told = b"".join(UUID(change.patient_id).bytes for change in changes if change.patient_id)
        self._audit.note(access, request.request_id, "find", SCOPE, told)
        last = changes[-1].position if changes else after
        meta = {"after": last.cursor(), "more": more}
        body = msgspec.json.encode({"data": [change.shown() for change in changes], "meta": meta})
        return Answer(200, body, operation="changes.read")


def _parameters(query: bytes) -> tuple[feed.Position, int]:
    problems: Problems = []
    after, limit = feed.BEGINNING, feed.DEFAULT
    for name, value in find.parameters(query):
        if name == "after":
            after = feed.position(value, ".after", problems)
        elif name == "limit" and value.isascii() and value.isdigit() and int(value[:9]) >= 1:
            limit = min(int(value[:9]), feed.LARGEST)
        elif name == "limit":
            problems.append(parse_problem("integer", ".limit", f"a whole number from 1 to {feed.LARGEST} is expected"))
        else:
            found = unknown_field(name, "", {"after": None, "limit": None})
            problems.append(Problem(found.code, found.detail.replace("Unknown field", "Unknown parameter", 1), found.extra))
    if problems:
        raise ApiError(problems)
    return after, limit
