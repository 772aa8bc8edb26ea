"""What a page of the panel shows, put together from its address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from almoner.database import Connection
from almoner.figures.follower import catch_up
from almoner.pages.visit import Visit
from almoner.portal.panel import listing, saved_views
from almoner.portal.panel.acts import ActsOffered, offered
from almoner.portal.panel.cells import PanelCell, cell
from almoner.portal.panel.columns import PanelColumn, columns
from almoner.portal.panel.conditions import PanelAbout
from almoner.portal.panel.listing import COUNTED, PanelPage, PanelPatient
from almoner.portal.panel.panel_view import PanelFilter, PanelView, read_view
from almoner.portal.panel.saved_views import MINE_TAB, SavedView
from almoner.portal.patient_access import only_of
from almoner.portal.workers import Worker, are_more_than, to_choose
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.times import TIMEZONES

# More coaches than these are no list to choose from.
_MANY_COACHES = 200


@dataclass(frozen=True, kw_only=True)
class PanelAsked:
    """What is looked at: the tab, its view as it is saved and as it is asked for, and with what.

    ``counts_all``: the figures of everybody have been counted once."""

    about: PanelAbout
    tabs: Sequence[SavedView]
    tab: SavedView
    view: PanelView
    acts: ActsOffered
    counts_all: bool

    @property
    def is_changed(self) -> bool:
        """Whether it is another view than the one that is saved."""
        return self.view != self.tab.view.fitting(self.about.columns)

    @property
    def may_replace(self) -> bool:
        """Whether it can be saved in the place of the tab's view: of a tab that everybody has, the
        columns and the order alone, since its title says whom it shows.
        """
        if self.tab.is_built_in:
            return self.view == self.view.of_those(self.tab.view)
        return self.tab.is_own

    @property
    def fits(self) -> bool:
        """Whether all is there that the view filters by."""
        return self.view.fits(self.about.columns)

    def column(self, key: str) -> PanelColumn:
        return self.about.columns[key]


@dataclass(frozen=True)
class PanelLine:
    """A row of the table."""

    patient: PanelPatient
    cells: Sequence[PanelCell]


@dataclass(frozen=True, kw_only=True)
class PanelTable:
    """A page of the table, and how many there are in all: None where they are more than
    ``COUNTED``.
    """

    lines: Sequence[PanelLine]
    page: PanelPage
    number: int | None

    @property
    def number_words(self) -> str:
        """How many, in a word."""
        return f"{COUNTED:,}+" if self.number is None else f"{self.number:,}"


async def asked(visit: Visit) -> PanelAsked:
    """What the address asks for. The figures are read on first: what was just done shows."""
    counts_all = await catch_up(visit.parts.database, visit.environment_id)
    async with visit.connection() as connection:
        query = read_view(visit.request.query_params.multi_items())
        coaches = await _coaches(visit, connection, query)
        known = await columns(visit, connection, coaches)
        only, worker_id = only_of(visit), visit.worker.worker_id
        acts = await offered(visit, connection, coaches)
        tabs = await saved_views.tabs(
            connection, visit.environment_id, worker_id, known, only is None
        )
    tab_id = visit.query("view") or MINE_TAB
    tab = next((each for each in tabs if each.id == tab_id), tabs[0])
    about = PanelAbout(
        environment_id=visit.environment_id,
        worker_id=worker_id,
        only=only,
        columns=known,
        now=datetime.now(UTC),
        zones=visit.parts.database.zones.document(TIMEZONES),
    )
    return PanelAsked(
        about=about,
        tabs=tabs,
        tab=tab,
        view=(query or tab.view).fitting(known),
        acts=acts,
        counts_all=counts_all,
    )


async def _coaches(
    visit: Visit, connection: Connection, query: PanelView | None
) -> Sequence[Worker]:
    """The coaches to filter by; of very many those alone that are asked for."""
    among = None
    if await are_more_than(connection, visit.environment_id, _MANY_COACHES):
        filters = query.filters if query is not None else ()
        among = [
            each.value
            for each in filters
            if each.column == "coach" and Guid().decode(each.value, "", [])
        ]
    return await to_choose(connection, visit.environment_id, among=among)


async def table(visit: Visit, looked_at: PanelAsked) -> PanelTable:
    """The page that the address asks for; an empty one where the view does not fit."""
    if not looked_at.fits:
        return PanelTable(lines=(), page=PanelPage((), False, False), number=0)
    about, view = looked_at.about, looked_at.view
    after, before = (Guid().decode(visit.query(name), "", []) or "" for name in ("after", "before"))
    async with visit.connection() as connection:
        page = await listing.page(connection, about, view, after, before)
        # A page that holds all of them has counted them.
        number = page.number
        if not (page.has_before or page.has_after):
            number = len(page.patients)
        if number is None:
            number = await listing.count(connection, about, view)
    chosen = [about.columns[key] for key in view.columns]
    return PanelTable(
        lines=[
            PanelLine(patient, [cell(visit, column, patient, about.now) for column in chosen])
            for patient in page.patients
        ],
        page=page,
        number=None if number > COUNTED else number,
    )


def filter_words(looked_at: PanelAsked, asked_for: PanelFilter) -> str:
    """A filter in words; of a column that is gone, its name."""
    column = looked_at.about.columns.get(asked_for.column)
    if column is None or asked_for.test not in column.tests:
        return f"{asked_for.column} (not there any more, or not shown to your role)"
    return asked_for.words(column)
