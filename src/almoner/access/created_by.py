"""What a worker made that goes on by itself: to be ended, or looked at by somebody else, once the
worker is disabled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.access import worker_events
from almoner.access.worker_events import By
from almoner.database import Connection

_END_TOKENS: Final = """
DELETE FROM access_tokens WHERE environment_id = $1 AND made_by = $2
    AND expires_at > clock_timestamp()
"""
# Once a secret was ended, or a webhook saved by somebody else, the worker has no part in it any
# more.
_ALL: Final = """
SELECT 'client' AS kind, c.id::text AS id, c.name, s.made_by FROM clients c
JOIN client_secrets s ON s.environment_id = c.environment_id AND s.client_id = c.id
    AND s.revoked_at IS NULL
WHERE c.environment_id = $1 AND c.disabled_at IS NULL
UNION SELECT 'webhook', id::text, name, made_by FROM subscriptions WHERE environment_id = $1
"""
_OF_WORKER: Final = (
    f"SELECT kind, id, name FROM ({_ALL}) f WHERE made_by = $2 ORDER BY kind, name, id"
)
_OF_DISABLED: Final = f"""
SELECT a.worker_id::text, count(*) FROM ({_ALL}) f JOIN worker_accounts a ON a.environment_id = $1
  AND f.made_by = 'worker:' || a.worker_id::text
WHERE a.disabled_at IS NOT NULL GROUP BY a.worker_id
"""


@dataclass(frozen=True, slots=True)
class CreatedAccess:
    """A ``client`` of which the worker was shown a secret that works, or a ``webhook`` that they
    said the way of.
    """

    kind: str
    id: str
    name: str


async def end_tokens(connection: Connection, environment_id: int, worker_id: str, by: By) -> int:
    """Ends every token that was shown to this worker, in every process within five seconds; returns
    how many.
    """
    async with connection.transaction():
        ended = int(
            (await connection.execute(_END_TOKENS, environment_id, f"worker:{worker_id}")).split()[
                -1
            ]
        )
        if ended:
            detail = f"{ended} that they had made"
            await worker_events.record(
                connection,
                environment_id,
                worker_id=worker_id,
                event="tokens ended",
                by=by,
                detail=detail,
            )
    return ended


async def of_worker(
    connection: Connection, environment_id: int, worker_id: str
) -> list[CreatedAccess]:
    """What a worker made that works still, clients first."""
    return [
        CreatedAccess(*row)
        for row in await connection.fetch(_OF_WORKER, environment_id, f"worker:{worker_id}")
    ]


async def of_disabled(connection: Connection, environment_id: int) -> dict[str, int]:
    """How much of that there is of each disabled worker who has any, by the worker's id."""
    return dict(await connection.fetch(_OF_DISABLED, environment_id))
