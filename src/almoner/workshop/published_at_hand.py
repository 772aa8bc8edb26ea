"""Published parts of programs at hand: what is published never changes, so that who works by itself
reads each version of a part once.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

from almoner.database import Connection, Database
from almoner.workshop import published_programs
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.published_programs import Outline
from almoner.workshop.score import Scorer

_MOST: Final = 500
KeyT = TypeVar("KeyT")
PartT = TypeVar("PartT")


class PublishedAtHand:
    """Those of one database, of every environment, the last ones that were asked for."""

    def __init__(self) -> None:
        self._outlines: OrderedDict[tuple[int, int], Outline] = OrderedDict()
        self._scorers: OrderedDict[tuple[int, str, int], Scorer] = OrderedDict()

    async def outline(
        self, connection: Connection, environment_id: int, version: int
    ) -> Outline | None:
        """The outline of a published version; None where there is no such version."""
        key = (environment_id, version)
        outline = self._outlines.get(key)
        if outline is None:
            outline = await published_programs.outline_at(connection, environment_id, version)
        return _remember(self._outlines, key, outline)

    async def scorer(
        self, connection: Connection, environment_id: int, assessment: str, version: int
    ) -> Scorer | None:
        """What tells the score of a version of an assessment, named by its id; None where there is
        no such version.
        """
        key = (environment_id, assessment, version)
        scorer = self._scorers.get(key)
        if scorer is None:
            design = await published_programs.element(
                connection, environment_id, "assessment", assessment, version
            )
            scorer = Scorer(design) if isinstance(design, Assessment) else None
        return _remember(self._scorers, key, scorer)


def _remember(parts: OrderedDict[KeyT, PartT], key: KeyT, part: PartT | None) -> PartT | None:
    # Where there is none, it may be published yet.
    if part is not None:
        parts[key] = part
        parts.move_to_end(key)
    if len(parts) > _MOST:
        parts.popitem(last=False)
    return part


_OF: Final[WeakKeyDictionary[Database, PublishedAtHand]] = WeakKeyDictionary()


def at_hand(database: Database) -> PublishedAtHand:
    """What this process has at hand of a database."""
    return _OF.setdefault(database, PublishedAtHand())
