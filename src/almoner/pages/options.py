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
_BEGINNING = Markup('<option value="{}">')
_SELECTED = Markup('<option value="{}" selected>')
_DISABLED = Markup('<option value="{}" disabled>')


def options(
    choices: Iterable[str | tuple[str, str]],
    chosen: str | Collection[str] = (),
    notes: Mapping[str, str] = MappingProxyType({}),
    disabled: Collection[str] = (),
) -> Markup:
    """The options of a select, each with its value and its label, or with a label that is its
    value; ``chosen`` is the value, or the values, that are selected. ``notes`` stand behind the
    label of these values; those that are ``disabled`` cannot be chosen.
    """
    pairs = [(choice, choice) if isinstance(choice, str) else tuple(choice) for choice in choices]
    html = _options(
        tuple(
            (value, f"{isolated(label)} ({notes[value]})" if value in notes else label)
            for value, label in pairs
        )
    )
    for value in (chosen,) if isinstance(chosen, str) else chosen:
        html = _begun(html, value, _SELECTED)
    for value in disabled:
        html = _begun(html, value, _DISABLED)
    return html


def _begun(html: Markup, value: str, beginning: Markup) -> Markup:
    written = isolated(value)
    return html.replace(_BEGINNING.format(written), beginning.format(written), 1)


def suggestions(values: Iterable[str]) -> Markup:
    """The options of a datalist, which have nothing to show but their values."""
    return _options(tuple((value, "") for value in values))


@lru_cache(_LISTS)
def _options(choices: tuple[tuple[str, str], ...]) -> Markup:
    return Markup("").join(
        _OPTION.format(isolated(value), isolated(label)) for value, label in choices
    )
