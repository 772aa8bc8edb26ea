# Made by tools/client.py; `make client` makes it anew.
"""Alerts, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Required, TypedDict

import msgspec


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Entries of the inbox about a patient, raised by a program or a process. A worker dismisses
    one, a program finishes it. (contract: Alerts.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    patient_id: str
    """The patient whom it is about."""
    worker_id: str | None
    """Who raised it."""
    alert_type: str
    """What it is about, as `app_message`. Any string."""
    config: dict[str, Any] | None
    """How many things it is about; one where that is absent."""
    active_time: datetime
    """Since when it shows."""
    finished_time: datetime | None
    """When it was finished; null while it is open."""
    completed: bool
    """Whether the program that raised it has finished it."""
    dismissed: bool
    """Whether a worker has seen to it."""
    dismissed_by_worker_id: str | None
    """The worker who has seen to it; null while nobody has."""
    role: str | None = None
    """The role whose holders are told; null for all who care for the patient. In the enveloped
    shape alone."""
    for_worker_id: str | None = None
    """The one worker who is told, as by a mention or a reminder; null where it is for a role or for
    all. In the enveloped shape alone."""
    text: str | None = None
    """What they are told. In the enveloped shape alone."""
    taken_by_worker_id: str | None = None
    """The worker who takes care of it; null while nobody does. In the enveloped shape alone."""
    taken_time: datetime | None = None
    """When they took it; null while nobody has. In the enveloped shape alone."""
    assessment_response_id: str | None = None
    """The answers whose score asks for somebody; null where it is about something else. In the
    enveloped shape alone."""
    updated_at: datetime | None = None
    """When the row last changed. Set by the database; grows with every change. In the enveloped
    shape alone."""
    created_at: datetime | None = None
    """When the row was created. In the enveloped shape alone."""


class AlertCreate(TypedDict, total=False):
    """What Create of alerts takes."""

    patient_id: Required[str]
    """The patient whom it is about."""
    user_id: str
    """Another spelling of `patient_id`. Give one of the two; where both are given, they have the
    same value."""
    worker_id: str | None
    """Who raised it."""
    alert_type: Required[str]
    """What it is about, as `app_message`. Any string."""
    config: Mapping[str, Any] | None
    """How many things it is about; one where that is absent."""
    active_time: datetime | str | None
    """Since when it shows."""
    role: str | None
    """The role whose holders are told; null for all who care for the patient."""
    for_worker_id: str | None
    """The one worker who is told, as by a mention or a reminder; null where it is for a role or for
    all."""
    text: str | None
    """What they are told."""


class AlertUpdate(TypedDict, total=False):
    """What Update of alerts takes."""

    config: Mapping[str, Any] | None
    """How many things it is about; one where that is absent."""
    active_time: datetime | str
    """Since when it shows."""
    finished_time: datetime | str | None
    """When it was finished; null while it is open."""
    completed: bool
    """Whether the program that raised it has finished it."""


class AlertUpdateRow(AlertUpdate, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""


class AlertFind(TypedDict, total=False):
    """What Find of alerts is narrowed by; what is left out filters nothing."""

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
    """Who raised it."""
    alert_type: str | int
    """What it is about, as `app_message`. Any string."""
    dismissed_by_worker_id: str
    """The worker who has seen to it; null while nobody has."""
    for_worker_id: str
    """The one worker who is told, as by a mention or a reminder; null where it is for a role or for
    all."""
    taken_by_worker_id: str
    """The worker who takes care of it; null while nobody does."""
    assessment_response_id: str
    """The answers whose score asks for somebody; null where it is about something else."""
