"""What an appointment's time means wherever the next one is asked for: the list, the bar, the cards, a message's placeholders.

One on a day as a whole begins with that day where its patient lives, and is ahead until the day is over there. ``zone`` is SQL:
what ``DatabaseZones`` gives for the patient's zone. The row is ``e``.
"""

from __future__ import annotations


def starts(zone: str) -> str:
    """When it begins, as what comes first is chosen and shown by. The first day of the calendar has no midnight in every zone."""
    return f"coalesce(e.start_time, greatest(e.day, '0001-01-02')::timestamp AT TIME ZONE {zone})"


def ahead(zone: str) -> str:
    """Whether it is still to come, or on today's day as a whole, and nobody has said how it ended."""
    return f"e.outcome IS NULL AND (e.start_time >= now() OR e.day >= (now() AT TIME ZONE {zone})::date)"
