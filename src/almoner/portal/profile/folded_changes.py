"""What changed between the entries of care, folded: a line for the changes of a day, or of the days
on which nothing else happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from almoner.database import Connection
from almoner.pages.cursors import Cursor
from almoner.pages.filters import counted
from almoner.portal.profile import timeline
from almoner.portal.profile.timeline import TimelineEntry
from almoner.processes.acts import THROUGH as PROCESS
from almoner.processes.undo import THROUGH as UNDO
from almoner.resources import BY_NAME
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Rights

# So many are counted at most between two pages of care; all of them are under Changes.
_MOST: Final = 500
# What a change of a care flow that is told as a completed step anyway may be late by, in seconds.
_SAME: Final = 10
_NAMED: Final = 3
_AUTOMATIC: Final = (PROCESS, UNDO)
_LAST_ID: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class AutomaticChanges:
    """What a process did by itself in a run of changes or, where ``is_undone``, somebody took back:
    ``title`` says who, ``text`` of what it is.
    """

    title: str
    text: str
    is_undone: bool


@dataclass(frozen=True, kw_only=True)
class FoldedChanges:
    """A line that stands for changes. ``newest`` and ``oldest`` are the days that it covers, in the
    zone that the timeline is read in.

    ``by``: who made them, in words; blank where several did, whom ``text`` then names after what
    was changed. ``more``: there are others behind the last that was counted. ``automatic`` are
    those of processes, which stand for themselves and are not counted: what a process gave or took
    back is care."""

    number: int
    newest: date
    oldest: date
    by: str
    text: str
    more: bool
    automatic: tuple[AutomaticChanges, ...] = ()

    @property
    def title(self) -> str:
        """``5 changes by ehr-sync``."""
        number = f"{self.number:,}+ changes" if self.more else counted(self.number, "change")
        return f"{number} by {self.by}" if self.by else number


@dataclass(frozen=True)
class _Change:
    day: date
    thing: str
    by: str
    through: str


async def folded(
    connection: Connection,
    environment_id: int,
    patient_id: str,
    *,
    rights: Rights,
    sql_zone: str,
    zone: str,
    entries: Sequence[TimelineEntry],
    begin: Cursor | None,
    ends: bool,
) -> tuple[FoldedChanges, ...]:
    """The changes beside these entries of care, the newest first.

    ``begin`` is where the page begins, None at the newest; ``ends``: it is the last one. ``zone``
    is an IANA name, ``sql_zone`` what SQL is given for the patient's."""
    since = None if ends or not entries else entries[-1].at
    rows = await timeline.changes_between(
        connection,
        environment_id,
        patient_id,
        rights=rights,
        zone=sql_zone,
        before=begin._replace(id=_LAST_ID) if begin and begin.id.int else begin,
        since=since,
        most=_MOST + 1,
    )
    steps = [(entry.details.get("id"), entry.at) for entry in entries if _is_step(entry)]
    changes = [
        _Change(
            clocks.day_of(row["at"], zone),
            _thing(row["of"]),
            by=row["name"] or "",
            through=row["through"] or "",
        )
        for row in rows[:_MOST]
        if not _is_step_of(row["of"], row["row_id"], row["at"], steps)
    ]
    of_care = {clocks.day_of(entry.at, zone) for entry in entries}
    runs = _runs(changes, of_care)
    last = len(runs) - 1 if len(rows) > _MOST else -1
    # By which process is told to whom nothing is hidden that it may have gone by.
    names = not (rights.hidden_assessments or rights.hidden_data)
    return tuple(_in_words(run, number == last, names) for number, run in enumerate(runs))


def _thing(resource: str) -> str:
    return BY_NAME[resource].thing if resource in BY_NAME else resource.replace("_", " ")


def _is_step(entry: TimelineEntry) -> bool:
    return entry.resource == "interventions"


def _is_step_of(
    resource: str, row_id: str, at: datetime, steps: Iterable[tuple[str | None, datetime]]
) -> bool:
    """Whether a change of a care flow is told as a completed step already."""
    return resource == "care_flows" and any(
        flow == row_id and abs((at - done).total_seconds()) < _SAME for flow, done in steps
    )


def _runs(changes: Iterable[_Change], of_care: set[date]) -> list[list[_Change]]:
    """The changes in runs: those of a day with care, and those of days between two such."""
    runs: list[list[_Change]] = []
    for change in changes:
        day = runs[-1][-1].day if runs else None
        apart = day != change.day and any(
            change.day <= other <= day for other in of_care if day is not None
        )
        if day is None or apart:
            runs.append([])
        runs[-1].append(change)
    return runs


def _in_words(run: Sequence[_Change], more: bool, names: bool) -> FoldedChanges:
    others = [change for change in run if change.through not in _AUTOMATIC]
    by = Counter(change.by for change in others)
    text = _things(others)
    if len(by) > 1:
        text += " · " + ", ".join(
            f"{number} by {name}" for name, number in by.most_common(_NAMED) if name
        )
    return FoldedChanges(
        number=len(others),
        newest=run[0].day,
        oldest=run[-1].day,
        by=next(iter(by)) if len(by) == 1 else "",
        text=text,
        more=more,
        automatic=tuple(_automatic(run, names)),
    )


def _automatic(run: Sequence[_Change], names: bool) -> Iterator[AutomaticChanges]:
    """A line for each process that acted in the run, and for each person who took such back."""
    of = dict.fromkeys((c.through, c.by) for c in run if c.through in _AUTOMATIC)
    for through, by in of:
        process = f"process {by.replace('_', ' ')}" if names else "a process"
        title = f"By itself: {process}" if through == PROCESS else f"Taken back by {by}"
        text = _things(c for c in run if (c.through, c.by) == (through, by))
        yield AutomaticChanges(title, text, through == UNDO)


def _things(changes: Iterable[_Change]) -> str:
    """``task (2), patient``: of what these changes are."""
    things = Counter(change.thing for change in changes)
    text = ", ".join(
        f"{name} ({number})" if number > 1 else name for name, number in things.most_common(_NAMED)
    )
    if len(things) > _NAMED:
        text += f" and {counted(len(things) - _NAMED, 'other', 'others')}"
    return text
