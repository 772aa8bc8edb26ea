"""The notation in which cursors were given out until November 2026. They are good for as long as
anybody holds one.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Final

_CURSOR: Final = struct.Struct(">BIQQ")
_VERSION: Final = 1


def numbers(cursor: str) -> tuple[int, ...] | None:
    """Epoch, transaction id and sequence number of such a cursor; None where it is none."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        version, *values = _CURSOR.unpack(raw[:-3])
    except (ValueError, struct.error, binascii.Error):
        return None
    packed = raw[:-3]
    exact = (
        base64.urlsafe_b64encode(packed + binascii.crc32(packed).to_bytes(4)[1:])
        .decode()
        .rstrip("=")
        == cursor
    )
    return tuple(values) if exact and version == _VERSION else None
