# Made by tools/client.py; `make client` makes it anew.
"""Notes, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import msgspec


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What workers have written of a patient, and signed. A note is never changed: another one adds
    to it. (contract: Notes.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    patient_id: str
    """The patient whom it is about."""
    worker_id: str
    """Who wrote and signed it."""
    note_type: str
    """What sort of note it is: one of the program's note types."""
    text: str
    """What it says."""
    signed_at: datetime
    """When it was signed. From then on it is not changed any more."""
    adds_to_note_id: str | None
    """The id of the note that it adds to; null where it stands by itself."""
    pinned: bool
    """Whether it stays in view on the patient's profile."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""
    entered_in_error_at: datetime | None = None
    """When somebody said that it was entered in error; null where it holds. In the enveloped shape
    alone."""
    entered_in_error_by: str | None = None
    """The id of the worker who said so. In the enveloped shape alone."""
    entered_in_error_reason: str | None = None
    """What is wrong with it. In the enveloped shape alone."""


class NoteFind(TypedDict, total=False):
    """What Find of notes is narrowed by; what is left out filters nothing."""

    updated_from: datetime | str
    """Rows that changed at this time or later. Everything when left out."""
    updated_to: datetime | str
    """Rows that changed at this time or earlier. Now when left out."""
    page_size: int
    """Rows of one page; above 1000 it is 1000."""
    ids: Sequence[str]
    """Rows with one of these ids, at most 1000: parted by commas, or a list in a body. A page then
    holds all of them."""
    patient_id: str
    """The patient whom it is about."""
    user_id: str
    """The patient whom it is about."""
    worker_id: str
    """Who wrote and signed it."""
    note_type: str | int
    """What sort of note it is: one of the program's note types."""
