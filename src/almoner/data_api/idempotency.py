"""Writes that may be sent again: ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header).

What came of a write is stored in the statement that does it, so that neither stands without the
other (decision 49)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from almoner.data_api.idempotency_sql import ANSWERED
from almoner.database import Connection
from almoner.errors import problem

HEADER: Final = b"idempotency-key"
# In an answer that was given before.
REPLAYED: Final = (b"idempotent-replayed", b"true")
# A string of RFC 8941 (section 3.3.3), which has its quotes; without them it is understood too.
_STRING: Final = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"|([!#-\[\]-~]{1,255})')
_REUSED: Final = (
    "This Idempotency-Key came with another request before. Use a new key for a new request."
)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key of a client, as its SHA-256, and the digest of the request that it came with."""

    client_id: str
    key: bytes
    request: bytes

    @property
    def stamp(self) -> tuple[str, bytes, bytes]:
        """What a statement that stores an answer has for its last three parameters."""
        return self.client_id, self.key, self.request

    async def record(self, connection: Connection, environment_id: int) -> Any:
        """What was answered to the request that came with this key before, None where none did.
        Raises a 422 ``ApiError`` where it was another.
        """
        record = await connection.fetchrow(ANSWERED, environment_id, self.client_id, self.key)
        if record is not None and record["request"] != self.request:
            raise problem("idempotency_key_reused", _REUSED)
        return record


def parse(client_id: str, header: bytes, *request: bytes) -> IdempotencyKey:
    """The key of a request whose parts (method, path, body ...) are these. Raises a 400
    ``ApiError`` where the header holds none.
    """
    match = _STRING.fullmatch(header.strip())
    if match is None:
        raise problem(
            "bad_request",
            "The header Idempotency-Key holds no key. Send one of at most 255 printable characters,"
            ' as Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324".',
        )
    digest = hashlib.sha256()
    for part in request:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    key = hashlib.sha256(match[1] or match[2]).digest()
    return IdempotencyKey(client_id, key, digest.digest())
