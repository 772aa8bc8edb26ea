"""What a view filters by, in words: as chips that can be taken away, as a sentence, and the places
at which another filter can stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from almoner.portal.panel.gather import PanelAsked, filter_words
from almoner.portal.panel.panel_view import PanelFilter


@dataclass(frozen=True)
class FilterChip:
    """A filter that is on: its words, and where the panel is without it."""

    words: str
    without: str


@dataclass(frozen=True)
class FilterChips:
    """The filters that must hold, and the groups of which one alternative must: filters that hold
    together.
    """

    every: Sequence[FilterChip]
    some: Sequence[Sequence[Sequence[FilterChip]]]


def chips(looked_at: PanelAsked) -> FilterChips:
    view = looked_at.view
    every: list[FilterChip] = []
    some: list[list[list[FilterChip]]] = [[[] for _ in group] for group in view.some]
    for place, asked in view.placed:
        without = view.without(place, asked).address(looked_at.tab.id)
        of_place = every
        if place != "all":
            _, group, number = place.split(".")
            of_place = some[int(group) - 1][int(number) - 1]
        of_place.append(FilterChip(filter_words(looked_at, asked), without))
    return FilterChips(every, some)


def sentence(looked_at: PanelAsked) -> str:
    """``Due late by 3 days, and (Phase is Active and Open tasks is at least 1, or ...)``; blank of
    a view without filters.
    """

    def together(filters: Sequence[PanelFilter]) -> str:
        return " and ".join(filter_words(looked_at, each) for each in filters)

    view = looked_at.view
    parts = [filter_words(looked_at, each) for each in view.every]
    for alternatives in view.some:
        words = ", or ".join(together(each) for each in alternatives)
        parts.append(
            f"({words})" if len(alternatives) > 1 and len(parts) + len(view.some) > 1 else words
        )
    return ", and ".join(parts)


def places(looked_at: PanelAsked) -> list[tuple[str, str]]:
    """Where another filter can stand, as an address has it, with the words of a choice."""
    some = chips(looked_at).some
    listed = [("all", "and")]
    for number, group in enumerate(some, 1):
        of_each = [" and ".join(chip.words for chip in together) for together in group]
        listed.append((f"any.{number}.{len(group) + 1}", f"or instead of: {', or '.join(of_each)}"))
        listed += [
            (f"any.{number}.{place}", f"only together with: {words}")
            for place, words in enumerate(of_each, 1)
        ]
    listed.append((f"any.{len(some) + 1}.1", "and one of several (or)"))
    return listed
