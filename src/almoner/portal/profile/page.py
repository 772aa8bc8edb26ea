"""The profile of a patient, and the parts of it that are drawn again by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from almoner.database import Connection, read_together
from almoner.errors import problem
from almoner.pages import parsing
from almoner.pages.filters import zone_in_words
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import live, patient_bar
from almoner.portal.patient import Patient
from almoner.portal.patient_bar import PatientBarPart
from almoner.portal.patient_routes import patient_route
from almoner.portal.profile import timeline
from almoner.portal.profile.cards import CONVERSATION, DrawnCard, Omitted, cards, omitted, read_card
from almoner.portal.profile.change_words import names_in
from almoner.portal.profile.first_booking import as_booked, changes_of
from almoner.portal.profile.header import ProfileHeader, header
from almoner.portal.profile.published_designs import designs
from almoner.portal.profile.timeline_line import TimelineContext, TimelineLine
from almoner.portal.profile.timeline_words import TimelineDay, days, designs_needed, lines, rows_of
from almoner.processes.reasons import reasons
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid

_FILTERS: Final = {
    "all": "All",
    "care": "Care",
    "calls": "Appointments",
    "messages": "Messages",
    "assessments": "Assessments",
    "changes": "Changes",
    "starred": "Starred",
}


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
            pair
            for pair in (("show", self.show), ("zone", "mine" if self.mine else "theirs"))
            if pair[1] != "all"
        )


@dataclass(frozen=True, kw_only=True)
class ProfilePage:
    head: ProfileHeader
    timeline: Timeline
    conversation: DrawnCard | None
    sidebar: Sequence[DrawnCard]
    omitted: tuple[Omitted, ...]


@dataclass(frozen=True)
class TimelinePart:
    timeline: Timeline


@dataclass(frozen=True)
class HeaderPart:
    head: ProfileHeader


@dataclass(frozen=True)
class CardPart:
    """The inside of a card alone."""

    drawn: DrawnCard
    patient: Patient


@dataclass(frozen=True)
class Star:
    """The button of an entry's star. ``title`` is what the entry is called."""

    path: str
    starred: bool


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The profile; on to the other record where this one was merged into it."""
    if patient.id != visit.path("id").lower():
        return visit.go(f"/patients/{patient.id}")
    numbers = [CONVERSATION.shows, *map(str, range(len(cards(visit))))]
    head, entries, elsewhere, conversation, *sidebar = await read_together(
        connection,
        lambda reading: header(visit, reading, patient),
        lambda reading: _timeline(visit, reading, patient),
        lambda reading: omitted(visit, reading, patient),
        *(partial(read_card, visit, patient, number) for number in numbers),
    )
    page = ProfilePage(
        head=head,
        timeline=entries,
        conversation=conversation,
        sidebar=sorted(filter(None, sidebar), key=lambda card: not card.panel.first),
        omitted=elsewhere,
    )
    return visit.page("portal/profile/profile.html", page)


async def show_timeline(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The timeline by another filter or zone, or its next page; the whole profile where no part of
    a page asks.
    """
    if not visit.is_fragment:
        _, mark, query = visit.here_whole.partition("?")
        return visit.go(f"/patients/{visit.path('id')}{mark}{query}")
    part = TimelinePart(await _timeline(visit, connection, patient))
    template = "rows" if part.timeline.goes_on else "timeline"
    return visit.fragment(f"portal/profile/{template}.html", part)


async def show_bar(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The bar of the patient's pages as it is now; ``focus`` says what was open in it."""
    part = PatientBarPart(patient_bar.of(visit, patient), focus=visit.query("focus"))
    return visit.fragment("portal/patient_bar.html", part)


async def show_header(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The head as it is now."""
    part = HeaderPart(await header(visit, connection, patient))
    return visit.fragment("portal/profile/header.html", part)


async def show_card(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """A card as it is now. Raises a 404 ApiError where the profile has none such any more."""
    number = visit.path("number")
    drawn = await read_card(visit, patient, number, connection)
    if drawn is None:
        raise problem("not_found", "The profile has no such card any more. Load the page again.")
    return visit.fragment("portal/profile/card.html", CardPart(drawn, patient))


async def put_star(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Puts a star at an entry of the timeline, or takes it away."""
    row_id = Guid().decode(visit.path("row"), "", [])
    resource, starred = visit.path("resource"), visit.path("state") == "on"
    if not starred and row_id:
        await timeline.unstar(connection, visit.environment_id, patient.id, resource, row_id)
    elif not row_id or not await timeline.star(
        connection,
        visit.environment_id,
        patient_id=patient.id,
        resource=resource,
        row_id=row_id,
        by=visit.actor.actor,
    ):
        raise problem("not_found", "The timeline has no such entry any more. Load the page again.")
    if not visit.is_fragment:
        return visit.go(f"/patients/{patient.id}")
    return visit.fragment(
        "portal/profile/star.html",
        Star(f"/patients/{patient.id}/stars/{resource}/{row_id}", starred),
    )


async def _timeline(visit: Visit, connection: Connection, patient: Patient) -> Timeline:
    now = datetime.now(UTC)
    show = visit.query("show") if visit.query("show") in _FILTERS else "all"
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
        days=days(drawn, zone, now, after.at if after else None),
        show=show,
        mine=mine,
        until=jumped,
        today=clocks.day_of(now, zone),
        older=_query(show, mine, older.text()) if older else "",
        goes_on=after is not None,
        no_day="" if until else visit.query("until"),
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
    pairs = [("show", show)] if show != "all" else []
    pairs += [("zone", "mine")] if mine else []
    pairs += [("until", until)] if until else []
    pairs += [("after", after)] if after else []
    return f"?{urlencode(pairs)}" if pairs else ""


ROUTES = (
    patient_route("", show),
    patient_route("/timeline", show_timeline),
    # The same for a page that draws itself again: nobody needs to be in front of it.
    patient_route("/timeline/now", show_timeline, background=True),
    patient_route("/header", show_header, background=True),
    patient_route("/bar", show_bar, background=True),
    patient_route("/panels/{number}", show_card, background=True),
    PageRoute("/patients/{id}/live", live.stream, may="give_care", background=True),
    patient_route("/stars/{resource}/{row}/{state}", put_star, "POST"),
)
