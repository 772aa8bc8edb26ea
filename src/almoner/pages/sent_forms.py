"""A form is taken once, however often it is sent: a double click, a second press on a slow line, a
page that was gone back to.

Each form carries a token that was made when it was drawn. What comes with the same token, to the
same address and with the same content is the same form sent again: it is answered with what came of
the first one, and nothing is done a second time."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from almoner.database import Database
from almoner.errors import UnavailableError, unavailable

# The name of the hidden field.
TOKEN: Final = "form_token"  # noqa: S105  # a name
# How long the second of two waits for what comes of the first, in seconds.
PATIENCE: Final = 20.0
_POLL_SECONDS: Final = 0.05
# After so long without an end, the process that took a form is gone, and what came of it is not
# known.
_GONE_SECONDS: Final = 60.0
_NOT_KNOWN_YET: Final = (
    "This was sent before, and what came of it is not known yet. Look before you repeat it."
)

# One statement: forgets what this worker sent more than a day ago, and takes the form where nobody
# has.
_CLAIM = """
WITH forgotten AS (
  DELETE FROM sent_forms WHERE environment_id = $1 AND worker_id = $2
      AND sent_at < clock_timestamp() - interval '1 day'
)
INSERT INTO sent_forms AS known (environment_id, worker_id, digest) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, worker_id, digest) DO UPDATE SET sent_at = clock_timestamp()
WHERE known.status IS NULL AND known.sent_at < clock_timestamp() - make_interval(secs => $4)
RETURNING true
"""
_READ = (
    "SELECT status, location FROM sent_forms WHERE environment_id = $1 AND worker_id = $2 AND"
    " digest = $3"
)
_SETTLE = (
    "UPDATE sent_forms SET status = $4, location = $5 WHERE environment_id = $1 AND worker_id = $2"
    " AND digest = $3"
)
_RELEASE = (
    "DELETE FROM sent_forms WHERE environment_id = $1 AND worker_id = $2 AND digest = $3 AND status"
    " IS NULL"
)


def new_token() -> str:
    """The token of a form that is being drawn."""
    return secrets.token_urlsafe(12)


@dataclass(frozen=True)
class SentForm:
    """A form as it was sent: by whom, and a digest of its token, its address and its content."""

    environment_id: int
    worker_id: str
    digest: bytes

    @classmethod
    def of(
        cls,
        environment_id: int,
        worker_id: str,
        token: str,
        address: str,
        content: tuple[tuple[str, str], ...],
    ) -> SentForm:
        """``content`` is what was typed: the fields without those that keep the form itself
        safe.
        """
        parts = [token, address, *(part for pair in content for part in pair)]
        # Each part with its length before it, so that no two forms give the same bytes.
        identity = b"".join(
            b"%d:%b" % (len(encoded), encoded) for encoded in (part.encode() for part in parts)
        )
        return cls(environment_id, worker_id, hashlib.sha256(identity).digest())


@dataclass(frozen=True)
class SentOutcome:
    """What came of a form that was sent before: the status of its answer and, for a redirect, where
    it led (else empty).

    ``waited``: it was still under way when this one came.
    """

    status: int
    location: str
    waited: bool


class SentForms:
    """The forms that were sent to this server, whichever of its processes took them."""

    def __init__(self, database: Database, patience: float = PATIENCE) -> None:
        self._database = database
        self._patience = patience

    async def claim(self, form: SentForm) -> SentOutcome | None:
        """Takes a form: None where this is the first time, else what came of the first time.

        Waits, holding no connection, while the first is under way. Raises UnavailableError where
        that takes too long, or the database is away."""
        key = (form.environment_id, form.worker_id, form.digest)
        until = time.monotonic() + self._patience
        waited = False
        while True:
            async with self._database.connection() as connection:
                if await connection.fetchval(_CLAIM, *key, _GONE_SECONDS):
                    return None
                row = await connection.fetchrow(_READ, *key)
            if row is not None and row["status"] is not None:
                return SentOutcome(row["status"], row["location"], waited)
            if time.monotonic() > until:
                raise unavailable(_NOT_KNOWN_YET, outcome="unknown")
            waited = True
            await asyncio.sleep(_POLL_SECONDS)

    async def settle(self, form: SentForm, status: int, location: str) -> None:
        """Writes down what came of a form. What was done stays done where this cannot be
        written.
        """
        with suppress(UnavailableError):
            async with self._database.connection() as connection:
                await connection.execute(
                    _SETTLE, form.environment_id, form.worker_id, form.digest, status, location
                )

    async def release(self, form: SentForm) -> None:
        """Gives a form back that was refused, so that it can be sent again as it is."""
        with suppress(UnavailableError):
            async with self._database.connection() as connection:
                await connection.execute(_RELEASE, form.environment_id, form.worker_id, form.digest)
