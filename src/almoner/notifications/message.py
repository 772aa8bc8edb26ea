"""The body of a notification (contract: Notification Job; clarification 25)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from almoner.notifications.positions import Groups

# A notification that tells of nothing: what a test of a subscription sends.
EMPTY: Final = b"[]"


def notification(groups: Groups, public_url: str) -> bytes:
    """One object a changed resource, in the order of their names.

    ``deleted`` (additive) holds the ids of rows that are gone, at most 1,000; absent when there is
    none."""
    return msgspec.json.encode(
        [_entry(resource, groups, public_url) for resource in sorted(groups)]
    )


def _entry(resource: str, groups: Groups, public_url: str) -> dict[str, Any]:
    span = groups[resource]
    entry: dict[str, Any] = {
        "resource": resource,
        "from": moment(span.first),
        "to": moment(span.last),
        "href": href(public_url, resource, span.first, span.last),
    }
    if span.deleted:
        entry["deleted"] = list(span.deleted)
    return entry


def href(public_url: str, resource: str, first: datetime, last: datetime) -> str:
    """The link to all rows of the span, exactly of the documented form."""
    return f"{public_url}/v1/{resource}?page[to]={moment(last)}&page[from]={moment(first)}"


def moment(time: datetime) -> str:
    """A time as notifications write it: UTC without the offset, always six fraction digits
    (clarification 11).
    """
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
