"""``GET /v1/digest``: how many rows there are and a digest of them, by which whoever keeps a copy
knows that it is whole, and finds what differs (additive; docs/digest.md has it to the letter).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from almoner.access.audit import ReadAudit
from almoner.access.tokens import Access
from almoner.changes.completeness import Completeness
from almoner.data_api import digest_sql, find
from almoner.data_api.declare import Resource
from almoner.data_api.serve import ApiAnswer, ApiRequest, may
from almoner.database import Connection, Database
from almoner.errors import ApiError, Problem, parse_problem, problem
from almoner.vocabulary.fields import Shape, add_unknown, missing_field, printable
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import iso

PATH: Final = "/v1/digest"
VERSION, JSON = "version", "json"
# Where there are no more rows below a prefix, each is told with its hash.
MOST_ROWS: Final = 1000
# Of one process: each keeps a connection and a processor of the database busy for seconds.
MOST_AT_ONCE: Final = 2
_OCTETS, _DIGITS = 16, 32
_PREFIX: Final = re.compile(r"[0-9a-f]{0,32}")


@dataclass(frozen=True, slots=True)
class DigestQuery:
    """What a request asks for. ``prefix`` is None where it names none, and the whole is asked for
    without its parts; ``find`` has the span and the filters.
    """

    resource: Resource
    prefix: str | None
    by_json: bool
    find: find.FindQuery

    @property
    def is_spanned(self) -> bool:
        """Whether it is of rows that were changed in some time alone."""
        return self.find.start > find.BEGINNING or self.find.to is not None

    def of(self, shape: Shape) -> digest_sql.DigestOf:
        """What the statements are about."""
        filters = tuple(finder for finder, _ in self.find.filters)
        return digest_sql.DigestOf(
            resource=self.resource,
            shape=shape,
            by_json=self.by_json,
            filters=filters,
            spanned=self.is_spanned,
            prefixed=bool(self.prefix),
        )

    def arguments(self, environment_id: int) -> tuple[Any, ...]:
        """The parameters of the statements."""
        span = (self.find.start, self.find.to or find.FOREVER) if self.is_spanned else ()
        ends = [self.prefix.ljust(_DIGITS, digit) for digit in "0f"] if self.prefix else ()
        return (environment_id, *span, *ends, *(value for _, value in self.find.filters))


class DigestApi:
    """Answers with digests of the collections."""

    def __init__(
        self,
        database: Database,
        access: Callable[[ApiRequest], Awaitable[Access]],
        audit: ReadAudit,
        completeness: Completeness,
        resources: Sequence[Resource],
    ) -> None:
        self._database = database
        self._access = access
        self._audit = audit
        self._completeness = completeness
        self._resources = {resource.name: resource for resource in resources}
        self._turn = asyncio.Semaphore(MOST_AT_ONCE)

    async def answer(self, request: ApiRequest) -> ApiAnswer:
        """The digest that a request asks for. Raises ApiError: 401, 403, 405, and 400 for
        parameters that do not fit.
        """
        access = await self._access(request)
        if request.method not in ("GET", "HEAD"):
            raise problem("method_not_allowed", f"{PATH} allows GET.", {"Allow": "GET"})
        asked = self._parse(request, access)
        name = asked.resource.name
        may(access.can_read(name), f"{name}.read")
        # Read before the rows are: what is promised complete now is visible to every later look.
        complete_until = await self._completeness.until()
        async with self._turn, self._database.connection() as connection:
            digest, patients = await compute(connection, access, asked)
        self._audit.note(access, request.request_id, "find", name, patients)
        current = {
            find.FROM: iso(asked.find.start),
            find.TO: iso(asked.find.to or self._completeness.now()),
        }
        meta = {"current": current, "complete_until": iso(complete_until)}
        body = msgspec.json.encode({"data": digest, "meta": meta})
        return ApiAnswer(200, body, operation="digest.read")

    def _parse(self, request: ApiRequest, access: Access) -> DigestQuery:
        problems: Problems = []
        own: dict[str, str] = {}
        others: list[tuple[str, str]] = []
        for name, value in find.parameters(request.query):
            if name not in ("resource", "prefix", "by"):
                others.append((name, value))
            elif name in own:
                detail = f"Parameter given twice at .{name}"
                problems.append(Problem("parse_exception", detail, {"path": f".{name}"}))
            else:
                own[name] = value
        resource = self._resources.get(own.get("resource", ""))
        if "resource" not in own:
            problems.append(missing_field(".resource"))
        elif resource is None:
            hint = f"there is no collection {printable(own['resource'])}"
            problems.append(parse_problem("collection", ".resource", hint))
        if not _PREFIX.fullmatch(own.get("prefix", "")):
            hint = "at most 32 lower-case hexadecimal digits are expected, without hyphens"
            problems.append(parse_problem("prefix", ".prefix", hint))
        if own.get("by", JSON) not in (VERSION, JSON):
            problems.append(parse_problem("enum", ".by", f"{JSON} or {VERSION} is expected"))
        for name, _ in others:
            if name in (find.SIZE, find.AFTER):
                known = dict.fromkeys(("resource", "prefix", "by", find.FROM, find.TO))
                add_unknown(problems, name, "", known, "parameter")
        if problems or resource is None:
            raise ApiError(problems)
        return DigestQuery(
            resource=resource,
            prefix=own.get("prefix"),
            by_json=own.get("by", JSON) == JSON,
            find=find.parse_find(resource, others, access.spelling),
        )


async def compute(
    connection: Connection, access: Access, asked: DigestQuery
) -> tuple[dict[str, Any], bytes]:
    """What is answered, and the packed ids of the patients whose rows are told of one by one."""
    arguments = asked.arguments(access.environment_id)
    of = asked.of(access.spelling)
    named = {"resource": asked.resource.name, "by": JSON if asked.by_json else VERSION}
    if asked.prefix is None:
        # With ``fetchrow``, which asks for a row and no more, PostgreSQL takes no second processor.
        [(count, total)] = await connection.fetch(digest_sql.total(of), *arguments)
        return named | {"count": count, "digest": hexadecimal(int(total))}, b""
    named |= {"prefix": asked.prefix}
    first, last = await connection.fetchrow(digest_sql.ends(of), *arguments)
    octets = min(max(_common(first, last), len(asked.prefix)) // 2 + 1, _OCTETS)
    groups = await connection.fetch(digest_sql.children(of, octets), *arguments)
    count, total = sum(group[1] for group in groups), sum(int(group[2]) for group in groups)
    if count > MOST_ROWS:
        children = [
            {"prefix": prefix, "count": number, "digest": hexadecimal(int(part))}
            for prefix, number, part in groups
        ]
        return named | {"count": count, "digest": hexadecimal(total), "children": children}, b""
    records = await connection.fetch(digest_sql.rows(of), *arguments)
    rows = [{"id": row_id, "digest": hexadecimal(value)} for row_id, value, _ in records]
    total = sum(record[1] for record in records)
    patients = b"".join(patient for _, _, patient in records)
    return named | {"count": len(rows), "digest": hexadecimal(total), "rows": rows}, patients


def _common(first: str | None, last: str | None) -> int:
    """How many digits two ids have in common at their beginning."""
    if first is None or last is None:
        return 0
    differing = UUID(first).int ^ UUID(last).int
    return _DIGITS - (differing.bit_length() + 3) // 4


def hexadecimal(total: int) -> str:
    """A sum of hashes modulo 2**64, as sixteen digits."""
    return f"{total % 2**64:016x}"
