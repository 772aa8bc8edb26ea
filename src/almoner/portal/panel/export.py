"""A view of a panel as a file: all who fit, in its order, with exact values instead of words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response

from almoner.pages.answer_audit import FilePart, packed
from almoner.pages.visit import Visit
from almoner.portal.panel import listing
from almoner.portal.panel.columns import PanelColumn
from almoner.portal.panel.gather import PanelAsked, asked
from almoner.portal.panel.listing import PanelPatient
from almoner.portal.panel.view import draw
from almoner.vocabulary.times import iso
from almoner_files import csv_text
from almoner_files.csv_text import AsIs

_HEADERS: Final = {"Content-Disposition": 'attachment; filename="panel.csv"'}


async def export(visit: Visit) -> Response:
    """The file of the view that the address asks for."""
    looked_at = await asked(visit)
    if not looked_at.fits:
        return await draw(visit, looked_at)
    return visit.stream(_parts(visit, looked_at), _HEADERS, "text/csv; charset=utf-8")


async def _parts(visit: Visit, looked_at: PanelAsked) -> AsyncIterator[FilePart]:
    """Page by page. That it was taken to its end is an event, as of other exports."""
    columns = [looked_at.column(key) for key in looked_at.view.columns]
    titles = ["id", "Name", *(column.title for column in columns)]
    yield FilePart(csv_text.heading(titles).encode())
    after, number, has_more = "", 0, True
    while has_more:
        async with visit.connection() as connection:
            page = await listing.page(connection, looked_at.about, looked_at.view, after)
        lines = [
            csv_text.line(
                [patient.id, patient.name, *(_exact(visit, column, patient) for column in columns)]
            )
            for patient in page.patients
        ]
        ids = [patient.id for patient in page.patients]
        yield FilePart("".join(lines).encode(), packed(ids), "patients")
        number, has_more = number + len(ids), page.has_after
        after = ids[-1] if ids else ""
    async with visit.connection() as connection:
        await visit.record_event(
            connection, "data exported", f"{number:,} rows: a view of the panel as CSV"
        )


def _exact(visit: Visit, column: PanelColumn, patient: PanelPatient) -> str | AsIs | None:
    """The value of a cell as a program reads it: moments in UTC, numbers without words."""
    if not column.figure:
        return _of_patient(visit, column, patient)
    figure = patient.figures.get(column.figure)
    if figure is None:
        return None
    if column.sort in ("past", "ahead", "late"):
        return AsIs(iso(figure["at"]))
    if column.part == "word":
        word: str | None = figure["word"]
        return word
    return None if figure["number"] is None else AsIs(f"{figure['number']:.15g}")


def _of_patient(visit: Visit, column: PanelColumn, patient: PanelPatient) -> str | AsIs | None:
    if column.key == "phase":
        return visit.program.title("phases", patient.phase)
    if column.key == "coach":
        return patient.coach
    if column.key == "added":
        return AsIs(iso(patient.created_at))
    value: str | None = patient.values[column.key]
    return value
