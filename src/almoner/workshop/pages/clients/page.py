"""Clients: made, changed and ended. A secret or a token is in one answer only, the one to the form that asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.responses import Response

from almoner.access import clients, grants, policy
from almoner.access.clients import LONGEST_DAYS, Client, Secret
from almoner.access.grants import Grant
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages import parsing
from almoner.pages.forms.problems import by_field, missing_as
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.resources import BY_NAME
from almoner.workshop.pages.frame import Frame, frame

_FOLDER: Final = "workshop/pages/clients"
_PATH: Final = "/workshop/clients"
_USUAL_DAYS: Final = "30"
SHAPES: Final = (
    ("documented", "As the API's reference shows them: the row itself"),
    ("enveloped", 'In an envelope: the row under "data"'),
)
_DONE: Final[Mapping[str, str]] = {
    "changed": "Saved. Tokens that cover more than this end within five seconds.",
    "revoked": "The secret has ended: no token is given for it any more.",
    "ended": "Its tokens end within five seconds. With a secret that works it fetches new ones.",
    "disabled": "The client is disabled. Its tokens end within five seconds.",
}


@dataclass(frozen=True)
class ClientForm:
    """A client as its form states it. ``everything``: all scopes, also those that are added later."""

    name: str = ""
    everything: bool = False
    scopes: frozenset[str] = frozenset()
    shape: str = "documented"

    @property
    def scope(self) -> str:
        """The scopes in one text, as they are kept."""
        return policy.ALL if self.everything else " ".join(sorted(self.scopes))


@dataclass(frozen=True)
class IssuedSecret:
    """A secret or a token, told this once. ``what`` is ``client``, ``secret`` or ``token``; ``days`` are those of a token."""

    what: str
    value: str
    days: int = 0


@dataclass(frozen=True)
class ClientsPage:
    frame: Frame
    clients: list[Client]


@dataclass(frozen=True, kw_only=True)
class ClientFormPage:
    """The form of a client; of a new one where ``client`` is None. ``grantable`` are the scopes by what they are about.

    ``offered`` are those that can be chosen: what the visitor may hand on, and what the client has already.
    """

    frame: Frame
    client: Client | None
    form: ClientForm
    errors: Mapping[str, str]
    offered: frozenset[str]
    grantable: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: policy.grantable(BY_NAME))
    shapes: tuple[tuple[str, str], ...] = SHAPES


@dataclass(frozen=True, kw_only=True)
class ClientPage:
    """One client. ``done`` says what was just done, ``told`` is what is shown once, ``days`` is what was typed.

    ``may_hand_on``: all that it may do is the visitor's to hand on, and so are its secrets and tokens.
    """

    frame: Frame
    client: Client
    secrets: list[Secret]
    done: str
    told: IssuedSecret | None
    days: str
    errors: Mapping[str, str]
    token_url: str
    most_days: int
    may_hand_on: bool


async def show_all(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        found = await clients.list_clients(connection, visit.environment_id)
        return visit.page(f"{_FOLDER}/list.html", ClientsPage(await frame(visit, connection), found))


async def show_new(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        return await _form(visit, connection, None, ClientForm(), {})


async def create(visit: Visit) -> Response:
    form = _parse_form(await visit.form())
    async with visit.parts.database.connection() as connection:
        errors, status = _wrong(form), 400
        if not errors:
            try:
                terms = (form.name, form.scope, form.shape, BY_NAME)
                made = await clients.create(connection, visit.parts.box, visit.environment_id, *terms, by=visit.by)
            except ApiError as error:
                errors, status = by_field(error), error.status
            else:
                client = await clients.find(connection, visit.environment_id, made.client_id)
                return await _one(visit, connection, client, told=IssuedSecret("client", made.client_secret))
        return await _form(visit, connection, client=None, form=form, errors=errors, status=status)


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        return await _one(visit, connection, await _found(visit, connection))


async def show_form(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        client = await _usable(visit, connection)
        scopes = frozenset(client.scope.split())
        form = ClientForm(client.name, policy.ALL in scopes, scopes - {policy.ALL}, client.shape)
        return await _form(visit, connection, client, form, {})


async def change(visit: Visit) -> Response:
    form = _parse_form(await visit.form())
    async with visit.parts.database.connection() as connection:
        client = await _usable(visit, connection)
        errors, status = _wrong(form), 400
        if not errors:
            try:
                terms = (form.name, form.scope, form.shape, BY_NAME)
                await clients.change(connection, visit.environment_id, client.id, *terms, by=visit.by)
            except ApiError as error:
                errors, status = by_field(error), error.status
            else:
                return _go(visit, client, "changed")
        return await _form(visit, connection, client=client, form=form, errors=errors, status=status)


async def rotate(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        client = await _usable(visit, connection)
        made = await clients.rotate(connection, visit.parts.box, visit.environment_id, client.id, by=visit.by)
        return await _one(visit, connection, client, told=IssuedSecret("secret", made.client_secret))


async def revoke(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        client = await _usable(visit, connection)
        await clients.revoke(connection, visit.environment_id, client.id, (await visit.form()).text("secret"), visit.by)
    return _go(visit, client, "revoked")


async def make_token(visit: Visit) -> Response:
    typed = (await visit.form()).text("days").strip()
    async with visit.parts.database.connection() as connection:
        client = await _usable(visit, connection)
        days = parsing.whole(typed, 1, _most_days(visit))
        if days is None:
            errors = {"days": f"Give a whole number of days from 1 to {_most_days(visit):,}."}
            return await _one(visit, connection, client, days=typed, errors=errors)
        token = await clients.long_lived_token(connection, client.id, days, by=visit.by)
        client = await clients.find(connection, visit.environment_id, client.id)
        return await _one(visit, connection, client, days=typed, told=IssuedSecret("token", token, days))


async def end_tokens(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        client = await _usable(visit, connection)
        await clients.end_tokens(connection, visit.environment_id, client.id, visit.by)
    return _go(visit, client, "ended")


async def disable(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        client = await _found(visit, connection)
        await clients.disable(connection, visit.environment_id, client.id, visit.by)
    return _go(visit, client, "disabled")


async def back(visit: Visit) -> Response:
    """Where an answer was shown once, loading it again shows the client without it."""
    async with visit.parts.database.connection() as connection:
        client = await _found(visit, connection)
    return visit.go(f"{_PATH}/{client.id}")


def _most_days(visit: Visit) -> int:
    """For how many days a token of this visitor may be good."""
    return LONGEST_DAYS if visit.by.holds.administers else grants.MOST_DAYS


def _parse_form(form: Form) -> ClientForm:
    return ClientForm(form.text("name").strip(), form.text("grant") == "all", frozenset(form.texts("scopes")), form.text("shape"))


def _wrong(form: ClientForm) -> dict[str, str]:
    if form.everything or form.scopes:
        return {}
    return {"scopes": "Tick at least one, or choose everything."}


def _go(visit: Visit, client: Client, done: str) -> Response:
    return visit.go(f"{_PATH}/{client.id}?done={done}")


async def _found(visit: Visit, connection: Connection) -> Client:
    """The client of this environment that the address names. Raises a 404 ApiError."""
    with missing_as("There is no such client in your environment."):
        return await clients.find(connection, visit.environment_id, visit.path("id"))


async def _usable(visit: Visit, connection: Connection) -> Client:
    """The same. Raises a 404 ApiError also where it is disabled."""
    client = await _found(visit, connection)
    if client.disabled_at is not None:
        raise problem("not_found", "This client is disabled: nothing about it can be changed any more.")
    return client


async def _form(
    visit: Visit, connection: Connection, client: Client | None, form: ClientForm, errors: Mapping[str, str], status: int = 200
) -> Response:
    # What is granted already may stay, whoever changes the rest.
    had = frozenset(client.scope.split()) if client else frozenset()
    offered = had | grants.grantable(visit.by.holds, BY_NAME)
    context = ClientFormPage(frame=await frame(visit, connection), client=client, form=form, errors=errors, offered=offered)
    return visit.page(f"{_FOLDER}/form.html", context, status)


async def _one(
    visit: Visit,
    connection: Connection,
    client: Client,
    told: IssuedSecret | None = None,
    days: str = _USUAL_DAYS,
    errors: Mapping[str, str] | None = None,
) -> Response:
    context = ClientPage(
        frame=await frame(visit, connection),
        client=client,
        secrets=await clients.secrets_of(connection, visit.parts.box, visit.environment_id, client.id),
        done=_DONE.get(visit.query("done"), ""),
        told=told,
        days=days,
        errors=errors or {},
        token_url=f"{visit.parts.url}/v1/token",
        most_days=_most_days(visit),
        may_hand_on=not grants.beyond(visit.by.holds, Grant(tuple(client.scope.split()))),
    )
    return visit.page(f"{_FOLDER}/client.html", context, 400 if errors else 200)


ROUTES: Final = (
    PageRoute(_PATH, show_all, may="integrate"),
    PageRoute(_PATH, create, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/new", show_new, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}", show, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}/edit", show_form, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}/edit", change, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/rotate", back, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}/rotate", rotate, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/revoke", revoke, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/token", back, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}/token", make_token, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/end-tokens", end_tokens, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/disable", disable, may="integrate", methods=("POST",)),
)
