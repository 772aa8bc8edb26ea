"""What stands before every page: the session, the permission, the form's origin; and what is said
when one of them fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from almoner.access.sessions import Session, csrf
from almoner.database import write_outcome
from almoner.errors import Answerable, ApiError, problem, render
from almoner.operations.logs import fault
from almoner.pages.forms.refusals import refusals
from almoner.pages.notation import Notation, read_in
from almoner.pages.page_parts import PageParts
from almoner.pages.route import ANYONE, SIGNED_IN, PageRoute
from almoner.pages.security import (
    HEADERS,
    SAFE_METHODS,
    is_from_elsewhere,
    local_path,
    same,
    unmasked,
)
from almoner.pages.sent_forms import SentOutcome
from almoner.pages.visit import TemplateResponse, Visit
from almoner.vocabulary.definitions import Program

SESSION = "session"


@dataclass(frozen=True, kw_only=True)
class PageProblem:
    """What a page says that could not be shown. ``request_id`` is empty where nobody needs to ask
    about it.

    ``signs_in``: it is mended by signing in. ``stale``: the open page may belong to an earlier
    session of the same worker."""

    title: str
    text: str
    request_id: str = ""
    signs_in: bool = False
    stale: bool = False


NO_SUCH_PAGE = PageProblem(
    title="There is nothing here", text="The address may be mistyped, or what was here is gone."
)
_NO_PERMISSION = PageProblem(
    title="Your role does not open this page",
    text="An administrator of your environment can give you a role that does.",
)
_ELSEWHERE = PageProblem(
    title="This was not sent",
    text="The form came from another site, or from a page of an earlier session. Load the page"
    " again and repeat it.",
)
_STALE = replace(_ELSEWHERE, stale=True)
_ENDED = PageProblem(
    title="Your session has ended",
    text="Sign in again in another tab, then come back: what you typed is still here.",
    signs_in=True,
)
_NOT_BY_ITSELF = PageProblem(
    title="This address only takes what a page sends",
    text="Nothing was changed. Go back to the page that you came from, and use its buttons.",
)
_SENT_BEFORE = PageProblem(
    title="This was sent already",
    text="It was taken once. To send the same again, load the page anew and repeat it.",
)
# By status: the title, and what the visitor can do, which comes after what is wrong.
_CODES = {
    404: (NO_SUCH_PAGE.title, ""),
    408: ("This did not arrive", "The connection may be slow. Nothing was changed: send it again."),
    413: ("This is too much at once", "Make it shorter, or send it in parts."),
    503: ("The server is busy or its database is away", "Wait a moment, then load the page again."),
}


# Where the answer to a write was lost.
_NOT_KNOWN = ("This may have been done or not", "Wait a moment, then load the page that shows it.")


def routes(pages: Iterable[PageRoute], parts: PageParts) -> list[Route]:
    """The Starlette routes of these pages. Addresses that differ by method alone share one."""
    by_path: dict[str, list[PageRoute]] = {}
    for page in pages:
        by_path.setdefault(page.path, []).append(page)
    return [
        Route(path, _Guarded(same_path, parts), methods=_methods(same_path))
        for path, same_path in by_path.items()
    ]


def elsewhere(parts: PageParts) -> dict[Any, Any]:
    """The handlers, by status, of every address that no route has, or not for this method: a page
    for people, JSON for programs.
    """

    def answering(page_problem: PageProblem, code: str) -> Any:
        async def answer(request: Request, refused: HTTPException) -> Response:
            if (there := _without_slash(request)) is not None:
                return there
            visit = Visit(parts, request, None, "", None)
            # Where the database is away the page is drawn for somebody who is not known.
            with suppress(Answerable):
                visit = await _arrive(parts, request, touch=False)
            error = problem(code, f"{page_problem.title}. {page_problem.text}")
            response = _for_people_or_programs(visit, page_problem, error)
            response.headers.update(refused.headers or {})
            return response

        return answer

    return {
        404: answering(NO_SUCH_PAGE, "not_found"),
        405: answering(_NOT_BY_ITSELF, "method_not_allowed"),
    }


def _without_slash(request: Request) -> Response | None:
    """On to the page that is there without the slash at the end. It is named by its path alone,
    whatever ``Host`` says.
    """
    path = request.scope["path"].rstrip("/")
    if (
        request.method not in SAFE_METHODS
        or path == request.scope["path"]
        or local_path(path) != path
    ):
        return None
    if not any(
        route.matches({**request.scope, "path": path})[0] is Match.FULL
        for route in request.app.routes
    ):
        return None
    query = request.scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{path}?{query}" if query else path, 308, dict(HEADERS))


class _Routed(Starlette):
    """The routes, without Starlette's answer of 500 to whatever is raised: the edge has better
    ones.
    """

    def build_middleware_stack(self) -> ASGIApp:
        return ExceptionMiddleware(self.router, self.exception_handlers)


class PageApplication:
    """Everything that is not the API, as the edge serves it (``operations.edge.Pages``)."""

    def __init__(self, routes: Sequence[Route], parts: PageParts) -> None:
        self._parts = parts
        self._serve = _Routed(routes=routes, exception_handlers=elsewhere(parts))
        # Starlette would send on to the host that the caller named; ``elsewhere`` sends on within
        # this server.
        self._serve.router.redirect_slashes = False
        self._patterns = {route.endpoint: route.path for route in routes}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._serve(scope, receive, send)

    def operation(self, scope: Any) -> str:
        """The pattern of the route that answered, as ``/patients/{id}``; ``other`` where there was
        none.
        """
        return self._patterns.get(scope.get("endpoint"), "other")

    def refused(self, scope: Any, error: Answerable) -> Response:
        """The answer to a request that comes to no page, for somebody who is not known: nothing
        more is asked for it.
        """
        visit = Visit(self._parts, Request(scope), None, "", None)
        response = _for_people_or_programs(visit, _page_problem(error, visit.request_id), error)
        response.headers.update(error.headers)
        return response


def _for_people_or_programs(visit: Visit, page_problem: PageProblem, error: Answerable) -> Response:
    """What is wrong, as a page for those who look at one and as JSON for all others."""
    if visit.is_led or "text/html" in visit.request.headers.get("accept", ""):
        return _problem(visit, page_problem, error.status)
    return Response(render(error), error.status, dict(HEADERS), "application/json")


def _methods(pages: Iterable[PageRoute]) -> list[str]:
    return [method for page in pages for method in page.methods]


class _Guarded:
    """The ASGI application of one address. A class, since Starlette would take a function for a
    plain handler.
    """

    def __init__(self, pages: list[PageRoute], parts: PageParts) -> None:
        self._pages = {method: page for page in pages for method in page.methods}
        self._parts = parts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        page = self._pages["GET" if request.method == "HEAD" else request.method]
        try:
            response = await self._answer(page, request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, page: PageRoute, request: Request) -> Response:
        visit = Visit(self._parts, request, None, "", None)
        try:
            visit = await _arrive(self._parts, request, touch=not page.background)
            # What was written so far is when this session was last seen.
            write_outcome.begin()
            refused = await _refusal(page, visit)
            return refused or self._addressed(visit, await _noted(page, visit))
        except Answerable as error:
            request.scope["error"] = error
            response = _problem(visit, _page_problem(error, visit.request_id), error.status)
            response.headers.update(error.headers)
            return response
        except ClientDisconnect:
            raise
        except Exception as error:
            structlog.get_logger().error(
                "fault", request_id=visit.request_id, page=page.path, **fault(error)
            )
            text = (
                "Something is wrong in the server, and its log says what. Nothing that you typed on"
                " other pages is lost."
            )
            failed = PageProblem(title="This page failed", text=text, request_id=visit.request_id)
            return _problem(visit, failed, 500)

    def _addressed(self, visit: Visit, response: Response) -> Response:
        """With the address that a page is put under which answers a form: its own, where it can be
        asked for by that as well.
        """
        unsafe = visit.request.method not in SAFE_METHODS
        if (
            unsafe
            and visit.is_led
            and not visit.is_fragment
            and response.status_code == 200
            and "GET" in self._pages
        ):
            response.headers["HX-Push-Url"] = visit.here_whole
        return response


async def _noted(page: PageRoute, visit: Visit) -> Response:
    """The page's answer; whom it tells of is in the audit trail, also where it fails on the way."""
    try:
        return await _answered_once(page, visit)
    finally:
        if visit.session is not None:
            visit.reads.note(visit.parts.audit, visit.actor, visit.request_id, page.shows)


async def _answered_once(page: PageRoute, visit: Visit) -> Response:
    """The page's answer; to a form that was sent before, what came of it then."""
    unsafe = visit.request.method not in SAFE_METHODS
    form = await visit.sent_form() if unsafe and not page.repeatable else None
    if form is None:
        return await _drawn(page, visit)
    sent_forms = visit.parts.sent_forms
    earlier = await sent_forms.claim(form)
    if earlier is not None:
        return _sent_before(visit, earlier)
    # The claim is no part of what the form asks for.
    write_outcome.begin()
    try:
        response = await _drawn(page, visit)
    except Exception as error:
        # What may have been done stays taken: sent again, it is answered that this is not known
        # yet.
        if isinstance(error, ApiError) or not write_outcome.may_be_done():
            await sent_forms.release(form)
        raise
    if response.status_code < 400 and "content-disposition" not in response.headers:
        await sent_forms.settle(
            form,
            response.status_code,
            response.headers.get("location") or response.headers.get("hx-redirect", ""),
        )
    else:
        # What was refused may be sent again as it is, and so may what asks for a file: its page
        # stays as it was.
        await sent_forms.release(form)
    return response


async def _drawn(page: PageRoute, visit: Visit) -> Response:
    return _draw(await page.answer(visit))


def _draw(response: Response) -> Response:
    """The answer with its body. Whoever answered holds no connection any more, so that nobody waits
    while a template is drawn.
    """
    if isinstance(response, TemplateResponse):
        response.draw()
    return response


def _sent_before(visit: Visit, earlier: SentOutcome) -> Response:
    if earlier.location:
        return visit.go(earlier.location)
    if earlier.waited and visit.is_fragment:
        # The second press of the same button: the answer to the first is what the page shows.
        return Response(status_code=204, headers=dict(HEADERS))
    return _problem(visit, _SENT_BEFORE, 409)


def _page_problem(error: Answerable, request_id: str) -> PageProblem:
    title, remedy = _CODES.get(error.status, ("This could not be done", ""))
    if any(part.extra.get("outcome") == "unknown" for part in error.problems):
        title, remedy = _NOT_KNOWN
    text = " ".join([refusals(error), remedy]).strip()
    return PageProblem(title=title, text=text, request_id=request_id if error.status >= 500 else "")


async def _arrive(parts: PageParts, request: Request, touch: bool) -> Visit:
    token = parts.cookies.read(request.cookies, SESSION)
    session: Session | None = await parts.sessions.of(token, touch) if token else None
    if session:
        request.scope["actor"] = f"worker:{session.worker_id}"
    program: Program | None = await parts.programs.of(session.environment_id) if session else None
    if session:
        read_in(Notation.of(session.timezone, session.clock_hours, session.first_weekday))
    return Visit(parts, request, session, token if session else "", program)


async def _refusal(page: PageRoute, visit: Visit) -> Response | None:
    """Why the page is not shown, if so."""
    unsafe = visit.request.method not in SAFE_METHODS
    if unsafe and is_from_elsewhere(visit.request.headers, visit.parts.url):
        return _problem(visit, _ELSEWHERE, 403)
    if ANYONE in page.permissions:
        return None
    if visit.session is None:
        return _to_sign_in(visit)
    if unsafe and not await _is_ours(visit):
        return _problem(visit, _STALE, 403)
    if SIGNED_IN in page.permissions:
        return None
    if visit.rights.second_factor and not visit.session.second_factor:
        # A role began to ask for one after this session began: that is set up first.
        return visit.go("/account")
    if page.permissions & visit.rights.may:
        return None
    return _problem(visit, _NO_PERMISSION, 403)


async def _is_ours(visit: Visit) -> bool:
    token = visit.request.headers.get("x-csrf-token") or (await visit.form()).text("csrf")
    expected = csrf(visit.token)
    # Pages carry it masked; a program that knows the session can send it as it is.
    return same(token if len(token) == len(expected) else unmasked(token), expected)


def _to_sign_in(visit: Visit) -> Response:
    """To the sign-in page and back. A part of a page says so instead, and leaves alone what is
    being typed.
    """
    if visit.is_led:
        return _problem(visit, _ENDED, 401)
    target = visit.here_whole
    back = (
        f"?next={quote(target, safe='')}"
        if visit.request.method in SAFE_METHODS and target != "/"
        else ""
    )
    return RedirectResponse(f"/sign-in{back}", 303, dict(HEADERS))


def _problem(visit: Visit, page_problem: PageProblem, status: int) -> Response:
    visit.request.scope["problem"] = page_problem.title
    if visit.is_led:
        headers = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"}
        return _draw(
            visit.fragment("pages/templates/problem_notice.html", page_problem, status, headers)
        )
    return _draw(visit.page("pages/templates/problem.html", page_problem, status))
