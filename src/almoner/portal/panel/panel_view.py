"""A view of a panel: its columns, its order and its filters, as an address and a saved row have
them.
"""

from __future__ import annotations

import re
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
# Sets of filters of which one must hold, each whole.
Alternatives = tuple[tuple[PanelFilter, ...], ...]
# Where a filter stands in an address: ``all``, or one of the alternatives of a group. A group that
# is not numbered is the first, and a filter in it an alternative of its own.
_PLACE: Final = re.compile(r"any(?:\.(\d{1,2})\.(\d{1,2}))?")


class PanelView(Struct, frozen=True, kw_only=True):
    """What is shown of whom: each of ``every`` must hold, and of each group of ``some`` one of its
    alternatives, which are filters that hold together.
    """

    columns: tuple[str, ...] = DEFAULT_COLUMNS
    sort: str = "name"
    descends: bool = False
    every: tuple[PanelFilter, ...] = ()
    some: tuple[Alternatives, ...] = ()

    @property
    def placed(self) -> Iterator[tuple[str, PanelFilter]]:
        """Each filter with where it stands, as an address has that."""
        yield from (("all", each) for each in self.every)
        for group, alternatives in enumerate(self.some, 1):
            for number, together in enumerate(alternatives, 1):
                yield from ((f"any.{group}.{number}", each) for each in together)

    @property
    def filters(self) -> tuple[PanelFilter, ...]:
        return tuple(each for _, each in self.placed)

    def fitting(self, known: Columns) -> PanelView:
        """The same with the columns alone that there are, and that the visitor's role shows. Not
        for its filters: without one of them it would be a view of others.
        """
        keys = tuple(key for key in dict.fromkeys(self.columns) if _in_table(known, key))
        sort = self.sort if self.sort in known and known[self.sort].may_sort else "name"
        return replace(self, columns=keys[:MOST_COLUMNS], sort=sort)

    def of_those(self, other: PanelView) -> PanelView:
        """The same columns and order, of the patients of another view."""
        return replace(self, every=other.every, some=other.some)

    def fits(self, known: Columns) -> bool:
        """Whether all that it filters by is there, and shown to the visitor."""
        return len(self.filters) <= MOST_FILTERS and all(
            each.column in known and not each.problem(known[each.column]) for each in self.filters
        )

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters of an address."""
        pairs = [("columns", ",".join(self.columns))]
        pairs += [(place, each.text) for place, each in self.placed]
        if self.sort != "name":
            pairs.append(("sort", self.sort))
        if self.descends:
            pairs.append(("way", "down"))
        return pairs

    def address(self, tab: str = "", path: str = "/panel", **more: str) -> str:
        """Where it is shown. ``tab`` is the id of the view that it came from."""
        pairs = [*([("view", tab)] if tab else []), *self.pairs(), *more.items()]
        return f"{path}?{urlencode(pairs)}"

    def without(self, place: str, gone: PanelFilter) -> PanelView:
        """The same without the filter that stands there."""
        return self._of(each for each in self.placed if each != (place, gone))

    def beside(self, place: str, new: PanelFilter) -> PanelView:
        """The same with one filter more, which stands there."""
        return self._of((*self.placed, (place, new)))

    def _of(self, placed: Iterable[tuple[str, PanelFilter]]) -> PanelView:
        every, some = _placed(placed)
        return replace(self, every=every, some=some)


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
    query = {"sort": "name", "way": ""}
    placed = []
    for name, text in pairs:
        # No page is to fail for a NUL, which PostgreSQL holds none of.
        value = text.replace("\x00", "")
        query[name] = value
        if name == "all" or _PLACE.fullmatch(name):
            placed.append((name, PanelFilter.parse(value)))
    if "columns" not in query:
        return None
    every, some = _placed(placed)
    return PanelView(
        columns=tuple(key for key in query["columns"].split(",") if key),
        sort=query["sort"],
        descends=query["way"] == "down",
        every=every,
        some=some,
    )


def _placed(
    placed: Iterable[tuple[str, PanelFilter]],
) -> tuple[tuple[PanelFilter, ...], tuple[Alternatives, ...]]:
    """Filters by where they stand, each once in its place, with no gap in the numbers."""
    every: list[PanelFilter] = []
    groups: dict[int, dict[int, list[PanelFilter]]] = {}
    for place, asked in dict.fromkeys(placed):
        where = _PLACE.fullmatch(place)
        if where is None:
            every.append(asked)
            continue
        group = groups.setdefault(int(where[1] or 1), {})
        number = int(where[2]) if where[2] else max(group, default=0) + 1
        group.setdefault(number, []).append(asked)
    some = (
        tuple(tuple(together) for _, together in sorted(group.items()))
        for _, group in sorted(groups.items())
    )
    return tuple(every), tuple(some)
