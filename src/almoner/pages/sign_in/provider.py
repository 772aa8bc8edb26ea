"""Signing in through the company's identity provider: on the way there, and on the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog
from starlette.responses import Response

from almoner.access.oidc import SECONDS, Oidc, OidcError
from almoner.access.sign_in_steps import Refused, SignedIn, StepNeeded
from almoner.errors import problem
from almoner.pages.route import ANYONE, PageRoute
from almoner.pages.security import local_path
from almoner.pages.sign_in.sign_in_cookies import WAY, caller, enter, next_step
from almoner.pages.visit import Visit

BACK: Final = "/sign-in/back"


@dataclass(frozen=True)
class GoOnPage:
    url: str
    provider: str


@dataclass(frozen=True)
class NotInPage:
    text: str
    provider: str


async def only_environment(visit: Visit) -> str | None:
    """The name of the only environment; None where there are several, whose names a stranger is not
    told.
    """
    async with visit.connection() as connection:
        names = await connection.fetch("SELECT name FROM environments ORDER BY id LIMIT 2")
    return names[0][0] if len(names) == 1 else None


async def only_live_environment(visit: Visit) -> str | None:
    """The name of the only environment that is not for testing; None where there are several."""
    async with visit.connection() as connection:
        names = await connection.fetch(
            "SELECT name FROM environments WHERE test_of IS NULL ORDER BY id LIMIT 2"
        )
    return names[0][0] if len(names) == 1 else None


async def start(visit: Visit) -> Response:
    """On to the provider. A page between, since a form's policy lets no form lead to another
    site.
    """
    oidc = _configured(visit)
    environment = visit.query("environment") or await only_environment(visit) or ""
    try:
        begun = await oidc.start(environment, local_path(visit.query("next", "/")))
    except OidcError as error:
        return _not_in(visit, oidc, error)
    response = visit.page("pages/sign_in/go_on.html", GoOnPage(begun.url, oidc.provider.name))
    response.headers["Refresh"] = f"0; url={begun.url}"
    visit.parts.cookies.put(response, WAY, begun.cookie, SECONDS)
    return response


async def back(visit: Visit) -> Response:
    """Back from the provider."""
    oidc = _configured(visit)
    cookie = visit.parts.cookies.read(visit.request.cookies, WAY)
    try:
        identity = await oidc.finish(cookie, visit.request.query_params)
    except OidcError as error:
        return _not_in(visit, oidc, error)
    outcome = await visit.parts.sign_in.with_identity(
        identity.environment,
        identity.subject,
        identity.email,
        caller(visit),
        identity.second_factor,
    )
    if isinstance(outcome, StepNeeded):
        return await next_step(visit, outcome, identity.environment, local_path(identity.target))
    if isinstance(outcome, SignedIn):
        return enter(visit, outcome, visit.go(local_path(identity.target)), identity.environment)
    assert isinstance(outcome, Refused)
    return visit.page("pages/sign_in/not_in.html", NotInPage(outcome.text, oidc.provider.name), 403)


def _configured(visit: Visit) -> Oidc:
    if visit.parts.oidc is None:
        raise problem("not_found", "Workers sign in with a password here.")
    return visit.parts.oidc


def _not_in(visit: Visit, oidc: Oidc, error: OidcError) -> Response:
    structlog.get_logger().warning(
        "sign-in through provider failed", request_id=visit.request_id, reason=str(error)
    )
    text = (
        "It could not be found out who you are. Begin again; if it happens again, tell whoever runs"
        " the server."
    )
    return visit.page(
        "pages/sign_in/not_in.html", NotInPage(error.message or text, oidc.provider.name), 403
    )


ROUTES = (
    PageRoute("/sign-in/provider", start, may=ANYONE),
    PageRoute(BACK, back, may=ANYONE),
)
