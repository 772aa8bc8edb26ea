"""The left column of the profile: the newest conversation, and the form that records a message in
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.conversations.view import ConversationView, view
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient

SHOWS: Final = {"conversation": "messages conversations"}


@dataclass(frozen=True)
class ConversationPanel:
    """The conversation that is shown."""

    view: ConversationView


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel:
    return Panel(
        card=card,
        template="portal/conversations/panel.html",
        context=ConversationPanel(await view(visit, connection, patient, "", card=True)),
    )
