"""API clients: programs that may fetch tokens, with their secrets (clarifications 5, 22 to 24)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from almoner.access import environments, policy, tokens, worker_events
from almoner.access.grants import Grant, require
from almoner.access.secrets import SealError, SecretBox, new_secret
from almoner.access.worker_events import AT_THE_TERMINAL, By
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.vocabulary.contact_kinds import is_blank

SHAPES: Final = ("documented", "enveloped")
ALGORITHM: Final = "HS256"
LONGEST_DAYS: Final = 3650
LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Created:
    """A new client or a new secret of one. This is the only time that the secret is told."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Client:
    """A client as it is listed. Times are in UTC; ``disabled_at`` is None while it may be used.

    ``token_at`` is when its newest token was made; None where it has none, or none that ended less
    than a day ago. ``live_tokens`` counts those that are still good. ``sandbox``: its requests may
    ask to go wrong."""

    id: str
    name: str
    scope: str
    shape: str
    live_secrets: int
    created_at: datetime
    disabled_at: datetime | None
    token_at: datetime | None
    live_tokens: int
    sandbox: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """A client that may be used, as the token endpoint needs it: what was granted, and its live
    secrets, still sealed.
    """

    environment_id: int
    id: str
    granted: tuple[str, ...]
    algorithm: str
    sealed: tuple[bytes, ...]


_CREATE = """
WITH client AS (
  INSERT INTO clients (environment_id, id, name, scope, shape, algorithm, sandbox)
      VALUES ($1, $2, $3, $4, $5, $6, $10)
)
INSERT INTO client_secrets (environment_id, client_id, id, sealed, made_by)
    VALUES ($1, $2, $7, $8, $9)
"""
_LIST = """
SELECT c.id::text, c.name, c.scope, c.shape,
  (SELECT count(*) FROM client_secrets s WHERE s.environment_id = c.environment_id
      AND s.client_id = c.id AND s.revoked_at IS NULL),
  c.created_at, c.disabled_at, t.token_at, coalesce(t.live, 0), c.sandbox
FROM clients c LEFT JOIN (
  SELECT client_id, max(created_at) AS token_at, count(*) FILTER (WHERE expires_at >
      clock_timestamp()) AS live
  FROM access_tokens WHERE environment_id = $1 GROUP BY client_id
) t ON t.client_id = c.id
WHERE c.environment_id = $1 AND ($2::uuid IS NULL OR c.id = $2)
ORDER BY c.created_at, c.id
"""
_CHANGE = """
UPDATE clients SET name = $3, scope = $4, shape = $5 WHERE environment_id = $1 AND id = $2
    AND disabled_at IS NULL
"""
# A token keeps the scope that it was made with: what it covers beyond what the client has left must
# not be of use any more.
_END_BEYOND = """
DELETE FROM access_tokens WHERE environment_id = $1 AND client_id = $2
    AND NOT string_to_array(scope, ' ') <@ $3::text[]
"""
_END_TOKENS = (
    "DELETE FROM access_tokens WHERE environment_id = $1 AND client_id = $2 AND expires_at >"
    " clock_timestamp()"
)
_DISABLE = """
UPDATE clients SET disabled_at = clock_timestamp() WHERE environment_id = $1 AND id = $2
    AND disabled_at IS NULL
RETURNING true
"""
# Locked, so that what it is granted stays what was looked at until the transaction ends.
_TERMS = """
SELECT name, scope, shape, disabled_at IS NULL AS usable FROM clients WHERE environment_id = $1
    AND id = $2 FOR UPDATE
"""
# A client says its id and not its environment: ids are unique across them.
_REGISTERED = """
SELECT c.environment_id, c.id::text, c.scope, c.algorithm, array_agg(s.sealed
    ORDER BY s.created_at DESC)
FROM clients c JOIN client_secrets s ON s.environment_id = c.environment_id AND s.client_id = c.id
WHERE c.id = $1 AND c.disabled_at IS NULL AND s.revoked_at IS NULL
GROUP BY c.environment_id, c.id
"""


async def create(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    name: str,
    scope: str,
    shape: str,
    collections: Collection[str] | None = None,
    by: By = AT_THE_TERMINAL,
    sandbox: bool = False,
) -> Created:
    """Registers a client with one secret. ``scope`` is what it may ever be granted, scopes
    separated by spaces.

    With ``collections``, the scope may name no others; without, only its form is checked. The
    requests of a ``sandbox`` client may ask to go wrong: there are such in test environments alone.
    Raises ApiError where the scope, the shape or the name does not fit, or the environment is none
    for a sandbox, and a 403 where the scope goes beyond what ``by`` holds."""
    scopes = _checked(name, scope, shape, collections)
    require(by.holds, Grant(scopes), ".scopes")
    if sandbox:
        await _check_for_tests(connection, environment_id)
    client_id, secret = str(uuid4()), new_secret()
    terms = {"name": name.strip(), "scope": " ".join(scopes), "shape": shape}
    sealed = box.seal(secret, client_id)
    try:
        async with connection.transaction():
            await connection.execute(
                _CREATE,
                environment_id,
                client_id,
                *terms.values(),
                ALGORITHM,
                uuid4(),
                sealed,
                by.actor,
                sandbox,
            )
            after = terms | ({"sandbox": True} if sandbox else {})
            await worker_events.changed(
                connection, environment_id, "client made", by, f"client:{client_id}", after=after
            )
    except asyncpg.ForeignKeyViolationError:
        raise problem("resource_not_found", "There is no such environment.") from None
    return Created(client_id, secret)


async def _check_for_tests(connection: Connection, environment_id: int) -> None:
    if not await environments.is_for_tests(connection, environment_id):
        raise problem(
            "bad_request",
            "A sandbox client is made in a test environment: requests that go wrong on purpose are"
            " none for an environment in which patients are cared for. Make one with: almoner"
            " environment create NAME --test-of ENVIRONMENT",
            path=".sandbox",
        )


async def list_clients(connection: Connection, environment_id: int) -> list[Client]:
    """The clients of an environment, the oldest first, disabled ones included."""
    return [Client(*row) for row in await connection.fetch(_LIST, environment_id, None)]


async def find(connection: Connection, environment_id: int, client_id: str) -> Client:
    """A client, also one that is disabled. Raises a 404 ``ApiError`` where it is not there."""
    rows = await connection.fetch(_LIST, environment_id, canonical(client_id))
    if not rows:
        raise unknown_client()
    return Client(*rows[0])


async def environment_of(connection: Connection, client_id: str) -> int:
    """The id of the environment that a client belongs to: its id says so. Raises a 404 ``ApiError``
    where it is not there.
    """
    environment_id: int | None = await connection.fetchval(
        "SELECT environment_id FROM clients WHERE id = $1", canonical(client_id)
    )
    if environment_id is None:
        raise unknown_client()
    return environment_id


async def change(
    connection: Connection,
    environment_id: int,
    client_id: str,
    name: str,
    scope: str,
    shape: str,
    collections: Collection[str] | None = None,
    by: By = AT_THE_TERMINAL,
) -> None:
    """Changes what a client is called, granted and answered with, as ``create`` takes them.

    Tokens that cover more than it is granted now end in every process within five seconds. Raises
    ApiError: 404 where the client is not there or disabled, 400 where something does not fit, 403
    where it is granted more, beyond what ``by`` holds."""
    client_id, scopes = canonical(client_id), _checked(name, scope, shape, collections)
    async with connection.transaction():
        before = await usable(connection, environment_id, client_id)
        require(by.holds, Grant(policy.beyond(scopes, before["scope"].split())), ".scopes")
        after = {"name": name.strip(), "scope": " ".join(scopes), "shape": shape}
        await connection.execute(_CHANGE, environment_id, client_id, *after.values())
        about = f"client:{client_id}"
        await worker_events.changed(
            connection, environment_id, "client changed", by, about, before=before, after=after
        )
        if policy.ALL not in scopes:
            await connection.execute(_END_BEYOND, environment_id, client_id, list(scopes))


async def usable(connection: Connection, environment_id: int, client_id: str) -> dict[str, str]:
    """The terms of a client, which nobody changes before the transaction ends. Raises a 404
    ``ApiError``, also if disabled.
    """
    row = await connection.fetchrow(_TERMS, environment_id, client_id)
    if row is None or not row["usable"]:
        raise unknown_client()
    return {name: row[name] for name in ("name", "scope", "shape")}


async def end_tokens(
    connection: Connection, environment_id: int, client_id: str, by: By = AT_THE_TERMINAL
) -> int:
    """Ends every token of a client, in every process within five seconds; returns how many were
    good.

    With a live secret it fetches new ones. None are ended where the client is not there.
    """
    client_id = canonical(client_id)
    async with connection.transaction():
        ended = int((await connection.execute(_END_TOKENS, environment_id, client_id)).split()[-1])
        if ended:
            before = {"tokens": ended}
            await worker_events.changed(
                connection, environment_id, "tokens ended", by, f"client:{client_id}", before=before
            )
    return ended


async def disable(
    connection: Connection, environment_id: int, client_id: str, by: By = AT_THE_TERMINAL
) -> None:
    """Ends a client: it gets no token any more, and those it has end in every process within five
    seconds.

    Disabling it again changes nothing. Raises a 404 ``ApiError`` where it is not there.
    """
    client_id = canonical(client_id)
    async with connection.transaction():
        row = await connection.fetchrow(_TERMS, environment_id, client_id)
        if row is None:
            raise unknown_client()
        if await connection.fetchval(_DISABLE, environment_id, client_id):
            before = {name: row[name] for name in ("name", "scope", "shape")}
            await worker_events.changed(
                connection,
                environment_id,
                "client disabled",
                by,
                f"client:{client_id}",
                before=before,
            )


async def registered(connection: Connection, client_id: str) -> Registered | None:
    """The client of this id, a GUID; None where there is none that may be used."""
    row = await connection.fetchrow(_REGISTERED, client_id)
    return (
        None
        if row is None
        else Registered(row[0], row[1], tuple(row[2].split()), row[3], tuple(row[4]))
    )


async def live_secrets(connection: Connection, box: SecretBox, client_id: str) -> list[str]:
    """The live secrets of a client that this key opens, the newest first; none where the client is
    not there or disabled.
    """
    return open_secrets(box, client) if (client := await registered(connection, client_id)) else []


def open_secrets(box: SecretBox, client: Registered) -> list[str]:
    """The client's secrets that this key opens."""
    secrets = []
    for sealed in client.sealed:
        try:
            secrets.append(box.open(sealed, client.id))
        except SealError:
            continue
    return secrets


async def long_lived_token(
    connection: Connection,
    client_id: str,
    days: int = 365,
    scope: str | None = None,
    by: By = AT_THE_TERMINAL,
) -> str:
    """An access token for testing, valid for days rather than an hour (clarification 24). Shown
    once.

    ``scope`` is part of what the client was granted; None is all of it. Raises ApiError where the
    client is not there or disabled, where the days or the scope do not fit, and a 403 where either
    goes beyond what ``by`` may hand on."""
    if not 1 <= days <= LONGEST_DAYS:
        raise problem("bad_request", f"A token is valid for 1 to {LONGEST_DAYS} days.")
    client = await registered(connection, canonical(client_id))
    if client is None:
        raise unknown_client()
    scopes = client.granted if scope is None else policy.parse(scope)
    if policy.beyond(scopes, client.granted):
        raise problem(
            "bad_request", f"The client was granted less than this: {' '.join(client.granted)}"
        )
    require(by.holds, Grant(tuple(scopes), days))
    async with connection.transaction():
        granted = " ".join(scopes)
        token = await tokens.issue(
            connection, client.environment_id, client.id, granted, days * 86_400, made_by=by.actor
        )
        if token is None:
            raise unknown_client()
        after = {"scope": granted, "days": days}
        await worker_events.changed(
            connection, client.environment_id, "token made", by, f"client:{client.id}", after=after
        )
    return token


def unknown_client() -> ApiError:
    """The 404 of a client id that stands for no client of the environment, or for one that is
    disabled: which, is not told.
    """
    return problem("not_found", "There is no such client that may be used.")


def _checked(
    name: str, scope: str, shape: str, collections: Collection[str] | None
) -> tuple[str, ...]:
    """The scopes, each once. Raises ApiError where the name, the scope or the shape does not
    fit.
    """
    scopes = policy.parse(scope, collections)
    if shape not in SHAPES:
        raise problem("bad_request", f"The shape is one of {', '.join(SHAPES)}.", path=".shape")
    if is_blank(name) or "\0" in name or len(name) > LONGEST_NAME:
        raise problem(
            "bad_request",
            f"A client needs a name that people see, of at most {LONGEST_NAME} characters.",
            path=".name",
        )
    return scopes


def canonical(client_id: str) -> str:
    """The id as it is kept and sealed along with secrets, whatever the letter case it was given
    in.
    """
    try:
        return str(UUID(client_id))
    except ValueError:
        raise unknown_client() from None
