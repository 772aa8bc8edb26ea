"""Access tokens: opaque, random, kept as digests only, and checked without the database on the hot
path (RFC 6750).

A token can be ended at any time, which a signed one could not: disabling a client ends its tokens
in every process within five seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from almoner.access import moves
from almoner.access.opaque_tokens import digest, is_token, new_token
from almoner.access.policy import ALL, with_right
from almoner.database import Connection, Database
from almoner.errors import ApiError, problem
from almoner.vocabulary.fields import Shape

PREFIX: Final = "alm_"
TRUSTED_SECONDS: Final = (
    4.0  # how long an answer of the database is believed; with the time of a look, under five
)
REFUSED_SECONDS: Final = 1.0  # how long a token that is not valid is refused without another look
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, and what they may do: a valid token, as the rest of the server sees it.

    ``expires_at`` is in seconds since 1970, UTC. ``actor`` is what the change log and the audit
    trail call the caller. ``sandbox``: its requests may ask to go wrong. ``environment_key`` tells
    an environment from every other, of other databases too: it is the same after a restore or a
    move; blank for who has no token."""

    environment_id: int
    client_id: str
    shape: str
    scopes: frozenset[str]
    actor: str
    expires_at: float
    sandbox: bool = False
    environment_key: str = ""
    enveloped: bool = field(init=False)
    spelling: Shape = field(init=False)
    _everything: bool = field(init=False, repr=False)
    _readable: frozenset[str] = field(init=False, repr=False)
    _writable: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        keep = object.__setattr__
        keep(self, "enveloped", self.shape == "enveloped")
        keep(self, "spelling", Shape(self.shape))
        keep(self, "_everything", ALL in self.scopes)
        keep(self, "_readable", with_right(self.scopes, "read"))
        keep(self, "_writable", with_right(self.scopes, "write"))

    def can_read(self, collection: str) -> bool:
        return self._everything or collection in self._readable

    def can_write(self, collection: str) -> bool:
        return self._everything or collection in self._writable


# Old tokens are cleared away as new ones are made, a few at a time, and only a day after they
# ended.
_ISSUE = """
WITH cleared AS (
  DELETE FROM access_tokens WHERE environment_id = $1 AND digest IN (
    SELECT digest FROM access_tokens WHERE environment_id = $1
        AND expires_at < clock_timestamp() - interval '1 day'
    LIMIT 20 FOR UPDATE SKIP LOCKED)
)
INSERT INTO access_tokens (environment_id, digest, client_id, scope, expires_at, made_by)
SELECT environment_id, $3, id, $4, clock_timestamp() + $5 * interval '1 second', $6
FROM clients WHERE environment_id = $1 AND id = $2 AND disabled_at IS NULL
RETURNING true
"""
# The environment is what is asked for here. Times are compared by the database's clock alone.
_LOOK = """
SELECT t.environment_id, t.client_id::text, c.shape, t.scope, extract(epoch
    FROM t.expires_at)::float8,
  extract(epoch FROM t.expires_at - clock_timestamp())::float8, c.sandbox, e.state,
  encode(substr(sha256(convert_to(coalesce(e.chained_as, e.id) || ' '
    || extract(epoch FROM e.created_at), 'UTF8')), 1, 16), 'hex')
FROM access_tokens t JOIN clients c ON c.environment_id = t.environment_id AND c.id = t.client_id
JOIN environments e ON e.id = t.environment_id
WHERE t.digest = $1 AND t.expires_at > clock_timestamp() AND c.disabled_at IS NULL
"""


async def issue(
    connection: Connection,
    environment_id: int,
    client_id: str,
    scope: str,
    seconds: int,
    made_by: str = "",
) -> str | None:
    """A new access token of a client, valid for so many seconds; None where the client is not there
    or disabled.

    ``scope`` is what the token covers, scopes separated by spaces; that it was granted is for the
    caller to see to. ``made_by`` is the actor whom it is shown to; blank where the program fetches
    it."""
    token = new_token(PREFIX)
    is_current = await connection.fetchval(
        _ISSUE, environment_id, client_id, digest(token), scope, float(seconds), made_by
    )
    return token if is_current else None


def invalid_token() -> ApiError:
    """The 401 of a token that is not valid (RFC 6750, section 3.1)."""
    detail = "The access token is not valid, or no longer. Fetch a new one from POST /v1/token."
    return problem(
        "unauthorized",
        detail,
        {"WWW-Authenticate": 'Bearer realm="almoner", error="invalid_token"'},
    )


class Tokens:
    """The valid tokens that this process has lately seen.

    ``clock`` counts seconds and only goes forward. At most ``capacity`` tokens are kept, those that
    were looked up last."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.monotonic,
        capacity: int = 10_000,
    ) -> None:
        self._database = database
        self._clock = clock
        self._capacity = capacity
        self._valid: dict[str, tuple[float, Access]] = {}
        self._refused: dict[str, float] = {}
        self._looks: dict[str, asyncio.Task[Access | None]] = {}

    def cached(self, token: str) -> Access | None:
        """What is known of the token without asking anybody; None where ``load`` has to tell."""
        entry = self._valid.get(token)
        if entry is not None and self._clock() < entry[0]:
            return entry[1]
        return None

    async def load(self, token: str) -> Access:
        """What the database says of the token. Requests that ask for the same token at once share
        one look.

        Raises ApiError: 401 where it is not valid, 503 where the database is away or the
        environment has moved.
        """
        if not is_token(token, PREFIX) or self._clock() < self._refused.get(token, 0.0):
            raise invalid_token()
        self._database.guard_second()
        look = self._looks.get(token)
        if look is None:
            look = asyncio.create_task(self._look(token))
            self._looks[token] = look
            look.add_done_callback(lambda done: self._looked(token, done))
        # The look belongs to all who wait for it: one of them hanging up must not end it for the
        # others.
        access = await asyncio.shield(look)
        if access is None:
            raise invalid_token()
        return access

    def _looked(self, token: str, look: asyncio.Task[Access | None]) -> None:
        del self._looks[token]
        if not look.cancelled():
            look.exception()

    async def _look(self, token: str) -> Access | None:
        # Taken before the look: what was true then may have ended by the time the answer is here.
        began = self._clock()
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_LOOK, digest(token))
        if row is None:
            self._valid.pop(token, None)
            _keep(self._refused, token, began + REFUSED_SECONDS, self._capacity)
            return None
        environment_id, client_id, shape, scope, expires_at, remaining, sandbox, state, key = row
        moves.check_readable(state)
        access = Access(
            environment_id=environment_id,
            client_id=client_id,
            shape=shape,
            scopes=frozenset(scope.split()),
            actor=f"client:{client_id}",
            expires_at=expires_at,
            sandbox=sandbox,
            environment_key=key,
        )
        _keep(self._valid, token, (began + min(remaining, TRUSTED_SECONDS), access), self._capacity)
        return access


def _keep(cache: dict[str, T], key: str, value: T, capacity: int) -> None:
    cache.pop(key, None)
    cache[key] = value
    if len(cache) > capacity:
        del cache[next(iter(cache))]
