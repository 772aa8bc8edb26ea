"""The profile of a patient, and the parts of it that are drawn again by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from almoner.database import Connection, read_together
from almoner.errors import problem
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import live, patient_bar
from almoner.portal.patient import Patient
from almoner.portal.patient_bar import PatientBarPart
from almoner.portal.patient_routes import patient_route
from almoner.portal.profile import timeline, timeline_view
from almoner.portal.profile.cards import CONVERSATION, DrawnCard, Omitted, cards, omitted, read_card
from almoner.portal.profile.header import ProfileHeader, header
from almoner.portal.profile.timeline_view import Timeline, UnfoldedChanges
from almoner.vocabulary.kinds import Guid

# The parts of a profile that a telephone shows one at a time.
_TABS: Final = ("overview", "timeline", "messages")


@dataclass(frozen=True, kw_only=True)
class ProfilePage:
    """The profile. ``tab`` is one of ``_TABS``: on a wide screen the first two are the same, the
    timeline with the cards beside it, and messages stand in the timeline's place.
    """

    head: ProfileHeader
    tab: str
    timeline: Timeline | None
    conversation: DrawnCard | None
    sidebar: Sequence[DrawnCard]
    omitted: tuple[Omitted, ...]


@dataclass(frozen=True)
class TimelinePart:
    timeline: Timeline


@dataclass(frozen=True)
class UnfoldedPart:
    unfolded: UnfoldedChanges


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
    tab = _tab(visit)
    is_talk = tab == "messages"
    head, main, elsewhere, *sidebar = await read_together(
        connection,
        lambda reading: header(visit, reading, patient),
        lambda reading: _main(visit, reading, patient, is_talk),
        lambda reading: omitted(visit, reading, patient),
        *(partial(read_card, visit, patient, str(n)) for n in range(len(cards(visit)))),
    )
    page = ProfilePage(
        head=replace(head, tab=tab),
        tab=tab,
        timeline=main if isinstance(main, Timeline) else None,
        conversation=main if isinstance(main, DrawnCard) else None,
        # What is used before what is not begun; the designer's order within both.
        sidebar=sorted(
            filter(None, sidebar),
            key=lambda card: (not card.panel.first, bool(card.panel.begins)),
        ),
        omitted=elsewhere,
    )
    return visit.page("portal/profile/profile.html", page)


def _tab(visit: Visit) -> str:
    """The part that is asked for; the timeline where the address says which entries."""
    if visit.query("tab") in _TABS:
        return visit.query("tab")
    return "timeline" if any(map(visit.query, ("show", "until", "after"))) else "overview"


async def _main(
    visit: Visit, connection: Connection, patient: Patient, is_talk: bool
) -> Timeline | DrawnCard | None:
    if is_talk:
        return await read_card(visit, patient, CONVERSATION.shows, connection)
    return await timeline_view.view(visit, connection, patient)


async def show_timeline(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The timeline by another filter or zone, or its next page; the whole profile where no part of
    a page asks.
    """
    if not visit.is_fragment:
        _, mark, query = visit.here_whole.partition("?")
        return visit.go(f"/patients/{visit.path('id')}{mark}{query}")
    part = TimelinePart(await timeline_view.view(visit, connection, patient))
    template = "rows" if part.timeline.goes_on else "timeline"
    return visit.fragment(f"portal/profile/{template}.html", part)


async def show_folded(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The changes that a line of the timeline stands for; the timeline of changes where no part of
    a page asks.
    """
    if not visit.is_fragment:
        day = urlencode({"show": "changes", "until": visit.query("day")})
        return visit.go(f"/patients/{patient.id}?{day}")
    part = await timeline_view.unfolded(visit, connection, patient)
    return visit.fragment("portal/profile/unfolded.html", UnfoldedPart(part))


async def show_bar(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The bar of the patient's pages as it is now; ``focus`` says what was open in it."""
    part = PatientBarPart(patient_bar.of(visit, patient), focus=visit.query("focus"))
    return visit.fragment("portal/patient_bar.html", part)


async def show_header(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The head as it is now."""
    head = await header(visit, connection, patient)
    part = HeaderPart(replace(head, tab=_tab(visit)))
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


ROUTES = (
    patient_route("", show),
    patient_route("/timeline", show_timeline),
    # The same for a page that draws itself again: nobody needs to be in front of it.
    patient_route("/timeline/now", show_timeline, background=True),
    patient_route("/timeline/changes", show_folded),
    patient_route("/header", show_header, background=True),
    patient_route("/bar", show_bar, background=True),
    patient_route("/panels/{number}", show_card, background=True),
    PageRoute("/patients/{id}/live", live.stream, may="give_care", background=True),
    patient_route("/stars/{resource}/{row}/{state}", put_star, "POST"),
)
