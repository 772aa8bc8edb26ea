# Made by tools/client.py; `make client` makes it anew.
"""Messages, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Messages to and from a patient. A Create records a message that was sent elsewhere; it sends
    nothing. (contract: Messages.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    user_id: str
    """The patient who sent or received it."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    worker_id: str | None
    """The worker who sent it; null for an inbound message."""
    conversation_id: str
    """The conversation that it is part of; it must be with the same patient."""
    direction: str
    """From the patient, or to the patient."""
    contents: str
    """The text."""
    automatically_sent: bool
    """Whether a program sent it rather than a person."""
    send_time: datetime
    """When it was sent; the moment of the Create when left out."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""
    entered_in_error_at: datetime | None = None
    """When somebody said that it was entered in error; null where it holds. In the enveloped shape
    alone."""
    entered_in_error_by: str | None = None
    """The id of the worker who said so. In the enveloped shape alone."""
    entered_in_error_reason: str | None = None
    """What is wrong with it. In the enveloped shape alone."""


class MessageCreate(TypedDict, total=False):
    """What Create of messages takes."""

    user_id: str
    """The patient who sent or received it."""
    patient_id: str
    """Another name of `user_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    worker_id: str | None
    """The worker who sent it; null for an inbound message."""
    conversation_id: Required[str]
    """The conversation that it is part of; it must be with the same patient."""
    direction: Required[Literal["inbound", "outbound"]]
    """From the patient, or to the patient."""
    contents: Required[str]
    """The text."""
    send_time: datetime | str | None
    """When it was sent; the moment of the Create when left out."""


class MessageFind(TypedDict, total=False):
    """What Find of messages is narrowed by; what is left out filters nothing."""

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
    """The patient who sent or received it."""
    patient_id: str
    """The patient who sent or received it. In the enveloped shape alone."""
    worker_id: str
    """The worker who sent it; null for an inbound message."""
    conversation_id: str
    """The conversation that it is part of; it must be with the same patient."""
