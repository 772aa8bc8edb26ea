"""The views that workers have saved: their own, and those that somebody shares with all."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from almoner.database import Connection
from almoner.portal.panel.columns import Columns
from almoner.portal.panel.panel_view import MINE, PanelView
from almoner.vocabulary.names import full_name_sql

MINE_TAB: Final = "mine"
ALL_TAB: Final = "all"
MOST: Final = 30
LONGEST_TITLE: Final = 60
_COLUMNS: Final = f"""
v.id::text, v.worker_id::text, v.title, v.shared_at IS NOT NULL AS is_shared, v.view::text,
  {full_name_sql("w")} AS worker
FROM panel_views v JOIN workers w ON w.environment_id = v.environment_id AND w.id = v.worker_id
WHERE v.environment_id = $1 AND (v.worker_id = $2 OR v.shared_at IS NOT NULL)
"""
_LIST: Final = (
    f"SELECT {_COLUMNS} ORDER BY v.shared_at IS NOT NULL, lower(v.title), v.id LIMIT {2 * MOST}"
)
# Of the others: what is there already may be changed, however many there are.
_OTHERS: Final = """
SELECT count(*) FROM panel_views WHERE environment_id = $1 AND worker_id = $2 AND id <> $3
"""
_SAVE: Final = """
INSERT INTO panel_views AS v (environment_id, id, worker_id, title, shared_at, view)
VALUES ($1, $2, $3, $4, CASE WHEN $5 THEN clock_timestamp() END, $6::json)
ON CONFLICT (environment_id, id) DO UPDATE SET title = excluded.title, view = excluded.view,
  saved_at = clock_timestamp(),
  shared_at = CASE WHEN $5 THEN coalesce(v.shared_at, clock_timestamp()) END
WHERE v.worker_id = excluded.worker_id
"""
_REMOVE: Final = "DELETE FROM panel_views WHERE environment_id = $1 AND id = $2 AND worker_id = $3"


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """A tab of the panel. ``is_own``: the visitor saved it and may change it; of the two tabs that
    everybody has, what they saved for themselves. ``worker`` is whose it is, blank of those.
    """

    id: str
    title: str
    view: PanelView
    is_own: bool = False
    is_shared: bool = False
    worker: str = ""

    @property
    def is_built_in(self) -> bool:
        return self.id in (MINE_TAB, ALL_TAB)


async def tabs(
    connection: Connection, environment_id: int, worker_id: str, known: Columns, sees_all: bool
) -> list[SavedView]:
    """The tabs that a worker sees. A shared view by what their role does not show is none of them:
    how many it has would tell of it.
    """
    rows = await connection.fetch(_LIST, environment_id, worker_id)
    listed = [
        SavedView(
            id=MINE_TAB,
            title="Mine" if sees_all else "My patients",
            view=PanelView(every=(MINE,) if sees_all else ()),
        )
    ]
    if sees_all:
        listed.append(SavedView(id=ALL_TAB, title="All", view=PanelView()))
    places = {own_id(tab.id, worker_id): place for place, tab in enumerate(listed)}
    for row in rows:
        view = _view(row["view"])
        if view is None:
            continue
        if row["id"] in places:
            tab = listed[places[row["id"]]]
            listed[places[row["id"]]] = replace(tab, view=view.of_those(tab.view), is_own=True)
            continue
        if not view.fits(known):
            continue
        listed.append(
            SavedView(
                id=row["id"],
                title=row["title"],
                view=view,
                is_own=row["worker_id"] == worker_id,
                is_shared=row["is_shared"],
                worker=row["worker"],
            )
        )
    return listed


def own_id(tab: str, worker_id: str) -> str:
    """The id under which a worker's own columns and order of a tab are saved that everybody has."""
    return str(uuid.uuid5(uuid.UUID(worker_id), tab))


async def save(
    connection: Connection, environment_id: int, worker_id: str, saved: SavedView
) -> bool:
    """Saves a view, as a new one or in the place of the worker's own of this id. False where they
    have as many as may be, or the id is another's.
    """
    if await connection.fetchval(_OTHERS, environment_id, worker_id, saved.id) >= MOST:
        return False
    body = msgspec.json.encode(saved.view).decode()
    done = await connection.execute(
        _SAVE, environment_id, saved.id, worker_id, saved.title, saved.is_shared, body
    )
    return bool(done != "INSERT 0 0")


async def remove(connection: Connection, environment_id: int, worker_id: str, view_id: str) -> None:
    """Removes a view of the worker's own."""
    await connection.execute(_REMOVE, environment_id, view_id, worker_id)


def _view(body: str) -> PanelView | None:
    """A view as it was saved; None where an older version saved what is none any more."""
    try:
        return msgspec.json.decode(body, type=PanelView)
    except msgspec.ValidationError:
        return None
