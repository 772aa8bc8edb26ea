# Made by tools/client.py; `make client` makes it anew.
"""Patient Tasks, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Required, TypedDict

import msgspec


class PatientTask(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks for a patient. Deleting one removes it for good. (contract: Patient Tasks.) Times are
    in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    user_id: str
    """The patient whose task it is."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    task_type: str
    """What there is to do."""
    dismissed: bool | None
    """Whether the patient has put it away; null while untouched."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class PatientTaskCreate(TypedDict, total=False):
    """What Create of patient tasks takes."""

    user_id: str
    """The patient whose task it is."""
    patient_id: str
    """Another name of `user_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    task_type: Required[str]
    """What there is to do."""


class PatientTaskFind(TypedDict, total=False):
    """What Find of patient tasks is narrowed by; what is left out filters nothing."""

    updated_from: datetime | str
    """Rows that changed at this time or later. Everything when left out."""
    updated_to: datetime | str
    """Rows that changed at this time or earlier. Now when left out."""
    page_size: int
    """Rows of one page; above 1000 it is 1000."""
    ids: Sequence[str]
    """Rows with one of these ids, at most 1000: parted by commas, or a list in a body. A page then
    holds all of them."""
    user_id: str
    """The patient whose task it is."""
    patient_id: str
    """The patient whose task it is. In the enveloped shape alone."""
