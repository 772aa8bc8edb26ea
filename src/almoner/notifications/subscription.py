"""A subscription, as a value: who is told of changes to what, how, and up to where all has been
announced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.changes.feed import Position

TOKEN_EXCHANGE: Final = "token_exchange"  # noqa: S105  # the name of a way to authenticate
BEARER_JWT: Final = "bearer_jwt"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscriber of an environment's changes.

    ``sealed`` is the secret that the subscriber gave us, encrypted (access/secrets.py, associated
    data: the subscription's id). ``token_url`` is None unless tokens are exchanged.
    ``failing_since`` is the time of the first failure since the last success."""

    environment_id: int
    id: str
    name: str
    notify_url: str
    resources: tuple[str, ...]
    authentication: str
    client_id: str
    sealed: bytes
    audience: str
    token_url: str | None
    paused: bool
    position: Position
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    notifier_id: str | None
    created_at: datetime


COLUMNS: Final = (
    "environment_id, id::text AS id, name, notify_url, resources, authentication, client_id,"
    " sealed, audience, token_url, paused, epoch, xid, seq, failures, failing_since,"
    " next_attempt_at, notifier_id::text AS notifier_id, created_at"
)


def from_row(row: Mapping[str, Any]) -> Subscription:
    """The subscription of a row of ``COLUMNS``."""
    values = dict(row)
    position = Position(values.pop("epoch"), values.pop("xid"), values.pop("seq"))
    return Subscription(**{**values, "resources": tuple(values["resources"])}, position=position)


def usual_audience(authentication: str, notify_url: str, token_url: str | None) -> str | None:
    """Whom a JWT is made out to unless the subscriber says otherwise: whoever reads it (RFC 7523,
    3; clarification 27).
    """
    return token_url if authentication == TOKEN_EXCHANGE else notify_url
