# Made by tools/client.py; `make client` makes it anew.
"""Snoozes, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import msgspec


class Snooze(msgspec.Struct, frozen=True, kw_only=True):
    """A worker put a patient off in their inbox until a moment. The newest of a worker and a
    patient counts: one whose moment has passed brings the patient back. (contract: Snoozes.) Times
    are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    patient_id: str
    """The patient who was put off."""
    worker_id: str
    """The worker in whose inbox they were."""
    until_time: datetime
    """When the patient comes back."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class SnoozeFind(TypedDict, total=False):
    """What Find of snoozes is narrowed by; what is left out filters nothing."""

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
    """The patient who was put off."""
    user_id: str
    """The patient who was put off."""
    worker_id: str
    """The worker in whose inbox they were."""
