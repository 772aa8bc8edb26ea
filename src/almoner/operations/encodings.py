"""``Content-Encoding`` (RFC 9110, section 8.4): bodies that come packed, and answers that are
packed for whoever asks for it.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Final

from almoner.errors import ApiError, problem

# The lowest level: half of the work of the usual one, for JSON that is a tenth longer.
_LEVEL: Final = 1
# Shorter answers cost more time to pack than they save on the way.
WORTH_PACKING: Final = 4096
# Longer ones are packed in a thread, so that others do not wait for it.
_LONG: Final = 65_536
# A body may be several gzips behind each other (RFC 1952, section 2.2). What follows one of them is
# copied, so that thousands of empty ones in one body would keep everybody waiting.
_MOST_MEMBERS: Final = 100
_ACCEPTED: Final = {"Accept-Encoding": "gzip"}


def unpacked(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body as it was before this encoding. Raises ApiError: 413 where it is longer than
    ``limit`` bytes then, 415 for another encoding than gzip, 400 where it is not what its encoding
    says, or too many parts. No more than the limit is ever unpacked."""
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return body
    if name not in (b"gzip", b"x-gzip"):
        detail = "The body's Content-Encoding is not gzip. Send it as it is, or with gzip."
        raise problem("unsupported_media_type", detail, _ACCEPTED)
    parts: list[bytes] = []
    room = limit + 1
    try:
        while body:
            if len(parts) == _MOST_MEMBERS:
                raise problem(
                    "bad_request",
                    f"The body has more than {_MOST_MEMBERS} gzip members. Pack it as one.",
                )
            member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            parts.append(member.decompress(body, room))
            room -= len(parts[-1])
            if room <= 0:
                raise too_large(limit)
            if not member.eof:
                raise problem("bad_request", "The body ends before its gzip does. Was it cut?")
            body = member.unused_data
    except zlib.error:
        raise problem(
            "bad_request", "The body is not gzip, though its Content-Encoding says so."
        ) from None
    return b"".join(parts)


def too_large(limit: int) -> ApiError:
    """The 413 of a body beyond ``limit`` bytes."""
    return problem(
        "payload_too_large", f"The body is longer than {limit} bytes.", limit_bytes=limit
    )


def accepts_packed(accepted: str) -> bool:
    """Whether a caller with this ``Accept-Encoding`` takes gzip (RFC 9110, section 12.5.3)."""
    for item in accepted.lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


async def packed(body: bytes) -> bytes:
    """The body as gzip (RFC 1952), in a thread where it is long; the same body gives the same
    bytes.
    """
    if len(body) < _LONG:
        return gzip.compress(body, _LEVEL, mtime=0)
    return await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
