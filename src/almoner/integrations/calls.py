"""What a partner sent, so that it counts once however often it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from almoner.database import Connection

# Calls are known again for so long.
_TAKE: Final = """
WITH cleared AS (
  DELETE FROM integration_calls WHERE environment_id = $1 AND name = $2
  AND received_at < clock_timestamp() - interval '7 days'
)
INSERT INTO integration_calls AS c (environment_id, name, digest, job_id, content, answer)
    VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment_id, name, digest) DO UPDATE SET job_id = excluded.job_id,
    content = excluded.content, answer = excluded.answer, received_at = excluded.received_at
"""
_TAKEN: Final = """
SELECT job_id::text, content, answer FROM integration_calls
WHERE environment_id = $1 AND name = $2 AND digest = $3
"""
_LATEST: Final = """
SELECT job_id::text, received_at FROM integration_calls
WHERE environment_id = $1 AND name = $2 ORDER BY received_at DESC LIMIT $3
"""
# Of calls that come at once, the later ones wait for the first.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($2, $1::int))"


async def taken(
    connection: Connection, environment_id: int, name: str, digest: bytes
) -> Mapping[str, Any] | None:
    """The call of an integration that is known by this digest: ``job_id``, and ``content`` and
    ``answer`` as they were given; None where there was none.

    Until the transaction ends, whoever asks for the same one waits.
    """
    await connection.execute(_LOCK, environment_id, f"call {name} {digest.hex()}")
    row: Mapping[str, Any] | None = await connection.fetchrow(_TAKEN, environment_id, name, digest)
    return row


async def take(
    connection: Connection,
    environment_id: int,
    name: str,
    digest: bytes,
    job_id: str,
    content: bytes | None = None,
    answer: bytes | None = None,
) -> None:
    """Notes the call that began a job; ``content`` tells whether it came as it was, ``answer`` is
    what it was answered with.
    """
    await connection.execute(_TAKE, environment_id, name, digest, job_id, content, answer)


async def latest(
    connection: Connection, environment_id: int, name: str, most: int
) -> Sequence[Mapping[str, Any]]:
    """The latest of what a partner sent: ``job_id`` that it began, and ``received_at`` (UTC)."""
    rows: Sequence[Mapping[str, Any]] = await connection.fetch(_LATEST, environment_id, name, most)
    return rows
