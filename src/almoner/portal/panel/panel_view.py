"""A view of a panel: its columns, its order and its filters, as an address and a saved row have
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from almoner.portal.panel.columns import ME, WITHOUT_VALUE, Columns, PanelColumn
from almoner.vocabulary.kinds import Guid

DEFAULT_COLUMNS: Final = ("phase", "last_contact", "next", "due", "flow", "tasks")
MOST_COLUMNS: Final = 12
MOST_FILTERS: Final = 12
_LONGEST: Final = 200


class PanelFilter(Struct, frozen=True):
    """One test of one column. ``value`` is blank where the test needs none."""

    column: str
    test: str
    value: str = ""

    @property
    def text(self) -> str:
        """As an address has it."""
        return f"{self.column}:{self.test}:{self.value}"

    @classmethod
    def parse(cls, text: str) -> PanelFilter:
        """What an address has. What is missing is blank."""
        column, _, rest = text.partition(":")
        test, _, value = rest.partition(":")
        return cls(column, test, value.strip()[:_LONGEST])

    def problem(self, column: PanelColumn) -> str:
        """Why nothing can be asked so, blank where it can."""
        if self.test not in column.tests:
            return "Choose what is asked of it."
        if self.test in WITHOUT_VALUE:
            return ""
        if column.choices:
            is_known = self.value in dict(column.choices) or (
                column.key == "coach" and Guid().decode(self.value, "", [])
            )
            return "" if is_known else "Choose one of the values."
        if column.sort == "text":
            return "" if self.value else "Type the value."
        return "" if number_of(self.value) is not None else "Type a number."

    def words(self, column: PanelColumn) -> str:
        """``Mood check: score is at least 5``."""
        asked = column.tests[self.test]
        if self.test in WITHOUT_VALUE:
            return f"{column.title} {asked}"
        around = asked.replace(" (days)", "").replace(" (percent)", "")
        unit = " days" if "(days)" in asked else "%" if "(percent)" in asked else ""
        return f"{column.title} {around} {column.word_of(self.value)}{unit}"


MINE: Final = PanelFilter("coach", "is", ME)


class PanelView(Struct, frozen=True, kw_only=True):
    """What is shown of whom: each of ``every`` must hold, and one of ``some`` if there are any."""

    columns: tuple[str, ...] = DEFAULT_COLUMNS
    sort: str = "name"
    descends: bool = False
    every: tuple[PanelFilter, ...] = ()
    some: tuple[PanelFilter, ...] = ()

    @property
    def filters(self) -> tuple[PanelFilter, ...]:
        return (*self.every, *self.some)

    def fitting(self, known: Columns) -> PanelView:
        """The same with the columns alone that there are, and that the visitor's role shows. Not
        for its filters: without one of them it would be a view of others.
        """
        keys = tuple(key for key in dict.fromkeys(self.columns) if _in_table(known, key))
        sort = self.sort if self.sort in known and known[self.sort].may_sort else "name"
        return replace(self, columns=keys[:MOST_COLUMNS], sort=sort)

    def fits(self, known: Columns) -> bool:
        """Whether all that it filters by is there, and shown to the visitor."""
        return len(self.filters) <= MOST_FILTERS and all(
            each.column in known and not each.problem(known[each.column]) for each in self.filters
        )

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters of an address."""
        pairs = [("columns", ",".join(self.columns))]
        pairs += [("all", each.text) for each in self.every]
        pairs += [("any", each.text) for each in self.some]
        if self.sort != "name":
            pairs.append(("sort", self.sort))
        if self.descends:
            pairs.append(("way", "down"))
        return pairs

    def address(self, tab: str = "", path: str = "/panel", **more: str) -> str:
        """Where it is shown. ``tab`` is the id of the view that it came from."""
        pairs = [*([("view", tab)] if tab else []), *self.pairs(), *more.items()]
        return f"{path}?{urlencode(pairs)}"

    def without(self, gone: PanelFilter) -> PanelView:
        """The same without a filter."""
        return replace(
            self,
            every=tuple(each for each in self.every if each != gone),
            some=tuple(each for each in self.some if each != gone),
        )


def _in_table(known: Columns, key: str) -> bool:
    return key != "name" and key in known and known[key].in_table


def number_of(text: str) -> float | None:
    """The number that somebody typed; None where it is none."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None


def read_view(pairs: Iterable[tuple[str, str]]) -> PanelView | None:
    """What an address asks for by its parameters; None where it names no columns, and so nothing of
    its own.
    """
    query: dict[str, list[str]] = {"sort": ["name"], "way": [""], "all": [], "any": []}
    for name, value in pairs:
        # No page is to fail for a NUL, which PostgreSQL holds none of.
        query.setdefault(name, []).append(value.replace("\x00", ""))
    if "columns" not in query:
        return None
    return PanelView(
        columns=tuple(key for key in query["columns"][-1].split(",") if key),
        sort=query["sort"][-1],
        descends=query["way"][-1] == "down",
        every=tuple(_filters(query["all"])),
        some=tuple(_filters(query["any"])),
    )


def _filters(texts: Iterable[str]) -> Iterator[PanelFilter]:
    return (PanelFilter.parse(text) for text in dict.fromkeys(texts))
