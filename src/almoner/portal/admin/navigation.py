"""The pages of the administration, as the navigation at their side lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.pages.visit import Visit


@dataclass(frozen=True)
class AdminPlace:
    """A page, and whether the visitor is on it or below it."""

    title: str
    path: str
    here: bool


_PLACES: Final = (
    ("Overview", "/admin"),
    ("Workers", "/admin/workers"),
    ("Environments", "/admin/environments"),
    ("Audit trail", "/admin/audit"),
    ("Access log", "/admin/access"),
    ("Data export", "/admin/export"),
)


def places(visit: Visit) -> tuple[AdminPlace, ...]:
    """The pages of the administration for a page of it."""
    here = visit.here
    return tuple(
        AdminPlace(title, path, here == path or (path != "/admin" and here.startswith(f"{path}/"))) for title, path in _PLACES
    )
