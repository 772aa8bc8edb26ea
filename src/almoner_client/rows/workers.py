# Made by tools/client.py; `make client` makes it anew.
"""Workers, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import msgspec


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """The people who give care. A worker is a patient's primary coach where the patient's coach_id
    names them. (contract: Workers.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    email: str
    """E-mail address, which is also the name to sign in with."""
    first_name: str
    """Given name."""
    last_name: str
    """Family name."""
    phone_number: str | None
    """Direct line."""
    timezone: str
    """The time zone of the working hours."""
    gender: str | None
    """Gender, where it is known."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class WorkerFind(TypedDict, total=False):
    """What Find of workers is narrowed by; what is left out filters nothing."""

    updated_from: datetime | str
    """Rows that changed at this time or later. Everything when left out."""
    updated_to: datetime | str
    """Rows that changed at this time or earlier. Now when left out."""
    page_size: int
    """Rows of one page; above 1000 it is 1000."""
    ids: Sequence[str]
    """Rows with one of these ids, at most 1000: parted by commas, or a list in a body. A page then
    holds all of them."""
    email: str | int
    """E-mail address, which is also the name to sign in with."""
    phone: str
    """Direct line."""
