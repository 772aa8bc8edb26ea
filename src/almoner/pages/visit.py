"""One request for a page: who asks, what they may do, what they sent, and the ways to answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import fields
from functools import cached_property
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from almoner.access import worker_events
from almoner.access.audit import AuditReader
from almoner.access.sessions import Session, csrf
from almoner.access.worker_events import By
from almoner.data_api.writes import Actor
from almoner.database import Connection, guard_wait
from almoner.errors import problem
from almoner.pages.answer_audit import FilePart, Reads
from almoner.pages.moment_fields import canonical
from almoner.pages.page_parts import PageParts
from almoner.pages.security import HEADERS, masked, packed
from almoner.pages.sent_forms import TOKEN, SentForm
from almoner.vocabulary.definitions import Program, Rights
from almoner.vocabulary.names import unisolated

_MOST_FIELDS: Final = 20_000
NO_RIGHTS = Rights(frozenset(), False, frozenset(), frozenset(), False)


class Form:
    """What a form sent: text by name, several values of one name in their order. ``token`` is that
    of the form itself, or empty.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        sent = canonical((_without_nul(name), _without_nul(value)) for name, value in pairs)
        self.pairs = tuple(pair for pair in sent if pair[0] != TOKEN)
        self.token = next((value for name, value in sent if name == TOKEN), "")
        self._last = dict(self.pairs)

    def __contains__(self, name: str) -> bool:
        return name in self._last

    def text(self, name: str, default: str = "") -> str:
        """The last value of this name, with line ends as ``\\n``: browsers send ``\\r\\n``."""
        return self._last.get(name, default).replace("\r\n", "\n")

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of this name."""
        return tuple(value.replace("\r\n", "\n") for key, value in self.pairs if key == name)

    def truth(self, name: str) -> bool:
        """Whether a box of this name is ticked."""
        return self._last.get(name, "") not in ("", "off", "false", "0")


def _without_nul(text: str) -> str:
    """What was sent, without NUL: PostgreSQL holds none, nobody types one, and no page is to fail
    for one.

    What a page put around a text so that it does not turn the page's own words round goes too.
    """
    return unisolated(text.replace("\x00", "")) if "\x00" in text or not text.isascii() else text


class TemplateResponse(Response):
    """A page or a part of one that is drawn as it is sent, once its handler has given back what it
    held (decision 38).

    ``context`` is a dataclass, each of whose fields the template sees by its name.
    """

    def __init__(
        self, visit: Visit, template: str, context: Any, status: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(None, status, {**HEADERS, **headers}, "text/html; charset=utf-8")
        self._visit = visit
        self._template = template
        self._context = context

    def draw(self) -> None:
        """Makes the body. Raises jinja2.UndefinedError where the template asks for what it was not
        given.
        """
        guard_wait("a page to be drawn")
        values = {item.name: getattr(self._context, item.name) for item in fields(self._context)}
        self.body = self._visit.parts.renderer.draw(
            self._template, values | {"visit": self._visit}
        ).encode()
        self._visit.reads.sent(self.body)
        small = packed(self.body, self._visit.request.headers)
        if small is not None:
            self.body, self.headers["Content-Encoding"] = small, "gzip"
        self.headers["Content-Length"] = str(len(self.body))


class PageSubject(Protocol):
    """Whom or what a page is about. ``frame`` names the template that says so on every page."""

    @property
    def frame(self) -> str: ...


class Visit:
    """A request for a page, handed to the page's handler. ``session`` is None where nobody has
    signed in.
    """

    def __init__(
        self,
        parts: PageParts,
        request: Request,
        session: Session | None,
        token: str,
        program: Program | None,
    ) -> None:
        self.parts = parts
        self.request = request
        self.session = session
        self.token = token
        self._program = program
        self._form: Form | None = None
        self.reads = Reads()
        # What the frame of the page's room shows the page to be about; None where it is about
        # nothing of one's own.
        self.about: PageSubject | None = None
        # Where the change log was before the page was read, for its stream of changes; empty on
        # what has none.
        self.since = ""

    @property
    def worker(self) -> Session:
        """Who has signed in. Only for pages that need somebody to have."""
        assert self.session is not None
        return self.session

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """``async with`` gives a connection to the database."""
        return self.parts.database.connection()

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """``async with`` gives a connection in a transaction."""
        return self.parts.database.transaction()

    @property
    def environment_id(self) -> int:
        """The environment of the worker: the first argument of every query."""
        return self.worker.environment_id

    @property
    def program(self) -> Program:
        """The published program of the worker's environment."""
        return self._program or Program()

    @cached_property
    def rights(self) -> Rights:
        """What the worker's roles open; nothing where nobody has signed in."""
        return self.program.rights(self.session.roles) if self.session else NO_RIGHTS

    @cached_property
    def csrf_token(self) -> str:
        """What shows that a form comes from a page of this session: another in each answer, and
        the same in all of its forms. Empty where nobody has signed in.
        """
        return masked(csrf(self.token)) if self.token else ""

    @property
    def request_id(self) -> str:
        """The id that the answer carries in ``X-Request-Id``, and the change log beside each
        write.
        """
        value: str = self.request.scope.get("request_id", "")
        return value

    @property
    def actor(self) -> Actor:
        """The worker as a writer of rows, for the store and its change log."""
        return Actor(
            self.environment_id,
            f"worker:{self.worker.worker_id}",
            "portal",
            self.request_id,
            whole=True,
        )

    @cached_property
    def by(self) -> By:
        """The worker as whoever gives or takes access; what they may hand on is what their roles
        open.
        """
        return By.worker(self.worker.worker_id, self.request_id, self.rights)

    async def record_event(
        self, connection: Connection, event: worker_events.Kind, detail: str, worker_id: str = ""
    ) -> None:
        """Notes what the visitor does, in the transaction of what it tells of; ``worker_id``: to
        whom it happens, where that is another worker.
        """
        whose = worker_id or self.worker.worker_id
        await worker_events.record(
            connection, self.environment_id, whose, event, by=self.by, detail=detail
        )

    @property
    def address(self) -> str:
        """The address of the caller, as the proxies that are trusted tell it."""
        return self.request.client.host if self.request.client else ""

    @property
    def is_fragment(self) -> bool:
        """Whether a part of the page asks, and not the browser's address line."""
        return (
            self.request.headers.get("hx-request") == "true"
            and self.request.headers.get("hx-boosted") is None
        )

    @property
    def is_led(self) -> bool:
        """Whether a script asks, for a part or for a whole page. Where a redirect leads it would
        not see, so a header says it.
        """
        return self.request.headers.get("hx-request") == "true"

    @property
    def here(self) -> str:
        """The path that was asked for. Never out of ``request.url``, which is put together with the
        ``Host`` that a caller sent.
        """
        value: str = self.request.scope["path"]
        return value

    @property
    def here_whole(self) -> str:
        """The same with its query string."""
        query = self.request.scope["query_string"].decode("latin-1")
        return f"{self.here}?{query}" if query else self.here

    def path(self, name: str) -> str:
        """A part of the address that the route leaves open."""
        value: str = self.request.path_params[name]
        return _without_nul(value)

    def query(self, name: str, default: str = "") -> str:
        """A value of the query string, a form's that was sent so among them."""
        return self._asked.text(name, default)

    def queries(self, name: str) -> tuple[str, ...]:
        """Every value of this name in the query string."""
        return self._asked.texts(name)

    @cached_property
    def _asked(self) -> Form:
        return Form(self.request.query_params.multi_items())

    async def form(self) -> Form:
        """What was sent; the edge has read it before the page began, so that nothing is waited for
        here.

        Raises a 413 ApiError where it has more fields than may be, 400 where it is no form.
        """
        if self._form is None:
            try:
                body = (await self.request.body()).decode()
            except UnicodeDecodeError:
                raise problem("bad_request", "What was sent is not UTF-8.") from None
            try:
                self._form = Form(
                    parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
                )
            except ValueError:
                raise problem(
                    "payload_too_large", f"What was sent has more than {_MOST_FIELDS} fields."
                ) from None
        return self._form

    async def sent_form(self) -> SentForm | None:
        """The form as it is taken once; None where nobody has signed in, or it came without a
        token. Raises what ``form`` does.
        """
        form = await self.form()
        if self.session is None or not form.token:
            return None
        content = tuple(pair for pair in form.pairs if pair[0] != "csrf")
        address = self.here_whole
        return SentForm.of(self.environment_id, self.worker.worker_id, form.token, address, content)

    def page(
        self,
        template: str,
        context: Any,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A whole page. ``context`` is a dataclass, each of whose fields the template sees by its
        name.
        """
        return TemplateResponse(self, template, context, status, dict(headers or {}))

    def fragment(
        self,
        template: str,
        context: Any,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A part of a page, to be put where the browser asked for it."""
        return TemplateResponse(self, template, context, status, headers or {})

    def show(self, page: str, part: str, context: Any, status: int = 200) -> Response:
        """The template ``page``; its ``part`` alone, which sees the same, where a part of the page
        asked.
        """
        return TemplateResponse(self, part if self.is_fragment else page, context, status, {})

    def go(self, path: str) -> Response:
        """On to another page, after something was done; also where a script asked."""
        if self.is_led:
            return Response(status_code=204, headers={**HEADERS, "HX-Redirect": path})
        return RedirectResponse(path, 303, dict(HEADERS))

    def unchanged(self) -> Response:
        """What a part of a page hears that asks whether there is anything new, where it shows all
        there is: it stays as it is.
        """
        return Response(status_code=204, headers=dict(HEADERS))

    def file_is_ready(self) -> Response:
        """What a script hears instead of a file: the browser may ask for it itself (``data-file``,
        sent_by_script.js).
        """
        return Response(status_code=204, headers={**HEADERS, "Content-Disposition": "attachment"})

    def file(
        self,
        part: FilePart,
        headers: Mapping[str, str],
        media_type: str,
        reader: AuditReader,
        through: str,
    ) -> Response:
        """A file in one part, for a ``reader`` who need not have signed in; ``through`` says what
        they read with.
        """
        self.parts.audit.note(
            reader, self.request_id, "find", part.resource, part.patients, through=through
        )
        return Response(part.body, 200, {**HEADERS, **headers}, media_type)

    def stream(
        self, parts: AsyncIterator[FilePart], headers: Mapping[str, str], media_type: str
    ) -> Response:
        """A file, a part at a time. Of whom each part tells is noted before the part is sent."""
        return StreamingResponse(self._noted(parts), 200, {**HEADERS, **headers}, media_type)

    async def _noted(self, parts: AsyncIterator[FilePart]) -> AsyncIterator[bytes]:
        async for part in parts:
            if part.resource:
                self.parts.audit.note(
                    self.actor,
                    self.request_id,
                    "find",
                    part.resource,
                    part.patients,
                    through="portal",
                )
            if part.body:
                yield part.body
