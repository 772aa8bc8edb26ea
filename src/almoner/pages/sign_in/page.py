"""Signing in and out. What a stranger is told, and why, is in ``access/sign_in.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from almoner.access import sessions, worker_events
from almoner.access.sign_in_steps import Ended, NewFactor, Outcome, Refused, SignedIn, StepNeeded
from almoner.pages.route import ANYONE, SIGNED_IN, PageRoute
from almoner.pages.security import local_path
from almoner.pages.serve import SESSION
from almoner.pages.sign_in import provider
from almoner.pages.sign_in.picture import groups, picture
from almoner.pages.sign_in.recovery import NewCodes
from almoner.pages.sign_in.sign_in_cookies import (
    CODE,
    ENVIRONMENT,
    HALF,
    NEXT,
    SET_UP,
    caller,
    enter,
    next_step,
    start_over,
)
from almoner.pages.visit import Visit

_RECOVERY: Final = "/sign-in/recovery"


@dataclass(frozen=True, kw_only=True)
class SignInPage:
    """``environment`` is None where there is only one; ``provider`` where there is none but the
    password.

    ``by_password``: workers may sign in with one.
    """

    email: str
    environment: str | None
    next: str
    provider: str | None
    by_password: bool
    error: str = ""


@dataclass(frozen=True)
class CodePage:
    error: str = ""


@dataclass(frozen=True)
class SetUpPage:
    picture: Markup
    key: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True)
class SignedOutPage:
    everywhere: bool


async def show(visit: Visit) -> Response:
    """The form; whoever has signed in already goes on to where they wanted."""
    target = local_path(visit.query("next", "/"))
    if visit.session is not None:
        return visit.go(target)
    name = visit.query("environment") or visit.parts.cookies.read(
        visit.request.cookies, ENVIRONMENT
    )
    known = name or await provider.only_live_environment(visit) or ""
    return visit.page("pages/sign_in/sign_in.html", await _form(visit, "", known, target))


async def sign_in(visit: Visit) -> Response:
    """The first step."""
    form = await visit.form()
    target, email, environment = (
        local_path(form.text("next", "/")),
        form.text("email"),
        form.text("environment"),
    )
    named = environment or await provider.only_environment(visit) or ""
    outcome = await visit.parts.sign_in.with_password(
        named, email, form.text("password"), caller(visit)
    )
    if isinstance(outcome, StepNeeded):
        return await next_step(visit, outcome, named, target)
    if isinstance(outcome, SignedIn):
        return enter(visit, outcome, visit.go(target), named)
    error = (
        outcome.text
        if isinstance(outcome, Refused)
        else "Your account has just been changed. Try again."
    )
    return visit.page(
        "pages/sign_in/sign_in.html", await _form(visit, email, environment, target, error), 403
    )


async def _form(
    visit: Visit, email: str, environment: str, target: str, error: str = ""
) -> SignInPage:
    field_value = None if await provider.only_environment(visit) else environment
    known = visit.parts.oidc.provider.name if visit.parts.oidc else None
    return SignInPage(
        email=email,
        environment=field_value,
        next=target,
        provider=known,
        by_password=visit.parts.sign_in.by_password,
        error=error,
    )


async def show_code(visit: Visit) -> Response:
    """Where the app's code is asked for."""
    if await visit.parts.sign_in.step(_half(visit)) != "code":
        return visit.go("/sign-in")
    return visit.page("pages/sign_in/code.html", CodePage())


async def send_code(visit: Visit) -> Response:
    """The second step."""
    code = (await visit.form()).text("code")
    outcome = await visit.parts.sign_in.with_code(_half(visit), code, caller(visit))
    if isinstance(outcome, Refused):
        return visit.page("pages/sign_in/code.html", CodePage(outcome.text), 403)
    return _entered(visit, outcome)


async def show_recovery(visit: Visit) -> Response:
    """Where a recovery code is asked for, from who has no phone at hand."""
    if await visit.parts.sign_in.step(_half(visit)) != "code":
        return visit.go("/sign-in")
    return visit.page("pages/sign_in/recovery.html", CodePage())


async def send_recovery(visit: Visit) -> Response:
    """The second step without the phone. On to the account, which says how many codes are left."""
    code = (await visit.form()).text("code")
    outcome = await visit.parts.sign_in.with_recovery_code(_half(visit), code, caller(visit))
    if isinstance(outcome, Refused):
        return visit.page("pages/sign_in/recovery.html", CodePage(outcome.text), 403)
    if isinstance(outcome, SignedIn):
        return enter(visit, outcome, visit.go("/account?done=recovered"))
    return start_over(visit)


async def show_set_up(visit: Visit) -> Response:
    """Where an authenticator app is set up, for a role that asks for one."""
    new = await visit.parts.sign_in.pending_factor(_half(visit))
    return (
        visit.go("/sign-in")
        if new is None
        else visit.page("pages/sign_in/set_up.html", _set_up(new))
    )


async def send_set_up(visit: Visit) -> Response:
    """The app's first code."""
    code = (await visit.form()).text("code")
    outcome = await visit.parts.sign_in.with_new_factor(_half(visit), code, caller(visit))
    if isinstance(outcome, Refused):
        new = await visit.parts.sign_in.pending_factor(_half(visit))
        if new is not None:
            return visit.page("pages/sign_in/set_up.html", _set_up(new, outcome.text), 403)
    if isinstance(outcome, SignedIn):
        return enter(
            visit,
            outcome,
            visit.page("pages/sign_in/new_codes.html", NewCodes.of(outcome.codes, _target(visit))),
        )
    return _entered(visit, outcome)


def _set_up(new: NewFactor, error: str = "") -> SetUpPage:
    return SetUpPage(picture(new.uri), groups(new.secret), error)


def _entered(visit: Visit, outcome: Outcome) -> Response:
    if isinstance(outcome, SignedIn):
        return enter(visit, outcome, visit.go(_target(visit)))
    assert isinstance(outcome, Ended | Refused)
    return start_over(visit)


def _target(visit: Visit) -> str:
    return local_path(visit.parts.cookies.read(visit.request.cookies, NEXT) or "/")


def _half(visit: Visit) -> str:
    return visit.parts.cookies.read(visit.request.cookies, HALF)


async def sign_out(visit: Visit) -> Response:
    """Ends this session."""
    worker = visit.worker
    async with visit.transaction() as connection:
        await sessions.end(connection, worker.environment_id, worker.digest)
        by = worker_events.By.worker(worker.worker_id, visit.request_id)
        await worker_events.record(
            connection, worker.environment_id, worker.worker_id, "signed out", by
        )
    response = visit.go("/signed-out")
    visit.parts.cookies.drop(response, SESSION)
    return response


async def signed_out(visit: Visit) -> Response:
    """Says that it is done."""
    return visit.page(
        "pages/sign_in/signed_out.html", SignedOutPage(visit.query("everywhere") == "yes")
    )


ROUTES = (
    PageRoute("/sign-in", show, may=ANYONE),
    PageRoute("/sign-in", sign_in, may=ANYONE, methods=("POST",)),
    PageRoute(CODE, show_code, may=ANYONE),
    PageRoute(CODE, send_code, may=ANYONE, methods=("POST",)),
    PageRoute(_RECOVERY, show_recovery, may=ANYONE),
    PageRoute(_RECOVERY, send_recovery, may=ANYONE, methods=("POST",)),
    PageRoute(SET_UP, show_set_up, may=ANYONE),
    PageRoute(SET_UP, send_set_up, may=ANYONE, methods=("POST",)),
    PageRoute("/sign-out", sign_out, may=SIGNED_IN, methods=("POST",)),
    PageRoute("/signed-out", signed_out, may=ANYONE),
    *provider.ROUTES,
)
