"""A worker's calendar as a feed for other calendars: its secret address, and what is read from there."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from almoner.access import worker_events
from almoner.access.worker_events import By
from almoner.data_api import conditions
from almoner.data_api.store import Actor
from almoner.database import Connection
from almoner.definitions import Program
from almoner.errors import problem
from almoner.pages.reads import Part, packed
from almoner.pages.security import HEADERS
from almoner.pages.visit import Visit
from almoner.pages.words import initials
from almoner.portal import sight
from almoner.portal.calendar import ics
from almoner.portal.calendar.diary import MODALITIES
from almoner.portal.calendar.ics import Entry

FOLDER: Final = "portal/calendar"
PAST_DAYS: Final = 30
FUTURE_DAYS: Final = 180
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")

_FEED: Final = "SELECT whole_names, created_at FROM calendar_feeds WHERE environment_id = $1 AND worker_id = $2"
_END: Final = "DELETE FROM calendar_feeds WHERE environment_id = $1 AND worker_id = $2 RETURNING true"
_MAKE: Final = "INSERT INTO calendar_feeds (environment_id, digest, worker_id, whole_names) VALUES ($1, $2, $3, $4)"
_LOCK: Final = "SELECT 1 FROM workers WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE"
# The environment is what is asked for here: the address alone says whose it is.
_LOOK = """
SELECT f.environment_id, f.worker_id::text, f.whole_names, w.first_name, w.last_name, c.id::text AS calendar_id, a.roles
FROM calendar_feeds f
JOIN worker_accounts a ON a.environment_id = f.environment_id AND a.worker_id = f.worker_id
JOIN workers w ON w.environment_id = f.environment_id AND w.id = f.worker_id
JOIN calendars c ON c.environment_id = f.environment_id AND c.worker_id = f.worker_id
WHERE f.digest = $1 AND a.disabled_at IS NULL
"""
_ENTRIES = f"""
SELECT e.id::text, e.start_time, e.end_time, e.day, e.outcome, e.modality, e.appointment_type, e.created_at, e.updated_at,
  p.id::text AS patient_id, p.first_name, p.last_name
FROM (
  SELECT * FROM calendar_events WHERE environment_id = $1 AND calendar_id = $3
    AND start_time >= now() - interval '{PAST_DAYS} days' AND start_time < now() + interval '{FUTURE_DAYS} days'
  UNION ALL
  SELECT * FROM calendar_events WHERE environment_id = $1 AND calendar_id = $3
    AND day >= current_date - {PAST_DAYS} AND day < current_date + {FUTURE_DAYS}
) e
LEFT JOIN patients p ON p.environment_id = $1 AND p.id = e.user_id AND {sight.OF_WORKER}
ORDER BY coalesce(e.start_time, e.day), e.id
"""


@dataclass(frozen=True)
class FeedPage:
    """The feed of the visitor. ``made_at`` is None where there is none; ``address`` is told once, after it was made."""

    made_at: datetime | None
    whole_names: bool
    address: str
    ended: bool
    past_days: int = PAST_DAYS
    future_days: int = FUTURE_DAYS


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        page = await _page(visit, connection, "")
    return visit.page(f"{FOLDER}/feed.html", page)


async def change(visit: Visit) -> Response:
    """Makes a new address (an older one ends with it), or ends the feed (``do``)."""
    form = await visit.form()
    by = By.worker(visit.worker.worker_id, visit.request_id)
    who = (visit.environment_id, visit.worker.worker_id)
    token = secrets.token_urlsafe(32)
    async with visit.parts.database.transaction() as connection:
        # One at a time, so that a worker never has two.
        await connection.execute(_LOCK, *who)
        ended = await connection.fetchval(_END, *who)
        if form.text("do") == "end":
            if ended:
                await worker_events.record(connection, *who, "calendar feed ended", by)
            return visit.go("/calendar/feed?done=ended")
        await connection.execute(_MAKE, visit.environment_id, _digest(token), visit.worker.worker_id, form.truth("whole_names"))
        said = "whole names" if form.truth("whole_names") else "initials"
        await worker_events.record(connection, *who, "calendar feed made", by, said)
        page = await _page(visit, connection, f"{visit.parts.url}/calendar/feed/{token}.ics")
    return visit.page(f"{FOLDER}/feed.html", page)


async def feed(visit: Visit) -> Response:
    """The feed of whoever's address this is. What it may tell is asked anew each time: roles change, accounts are disabled."""
    token = visit.path("token")
    async with visit.parts.database.connection() as connection:
        row = await connection.fetchrow(_LOOK, _digest(token)) if _FORM.fullmatch(token) else None
        program = await visit.parts.programs.of(row["environment_id"]) if row else Program()
        rights = program.rights(row["roles"]) if row else None
        if row is None or rights is None or "give_care" not in rights.may:
            raise problem("not_found", "This calendar address is not good any more. Make a new one in Almoner, under Calendar.")
        only = None if rights.all_patients else row["worker_id"]
        rows = await connection.fetch(_ENTRIES, row["environment_id"], only, row["calendar_id"])
    # Nobody has signed in here: the read is noted as the worker's, whose address it is.
    reader = Actor(row["environment_id"], f"worker:{row['worker_id']}", "portal", visit.request_id)
    entries = (_entry(one, program, row["whole_names"], visit.parts.url) for one in rows)
    body = ics.calendar(f"{row['first_name']} {row['last_name']}, Almoner", entries).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Content-Disposition": 'inline; filename="almoner.ics"'}
    told = packed(row["patient_id"] for row in rows if row["patient_id"])
    answer = visit.file(Part(body, told, "calendar_events"), headers, "text/calendar; charset=utf-8", reader, "feed")
    if conditions.names(visit.request.headers.get("if-none-match", "").encode("latin-1"), tag.encode()):
        return Response(status_code=304, headers={**HEADERS, **headers})
    return answer


def _entry(row: Any, program: Program, whole_names: bool, url: str) -> Entry:
    visible = row["patient_id"] is not None
    title = program.titles.get(("appointment_types", row["appointment_type"]), row["appointment_type"])
    names = (row["first_name"], row["last_name"])
    whose = " ".join(names) if visible and whole_names else initials(*names) if visible else ""
    how = MODALITIES.get(row["modality"], row["modality"])
    ended = f", {row['outcome']}" if row["outcome"] else ""
    return Entry(
        row["id"],
        row["day"] or (row["start_time"], row["end_time"]),
        f"{whose} · {title}" if visible else "Busy",
        f"{title}, {how}{ended}" if visible else "",
        f"{url}/calendar/events/{row['id']}" if visible else "",
        row["outcome"] == "cancelled",
        row["created_at"],
        row["updated_at"],
    )


async def _page(visit: Visit, connection: Connection, address: str) -> FeedPage:
    row = await connection.fetchrow(_FEED, visit.environment_id, visit.worker.worker_id)
    ended = visit.query("done") == "ended" and row is None
    return FeedPage(row and row["created_at"], bool(row and row["whole_names"]), address, ended)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
