"""A patient as the portal's pages know them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from almoner.vocabulary.consent_words import Answer
from almoner.vocabulary.names import Named


@dataclass(frozen=True, kw_only=True)
class Patient(Named):
    """A patient as every page about one shows them. ``timezone`` is an IANA name; ``birthday`` and
    the coach may be None.

    ``merged_into`` is the id of the record that this one was merged into, None where it was not.
    ``phone`` is the number to call them at, None where none is known; ``calls``: whether they
    agreed to that, None without a number."""

    id: str
    first_name: str
    last_name: str
    birthday: date | None
    timezone: str
    phase: str
    coach_id: str | None
    coach: str | None
    created_at: datetime
    updated_at: datetime
    merged_into: str | None
    phone: str | None
    calls: Answer | None
