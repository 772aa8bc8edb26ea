"""What a new version of a program breaks in what an environment holds, as a dry run reports it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

MOST_IDS: Final = 100
# The words by which a publisher accepts a kind of breakage, each with what it stands for.
WORDS: Final[Mapping[str, str]] = {
    "responses": "answers that do not fit, or whose assessment is gone",
    "records": "records of custom data that do not fit, or whose type is gone",
    "phases": "patients in a phase that is gone, or that none follows any more",
    "appointments": "appointments to come of a type that is gone",
    "tasks": "open tasks of a type that is gone",
    "processes": "patients for whom a process waits that is gone, or acts in another way then",
    "roles": "workers who may do less than before, or more",
}


@dataclass(frozen=True)
class Breakage:
    """One thing that breaks. ``kind`` tells which, ``word`` is what accepts it (``WORDS``),
    ``what`` names the element.

    ``ids`` are the first hundred of the ``count`` rows: of the responses, records, appointments,
    workers, or patients."""

    kind: str
    word: str
    what: str
    count: int
    ids: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Report:
    """What an examination found. ``version`` is the published version that the new one was compared
    with, 0 for none.

    ``examined`` counts the responses and records that were checked; ``began_at`` is the database's
    clock, in UTC."""

    breakages: tuple[Breakage, ...] = ()
    version: int = 0
    examined: int = 0
    began_at: datetime | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words that a publisher must say for all of it."""
        return tuple(word for word in WORDS if any(b.word == word for b in self.breakages))

    def missing(self, accepting: Collection[str]) -> tuple[str, ...]:
        """The words that have not been said."""
        return tuple(word for word in self.words if word not in accepting)


def many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
