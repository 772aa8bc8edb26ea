"""Where a list that is ordered by time goes on: behind a row's time and id, in an address that
nobody needs to read.
"""

from __future__ import annotations

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Self
from uuid import UUID

_PACKED: Final = struct.Struct(">q16s")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Cursor(NamedTuple):
    """The last row of a page; the next page begins behind it. ``at`` is in UTC, to the
    microsecond.
    """

    at: datetime
    id: UUID

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The cursor of an address; None where it is blank or none of ours."""
        try:
            microseconds, row_id = _PACKED.unpack(base64.urlsafe_b64decode(text))
            return cls(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=row_id))
        except (ValueError, OverflowError, struct.error, binascii.Error):
            return None

    def text(self) -> str:
        """The cursor as an address carries it."""
        return base64.urlsafe_b64encode(
            _PACKED.pack((self.at - _EPOCH) // _MICROSECOND, self.id.bytes)
        ).decode()
