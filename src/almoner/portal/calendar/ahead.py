"""The next appointment, wherever it is asked for: the list and its order, a profile's head and
cards, a message's placeholders.

One on a day as a whole begins with that day where its patient lives, and is ahead until the day is
over there. ``zone`` is SQL: what ``DatabaseZones`` gives for the patient's zone. The row is ``e``.
"""

from __future__ import annotations


def starts(zone: str) -> str:
    """When it begins, as what comes first is chosen and shown by. The first day of the calendar has
    no midnight in every zone.
    """
    return f"coalesce(e.start_time, greatest(e.day, '0001-01-02')::timestamp AT TIME ZONE {zone})"


def ahead(zone: str) -> str:
    """Whether it is still to come, or on today's day as a whole, and nobody has said how it
    ended.
    """
    return (
        "e.outcome IS NULL AND (e.start_time >= now() OR e.day >= (now() AT TIME ZONE"
        f" {zone})::date)"
    )


def next_of(patient: str, zone: str, columns: str, most: int = 1) -> str:
    """A statement for these columns of a patient's appointments ahead, the next one first. The
    environment is ``$1``.
    """
    return (
        f"SELECT {columns} FROM calendar_events e WHERE e.environment_id = $1 AND e.user_id ="
        f" {patient} AND {ahead(zone)} ORDER BY {starts(zone)}, e.id LIMIT {most}"
    )
