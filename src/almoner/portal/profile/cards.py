"""The cards beside a timeline: which there are, in which order, and when each is drawn again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import quote

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.visit import Visit
from almoner.portal.collections.shared_pages import PAGES, title
from almoner.portal.panels import Card, CardDrawing, Panel, panels
from almoner.portal.patient import Patient
from almoner.portal.records import queries
from almoner.resources import RESOURCES

# Where the program says nothing of its profile.
DEFAULT: Final = (
    Card("Care flow", shows="care_flows"),
    Card("Tasks", shows="tasks"),
    Card("Appointments", shows="appointments"),
    Card("Contact and consent", shows="contact"),
    Card("Assessments", shows="assessments"),
    Card("Other systems", shows="external_ids"),
)
# Notes, and what a site has added, which has a card behind the others until a designer places it.
_OWN: Final = (
    Card("Notes", shows="notes"),
    *(
        Card(resource.things, shows=resource.card)
        for resource in RESOURCES
        if resource.card and resource.card not in {card.shows for card in DEFAULT}
    ),
)
CONVERSATION: Final = Card("Conversation", shows="conversation")
# What has a page of its own under a patient's address, by the sort of card that shows it: the page
# and what it is called.
_PAGES: Final[Mapping[str, tuple[str, str]]] = {
    "care_flows": ("care-flows", "Care flows"),
    "assessments": ("assessments", "Assessments"),
    "notes": ("notes", "Notes"),
    **{
        resource.card: (page, title(page))
        for page, together in PAGES.items()
        for resource in together
        if resource.card != resource.name
    },
}
_RECORDS: Final = """
SELECT r.type_name, count(*) AS number FROM custom_data_type_records r
WHERE r.environment_id = $1 AND r.user_id = $2 AND r.type_name = ANY ($3::text[])
    GROUP BY r.type_name
"""


@dataclass(frozen=True)
class DrawnCard:
    """A card on the page. ``place`` is the address that draws it again, ``live`` the collections
    after whose changes it is.
    """

    panel: Panel
    place: str
    live: str
    anchor: str


@dataclass(frozen=True)
class Omitted:
    """What there is of a patient and no card shows: its address, what it is called, and how many
    where that was counted.
    """

    href: str
    title: str
    number: int | None = None


def cards(visit: Visit) -> tuple[Card, ...]:
    """The cards of the published program, in its order; those of a site's own collections behind
    them.
    """
    placed = (
        tuple(
            Card(module.title, module.of, module.field, module.shows)
            for module in visit.program.sidebar
        )
        or DEFAULT
    )
    return placed + tuple(own for own in _OWN if own.shows not in {card.shows for card in placed})


async def read_card(
    visit: Visit, patient: Patient, number: str, connection: Connection
) -> DrawnCard | None:
    """The card of an address: its number from 0, or ``conversation``. None where there is none,
    nothing draws its sort, or the visitor may not see what it is of.
    """
    if number == CONVERSATION.shows:
        card, anchor = CONVERSATION, "conversation"
    else:
        there = cards(visit)
        place = parsing.whole(number, high=len(there) - 1)
        if place is None:
            return None
        card, anchor = there[place], f"card-{number}"
    drawing = _drawings().get(card.shows)
    panel = await drawing.panel(visit, connection, patient, card) if drawing else None
    if panel is None or drawing is None:
        return None
    return DrawnCard(panel, f"/patients/{patient.id}/panels/{number}", drawing.live, anchor)


async def omitted(visit: Visit, connection: Connection, patient: Patient) -> tuple[Omitted, ...]:
    """The way to what the program's layout leaves out: pages of the patient, and records that they
    have of other types.
    """
    drawn_by = cards(visit)
    sorts = {card.shows for card in drawn_by}
    here = f"/patients/{patient.id}"
    pages = [
        Omitted(f"{here}/{path}", title)
        for sort, (path, title) in _PAGES.items()
        if sort not in sorts
    ]
    drawn = {card.of for card in drawn_by if card.shows == "records"} | visit.rights.hidden_data
    others = [name for name in visit.program.custom_data_types if name not in drawn]
    if not others:
        return tuple(pages)
    rows = {
        row["type_name"]: row["number"]
        for row in await connection.fetch(_RECORDS, visit.environment_id, patient.id, others)
    }
    records = [
        Omitted(f"{here}/records?type={quote(type_.name)}", type_.title, rows[type_.name])
        for type_ in queries.types(visit, list(rows))
    ]
    return (*pages, *records)


@cache
def _drawings() -> Mapping[str, CardDrawing]:
    return panels()
