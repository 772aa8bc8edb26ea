"""The timeline as a page shows it: filtered, in a zone, from a day on, with changes folded beside
care.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from urllib.parse import urlencode

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages import parsing
from almoner.pages.filters import zone_in_words
from almoner.pages.visit import Visit
from almoner.portal.patient import Patient
from almoner.portal.profile import folded_changes, timeline
from almoner.portal.profile.change_words import names_in
from almoner.portal.profile.first_booking import as_booked, changes_of
from almoner.portal.profile.folded_changes import FoldedChanges
from almoner.portal.profile.published_designs import designs
from almoner.portal.profile.timeline_line import TimelineContext, TimelineLine
from almoner.portal.profile.timeline_words import (
    TimelineDay,
    completes_only,
    days,
    designs_needed,
    lines,
    rows_of,
)
from almoner.processes.reasons import reasons
from almoner.vocabulary import clocks

_FILTERS: Final = {
    "care": "Care",
    "all": "All",
    "calls": "Appointments",
    "messages": "Messages",
    "assessments": "Assessments",
    "changes": "Changes",
    "starred": "Starred",
}


_USUAL: Final = "care"


@dataclass(frozen=True)
class TimelineChoice:
    """A filter or a time zone to read the timeline by, with the query string that chooses it."""

    title: str
    query: str
    here: bool


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A page of the timeline. ``older`` is the query string of the next one, empty at the end;
    ``zone`` an IANA name.

    ``whose`` says whose zone it is where there are two. ``until``: the day that somebody jumped to,
    empty at the newest; ``today`` is the day that it is in the zone; ``no_day`` what was typed
    where that is none."""

    patient: Patient
    filters: tuple[TimelineChoice, ...]
    zones: tuple[TimelineChoice, ...]
    zone: str
    zone_words: str
    whose: str
    days: tuple[TimelineDay, ...]
    show: str
    mine: bool
    until: str
    today: date
    older: str
    goes_on: bool
    no_day: str

    @property
    def of_zone(self) -> str:
        """What an address of another part says of the zone."""
        return "&zone=mine" if self.mine else ""

    @property
    def query(self) -> str:
        """The query string that draws it again."""
        return _query(self.show, self.mine, until=self.until)

    @property
    def from_newest(self) -> str:
        """The same from the newest entry on."""
        return _query(self.show, self.mine)

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """What a jump to another day keeps."""
        return tuple(
            pair for pair in (("show", self.show), ("zone", "mine" if self.mine else "")) if pair[1]
        )


@dataclass(frozen=True)
class UnfoldedChanges:
    """The changes that a folded line stood for. ``zone`` is an IANA name; ``further`` the query
    string that shows those behind them, empty where these are all.
    """

    patient: Patient
    zone: str
    lines: tuple[TimelineLine, ...]
    further: str


async def view(visit: Visit, connection: Connection, patient: Patient) -> Timeline:
    """The page of the timeline that the address asks for."""
    now = datetime.now(UTC)
    show = visit.query("show") if visit.query("show") in _FILTERS else _USUAL
    apart = clocks.differ(patient.timezone, visit.worker.timezone, now)
    mine = visit.query("zone") == "mine" and apart
    zone = visit.worker.timezone if mine else patient.timezone
    after, until = timeline.cursor(visit.query("after")), _day(visit.query("until"))
    begin = after or (timeline.until(until, zone) if until else None)
    there = visit.parts.database.zones.of(patient.timezone)
    entries, older = await timeline.entries(
        connection,
        visit.environment_id,
        patient_id=patient.id,
        rights=visit.rights,
        zone=there,
        show=show,
        after=begin,
    )
    drawn = await _lines(visit, connection, patient, entries, zone)
    folds: Sequence[FoldedChanges] = ()
    if show == _USUAL:
        folds = await folded_changes.folded(
            connection,
            visit.environment_id,
            patient.id,
            rights=visit.rights,
            sql_zone=there,
            zone=zone,
            entries=entries,
            begin=begin,
            ends=older is None,
        )
    jumped = until.isoformat() if until else ""
    return Timeline(
        patient=patient,
        filters=tuple(
            TimelineChoice(title, _query(key, mine, until=jumped), key == show)
            for key, title in _FILTERS.items()
        ),
        zones=_zones(visit, patient, show, jumped) if apart else (),
        zone=zone,
        zone_words=zone_in_words(zone),
        whose=(" (yours)" if mine else " (theirs)") if apart else "",
        days=days(drawn, zone, now, after.at if after else None, folds),
        show=show,
        mine=mine,
        until=jumped,
        today=clocks.day_of(now, zone),
        older=_query(show, mine, older.text()) if older else "",
        goes_on=after is not None,
        no_day="" if until else visit.query("until"),
    )


async def unfolded(visit: Visit, connection: Connection, patient: Patient) -> UnfoldedChanges:
    """The changes of the days ``day`` to ``since``, the newest first, in the zone that the address
    asks for.

    Raises a 404 ApiError where these are none."""
    newest, oldest = _day(visit.query("day")), _day(visit.query("since"))
    if newest is None or oldest is None:
        raise problem("not_found", "These changes do not exist; load the page again.")
    mine = visit.query("zone") == "mine"
    zone = visit.worker.timezone if mine else patient.timezone
    entries, older = await timeline.entries(
        connection,
        visit.environment_id,
        patient_id=patient.id,
        rights=visit.rights,
        zone=visit.parts.database.zones.of(patient.timezone),
        show="changes",
        after=timeline.until(newest, zone),
    )
    of_days = [entry for entry in entries if clocks.day_of(entry.at, zone) >= oldest]
    worded = await _lines(visit, connection, patient, of_days, zone)
    return UnfoldedChanges(
        patient,
        zone,
        tuple(line for line in worded if not completes_only(line)),
        _query("changes", mine, until=newest.isoformat()) if older else "",
    )


async def _lines(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    entries: Sequence[timeline.TimelineEntry],
    zone: str,
) -> tuple[TimelineLine, ...]:
    """The entries in words, with what is looked up for them."""
    known = await designs(connection, visit.environment_id, designs_needed(entries, visit.program))
    booked = await as_booked(connection, visit.environment_id, patient.id, entries)
    changes = [
        *(entry.details for entry in entries if entry.resource == "changes"),
        *changes_of(booked),
        *rows_of(entries),
    ]
    names = await names_in(connection, visit.environment_id, changes)
    why = await reasons(
        connection,
        visit.environment_id,
        {entry.firing_id for entry in entries if entry.firing_id},
        program=visit.program,
        rights=visit.rights,
    )
    return lines(
        entries,
        TimelineContext(
            program=visit.program,
            designs=known,
            base=f"/patients/{patient.id}",
            zone=zone,
            names=names,
            patient_id=patient.id,
            booked=booked,
            reasons=why,
            corrects="correct" in visit.rights.may,
            actor=visit.actor.actor,
        ),
    )


def _zones(visit: Visit, patient: Patient, show: str, until: str) -> tuple[TimelineChoice, ...]:
    """The two zones to choose from."""
    mine = visit.query("zone") == "mine"
    return (
        TimelineChoice(
            f"{zone_in_words(patient.timezone)} (theirs)",
            _query(show, False, until=until),
            not mine,
        ),
        TimelineChoice(
            f"{zone_in_words(visit.worker.timezone)} (yours)", _query(show, True, until=until), mine
        ),
    )


def _day(text: str) -> date | None:
    """The day that somebody jumped to; None where none is meant, or one that calendars do not
    have.
    """
    return parsing.day(text, 1900, 9998)


def _query(show: str, mine: bool, after: str = "", until: str = "") -> str:
    pairs = [("show", show)]
    pairs += [("zone", "mine")] if mine else []
    pairs += [("until", until)] if until else []
    pairs += [("after", after)] if after else []
    return f"?{urlencode(pairs)}" if pairs else ""
