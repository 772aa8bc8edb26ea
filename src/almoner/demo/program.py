"""The program of the demo's environment."""

from __future__ import annotations

from typing import Final

from almoner.database import Connection
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish

_PUBLISHER: Final = "demo"
_NEWEST: Final = """
SELECT published_by FROM programs WHERE environment_id = $1 ORDER BY version DESC LIMIT 1
"""


async def publish_unless_changed(connection: Connection, environment_id: int) -> None:
    """Publishes the demo's program as this release has it. Where somebody else has published since,
    theirs stays: it is what they try out.
    """
    newest = await connection.fetchval(_NEWEST, environment_id)
    if newest in (None, _PUBLISHER):
        await publish(connection, environment_id, kiwi_health.source(), _PUBLISHER)
