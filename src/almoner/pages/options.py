"""The options of a select and of a list of suggestions. Long ones stand on many pages (six hundred
time zones, the workers of an environment), so the HTML of each list is made once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from markupsafe import Markup

from almoner.vocabulary.names import isolated

_LISTS = 64
_OPTION = Markup('<option value="{}">{}</option>')
_BEGINNING, _SELECTED = Markup('<option value="{}">'), Markup('<option value="{}" selected>')


def options(
    choices: Iterable[tuple[str, str]],
    chosen: str | Collection[str] = (),
    notes: Mapping[str, str] = MappingProxyType({}),
) -> Markup:
    """The options of a select, each with its value and its label; ``chosen`` is the value, or
    the values, that are selected. ``notes`` stand behind the label of these values.
    """
    html = _options(
        tuple(
            (value, f"{isolated(label)} ({notes[value]})" if value in notes else label)
            for value, label in choices
        )
    )
    for value in (chosen,) if isinstance(chosen, str) else chosen:
        written = isolated(value)
        html = html.replace(_BEGINNING.format(written), _SELECTED.format(written), 1)
    return html


def suggestions(values: Iterable[str]) -> Markup:
    """The options of a datalist, which have nothing to show but their values."""
    return _options(tuple((value, "") for value in values))


@lru_cache(_LISTS)
def _options(choices: tuple[tuple[str, str], ...]) -> Markup:
    return Markup("").join(
        _OPTION.format(isolated(value), isolated(label)) for value, label in choices
    )
