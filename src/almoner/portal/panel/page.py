"""My panel: the table, what is chosen of it, and the views that are saved."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace
from starlette.responses import Response

from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.panel import act_page, filter_words, listing, saved_views
from almoner.portal.panel.columns import WITHOUT_VALUE
from almoner.portal.panel.export import export
from almoner.portal.panel.gather import PanelAsked, asked
from almoner.portal.panel.listing import COUNTED
from almoner.portal.panel.panel_view import MOST_FILTERS, PanelFilter
from almoner.portal.panel.saved_views import LONGEST_TITLE, SavedView
from almoner.portal.panel.view import FOLDER, NewFilter, draw

_CARE: Final = "give_care"


@dataclass(frozen=True)
class CountsContext:
    """The tabs with how many each has, as words; ``current`` is the tab that is looked at."""

    tabs: Sequence[tuple[SavedView, str]]
    current: str


async def show(visit: Visit) -> Response:
    """A page of the panel; or on to the one with the filter that was just put together."""
    looked_at = await asked(visit)
    view = looked_at.view
    if visit.query("show") in looked_at.about.columns:
        added = replace(view, columns=(*view.columns, visit.query("show")))
        return visit.go(added.fitting(looked_at.about.columns).address(looked_at.tab.id))
    adding = _adding(visit, looked_at)
    if adding is None and visit.queries("filter"):
        return await draw(visit, looked_at, problem="Choose what to filter by, then press Filter.")
    if adding is not None and adding.test and not adding.problem:
        new = PanelFilter(adding.column.key, adding.test, adding.value)
        return visit.go(view.beside(adding.how, new).address(looked_at.tab.id))
    return await draw(visit, looked_at, adding=adding)


def _adding(visit: Visit, looked_at: PanelAsked) -> NewFilter | None:
    column = looked_at.about.columns.get(visit.query("filter"))
    if column is None:
        return None
    places = filter_words.places(looked_at)
    how = visit.query("how") if visit.query("how") in dict(places) else "all"
    test, value = visit.query("test"), visit.query("value").strip()
    if not test:
        return NewFilter(column=column, how=how, places=places)
    problem = PanelFilter(column.key, test, value).problem(column)
    if not problem and len(looked_at.view.filters) >= MOST_FILTERS:
        problem = f"A view has {MOST_FILTERS} filters at most. Take one away first."
    value = "" if test in WITHOUT_VALUE else value
    return NewFilter(column=column, test=test, value=value, how=how, problem=problem, places=places)


async def show_counts(visit: Visit) -> Response:
    """The tabs with how many patients each has by now."""
    looked_at = await asked(visit)
    counted = []
    for tab in looked_at.tabs:
        async with visit.connection() as connection:
            number = await listing.count(connection, looked_at.about, tab.view)
        counted.append((tab, f"{COUNTED:,}+" if number > COUNTED else f"{number:,}"))
    context = CountsContext(counted, looked_at.tab.id)
    return visit.fragment(f"{FOLDER}/tabs.html", context)


async def save(visit: Visit) -> Response:
    """Saves the view of the address: as a new tab, or in the place of one of the visitor's own."""
    form, looked_at = await visit.form(), await asked(visit)
    title, worker_id = form.text("title").strip(), visit.worker.worker_id
    tab, is_new = looked_at.tab, form.text("do") == "new"
    if is_new and not title:
        return await draw(
            visit,
            looked_at,
            problem="Nothing was saved: type under View what the view is called.",
        )
    if len(title) > LONGEST_TITLE:
        return await draw(
            visit, looked_at, problem=f"A name has {LONGEST_TITLE} characters at most."
        )
    if not is_new and tab.is_built_in and not looked_at.may_replace:
        problem = f"{tab.title} stays as it is. Save what you filtered as a new view."
        return await draw(visit, looked_at, problem=problem)
    if is_new:
        saved = SavedView(
            id=str(uuid.uuid4()),
            title=title,
            view=looked_at.view,
            is_shared=form.truth("shared"),
        )
    else:
        view_id = saved_views.own_id(tab.id, worker_id) if tab.is_built_in else tab.id
        saved = SavedView(
            id=view_id, title=title or tab.title, view=looked_at.view, is_shared=tab.is_shared
        )
    async with visit.transaction() as connection:
        if not await saved_views.save(connection, visit.environment_id, worker_id, saved):
            problem = (
                f"It was not saved: a worker has {saved_views.MOST} views at most, and changes own"
                " ones alone. Save it as a new one, or remove one first."
            )
        else:
            problem = ""
    if problem:
        return await draw(visit, looked_at, problem=problem)
    return visit.go(f"/panel?view={saved.id if is_new else tab.id}")


async def remove(visit: Visit) -> Response:
    """Removes a view of the visitor's own; of a tab that everybody has, their own columns."""
    looked_at = await asked(visit)
    tab, worker_id = looked_at.tab, visit.worker.worker_id
    view_id = saved_views.own_id(tab.id, worker_id) if tab.is_built_in else tab.id
    async with visit.transaction() as connection:
        await saved_views.remove(connection, visit.environment_id, worker_id, view_id)
    return visit.go(f"/panel?view={tab.id}" if tab.is_built_in else "/panel")


ROUTES: Final = (
    PageRoute("/panel", show, may=_CARE),
    PageRoute("/panel/counts", show_counts, may=_CARE, background=True),
    PageRoute("/panel/export", export, may="administer"),
    PageRoute("/panel/act", act_page.preview, may=_CARE, methods=("POST",), repeatable=True),
    PageRoute("/panel/act/do", act_page.perform, may=_CARE, methods=("POST",)),
    PageRoute("/panel/act/undo", act_page.undo, may=_CARE, methods=("POST",)),
    PageRoute("/panel/save", save, may=_CARE, methods=("POST",)),
    PageRoute("/panel/remove", remove, may=_CARE, methods=("POST",)),
)
