"""Setting a password through a one-time link."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from almoner.access import attempts, reset_links
from almoner.access.passwords import password_problem
from almoner.access.reset_links import ResetLink
from almoner.pages.route import ANYONE, PageRoute
from almoner.pages.sign_in.sign_in_cookies import require_passwords
from almoner.pages.visit import Visit


@dataclass(frozen=True)
class ResetPage:
    link: ResetLink
    error: str = ""
    again_error: str = ""


@dataclass(frozen=True)
class EndedPage:
    """The link is not good any more."""


@dataclass(frozen=True)
class DonePage:
    sign_in: str


async def show(visit: Visit) -> Response:
    """The form, where the link is still good. Looking does not use it up: programs that preview
    links look too.
    """
    require_passwords(visit)
    async with visit.connection() as connection:
        link = await reset_links.look(connection, visit.path("token"))
    return _ended(visit) if link is None else visit.page("pages/reset/reset.html", ResetPage(link))


async def send(visit: Visit) -> Response:
    """Sets the password."""
    require_passwords(visit)
    form, token = await visit.form(), visit.path("token")
    async with visit.connection() as connection:
        link = await reset_links.look(connection, token)
    if link is None:
        return _ended(visit)
    password = form.text("password")
    wrong = password_problem(password, link.personal)
    again = (
        ""
        if form.text("again") == password
        else "These are not the same characters. Type the password again."
    )
    if wrong or again:
        return visit.page("pages/reset/reset.html", ResetPage(link, wrong or "", again), 422)
    hashed = await visit.parts.passwords.hash(password)
    async with visit.connection() as connection:
        used = await reset_links.use(connection, token, hashed, visit.request_id)
    if used is None:
        return _ended(visit)
    # Whoever forgot the password has failed often enough; a new one starts afresh.
    await attempts.forgive(visit.parts.database, used.environment_id, used.email)
    return visit.page(
        "pages/reset/done.html",
        DonePage(f"/sign-in?environment={quote(used.environment, safe='')}"),
    )


def _ended(visit: Visit) -> Response:
    return visit.page("pages/reset/ended.html", EndedPage(), 404)


ROUTES = (
    PageRoute("/reset/{token}", show, may=ANYONE),
    PageRoute("/reset/{token}", send, may=ANYONE, methods=("POST",)),
)
