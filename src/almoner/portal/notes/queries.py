"""The notes of a patient that the visitor's role shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.portal.own_fields import Facts, OwnFields
from almoner.portal.patient import Patient
from almoner.resources._entered_in_error import HOLDS
from almoner.resources.notes import notes
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql

# What a site has added to notes.
OWN: Final = OwnFields(notes, "own.")
# Of more notes than these the newest are listed.
MOST: Final = 200
# $3: the types that the role hides.
_NOTES: Final = f"""
SELECT n.id::text, n.note_type, n.text, n.signed_at, n.pinned, n.adds_to_note_id::text AS adds_to,
  n.worker_id::text, {full_name_sql("w")} AS author, n.entered_in_error_at,
  n.entered_in_error_reason, {OWN.row_sql("n")}
FROM notes n JOIN workers w ON w.environment_id = $1 AND w.id = n.worker_id
WHERE n.environment_id = $1 AND n.patient_id = $2 AND n.note_type <> ALL ($3::text[])
"""
# What is pinned is in view however much is newer.
_LIST: Final = (
    f"{_NOTES} ORDER BY n.pinned AND n.{HOLDS} DESC, n.signed_at DESC, n.id DESC LIMIT {MOST}"
)
_BY_ID: Final = f"{_NOTES} AND n.id = $4"


@dataclass(frozen=True, kw_only=True)
class Note:
    """A signed note. ``title`` is what its type is called, ``adds_to`` the note that it adds to,
    None for none; ``error`` is why it was entered in error, None where it holds, and
    ``may_correct`` whether the visitor may say so. ``facts`` say what a site has added. Times are
    in UTC.
    """

    id: str
    title: str
    text: str
    signed_at: datetime
    author: str
    pinned: bool
    adds_to: str | None
    error: str | None
    may_correct: bool
    facts: Facts


@dataclass(frozen=True)
class NoteThread:
    """A note with what was added to it, the oldest first."""

    note: Note
    added: Sequence[Note]


async def threads(visit: Visit, connection: Connection, patient: Patient) -> list[NoteThread]:
    """The patient's notes, pinned ones first, then the newest, each with what was added to it."""
    rows = await connection.fetch(
        _LIST, visit.environment_id, patient.id, list(visit.rights.hidden_notes)
    )
    signed = await _notes(visit, connection, patient, rows)
    of_ids = {note.id: note for note in signed}
    added: dict[str, list[Note]] = {}
    for note in reversed(signed):
        if note.adds_to in of_ids:
            added.setdefault(_first(note, of_ids).id, []).append(note)
    first = [note for note in signed if note.adds_to not in of_ids]
    return [
        NoteThread(note, added.get(note.id, ()))
        for note in sorted(first, key=lambda note: not note.pinned)
    ]


def _first(note: Note, of_ids: Mapping[str, Note]) -> Note:
    """The first note of the thread of one, also where programs have added to what was added."""
    passed = {note.id}
    while note.adds_to in of_ids and note.adds_to not in passed:
        note = of_ids[note.adds_to or ""]
        passed.add(note.id)
    return note


async def by_id(visit: Visit, connection: Connection, patient: Patient, note_id: str) -> Note:
    """A note of this patient. Raises a 404 ApiError where there is none that the role shows."""
    parsed = Guid().decode(note_id, "", [])
    row = parsed and await connection.fetchrow(
        _BY_ID, visit.environment_id, patient.id, list(visit.rights.hidden_notes), parsed
    )
    if not row:
        raise problem("not_found", "There is no such note, or your role does not show it.")
    (note,) = await _notes(visit, connection, patient, [row])
    return note


async def _notes(
    visit: Visit, connection: Connection, patient: Patient, rows: Sequence[Mapping[str, Any]]
) -> list[Note]:
    facts = await OWN.facts(visit, connection, patient, [OWN.row(row) for row in rows])
    return [_note(visit, row, own) for row, own in zip(rows, facts, strict=True)]


def _note(visit: Visit, row: Mapping[str, Any], facts: Facts) -> Note:
    in_error = row["entered_in_error_at"] is not None
    return Note(
        id=row["id"],
        title=visit.program.title("note_types", row["note_type"]),
        text=row["text"],
        signed_at=row["signed_at"],
        author=row["author"],
        pinned=row["pinned"] and not in_error,
        adds_to=row["adds_to"],
        error=row["entered_in_error_reason"] if in_error else None,
        may_correct="correct" in visit.rights.may or row["worker_id"] == visit.worker.worker_id,
        facts=facts,
    )
