"""What the chains are told of rows that go because they are old: each batch is amended to what
stays of it, as after an erasure.
"""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

from almoner.chains import logs
from almoner.chains.logs import BY_NAME, ChainedLog
from almoner.database import Connection

# The batches with rows up to a key, but for those of which nothing is left; each with the key that
# it begins behind and what it was sealed or last amended as.
_BATCHES: Final = """
SELECT b.number, b.to_key, b.columns, b.after, coalesce(a.digest, b.digest) AS digest
FROM (SELECT number, to_key, columns, digest, lag(to_key) OVER (ORDER BY number) AS after
  FROM chain_batches WHERE environment_id = $1 AND log = $2) b
LEFT JOIN LATERAL (SELECT digest, rows FROM chain_amendments
  WHERE environment_id = $1 AND log = $2 AND number = b.number ORDER BY id DESC LIMIT 1) a ON true
WHERE (b.after IS NULL OR b.after < $3::bigint[]) AND coalesce(a.rows, 1) > 0 ORDER BY b.number
"""
_ADD: Final = """
INSERT INTO chain_amendments (environment_id, log, number, erasure_id, rows, hashes, digest_before,
  digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def amend(
    connection: Connection,
    environment_id: int,
    name: str,
    last: Sequence[int],
    staying_in: Sequence[str],
) -> uuid.UUID:
    """Notes what stays of the batches of a log once rows up to the key ``last`` are gone.
    ``staying_in`` are what stays, as SQL names or selects it. In the transaction in which they go,
    before it. Answers with the id by which the amendments name the removal.
    """
    log, removal_id = BY_NAME[name], uuid.uuid4()
    await logs.hold(connection, environment_id)
    chained_as = await logs.chained_as(connection, environment_id)
    batches = await connection.fetch(_BATCHES, environment_id, name, list(last))
    if not batches:
        return removal_id
    span = (batches[0]["after"] or log.first, batches[-1]["to_key"])
    key = f"ARRAY[{', '.join(log.key)}]::bigint[]"
    staying: list[list[int]] = []
    for source in staying_in:
        rows = await connection.fetch(
            f"SELECT {key} AS key FROM {source} WHERE environment_id = $1"
            f" AND {log.keys} > {log.bound(2)} AND {log.keys} <= {log.bound(2 + len(log.key))}",
            *(environment_id, *span[0], *span[1]),
        )
        staying += [list(row["key"]) for row in rows]
    staying.sort()
    for batch in batches:
        hashes = await _staying(connection, log, batch, staying, (environment_id, chained_as))
        digest = logs.digest(hashes)
        if digest != batch["digest"]:
            left = len(hashes) // logs.HASH_BYTES
            values = (removal_id, left, hashes, batch["digest"], digest)
            await connection.execute(_ADD, environment_id, name, batch["number"], *values)
    return removal_id


async def _staying(
    connection: Connection,
    log: ChainedLog,
    batch: Any,
    staying: Sequence[list[int]],
    owner: tuple[int, int],
) -> bytes:
    """The hashes of the rows of a batch that stay; ``staying`` are the keys of all that do."""
    after = list(batch["after"] or log.first)
    first, end = bisect_right(staying, after), bisect_right(staying, list(batch["to_key"]))
    if first == end:
        return b""
    environment_id, chained_as = owner
    keys = {tuple(key) for key in staying[first:end]}
    rows = await connection.fetch(
        log.rows(batch["columns"], chained_as), environment_id, *after, *batch["to_key"]
    )
    return b"".join(row["hash"] for row in rows if tuple(row["key"]) in keys)
