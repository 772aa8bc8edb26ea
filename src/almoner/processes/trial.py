"""What a process would have done: the change log of the last days is read, and nothing is done.

The log is read part by part and nothing of it is kept but counts, the newest cases and the oddest,
so that a trial takes as much memory over a million changes as over a hundred."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from almoner.changes import feed
from almoner.changes.feed import Position
from almoner.database import Connection, Database
from almoner.processes import clock, events, hooks
from almoner.processes.events import Event, LogSpan
from almoner.processes.facts import FactRows, Facts
from almoner.processes.foreseen import Case, foreseen
from almoner.processes.lacking import lacking
from almoner.processes.oddest import OddCase, Oddest
from almoner.processes.programs import MARGIN
from almoner.processes.reader import first_position
from almoner.processes.setting_off import ACTOR
from almoner.processes.waiting import would_act_at
from almoner.processes.would import Would, monday
from almoner.workshop import process_words
from almoner.workshop.design import ProgramDesign
from almoner.workshop.process_design import Process
from almoner.workshop.published_programs import Outline
from almoner.workshop.titles import titles_in
from almoner.workshop.trigger_design import Trigger

# So many changes, and so many patients whose time is looked at, are a part.
BATCH: Final = 2_000
PATIENTS: Final = 100
# Of a schedule, the moments that are looked at together.
TICKS: Final = 24
MOST_DAYS: Final = 3_650
MOST_NEWEST: Final = 200
_DAY: Final = timedelta(days=1)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ProcessTrial:
    """What came of it: how many there were, in all and ``by_week`` (its Monday, in UTC), the newest
    of them, the newest first, and those that are the oddest.

    ``would_not_work`` says of how many cases each problem keeps an action from being done, that of
    the most cases first."""

    number: int
    by_week: dict[str, int]
    newest: Sequence[Would]
    oddest: Sequence[OddCase]
    would_not_work: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All but the cases."""
        return {
            "number": self.number,
            "by_week": self.by_week,
            "oddest": [case.as_json() for case in self.oddest],
            "would_not_work": self.problems(),
        }

    def problems(self) -> list[dict[str, Any]]:
        """``would_not_work`` as rows of ``problem`` and ``number``."""
        return [
            {"problem": problem, "number": number}
            for problem, number in self.would_not_work.items()
        ]


class TrialSum:
    """Sums up what would have been done, case by case, for a program's process."""

    def __init__(self, design: ProgramDesign | Outline) -> None:
        self._weeks: Counter[str] = Counter()
        self._newest: list[tuple[datetime, int, Would]] = []
        self._oddest = Oddest(design)
        self._problems: Counter[str] = Counter()
        self._number = 0

    def add(self, would: Would) -> None:
        self._number += 1
        self._weeks[monday(would.happened_at)] += 1
        self._problems.update(set(would.problems))
        self._oddest.add(would)
        entry = (would.happened_at, self._number, would)
        if len(self._newest) < MOST_NEWEST:
            heapq.heappush(self._newest, entry)
        else:
            heapq.heappushpop(self._newest, entry)

    def trial(self) -> ProcessTrial:
        return ProcessTrial(
            self._number,
            dict(sorted(self._weeks.items())),
            [would for _, _, would in sorted(self._newest, reverse=True)],
            self._oddest.cases(),
            dict(self._problems.most_common()),
        )


async def try_out(
    database: Database,
    environment_id: int,
    design: ProgramDesign | Outline,
    process: Process,
    span: tuple[datetime, datetime],
    progress: Progress | None = None,
) -> ProcessTrial:
    """Tries a process of a design on what happened from one moment to another, in UTC.
    ``progress`` is told how much was read, and of about how much.

    Conditions look at answers as they were given and at everything else as it is now. What the demo
    has made up counts as if it had happened."""
    summed = TrialSum(design)
    cases = each_case(database, environment_id, design, process, span=span, progress=progress)
    async for would in cases:
        summed.add(would)
    return summed.trial()


async def each_case(
    database: Database,
    environment_id: int,
    design: ProgramDesign | Outline,
    process: Process,
    span: tuple[datetime, datetime],
    progress: Progress | None = None,
) -> AsyncIterator[Would]:
    """The same, case by case in the order of the log. No connection is matching between two."""
    titles = titles_in(design)
    because = process_words.trigger(process.when, titles)
    actions = [process_words.action(each, titles) for each in process.actions]
    source = _source_of(process.when)(environment_id, process, *span)
    while not source.is_over:
        async with database.connection() as connection:
            batch = await source.read(connection)
            matching = await _matching(connection, environment_id, design, process, batch)
        if progress is not None:
            progress(source.done, round(source.done / source.share) if source.share else 0)
        for event, patient, at, problems in matching:
            yield Would(
                patient_id=event.patient_id,
                at=at,
                because=because,
                happened_at=event.at,
                actions=actions,
                patient=patient,
                problems=problems,
            )


async def _matching(
    connection: Connection,
    environment_id: int,
    design: ProgramDesign | Outline,
    process: Process,
    batch: Sequence[Event],
) -> list[tuple[Event, Mapping[str, Any], datetime, list[str]]]:
    """Those of some events for whose patients the conditions hold, each with the patient, when it
    would act after what it waits for, and why actions could not be done.
    """
    causes = [event.as_json for event in batch]
    rows = FactRows(connection, environment_id, [event.patient_id for event in batch], causes)
    missing = (await lacking(connection, environment_id, [process]))[process.name]
    matching = []
    for event, as_json in zip(batch, causes, strict=True):
        facts = Facts(connection, environment_id, event.patient_id, as_json, rows)
        if not await facts.hold(process.conditions) or not (patient := await facts.patient()):
            continue
        zone = (patient["timezone"], design.working_hours)
        at = await would_act_at(connection, environment_id, process.wait, event, zone)
        if at is not None:
            case = Case(rows, design, patient, event.row_id)
            matching.append((event, patient, at, await foreseen(case, process, missing)))
    return matching


class _EventSource:
    """The events from one moment to another that would have set a process off, part by part."""

    def __init__(
        self, environment_id: int, process: Process, first: datetime, last: datetime
    ) -> None:
        self._environment_id = environment_id
        self._process = process
        self._when = process.when
        self._first, self._last = first, last
        self._since = first
        self.is_over = first >= last
        # How much was read, and which share of all that was; 0 while that is not known.
        self.done, self.share = 0, 0.0

    def _reached(self, moment: datetime, number: int) -> None:
        """Notes that all up to a moment was read."""
        self.done += number
        passed, whole = moment - self._since, self._last - self._since
        self.share = min(max(passed / whole, self.share), 1.0) if whole else 1.0

    async def read(self, connection: Connection) -> list[Event]:
        """The next part; ``is_over`` says whether it was the last."""
        raise NotImplementedError


class _LogEvents(_EventSource):
    """What the change log tells."""

    _after: Position | None = None
    _until = feed.BEGINNING

    async def read(self, connection: Connection) -> list[Event]:
        since = self._first - MARGIN
        if self._after is None:
            self._until = await feed.horizon(connection)
            self._after = await first_position(connection, self._environment_id, since)
        of = events.collections_of(self._when)
        part = LogSpan(self._after, self._until, since, with_demo=True, of=of)
        batch, rest = await events.read(connection, self._environment_id, part, BATCH)
        self.is_over = rest is None
        self._after = rest or self._after
        # A change may be several events.
        changes = {event.cause.rpartition(":")[0] for event in batch}
        number = len(changes) if rest is None else BATCH
        self._reached(max((event.at for event in batch), default=self._first), number)
        own = f"{ACTOR}{self._process.name}"
        return [
            event
            for event in batch
            if events.starts(self._when, event)
            and self._first <= event.at <= self._last
            and event.actor != own
        ]


class _Clock(_EventSource):
    """What the time has brought, patients by patients."""

    _after: str | None = None

    async def read(self, connection: Connection) -> list[Event]:
        span = clock.ClockSpan(self._first, self._last)
        batch, self._after = await clock.events(
            connection, self._environment_id, self._when, span, after=self._after, most=PATIENTS
        )
        self.is_over = self._after is None
        self.done += PATIENTS
        return batch


class _Schedule(_EventSource):
    """What a schedule brings: a part of the time after the other, each patients by patients, so
    that it takes the same memory however often it comes.
    """

    _after: str | None = None

    async def read(self, connection: Connection) -> list[Event]:
        span = clock.part(self._when, clock.ClockSpan(self._first, self._last), TICKS)
        batch, self._after = await clock.events(
            connection, self._environment_id, self._when, span, after=self._after, most=PATIENTS
        )
        self.done += PATIENTS
        if self._after is None:
            self._first, self.is_over = span.last, span.last >= self._last
            self._reached(span.last, 0)
        return batch


class _Daily(_EventSource):
    """What is looked up by its time, day by day."""

    async def read(self, connection: Connection) -> list[Event]:
        first, end = self._first, min(self._first + _DAY, self._last)
        self._first, self.is_over = end, end >= self._last
        batch = await self._between(connection, first, end)
        self._reached(end, len(batch))
        return batch

    async def _between(
        self, connection: Connection, first: datetime, last: datetime
    ) -> list[Event]:
        """Those behind a moment, up to another."""
        return await events.ahead(
            connection, self._environment_id, self._when, first=first, last=last
        )


class _Calls(_Daily):
    """The calls of a hook."""

    async def _between(
        self, connection: Connection, first: datetime, last: datetime
    ) -> list[Event]:
        behind = first + timedelta.resolution
        return await hooks.between(connection, self._environment_id, self._when.hook, behind, last)


def _source_of(when: Trigger) -> type[_EventSource]:
    if when.event == "schedule":
        return _Schedule
    if clock.follows(when):
        return _Clock
    return {"appointment_ahead": _Daily, "hook_called": _Calls}.get(str(when.event), _LogEvents)


def last_days(days: int, at: datetime) -> tuple[datetime, datetime]:
    """The span of so many days up to a moment."""
    return at - timedelta(days=days), at
