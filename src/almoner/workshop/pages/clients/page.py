"""Clients: made, changed and ended. A secret or a token is in one answer only, the one to the form
that asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from starlette.responses import Response

from almoner.access import client_secrets, clients, environments, grants, policy
from almoner.access.clients import LONGEST_DAYS, LONGEST_NAME, SHAPES, Client
from almoner.access.grants import Grant
from almoner.errors import problem
from almoner.notifications.subscription_terms import Short
from almoner.pages import parsing
from almoner.pages.filters import ago, counted
from almoner.pages.forms.inputs import Input, control
from almoner.pages.objects.pages import Values
from almoner.pages.objects.views import Chip, NewSecret, ObjectRow, Offer, RowGroup, dotted
from almoner.resources import BY_NAME
from almoner.vocabulary.choices import Choice, Several
from almoner.vocabulary.fields import Field, missing_field
from almoner.vocabulary.kinds import Boolean, Problems
from almoner.workshop.pages.object_pages import WorkshopPages

_GRANTS: Final = (
    ("some", "Only what is ticked here"),
    ("all", "Everything, also what is added later"),
)
_SHAPES: Final = (
    ("documented", "As the API's reference shows them: the row itself"),
    ("enveloped", 'In an envelope: the row under "data"'),
)
_SCOPES: Final = policy.grantable(BY_NAME)
_NAMED: Final = "What people know the program by, such as “Data warehouse”."
_EMPTY: Final = (
    "No program may use the API yet",
    (
        "A client is a program with an id and a secret: it fetches tokens with them, and reads and"
        " writes what its scopes cover."
    ),
)
_SANDBOX_LABEL: Final = "Its requests may ask to go wrong"
_SANDBOX: Final = (
    "By the header Almoner-Sandbox, to try how the program does on a bad day. A client of a test"
    " environment alone, and for good."
)
_MOST_LISTED: Final = 4
_COPY: Final = "Copy it now: it is kept in no form that could be shown again."


@dataclass(frozen=True, kw_only=True)
class ClientView:
    """One client, and what its form offers.

    ``may_hand_on``: all that it may do is the visitor's to hand on, and so are its secrets and
    tokens. ``may_be_sandbox``: a new client here may ask to go wrong.
    ``most_days``: for how many days a token of this visitor may be good. ``scopes`` are by
    what they are about, ``offered`` those that can be chosen: what the visitor may hand on, and
    what there is already."""

    client: Client | None
    secrets: Sequence[client_secrets.Secret]
    token_url: str
    most_days: int
    may_hand_on: bool
    may_be_sandbox: bool
    offered: frozenset[str]
    scopes: Mapping[str, tuple[str, ...]]


class ClientPages(WorkshopPages[Client]):
    path = "/workshop/clients"
    title = "Clients"
    noun = "client"
    form_template = "workshop/pages/clients/form.html"
    page_template = "workshop/pages/clients/client.html"
    submits = ("Create and show the secret", "Save")
    remarks = (
        "",
        (
            "A token that covers more than is ticked ends within five seconds; the program fetches"
            " another."
        ),
    )
    saved = "Saved. Tokens that cover more than this end within five seconds."
    offers_title = "Ending access"
    actions: ClassVar = {
        "rotate": "",
        "revoke": "The secret has ended: no token is given for it any more.",
        "token": "",
        "end-tokens": (
            "Its tokens end within five seconds. With a secret that works it fetches new ones."
        ),
        "disable": "The client is disabled. Its tokens end within five seconds.",
    }
    always = ("disable",)
    inputs = (
        control("name", Short(LONGEST_NAME), hint=_NAMED, required=True),
        control("grant", Choice(("some", "all"), words=_GRANTS)),
        control(
            "scopes", Several(tuple(f"{of}.{right}" for of in _SCOPES for right in _SCOPES[of]))
        ),
        control("shape", Choice(SHAPES, words=_SHAPES), "How answers to it are shaped"),
        Input(
            field=Field("sandbox", Boolean(), label=_SANDBOX_LABEL, help=_SANDBOX, default=False),
        ),
    )

    async def groups(self) -> Sequence[RowGroup]:
        listed = await clients.list_clients(self.connection, self.owner)
        return [
            RowGroup(
                "Programs that may use the API", [self._row(client) for client in listed], _EMPTY
            )
        ]

    async def find(self, key: str) -> Client:
        return await clients.find(self.connection, self.owner, key)

    def unusable(self) -> str:
        text = "This client is disabled: nothing about it can be changed any more."
        return text if self.subject.disabled_at else ""

    async def stored(self) -> Values:
        if self.is_new:
            return {"grant": "some", "shape": "documented"}
        client, scopes = self.subject, self.subject.scope.split()
        grant = policy.ALL if policy.ALL in scopes else "some"
        return {"name": client.name, "grant": grant, "scopes": scopes, "shape": client.shape}

    def check(self, values: Values, problems: Problems) -> None:
        if values["grant"] != policy.ALL and not values["scopes"]:
            problems.append(missing_field(".scopes"))

    async def create(self) -> Response:
        box, terms = self.visit.parts.box, self._terms()
        sandbox = self.values["sandbox"] is True
        created = await clients.create(
            self.connection, box, self.owner, by=self.by, sandbox=sandbox, **terms
        )
        self.subject, self.is_new = await self.find(created.client_id), False
        values = (
            ("issued-value", "Client secret", created.client_secret),
            ("issued-id", "Client id", created.client_id),
            ("issued-url", "Token URL", f"{self.visit.parts.url}/v1/token"),
        )
        return await self.show(NewSecret("The client is made", _COPY, values))

    async def change(self) -> Response:
        key, terms = self.subject.id, self._terms()
        await clients.change(self.connection, self.owner, key, by=self.by, **terms)
        return self.go("changed")

    async def view(self) -> ClientView:
        client = None if self.is_new else self.subject
        granted = client.scope.split() if client else ()
        box, key = self.visit.parts.box, client.id if client else ""
        secrets = (
            await client_secrets.secrets_of(self.connection, box, self.owner, key) if client else ()
        )
        return ClientView(
            client=client,
            secrets=secrets,
            token_url=f"{self.visit.parts.url}/v1/token",
            most_days=self._most_days(),
            may_be_sandbox=self.is_new
            and await environments.is_for_tests(self.connection, self.owner),
            may_hand_on=not grants.beyond(self.by.holds, Grant(tuple(granted))),
            # What is granted already may stay, whoever changes the rest.
            offered=grants.grantable(self.by.holds, BY_NAME) | {*granted},
            scopes=_SCOPES,
        )

    def offers(self, view: ClientView) -> Iterator[Offer]:
        if self.subject.disabled_at:
            return
        name = self.subject.name
        yield Offer(
            "end-tokens",
            "End its tokens",
            "When one may have been seen by others. With a secret that works the program fetches"
            " new ones.",
            "End its tokens",
            f"End every token of {name}, those for testing too? Requests with them are refused"
            " within five seconds.",
            yes="End its tokens",
        )
        yield Offer(
            "disable",
            "Disable the client",
            "For good: its secrets and tokens are of no use any more.",
            "Disable",
            f"Disable {name} for good? Its secrets and tokens end, and the program can neither read"
            " nor write. This cannot be undone.",
            yes="Disable it",
        )

    async def rotate(self) -> Response:
        box, older = self.visit.parts.box, self.subject.live_secrets
        created = await client_secrets.rotate(
            self.connection, box, self.owner, self.subject.id, by=self.by
        )
        which, them = ("secrets work", "them") if older > 1 else ("secret works", "it")
        words = f" The older {which} on, until you end {them} below." if older else ""
        value = ("issued-value", "Client secret", created.client_secret)
        return await self.show(NewSecret("A new secret is made", f"{_COPY}{words}", [value]))

    async def revoke(self) -> None:
        secret = self.form.text("secret")
        await client_secrets.revoke(self.connection, self.owner, self.subject.id, secret, self.by)

    async def token(self) -> Response:
        days = parsing.whole(self.form.text("days").strip(), 1, most := self._most_days())
        if days is None:
            text = f"Give a whole number of days from 1 to {most:,}."
            raise problem("bad_request", text, path=".days")
        token = await clients.long_lived_token(self.connection, self.subject.id, days, by=self.by)
        self.subject = await self.find(self.subject.id)
        about = f"It is good for {counted(days, 'day')}, and covers all that the client may do."
        value = ("issued-value", "Access token", token)
        return await self.show(
            NewSecret("A token for testing is made", f"{_COPY} {about}", [value])
        )

    async def end_tokens(self) -> None:
        await clients.end_tokens(self.connection, self.owner, self.subject.id, self.by)

    async def disable(self) -> None:
        await clients.disable(self.connection, self.owner, self.subject.id, self.by)

    def _most_days(self) -> int:
        return LONGEST_DAYS if self.by.holds.administers else grants.MOST_DAYS

    def _terms(self) -> dict[str, Any]:
        values = self.values
        is_all = values["grant"] == policy.ALL
        scope = policy.ALL if is_all else " ".join(sorted(values["scopes"]))
        terms = {"name": values["name"], "scope": scope, "shape": values["shape"] or ""}
        return {**terms, "collections": BY_NAME}

    def _row(self, client: Client) -> ObjectRow:
        scopes = client.scope.split()
        may = "everything" if policy.ALL in scopes else ", ".join(scopes[:_MOST_LISTED])
        if len(scopes) > _MOST_LISTED:
            may += f" and {counted(len(scopes) - _MOST_LISTED, 'more scope')}"
        last = "no token in the last day"
        if client.token_at:
            last = "last token " + ago(client.token_at, self.visit.worker.timezone)
        return ObjectRow(
            name=client.name,
            path=f"{self.path}/{client.id}",
            aside=client.id,
            lines=[dotted(may, f"{client.shape} answers", last)],
            chips=[*([Chip("sandbox", "info")] if client.sandbox else []), _state(client)],
        )


def _state(client: Client) -> Chip:
    if client.disabled_at:
        return Chip("disabled", "bad")
    if not client.live_secrets:
        return Chip("no secret works", "warn")
    return Chip(counted(client.live_secrets, "secret"), "info" if client.live_secrets > 1 else "")


ROUTES: Final = ClientPages.routes()
