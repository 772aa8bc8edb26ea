"""Who gave, changed or ended access, the newest first: what it was, what it is, and who did it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.responses import Response

from almoner.access import worker_events
from almoner.access.actors import name_sql
from almoner.access.worker_events import WorkerEvent
from almoner.pages import parsing
from almoner.pages.filters import zone_in_words
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.admin_access import wording
from almoner.portal.admin_access.filters import KIND_OPTIONS, PATH, AccessFilters, filters
from almoner.portal.admin_audit.filters import actors

_SIZE: Final = 50
# What people call an actor, or the object of an event; what has no name of its own is itself.
_NAMES: Final = f"""
SELECT actor, coalesce((SELECT name FROM subscriptions
  WHERE environment_id = $1 AND 'webhook:' || id::text = actor), {name_sql("actor")})
FROM unnest($2::text[]) AS actor
"""


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """An event in words: who did it, the words before and after what it is ``about``, and what it
    was and is, by its name. ``noted`` is the event as it is stored, for whoever has to see that.
    """

    event: WorkerEvent
    who: str
    words: tuple[str, str]
    about: str
    detail: str
    differs: tuple[tuple[str, str, str], ...]
    noted: str


@dataclass(frozen=True, kw_only=True)
class AccessPage:
    """The page. ``older`` is the id of the event that the next page begins before, None on the
    last. ``actors`` are workers and programs, ``workers`` those with an account.
    """

    filters: AccessFilters
    actors: Sequence[tuple[str, str]]
    workers: Sequence[tuple[str, str]]
    rows: Sequence[EventRow]
    older: int | None
    zone: str
    kinds: Sequence[tuple[str, str]] = KIND_OPTIONS


async def show(visit: Visit) -> Response:
    asked = filters(visit.query, visit.worker.timezone)
    before, owner = parsing.whole(visit.query("before"), 1), visit.environment_id
    async with visit.connection() as connection:
        events = (
            []
            if asked.errors
            else await worker_events.search_events(
                connection, owner, asked.search, before, _SIZE + 1
            )
        )
        ids = {name for event in events for name in (event.actor, _about(event))}
        names = dict(await connection.fetch(_NAMES, owner, list(ids)))
        known = await actors(connection, owner)
    rows = [_row(visit, event, names) for event in events[:_SIZE]]
    page = AccessPage(
        filters=asked,
        actors=[*known.workers, *known.clients],
        workers=[(actor.removeprefix("worker:"), name) for actor, name in known.workers],
        rows=rows,
        older=rows[-1].event.id if len(events) > _SIZE else None,
        zone=zone_in_words(visit.worker.timezone),
    )
    return visit.page("portal/admin_access/access.html", page, 400 if asked.errors else 200)


def _about(event: WorkerEvent) -> str:
    return event.object or (f"worker:{event.worker_id}" if event.worker_id else "")


def _row(visit: Visit, event: WorkerEvent, names: Mapping[str, str]) -> EventRow:
    is_own = event.actor == visit.by.actor
    first, blank, last = wording.sentence(event.event).partition("{}")
    before, after = event.before or {}, event.after or {}
    about = _name(event, names)
    if _about(event) == event.actor:
        about = "your own account" if is_own else "their own account"
    who = "Whoever runs the server" if event.actor == worker_events.OPERATOR else names[event.actor]
    return EventRow(
        event=event,
        who="You" if is_own else who,
        words=(first, last),
        about=about if blank else "",
        detail=wording.details(event, visit.program),
        differs=wording.differences(before, _but_name(after, about), visit.program),
        noted=msgspec.json.format(msgspec.json.encode(event.as_json())).decode(),
    )


def _but_name(after: Mapping[str, Any], about: str) -> Mapping[str, Any]:
    """What it is, without the name that the sentence has already."""
    return {key: value for key, value in after.items() if key != "name" or value != about}


def _name(event: WorkerEvent, names: Mapping[str, str]) -> str:
    """What people call what an event is about."""
    name = names[_about(event)]
    if name != event.object:
        return name
    _, _, key = event.object.partition(":")
    return str((event.after or {}).get("name") or (event.before or {}).get("name") or key)


ROUTES: Final = (PageRoute(PATH, show, may="administer"),)
