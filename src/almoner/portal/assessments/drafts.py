"""Half-filled assessments: what one worker has typed so far for one patient, exactly as it was typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.sight import OF_WORKER, only_of

# What was typed for each question by its name, each text of several choices; blank where it was emptied.
Texts = Mapping[str, list[str]]

_FIND: Final = """
SELECT spec_id, version, answers, saved_at FROM assessment_drafts
WHERE environment_id = $1 AND patient_id = $2 AND spec_id = $3 AND worker_id = $4
"""
_LISTED: Final = """
SELECT d.spec_id, d.version, d.saved_at, e.definition FROM assessment_drafts d
JOIN program_elements e ON e.environment_id = $1 AND e.kind = 'assessment' AND e.name = d.spec_id AND e.version = d.version
WHERE d.environment_id = $1 AND d.patient_id = $2 AND d.worker_id = $3 AND d.spec_id <> ALL($4::text[])
ORDER BY d.saved_at DESC
"""
_MERGED: Final = "version = $6, answers = (d.answers::jsonb || $7::jsonb)::json, saved_at = clock_timestamp()"
# What is kept of questions that are not asked at the moment stays: they may be asked again. Only of patients whom one may see.
_BEGIN: Final = f"""
INSERT INTO assessment_drafts AS d (environment_id, patient_id, spec_id, worker_id, version, answers, saved_at)
SELECT $1, p.id, $4, $5, $6, $7::json, clock_timestamp() FROM patients p WHERE p.environment_id = $1 AND {OF_WORKER} AND p.id = $3
ON CONFLICT (environment_id, patient_id, spec_id, worker_id) DO UPDATE SET {_MERGED}
RETURNING spec_id, version, answers, saved_at
"""
_GO_ON: Final = f"""
UPDATE assessment_drafts d SET {_MERGED} FROM patients p
WHERE d.environment_id = $1 AND d.patient_id = p.id AND d.spec_id = $4 AND d.worker_id = $5
  AND p.environment_id = $1 AND {OF_WORKER} AND p.id = $3
RETURNING d.spec_id, d.version, d.answers, d.saved_at
"""
_DROP: Final = """
DELETE FROM assessment_drafts WHERE environment_id = $1 AND patient_id = $2 AND spec_id = $3 AND worker_id = $4 RETURNING true
"""


@dataclass(frozen=True)
class Draft:
    """What a worker has typed, for which version of the spec, and when it was last kept."""

    spec_id: str
    version: int
    texts: Texts
    saved_at: datetime


async def find(visit: Visit, connection: Connection, patient_id: str, spec_id: str) -> Draft | None:
    """The visitor's draft of this spec for this patient; None where there is none."""
    row = await connection.fetchrow(_FIND, visit.environment_id, patient_id, spec_id, visit.worker.worker_id)
    return None if row is None else _draft(row)


async def listed(visit: Visit, connection: Connection, patient_id: str) -> list[Mapping[str, Any]]:
    """The visitor's drafts for this patient, the last first, each with the definition of the spec in its version."""
    hidden = list(visit.rights.hidden_assessments)
    rows: list[Mapping[str, Any]] = await connection.fetch(
        _LISTED, visit.environment_id, patient_id, visit.worker.worker_id, hidden
    )
    return rows


async def save(
    visit: Visit, connection: Connection, patient_id: str, spec_id: str, version: int, texts: Texts, begun: bool
) -> Draft | None:
    """Keeps what was typed; questions that ``texts`` does not name keep what they had.

    ``begun``: there was a draft before. None where that has been finished or dropped meanwhile, and where the visitor may not see
    the patient.
    """
    row = await connection.fetchrow(
        _GO_ON if begun else _BEGIN,
        *(visit.environment_id, only_of(visit), patient_id, spec_id, visit.worker.worker_id, version),
        msgspec.json.encode(texts).decode(),
    )
    return None if row is None else _draft(row)


async def drop(visit: Visit, connection: Connection, patient_id: str, spec_id: str) -> bool:
    """Removes the draft. Returns whether there was one."""
    return bool(await connection.fetchval(_DROP, visit.environment_id, patient_id, spec_id, visit.worker.worker_id))


def _draft(row: Mapping[str, Any]) -> Draft:
    return Draft(row["spec_id"], row["version"], msgspec.json.decode(row["answers"]), row["saved_at"])
