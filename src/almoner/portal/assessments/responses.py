"""Answered assessments of a patient as they are read: in the version that was asked, with score,
band and who answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.access.actors import name_sql, through
from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.pages.cursors import Cursor
from almoner.pages.visit import Visit
from almoner.portal.own_fields import OwnFields
from almoner.resources.assessment_responses import assessment_responses
from almoner.vocabulary.definitions import Score
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.published_programs import decoded
from almoner.workshop.score import score

MOST: Final = 50
# What answers say beside those to the questions. In their form a name begins as that of a question
# does, with a point that no question's has.
OWN: Final = OwnFields(assessment_responses, "a-.")


def _statement(condition: str, limit: int) -> str:
    """The visible answers of a patient that meet a condition, newest first. ``$2`` is the patient,
    ``$3`` the hidden specs.
    """
    return f"""
WITH listed AS (
  SELECT r.id, r.spec_id, r.version, r.title, r.model, r.created_at,
    CASE WHEN r.entered_in_error_at IS NOT NULL THEN coalesce(r.entered_in_error_reason, '')
      END AS error,
    {OWN.row_sql("r")}
  FROM assessment_responses r
  WHERE r.environment_id = $1 AND r.user_id = $2 AND r.spec_id <> ALL($3::text[]) AND {condition}
  ORDER BY r.created_at DESC, r.id DESC LIMIT {limit}
)
SELECT l.id::text, l.spec_id, l.version, l.title, l.model, l.created_at, l.error, l.body, m.through,
    {name_sql("m.actor")} AS by, e.definition
FROM listed l
LEFT JOIN (
  SELECT c.row_id, c.actor, c.through FROM changes c WHERE c.environment_id = $1
      AND c.patient_id = $2
  AND c.resource = 'assessment_responses' AND c.kind = 'create' AND c.row_id IN (SELECT id
      FROM listed)
) m ON m.row_id = l.id
LEFT JOIN program_elements e ON e.environment_id = $1 AND e.kind = 'assessment'
    AND e.name = l.spec_id AND e.version = l.version
ORDER BY l.created_at DESC, l.id DESC
"""


_NEWEST: Final = _statement(
    "($4::timestamptz IS NULL OR (r.created_at, r.id) < ($4, $5::uuid))", MOST + 1
)
_LATEST: Final = _statement("true", 5)
_OF_SPEC: Final = _statement("r.spec_id = $4", 3)
_BY_ID: Final = _statement("r.id = $4", 1)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answered assessment. ``assessment`` is the spec in the version that was asked, None where
    that is not known any more.

    ``by`` is who sent the answers and through what, blank where the log does not tell; ``row`` is
    as ``OwnFields.row`` has it. ``error`` is why they were entered in error, None where they hold:
    what does not has no score.
    """

    id: str
    spec_id: str
    name: str
    version: int
    at: datetime
    by: str
    model: Mapping[str, Any]
    assessment: Assessment | None
    score: Score | None
    error: str | None
    row: Row


async def newest(
    visit: Visit, connection: Connection, patient_id: str, before: Cursor | None = None
) -> list[Answered]:
    """At most ``MOST`` answered ones and one more, which tells that there are older ones.
    ``before``: time and id of a row.
    """
    at, row_id = before or (None, None)
    return await _read(visit, connection, _NEWEST, patient_id, at, row_id)


async def latest(visit: Visit, connection: Connection, patient_id: str) -> list[Answered]:
    """The last few, for a card."""
    return await _read(visit, connection, _LATEST, patient_id)


async def of_spec(
    visit: Visit, connection: Connection, patient_id: str, spec_id: str
) -> list[Answered]:
    """The last three of one spec."""
    return await _read(visit, connection, _OF_SPEC, patient_id, spec_id)


async def response_by_id(
    visit: Visit, connection: Connection, patient_id: str, row_id: str
) -> Answered | None:
    """One of them; None where the patient has none of this id that the visitor may see."""
    answered = await _read(visit, connection, _BY_ID, patient_id, row_id)
    return answered[0] if answered else None


async def _read(
    visit: Visit, connection: Connection, statement: str, patient_id: str, *more: Any
) -> list[Answered]:
    hidden = list(visit.rights.hidden_assessments)
    rows = await connection.fetch(statement, visit.environment_id, patient_id, hidden, *more)
    specs: dict[tuple[str, int], Assessment] = {}
    for row in rows:
        key = row["spec_id"], row["version"]
        if key not in specs and row["definition"] is not None:
            specs[key] = decoded(row, Assessment)
    return [_answered(row, specs.get((row["spec_id"], row["version"]))) for row in rows]


def _answered(row: Mapping[str, Any], assessment: Assessment | None) -> Answered:
    model = msgspec.json.decode(row["model"])
    holds = row["error"] is None
    counted = score(assessment, model) if assessment is not None and holds else None
    name = row["title"] or (assessment.name if assessment else row["spec_id"])
    by = f"{row['by']}, {through(row['through'])}" if row["by"] else ""
    return Answered(
        id=row["id"],
        spec_id=row["spec_id"],
        name=name,
        version=row["version"],
        at=row["created_at"],
        by=by,
        model=model,
        assessment=assessment,
        score=counted,
        error=row["error"],
        row=OWN.row(row),
    )
