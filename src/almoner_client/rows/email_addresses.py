# Made by tools/client.py; `make client` makes it anew.
"""Email Addresses, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Required, TypedDict

import msgspec


class EmailAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a patient can be written to. Keep a record of how and when each consent was received.
    (contract: Email Addresses.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    email: str
    """The address. Its format is not checked."""
    friendly_name: str | None
    """Tells workers which address it is."""
    user_id: str
    """The patient whose address it is."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    verified: bool
    """Whether the patient has confirmed it by a link in a message."""
    opted_in_to_email: bool
    """Whether the patient consents to e-mail here. Without it, nothing is sent."""
    automatic_recipient: bool
    """Whether the patient consents to automated e-mail here."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class EmailAddressCreate(TypedDict, total=False):
    """What Create of email addresses takes."""

    email: Required[str]
    """The address. Its format is not checked."""
    friendly_name: str | None
    """Tells workers which address it is."""
    user_id: str
    """The patient whose address it is."""
    patient_id: str
    """Another name of `user_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    verified: bool | None
    """Whether the patient has confirmed it by a link in a message."""
    opted_in_to_email: bool | None
    """Whether the patient consents to e-mail here. Without it, nothing is sent."""
    automatic_recipient: bool | None
    """Whether the patient consents to automated e-mail here."""


class EmailAddressUpdate(TypedDict, total=False):
    """What Update of email addresses takes."""

    email: str
    """The address. Its format is not checked."""
    friendly_name: str | None
    """Tells workers which address it is."""
    verified: bool
    """Whether the patient has confirmed it by a link in a message."""
    opted_in_to_email: bool
    """Whether the patient consents to e-mail here. Without it, nothing is sent."""
    automatic_recipient: bool
    """Whether the patient consents to automated e-mail here."""


class EmailAddressUpdateRow(EmailAddressUpdate, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""


class EmailAddressFind(TypedDict, total=False):
    """What Find of email addresses is narrowed by; what is left out filters nothing."""

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
    """The patient whose address it is."""
    patient_id: str
    """The patient whose address it is. In the enveloped shape alone."""
    email: str | int
    """The address, letter by letter."""
