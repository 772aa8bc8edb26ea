"""The card of each such collection beside a patient's timeline: the newest rows, and the way to all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.collections.queries import ShownRow, rows
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient
from almoner.resources import BY_NAME, RESOURCES

SHOWS: Final = {resource.name: resource.name for resource in RESOURCES if resource.slug}
_FEW: Final = 5


@dataclass(frozen=True)
class CollectionCard:
    """The card: the newest rows; ``more``: there are others."""

    resource: Resource
    rows: list[ShownRow]
    more: bool


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel:
    resource = BY_NAME[card.shows]
    found = await rows(visit, connection, resource, patient, _FEW + 1)
    return Panel(card, "portal/collections/panel.html", CollectionCard(resource, found[:_FEW], len(found) > _FEW))
