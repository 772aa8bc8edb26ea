"""The cards beside a patient's timeline: each is a module of some folder of the portal, found by
what it shows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.patient import Patient


@dataclass(frozen=True)
class Card:
    """What the program's designer says of a card: its title, what it shows and of what
    (``workshop.design.SidebarModule``).
    """

    title: str
    of: str = ""
    field: str = ""
    shows: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A drawn card: the template below the package, and the typed context that it sees as
    ``panel``. ``first``: it stands before the others for now.

    ``begins``: where the first of what it shows is added; blank where there is some already, or
    that there is none has to be seen.
    """

    card: Card
    template: str
    context: Any
    first: bool = False
    begins: str = ""


@dataclass(frozen=True)
class CardDrawing:
    """What draws a sort of card, and the collections after whose changes it draws it again."""

    panel: Callable[[Visit, Connection, Patient, Card], Awaitable[Panel | None]]
    live: str


def panels() -> Mapping[str, CardDrawing]:
    """What draws each sort of card: ``portal/<folder>/panel.py`` names it in SHOWS, with what it is
    drawn from, and draws it in ``panel``."""
    drawings: dict[str, CardDrawing] = {}
    for path in sorted(Path(__file__).parent.glob("*/panel.py")):
        module = import_module(f"almoner.portal.{path.parent.name}.panel")
        for shows, live in module.SHOWS.items():
            drawings[shows] = CardDrawing(module.panel, live)
    return drawings
