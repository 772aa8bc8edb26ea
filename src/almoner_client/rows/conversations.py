# Made by tools/client.py; `make client` makes it anew.
"""Conversations, as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypedDict

import msgspec


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Written conversations with a patient. A patient may have several of one type. (contract:
    Conversations.) Times are in UTC."""

    id: str
    """Identifies the row, within this collection and across all of them."""
    user_id: str
    """The patient whom the conversation is with."""
    patient_id: str | None = None
    """The same as `user_id`. In the enveloped shape alone."""
    conversation_type: str | None
    """How the messages travel: the program's own app, somebody else's, SMS or e-mail. Null when not
    given."""
    title: str | None = None
    """What the conversation is about. In the enveloped shape alone."""
    updated_at: datetime
    """When the row last changed. Set by the database; grows with every change."""
    created_at: datetime
    """When the row was created."""


class ConversationCreate(TypedDict, total=False):
    """What Create of conversations takes."""

    user_id: str
    """The patient whom the conversation is with."""
    patient_id: str
    """Another name of `user_id`. Give one of the two; where both are given, they have the same
    value. In the enveloped shape alone."""
    conversation_type: (
        Literal["app", "third_party_app", "phone", "email", "welkin_app", "sms"] | None
    )
    """How the messages travel: the program's own app, somebody else's, SMS or e-mail. Null when not
    given."""
    title: str | None
    """What the conversation is about. In the enveloped shape alone."""


class ConversationFind(TypedDict, total=False):
    """What Find of conversations is narrowed by; what is left out filters nothing."""

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
    """The patient whom the conversation is with."""
    patient_id: str
    """The patient whom the conversation is with. In the enveloped shape alone."""
