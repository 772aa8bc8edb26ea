# Made by tools/client.py; `make client` makes it anew.
"""Patients, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Required, TypedDict

import msgspec


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """The people whom the program cares for. Nothing stops two rows for one person, so look before
    you create. (contract: Patients.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    phase: str
    """Where in the program the patient is."""
    coach_id: str | None
    """The worker who is the primary coach."""
    primary_worker_id: str | None = None
    """The same as `coach_id`. In the enveloped shape alone."""
    timezone: str
    """Where the patient lives, as a time zone."""
    first_name: str
    """Given name, in any script."""
    last_name: str
    """Family name, in any script."""
    birthday: date | None
    """Day of birth."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""
    street: str | None
    """Street and number."""
    street_line_two: str | None
    """Second line of the street address."""
    city: str | None
    """City."""
    county: str | None
    """County, where it is known."""
    zip_code: str | None
    """Zip code of five or nine digits."""
    state: str | None
    """State, territory or military region."""
    country: str | None
    """Country."""
    is_active: bool | None = None
    """Whether the patient takes part. Nothing else is changed with it. In the enveloped shape
    alone."""
    primary_language: str | None = None
    """The language that the patient speaks first. In the enveloped shape alone."""
    gender: str | None = None
    """In the patient's own words. In the enveloped shape alone."""
    height: str | None = None
    """Height in inches. In the enveloped shape alone."""
    weight: str | None = None
    """Weight in pounds. In the enveloped shape alone."""
    smokes: bool | None = None
    """Whether the patient smokes; null where nobody knows. In the enveloped shape alone."""
    provider_id_number: str | None = None
    """An id in a third system. In the enveloped shape alone."""
    phone_numbers: list[dict[str, Any]] | None = None
    """The phone numbers of the patient. Creates them along. In the enveloped shape alone."""
    email_addresses: list[dict[str, Any]] | None = None
    """The e-mail addresses of the patient. Creates them along. In the enveloped shape alone."""


class PatientCreate(TypedDict, total=False):
    """What Create of patients takes."""

    phase: Required[str]
    """Where in the program the patient is."""
    coach_id: str | None
    """The worker who is the primary coach."""
    primary_worker_id: str | None
    """Another name of `coach_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    timezone: Required[str]
    """Where the patient lives, as a time zone."""
    first_name: Required[str]
    """Given name, in any script."""
    last_name: Required[str]
    """Family name, in any script."""
    birthday: date | str | None
    """Day of birth."""
    street: str | None
    """Street and number."""
    street_line_two: str | None
    """Second line of the street address."""
    city: str | None
    """City."""
    county: str | None
    """County, where it is known."""
    zip_code: str | None
    """Zip code of five or nine digits."""
    state: str | None
    """State, territory or military region."""
    country: str | None
    """Country."""
    email: str | None
    """Creates an e-mail address of the patient along."""
    external_ids: Sequence[Mapping[str, Any]] | None
    """Creates mappings to ids of other systems along."""
    phone: str | None
    """Creates a phone number of the patient along."""
    is_active: bool | None
    """Whether the patient takes part. Nothing else is changed with it. In the enveloped shape
    alone."""
    primary_language: str | None
    """The language that the patient speaks first. In the enveloped shape alone."""
    gender: str | None
    """In the patient's own words. In the enveloped shape alone."""
    height: str | None
    """Height in inches. In the enveloped shape alone."""
    weight: str | None
    """Weight in pounds. In the enveloped shape alone."""
    smokes: bool | None
    """Whether the patient smokes; null where nobody knows. In the enveloped shape alone."""
    provider_id_number: str | None
    """An id in a third system. In the enveloped shape alone."""
    phone_numbers: Sequence[Mapping[str, Any]] | None
    """The phone numbers of the patient. Creates them along. In the enveloped shape alone."""
    email_addresses: Sequence[Mapping[str, Any]] | None
    """The e-mail addresses of the patient. Creates them along. In the enveloped shape alone."""
    custom_data_type_records: Sequence[Mapping[str, Any]] | None
    """Creates records about the patient along. In the enveloped shape alone."""


class PatientUpdate(TypedDict, total=False):
    """What Update of patients takes."""

    phase: str
    """Where in the program the patient is."""
    coach_id: str | None
    """The worker who is the primary coach."""
    primary_worker_id: str | None
    """Another name of `coach_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    timezone: str
    """Where the patient lives, as a time zone."""
    first_name: str
    """Given name, in any script."""
    last_name: str
    """Family name, in any script."""
    birthday: date | str | None
    """Day of birth."""
    street: str | None
    """Street and number."""
    street_line_two: str | None
    """Second line of the street address."""
    city: str | None
    """City."""
    county: str | None
    """County, where it is known."""
    zip_code: str | None
    """Zip code of five or nine digits."""
    state: str | None
    """State, territory or military region."""
    country: str | None
    """Country."""
    is_active: bool
    """Whether the patient takes part. Nothing else is changed with it. In the enveloped shape
    alone."""
    primary_language: str | None
    """The language that the patient speaks first. In the enveloped shape alone."""
    gender: str | None
    """In the patient's own words. In the enveloped shape alone."""
    height: str | None
    """Height in inches. In the enveloped shape alone."""
    weight: str | None
    """Weight in pounds. In the enveloped shape alone."""
    smokes: bool | None
    """Whether the patient smokes; null where nobody knows. In the enveloped shape alone."""
    provider_id_number: str | None
    """An id in a third system. In the enveloped shape alone."""


class PatientUpdateRow(PatientUpdate, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""


class PatientFind(TypedDict, total=False):
    """What Find of patients is narrowed by; what is left out filters nothing."""

    updated_from: datetime | str
    """Rows that changed at this time or later. Everything when left out."""
    updated_to: datetime | str
    """Rows that changed at this time or earlier. Now when left out."""
    page_size: int
    """Rows of one page; above 1000 it is 1000."""
    ids: Sequence[str]
    """Rows with one of these ids, at most 1000: parted by commas, or a list in a body. A page then
    holds all of them."""
    phase: str | int
    """Where in the program the patient is."""
    coach_id: str
    """The worker who is the primary coach."""
    primary_worker_id: str
    """The worker who is the primary coach. In the enveloped shape alone."""
    first_name: str
    """The given name, letter by letter."""
    last_name: str
    """The family name, letter by letter."""
    birthday: date | str
    """The day of birth."""
    email: str | int
    """An e-mail address of the patient, letter by letter."""
    phone: str
    """A phone number of the patient, in any notation."""
    external_id: str | int
    """An id of the patient in another system; with `namespace`, in that one."""
    namespace: str | int
    """The system in which the patient has an id."""
