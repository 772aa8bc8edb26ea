"""Conditional requests (RFC 9110, section 13): entity tags, and what If-Match and If-None-Match say
of a row.

The tag of a row is its ``updated_at``, which changes with every write. Proxies mark tags as weak,
or add the coding in which they sent the body, as soon as they compress an answer; what our own tag
says of the row is the same then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from almoner.vocabulary import clocks

Headers = Mapping[bytes, bytes]
# No more than two signs before the coding: without a bound, a tag of nothing but such signs takes
# the square of its length.
_TAG: Final = re.compile(rb'(?:W/)?"([^"]*?)(?:[-;]{1,2}(?:gzip|br|zstd|deflate))?"')
_ANY: Final = b"*"


def etag(updated_at: datetime) -> bytes:
    """A row's strong entity tag (RFC 9110, section 8.8.3), made of its ``updated_at``."""
    return f'"{updated_at.isoformat()}"'.encode()


def names(header: bytes, tag: bytes) -> bool:
    """Whether a header names this tag: it compares weakly, a list has commas, ``*`` is whatever
    there is (section 8.8.3.2).
    """
    return header.strip() == _ANY or tag.strip(b'"') in _TAG.findall(header)


def if_none_match(headers: Headers, tag: bytes) -> bool:
    """Whether the caller has this version already, so that the answer is 304 (section 13.1.2)."""
    header = headers.get(b"if-none-match")
    return header is not None and names(header, tag)


def if_match(headers: Headers) -> frozenset[datetime] | None:
    """The ``updated_at``s that If-Match lists (section 13.1.1); None where there is no condition.

    Strictly a weak tag never matches here. Ours were strong when they left, so that one that comes
    back weak names the very row; else nobody behind a compressing proxy could change a row on a
    condition. A tag that is none of ours matches nothing."""
    header = headers.get(b"if-match", b"").strip()
    if header in (b"", _ANY):
        return None
    # A tag without its quotes is understood too, as it always was.
    tags = _TAG.findall(header) or [tag.strip() for tag in header.split(b",")]
    return frozenset(filter(None, map(_moment, tags)))


def _moment(tag: bytes) -> datetime | None:
    """The ``updated_at`` that an entity tag was made of."""
    try:
        moment = datetime.fromisoformat(tag.decode("latin-1"))
    except ValueError:
        return None
    return clocks.in_utc(moment) if moment.tzinfo else None
