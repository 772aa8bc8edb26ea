"""Who gave, changed or ended access, the newest first: what it was, what it is, and who did it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from almoner.access import worker_events
from almoner.access.actors import name_sql
from almoner.access.worker_events import WorkerEvent
from almoner.pages import parsing
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit

_PATH: Final = "/admin/access"
_SIZE: Final = 50
# What people call an actor, or the object of an event; what has no name of its own is itself.
_NAMES: Final = f"""
SELECT actor, coalesce((SELECT name FROM subscriptions
  WHERE environment_id = $1 AND 'webhook:' || id::text = actor), {name_sql("actor")})
FROM unnest($2::text[]) AS actor
"""


@dataclass(frozen=True)
class EventRow:
    """An event in words. ``about`` names what it is about; ``differs`` has what it was and is, by
    its name.
    """

    event: WorkerEvent
    who: str
    about: str
    differs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class AccessPage:
    """The page. ``older`` is the id of the event that the next page begins before, None on the
    last.
    """

    rows: tuple[EventRow, ...]
    older: int | None
    only_access: bool


async def show(visit: Visit) -> Response:
    before, only_access = parsing.whole(visit.query("before"), 1), visit.query("show") != "all"
    owner = visit.environment_id
    async with visit.connection() as connection:
        events = await worker_events.list_events(
            connection, owner, None, before, _SIZE + 1, only_access=only_access
        )
        ids = {name for event in events for name in (event.actor, _about(event))}
        names = dict(await connection.fetch(_NAMES, owner, list(ids)))
    rows = tuple(_row(visit, event, names) for event in events[:_SIZE])
    older = rows[-1].event.id if len(events) > _SIZE else None
    return visit.page("portal/admin_access/access.html", AccessPage(rows, older, only_access))


def _about(event: WorkerEvent) -> str:
    return event.object or (f"worker:{event.worker_id}" if event.worker_id else "")


def _row(visit: Visit, event: WorkerEvent, names: Mapping[str, str]) -> EventRow:
    is_operator = event.actor == worker_events.OPERATOR
    who = "Whoever runs the server" if is_operator else names[event.actor]
    who = "You" if event.actor == visit.by.actor else who
    before, after = event.before or {}, event.after or {}
    kind, _, key = event.object.partition(":")
    name = names[_about(event)]
    if name == event.object:
        name = after.get("name") or before.get("name") or key
    return EventRow(event, who, f"{kind} {name}".strip(), tuple(_differs(before, after)))


def _differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys((*before, *after))
    return [
        (name.replace("_", " "), _words(before.get(name)), _words(after.get(name)))
        for name in names
    ]


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(
            f"{name.replace('_', ' ')}: {_words(inside)}" for name, inside in value.items()
        )
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


ROUTES: Final = (PageRoute(_PATH, show, may="administer"),)
