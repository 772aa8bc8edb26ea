"""What stands before every page: the session, the permission, the form's origin; and what is said when one of them fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from almoner.access.sessions import Session, csrf
from almoner.definitions import Program
from almoner.errors import ApiError
from almoner.operations.logs import fault
from almoner.pages.route import ANYONE, SIGNED_IN, PageRoute
from almoner.pages.security import HEADERS, SAFE_METHODS, is_from_elsewhere, same, unmasked
from almoner.pages.visit import Parts, Visit

SESSION = "session"


@dataclass(frozen=True)
class Problem:
    """What a page says that could not be shown. ``request_id`` is empty where nobody needs to ask about it."""

    title: str
    text: str
    request_id: str = ""


NOT_FOUND = Problem("There is nothing here", "The address may be mistyped, or what was here is gone.")
_NO_PERMISSION = Problem("Your role does not open this page", "An administrator of your environment can give you a role that does.")
_ELSEWHERE = Problem(
    "This was not sent", "The form came from another site, or from a page of an earlier session. Load the page again and repeat it."
)
_ENDED = Problem("Your session has ended", "Sign in again in another tab, then come back: what you typed is still in the form.")
_CODES = {404: "There is nothing here", 413: "This is too much at once", 503: "The server is busy or its database is away"}


def routes(pages: Iterable[PageRoute], parts: Parts) -> list[Route]:
    """The Starlette routes of these pages. Addresses that differ by method alone share one."""
    by_path: dict[str, list[PageRoute]] = {}
    for page in pages:
        by_path.setdefault(page.path, []).append(page)
    return [Route(path, _Guarded(same_path, parts), methods=_methods(same_path)) for path, same_path in by_path.items()]


def not_found(parts: Parts) -> Any:
    """The handler of every address that no route has."""

    async def answer(request: Request, _: Exception) -> Response:
        visit = await _arrive(parts, request, touch=False)
        return _problem(visit, NOT_FOUND, 404)

    return answer


def _methods(pages: Iterable[PageRoute]) -> list[str]:
    return [method for page in pages for method in page.methods]


class _Guarded:
    """The ASGI application of one address. A class, since Starlette would take a function for a plain handler."""

    def __init__(self, pages: list[PageRoute], parts: Parts) -> None:
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
            refused = await _refusal(page, visit)
            return refused or await page.answer(visit)
        except ApiError as error:
            title = _CODES.get(error.status, "This could not be done")
            shown = visit.request_id if error.status >= 500 else ""
            return _problem(visit, Problem(title, " ".join(p.detail for p in error.problems), shown), error.status)
        except ClientDisconnect:
            raise
        except Exception as error:
            structlog.get_logger().error("fault", request_id=visit.request_id, page=page.path, **fault(error))
            text = "Something is wrong in the server, and its log says what. Nothing that you typed on other pages is lost."
            return _problem(visit, Problem("This page failed", text, visit.request_id), 500)


async def _arrive(parts: Parts, request: Request, touch: bool) -> Visit:
    token = parts.cookies.read(request.cookies, SESSION)
    session: Session | None = await parts.sessions.of(token, touch) if token else None
    program: Program | None = await parts.programs.of(session.environment_id) if session else None
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
        return _problem(visit, _ELSEWHERE, 403)
    if SIGNED_IN in page.permissions:
        return None
    if visit.rights.second_factor and not visit.session.second_factor:
        # A role began to ask for one after this session began: that is set up first.
        return visit.go("/account")
    if page.permissions & visit.rights.may:
        return None
    return _problem(visit, _NO_PERMISSION, 403)


async def _is_ours(visit: Visit) -> bool:
    given = visit.request.headers.get("x-csrf-token") or (await visit.form()).text("csrf")
    expected = csrf(visit.token)
    # Pages carry it masked; a program that knows the session can send it as it is.
    return same(given if len(given) == len(expected) else unmasked(given), expected)


def _to_sign_in(visit: Visit) -> Response:
    """To the sign-in page and back. A part of a page says so instead, and leaves alone what is being typed."""
    if visit.request.headers.get("hx-request") == "true":
        return _problem(visit, _ENDED, 401)
    url = visit.request.url
    target = url.path + (f"?{url.query}" if url.query else "")
    back = f"?next={quote(target, safe='')}" if visit.request.method in SAFE_METHODS and target != "/" else ""
    return RedirectResponse(f"/sign-in{back}", 303, dict(HEADERS))


def _problem(visit: Visit, shown: Problem, status: int) -> Response:
    if visit.request.headers.get("hx-request") == "true":
        headers = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"}
        return visit.fragment("pages/templates/problem_notice.html", shown, status, headers)
    return visit.page("pages/templates/problem.html", shown, status)
