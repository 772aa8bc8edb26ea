# Made by tools/client.py; `make client` makes it anew.
"""Worker Tasks, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, Required, TypedDict

import msgspec


class WorkerTask(msgspec.Struct, frozen=True, kw_only=True):
    """What workers have to do, about a patient or about none: for a worker, or for the holders of a
    role until one of them takes it. (contract: Worker Tasks.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    patient_id: str | None
    """The patient whom it is about; null where it is about none."""
    title: str
    """What is to be done."""
    note: str | None
    """What whoever does it should know."""
    worker_id: str | None
    """The worker who is to do it; null while nobody of the role has taken it."""
    role: str | None
    """The role whose holders may take it; null where it is for one worker."""
    priority: str
    """How much it matters."""
    due_date: date | None
    """The day on which it is due, where whoever does it lives."""
    due_time: datetime | None
    """When it is due, where that is at a time of day."""
    author_worker_id: str | None
    """The worker who asked for it."""
    watcher_ids: list[str]
    """The workers who want to hear what comes of it."""
    comments: list[dict[str, Any]]
    """What was said about it."""
    completed_at: datetime | None
    """When it was done; null while it is open."""
    completed_by_worker_id: str | None
    """The worker who did it."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class WorkerTaskCreate(TypedDict, total=False):
    """What Create of worker tasks takes."""

    patient_id: str | None
    """The patient whom it is about; null where it is about none."""
    user_id: str | None
    """Another spelling of `patient_id`. Give one of the two; where both are given, they have the
    same value."""
    title: Required[str]
    """What is to be done."""
    note: str | None
    """What whoever does it should know."""
    worker_id: str | None
    """The worker who is to do it; null while nobody of the role has taken it."""
    role: str | None
    """The role whose holders may take it; null where it is for one worker."""
    priority: Literal["low", "medium", "high", "urgent"] | None
    """How much it matters."""
    due_date: date | str | None
    """The day on which it is due, where whoever does it lives."""
    due_time: datetime | str | None
    """When it is due, where that is at a time of day."""
    author_worker_id: str | None
    """The worker who asked for it."""
    watcher_ids: Sequence[str] | None
    """The workers who want to hear what comes of it."""
    comments: Sequence[Mapping[str, Any]] | None
    """What was said about it."""
    completed_at: datetime | str | None
    """When it was done; null while it is open."""
    completed_by_worker_id: str | None
    """The worker who did it."""


class WorkerTaskUpdate(TypedDict, total=False):
    """What Update of worker tasks takes."""

    title: str
    """What is to be done."""
    note: str | None
    """What whoever does it should know."""
    worker_id: str | None
    """The worker who is to do it; null while nobody of the role has taken it."""
    role: str | None
    """The role whose holders may take it; null where it is for one worker."""
    priority: Literal["low", "medium", "high", "urgent"]
    """How much it matters."""
    due_date: date | str | None
    """The day on which it is due, where whoever does it lives."""
    due_time: datetime | str | None
    """When it is due, where that is at a time of day."""
    watcher_ids: Sequence[str]
    """The workers who want to hear what comes of it."""
    comments: Sequence[Mapping[str, Any]]
    """What was said about it."""
    completed_at: datetime | str | None
    """When it was done; null while it is open."""
    completed_by_worker_id: str | None
    """The worker who did it."""


class WorkerTaskUpdateRow(WorkerTaskUpdate, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""


class WorkerTaskFind(TypedDict, total=False):
    """What Find of worker tasks is narrowed by; what is left out filters nothing."""

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
    """The patient whom it is about; null where it is about none."""
    user_id: str
    """The patient whom it is about; null where it is about none."""
    worker_id: str
    """The worker who is to do it; null while nobody of the role has taken it."""
    role: str | int
    """The role whose holders may take it; null where it is for one worker."""
    author_worker_id: str
    """The worker who asked for it."""
    completed_by_worker_id: str
    """The worker who did it."""
