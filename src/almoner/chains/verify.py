"""Whether the logs are what was sealed; and where they are not, which row is another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any, Final

from almoner.chains import logs
from almoner.chains.logs import HASH_BYTES, LOGS, ChainedLog, SealedBatch
from almoner.database import Connection
from almoner.vocabulary import clocks

_HEADS: Final = "SELECT log, number, hash FROM chain_heads WHERE environment_id = $1"
_BATCHES: Final = """
SELECT number, to_key, rows, columns, hashes, digest, previous, hash, sealed_at FROM chain_batches
WHERE environment_id = $1 AND log = $2 AND number > $3 ORDER BY number LIMIT 200
"""
_AMENDMENTS: Final = """
SELECT a.log, a.number, a.erasure_id::text, a.rows, a.hashes, a.digest_before, a.digest,
  a.amended_at, e.reason, e.decided_by, r.before, r.rows AS removed, r.removed_at
FROM chain_amendments a
LEFT JOIN erasures e ON e.environment_id = a.environment_id AND e.id = a.erasure_id
  AND e.state = 'erased'
LEFT JOIN retention_removals r ON r.environment_id = a.environment_id AND r.id = a.erasure_id
WHERE a.environment_id = $1 ORDER BY a.id
"""
# So many rows that were put in before the first are named of a log.
_MOST_BEFORE: Final = 100


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a chain. ``kind`` is changed, removed or inserted, of a row; or batch
    missing or batch changed. ``row`` is the key of the row, or of the one before what was removed;
    ``sealed_at`` is when its batch was sealed, in UTC.
    """

    log: str
    kind: str
    batch: int
    row: Sequence[int] | None = None
    sealed_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        sealed_at = None if self.sealed_at is None else clocks.iso(self.sealed_at)
        row = None if self.row is None else list(self.row)
        return {
            "log": self.log,
            "kind": self.kind,
            "batch": self.batch,
            "row": row,
            "sealed_at": sealed_at,
        }

    @property
    def in_words(self) -> str:
        """A sentence for people."""
        if self.row is None:
            return f"{self.log}: batch {self.batch} is {self.kind.removeprefix('batch ')}."
        place = ", ".join(map(str, self.row))
        what = f"row behind {place}" if self.kind == "removed" else f"row {place}"
        return f"{self.log}, batch {self.batch}: {what} was {self.kind}."


@dataclass
class Verified:
    """What was looked at: of each log, batches, rows, rows that are not sealed yet and the hash
    that its chain ends in; what is wrong; and the erasures, and removals of what was old, that
    batches were amended for."""

    logs: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    erasures: dict[str, dict[str, Any]] = field(default_factory=dict)
    removals: dict[str, dict[str, Any]] = field(default_factory=dict)


async def verify(
    connection: Connection, environment_id: int, earlier: Mapping[str, str] | None = None
) -> Verified:
    """Looks at every batch of an environment, in the caller's transaction, which is to see one
    moment (repeatable read). ``earlier``: the hashes that chains ended in once, by their log, which
    must be in them still.
    """
    verified = Verified()
    heads = {
        row["log"]: (row["number"], row["hash"])
        for row in await connection.fetch(_HEADS, environment_id)
    }
    amendments: dict[tuple[str, int], list[Any]] = {}
    for row in await connection.fetch(_AMENDMENTS, environment_id):
        amendments.setdefault((row["log"], row["number"]), []).append(row)
    owner = (environment_id, await logs.chained_as(connection, environment_id))
    for log in LOGS:
        chain = _Chain(connection, owner, log, verified, amendments)
        await chain.walk(heads.get(log.name, (0, logs.BEGINNING)), (earlier or {}).get(log.name))
    return verified


class _Chain:
    """One chain while it is walked."""

    def __init__(
        self,
        connection: Connection,
        owner: tuple[int, int],
        log: ChainedLog,
        verified: Verified,
        amendments: Mapping[tuple[str, int], Sequence[Any]],
    ) -> None:
        self._connection = connection
        self._environment_id, self._chained_as = owner
        self._log = log
        self._verified = verified
        self._amendments = amendments
        self._number, self._hash, self._key = 0, logs.BEGINNING, log.first
        self._rows, self._batches = 0, 0

    async def walk(self, head: tuple[int, bytes], earlier: str | None) -> None:
        """Looks at each batch, then at where the chain ends."""
        hashes = {self._hash.hex()}
        await self._look_before()
        async for batch in self._stored():
            for number in range(self._number + 1, batch.number):
                self._fault("batch missing", number)
            if batch.number == self._number + 1 and batch.previous != self._hash:
                self._fault("batch changed", batch.number, batch)
            if batch.hash != batch.linked(self._chained_as, self._log.name):
                self._fault("batch changed", batch.number, batch)
            await self._look_at(batch)
            self._number, self._hash, self._key = batch.number, batch.hash, list(batch.to_key)
            hashes.add(batch.hash.hex())
        for number in range(self._number + 1, head[0] + 1):
            self._fault("batch missing", number)
        if head[0] == self._number and head[1] != self._hash:
            self._fault("batch changed", self._number)
        if earlier is not None and earlier not in hashes:
            self._fault("batch missing", self._number + 1)
        self._verified.logs.append(
            {
                "log": self._log.name,
                "batches": self._batches,
                "rows": self._rows,
                "unsealed": await self._unsealed(),
                "head": self._hash.hex(),
            }
        )

    async def _look_before(self) -> None:
        """No row is counted from zero or less: what stands there no batch has."""
        log = self._log
        rows = await self._connection.fetch(
            f"SELECT ARRAY[{', '.join(log.key)}]::bigint[] AS key FROM {log.name}"
            f" WHERE environment_id = $1 AND {log.keys} <= {log.bound(2)}"
            f" ORDER BY {', '.join(log.key)} LIMIT {_MOST_BEFORE}",
            *(self._environment_id, *log.first),
        )
        for row in rows:
            self._fault("inserted", 1, row=row["key"])

    async def _stored(self) -> Any:
        after = 0
        while rows := await self._connection.fetch(
            _BATCHES, self._environment_id, self._log.name, after
        ):
            for row in rows:
                yield SealedBatch(**row)
            after = rows[-1]["number"]

    async def _look_at(self, batch: SealedBatch) -> None:
        """Compares the rows of a batch with what was sealed, or what an erasure made of it."""
        self._batches += 1
        hashes, digest = batch.hashes, batch.digest
        for amendment in self._amendments.get((self._log.name, batch.number), ()):
            is_explained = amendment["reason"] is not None or amendment["before"] is not None
            if not is_explained or amendment["digest_before"] != digest:
                self._fault("batch changed", batch.number, batch)
            hashes, digest = amendment["hashes"], amendment["digest"]
            self._erased(amendment)
            self._removed(amendment)
        if logs.digest(hashes) != digest:
            self._fault("batch changed", batch.number, batch)
            return
        rows = await self._connection.fetch(
            self._log.rows(batch.columns, self._chained_as),
            self._environment_id,
            *self._key,
            *batch.to_key,
        )
        self._rows += len(rows)
        if b"".join(row["hash"] for row in rows) != hashes:
            for kind, key in _differing(hashes, rows, self._key):
                self._fault(kind, batch.number, batch, key)

    async def _unsealed(self) -> int:
        log = self._log
        number: int = await self._connection.fetchval(
            f"SELECT count(*) FROM {log.name} WHERE environment_id = $1"
            f" AND {log.keys} > {log.bound(2)}",
            *(self._environment_id, *self._key),
        )
        return number

    def _erased(self, amendment: Any) -> None:
        if amendment["reason"] is None:
            return
        erasure = self._verified.erasures.setdefault(
            amendment["erasure_id"],
            {
                "erasure_id": amendment["erasure_id"],
                "reason": amendment["reason"],
                "erased_by": amendment["decided_by"],
                "erased_at": clocks.iso(amendment["amended_at"]),
                "batches": 0,
            },
        )
        erasure["batches"] += 1

    def _removed(self, amendment: Any) -> None:
        if amendment["before"] is None:
            return
        removal = self._verified.removals.setdefault(
            amendment["erasure_id"],
            {
                "removal_id": amendment["erasure_id"],
                "log": self._log.name,
                "before": clocks.iso(amendment["before"]),
                "rows": amendment["removed"],
                "removed_at": clocks.iso(amendment["removed_at"]),
                "batches": 0,
            },
        )
        removal["batches"] += 1

    def _fault(
        self,
        kind: str,
        number: int,
        batch: SealedBatch | None = None,
        row: Sequence[int] | None = None,
    ) -> None:
        self._verified.faults.append(
            Fault(
                log=self._log.name,
                kind=kind,
                batch=number,
                row=row,
                sealed_at=None if batch is None else batch.sealed_at,
            )
        )


def _differing(
    hashes: bytes, rows: Sequence[Any], after: Sequence[int]
) -> Iterator[tuple[str, Sequence[int]]]:
    """What became of rows, each with its key, or that of the row before where it is gone."""
    sealed = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    there = [row["hash"] for row in rows]
    keys = [after, *(row["key"] for row in rows)]
    for change, i, i_end, j, j_end in SequenceMatcher(None, sealed, there, False).get_opcodes():
        if change == "equal":
            continue
        replaced = min(i_end - i, j_end - j)
        for place in range(replaced):
            yield "changed", keys[j + place + 1]
        for _ in range(i + replaced, i_end):
            yield "removed", keys[j + replaced]
        for place in range(j + replaced, j_end):
            yield "inserted", keys[place + 1]
