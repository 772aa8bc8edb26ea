# Made by tools/client.py; `make client` makes it anew.
"""Integration Tasks, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

import msgspec


class IntegrationTask(msgspec.Struct, frozen=True, kw_only=True):
    """What custom integrations did, task by task. Tasks with one job_id belong together. (contract:
    Integration Tasks.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    status: str
    """How far it is."""
    user_id: str | None
    """The patient whom it is about, where there is one."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    ref_ids: list[str]
    """The ids in other systems that it works with."""
    job_id: str
    """The job that it belongs to."""
    task_name: str
    """Its name, behind the job's."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""
    errors: list[dict[str, Any]]
    """The errors of this task alone."""


class IntegrationTaskFind(TypedDict, total=False):
    """What Find of integration tasks is narrowed by; what is left out filters nothing."""

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
    """The patient whom it is about, where there is one."""
    patient_id: str
    """The patient whom it is about, where there is one. In the enveloped shape alone."""
    ref_id: str | int
    """The ids in other systems that it works with."""
    job_id: str | int
    """The job that it belongs to."""
    task_name: str | int
    """Its name, behind the job's."""
