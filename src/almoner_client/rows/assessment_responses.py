# Made by tools/client.py; `make client` makes it anew.
"""Assessment Responses, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Required, TypedDict

import msgspec


class AssessmentResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Answers to an assessment that the program defines. The model must satisfy the version of the
    spec that it names. (contract: Assessment Responses.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    spec_id: str | None
    """Id of the assessment spec. Required unless spec_name is given."""
    user_id: str
    """The patient whom the answers are about."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    model: dict[str, Any]
    """The answers, by the names of the spec's fields."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""
    spec_name: str | None = None
    """Names the spec instead of spec_id: by its name, or by its id as well. In the enveloped shape
    alone."""
    spec_version: str | None = None
    """Version of the spec; the newest when left out. In the enveloped shape alone."""
    worker_id: str | None = None
    """The worker who filled it in; null where it was the patient, or where nobody said. In the
    enveloped shape alone."""
    entered_in_error_at: datetime | None = None
    """When somebody said that it was entered in error; null where it holds. In the enveloped shape
    alone."""
    entered_in_error_by: str | None = None
    """The id of the worker who said so. In the enveloped shape alone."""
    entered_in_error_reason: str | None = None
    """What is wrong with it. In the enveloped shape alone."""


class AssessmentResponseCreate(TypedDict, total=False):
    """What Create of assessment responses takes."""

    spec_id: str | None
    """Id of the assessment spec. Required unless spec_name is given."""
    user_id: str
    """The patient whom the answers are about."""
    patient_id: str
    """Another name of `user_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    model: Required[Mapping[str, Any]]
    """The answers, by the names of the spec's fields."""
    spec_name: str | None
    """Names the spec instead of spec_id: by its name, or by its id as well."""
    spec_version: str | None
    """Version of the spec; the newest when left out."""
    worker_id: str | None
    """The worker who filled it in; null where it was the patient, or where nobody said. In the
    enveloped shape alone."""
    title: str | None
    """What the response is called in the portal."""


class AssessmentResponseFind(TypedDict, total=False):
    """What Find of assessment responses is narrowed by; what is left out filters nothing."""

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
    """The patient whom the answers are about."""
    patient_id: str
    """The patient whom the answers are about. In the enveloped shape alone."""
    worker_id: str
    """The worker who filled it in; null where it was the patient, or where nobody said. In the
    enveloped shape alone."""
