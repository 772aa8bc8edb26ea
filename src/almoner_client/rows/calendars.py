# Made by tools/client.py; `make client` makes it anew.
"""Calendars, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import msgspec


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """Links calendar events to the worker whose they are. Each worker has exactly one; events do
    not touch it. (contract: Calendars.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    worker_id: str
    """The worker whose calendar it is."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class CalendarFind(TypedDict, total=False):
    """What Find of calendars is narrowed by; what is left out filters nothing."""

    updated_from: datetime | str
    """Rows that changed at this time or later. Everything when left out."""
    updated_to: datetime | str
    """Rows that changed at this time or earlier. Now when left out."""
    page_size: int
    """Rows of one page; above 1000 it is 1000."""
    ids: Sequence[str]
    """Rows with one of these ids, at most 1000: parted by commas, or a list in a body. A page then
    holds all of them."""
    worker_id: str
    """The worker whose calendar it is."""
    worker: str
    """The worker whose calendar it is."""
    email: str | int
    """The e-mail address of the worker."""
