"""A record that was merged into another, reached from the kept one: what it said and what stayed
with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from starlette.responses import Response

from almoner.access.actors import name_sql, through
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages import parsing
from almoner.pages.visit import Visit
from almoner.patient_merges.sql import ROW
from almoner.portal.patient import Patient
from almoner.portal.patient_access import merged_patient
from almoner.portal.patients import merge_preview
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.published_programs import element

_MOST_CHANGES: Final = 100
_LINKS: Final = f"""
SELECT m.patient_id::text AS id, {full_name_sql("p")} AS name, m.merged_at AS at
    FROM patient_merges m
JOIN patients p ON p.environment_id = $1 AND p.id = m.patient_id WHERE m.environment_id = $1
    AND m.kept_id = $2 ORDER BY m.merged_at
"""
_NOTE: Final = f"""
SELECT m.moved::text AS moved, m.merged_at, {name_sql("m.merged_by")} AS by FROM patient_merges m
WHERE m.environment_id = $1 AND m.patient_id = $2 AND m.kept_id = $3
"""
_IDS: Final = """
SELECT namespace, external_id FROM external_ids WHERE environment_id = $1 AND welkin_id = $2
    AND resource = 'patients'
ORDER BY namespace
"""
_DRAFTS: Final = """
SELECT spec_id, version, answers::text AS answers, saved_at FROM assessment_drafts
WHERE environment_id = $1 AND patient_id = $2 AND worker_id = $3 AND spec_id <> ALL ($4::text[])
    ORDER BY spec_id
"""
_CHANGES: Final = f"""
SELECT c.changed_at AS at, c.kind, c.resource, c.fields, c.through, {name_sql("c.actor")} AS by,
    c.seq FROM changes c
WHERE c.environment_id = $1 AND c.patient_id = $2 AND c.seq < $3 AND c.kind <> 'create'
ORDER BY c.seq DESC LIMIT {_MOST_CHANGES + 1}
"""
# The draft on the kept record and the one that was set aside change places: $2 and $3 are the
# records, $4 the spec, $5 the worker.
_SWAP: Final = """
WITH gone AS (
  DELETE FROM assessment_drafts WHERE environment_id = $1 AND patient_id IN ($2, $3)
      AND spec_id = $4 AND worker_id = $5 RETURNING *
)
SELECT CASE patient_id WHEN $2 THEN $3::uuid ELSE $2::uuid END AS patient_id, spec_id, worker_id,
    version, answers::text AS answers,
  saved_at FROM gone
"""
_PUT: Final = """
INSERT INTO assessment_drafts (environment_id, patient_id, spec_id, worker_id, version, answers,
    saved_at)
VALUES ($1, $2, $3, $4, $5, $6::json, $7)
"""


@dataclass(frozen=True)
class MergedRecordLink:
    """A record that was merged into a patient: its id and name, and when (UTC)."""

    id: str
    name: str
    at: datetime


@dataclass(frozen=True)
class UnfinishedAssessment:
    """An assessment that the visitor has begun on both records: what was typed into this one,
    question by question.
    """

    spec_id: str
    title: str
    saved_at: datetime
    answers: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class EarlierChange:
    """An entry of the change log from before the merge, but for what was created: it has moved.
    ``at`` is in UTC.
    """

    at: datetime
    what: str
    by: str
    through: str


@dataclass(frozen=True, kw_only=True)
class MergedPage:
    """The record. ``values`` are what it says, with whether the kept one says so too."""

    patient: Patient
    old: Patient
    merged_at: datetime
    by: str
    moved: Sequence[tuple[str, int]]
    values: Sequence[tuple[str, str, bool]]
    ids: Sequence[tuple[str, str]]
    drafts: Sequence[UnfinishedAssessment]
    changes: Sequence[EarlierChange]
    older: str


async def links(
    connection: Connection, environment_id: int, patient_id: str
) -> list[MergedRecordLink]:
    """The records that were merged into a patient, the first first."""
    return [
        MergedRecordLink(**row)
        for row in await connection.fetch(_LINKS, environment_id, patient_id)
    ]


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    old, merge = await _merged(visit, connection, patient)
    rows = [
        msgspec.json.decode(await connection.fetchval(ROW, visit.environment_id, record.id))
        for record in (patient, old)
    ]
    ids = await connection.fetch(_IDS, visit.environment_id, old.id)
    before = parsing.whole(visit.query("before"))
    changes = await connection.fetch(
        _CHANGES, visit.environment_id, old.id, 2**63 - 1 if before is None else before
    )
    page = MergedPage(
        patient=patient,
        old=old,
        merged_at=merge["merged_at"],
        by=merge["by"],
        moved=_counted(msgspec.json.decode(merge["moved"])),
        values=await _values(visit, connection, rows, patient),
        ids=[(row["namespace"], row["external_id"]) for row in ids],
        drafts=await _drafts(visit, connection, old),
        changes=[_change(row) for row in changes[:_MOST_CHANGES]],
        older=str(changes[_MOST_CHANGES - 1]["seq"]) if len(changes) > _MOST_CHANGES else "",
    )
    return visit.page("portal/patients/merged.html", page)


async def swap(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Lets the visitor go on with the draft that was set aside; the one that they have on the kept
    record takes its place.
    """
    spec_id = (await visit.form()).text("spec")
    old, _ = await _merged(visit, connection, patient)
    async with connection.transaction():
        for row in await connection.fetch(
            _SWAP, visit.environment_id, patient.id, old.id, spec_id, visit.worker.worker_id
        ):
            await connection.execute(_PUT, visit.environment_id, *row.values())
    return visit.go(f"/patients/{patient.id}/merged/{old.id}")


async def _merged(
    visit: Visit, connection: Connection, survivor: Patient
) -> tuple[Patient, Mapping[str, Any]]:
    """The record that was merged into this one, and the note of that. Raises a 404 ApiError where
    it was not.
    """
    other = Guid().decode(visit.path("other"), "", [])
    note = other and await connection.fetchrow(_NOTE, visit.environment_id, other, survivor.id)
    if not note:
        raise problem("not_found", "No such record was merged into this one.")
    return await merged_patient(visit, connection, other, survivor), note


async def _drafts(visit: Visit, connection: Connection, old: Patient) -> list[UnfinishedAssessment]:
    hidden = list(visit.rights.hidden_assessments)
    rows = await connection.fetch(
        _DRAFTS, visit.environment_id, old.id, visit.worker.worker_id, hidden
    )
    drafts = []
    for row in rows:
        spec = await element(
            connection, visit.environment_id, "assessment", row["spec_id"], row["version"]
        )
        asked = (
            {question.name: question.label or question.name for question in spec.questions}
            if isinstance(spec, Assessment)
            else {}
        )
        answers = [
            (asked.get(name, name), ", ".join(texts))
            for name, texts in msgspec.json.decode(row["answers"]).items()
            if any(texts)
        ]
        drafts.append(
            UnfinishedAssessment(
                row["spec_id"],
                merge_preview.spec_title(visit, row["spec_id"]),
                row["saved_at"],
                answers,
            )
        )
    return drafts


async def _values(
    visit: Visit, connection: Connection, rows: Sequence[Any], survivor: Patient
) -> list[tuple[str, str, bool]]:
    values = await merge_preview.values_of(visit, connection, survivor, rows[0], rows[1])
    return [(v.title, v.other, v.survivor == v.other) for v in values if v.other]


def _counted(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    return [
        (merge_preview.counted_title(name, number), number)
        for name, number in numbers.items()
        if number
    ]


_KINDS: Final = {"update": "changed", "delete": "deleted"}


def _change(row: Mapping[str, Any]) -> EarlierChange:
    fields = ", ".join(name.removesuffix("_id").replace("_", " ") for name in row["fields"] or ())
    what = (
        f"{merge_preview.TITLES.get(row['resource'], row['resource'])}:"
        f" {_KINDS.get(row['kind'], row['kind'])}"
    )
    return EarlierChange(
        row["at"], f"{what} ({fields})" if fields else what, row["by"], through(row["through"])
    )
