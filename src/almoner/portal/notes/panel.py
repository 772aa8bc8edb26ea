"""The card of notes beside a patient's timeline: those that are pinned first, then the newest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.notes import queries
from almoner.portal.notes.queries import NoteThread
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient

SHOWS: Final = {"notes": "notes"}
_FEW: Final = 3


@dataclass(frozen=True)
class NotesCard:
    """The card. ``more``: there are others."""

    threads: Sequence[NoteThread]
    more: bool
    here: str


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel:
    threads = await queries.threads(visit, connection, patient)
    holding = [thread for each in threads if (thread := _holding(each))]
    pinned = sum(thread.note.pinned for thread in holding)
    few = holding[: max(_FEW, pinned)]
    context = NotesCard(few, len(threads) > len(few), f"/patients/{patient.id}")
    begins = "" if threads else f"/patients/{patient.id}/note"
    return Panel(
        card=card,
        template="portal/notes/panel.html",
        context=context,
        first=pinned > 0,
        begins=begins,
    )


def _holding(thread: NoteThread) -> NoteThread | None:
    """What of a thread was not entered in error; None where all of it was."""
    notes = [note for note in (thread.note, *thread.added) if note.error is None]
    return NoteThread(notes[0], notes[1:]) if notes else None
