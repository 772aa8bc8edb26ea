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
from almoner.portal.panels import Card, Drawing, Panel, panels
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
_OWN: Final = tuple(Card(resource.things, shows=resource.name) for resource in RESOURCES if resource.slug)
CONVERSATION: Final = Card("Conversation", shows="conversation")
# What has a page of its own under a patient's address, by the sort of card that shows it: the page and what it is called.
_PAGES: Final[Mapping[str, tuple[str, str]]] = {
    "care_flows": ("care-flows", "Care flows"),
    "tasks": ("tasks", "Tasks"),
    "contact": ("contact", "Contact and consent"),
    "assessments": ("assessments", "Assessments"),
}
_RECORDS: Final = """
SELECT r.type_name, count(*) AS number FROM custom_data_type_records r
WHERE r.environment_id = $1 AND r.user_id = $2 AND r.type_name = ANY ($3::text[]) GROUP BY r.type_name
"""


@dataclass(frozen=True)
class ShownCard:
    """A card on the page. ``place`` is the address that draws it again, ``live`` the collections after whose changes it is."""

    panel: Panel
    place: str
    live: str
    anchor: str


@dataclass(frozen=True)
class Omitted:
    """What there is of a patient and no card shows: its address, what it is called, and how many where that was counted."""

    href: str
    title: str
    number: int | None = None


def cards(visit: Visit) -> tuple[Card, ...]:
    """The cards of the published program, in its order; those of a site's own collections behind them."""
    return (tuple(Card(one.title, one.of, one.field, one.shows) for one in visit.program.sidebar) or DEFAULT) + _OWN


def card(visit: Visit, number: str) -> Card | None:
    """The card of an address: its number from 0, or ``conversation``; None where there is none."""
    if number == CONVERSATION.shows:
        return CONVERSATION
    known = cards(visit)
    at = parsing.whole(number, high=len(known) - 1)
    return None if at is None else known[at]


async def drawn(visit: Visit, connection: Connection, patient: Patient, one: Card, number: str) -> ShownCard | None:
    """The card, drawn; None where nothing draws its sort, or the visitor may not see what it is of."""
    drawing = _known().get(one.shows)
    panel = await drawing.panel(visit, connection, patient, one) if drawing else None
    if panel is None or drawing is None:
        return None
    anchor = "conversation" if one is CONVERSATION else f"card-{number}"
    return ShownCard(panel, f"/patients/{patient.id}/panels/{number}", drawing.live, anchor)


async def sidebar(visit: Visit, connection: Connection, patient: Patient) -> tuple[ShownCard, ...]:
    """Every card that there is to see."""
    found = [await drawn(visit, connection, patient, one, str(n)) for n, one in enumerate(cards(visit))]
    return tuple(shown for shown in found if shown)


async def omitted(visit: Visit, connection: Connection, patient: Patient) -> tuple[Omitted, ...]:
    """The way to what the program's layout leaves out: pages of the patient, and records that they have of other types."""
    drawn_by = cards(visit)
    sorts = {one.shows for one in drawn_by}
    here = f"/patients/{patient.id}"
    pages = [Omitted(f"{here}/{path}", title) for sort, (path, title) in _PAGES.items() if sort not in sorts]
    shown = {one.of for one in drawn_by if one.shows == "records"} | visit.rights.hidden_data
    others = [name for name in visit.program.custom_data_types if name not in shown]
    if not others:
        return tuple(pages)
    rows = {row["type_name"]: row["number"] for row in await connection.fetch(_RECORDS, visit.environment_id, patient.id, others)}
    types = await queries.types(visit, connection, [name for name in others if name in rows])
    records = [Omitted(f"{here}/records?type={quote(one.name)}", one.title, rows[one.name]) for one in types]
    return (*pages, *records)


@cache
def _known() -> Mapping[str, Drawing]:
    return panels()
