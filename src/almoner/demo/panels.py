"""The view of the panel that a coach of the demo shares: whose mood is low, and what of theirs is
late.
"""

from __future__ import annotations

import json
import uuid
from typing import Final

from almoner.database import Connection

_TITLE: Final = "Mood to look after"
# As portal/panel/panel_view.py saves one; its tests look at this one.
_VIEW: Final = {
    "columns": ["phase", "score.mood_check", "last_contact", "next", "due", "coach"],
    "sort": "score.mood_check",
    "descends": True,
    "every": [{"column": "score.mood_check", "test": "least", "value": "3"}],
    "some": [],
}
_SHARE: Final = """
INSERT INTO panel_views (environment_id, id, worker_id, title, shared_at, view)
VALUES ($1, $2, $3, $4, clock_timestamp(), $5::json) ON CONFLICT DO NOTHING
"""


async def share(connection: Connection, environment_id: int, worker_id: str) -> None:
    """Shares the view, once."""
    view_id = str(uuid.uuid5(uuid.UUID(worker_id), _TITLE))
    await connection.execute(_SHARE, environment_id, view_id, worker_id, _TITLE, json.dumps(_VIEW))
