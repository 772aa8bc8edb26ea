"""Which logs are chained, by which keys their rows are ordered, and how a row is hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import msgspec

from almoner.database import Connection

# Bytes of a row's hash that a batch keeps.
HASH_BYTES: Final = 16
# What the first batch of a chain has for the hash of the one before.
BEGINNING: Final = bytes(32)
_COLUMNS: Final = """
SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0
  AND NOT attisdropped ORDER BY attnum
"""
_CHAINED_AS: Final = "SELECT coalesce(chained_as, id) FROM environments WHERE id = $1"


@dataclass(frozen=True)
class ChainedLog:
    """A log by its table, with the column that says when a row was written, and those that order
    its rows behind the environment.
    """

    name: str
    written: str
    key: tuple[str, ...] = ("id",)

    @property
    def first(self) -> list[int]:
        """A key before that of every row."""
        return [0] * len(self.key)

    @cached_property
    def keys(self) -> str:
        """The key as SQL orders and compares it."""
        return f"({', '.join(self.key)})" if len(self.key) > 1 else self.key[0]

    def bound(self, first: int) -> str:
        """The parameters of a key, of which the first has this number, cast."""
        return f"({', '.join(self._parameters(first))})"

    def _parameters(self, first: int) -> list[str]:
        return [f"${first + n}::bigint" for n in range(len(self.key))]

    def rows(self, columns: Sequence[str], chained_as: int, limit: bool = False) -> str:
        """``chained_as``: the environment's number as it is hashed. Parameters: environment, the
        key behind which rows are read, the last key, and the limit. Each row's ``key`` and
        ``hash``, in order. Bytes as PostgreSQL sends them depend on no setting of a session.
        """
        last = 2 + 2 * len(self.key)
        named = ", ".join(
            f"{chained_as}::integer" if column == "environment_id" else f'"{column}"'
            for column in columns
        )
        leading, *rest = self._parameters(2)
        # Where it ends by the limit, parts of a log are to be read in order (changes/feed.py).
        after = ", ".join([f"(SELECT {leading})" if limit else leading, *rest])
        return (
            f"SELECT ARRAY[{', '.join(self.key)}]::bigint[] AS key,"
            f" substring(sha256(record_send(ROW({named}))) FOR {HASH_BYTES}) AS hash"
            f" FROM {self.name} WHERE environment_id = $1 AND {self.keys} > ({after})"
            f" AND {self.keys} <= {self.bound(2 + len(self.key))} ORDER BY {', '.join(self.key)}"
            f"{f' LIMIT ${last}' if limit else ''}"
        )


# The change log, who read, what became of access, and consents; and what erasures made of them.
LOGS: Final = (
    ChainedLog("changes", "changed_at", ("epoch", "xid", "seq")),
    ChainedLog("audit_reads", "read_at"),
    ChainedLog("worker_events", "happened_at"),
    ChainedLog("consent_records", "recorded_at"),
    ChainedLog("chain_amendments", "amended_at"),
)
BY_NAME: Final = {log.name: log for log in LOGS}


@dataclass(frozen=True, kw_only=True)
class SealedBatch:
    """A sealed batch as its row has it. ``sealed_at`` is in UTC."""

    number: int
    to_key: Sequence[int]
    rows: int
    columns: Sequence[str]
    hashes: bytes
    digest: bytes
    previous: bytes
    hash: bytes
    sealed_at: datetime

    def linked(self, chained_as: int, log: str) -> bytes:
        """The hash that it must have: of the one before, of what it says, and of its rows.
        ``chained_as`` is the environment's number as it is hashed.
        """
        says: list[Any] = [
            *(chained_as, log, self.number, list(self.to_key), self.rows, list(self.columns)),
            int(self.sealed_at.timestamp() * 1_000_000),
        ]
        return hashlib.sha256(self.previous + msgspec.json.encode(says) + self.digest).digest()


def digest(hashes: bytes) -> bytes:
    """The digest of a batch, of the hashes of its rows."""
    return hashlib.sha256(hashes).digest()


async def chained_as(connection: Connection, environment_id: int) -> int:
    """The number that an environment's logs are hashed with: the one that it had where it began."""
    number: int = await connection.fetchval(_CHAINED_AS, environment_id)
    return number


async def columns(connection: Connection, log: ChainedLog) -> list[str]:
    """The columns that rows of a log have now."""
    return [row["attname"] for row in await connection.fetch(_COLUMNS, log.name)]


_BEGIN: Final = """
INSERT INTO chain_heads (environment_id, log, hash)
SELECT $1, log, $3 FROM unnest($2::text[]) AS log ON CONFLICT DO NOTHING
"""
_HOLD: Final = """
SELECT log, number, hash FROM chain_heads WHERE environment_id = $1 ORDER BY log FOR UPDATE
"""


async def hold(connection: Connection, environment_id: int) -> dict[str, tuple[int, bytes]]:
    """Keeps everybody else from sealing and amending in an environment until the transaction ends.
    Answers with where each chain ends: a number and a hash.
    """
    await connection.execute(_BEGIN, environment_id, [log.name for log in LOGS], BEGINNING)
    rows = await connection.fetch(_HOLD, environment_id)
    return {row["log"]: (row["number"], row["hash"]) for row in rows}
