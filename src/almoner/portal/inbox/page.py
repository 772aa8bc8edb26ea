"""The inbox: what a coach does next, with its button; whatever is done there can be taken back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.inbox import (
    hand_over,
    handlers,
    preview,
    queries,
    several,
    snooze_page,
    today,
)
from almoner.portal.inbox.rows import SECTIONS
from almoner.portal.inbox.section_counts import SectionCount
from almoner.portal.inbox.view import (
    FOLDED,
    InboxPage,
    InboxView,
    badge,
    gather,
    view_of,
    whose_of,
)

_FOLDER: Final = "portal/inbox"
_CARE: Final = "give_care"
_A_YEAR: Final = 365 * 86_400


@dataclass(frozen=True)
class InboxCounts:
    """What the counts draw again: those of the sections that are ``drawn`` on the page. ``stale``:
    other things wait by now than those that are shown.

    ``counted``: the page did not know yet how many there are.
    """

    inbox: InboxPage
    drawn: tuple[str, ...]
    stale: bool
    counted: bool


@dataclass(frozen=True)
class DayPart:
    day: today.ShownDay


@dataclass(frozen=True)
class Badge:
    """Of how many of the visitor's own something waits now, is late or unread."""

    count: SectionCount


async def show(visit: Visit) -> Response:
    return visit.page(f"{_FOLDER}/inbox.html", await gather(visit, view_of(visit, visit.query)))


async def show_list(visit: Visit) -> Response:
    """The list alone, drawn again."""
    view = view_of(visit, visit.query)
    if not visit.is_fragment:
        return visit.go(view.path())
    return visit.fragment(f"{_FOLDER}/list.html", await gather(visit, view))


async def show_counts(visit: Visit) -> Response:
    """The counts, also of what the list was drawn with the least of."""
    inbox = await gather(visit, view_of(visit, visit.query), exact=True)
    drawn = tuple(name for name in visit.query("drawn").split(".") if name in SECTIONS)
    is_stale, counted = inbox.digest != visit.query("digest"), visit.query("counting") == "yes"
    part = InboxCounts(inbox, drawn, is_stale, counted)
    return visit.fragment(f"{_FOLDER}/counts.html", part)


async def fold(visit: Visit) -> Response:
    """Folds a section, or unfolds it; this browser goes on showing it so."""
    form = await visit.form()
    view, name = view_of(visit, form.text), form.text("fold")
    folded = sorted(view.folded ^ ({name} & set(SECTIONS)))
    view = replace(view, folded=frozenset(folded))
    response = visit.go(view.path())
    if visit.is_fragment:
        response = visit.fragment(f"{_FOLDER}/list.html", await gather(visit, view))
    visit.parts.cookies.put(response, FOLDED, ".".join(folded) or "-", _A_YEAR)
    return response


async def show_day(visit: Visit) -> Response:
    now = datetime.now(UTC)
    async with visit.connection() as connection:
        whose = whose_of(visit, InboxView())
        day = await today.of(visit, connection, await queries.calendar_of(connection, whose), now)
    return visit.fragment(f"{_FOLDER}/day_part.html", DayPart(today.day_view(visit, day, now)))


async def show_badge(visit: Visit) -> Response:
    return visit.fragment(f"{_FOLDER}/badge.html", Badge(await badge(visit)))


ROUTES: Final = (
    PageRoute("/inbox", show, may=_CARE),
    PageRoute("/inbox/list", show_list, may=_CARE),
    PageRoute("/inbox/counts", show_counts, may=_CARE, background=True),
    PageRoute("/inbox/fold", fold, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/day", show_day, may=_CARE, background=True),
    PageRoute("/inbox/badge", show_badge, may=_CARE, background=True),
    *(
        PageRoute(path, handlers.handler(path), may=_CARE, methods=("POST",))
        for path in handlers.ACTIONS
    ),
    PageRoute("/inbox/several/done", several.complete, may=_CARE, methods=("POST",)),
    PageRoute(
        "/inbox/several/snooze",
        snooze_page.show_several,
        may=_CARE,
        methods=("POST",),
        repeatable=True,
    ),
    PageRoute(
        "/inbox/several/hand-over",
        hand_over.show_several,
        may=_CARE,
        methods=("POST",),
        repeatable=True,
    ),
    PageRoute("/inbox/several/undo", several.undo, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/hand-over", hand_over.show, may=_CARE),
    PageRoute("/inbox/hand-over", hand_over.hand_over, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/hand-over/undo", hand_over.undo, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/preview", preview.show, may=_CARE),
    PageRoute("/inbox/snooze", snooze_page.show, may=_CARE),
    PageRoute("/inbox/snooze", snooze_page.snooze, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/task-due", snooze_page.give_due_back, may=_CARE, methods=("POST",)),
    PageRoute("/inbox/wake", snooze_page.wake, may=_CARE, methods=("POST",)),
)
