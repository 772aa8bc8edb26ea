"""Data export: which collections, in which format; what is under way, and who exported what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from starlette.responses import Response

from almoner.access.actors import name_sql
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.admin.withheld import withheld
from almoner.portal.admin_export import formats
from almoner.portal.admin_export.formats import FORMATS, Format
from almoner.portal.admin_export.sending import (
    MOST,
    Export,
    Full,
    UnderWay,
    begun,
    is_full,
    stream,
    under_way,
)
from almoner.resources import RESOURCES

_FOLDER: Final = "portal/admin_export"
_FULL: Final = (
    f"{MOST} exports are under way on this server already. Begin this one when one of them is done."
)
_PATH: Final = "/admin/export"
MOST_COUNTED: Final = 100_000
_LISTED: Final = 10  # exports so far
_COUNTS: Final = "SELECT " + ", ".join(
    f"(SELECT count(*) FROM (SELECT FROM {resource.name} WHERE environment_id = $1 LIMIT"
    f" {MOST_COUNTED + 1}) c) AS {resource.name}"
    for resource in RESOURCES
)
# Begun and finished are two events of one request. Only the newest events are looked through.
_PAST: Final = f"""
SELECT b.happened_at, {name_sql("b.actor")} AS name, b.detail, d.detail AS done
FROM (SELECT * FROM worker_events WHERE environment_id = $1 ORDER BY id DESC LIMIT 5000) AS b
LEFT JOIN LATERAL (SELECT detail FROM worker_events d WHERE d.environment_id = $1
    AND d.worker_id = b.worker_id AND d.id > b.id
  AND d.request_id = b.request_id AND d.event = 'data exported' LIMIT 1) AS d ON true
WHERE b.event = 'data export begun' ORDER BY b.id DESC LIMIT {_LISTED}
"""


@dataclass(frozen=True)
class ExportChoice:
    """A collection that can be chosen. ``withheld`` says why it cannot, blank where it can."""

    name: str
    title: str
    about: str
    withheld: str


@dataclass(frozen=True, kw_only=True)
class Past:
    """An export that was begun. ``done`` is blank where it was not taken to its end, or is not yet;
    ``happened_at`` is in UTC.
    """

    happened_at: datetime
    name: str
    detail: str
    done: str
    is_running: bool


@dataclass(frozen=True, kw_only=True)
class ExportPage:
    """The form, as it was sent where something is wrong with it, and what was exported before."""

    choices: tuple[ExportChoice, ...]
    chosen: frozenset[str]
    format: str
    past: list[Past]
    refused: str
    errors: Mapping[str, str]
    formats: tuple[Format, ...] = FORMATS
    most: int = _LISTED


@dataclass(frozen=True)
class CountsPart:
    """How many rows each collection has: (name, number), where more than ``most`` are not counted
    on.
    """

    counts: tuple[tuple[str, int], ...]
    most: int = MOST_COUNTED


@dataclass(frozen=True)
class PastPart:
    """What was exported before, the newest first, at most ``most``."""

    past: list[Past]
    most: int = _LISTED


@dataclass(frozen=True)
class ExportProgressPart:
    """What is being sent at this moment."""

    running: list[UnderWay]


async def show(visit: Visit) -> Response:
    return await _page(visit, frozenset(), "csv", {})


async def show_counts(visit: Visit) -> Response:
    async with visit.connection() as connection:
        row = await connection.fetchrow(_COUNTS, visit.environment_id)
    return visit.fragment(f"{_FOLDER}/counts.html", CountsPart(tuple(row.items())))


async def show_progress(visit: Visit) -> Response:
    async with visit.connection() as connection:
        running = await under_way(connection, visit.environment_id)
    return visit.fragment(f"{_FOLDER}/progress.html", ExportProgressPart(running))


async def show_past(visit: Visit) -> Response:
    return visit.fragment(f"{_FOLDER}/past.html", PastPart(await _past(visit)))


async def export(visit: Visit) -> Response:
    form = await visit.form()
    chosen, named = frozenset(form.texts("collections")), form.text("format")
    resources = tuple(resource for resource in RESOURCES if resource.name in chosen)
    errors = {}
    if not resources:
        errors["collections"] = "Choose at least one collection."
    if named not in formats.BY_NAME:
        errors["format"] = "Choose a format."
    hidden = [resource.title for resource in resources if withheld(visit.rights, resource)]
    if hidden:
        errors["collections"] = (
            f"Your role does not see all of {', '.join(hidden)}: leave that out."
        )
    if errors:
        return await _page(visit, chosen, named, errors)
    if visit.is_led:
        async with visit.connection() as connection:
            full = await is_full(connection)
        return await _page(visit, chosen, named, {}, _FULL) if full else visit.file_is_ready()
    order = Export(visit.worker.environment, resources, formats.BY_NAME[named], datetime.now(UTC))
    try:
        parts = await begun(stream(visit, order))
    except Full:
        return await _page(visit, chosen, named, {}, _FULL)
    headers = {
        "Content-Disposition": f'attachment; filename="{order.file_name}"',
        "X-Accel-Buffering": "no",
    }
    return visit.stream(parts, headers, order.media_type)


async def _page(
    visit: Visit, chosen: frozenset[str], named: str, errors: Mapping[str, str], refused: str = ""
) -> Response:
    past = await _past(visit)
    choices = tuple(
        ExportChoice(r.name, r.title, r.about, withheld(visit.rights, r)) for r in RESOURCES
    )
    context = ExportPage(
        choices=choices,
        chosen=chosen,
        format=named,
        past=past,
        refused=refused,
        errors=errors,
    )
    return visit.page(f"{_FOLDER}/export.html", context, 503 if refused else 400 if errors else 200)


async def _past(visit: Visit) -> list[Past]:
    async with visit.connection() as connection:
        rows = await connection.fetch(_PAST, visit.environment_id)
        running = {
            _begun_at(running, rows)
            for running in await under_way(connection, visit.environment_id)
        }
    return [
        Past(
            happened_at=row["happened_at"],
            name=row["name"],
            detail=row["detail"],
            done=row["done"] or "",
            is_running=row["happened_at"] in running,
        )
        for row in rows
    ]


def _begun_at(running: UnderWay, rows: Sequence[Mapping[str, Any]]) -> datetime | None:
    """When its beginning was noted: right before its snapshot was taken. None where that is not
    among the newest.
    """
    return max(
        (
            row["happened_at"]
            for row in rows
            if row["happened_at"] <= running.begun_at and not row["done"]
        ),
        default=None,
    )


ROUTES: Final = (
    PageRoute(_PATH, show, may="administer"),
    PageRoute(_PATH, export, may="administer", methods=("POST",)),
    PageRoute(f"{_PATH}/counts", show_counts, may="administer", background=True),
    PageRoute(f"{_PATH}/past", show_past, may="administer", background=True),
    PageRoute(f"{_PATH}/progress", show_progress, may="administer", background=True),
)
