"""Merging two records of one person: choosing the other by search, seeing what would happen, and
doing it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.forms.refusals import refusals
from almoner.pages.visit import Visit
from almoner.patient_merges.duplicates import Likely, likely
from almoner.patient_merges.sql import CONTACTS
from almoner.portal import patient_access
from almoner.portal.patient import Patient
from almoner.portal.patient_access import only_of
from almoner.portal.patients import merge_preview, merge_records
from almoner.portal.patients.find import PatientMatch, find
from almoner.portal.patients.merged_record import MergedRecordLink, links

_MOST = 12


@dataclass(frozen=True, kw_only=True)
class ChoosePage:
    """Whom the record could be one with: who is likely the same, and who was searched for;
    ``merged`` are part of it already.
    """

    patient: Patient
    likely: Sequence[Likely]
    text: str
    matches: Sequence[PatientMatch]
    merged: Sequence[MergedRecordLink]


@dataclass(frozen=True, kw_only=True)
class MergePreviewPage:
    """What a merge would do. ``choices`` are those made so far; ``error`` is blank where none is
    missing.
    """

    survivor: Patient
    other: Patient
    preview: merge_preview.MergePreview
    choices: Mapping[str, str]
    error: str


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Likely duplicates, and a search."""
    row = await connection.fetchrow(CONTACTS, visit.environment_id, patient.id)
    near = await likely(connection, visit.environment_id, only_of(visit), {**row})
    others = [other for other in near if other.is_visible and other.id != patient.id]
    merged = await links(connection, visit.environment_id, patient.id)
    return visit.page(
        "portal/patients/merge.html",
        ChoosePage(patient=patient, likely=others, text="", matches=(), merged=merged),
    )


async def search(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Whom the search finds, but for the patient and those who were merged already."""
    text = (await visit.form()).text("other").strip()
    matches = await find(
        connection,
        visit.environment_id,
        only=only_of(visit),
        text=text,
        limit=_MOST,
        but=[patient.id],
    )
    page = ChoosePage(
        patient=patient,
        likely=(),
        text=text,
        matches=matches,
        merged=await links(connection, visit.environment_id, patient.id),
    )
    return visit.show("portal/patients/merge.html", "portal/patients/merge_candidates.html", page)


async def preview(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Field by field what would be kept, what moves, and what has to be decided."""
    other = await _other(visit, connection, patient, visit.path("other"))
    return await _preview(visit, connection, patient, other, choices={}, error="", status=200)


async def merge(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Merges, and shows the kept record; or the preview again, where something is not decided."""
    form = await visit.form()
    choices = {
        name.removeprefix("take."): value for name, value in form.pairs if name.startswith("take.")
    }
    choices[merge_records.SURE] = "yes" if form.truth(merge_records.SURE) else ""
    other = await _other(visit, connection, patient, form.text("other"))
    try:
        await merge_records.merge(
            visit, connection, patient, other, choices=choices, digest=form.text("digest")
        )
    except ApiError as error:
        if error.status >= 500:
            raise
        # What was chosen between values that are others now has to be chosen anew.
        still = {} if error.status == 412 else choices
        survivor, other = [
            await patient_access.patient(visit, connection, record.id, itself=True)
            for record in (patient, other)
        ]
        _refuse_merged(survivor, other)
        return await _preview(
            visit,
            connection,
            survivor,
            other,
            choices=still,
            error=refusals(error),
            status=error.status,
        )
    return visit.go(f"/patients/{patient.id}")


async def _other(visit: Visit, connection: Connection, patient: Patient, other_id: str) -> Patient:
    """The other record. Raises a 404 ApiError where it is not shown, 400 where the two cannot be
    merged.
    """
    other = await patient_access.patient(visit, connection, other_id, itself=True)
    _refuse_merged(patient, other)
    return other


def _refuse_merged(survivor: Patient, other: Patient) -> None:
    if survivor.id == other.id:
        raise problem("bad_request", "This is the same record. Choose another one.")
    merged = next((record for record in (survivor, other) if record.merged_into), None)
    if merged:
        raise problem(
            "bad_request",
            f"A record of {merged.name} was merged into another already. Open that one, and merge"
            " from there.",
        )


async def _preview(
    visit: Visit,
    connection: Connection,
    survivor: Patient,
    other: Patient,
    choices: Mapping[str, str],
    error: str,
    status: int,
) -> Response:
    planned = await merge_preview.preview(visit, connection, survivor, other)
    return visit.page(
        "portal/patients/merge_preview.html",
        MergePreviewPage(
            survivor=survivor, other=other, preview=planned, choices=choices, error=error
        ),
        status,
    )
