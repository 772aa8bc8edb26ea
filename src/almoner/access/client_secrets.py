"""The secrets of API clients: added, told apart and ended (clarifications 22 to 24)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from almoner.access import worker_events
from almoner.access.clients import Created, canonical, unknown_client, usable
from almoner.access.grants import Grant, require
from almoner.access.secrets import SealError, SecretBox, new_secret
from almoner.access.worker_events import AT_THE_TERMINAL, By
from almoner.database import Connection
from almoner.errors import problem


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of a client, without the secret itself. Times are in UTC; ``revoked_at`` is None
    while it works.

    ``ends_with`` are its last four characters, which tell it from its neighbours; blank where this
    key does not open it."""

    id: str
    created_at: datetime
    revoked_at: datetime | None
    ends_with: str


_LAST_CHARACTERS = 4  # of 43 random ones: too few to help anybody who guesses
_SECRETS = """
SELECT id::text, created_at, revoked_at, sealed FROM client_secrets WHERE environment_id = $1
    AND client_id = $2
ORDER BY created_at DESC, id
"""
_REVOKE = """
WITH there AS (
  SELECT id, revoked_at FROM client_secrets WHERE environment_id = $1 AND client_id = $2
      AND id = $3 FOR UPDATE
), ended AS (
  UPDATE client_secrets s SET revoked_at = clock_timestamp() FROM there
  WHERE s.environment_id = $1 AND s.client_id = $2 AND s.id = there.id AND there.revoked_at IS NULL
)
SELECT revoked_at IS NULL FROM there
"""
_ADD = """
INSERT INTO client_secrets (environment_id, client_id, id, sealed, made_by)
SELECT environment_id, id, $3, $4, $5 FROM clients WHERE environment_id = $1 AND id = $2
    AND disabled_at IS NULL
RETURNING true
"""
_REVOKE_OTHERS = """
UPDATE client_secrets SET revoked_at = clock_timestamp()
WHERE environment_id = $1 AND client_id = $2 AND id <> $3 AND revoked_at IS NULL
"""
_NEWEST = """
SELECT s.id FROM client_secrets s JOIN clients c ON c.environment_id = s.environment_id
    AND c.id = s.client_id
WHERE s.environment_id = $1 AND s.client_id = $2 AND s.revoked_at IS NULL AND c.disabled_at IS NULL
ORDER BY s.created_at DESC, s.id LIMIT 1
"""


async def secrets_of(
    connection: Connection, box: SecretBox, environment_id: int, client_id: str
) -> list[Secret]:
    """The secrets of a client, the newest first, those that have ended included; none where it is
    not there.
    """
    client_id = canonical(client_id)
    rows = await connection.fetch(_SECRETS, environment_id, client_id)
    return [
        Secret(row["id"], row["created_at"], row["revoked_at"], _end(box, row["sealed"], client_id))
        for row in rows
    ]


def _end(box: SecretBox, sealed: bytes, client_id: str) -> str:
    try:
        return box.open(sealed, client_id)[-_LAST_CHARACTERS:]
    except SealError:
        return ""


async def rotate(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    client_id: str,
    keep: bool = True,
    by: By = AT_THE_TERMINAL,
) -> Created:
    """Adds a live secret. The older ones stay live with ``keep``, and end at once without it.

    Raises ApiError: 404 where the client is not there or is disabled, 403 where it may do more than
    ``by`` may hand on, since whoever has the secret may do all of it."""
    client_id = canonical(client_id)
    secret, secret_id = new_secret(), uuid4()
    async with connection.transaction():
        terms = await usable(connection, environment_id, client_id)
        require(by.holds, Grant(tuple(terms["scope"].split())))
        await connection.execute(
            _ADD, environment_id, client_id, secret_id, box.seal(secret, client_id), by.actor
        )
        after = {"secret": str(secret_id), "older": "work on" if keep else "ended"}
        await worker_events.changed(
            connection, environment_id, "secret made", by, f"client:{client_id}", after=after
        )
        if not keep:
            await connection.execute(_REVOKE_OTHERS, environment_id, client_id, secret_id)
    return Created(client_id, secret)


async def retire(
    connection: Connection, environment_id: int, client_id: str, by: By = AT_THE_TERMINAL
) -> int:
    """Ends all live secrets of a client but the newest; returns how many. Raises a 404 ``ApiError``
    where it may not be used.
    """
    async with connection.transaction():
        client_id = canonical(client_id)
        newest = await connection.fetchval(_NEWEST, environment_id, client_id)
        if newest is None:
            raise unknown_client()
        ended = int(
            (await connection.execute(_REVOKE_OTHERS, environment_id, client_id, newest)).split()[
                -1
            ]
        )
        before = {"older_secrets": ended}
        await worker_events.changed(
            connection, environment_id, "secret ended", by, f"client:{client_id}", before=before
        )
    return ended


async def revoke(
    connection: Connection,
    environment_id: int,
    client_id: str,
    secret_id: str,
    by: By = AT_THE_TERMINAL,
) -> None:
    """Ends one secret, be it the last; tokens that were fetched with it last out their time. Again
    changes nothing.

    Raises a 404 ``ApiError`` where the client has no such secret.
    """
    client_id, secret_id = canonical(client_id), canonical(secret_id)
    async with connection.transaction():
        ended = await connection.fetchval(_REVOKE, environment_id, client_id, secret_id)
        if ended is None:
            raise problem("not_found", "The client has no such secret.")
        if ended:
            before = {"secret": secret_id}
            await worker_events.changed(
                connection, environment_id, "secret ended", by, f"client:{client_id}", before=before
            )
