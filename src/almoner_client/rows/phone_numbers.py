# Made by tools/client.py; `make client` makes it anew.
"""Phone Numbers, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict

import msgspec


class PhoneNumber(msgspec.Struct, frozen=True, kw_only=True):
    """Where a patient can be called or sent an SMS. Keep a record of how and when each consent was
    received. (contract: Phone Numbers.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    user_id: str
    """The patient whom the number belongs to."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    phone_number: str
    """The number: the patient's, a caregiver's or of somebody near."""
    phone_number_type: str
    """What is at the other end."""
    friendly_name: str | None
    """Tells workers which number it is."""
    verified: bool
    """Whether a call to the number has confirmed that it is the patient's."""
    opted_in_to_sms: bool
    """Whether the patient consents to SMS at this number."""
    opted_in_to_call_recording: bool
    """Whether the patient consents to calls being recorded."""
    opted_in_to_voicemail: bool
    """Whether the patient consents to voicemail at this number."""
    opted_in_to_phone: bool
    """Whether the patient consents to calls at this number."""
    automatic_recipient: bool
    """Whether the patient consents to automated SMS at this number."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class PhoneNumberCreate(TypedDict, total=False):
    """What Create of phone numbers takes."""

    user_id: str
    """The patient whom the number belongs to."""
    patient_id: str
    """Another name of `user_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    phone_number: Required[str]
    """The number: the patient's, a caregiver's or of somebody near."""
    phone_number_type: Required[Literal["cell", "landline", "other"]]
    """What is at the other end."""
    friendly_name: str | None
    """Tells workers which number it is."""
    verified: bool | None
    """Whether a call to the number has confirmed that it is the patient's."""
    opted_in_to_sms: bool | None
    """Whether the patient consents to SMS at this number."""
    opted_in_to_call_recording: bool | None
    """Whether the patient consents to calls being recorded."""
    opted_in_to_voicemail: bool | None
    """Whether the patient consents to voicemail at this number."""
    opted_in_to_phone: bool | None
    """Whether the patient consents to calls at this number."""
    opted_on_to_phone: bool | None
    """Another spelling of `opted_in_to_phone`. Give one of the two; where both are given, they have
    the same value."""
    automatic_recipient: bool | None
    """Whether the patient consents to automated SMS at this number."""


class PhoneNumberUpdate(TypedDict, total=False):
    """What Update of phone numbers takes."""

    phone_number_type: Literal["cell", "landline", "other"]
    """What is at the other end."""
    friendly_name: str | None
    """Tells workers which number it is."""
    verified: bool
    """Whether a call to the number has confirmed that it is the patient's."""
    opted_in_to_sms: bool
    """Whether the patient consents to SMS at this number."""
    opted_in_to_call_recording: bool
    """Whether the patient consents to calls being recorded."""
    opted_in_to_voicemail: bool
    """Whether the patient consents to voicemail at this number."""
    opted_in_to_phone: bool
    """Whether the patient consents to calls at this number."""
    opted_on_to_phone: bool
    """Another spelling of `opted_in_to_phone`. Give one of the two; where both are given, they have
    the same value."""
    automatic_recipient: bool
    """Whether the patient consents to automated SMS at this number."""


class PhoneNumberUpdateRow(PhoneNumberUpdate, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""


class PhoneNumberFind(TypedDict, total=False):
    """What Find of phone numbers is narrowed by; what is left out filters nothing."""

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
    """The patient whom the number belongs to."""
    patient_id: str
    """The patient whom the number belongs to. In the enveloped shape alone."""
    phone_number: str
    """The number, in any notation."""
