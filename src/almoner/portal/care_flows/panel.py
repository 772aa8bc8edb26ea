"""The card of a patient's care flows on the profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.care_flows import queries
from almoner.portal.care_flows.view import FlowView
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient

SHOWS: Final = {"care_flows": "care_flows"}


@dataclass(frozen=True)
class CareFlowsPanel:
    """The flows that have something to do, or were only just finished; and how many more there
    are.
    """

    flows: tuple[FlowView, ...]
    finished: int


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel:
    flows = await queries.list_flows(visit, connection, patient)
    active = tuple(
        flow
        for flow in flows
        if not flow.finished or any(step.fresh for goal in flow.goals for step in goal.steps)
    )
    return Panel(
        card=card,
        template="portal/care_flows/panel.html",
        context=CareFlowsPanel(active, len(flows) - len(active)),
        begins="" if flows else f"/patients/{patient.id}/care-flows/new",
    )
