"""What an appointment was when it was booked: the change log undone, for the entries of a timeline
that tell of a booking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.patient_merges.current_sql import with_merged
from almoner.portal.profile.timeline import TimelineEntry

# What each field held before its first change. What was written while it was another record's,
# merged since, belongs to it.
_FIRST: Final = f"""
SELECT DISTINCT ON (c.row_id, d.key) c.row_id::text AS id, d.key AS name,
    (d.value -> 0)::text AS was
FROM changes c CROSS JOIN LATERAL json_each(c.differences) d
WHERE c.environment_id = $1 AND c.kind <> 'create' AND c.kind = 'update'
    AND c.resource = 'calendar_events'
  AND c.row_id = ANY ($3::uuid[]) AND c.changed_at >= $4 AND c.patient_id IN (
  {with_merged("$2")})
ORDER BY c.row_id, d.key, c.changed_at, c.seq
"""


def tells_of_booking(entry: TimelineEntry) -> bool:
    """Whether an entry stands where an appointment was booked: it is still to come."""
    return entry.resource == "calendar_events" and bool(entry.details["ahead"])


async def as_booked(
    connection: Connection, environment_id: int, patient_id: str, entries: Sequence[TimelineEntry]
) -> dict[str, dict[str, Any]]:
    """By the ids of the entries that tell of a booking: what has changed since, as it was then, by
    the names of the API.

    One query, or none.
    """
    of = [entry for entry in entries if tells_of_booking(entry)]
    if not of:
        return {}
    since = min(entry.at for entry in of)
    booked: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in await connection.fetch(
        _FIRST, environment_id, patient_id, [entry.id for entry in of], since
    ):
        booked[row["id"]][row["name"]] = msgspec.json.decode(row["was"])
    return booked


def changes_of(booked: Mapping[str, Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """The same as changes of the log, so that the names in them are looked up with those of the
    others.
    """
    return [
        {
            "resource": "calendar_events",
            "differences": {name: [value] for name, value in values.items()},
        }
        for values in booked.values()
    ]
