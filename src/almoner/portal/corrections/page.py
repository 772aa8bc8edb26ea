"""The page on which somebody says of an entry that it was entered in error, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.corrections import services
from almoner.portal.corrections.services import CorrectedRow
from almoner.portal.patient import Patient
from almoner.portal.patient_routes import patient_route

_PAGE: Final = "portal/corrections/correct.html"
_LONGEST: Final = 500
_GROUPS: Final = {"calls": "call_outcomes", "notes": "note_types"}


@dataclass(frozen=True, kw_only=True)
class CorrectionPage:
    """The page. ``title`` is what the entry is called; ``error`` is what is wrong with the reason
    that was typed.
    """

    patient: Patient
    row: CorrectedRow
    title: str
    reason: str
    error: str


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    async with connection.transaction():
        row = await services.row_of(visit, connection, patient)
    return _answer(visit, patient, row, "", "")


async def correct(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Says that it is in error, or that it holds after all (``do``)."""
    form = await visit.form()
    reason = form.text("reason").strip()
    async with connection.transaction():
        row = await services.row_of(visit, connection, patient)
        if form.text("do") == "holds":
            await services.take_back(visit, connection, row)
            return visit.go(f"/patients/{patient.id}")
        if not reason or len(reason) > _LONGEST:
            error = f"Say what is wrong with it, in up to {_LONGEST} characters."
            return _answer(visit, patient, row, form.text("reason"), error)
        await services.enter(visit, connection, row, reason)
    return visit.go(f"/patients/{patient.id}")


def _answer(visit: Visit, patient: Patient, row: CorrectedRow, reason: str, error: str) -> Response:
    group = _GROUPS.get(row.resource.name)
    sort = visit.program.title(group, row.sort) if group else ""
    spec = visit.program.newest_specs.get(row.sort) if not group else None
    named = sort or (spec.name if spec else "")
    thing = row.resource.thing
    page = CorrectionPage(
        patient=patient,
        row=row,
        title=f"{thing.capitalize()}: {named}" if named else thing.capitalize(),
        reason=reason,
        error=error,
    )
    return visit.page(_PAGE, page, 400 if error else 200)


ROUTES = (
    patient_route("/errors/{row}", show),
    patient_route("/errors/{row}", correct, "POST"),
)
