"""Noting that messages were read: at the messages themselves, beside what the contract knows of
them, so that it changes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.resources.messages import UNREAD

# In one order, so that two who read the same conversation wait for each other, and not both for
# ever.
_READ: Final = f"""
WITH unread AS (
  SELECT id FROM messages WHERE environment_id = $1 AND conversation_id = $2 AND {UNREAD}
    AND coalesce(id = ANY ($4::uuid[]), true) AND coalesce(send_time <= $5::timestamptz, true)
  ORDER BY id FOR NO KEY UPDATE
)
UPDATE messages m SET read_at = now(), read_by = $3 FROM unread
WHERE m.environment_id = $1 AND m.id = unread.id RETURNING m.read_at
"""
_UNREAD: Final = """
UPDATE messages SET read_at = NULL, read_by = NULL
WHERE environment_id = $1 AND conversation_id = $2 AND read_by = $3 AND read_at = $4
"""


async def note(
    connection: Connection,
    by: Actor,
    conversation_id: str,
    ids: Sequence[str] | None = None,
    until: datetime | None = None,
) -> datetime | None:
    """Notes what came in in a conversation as read: the messages of these ids, or those up to a
    moment; None for all.

    What was read already stays as who read it first left it. Returns what ``take_back`` takes back,
    None where that is nothing."""
    rows = await connection.fetch(_READ, by.environment_id, conversation_id, by.actor, ids, until)
    return rows[0]["read_at"] if rows else None


async def take_back(
    connection: Connection, by: Actor, conversation_id: str, read_at: datetime
) -> None:
    """Makes unread again what the same actor noted at that moment."""
    await connection.execute(_UNREAD, by.environment_id, conversation_id, by.actor, read_at)
