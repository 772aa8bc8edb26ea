"""Routes about one patient. Their handlers are given a connection and the patient, and answer with
what is drawn after them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import live, patient_access
from almoner.portal.patient import Patient

PatientAnswering = Callable[[Visit, Connection, Patient], Awaitable[Response]]


def patient_route(
    path: str,
    answer: PatientAnswering,
    method: str = "GET",
    *,
    background: bool = False,
    repeatable: bool = False,
    shows: str = "patients",
    itself: bool = False,
) -> PageRoute:
    """A page below ``/patients/{id}``, for who may give care. The rest is as in ``PageRoute``.

    The handler has the connection until it returns; it writes within it (``Store.within``) and
    takes no second one. Before it the patient is loaded and their reading noted: a 404 where there
    is none whom the visitor may see. ``itself``: the record of the address, also where it was
    merged into another."""

    @wraps(answer)
    async def scoped(visit: Visit) -> Response:
        async with visit.connection() as connection:
            if not visit.is_fragment:
                visit.since = await live.since(connection)
            patient = await patient_access.patient(visit, connection, visit.path("id"), itself)
            return await answer(visit, connection, patient)

    return PageRoute(
        f"/patients/{{id}}{path}",
        scoped,
        may="give_care",
        methods=(method,),
        background=background,
        shows=shows,
        repeatable=repeatable,
    )
