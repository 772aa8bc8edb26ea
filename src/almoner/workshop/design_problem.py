"""One thing that is wrong with a program, and the words that such things are told in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Final

# Looking for a similar name compares with each; nobody reads a list that is longer than a line or
# two.
_MOST_COMPARED: Final = 200
_MOST_LISTED: Final = 20
_LONGEST: Final = 80


@dataclass(frozen=True)
class DesignProblem:
    """Where in the program something is wrong, and what to do in words.

    ``path`` is such as ``assessments[0].sections[1].questions[2].name``, that of the item where
    something is missing in it. ``before`` is the path of an earlier place that belongs to it, blank
    where there is none. ``rests_on`` are the paths of what it was compared with: where that could
    not be read in full, the problem may be none. ``hint`` makes the end of the sentence, which
    takes its time, only where the sentence is read."""

    path: str
    statement: str
    before: str = field(default="", compare=False)
    rests_on: tuple[str, ...] = field(default=(), compare=False)
    hint: Callable[[], str] | None = field(default=None, compare=False)

    @cached_property
    def text(self) -> str:
        """What to do, as a sentence without its capital and its full stop."""
        return self.statement + (self.hint() if self.hint else "")

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def short(value: object) -> str:
    """A value as it stands in a sentence: cut where it is long."""
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def nearest(value: str, known: Collection[str]) -> str | None:
    """The known value that was probably meant; None where none is similar."""
    if len(known) > _MOST_COMPARED:
        return None
    return next(iter(get_close_matches(value[:_LONGEST], known, n=1)), None)


def instead(value: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown value: the one that was probably meant, or all where
    they are few.
    """
    near = nearest(value, known)
    if near is not None:
        return f"; did you mean {short(near)}?"
    return f"; known here: {', '.join(map(short, known))}" if 0 < len(known) <= _MOST_LISTED else ""
