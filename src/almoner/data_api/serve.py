"""The operations of every declaration over HTTP, as one ASGI application under ``/v1/``.

The hot path is kept short on purpose: no framework stands between the socket and the statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from almoner.access.audit import ReadAudit
from almoner.access.policy import sees
from almoner.access.tokens import Access, Tokens
from almoner.changes.completeness import Completeness
from almoner.changes.standby import Standby
from almoner.data_api import (
    batch_serve,
    conditions,
    decode,
    find,
    idempotency,
    ignored,
    nested,
    preferences,
    shapes,
    statements,
)
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.refusals import not_found
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor, Written
from almoner.database import Database
from almoner.errors import ApiError, problem
from almoner.vocabulary.kinds import Guid, Problems

Scope = MutableMapping[str, Any]
_GUID = Guid()
_ON_COLLECTION = {Verb.FIND: "GET", Verb.CREATE: "POST"}
_ON_ROW = {Verb.GET: "GET", Verb.UPDATE: "PUT", Verb.DELETE: "DELETE"}


class ApiRequest(Protocol):
    """One request under way. ``headers`` are lower-case; ``address`` is where the caller is, blank
    where nobody says.

    ``actor`` is who asks, once that is known, as the change log names them.
    """

    actor: str

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def query(self) -> bytes: ...

    @property
    def headers(self) -> Mapping[bytes, bytes]: ...

    @property
    def request_id(self) -> str: ...

    @property
    def address(self) -> str: ...

    async def body(self) -> bytes:
        """All of the body. Raises a 413 ``ApiError`` where it is longer than the server takes."""
        ...

    async def wait(self, woken: asyncio.Event, seconds: float) -> bool:
        """Waits, holding nothing, until it is woken or the time has passed. False where the server
        is about to stop.
        """
        ...


@dataclass(slots=True)
class ApiAnswer:
    """What is sent back. ``headers`` come besides those that every answer has; ``problem`` is the
    code of a refusal. Of one that ``is_cut`` only a part is sent. ``media_type`` is what the body
    is.
    """

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    operation: str = "other"
    problem: str = ""
    is_cut: bool = False
    media_type: bytes = b"application/json"


class DataApi:
    """Serves the collections that it is given, and nothing else."""

    def __init__(
        self,
        resources: Sequence[Resource],
        database: Database,
        store: Store,
        tokens: Tokens,
        audit: ReadAudit,
        completeness: Completeness,
        url: str,
        standby: Standby,
    ) -> None:
        self._resources = {r.name: r for r in resources}
        self._database = database
        self._store = store
        self._tokens = tokens
        self._audit = audit
        self.completeness = completeness
        self._standby = standby
        self._url = url
        self._allowed = {
            (r.name, on_row): ", ".join(m for v, m in table.items() if v in r.verbs)
            for r in resources
            for on_row, table in ((False, _ON_COLLECTION), (True, _ON_ROW))
        }

    async def access(self, request: ApiRequest) -> Access:
        """Who asks. Raises a 401 ``ApiError`` where the token is missing or not valid."""
        header = request.headers.get(b"authorization", b"")
        if header[:7].lower() != b"bearer ":
            raise unauthorized()
        token = header[7:].strip().decode("latin-1")
        access = self._tokens.cached(token) or await self._tokens.load(token)
        request.actor = access.actor
        return access

    async def answer(self, request: ApiRequest) -> ApiAnswer:
        """The answer to a request below ``/v1/``. Raises ApiError where it is refused."""
        access = await self.access(request)
        name, _, row_id = request.path[4:].rstrip("/").partition("/")
        resource = self._resources.get(name)
        if resource is None or "/" in row_id:
            raise problem(
                "not_found", "There is no such route. The reference at /docs lists them all."
            )
        if not row_id:
            return await self._on_collection(request, access, resource)
        if row_id == "find" and Verb.FIND in resource.verbs:
            return await self._find_by_body(request, access, resource)
        if row_id == "batch" and {Verb.CREATE, Verb.UPDATE} & set(resource.verbs):
            return await self._batch(request, access, resource)
        return await self._on_row(request, access, resource, row_id)

    async def _find_by_body(
        self, request: ApiRequest, access: Access, resource: Resource
    ) -> ApiAnswer:
        if request.method != "POST":
            raise method_not_allowed(f"/v1/{resource.name}/find", "POST")
        may(access.can_read(resource.name), f"{resource.name}.read")
        _no_query(request)
        return await self._find(request, access, resource, _asked(request, await request.body()))

    async def _batch(self, request: ApiRequest, access: Access, resource: Resource) -> ApiAnswer:
        if request.method != "POST":
            raise method_not_allowed(f"/v1/{resource.name}/batch", "POST")
        may(access.can_write(resource.name), f"{resource.name}.write")
        _no_query(request)
        raw = await request.body()
        minimal = preferences.minimal(request.headers)
        batch = batch_serve.parse(resource, decode.json_object(raw), access.spelling, minimal)
        for name in batch_serve.written_along(resource, batch, self._resources.values()):
            may(access.can_write(name), f"{name}.write")
        rendered = partial(batch_serve.answer, resource, access, minimal)
        # With rows and without them are two answers, so they are two requests to a key.
        preference = (preferences.MINIMAL_APPLIED[1],) if minimal else ()
        by = _actor(access, request, raw, *preference)
        written = await self._store.write_many(by, resource, batch, rendered)
        if written.patients:
            self._audit.note(access, request.request_id, "find", resource.name, written.patients)
        headers = [preferences.MINIMAL_APPLIED] if minimal else []
        headers += [idempotency.REPLAYED] if written.replayed else []
        return ApiAnswer(200, written.body, headers, f"{resource.name}.batch")

    async def _on_collection(
        self, request: ApiRequest, access: Access, resource: Resource
    ) -> ApiAnswer:
        method = request.method
        if method in ("GET", "HEAD") and Verb.FIND in resource.verbs:
            return await self._find(request, access, resource, find.parameters(request.query))
        if method == "POST" and Verb.CREATE in resource.verbs:
            may(access.can_write(resource.name), f"{resource.name}.write")
            _no_query(request)
            raw = await request.body()
            body = decode.json_object(raw)
            for name in nested.own_scopes(resource, body):
                may(access.can_write(name), f"{name}.write")
            by = _actor(access, request, raw)
            written = await self._store.create(by, resource, body, access.spelling)
            return self._written(request, access, resource, written, "create")
        raise self._not_allowed(resource, False)

    async def _on_row(
        self, request: ApiRequest, access: Access, resource: Resource, raw_id: str
    ) -> ApiAnswer:
        method = request.method
        if method in ("GET", "HEAD") and Verb.GET in resource.verbs:
            may(access.can_read(resource.name), f"{resource.name}.read")
            _no_query(request)
            return await self._get(request, access, resource, _row_id(raw_id))
        if method == "PUT" and Verb.UPDATE in resource.verbs:
            may(access.can_write(resource.name), f"{resource.name}.write")
            _no_query(request)
            row_id = _row_id(raw_id)
            raw = await request.body()
            body = decode.json_object(raw)
            by, condition = _actor(access, request, raw), conditions.if_match(request.headers)
            written = await self._store.update(
                by, resource, row_id=row_id, body=body, if_match=condition, shape=access.spelling
            )
            return self._written(request, access, resource, written, "update")
        if method == "DELETE" and Verb.DELETE in resource.verbs:
            may(access.can_write(resource.name), f"{resource.name}.write")
            _no_query(request)
            by, condition = _actor(access, request, b""), conditions.if_match(request.headers)
            written = await self._store.delete(
                by, resource, _row_id(raw_id), condition, access.spelling
            )
            return self._written(request, access, resource, written, "delete")
        raise self._not_allowed(resource, True)

    async def _get(
        self, request: ApiRequest, access: Access, resource: Resource, row_id: str
    ) -> ApiAnswer:
        async with self._database.connection() as connection:
            record = await connection.fetchrow(
                statements.get(resource, access.spelling), access.environment_id, row_id
            )
        if record is None:
            raise not_found(resource)
        self._audit.note(
            access, request.request_id, "get", resource.name, record["patient"], row_id=row_id
        )
        tag = conditions.etag(record["updated_at"])
        headers = [(b"etag", tag)]
        if conditions.if_none_match(request.headers, tag):
            return ApiAnswer(304, b"", headers, f"{resource.name}.get")
        return ApiAnswer(
            200, shapes.single(record["body"], access.enveloped), headers, f"{resource.name}.get"
        )

    async def _find(
        self,
        request: ApiRequest,
        access: Access,
        resource: Resource,
        pairs: Iterable[tuple[str, str | None]],
    ) -> ApiAnswer:
        may(access.can_read(resource.name), f"{resource.name}.read")
        as_lines = shapes.are_lines(request.headers.get(b"accept", b""))
        largest = find.LARGEST_OF_LINES if as_lines else find.LARGEST
        asked = find.parse_find(resource, pairs, access.spelling, largest)
        statement = statements.find(
            resource, access.spelling, tuple(finder for finder, _ in asked.filters)
        )
        arguments = (
            access.environment_id,
            asked.start,
            asked.after,
            asked.to or find.FOREVER,
            asked.size + 1,
            *(value for _, value in asked.filters),
        )
        record, complete_until = await self._read(asked.to, statement, *arguments)
        page = find.page(asked, record, self.completeness.now, complete_until)
        name = resource.name
        self._audit.note(access, request.request_id, "find", name, page.patients)
        if as_lines:
            body, following = shapes.lines(page, name, self._url)
            headers = find.link(following)
            return ApiAnswer(200, body, headers, f"{name}.find", media_type=shapes.LINES)
        body, following = shapes.many(page, name, self._url, access.enveloped, asked.parameters)
        return ApiAnswer(200, body, find.link(following), f"{name}.find")

    async def _read(
        self, until: datetime | None, statement: str, *arguments: Any
    ) -> tuple[Any, datetime]:
        """What a statement finds that reads what was changed up to a time, and up to which time all
        changes are complete there: by the standby, where it shows them.
        """
        if until is not None:
            answer = await self._standby.fetchrow(until, statement, *arguments)
            if answer is not None:
                return answer
        # Read before the rows are: what is promised complete now is visible to every later look.
        complete_until = await self.completeness.until()
        async with self._database.connection() as connection:
            return await connection.fetchrow(statement, *arguments), complete_until

    def _written(
        self, request: ApiRequest, access: Access, resource: Resource, written: Written, verb: str
    ) -> ApiAnswer:
        if not written.logged:
            self._audit.note(
                access, request.request_id, "get", resource.name, written.patient, row_id=written.id
            )
        readable = sees(access, resource.name)
        body = written.body if readable else b'{"id":"' + written.id.encode() + b'"}'
        headers = [] if verb == "delete" else [(b"etag", conditions.etag(written.updated_at))]
        headers += [idempotency.REPLAYED] if written.replayed else []
        if written.ignored:
            # Who may not see the row is not told either whether it has what they sent.
            names = (
                ignored.differing(resource, access.spelling, written)
                if readable
                else list(written.ignored)
            )
            headers += [(ignored.HEADER, ", ".join(names).encode())] if names else []
        return ApiAnswer(
            200, shapes.single(body, access.enveloped), headers, f"{resource.name}.{verb}"
        )

    def _not_allowed(self, resource: Resource, on_row: bool) -> ApiError:
        allowed = self._allowed[resource.name, on_row]
        return method_not_allowed(
            f"/v1/{resource.name}/:id" if on_row else f"/v1/{resource.name}", allowed
        )


def method_not_allowed(where: str, allowed: str) -> ApiError:
    """The 405 of a path, with the methods that it allows."""
    return problem(
        "method_not_allowed", f"{where} allows {allowed or 'no method'}.", {"Allow": allowed}
    )


def may(allowed: bool, scope: str) -> None:
    """Raises a 403 ``ApiError``, naming the scope that is needed, where it is not allowed."""
    if not allowed:
        raise problem(
            "forbidden",
            f"The token's scope does not cover this. It needs {scope} or all.",
            scope=scope,
        )


def unauthorized() -> ApiError:
    """The 401 of a request without a bearer token (RFC 6750)."""
    detail = (
        "An access token is needed. Fetch one from POST /v1/token; send Authorization: Bearer ..."
    )
    return problem("unauthorized", detail, {"WWW-Authenticate": 'Bearer realm="almoner"'})


def _row_id(raw: str) -> str:
    problems: Problems = []
    row_id = _GUID.decode(raw, ".id", problems)
    if problems:
        raise ApiError(problems)
    decoded: str = row_id
    return decoded


def _asked(request: ApiRequest, body: bytes) -> Sequence[tuple[str, str | None]]:
    """What a Find by POST asks for: a JSON object whatever its Content-Type says, or a real form
    (clarification 8).
    """
    is_form = (
        request.headers.get(b"content-type", b"")
        .lower()
        .startswith(b"application/x-www-form-urlencoded")
    )
    if is_form and body.lstrip()[:1] not in (b"{", b"[", b'"'):
        return find.from_form(body)
    return find.from_body(decode.json_object(body))


def _no_query(request: ApiRequest) -> None:
    if request.query:
        raise problem("parse_exception", "This operation takes no query parameters.", path=".")


def _actor(access: Access, request: ApiRequest, *body: bytes) -> Actor:
    """Who writes; where the request has an idempotency key, under that, and what it came with."""
    header = request.headers.get(idempotency.HEADER)
    once = None
    if header is not None:
        parts = (
            request.method.encode(),
            request.path.rstrip("/").lower().encode(),
            request.headers.get(b"if-match", b""),
            *body,
        )
        once = idempotency.parse(access.client_id, header, *parts)
    return Actor(access.environment_id, access.actor, "api", request.request_id, once=once)
