# Made by tools/client.py; `make client` makes it anew.
"""Custom Data Type Records, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Required, TypedDict

import msgspec


class CustomDataTypeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Records of the program's own data types. The program tells whether a patient has one or
    several of a type. (contract: Custom Data Type Records.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    body: dict[str, Any]
    """The record, by the names of the type's fields."""
    user_id: str
    """The patient whom the record is about."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    type_name: str
    """Name of the data type, as the program defines it."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class CustomDataTypeRecordCreate(TypedDict, total=False):
    """What Create of custom data type records takes."""

    body: Required[Mapping[str, Any]]
    """The record, by the names of the type's fields."""
    user_id: str
    """The patient whom the record is about."""
    patient_id: str
    """Another name of `user_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    type_name: Required[str]
    """Name of the data type, as the program defines it."""


class CustomDataTypeRecordUpdate(TypedDict, total=False):
    """What Update of custom data type records takes."""

    body: Required[Mapping[str, Any]]
    """The record, by the names of the type's fields."""


class CustomDataTypeRecordUpdateRow(CustomDataTypeRecordUpdate, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""


class CustomDataTypeRecordFind(TypedDict, total=False):
    """What Find of custom data type records is narrowed by; what is left out filters nothing."""

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
    """The patient whom the record is about."""
    patient_id: str
    """The patient whom the record is about. In the enveloped shape alone."""
    type_name: str | int
    """Name of the data type, as the program defines it."""
