"""Workers: listed, made, changed; their links, second factors and sessions. A link is in one answer only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.responses import Response

from almoner.access import accounts, created_by, reset_links, second_factor
from almoner.access.accounts import Account
from almoner.access.created_by import CreatedAccess
from almoner.access.sessions import OpenSession
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages import parsing
from almoner.pages.forms.problems import by_field
from almoner.pages.route import Answering, PageRoute
from almoner.pages.sign_in.sign_in_cookies import require_passwords
from almoner.pages.visit import Form, Visit
from almoner.portal import editing
from almoner.portal.admin.navigation import AdminPlace, places
from almoner.portal.admin_workers import queries
from almoner.portal.admin_workers.queries import AccountEvent, Profile, RoleChoice
from almoner.portal.admin_workers.worker_form import FIELDS, TITLES, WorkerForm, parse_form, zones
from almoner.resources.workers import workers
from almoner.vocabulary.kinds import Guid

_FOLDER: Final = "portal/admin_workers"
_PATH: Final = "/admin/workers"
_LAST: Final = (
    "This is the last administrator who can sign in: give somebody else the role first, and let them set a password. "
    "Otherwise nobody could administer this environment any more."
)
_DONE: Final[Mapping[str, str]] = {
    "changed": "Saved.",
    "roles": "The roles are saved. They hold from the worker's next click on.",
    "factor": "The second factor is removed. Where a role asks for one, the worker sets up another at the next sign-in.",
    "disabled": "The account is disabled and signed out everywhere. So have the tokens they made ended.",
    "enabled": "The worker can sign in again, with the password and the roles from before.",
    "out": "The worker is signed out everywhere.",
}
_SHOWN: Final[Mapping[str, Callable[[Account], bool]]] = {
    "active": lambda one: bool(one.roles) and one.disabled_at is None,
    "waiting": lambda one: bool(one.roles) and one.disabled_at is None and not (one.has_password or one.single_sign_on),
    "one-factor": lambda one: one.disabled_at is None and one.has_password and not one.second_factor and not one.single_sign_on,
    "disabled": lambda one: one.disabled_at is not None,
    "roleless": lambda one: not one.roles,
}


@dataclass(frozen=True)
class WorkerRow:
    """A worker in the list."""

    account: Account
    roles: tuple[str, ...]
    sessions: int


@dataclass(frozen=True)
class WorkersPage:
    """The list. ``tabs`` are (name, title, how many); ``show`` is the chosen one, blank for everybody."""

    places: tuple[AdminPlace, ...]
    lines: list[WorkerRow]
    tabs: tuple[tuple[str, str, int], ...]
    show: str


@dataclass(frozen=True, kw_only=True)
class WorkerFormPage:
    """The form of a worker; of a new one where ``account`` is None."""

    places: tuple[AdminPlace, ...]
    account: Account | None
    form: WorkerForm
    choices: tuple[RoleChoice, ...]
    kept: tuple[tuple[str, str], ...]
    errors: Mapping[str, str]
    zones: tuple[str, ...] = field(default_factory=zones)
    genders: tuple[str, ...] = ("Male", "Female", "Unknown", "Other", "Transgender", "Decline")


@dataclass(frozen=True, kw_only=True)
class WorkerPage:
    """One worker. ``link`` is shown once, ``link_ends`` is when it ends, in UTC; ``own``: it is the visitor.

    ``made`` is what they made that works still, to be looked at where the account is disabled.
    """

    places: tuple[AdminPlace, ...]
    account: Account
    profile: Profile
    choices: tuple[RoleChoice, ...]
    held: tuple[str, ...]
    titles: tuple[str, ...]
    sessions: list[OpenSession]
    events: list[AccountEvent]
    more: bool
    made: list[CreatedAccess]
    own: bool
    url: str
    done: str
    link: str
    link_ends: datetime | None
    errors: Mapping[str, str]


@dataclass(frozen=True)
class EventsPage:
    """Further events of a worker, put below those that are shown."""

    account: Account
    events: list[AccountEvent]
    more: bool


async def show_all(visit: Visit) -> Response:
    show = visit.query("show") if visit.query("show") in _SHOWN else ""
    async with visit.parts.database.connection() as connection:
        found = await accounts.list_accounts(connection, visit.environment_id)
        open_sessions = await visit.parts.sessions.counted(connection, visit.environment_id)
    titles = {"active": "Active", "waiting": "Not in yet", "one-factor": "Password alone", "disabled": "Disabled"}
    titles["roleless"] = "No role"
    tabs = (
        ("", "All", len(found)),
        *((name, titles[name], sum(map(chosen, found))) for name, chosen in _SHOWN.items()),
    )
    lines = [
        WorkerRow(one, tuple(visit.program.role_title(role) for role in one.roles), open_sessions.get(one.worker_id, 0))
        for one in found
        if not show or _SHOWN[show](one)
    ]
    return visit.page(f"{_FOLDER}/list.html", WorkersPage(places(visit), lines, tabs, show))


async def show_new(visit: Visit) -> Response:
    return _form(visit, None, WorkerForm(dict.fromkeys(FIELDS, "") | {"timezone": visit.worker.timezone}), (), {})


async def create(visit: Visit) -> Response:
    form = await visit.form()
    typed = parse_form(form)
    errors = typed.wrong | _unknown_roles(visit, typed.roles)
    if not errors:
        try:
            return await _create(visit, typed, form.truth("invite"))
        except ApiError as refused:
            errors = by_field(refused)
    return _form(visit, None, typed, (), errors)


async def _create(visit: Visit, typed: WorkerForm, invite: bool) -> Response:
    """The worker, the roles and the link are one transaction: none without the others."""
    async with visit.parts.database.transaction() as connection:
        written = await visit.parts.store.within(connection).create(visit.actor, workers, typed.given)
        if typed.roles:
            await accounts.set_roles(
                connection, visit.environment_id, worker_id=written.id, roles=typed.roles, by=visit.by, in_force=visit.program.roles
            )
        token = ""
        if invite and typed.roles and visit.parts.sign_in.by_password:
            token = await reset_links.make(connection, visit.environment_id, written.id, visit.by, visit.program.roles)
    if not token:
        return visit.go(f"{_PATH}/{written.id}")
    async with visit.parts.database.connection() as connection:
        return await _one(visit, connection, await _found(visit, connection, written.id), token=token)


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        return await _one(visit, connection, await _found(visit, connection))


async def show_events(visit: Visit) -> Response:
    number = parsing.whole(visit.query("before"))
    async with visit.parts.database.connection() as connection:
        account = await _found(visit, connection)
        found, more = await queries.events(connection, visit.environment_id, account.worker_id, number)
    if not visit.is_fragment:
        return visit.go(f"{_PATH}/{account.worker_id}#events")
    return visit.fragment(f"{_FOLDER}/events.html", EventsPage(account, found, more))


async def show_form(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        account = await _found(visit, connection)
        held = await queries.profile(connection, visit.environment_id, account.worker_id)
    values = {
        "first_name": account.first_name,
        "last_name": account.last_name,
        "email": account.email,
        "timezone": held.timezone,
        "phone_number": held.phone_number,
        "gender": held.gender,
    }
    typed = WorkerForm({name: value or "" for name, value in values.items()})
    return _form(visit, account, typed, editing.hidden_fields(held.updated_at, values), {})


async def change(visit: Visit) -> Response:
    form = await visit.form()
    typed = parse_form(form)
    async with visit.parts.database.connection() as connection:
        account = await _found(visit, connection)
    errors = typed.wrong
    if not errors:
        try:
            result = await _update(visit, account.worker_id, typed, form)
        except ApiError as refused:
            errors = by_field(refused)
        else:
            if isinstance(result, editing.EditConflict):
                return editing.conflict(visit, result, form, titles=TITLES)
            return _go(visit, account, "changed")
    return _form(visit, account, typed, editing.sent_again(form), errors)


async def _update(visit: Visit, worker_id: str, typed: WorkerForm, form: Form) -> editing.SavedRow | editing.EditConflict:
    """Saves what was typed, in one transaction with what it takes: roles are not given in between."""
    async with visit.parts.database.transaction() as connection:
        account = await _found(visit, connection, worker_id)
        if typed.values["email"] != account.email:
            # Whoever has the address may be let in by an identity provider.
            await _require_entering(visit, connection, account)
        return await editing.update(visit, workers, worker_id, typed.given, form, within=connection)


async def set_roles(visit: Visit) -> Response:
    roles = (await visit.form()).texts("roles")
    async with visit.parts.database.transaction() as connection:
        account = await _found(visit, connection)
        errors = _unknown_roles(visit, [role for role in roles if role not in account.roles])
        if not errors and not await queries.leaves_an_administrator(visit, connection, account.worker_id, roles):
            errors = {"roles": _LAST}
        if errors:
            return await _one(visit, connection, account, errors=errors, held=roles)
        try:
            await accounts.set_roles(
                connection,
                visit.environment_id,
                worker_id=account.worker_id,
                roles=roles,
                by=visit.by,
                in_force=visit.program.roles,
            )
        except ApiError as refused:
            return await _one(visit, connection, account, errors=by_field(refused), held=roles)
    return _go(visit, account, "roles")


async def make_link(visit: Visit) -> Response:
    require_passwords(visit)
    async with visit.parts.database.connection() as connection:
        account = await _usable(visit, connection)
        token = await reset_links.make(connection, visit.environment_id, account.worker_id, visit.by, visit.program.roles)
        return await _one(visit, connection, account, token=token)


async def remove_factor(visit: Visit) -> Response:
    async with visit.parts.database.transaction() as connection:
        account = await _usable(visit, connection)
        await _require_entering(visit, connection, account)
        await second_factor.remove(connection, visit.environment_id, account.worker_id, visit.by)
    return _go(visit, account, "factor")


async def disable(visit: Visit) -> Response:
    async with visit.parts.database.transaction() as connection:
        account = await _usable(visit, connection)
        if not await queries.leaves_an_administrator(visit, connection, account.worker_id, ()):
            return await _one(visit, connection, account, errors={"disable": _LAST})
        await accounts.disable(connection, visit.environment_id, account.worker_id, visit.by)
    return _go(visit, account, "disabled")


async def enable(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        account = await _found(visit, connection)
        await accounts.enable(connection, visit.environment_id, account.worker_id, visit.by, visit.program.roles)
    return _go(visit, account, "enabled")


async def sign_out(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        account = await _usable(visit, connection)
        await accounts.sign_out_everywhere(connection, visit.environment_id, account.worker_id, visit.by)
    return _go(visit, account, "out")


async def back(visit: Visit) -> Response:
    """Where an answer was shown once, loading it again shows the worker without it."""
    async with visit.parts.database.connection() as connection:
        account = await _found(visit, connection)
    return visit.go(f"{_PATH}/{account.worker_id}")


async def _require_entering(visit: Visit, connection: Connection, account: Account) -> None:
    owner = visit.environment_id
    await accounts.require_entering(connection, owner, account.worker_id, visit.by, visit.program.roles)


def _go(visit: Visit, account: Account, done: str) -> Response:
    return visit.go(f"{_PATH}/{account.worker_id}?done={done}")


def _unknown_roles(visit: Visit, roles: tuple[str, ...] | list[str]) -> dict[str, str]:
    unknown = [role for role in roles if role not in visit.program.roles]
    if not unknown:
        return {}
    return {"roles": f"There is no role {', '.join(unknown)} any more. Choose from those that are shown."}


async def _found(visit: Visit, connection: Connection, worker_id: str = "") -> Account:
    """The worker of this environment that the address names. Raises a 404 ApiError."""
    parsed = Guid().decode(worker_id or visit.path("id"), "", [])
    account = parsed and await accounts.find(connection, visit.environment_id, parsed)
    if not account:
        raise problem("not_found", "There is no such worker in your environment.")
    return account


async def _usable(visit: Visit, connection: Connection) -> Account:
    """The same. Raises a 404 ApiError also where they have no account, or a disabled one."""
    account = await _found(visit, connection)
    if not account.has_account or account.disabled_at is not None:
        raise problem("not_found", "This worker has no account that is in use. Give a role, or enable the account, first.")
    return account


def _form(
    visit: Visit, account: Account | None, typed: WorkerForm, kept: tuple[tuple[str, str], ...], errors: Mapping[str, str]
) -> Response:
    context = WorkerFormPage(
        places=places(visit), account=account, form=typed, choices=queries.role_choices(visit.program), kept=kept, errors=errors
    )
    return visit.page(f"{_FOLDER}/form.html", context, 400 if errors else 200)


async def _one(
    visit: Visit,
    connection: Connection,
    account: Account,
    token: str = "",
    errors: Mapping[str, str] | None = None,
    held: tuple[str, ...] | None = None,
) -> Response:
    owner = visit.environment_id
    found, more = await queries.events(connection, owner, account.worker_id, None)
    context = WorkerPage(
        places=places(visit),
        account=account,
        profile=await queries.profile(connection, owner, account.worker_id),
        choices=queries.role_choices(visit.program),
        held=account.roles if held is None else held,
        titles=tuple(visit.program.role_title(role) for role in account.roles),
        sessions=await visit.parts.sessions.listed(connection, owner, account.worker_id),
        events=found,
        more=more,
        made=await created_by.of_worker(connection, owner, account.worker_id) if account.disabled_at else [],
        own=account.worker_id == visit.worker.worker_id,
        url=visit.parts.url,
        done=_DONE.get(visit.query("done"), ""),
        link=visit.parts.url + reset_links.path(token) if token else "",
        link_ends=datetime.now(UTC) + timedelta(hours=reset_links.HOURS) if token else None,
        errors=errors or {},
    )
    return visit.page(f"{_FOLDER}/worker.html", context, 400 if errors else 200)


def _action(name: str, answer: Answering) -> tuple[PageRoute, PageRoute]:
    path = f"{_PATH}/{{id}}/{name}"
    return PageRoute(path, answer, may="administer", methods=("POST",)), PageRoute(path, back, may="administer")


ROUTES: Final = (
    PageRoute(_PATH, show_all, may="administer"),
    PageRoute(_PATH, create, may="administer", methods=("POST",)),
    PageRoute(f"{_PATH}/new", show_new, may="administer"),
    PageRoute(f"{_PATH}/{{id}}", show, may="administer"),
    PageRoute(f"{_PATH}/{{id}}/events", show_events, may="administer"),
    PageRoute(f"{_PATH}/{{id}}/edit", show_form, may="administer"),
    PageRoute(f"{_PATH}/{{id}}/edit", change, may="administer", methods=("POST",)),
    *_action("roles", set_roles),
    *_action("link", make_link),
    *_action("second-factor", remove_factor),
    *_action("disable", disable),
    *_action("enable", enable),
    *_action("sign-out", sign_out),
)
