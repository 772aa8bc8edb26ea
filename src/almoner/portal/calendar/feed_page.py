"""A worker's calendar as a feed for other calendars: its secret address, and what is read from
there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from almoner.access import calendar_feeds
from almoner.access.calendar_feeds import Feed
from almoner.data_api import conditions
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.answer_audit import FilePart, packed
from almoner.pages.filters import initials
from almoner.pages.security import HEADERS
from almoner.pages.sign_in.sign_in_cookies import caller
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.portal.calendar import ics
from almoner.portal.calendar.ics import IcsEvent
from almoner.portal.calendar.queries import MODALITIES
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.names import full_name

FOLDER: Final = "portal/calendar"
PAST_DAYS: Final = 30
FUTURE_DAYS: Final = 180
_FRESH: Final = timedelta(minutes=10)
_NOT_RIGHT: Final = (
    "This is not your password, or it is not looked at for some minutes after several failures. "
    "Without a password, sign out and in again, then make the address."
)
_ENTRIES = f"""
SELECT e.id::text, e.start_time, e.end_time, e.day, e.outcome, e.modality, e.appointment_type,
    e.created_at, e.updated_at,
  p.id::text AS patient_id, p.first_name, p.last_name
FROM (
  SELECT * FROM calendar_events WHERE environment_id = $1 AND calendar_id = $3
    AND start_time >= now() - interval '{PAST_DAYS} days'
        AND start_time < now() + interval '{FUTURE_DAYS} days'
  UNION ALL
  SELECT * FROM calendar_events WHERE environment_id = $1 AND calendar_id = $3
    AND day >= current_date - {PAST_DAYS} AND day < current_date + {FUTURE_DAYS}
) e
LEFT JOIN patients p ON p.environment_id = $1 AND p.id = e.user_id AND {patient_access.OF_WORKER}
ORDER BY coalesce(e.start_time, e.day), e.id
"""


@dataclass(frozen=True, kw_only=True)
class CalendarFeedPage:
    """The feed of the visitor, None where there is none; ``address`` is told once, after it was
    made.

    ``asks_password``: the session is not fresh, so that the password is asked for before an address
    is made."""

    feed: Feed | None
    address: str
    ended: bool
    asks_password: bool
    errors: Mapping[str, str]
    days: int = calendar_feeds.DAYS
    past_days: int = PAST_DAYS
    future_days: int = FUTURE_DAYS


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        page = await _page(visit, connection)
    return visit.page(f"{FOLDER}/feed.html", page)


async def change(visit: Visit) -> Response:
    """Makes a new address (an older one ends with it), lets the one there is go on for a year, or
    ends it (``do``).
    """
    form = await visit.form()
    who = (visit.environment_id, visit.worker.worker_id)
    if form.text("do") == "end":
        async with visit.connection() as connection:
            await calendar_feeds.end(connection, *who, visit.by)
        return visit.go("/calendar/feed?done=ended")
    if not _is_fresh(visit) and not await visit.parts.sign_in.knows_password(
        visit.worker, form.text("password"), caller(visit)
    ):
        async with visit.connection() as connection:
            page = await _page(visit, connection, errors={"password": _NOT_RIGHT})
        return visit.page(f"{FOLDER}/feed.html", page, 403)
    async with visit.connection() as connection:
        if form.text("do") == "renew":
            await calendar_feeds.renew(connection, *who, visit.by)
            return visit.go("/calendar/feed")
        token = await calendar_feeds.make(connection, *who, form.truth("whole_names"), visit.by)
        page = await _page(visit, connection, f"{visit.parts.url}/calendar/feed/{token}.ics")
    return visit.page(f"{FOLDER}/feed.html", page)


def _is_fresh(visit: Visit) -> bool:
    """Whether the visitor has signed in a moment ago: nobody else sits at the desk yet."""
    return datetime.now(UTC) - visit.worker.created_at < _FRESH


async def feed(visit: Visit) -> Response:
    """The feed of whoever's address this is. What it may tell is asked anew each time: roles
    change, accounts are disabled.
    """
    async with visit.connection() as connection:
        row = await calendar_feeds.look(connection, visit.path("token"))
        program = (
            await visit.parts.programs.within(connection).of(row["environment_id"])
            if row
            else Program()
        )
        rights = program.rights(row["roles"]) if row else None
        if row is None or rights is None or "give_care" not in rights.may:
            raise problem(
                "not_found",
                "This calendar address is not good any more. Make a new one in Almoner, under"
                " Calendar.",
            )
        only = None if rights.all_patients else row["worker_id"]
        rows = await connection.fetch(_ENTRIES, row["environment_id"], only, row["calendar_id"])
    # Nobody has signed in here: the read is noted as the worker's, whose address it is.
    reader = Actor(row["environment_id"], f"worker:{row['worker_id']}", "portal", visit.request_id)
    entries = (_entry(entry, program, row["whole_names"], visit.parts.url) for entry in rows)
    body = ics.calendar(
        f"{full_name(row['first_name'], row['last_name'])}, Almoner", entries
    ).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Content-Disposition": 'inline; filename="almoner.ics"'}
    patients = packed(row["patient_id"] for row in rows if row["patient_id"])
    answer = visit.file(
        FilePart(body, patients, "calendar_events"),
        headers,
        "text/calendar; charset=utf-8",
        reader,
        "feed",
    )
    if conditions.names(
        visit.request.headers.get("if-none-match", "").encode("latin-1"), tag.encode()
    ):
        return Response(status_code=304, headers={**HEADERS, **headers})
    return answer


def _entry(row: Any, program: Program, whole_names: bool, url: str) -> IcsEvent:
    visible = row["patient_id"] is not None
    title = program.title("appointment_types", row["appointment_type"])
    names = (row["first_name"], row["last_name"])
    whose = " ".join(names) if visible and whole_names else initials(*names) if visible else ""
    how = MODALITIES.get(row["modality"], row["modality"])
    ended = f", {row['outcome']}" if row["outcome"] else ""
    return IcsEvent(
        uid=row["id"],
        when=row["day"] or (row["start_time"], row["end_time"]),
        summary=f"{whose} · {title}" if visible else "Busy",
        description=f"{title}, {how}{ended}" if visible else "",
        url=f"{url}/calendar/events/{row['id']}" if visible else "",
        cancelled=row["outcome"] == "cancelled",
        created_at=row["created_at"],
        changed_at=row["updated_at"],
    )


async def _page(
    visit: Visit, connection: Connection, address: str = "", errors: Mapping[str, str] | None = None
) -> CalendarFeedPage:
    feed = await calendar_feeds.find(connection, visit.environment_id, visit.worker.worker_id)
    ended = visit.query("done") == "ended" and feed is None
    return CalendarFeedPage(
        feed=feed,
        address=address,
        ended=ended,
        asks_password=not _is_fresh(visit),
        errors=errors or {},
    )
