"""``GET /v1/changes``: the change feed over HTTP (additive)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from almoner.access.audit import ReadAudit
from almoner.access.tokens import Access
from almoner.changes import feed
from almoner.changes.rows import Rows, rows_of
from almoner.changes.waiting import WaitingReader, WaitingReaders
from almoner.data_api import find
from almoner.data_api.declare import Resource
from almoner.data_api.serve import ApiAnswer, ApiRequest, may
from almoner.database import Database
from almoner.errors import ApiError, parse_problem, problem
from almoner.vocabulary.fields import add_unknown, printable
from almoner.vocabulary.kinds import Problems

SCOPE = "changes"
LATEST = "latest"
ROWS = "rows"
LONGEST_WAIT = 30
# Between two looks at the token of who waits. What is known of it is believed for four seconds, so
# that one which was ended ends the wait within five, as it does every request.
_TOKEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """What a request asks for. ``after`` None is the end of the feed; ``resources`` None means
    every collection. ``wait`` is how many seconds it is content to wait for something to be there.
    """

    after: feed.Position | None
    limit: int
    resources: tuple[str, ...] | None
    rows: bool
    wait: int


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
        self._waiting = WaitingReaders(database)

    async def answer(self, request: ApiRequest) -> ApiAnswer:
        """A page of changes. Raises ApiError: 401, 403, 405, 429, 400 for parameters that do not
        fit, and 410 where what lies behind the cursor is gone.
        """
        access = await self._access(request)
        if request.method not in ("GET", "HEAD"):
            raise problem("method_not_allowed", "/v1/changes allows GET.", {"Allow": "GET"})
        may(access.can_read(SCOPE), f"{SCOPE}.read")
        asked = parameters(request.query, self._resources)
        if asked.wait and asked.after is not None:
            access, page, rows = await self._awaited(request, access, asked, asked.after)
        else:
            page, rows = await self._read(access, asked)
        self._note(access, request, page, rows)
        entries = [entry.as_json() for entry in page.entries]
        if asked.rows:
            entries = [entry | {"row": _row(rows, entry)} for entry in entries]
        meta = {
            "after": page.last.cursor(),
            "more": page.more,
            "environment": access.environment_key,
        }
        return ApiAnswer(
            200, msgspec.json.encode({"data": entries, "meta": meta}), operation="changes.read"
        )

    async def _awaited(
        self, request: ApiRequest, access: Access, asked: FeedQuery, after: feed.Position
    ) -> tuple[Access, feed.FeedPage, Rows]:
        """A page that has something, or the one that is there when the time has passed."""
        until = time.monotonic() + asked.wait
        resources = None if asked.resources is None else frozenset(asked.resources)
        reader = WaitingReader(access.client_id, access.environment_id, resources)
        # It is woken from before it reads on, so that nothing falls between the two.
        with self._waiting.open(reader, after):
            while True:
                page, rows = await self._read(access, asked)
                if page.entries or page.more:
                    break
                if not await self._woken(request, reader, until):
                    break
                access = await self._reading(request)
        return access, page, rows

    async def _woken(self, request: ApiRequest, reader: WaitingReader, until: float) -> bool:
        """Whether something of the reader's was settled before the time had passed or the server is
        to stop. Raises ApiError as soon as the token is known to have ended.
        """
        while (left := until - time.monotonic()) > 0:
            if not await request.wait(reader.woken, min(left, _TOKEN_SECONDS)):
                return False
            if reader.woken.is_set():
                reader.woken.clear()
                return True
            await self._reading(request)
        return False

    async def _reading(self, request: ApiRequest) -> Access:
        """Who asks, who may read the feed."""
        access = await self._access(request)
        may(access.can_read(SCOPE), f"{SCOPE}.read")
        return access

    async def _read(self, access: Access, asked: FeedQuery) -> tuple[feed.FeedPage, Rows]:
        if asked.rows:
            for name in asked.resources or self._resources:
                may(access.can_read(name), f"{name}.read")
        async with self._database.connection() as connection:
            if asked.after is None:
                return feed.FeedPage([], await feed.end(connection), False), {}
            page = await feed.read(
                connection, access.environment_id, asked.after, asked.limit, asked.resources
            )
            if not asked.rows:
                return page, {}
            return page, await rows_of(connection, access, self._resources, page.changes)

    def _note(self, access: Access, request: ApiRequest, page: feed.FeedPage, rows: Rows) -> None:
        patient_ids = b"".join(
            UUID(change.patient_id).bytes for change in page.changes if change.patient_id
        )
        self._audit.note(access, request.request_id, "find", SCOPE, patient_ids)
        for name, by_id in rows.items():
            self._audit.note(
                access,
                request.request_id,
                "find",
                name,
                b"".join(row.patient for row in by_id.values()),
            )


def _row(rows: Rows, entry: Mapping[str, object]) -> msgspec.Raw | None:
    """The row that an entry is about, as it is now; None where it is gone, or the entry is about
    none.
    """
    row = rows.get(str(entry["resource"]), {}).get(str(entry["id"]))
    return None if row is None else msgspec.Raw(row.body)


def parameters(query: bytes, known: Mapping[str, object]) -> FeedQuery:
    """What these parameters ask for; ``known`` are the collections by name. Raises ApiError with
    every one that does not fit.

    ``after`` is a cursor; empty it is the beginning, ``latest`` the end. ``resource`` may come
    several times or hold several names with commas between them."""
    problems: Problems = []
    after: feed.Position | None = feed.BEGINNING
    limit, wait, rows = feed.DEFAULT, 0, False
    resources: list[str] = []
    for name, value in find.parameters(query):
        if name == "after":
            after = _after(value, problems)
        elif name == "limit":
            limit = _whole(name, value, 1, feed.LARGEST, problems)
        elif name == "wait":
            wait = _whole(name, value, 0, LONGEST_WAIT, problems)
        elif name == "resource":
            resources += _names(value, known, problems)
        elif name == "include":
            rows = _includes_rows(value, problems)
        else:
            add_unknown(
                problems,
                name,
                "",
                dict.fromkeys(("after", "limit", "resource", "include", "wait")),
                "parameter",
            )
    if problems:
        raise ApiError(problems)
    return FeedQuery(
        after=after,
        limit=limit,
        resources=tuple(dict.fromkeys(resources)) or None,
        rows=rows,
        wait=wait,
    )


def _after(value: str, problems: Problems) -> feed.Position | None:
    if value == LATEST:
        return None
    return feed.position(value, ".after", problems) if value else feed.BEGINNING


def _whole(name: str, value: str, least: int, most: int, problems: Problems) -> int:
    """A whole number; above ``most`` it is that."""
    if value.isascii() and value.isdigit() and int(value[:9]) >= least:
        return min(int(value[:9]), most)
    hint = f"a whole number from {least} to {most} is expected"
    problems.append(parse_problem("integer", f".{name}", hint))
    return least


def _names(value: str, known: Mapping[str, object], problems: Problems) -> list[str]:
    names = value.split(",")
    for name in names:
        if name not in known:
            hint = f"there is no collection {printable(name)}; they are {', '.join(sorted(known))}"
            problems.append(parse_problem("collection", ".resource", hint))
    return names


def _includes_rows(value: str, problems: Problems) -> bool:
    if value != ROWS:
        problems.append(
            parse_problem("enum", ".include", f"{ROWS} is expected; it is all that can be included")
        )
    return True
