"""What stands for the placeholders of message templates: the same words whether a coach picks a
template, many are written to at once, or a process sends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from almoner.pages import notation
from almoner.pages.notation import Notation
from almoner.vocabulary import clocks
from almoner.vocabulary.names import full_name


def message_words(
    row: Mapping[str, Any], program: str, type_title: Callable[[str], str]
) -> dict[str, str]:
    """What is known, by placeholder (``workshop.placeholders.PLACEHOLDERS``).

    ``row`` has a patient's names and ``timezone``, their coach's names and phone number as
    ``coach_first_name`` and so on, and of an appointment its ``appointment_type``, and
    ``start_time`` (UTC) or ``day``; None where there is no coach or no appointment. ``program`` is
    the program's name, ``type_title`` what people call a type of appointment. Day and time are
    those where the patient is, written as is usual there: the patient reads them."""
    words = {
        "patient.first_name": row["first_name"],
        "patient.last_name": row["last_name"],
        "patient.full_name": full_name(row["first_name"], row["last_name"]),
        "program.name": program,
    }
    first, last = row["coach_first_name"], row["coach_last_name"]
    if first is not None:
        words |= {
            "coach.first_name": first,
            "coach.last_name": last,
            "coach.full_name": full_name(first, last),
        }
    if row["coach_phone_number"]:
        words["coach.phone_number"] = row["coach_phone_number"]
    if row["appointment_type"] is not None:
        words |= _appointment(row, type_title(row["appointment_type"]))
    return words


def _appointment(row: Mapping[str, Any], title: str) -> dict[str, str]:
    timezone, start = row["timezone"], row["start_time"]
    day = row["day"] or clocks.day_of(start, timezone)
    words = {"appointment.type": title, "appointment.day": f"{day:%A}, {day.day} {day:%B}"}
    if start is not None:
        with notation.reading(Notation.of(timezone, None, None)):
            words["appointment.time"] = notation.time_of_day(clocks.local(start, timezone))
    return words
