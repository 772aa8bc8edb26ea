"""What the template of a panel sees, put together from what is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from msgspec.structs import replace
from starlette.responses import Response

from almoner.pages.visit import Visit
from almoner.portal.panel import filter_words
from almoner.portal.panel.acts import ActPreview
from almoner.portal.panel.columns import WITHOUT_VALUE, PanelColumn
from almoner.portal.panel.filter_words import FilterChips
from almoner.portal.panel.gather import PanelAsked, PanelTable, table
from almoner.portal.panel.panel_view import PanelView
from almoner.portal.panel.saved_views import SavedView

FOLDER: Final = "portal/panel"


@dataclass(frozen=True, kw_only=True)
class NewFilter:
    """The filter that is being added: its column, what was typed, at which of the ``places`` it is
    to stand, and what is wrong with that.
    """

    column: PanelColumn
    test: str = ""
    value: str = ""
    how: str = "all"
    problem: str = ""
    places: Sequence[tuple[str, str]] = ()

    @property
    def tests(self) -> list[tuple[str, str]]:
        return list(self.column.tests.items())

    @property
    def needs_value(self) -> bool:
        return any(test not in WITHOUT_VALUE for test in self.column.tests)


@dataclass(frozen=True, kw_only=True)
class ColumnPlace:
    """A column of the table in the list of those that are chosen, with what the panel is where it
    stands earlier, later or not at all.
    """

    column: PanelColumn
    earlier: str
    later: str
    without: str


@dataclass(frozen=True, kw_only=True)
class ActDone:
    """What was just done to many. ``undo`` names the request that can be taken back, blank where
    there is none; ``undone`` is how many were taken back, where that was it.
    """

    preview: ActPreview | None = None
    undo: str = ""
    undone: int = 0


@dataclass(frozen=True, kw_only=True)
class PanelDrawing:
    """What the page draws. ``adding`` is None where no filter is being added."""

    asked: PanelAsked
    table: PanelTable
    chips: FilterChips
    adding: NewFilter | None
    places: Sequence[ColumnPlace]
    problem: str = ""
    done: ActDone | None = None

    @property
    def view(self) -> PanelView:
        return self.asked.view

    @property
    def tabs(self) -> list[tuple[SavedView, str]]:
        """The tabs before they are counted: of the one that is looked at it is known."""
        number = "" if self.asked.is_changed else self.table.number_words
        return [(tab, number if tab == self.asked.tab else "") for tab in self.asked.tabs]

    @property
    def sentence(self) -> str:
        """What is filtered by, where that takes more than reading one chip after the other."""
        return filter_words.sentence(self.asked) if self.view.some else ""

    @property
    def columns(self) -> list[PanelColumn]:
        return [self.asked.column(key) for key in self.view.columns]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What a form sends along, so that the view stays."""
        return [("view", self.asked.tab.id), *self.view.pairs()]

    @property
    def to_filter(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """What can be filtered by: groups of keys and titles."""
        return _grouped(self.asked.about.columns.values())

    @property
    def to_show(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """What can still be shown."""
        taken = {"name", *self.view.columns}
        return _grouped(
            column
            for column in self.asked.about.columns.values()
            if column.in_table and column.key not in taken
        )

    def sorted_by(self, key: str) -> str:
        """The address of the other order by a column, or of the first one."""
        is_same = self.view.sort == key
        begins_down = self.asked.column(key).sort in ("number", "share", "past")
        descends = not self.view.descends if is_same else begins_down
        return self._address(replace(self.view, sort=key, descends=descends))

    def beside(self, **place: str) -> str:
        """The address of the page behind a patient, or before one."""
        return self.view.address(self.asked.tab.id, **place)

    def _address(self, view: PanelView) -> str:
        return view.address(self.asked.tab.id)


@dataclass(frozen=True)
class PanelContext:
    """What the template sees."""

    panel: PanelDrawing


def _grouped(columns: Iterable[PanelColumn]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (group, [(column.key, column.title) for column in of_group])
        for group, of_group in groupby(columns, key=lambda column: column.group)
    ]


async def draw(
    visit: Visit,
    looked_at: PanelAsked,
    *,
    adding: NewFilter | None = None,
    problem: str = "",
    done: ActDone | None = None,
) -> Response:
    """The page of a view."""
    panel = PanelDrawing(
        asked=looked_at,
        table=await table(visit, looked_at),
        chips=filter_words.chips(looked_at),
        adding=adding,
        places=_places(looked_at),
        problem=problem,
        done=done,
    )
    refused = problem or (adding is not None and adding.problem)
    return visit.page(f"{FOLDER}/panel.html", PanelContext(panel), 400 if refused else 200)


def _places(looked_at: PanelAsked) -> list[ColumnPlace]:
    view, keys = looked_at.view, looked_at.view.columns

    def moved(*order: str) -> str:
        return replace(view, columns=order).address(looked_at.tab.id)

    places = []
    for place, key in enumerate(keys):
        others = [each for each in keys if each != key]
        places.append(
            ColumnPlace(
                column=looked_at.column(key),
                earlier=moved(*others[: place - 1], key, *others[place - 1 :]) if place else "",
                later=(
                    moved(*others[: place + 1], key, *others[place + 1 :])
                    if place + 1 < len(keys)
                    else ""
                ),
                without=moved(*others),
            )
        )
    return places
