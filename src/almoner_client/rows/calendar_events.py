# Made by tools/client.py; `make client` makes it anew.
"""Calendar Events, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, Required, TypedDict

import msgspec


class CalendarEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Appointments of a patient on a worker's calendar: at a time of day, or on a day as a whole.
    (contract: Calendar Events.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    calendar_id: str
    """The calendar that the event is on."""
    user_id: str
    """The patient whom the appointment is with."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    is_all_day: bool
    """Whether the event is on a day as a whole. It follows from the others; where both come, it
    says which count."""
    start_time: datetime | None
    """When it starts; null for an event on a day."""
    end_time: datetime | None
    """When it ends; null for an event on a day."""
    day: date | None
    """The day, where no time of day is set."""
    outcome: str | None
    """How it ended; null while it is to come."""
    modality: str
    """How the two meet. `phone` is another word for `call`: both are by telephone."""
    appointment_type: str
    """One of the program's appointment types."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class CalendarEventCreate(TypedDict, total=False):
    """What Create of calendar events takes."""

    calendar_id: Required[str]
    """The calendar that the event is on."""
    user_id: str
    """The patient whom the appointment is with."""
    patient_id: str
    """Another name of `user_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    is_all_day: bool | None
    """Whether the event is on a day as a whole. It follows from the others; where both come, it
    says which count."""
    start_time: datetime | str | None
    """When it starts; null for an event on a day."""
    end_time: datetime | str | None
    """When it ends; null for an event on a day."""
    day: date | str | None
    """The day, where no time of day is set."""
    modality: Required[Literal["call", "visit", "video", "phone"]]
    """How the two meet. `phone` is another word for `call`: both are by telephone."""
    appointment_type: Required[str]
    """One of the program's appointment types."""
    ignore_unavailable_times: bool | None
    """False asks that absences of the worker may refuse the event; left out, they do not."""
    ignore_working_hours: bool | None
    """False asks that the worker's working hours may refuse the event; left out, they do not."""
    external_ids: Sequence[Mapping[str, Any]] | None
    """Creates mappings to ids of other systems along. In the enveloped shape alone."""


class CalendarEventUpdate(TypedDict, total=False):
    """What Update of calendar events takes."""

    is_all_day: bool | None
    """Whether the event is on a day as a whole. It follows from the others; where both come, it
    says which count."""
    start_time: datetime | str | None
    """When it starts; null for an event on a day."""
    end_time: datetime | str | None
    """When it ends; null for an event on a day."""
    day: date | str | None
    """The day, where no time of day is set."""
    outcome: Literal["completed", "cancelled", "no-show", "no_show"] | None
    """How it ended; null while it is to come."""
    ignore_unavailable_times: bool | None
    """False asks that absences of the worker may refuse the event; left out, they do not."""
    ignore_working_hours: bool | None
    """False asks that the worker's working hours may refuse the event; left out, they do not."""


class CalendarEventUpdateRow(CalendarEventUpdate, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""


class CalendarEventFind(TypedDict, total=False):
    """What Find of calendar events is narrowed by; what is left out filters nothing."""

    updated_from: datetime | str
    """Rows that changed at this time or later. Everything when left out."""
    updated_to: datetime | str
    """Rows that changed at this time or earlier. Now when left out."""
    page_size: int
    """Rows of one page; above 1000 it is 1000."""
    ids: Sequence[str]
    """Rows with one of these ids, at most 1000: parted by commas, or a list in a body. A page then
    holds all of them."""
    calendar_id: str
    """The calendar that the event is on."""
    user_id: str
    """The patient whom the appointment is with."""
    patient_id: str
    """The patient whom the appointment is with. In the enveloped shape alone."""
    start_time_from: datetime | str
    """Events that start at this time or later."""
    start_time_to: datetime | str
    """Events that start at this time or earlier."""
