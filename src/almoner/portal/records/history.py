"""What became of one record: who wrote which values when, and through what, from the change log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.patient_merges.current_sql import with_merged
from almoner.portal.patient import Patient
from almoner.portal.profile.change_words import names_in, who
from almoner.portal.profile.differences import FieldDifference, differences
from almoner.portal.profile.timeline_details import CHANGE
from almoner.portal.value_words import Zones
from almoner.portal.values import Speaking
from almoner.vocabulary.definitions import DataType

MOST: Final = 50
# What was written while the record was another patient's, of whom this one is the kept record,
# belongs to it.
_HISTORY: Final = f"""
SELECT c.kind, c.changed_at AS at, c.fields, to_json(entry)::text AS change FROM changes c
CROSS JOIN LATERAL (SELECT {CHANGE}) AS entry
WHERE c.environment_id = $1 AND c.row_id = $3 AND c.resource = 'custom_data_type_records'
    AND c.patient_id IN (
  {with_merged("$2")})
ORDER BY c.changed_at DESC, c.seq DESC LIMIT {MOST + 1}
"""
_MOVED: Final = ["user_id"]
_MARKED: Final = ["single"]


@dataclass(frozen=True, kw_only=True)
class RecordEvent:
    """Something that was done to the record. ``text`` says what the log does not tell from what to
    what, mostly blank.
    """

    at: datetime
    title: str
    by: str
    differences: tuple[FieldDifference, ...]
    text: str = ""


@dataclass(frozen=True)
class History:
    """The events, the latest first. ``more``: there are earlier ones."""

    events: tuple[RecordEvent, ...] = ()
    more: bool = False


async def history(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    data_type: DataType,
    record_id: str,
) -> History:
    """What became of this record."""
    rows = await connection.fetch(_HISTORY, visit.environment_id, patient.id, record_id)
    logged = [(row, msgspec.json.decode(row["change"])) for row in rows if row["fields"] != _MARKED]
    names = await names_in(connection, visit.environment_id, [change for _, change in logged])
    zones = Zones(patient.timezone, visit.worker.timezone)
    words = Speaking(visit.program, zones, names, patient.id)
    events = []
    for row, change in logged[:MOST]:
        title = "Recorded" if row["kind"] == "create" else "Changed"
        raw = change["differences"] or {}
        if row["fields"] == _MOVED:
            title, raw = "Moved here, as two records of one person were merged", {}
        changed = differences(change["resource"], raw, data_type, words)
        events.append(RecordEvent(at=row["at"], title=title, by=who(change), differences=changed))
    return History(tuple(events), len(rows) > MOST)
