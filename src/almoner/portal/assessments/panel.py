"""The card of assessments beside a patient's timeline: drafts to go on with, the last answers, and
the way to start one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.assessments import responses
from almoner.portal.assessments.page import Begun, begun_here
from almoner.portal.assessments.responses import Answered
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient

SHOWS: Final = {"assessments": "assessment_responses"}
_FEW: Final = 4


@dataclass(frozen=True)
class Assessments:
    """What the card shows. ``more``: there are further answers."""

    begun: list[Begun]
    answered: list[Answered]
    more: bool


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel | None:
    """The card; there is nothing that keeps it from being drawn."""
    begun = await begun_here(visit, connection, patient.id)
    answered = await responses.latest(visit, connection, patient.id)
    return Panel(
        card=card,
        template="portal/assessments/panel.html",
        context=Assessments(begun, answered[:_FEW], len(answered) > _FEW),
        begins="" if begun or answered else f"/patients/{patient.id}/assessments/new",
    )
