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
from almoner.portal.admin.navigation import AdminPlace, places
from almoner.vocabulary.names import full_name_sql

_PATH: Final = "/admin/access"
_SIZE: Final = 50
# Names by actor; of an object that is a client or a webhook, that of the thing itself.
_NAMES: Final = f"SELECT given, {name_sql('given')} FROM unnest($2::text[]) AS given"
_WORKERS: Final = f"SELECT id::text, {full_name_sql()} FROM workers WHERE environment_id = $1 AND id = ANY ($2::uuid[])"
_OBJECTS: Final = """
SELECT 'client:' || id::text, name FROM clients WHERE environment_id = $1 AND 'client:' || id::text = ANY ($2::text[])
UNION ALL
SELECT 'webhook:' || id::text, name FROM subscriptions WHERE environment_id = $1 AND 'webhook:' || id::text = ANY ($2::text[])
"""


@dataclass(frozen=True)
class EventRow:
    """An event in words. ``about`` names what it is about; ``differs`` has what it was and is, by its name."""

    event: WorkerEvent
    who: str
    about: str
    differs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class AccessPage:
    """The page. ``older`` is the id of the event that the next page begins before, None on the last."""

    places: tuple[AdminPlace, ...]
    lines: tuple[EventRow, ...]
    older: int | None
    only_access: bool


async def show(visit: Visit) -> Response:
    before, only_access = parsing.whole(visit.query("before"), 1), visit.query("show") != "all"
    owner = visit.environment_id
    async with visit.parts.database.connection() as connection:
        found = await worker_events.list_events(
            connection, owner, worker_id=None, before=before, limit=_SIZE + 1, only_access=only_access
        )
        shown = found[:_SIZE]
        actors = dict(await connection.fetch(_NAMES, owner, [one.actor for one in shown if _is_named(one.actor)]))
        workers = dict(await connection.fetch(_WORKERS, owner, [one.worker_id for one in shown if one.worker_id]))
        objects = dict(await connection.fetch(_OBJECTS, owner, [one.object for one in shown]))
    lines = tuple(_line(visit, one, actors, workers, objects) for one in shown)
    older = shown[-1].id if len(found) > _SIZE else None
    return visit.page("portal/admin_access/access.html", AccessPage(places(visit), lines, older, only_access))


def _is_named(actor: str) -> bool:
    return actor.startswith(("worker:", "client:"))


def _line(
    visit: Visit,
    event: WorkerEvent,
    actors: Mapping[str, str],
    workers: Mapping[str, str],
    objects: Mapping[str, str],
) -> EventRow:
    who = "Whoever runs the server" if event.actor == worker_events.OPERATOR else actors.get(event.actor, event.actor)
    who = "You" if event.actor == visit.by.actor else who
    named = (event.after or {}).get("name") or (event.before or {}).get("name") or ""
    kind, _, key = event.object.partition(":")
    about = (
        f"{kind} {objects.get(event.object) or named or key}".strip() if event.object else workers.get(event.worker_id or "", "")
    )
    return EventRow(event, who, about, tuple(_differs(event.before or {}, event.after or {})))


def _differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys((*before, *after))
    return [(name.replace("_", " "), _words(before.get(name)), _words(after.get(name))) for name in names]


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name.replace('_', ' ')}: {_words(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


ROUTES: Final = (PageRoute(_PATH, show, may="administer"),)
