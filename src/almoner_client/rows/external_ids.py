# Made by tools/client.py; `make client` makes it anew.
"""External Ids, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict

import msgspec


class ExternalId(msgspec.Struct, frozen=True, kw_only=True):
    """Mappings between the ids of this system and those of others, each in a namespace. (contract:
    External Ids.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    resource: str
    """The collection that welkin_id is in."""
    namespace: str
    """Whose id it is. Any string."""
    external_id: str
    """The id in the other system. Any string."""
    welkin_id: str
    """The id here. It must exist in the collection."""


class ExternalIdCreate(TypedDict, total=False):
    """What Create of external ids takes."""

    resource: Required[
        Literal[
            "alerts",
            "assessment_responses",
            "calendar_events",
            "calendars",
            "calls",
            "care_flows",
            "conversations",
            "custom_data_type_records",
            "email_addresses",
            "integration_tasks",
            "messages",
            "notes",
            "patient_tasks",
            "patients",
            "phone_numbers",
            "snoozes",
            "visits",
            "worker_tasks",
            "workers",
        ]
    ]
    """The collection that welkin_id is in."""
    namespace: Required[str]
    """Whose id it is. Any string."""
    external_id: Required[str]
    """The id in the other system. Any string."""
    welkin_id: Required[str]
    """The id here. It must exist in the collection."""


class ExternalIdUpdate(TypedDict, total=False):
    """What Update of external ids takes."""

    resource: Literal[
        "alerts",
        "assessment_responses",
        "calendar_events",
        "calendars",
        "calls",
        "care_flows",
        "conversations",
        "custom_data_type_records",
        "email_addresses",
        "integration_tasks",
        "messages",
        "notes",
        "patient_tasks",
        "patients",
        "phone_numbers",
        "snoozes",
        "visits",
        "worker_tasks",
        "workers",
    ]
    """The collection that welkin_id is in."""
    namespace: str
    """Whose id it is. Any string."""
    external_id: str
    """The id in the other system. Any string."""
    welkin_id: str
    """The id here. It must exist in the collection."""


class ExternalIdUpdateRow(ExternalIdUpdate, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""


class ExternalIdFind(TypedDict, total=False):
    """What Find of external ids is narrowed by; what is left out filters nothing."""

    updated_from: datetime | str
    """Rows that changed at this time or later. Everything when left out."""
    updated_to: datetime | str
    """Rows that changed at this time or earlier. Now when left out."""
    page_size: int
    """Rows of one page; above 1000 it is 1000."""
    ids: Sequence[str]
    """Rows with one of these ids, at most 1000: parted by commas, or a list in a body. A page then
    holds all of them."""
    resource: Literal[
        "alerts",
        "assessment_responses",
        "calendar_events",
        "calendars",
        "calls",
        "care_flows",
        "conversations",
        "custom_data_type_records",
        "email_addresses",
        "integration_tasks",
        "messages",
        "notes",
        "patient_tasks",
        "patients",
        "phone_numbers",
        "snoozes",
        "visits",
        "worker_tasks",
        "workers",
    ]
    """The collection that welkin_id is in."""
    namespace: str | int
    """Whose id it is. Any string."""
    external_id: str | int
    """The id in the other system. Any string."""
    welkin_id: str
    """The id here. It must exist in the collection."""
