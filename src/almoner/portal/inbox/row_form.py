"""The small forms that ask something about rows of the inbox: whom they are about, and where they
are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.portal.inbox.rows import TASK
from almoner.portal.inbox.view import view_of
from almoner.portal.patient import Patient

_FOLDER: Final = "portal/inbox"
_MOST: Final = 200


async def patients(visit: Visit, connection: Connection, ids: Sequence[str]) -> list[Patient]:
    """Those who are meant. Raises a 404 ApiError where the visitor does not see one of them."""
    unique = [each for each in dict.fromkeys(ids) if not each.startswith(TASK)][:_MOST]
    return [await patient_access.patient(visit, connection, each) for each in unique or [""]]


def hidden_fields(visit: Visit, text: Callable[[str], str]) -> tuple[tuple[str, str], ...]:
    """What the form hands on: the view of the inbox that is drawn again, and the row of it."""
    return (*view_of(visit, text).fields, ("row", text("row")))


def draw(visit: Visit, name: str, form: Any, status: int = 200) -> Response:
    """The form of this name, by its template; one that was refused where it stood."""
    if not visit.is_fragment:
        return visit.page(f"{_FOLDER}/{name}.html", form, status)
    headers = {"HX-Retarget": "#small-form", "HX-Reswap": "innerHTML"} if status != 200 else {}
    return visit.fragment(f"{_FOLDER}/{name}_form.html", form, status, headers)
