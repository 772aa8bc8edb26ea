"""The card of a patient's tasks beside the timeline: the open ones, each to be put away, and the way to give one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient
from almoner.portal.tasks import queries
from almoner.portal.tasks.queries import Task

SHOWS: Final = {"tasks": "patient_tasks"}
_FEW: Final = 5


@dataclass(frozen=True)
class Tasks:
    """What the card shows. ``more`` counts the open tasks that do not fit."""

    open: list[Task]
    more: int


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel | None:
    """The card; there is nothing that keeps it from being drawn."""
    found = await queries.open_ones(visit, connection, patient.id)
    return Panel(card, "portal/tasks/panel.html", Tasks(found[:_FEW], max(0, len(found) - _FEW)))
