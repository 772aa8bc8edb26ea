# Made by tools/client.py; `make client` makes it anew.
"""Visits, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Required, TypedDict

import msgspec


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """Meetings of a worker and a patient in person, that took place. (contract: Visits.) Times are
    in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    worker_id: str
    """The worker who was there."""
    patient_id: str
    """The patient whom the visit was with."""
    calendar_event_id: str | None
    """The appointment that it was, which a Create completes; null where it was not planned."""
    assessment_response_id: str | None
    """The answers that were taken down; null where there are none."""
    disposition: str | None
    """Not used any more: always null."""
    start_time: datetime
    """When it began."""
    end_time: datetime
    """When it ended."""
    created_at: datetime
    """When the row was created."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    note: str | None = None
    """What it was about. In the enveloped shape alone."""


class VisitCreate(TypedDict, total=False):
    """What Create of visits takes."""

    worker_id: Required[str]
    """The worker who was there."""
    patient_id: Required[str]
    """The patient whom the visit was with."""
    user_id: str
    """Another spelling of `patient_id`. Give one of the two; where both are given, they have the
    same value."""
    calendar_event_id: str | None
    """The appointment that it was, which a Create completes; null where it was not planned."""
    assessment_response_id: str | None
    """The answers that were taken down; null where there are none."""
    start_time: Required[datetime | str]
    """When it began."""
    end_time: Required[datetime | str]
    """When it ended."""
    note: str | None
    """What it was about."""


class VisitUpdate(TypedDict, total=False):
    """What Update of visits takes."""

    calendar_event_id: str | None
    """The appointment that it was, which a Create completes; null where it was not planned."""
    assessment_response_id: str | None
    """The answers that were taken down; null where there are none."""
    note: str | None
    """What it was about."""


class VisitUpdateRow(VisitUpdate, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""


class VisitFind(TypedDict, total=False):
    """What Find of visits is narrowed by; what is left out filters nothing."""

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
    """The worker who was there."""
    patient_id: str
    """The patient whom the visit was with."""
    user_id: str
    """The patient whom the visit was with."""
    calendar_event_id: str
    """The appointment that it was, which a Create completes; null where it was not planned."""
    assessment_response_id: str
    """The answers that were taken down; null where there are none."""
