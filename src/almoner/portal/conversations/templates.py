"""Message templates of the program, with what is known of a patient put in for their
placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from almoner.database import Connection
from almoner.pages.message_words import message_words
from almoner.pages.visit import Visit
from almoner.portal.calendar.ahead import next_of
from almoner.portal.patient import Patient
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
        "timezone": patient.timezone,
    }
    text, unknown = filled(template.body, of_program(of_patient | dict(row), visit.program))
    return FilledTemplate(
        text.strip("\n"), _unknown_words(unknown, patient, row["appointment_type"] is not None)
    )


def of_program(row: Mapping[str, Any], program: Program) -> dict[str, str]:
    """``pages.message_words`` with the names and titles of this program."""
    return message_words(row, program.name, partial(program.title, "appointment_types"))


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
