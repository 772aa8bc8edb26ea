"""``GET /v1/changes``: the change feed over HTTP (additive)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from almoner.access.audit import ReadAudit
from almoner.access.tokens import Access
from almoner.changes import feed
from almoner.changes.rows import Rows, rows_of
from almoner.data_api import find
from almoner.data_api.declare import Resource
from almoner.data_api.serve import ApiAnswer, ApiRequest, may
from almoner.database import Connection, Database
from almoner.errors import ApiError, parse_problem, problem
from almoner.vocabulary.fields import add_unknown, printable
from almoner.vocabulary.kinds import Problems

SCOPE = "changes"
LATEST = "latest"
ROWS = "rows"


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """What a request asks for. ``after`` None is the end of the feed; ``resources`` None means every collection."""

    after: feed.Position | None
    limit: int
    resources: tuple[str, ...] | None
    rows: bool


class ChangeFeed:
    """Answers with the settled changes of the caller's environment, behind a cursor, in order."""

    def __init__(
        self,
        database: Database,
        access: Callable[[ApiRequest], Awaitable[Access]],
        audit: ReadAudit,
        resources: Sequence[Resource],
    ) -> None:
        self._database = database
        self._access = access
        self._audit = audit
        self._resources = {resource.name: resource for resource in resources}

    async def answer(self, request: ApiRequest) -> ApiAnswer:
        """A page of changes. Raises ApiError: 401, 403, 405, and 400 for parameters that do not fit."""
        access = await self._access(request)
        if request.method not in ("GET", "HEAD"):
            raise problem("method_not_allowed", "/v1/changes allows GET.", {"Allow": "GET"})
        may(access.can_read(SCOPE), f"{SCOPE}.read")
        asked = parameters(request.query, self._resources)
        rows: Rows = {}
        if asked.rows:
            for name in asked.resources or self._resources:
                may(access.can_read(name), f"{name}.read")
        async with self._database.connection() as connection:
            page = await _page(connection, access.environment_id, asked)
            if asked.rows:
                rows = await rows_of(connection, access, self._resources, page.changes)
        self._note(access, request, page, rows)
        data = [entry.shown() for entry in page.entries]
        if asked.rows:
            data = [entry | {"row": _row(rows, entry)} for entry in data]
        meta = {"after": page.last.cursor(), "more": page.more}
        return ApiAnswer(200, msgspec.json.encode({"data": data, "meta": meta}), operation="changes.read")

    def _note(self, access: Access, request: ApiRequest, page: feed.FeedPage, rows: Rows) -> None:
        told = b"".join(UUID(change.patient_id).bytes for change in page.changes if change.patient_id)
        self._audit.note(access, request.request_id, "find", SCOPE, told)
        for name, found in rows.items():
            self._audit.note(access, request.request_id, "find", name, b"".join(row.patient for row in found.values()))


async def _page(connection: Connection, environment_id: int, asked: FeedQuery) -> feed.FeedPage:
    if asked.after is None:
        return feed.FeedPage([], await feed.end(connection), False)
    return await feed.read(connection, environment_id, asked.after, asked.limit, asked.resources)


def _row(rows: Rows, entry: Mapping[str, object]) -> msgspec.Raw | None:
    """The row that an entry is about, as it is now; None where it is gone, or the entry is about none."""
    found = rows.get(str(entry["resource"]), {}).get(str(entry["id"]))
    return None if found is None else msgspec.Raw(found.body)


def parameters(query: bytes, known: Mapping[str, object]) -> FeedQuery:
    """What these parameters ask for; ``known`` are the collections by name. Raises ApiError with every one that does not fit.

    ``after`` is a cursor; empty it is the beginning, ``latest`` the end. ``resource`` may come several times or hold several names
    with commas between them.
    """
    problems: Problems = []
    after: feed.Position | None = feed.BEGINNING
    limit, rows = feed.DEFAULT, False
    resources: list[str] = []
    for name, value in find.parameters(query):
        if name == "after":
            after = _after(value, problems)
        elif name == "limit":
            limit = _limit(value, problems)
        elif name == "resource":
            resources += _names(value, known, problems)
        elif name == "include":
            rows = _includes_rows(value, problems)
        else:
            add_unknown(problems, name, "", dict.fromkeys(("after", "limit", "resource", "include")), "parameter")
    if problems:
        raise ApiError(problems)
    return FeedQuery(after, limit, tuple(dict.fromkeys(resources)) or None, rows)


def _after(value: str, problems: Problems) -> feed.Position | None:
    if value == LATEST:
        return None
    return feed.position(value, ".after", problems) if value else feed.BEGINNING


def _limit(value: str, problems: Problems) -> int:
    if value.isascii() and value.isdigit() and int(value[:9]) >= 1:
        return min(int(value[:9]), feed.LARGEST)
    problems.append(parse_problem("integer", ".limit", f"a whole number from 1 to {feed.LARGEST} is expected"))
    return feed.DEFAULT


def _names(value: str, known: Mapping[str, object], problems: Problems) -> list[str]:
    names = value.split(",")
    for name in names:
        if name not in known:
            hint = f"there is no collection {printable(name)}; they are {', '.join(sorted(known))}"
            problems.append(parse_problem("collection", ".resource", hint))
    return names


def _includes_rows(value: str, problems: Problems) -> bool:
    if value != ROWS:
        problems.append(parse_problem("enum", ".include", f"{ROWS} is expected; it is all that can be included"))
    return True
