"""Whom a message to many reaches as things are now, in which words, and whom not and why.

The preview asks so, and the moment of sending again: what was consented to may have been taken back
in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.patient_merges.current_sql import is_current
from almoner.portal.calendar.ahead import next_of
from almoner.portal.conversations.consents import consents_of
from almoner.portal.conversations.templates import of_program
from almoner.portal.patient_access import OF_WORKER
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.names import full_name_sql
from almoner.workshop.placeholders import filled

_ZONE: Final = "coalesce($5::jsonb ->> p.timezone, 'UTC')"
_FACTS: Final = f"""
SELECT p.id::text, {full_name_sql("p")} AS full_name, p.first_name, p.last_name, p.phase,
  p.timezone, w.first_name AS coach_first_name, w.last_name AS coach_last_name,
  w.phone_number AS coach_phone_number, e.appointment_type, e.start_time, e.day,
  v.id AS conversation_id
FROM patients p LEFT JOIN workers w ON w.environment_id = $1 AND w.id = p.coach_id
LEFT JOIN LATERAL ({next_of("p.id", _ZONE, "e.appointment_type, e.start_time, e.day")}) AS e
  ON true
LEFT JOIN LATERAL (SELECT id::text FROM conversations WHERE environment_id = $1 AND user_id = p.id
  AND conversation_type = $4 ORDER BY created_at DESC, id DESC LIMIT 1) AS v ON true
WHERE p.environment_id = $1 AND {OF_WORKER} AND p.id = ANY ($3::uuid[]) AND {is_current("p.id")}
ORDER BY p.id
"""
GONE: Final = "not there any more, or not shown to your role"


@dataclass(frozen=True)
class BulkText:
    """What is sent: the type of conversation, and the text with its placeholders."""

    channel: str
    contents: str


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """A patient and the message as they would get it. ``why`` says why they do not, blank where
    they do; ``conversation_id`` is where it goes, None where a conversation is to begin.
    """

    id: str
    name: str
    text: str
    conversation_id: str | None
    why: str


@dataclass(frozen=True)
class RecipientBasis:
    """What recipients are asked about with. ``only``: a coach to whose patients they are kept, None
    for all; ``zones`` is what SQL has for each time zone.
    """

    environment_id: int
    program: Program
    zones: str
    only: str | None = None


async def recipients(
    connection: Connection,
    basis: RecipientBasis,
    message: BulkText,
    ids: Sequence[str],
    hold: bool = False,
) -> list[Recipient]:
    """Those of these ids who are there. ``hold``: their consents stay as they are until the
    transaction of the connection ends.
    """
    environment_id = basis.environment_id
    rows = await connection.fetch(
        _FACTS, environment_id, basis.only, list(ids), message.channel, basis.zones
    )
    consents = await consents_of(connection, environment_id, ids, message.channel, hold)
    judged = []
    for row in rows:
        text, unknown = filled(message.contents, of_program(row, basis.program))
        why = consents[row["id"]].why
        if row["phase"] in basis.program.silent_phases:
            title = basis.program.title("phases", row["phase"])
            why = f"in {title}, a phase without reminders"
        elif not why and unknown:
            why = f"nothing is known for {', '.join(unknown)}"
        judged.append(
            Recipient(
                id=row["id"],
                name=row["full_name"],
                text=text.strip(),
                conversation_id=row["conversation_id"],
                why=why,
            )
        )
    return judged
