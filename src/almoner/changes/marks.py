"""Marks in the change log: what tells readers, who ask behind a position, that nothing there was
written before a moment, so that they leave out the parts of earlier months (decision 96).
"""

from __future__ import annotations

from typing import Final

from almoner.database import Connection

# From the tick on, whoever takes an id later stamps later. The mark's own id is taken once it has
# ended, so that nobody has a later one and an earlier stamp: where both would be one transaction
# there is none.
_TICK: Final = "SELECT almoner_tick()"
_NOTE: Final = """
INSERT INTO change_marks (epoch, xid, at)
SELECT epoch, pg_current_xact_id()::text::bigint, $1::timestamptz
FROM (SELECT almoner_epoch() OFFSET 0) AS now (epoch)
WHERE pg_current_xact_id_if_assigned() IS NULL AND NOT EXISTS (SELECT FROM change_marks m
  WHERE m.epoch = now.epoch AND m.at > $1::timestamptz - interval '1 day')
"""


async def note(connection: Connection) -> None:
    """Notes a mark where the epoch has none of the last day; nothing within a transaction."""
    await connection.execute(_NOTE, await connection.fetchval(_TICK))
