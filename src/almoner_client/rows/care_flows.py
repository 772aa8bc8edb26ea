# Made by tools/client.py; `make client` makes it anew.
"""Care Flows, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

import msgspec


class CareFlow(msgspec.Struct, frozen=True, kw_only=True):
    """Goals and interventions of one patient. A flow keeps no link to the template that it was made
    from. (contract: Care Flows.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    user_id: str
    """The patient whom the flow is for."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    care_flow: dict[str, Any]
    """The flow, its goals and their interventions."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class CareFlowFind(TypedDict, total=False):
    """What Find of care flows is narrowed by; what is left out filters nothing."""

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
    """The patient whom the flow is for."""
    patient_id: str
    """The patient whom the flow is for. In the enveloped shape alone."""
