"""Merging two records of one person: choosing the other by search, seeing what would happen, and doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from almoner.errors import ApiError, problem
from almoner.pages.forms.refusals import refusals
from almoner.pages.visit import Visit
from almoner.portal.patient import Patient
from almoner.portal.patient_access import only_of, patient
from almoner.portal.patients import merge_records
from almoner.portal.patients.duplicates import Likely, likely
from almoner.portal.patients.find import PatientMatch, find
from almoner.portal.patients.merge_sql import CONTACTS
from almoner.portal.patients.merged_record import MergedRecordLink, links

_SHOWN = 12


@dataclass(frozen=True)
class ChoosePage:
    """Whom the record could be one with: who is likely the same, and who was searched for; ``merged`` are part of it already."""

    patient: Patient
    likely: Sequence[Likely]
    typed: str
    found: Sequence[PatientMatch]
    merged: Sequence[MergedRecordLink]


@dataclass(frozen=True)
class MergePreviewPage:
    """What a merge would do. ``choices`` are those made so far; ``error`` is blank where none is missing."""

    kept: Patient
    other: Patient
    preview: merge_records.MergePreview
    choices: Mapping[str, str]
    error: str


async def show(visit: Visit) -> Response:
    """Likely duplicates, and a search."""
    async with visit.parts.database.connection() as connection:
        kept = await patient(visit, connection, visit.path("id"))
        row = await connection.fetchrow(CONTACTS, visit.environment_id, kept.id)
        near = await likely(connection, visit.environment_id, only_of(visit), {**row})
        merged = await links(connection, visit.environment_id, kept.id)
    others = [one for one in near if one.shown and one.id != kept.id]
    return visit.page("portal/patients/merge.html", ChoosePage(kept, others, "", (), merged))


async def search(visit: Visit) -> Response:
    """Whom the search finds, but for the patient and those who were merged already."""
    typed = (await visit.form()).text("other").strip()
    async with visit.parts.database.connection() as connection:
        kept = await patient(visit, connection, visit.path("id"))
        found = await find(connection, visit.environment_id, only=only_of(visit), text=typed, limit=_SHOWN, but=[kept.id])
        merged = await links(connection, visit.environment_id, kept.id)
    page = ChoosePage(kept, (), typed, found, merged)
    return visit.show("portal/patients/merge.html", "portal/patients/merge_found.html", page)


async def preview(visit: Visit) -> Response:
    """Field by field what would be kept, what moves, and what has to be decided."""
    return await _preview(visit, visit.path("other"), {}, "", 200)


async def merge(visit: Visit) -> Response:
    """Merges, and shows the kept record; or the preview again, where something is not decided."""
    form = await visit.form()
    choices = {name.removeprefix("take."): value for name, value in form.pairs if name.startswith("take.")}
    choices[merge_records.SURE] = "yes" if form.truth(merge_records.SURE) else ""
    kept, other = await _both(visit, form.text("other"))
    try:
        await merge_records.merge(visit, kept, other, choices, form.text("digest"))
    except ApiError as error:
        if error.status >= 500:
            raise
        # What was chosen between values that are others now has to be chosen anew.
        still = {} if error.status == 412 else choices
        return await _preview(visit, other.id, still, refusals(error), error.status)
    return visit.go(f"/patients/{kept.id}")


async def _both(visit: Visit, other_id: str) -> tuple[Patient, Patient]:
    """Both records. Raises a 404 ApiError where one is not shown, 400 where they cannot be merged."""
    async with visit.parts.database.connection() as connection:
        kept, other = [await patient(visit, connection, one, itself=True) for one in (visit.path("id"), other_id)]
    if kept.id == other.id:
        raise problem("bad_request", "This is the same record. Choose another one.")
    merged = next((one for one in (kept, other) if one.merged_into), None)
    if merged:
        raise problem(
            "bad_request", f"A record of {merged.name} was merged into another already. Open that one, and merge from there."
        )
    return kept, other


async def _preview(visit: Visit, other_id: str, choices: Mapping[str, str], error: str, status: int) -> Response:
    kept, other = await _both(visit, other_id)
    async with visit.parts.database.connection() as connection:
        planned = await merge_records.preview(visit, connection, kept, other)
    return visit.page("portal/patients/merge_preview.html", MergePreviewPage(kept, other, planned, choices, error), status)
