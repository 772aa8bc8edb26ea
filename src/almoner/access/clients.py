"""API clients: programs that may fetch tokens, with their secrets (clarifications 5, 22 to 24)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from almoner.access import policy, tokens, worker_events
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

    ``token_at`` is when its newest token was made; None where it has none, or none that ended less than a day ago.
    ``live_tokens`` counts those that are still good.
    """

    id: str
    name: str
    scope: str
    shape: str
    live_secrets: int
    created_at: datetime
    disabled_at: datetime | None
    token_at: datetime | None
    live_tokens: int


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of a client, without the secret itself. Times are in UTC; ``revoked_at`` is None while it works.

    ``ends_with`` are its last four characters, which tell it from its neighbours; blank where this key does not open it.
    """

    id: str
    created_at: datetime
    revoked_at: datetime | None
    ends_with: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A client that may be used, as the token endpoint needs it: what was granted, and its live secrets, still sealed."""

    environment_id: int
    id: str
    granted: tuple[str, ...]
    algorithm: str
    sealed: tuple[bytes, ...]


_SHOWN_CHARACTERS = 4  # of 43 random ones: too few to help anybody who guesses
_CREATE = """
WITH client AS (
  INSERT INTO clients (environment_id, id, name, scope, shape, algorithm) VALUES ($1, $2, $3, $4, $5, $6)
)
INSERT INTO client_secrets (environment_id, client_id, id, sealed, made_by) VALUES ($1, $2, $7, $8, $9)
"""
_LIST = """
SELECT c.id::text, c.name, c.scope, c.shape,
  (SELECT count(*) FROM client_secrets s WHERE s.environment_id = c.environment_id AND s.client_id = c.id AND s.revoked_at IS NULL),
  c.created_at, c.disabled_at, t.token_at, coalesce(t.live, 0)
FROM clients c LEFT JOIN (
  SELECT client_id, max(created_at) AS token_at, count(*) FILTER (WHERE expires_at > clock_timestamp()) AS live
  FROM access_tokens WHERE environment_id = $1 GROUP BY client_id
) t ON t.client_id = c.id
WHERE c.environment_id = $1 AND ($2::uuid IS NULL OR c.id = $2)
ORDER BY c.created_at, c.id
"""
_SECRETS = """
SELECT id::text, created_at, revoked_at, sealed FROM client_secrets WHERE environment_id = $1 AND client_id = $2
ORDER BY created_at DESC, id
"""
_REVOKE = """
WITH there AS (
  SELECT id, revoked_at FROM client_secrets WHERE environment_id = $1 AND client_id = $2 AND id = $3 FOR UPDATE
), ended AS (
  UPDATE client_secrets s SET revoked_at = clock_timestamp() FROM there
  WHERE s.environment_id = $1 AND s.client_id = $2 AND s.id = there.id AND there.revoked_at IS NULL
)
SELECT revoked_at IS NULL FROM there
"""
_CHANGE = """
UPDATE clients SET name = $3, scope = $4, shape = $5 WHERE environment_id = $1 AND id = $2 AND disabled_at IS NULL
"""
# A token keeps the scope that it was made with: what it covers beyond what the client has left must not be of use any more.
_END_BEYOND = """
DELETE FROM access_tokens WHERE environment_id = $1 AND client_id = $2 AND NOT string_to_array(scope, ' ') <@ $3::text[]
"""
_END_TOKENS = "DELETE FROM access_tokens WHERE environment_id = $1 AND client_id = $2 AND expires_at > clock_timestamp()"
_ADD = """
INSERT INTO client_secrets (environment_id, client_id, id, sealed, made_by)
SELECT environment_id, id, $3, $4, $5 FROM clients WHERE environment_id = $1 AND id = $2 AND disabled_at IS NULL
RETURNING true
"""
_REVOKE_OTHERS = """
UPDATE client_secrets SET revoked_at = clock_timestamp()
WHERE environment_id = $1 AND client_id = $2 AND id <> $3 AND revoked_at IS NULL
"""
_NEWEST = """
SELECT s.id FROM client_secrets s JOIN clients c ON c.environment_id = s.environment_id AND c.id = s.client_id
WHERE s.environment_id = $1 AND s.client_id = $2 AND s.revoked_at IS NULL AND c.disabled_at IS NULL
ORDER BY s.created_at DESC, s.id LIMIT 1
"""
_DISABLE = """
UPDATE clients SET disabled_at = clock_timestamp() WHERE environment_id = $1 AND id = $2 AND disabled_at IS NULL
RETURNING true
"""
# Locked, so that what it is granted stays what was looked at until the transaction ends.
_TERMS = """
SELECT name, scope, shape, disabled_at IS NULL AS usable FROM clients WHERE environment_id = $1 AND id = $2 FOR UPDATE
"""
# A client says its id and not its environment: ids are unique across them.
_REGISTERED = """
SELECT c.environment_id, c.id::text, c.scope, c.algorithm, array_agg(s.sealed ORDER BY s.created_at DESC)
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
) -> Created:
    """Registers a client with one secret. ``scope`` is what it may ever be granted, scopes separated by spaces.

    With ``collections``, the scope may name no others; without, only its form is checked. Raises ApiError where the scope,
    the shape or the name does not fit, and a 403 where the scope goes beyond what ``by`` holds.
    """
    scopes = _checked(name, scope, shape, collections)
    require(by.holds, Grant(scopes), ".scopes")
    client_id, secret = str(uuid4()), new_secret()
    terms = {"name": name.strip(), "scope": " ".join(scopes), "shape": shape}
    sealed = box.seal(secret, client_id)
    try:
        async with connection.transaction():
            await connection.execute(_CREATE, environment_id, client_id, *terms.values(), ALGORITHM, uuid4(), sealed, by.actor)
            await worker_events.changed(connection, environment_id, "client made", by, f"client:{client_id}", None, terms)
    except asyncpg.ForeignKeyViolationError:
        raise problem("resource_not_found", "There is no such environment.") from None
    return Created(client_id, secret)


async def list_clients(connection: Connection, environment_id: int) -> list[Client]:
    """The clients of an environment, the oldest first, disabled ones included."""
    return [Client(*row) for row in await connection.fetch(_LIST, environment_id, None)]


async def find(connection: Connection, environment_id: int, client_id: str) -> Client:
    """A client, also one that is disabled. Raises a 404 ``ApiError`` where it is not there."""
    rows = await connection.fetch(_LIST, environment_id, _canonical(client_id))
    if not rows:
        raise unknown_client()
    return Client(*rows[0])


async def environment_of(connection: Connection, client_id: str) -> int:
    """The id of the environment that a client belongs to: its id says so. Raises a 404 ``ApiError`` where it is not there."""
    found: int | None = await connection.fetchval("SELECT environment_id FROM clients WHERE id = $1", _canonical(client_id))
    if found is None:
        raise unknown_client()
    return found


async def secrets_of(connection: Connection, box: SecretBox, environment_id: int, client_id: str) -> list[Secret]:
    """The secrets of a client, the newest first, those that have ended included; none where it is not there."""
    client_id = _canonical(client_id)
    rows = await connection.fetch(_SECRETS, environment_id, client_id)
    return [Secret(row["id"], row["created_at"], row["revoked_at"], _end(box, row["sealed"], client_id)) for row in rows]


def _end(box: SecretBox, sealed: bytes, client_id: str) -> str:
    try:
        return box.open(sealed, client_id)[-_SHOWN_CHARACTERS:]
    except SealError:
        return ""


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

    Tokens that cover more than it is granted now end in every process within five seconds. Raises ApiError: 404 where the
    client is not there or disabled, 400 where something does not fit, 403 where it is granted more, beyond what ``by`` holds.
    """
    client_id, scopes = _canonical(client_id), _checked(name, scope, shape, collections)
    async with connection.transaction():
        before = await _usable(connection, environment_id, client_id)
        require(by.holds, Grant(policy.beyond(scopes, before["scope"].split())), ".scopes")
        after = {"name": name.strip(), "scope": " ".join(scopes), "shape": shape}
        await connection.execute(_CHANGE, environment_id, client_id, *after.values())
        await worker_events.changed(connection, environment_id, "client changed", by, f"client:{client_id}", before, after)
        if policy.ALL not in scopes:
            await connection.execute(_END_BEYOND, environment_id, client_id, list(scopes))


async def _usable(connection: Connection, environment_id: int, client_id: str) -> dict[str, str]:
    """The terms of a client, which nobody changes before the transaction ends. Raises a 404 ``ApiError``, also if disabled."""
    row = await connection.fetchrow(_TERMS, environment_id, client_id)
    if row is None or not row["usable"]:
        raise unknown_client()
    return {name: row[name] for name in ("name", "scope", "shape")}


async def rotate(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    client_id: str,
    keep: bool = True,
    by: By = AT_THE_TERMINAL,
) -> Created:
    """Adds a live secret. The older ones stay live with ``keep``, and end at once without it.

    Raises ApiError: 404 where the client is not there or is disabled, 403 where it may do more than ``by`` may hand on, since
    whoever has the secret may do all of it.
    """
    client_id = _canonical(client_id)
    secret, secret_id = new_secret(), uuid4()
    async with connection.transaction():
        terms = await _usable(connection, environment_id, client_id)
        require(by.holds, Grant(tuple(terms["scope"].split())))
        await connection.execute(_ADD, environment_id, client_id, secret_id, box.seal(secret, client_id), by.actor)
        after = {"secret": str(secret_id), "older": "work on" if keep else "ended"}
        await worker_events.changed(connection, environment_id, "secret made", by, f"client:{client_id}", None, after)
        if not keep:
            await connection.execute(_REVOKE_OTHERS, environment_id, client_id, secret_id)
    return Created(client_id, secret)


async def retire(connection: Connection, environment_id: int, client_id: str, by: By = AT_THE_TERMINAL) -> int:
    """Ends all live secrets of a client but the newest; returns how many. Raises a 404 ``ApiError`` where it has
    none, or is disabled.
    """
    async with connection.transaction():
        client_id = _canonical(client_id)
        newest = await connection.fetchval(_NEWEST, environment_id, client_id)
        if newest is None:
            raise unknown_client()
        ended = int((await connection.execute(_REVOKE_OTHERS, environment_id, client_id, newest)).split()[-1])
        before = {"older_secrets": ended}
        await worker_events.changed(connection, environment_id, "secret ended", by, f"client:{client_id}", before, None)
    return ended


async def revoke(connection: Connection, environment_id: int, client_id: str, secret_id: str, by: By = AT_THE_TERMINAL) -> None:
    """Ends one secret, be it the last; tokens that were fetched with it last out their time. Again changes nothing.

    Raises a 404 ``ApiError`` where the client has no such secret.
    """
    client_id, secret_id = _canonical(client_id), _canonical(secret_id)
    async with connection.transaction():
        ended = await connection.fetchval(_REVOKE, environment_id, client_id, secret_id)
        if ended is None:
            raise problem("not_found", "The client has no such secret.")
        if ended:
            before = {"secret": secret_id}
            await worker_events.changed(connection, environment_id, "secret ended", by, f"client:{client_id}", before, None)


async def end_tokens(connection: Connection, environment_id: int, client_id: str, by: By = AT_THE_TERMINAL) -> int:
    """Ends every token of a client, in every process within five seconds; returns how many were good.

    With a live secret it fetches new ones. None are ended where the client is not there.
    """
    client_id = _canonical(client_id)
    async with connection.transaction():
        ended = int((await connection.execute(_END_TOKENS, environment_id, client_id)).split()[-1])
        if ended:
            before = {"tokens": ended}
            await worker_events.changed(connection, environment_id, "tokens ended", by, f"client:{client_id}", before, None)
    return ended


async def disable(connection: Connection, environment_id: int, client_id: str, by: By = AT_THE_TERMINAL) -> None:
    """Ends a client: it gets no token any more, and those it has end in every process within five seconds.

    Disabling it again changes nothing. Raises a 404 ``ApiError`` where it is not there.
    """
    client_id = _canonical(client_id)
    async with connection.transaction():
        row = await connection.fetchrow(_TERMS, environment_id, client_id)
        if row is None:
            raise unknown_client()
        if await connection.fetchval(_DISABLE, environment_id, client_id):
            before = {name: row[name] for name in ("name", "scope", "shape")}
            await worker_events.changed(connection, environment_id, "client disabled", by, f"client:{client_id}", before, None)


async def registered(connection: Connection, client_id: str) -> Registered | None:
    """The client of this id, a GUID; None where there is none that may be used."""
    row = await connection.fetchrow(_REGISTERED, client_id)
    return None if row is None else Registered(row[0], row[1], tuple(row[2].split()), row[3], tuple(row[4]))


async def live_secrets(connection: Connection, box: SecretBox, client_id: str) -> list[str]:
    """The live secrets of a client that this key opens, the newest first; none where the client is not there or disabled."""
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
    connection: Connection, client_id: str, days: int = 365, scope: str | None = None, by: By = AT_THE_TERMINAL
) -> str:
    """An access token for testing, valid for days rather than an hour (clarification 24). Shown once.

    ``scope`` is part of what the client was granted; None is all of it. Raises ApiError where the client is not there or
    disabled, where the days or the scope do not fit, and a 403 where either goes beyond what ``by`` may hand on.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise problem("bad_request", f"A token is valid for 1 to {LONGEST_DAYS} days.")
    client = await registered(connection, _canonical(client_id))
    if client is None:
        raise unknown_client()
    scopes = client.granted if scope is None else policy.parse(scope)
    if policy.beyond(scopes, client.granted):
        raise problem("bad_request", f"The client was granted less than this: {' '.join(client.granted)}")
    require(by.holds, Grant(tuple(scopes), days))
    async with connection.transaction():
        token = await tokens.issue(connection, client.environment_id, client.id, " ".join(scopes), days * 86_400, by.actor)
        if token is None:
            raise unknown_client()
        after = {"scope": " ".join(scopes), "days": days}
        await worker_events.changed(connection, client.environment_id, "token made", by, f"client:{client.id}", None, after)
    return token


def unknown_client() -> ApiError:
    """The 404 of a client id that stands for no client of the environment, or for one that is disabled: which, is not told."""
    return problem("not_found", "There is no such client that may be used.")


def _checked(name: str, scope: str, shape: str, collections: Collection[str] | None) -> tuple[str, ...]:
    """The scopes, each once. Raises ApiError where the name, the scope or the shape does not fit."""
    scopes = policy.parse(scope, collections)
    if shape not in SHAPES:
        raise problem("bad_request", f"The shape is one of {', '.join(SHAPES)}.", path=".shape")
    if is_blank(name) or "\0" in name or len(name) > LONGEST_NAME:
        raise problem("bad_request", f"A client needs a name that people see, of at most {LONGEST_NAME} characters.", path=".name")
    return scopes


def _canonical(client_id: str) -> str:
    """The id as it is kept and sealed along with secrets, whatever the letter case it was given in."""
    try:
        return str(UUID(client_id))
    except ValueError:
        raise unknown_client() from None
