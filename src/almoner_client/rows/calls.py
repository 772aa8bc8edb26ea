# Made by tools/client.py; `make client` makes it anew.
"""Calls, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import msgspec


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Calls by telephone with a patient, entered by workers: what came of each, and when.
    (contract: Calls.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    created_at: datetime
    """When the row was created."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    call_type: str
    """Who called: the patient (`inbound`) or the worker (`outbound`)."""
    from_number: str | None
    """The number that called, where it is known."""
    to_number: str | None
    """The number that was called, where it is known."""
    start_time: datetime
    """When it began."""
    duration: int
    """How long it lasted, in seconds."""
    calendar_event_id: str | None
    """The appointment that it was made for; null where it was not planned."""
    worker_id: str
    """The worker who spoke."""
    patient_id: str
    """The patient whom the call is with."""
    audio_url: str
    """Where a recording is; empty without one."""
    outcome: str | None = None
    """What came of it: `reached`, `voicemail`, `no_answer`, `wrong_number`, or what the program has
    besides. In the enveloped shape alone."""
    note: str | None = None
    """What was spoken of. In the enveloped shape alone."""
    entered_in_error_at: datetime | None = None
    """When somebody said that it was entered in error; null where it holds. In the enveloped shape
    alone."""
    entered_in_error_by: str | None = None
    """The id of the worker who said so. In the enveloped shape alone."""
    entered_in_error_reason: str | None = None
    """What is wrong with it. In the enveloped shape alone."""


class CallFind(TypedDict, total=False):
    """What Find of calls is narrowed by; what is left out filters nothing."""

    updated_from: datetime | str
    """Rows that changed at this time or later. Everything when left out."""
    updated_to: datetime | str
    """Rows that changed at this time or earlier. Now when left out."""
    page_size: int
    """Rows of one page; above 1000 it is 1000."""
    ids: Sequence[str]
    """Rows with one of these ids, at most 1000: parted by commas, or a list in a body. A page then
    holds all of them."""
    calendar_event_id: str
    """The appointment that it was made for; null where it was not planned."""
    worker_id: str
    """The worker who spoke."""
    patient_id: str
    """The patient whom the call is with."""
    user_id: str
    """The patient whom the call is with."""
