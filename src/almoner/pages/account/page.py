"""The worker's own account: who they are, their password, second factor and sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from almoner.access import accounts, devices, recovery_codes, second_factor
from almoner.access.accounts import Account
from almoner.access.passwords import password_problem
from almoner.access.recovery_codes import RemainingCodes
from almoner.access.sessions import OpenSession
from almoner.access.worker_events import By
from almoner.errors import problem
from almoner.pages import row_heights
from almoner.pages.account import new_codes
from almoner.pages.notation import Notation
from almoner.pages.route import SIGNED_IN, PageRoute
from almoner.pages.serve import SESSION
from almoner.pages.sign_in.picture import groups, picture
from almoner.pages.sign_in.recovery import NewCodes
from almoner.pages.sign_in.sign_in_cookies import DEVICE, caller, require_passwords
from almoner.pages.visit import Visit
from almoner.vocabulary import regions

_FACTOR: Final = "/account/second-factor"
_CODES: Final = "/account/recovery-codes"
_NEW_CODES: Final = "pages/account/new_codes.html"
_NOT_RIGHT: Final = (
    "This is not your password, or it is not looked at for some minutes after several failures."
)
_NOT_THE_CODE: Final = "This is not the code that the app shows now. Wait for the next one."


@dataclass(frozen=True, kw_only=True)
class AccountPage:
    """``titles`` are what the roles are called; ``errors`` is by the name of the form's field.

    ``must_have_factor``: a role of the worker asks for a second factor. ``by_password``: workers
    may sign in with one. ``clocks`` and ``weeks`` are the choices of how times are shown; an empty
    value is what is usual in the zone."""

    account: Account
    titles: tuple[str, ...]
    open_sessions: list[OpenSession]
    must_have_factor: bool
    recovery: RemainingCodes
    by_password: bool
    clocks: tuple[tuple[str, str], ...]
    weeks: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str], ...]
    notice: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FactorPage:
    picture: Markup
    key: tuple[str, ...]
    error: str = ""


_CLOCKS: Final = {"24": "24 hours, such as 14:30", "12": "12 hours, such as 2:30 pm"}
_WEEKS: Final = {
    str(regions.MONDAY): "Monday",
    str(regions.SUNDAY): "Sunday",
    str(regions.SATURDAY): "Saturday",
}
_ROWS: Final = dict(
    zip(row_heights.HEIGHTS, ("Compact, 40 pixels", "Roomy, 48 pixels"), strict=True)
)
_A_YEAR: Final = 365 * 24 * 3600
_NOTICES: Final = {
    "times": "Your settings are saved.",
    "password": "Your password is changed. You are signed out everywhere else.",
    "factor": (
        "The second factor is set up. Its code is asked for from the next time on. You are signed"
        " out everywhere else."
    ),
    "recovered": (
        "You came in with a recovery code, which is used up now. How many are left stands below."
    ),
    "codes": "Your new recovery codes are in force. Those from before are not good any more.",
    "removed": "The second factor is removed.",
}


async def show(visit: Visit) -> Response:
    return await _page(visit, notice=_NOTICES.get(visit.query("done"), ""))


async def change_notation(visit: Visit) -> Response:
    """How times and weeks are shown to the worker, and how high rows are in this browser. Raises a
    400 ``ApiError`` for what is no choice of the form.
    """
    form, worker = await visit.form(), visit.worker
    hours, first = form.text("clock_hours"), form.text("first_weekday")
    rows = form.text("rows", row_heights.HEIGHTS[0])
    if hours not in ("", *_CLOCKS) or first not in ("", *_WEEKS) or rows not in _ROWS:
        raise problem("bad_request", "Choose one of the choices that the form has.")
    chosen = [int(text) if text else None for text in (hours, first)]
    async with visit.connection() as connection:
        await accounts.set_notation(connection, *worker.owner, *chosen)
    response = visit.go("/account?done=times")
    visit.parts.cookies.put(response, row_heights.COOKIE, rows, _A_YEAR)
    return response


async def change_password(visit: Visit) -> Response:
    """Another password, for who knows the present one. Every session ends, and this browser gets a
    new one.
    """
    require_passwords(visit)
    form, worker = await visit.form(), visit.worker
    new = form.text("new")
    errors = {}
    if wrong := password_problem(
        new, (worker.email, worker.first_name, worker.last_name, worker.environment)
    ):
        errors["new"] = wrong
    if form.text("again") != new:
        errors["again"] = "These are not the same characters. Type the password again."
    if not errors and not await _knows_password(visit, form.text("current")):
        errors["current"] = _NOT_RIGHT
    if errors:
        return await _page(visit, errors, 422)
    hashed = await visit.parts.passwords.hash(new)
    async with visit.transaction() as connection:
        await accounts.set_password(connection, *worker.owner, hashed, _by(visit))
        token = await accounts.session_anew(connection, worker)
    response = visit.go("/account?done=password")
    visit.parts.cookies.put(response, SESSION, token)
    # This device stays known, as the only one.
    visit.parts.cookies.put(
        response,
        DEVICE,
        await visit.parts.sign_in.device_of(worker, caller(visit)),
        devices.SECONDS,
    )
    return response


async def begin_factor(visit: Visit) -> Response:
    """Begins to set up a second factor."""
    if not await _knows_password(visit, (await visit.form()).text("factor_password")):
        return await _page(visit, {"factor_password": _NOT_RIGHT}, 422)
    worker = visit.worker
    async with visit.connection() as connection:
        await second_factor.begin(connection, visit.parts.box, *worker.owner)
    return visit.go(_FACTOR)


async def show_factor(visit: Visit) -> Response:
    """The picture and the key of the second factor that is being set up."""
    return await _factor(visit)


async def confirm_factor(visit: Visit) -> Response:
    """The app's first code. Sessions that began without one end, and this browser gets a new one;
    the recovery codes are shown.
    """
    code, worker = (await visit.form()).text("code"), visit.worker
    async with visit.transaction() as connection:
        fits = await second_factor.confirm(
            connection,
            visit.parts.box,
            *worker.owner,
            code=code,
            now=visit.parts.sign_in.now(),
            by=_by(visit),
        )
        if fits:
            codes = await recovery_codes.make(connection, *worker.owner, _by(visit))
            # The page that follows is of the new session already.
            visit.token = await accounts.session_anew(connection, worker)
    if not fits:
        return await _factor(visit, _NOT_THE_CODE, 422)
    response = visit.page(_NEW_CODES, NewCodes.of(codes, "/account?done=factor"))
    visit.parts.cookies.put(response, SESSION, visit.token)
    return response


async def make_codes(visit: Visit) -> Response:
    """Ten new recovery codes in place of those from before, shown by the page after: to load that
    again makes none.
    """
    if not await _knows_password(visit, (await visit.form()).text("codes_password")):
        return await _page(visit, {"codes_password": _NOT_RIGHT}, 422)
    worker = visit.worker
    if not await _has_factor(visit):
        return visit.go("/account")
    async with visit.connection() as connection:
        codes = await recovery_codes.make(connection, *worker.owner, _by(visit))
    response = visit.go(_CODES)
    visit.parts.cookies.put(
        response,
        new_codes.COOKIE,
        new_codes.sealed(visit.parts.box, worker, codes),
        new_codes.SECONDS,
    )
    return response


async def show_codes(visit: Visit) -> Response:
    """The codes that were just made, once; the account where there are none to be shown."""
    cookie = visit.parts.cookies.read(visit.request.cookies, new_codes.COOKIE)
    codes = new_codes.open_codes(visit.parts.box, visit.worker, cookie)
    response = (
        visit.page(_NEW_CODES, NewCodes.of(codes, "/account?done=codes"))
        if codes
        else visit.go("/account")
    )
    if cookie:
        visit.parts.cookies.drop(response, new_codes.COOKIE)
    return response


async def remove_factor(visit: Visit) -> Response:
    """Takes the second factor off the account, where no role asks for one."""
    if visit.rights.second_factor:
        raise problem(
            "forbidden",
            "Your role asks for a second factor. For a new phone, an administrator takes the old"
            " one off.",
        )
    if not await _knows_password(visit, (await visit.form()).text("factor_password")):
        return await _page(visit, {"factor_password": _NOT_RIGHT}, 422)
    worker = visit.worker
    async with visit.connection() as connection:
        await second_factor.remove(connection, *worker.owner, _by(visit))
    return visit.go("/account?done=removed")


async def sign_out_everywhere(visit: Visit) -> Response:
    """Ends every session of the worker, this one too."""
    worker = visit.worker
    async with visit.connection() as connection:
        await accounts.sign_out_everywhere(connection, *worker.owner, _by(visit))
    response = visit.go("/signed-out?everywhere=yes")
    visit.parts.cookies.drop(response, SESSION)
    return response


async def _page(
    visit: Visit, errors: dict[str, str] | None = None, status: int = 200, notice: str = ""
) -> Response:
    worker = visit.worker
    async with visit.connection() as connection:
        account = await accounts.find(connection, *worker.owner)
        open_sessions = await visit.parts.sessions.listed(connection, *worker.owner)
        recovery = await recovery_codes.standing(connection, *worker.owner)
    assert account is not None
    titles = tuple(visit.program.role_title(role) for role in account.roles)
    clocks, weeks = _notations(visit)
    page = AccountPage(
        account=account,
        titles=titles,
        open_sessions=open_sessions,
        must_have_factor=visit.rights.second_factor,
        recovery=recovery,
        by_password=visit.parts.sign_in.by_password,
        clocks=clocks,
        weeks=weeks,
        rows=tuple(_ROWS.items()),
        notice=notice,
        errors=errors or {},
    )
    return visit.page("pages/account/account.html", page, status)


def _notations(visit: Visit) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    usual = Notation.of(visit.worker.timezone, None, None)
    clock, week = _CLOCKS[str(usual.clock_hours)], _WEEKS[str(usual.first_weekday)]
    return (("", f"As usual in your time zone ({clock})"), *_CLOCKS.items()), (
        ("", f"As usual in your time zone ({week})"),
        *_WEEKS.items(),
    )


async def _factor(visit: Visit, error: str = "", status: int = 200) -> Response:
    worker = visit.worker
    async with visit.connection() as connection:
        secret = await second_factor.pending(connection, visit.parts.box, *worker.owner)
    if secret is None:
        return visit.go("/account")
    page = FactorPage(picture(second_factor.uri(secret, worker.email)), groups(secret), error)
    return visit.page("pages/account/second_factor.html", page, status)


async def _has_factor(visit: Visit) -> bool:
    async with visit.connection() as connection:
        account = await accounts.find(connection, visit.environment_id, visit.worker.worker_id)
    return account is not None and account.second_factor


async def _knows_password(visit: Visit, password: str) -> bool:
    return await visit.parts.sign_in.knows_password(visit.worker, password, caller(visit))


def _by(visit: Visit) -> By:
    return By.worker(visit.worker.worker_id, visit.request_id)


ROUTES = (
    PageRoute("/account", show, may=SIGNED_IN),
    PageRoute("/account/times", change_notation, may=SIGNED_IN, methods=("POST",)),
    PageRoute("/account/password", change_password, may=SIGNED_IN, methods=("POST",)),
    PageRoute(_FACTOR, show_factor, may=SIGNED_IN),
    PageRoute(_FACTOR, confirm_factor, may=SIGNED_IN, methods=("POST",)),
    PageRoute(f"{_FACTOR}/begin", begin_factor, may=SIGNED_IN, methods=("POST",)),
    PageRoute(f"{_FACTOR}/remove", remove_factor, may=SIGNED_IN, methods=("POST",)),
    PageRoute(_CODES, make_codes, may=SIGNED_IN, methods=("POST",)),
    PageRoute(_CODES, show_codes, may=SIGNED_IN),
    PageRoute(
        "/account/sign-out-everywhere", sign_out_everywhere, may=SIGNED_IN, methods=("POST",)
    ),
)
