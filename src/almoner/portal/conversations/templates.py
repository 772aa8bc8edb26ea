"""Message templates of the program, with what is known of a patient put in for their
placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from almoner.database import Connection
from almoner.pages.notation import time_of_day
from almoner.pages.visit import Visit
from almoner.portal.calendar.ahead import next_of
from almoner.portal.patient import Patient
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Program
from almoner.workshop import published_programs
from almoner.workshop.design import MessageTemplate
from almoner.workshop.placeholders import filled

_KNOWN: Final = f"""
SELECT w.first_name AS coach_first_name, w.last_name AS coach_last_name,
  w.phone_number AS coach_phone_number, e.appointment_type, e.start_time, e.day
FROM (SELECT) AS nothing
LEFT JOIN workers w ON w.environment_id = $1 AND w.id = $3::uuid
LEFT JOIN LATERAL ({next_of("$2", "$4::text", "e.appointment_type, e.start_time, e.day")}) AS e
    ON true
"""


@dataclass(frozen=True)
class FilledTemplate:
    """A message begun from a template. ``unknown`` says what nobody knows, and what therefore still
    stands in braces.
    """

    text: str
    unknown: str


async def templates(
    visit: Visit, connection: Connection, conversation_type: str | None
) -> tuple[MessageTemplate, ...]:
    """The templates that the program offers in a type of conversation."""
    outline = await published_programs.outline_at(
        connection, visit.environment_id, visit.program.version
    )
    offered = outline.message_templates if outline else ()
    return tuple(template for template in offered if template.channel in ("any", conversation_type))


async def begun(
    visit: Visit, connection: Connection, patient: Patient, template: MessageTemplate
) -> FilledTemplate:
    """The template with everything put in that is known."""
    zone = visit.parts.database.zones.of(patient.timezone)
    row = await connection.fetchrow(
        _KNOWN, visit.environment_id, patient.id, patient.coach_id, zone
    )
    of_patient = {
        "first_name": patient.first_name,
        "last_name": patient.last_name,
        "full_name": patient.name,
        "timezone": patient.timezone,
    }
    text, unknown = filled(template.body, known_words(of_patient | dict(row), visit.program))
    return FilledTemplate(
        text.strip("\n"), _unknown_words(unknown, patient, row["appointment_type"] is not None)
    )


def known_words(row: Mapping[str, Any], program: Program) -> dict[str, str]:
    """What stands for each placeholder, as far as it is known. ``row`` has a patient's names and
    ``timezone``, their coach's as ``coach_first_name`` and so on, and the next appointment.
    """
    words = {
        "patient.first_name": row["first_name"],
        "patient.last_name": row["last_name"],
        "patient.full_name": row["full_name"],
        "program.name": program.name,
    }
    first, last = row["coach_first_name"], row["coach_last_name"]
    if first is not None:
        words |= {"coach.first_name": first, "coach.last_name": last}
        words["coach.full_name"] = f"{first} {last}"
    if row["coach_phone_number"]:
        words["coach.phone_number"] = row["coach_phone_number"]
    if row["appointment_type"] is not None:
        words["appointment.type"] = program.title("appointment_types", row["appointment_type"])
        day = row["day"] or clocks.day_of(row["start_time"], row["timezone"])
        words["appointment.day"] = f"{day:%A}, {day.day} {day:%B}"
        if row["start_time"] is not None:
            words["appointment.time"] = time_of_day(
                clocks.local(row["start_time"], row["timezone"])
            )
    return words


def _unknown_words(unknown: tuple[str, ...], patient: Patient, booked: bool) -> str:
    if not unknown:
        return ""
    reasons = []
    if patient.coach_id is None and any(name.startswith("coach.") for name in unknown):
        reasons.append("the patient has no coach")
    elif "coach.phone_number" in unknown:
        reasons.append("the coach has no phone number")
    if not booked and any(name.startswith("appointment.") for name in unknown):
        reasons.append("no appointment is booked")
    elif "appointment.time" in unknown:
        reasons.append("the next appointment has no time of day")
    why = f", since {' and '.join(reasons)}" if reasons else ""
    named = ", ".join(f"{{{{{name}}}}}" for name in unknown)
    return f"Nothing is known for {named}{why}. Write it yourself, or take it out."
