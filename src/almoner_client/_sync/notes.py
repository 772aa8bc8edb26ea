# Made by tools/client.py; `make client` makes it anew.
"""The operations of notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from almoner_client._sync.collection import Collection
from almoner_client.rows.notes import Note, NoteFind


class Notes(Collection[Note]):
    """What workers have written of a patient, and signed. A note is never changed: another one adds
    to it."""

    def get(self, row_id: str) -> Note:
        """The note with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return self._get(row_id)

    def find(self, **filters: Unpack[NoteFind]) -> Iterator[Note]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)
