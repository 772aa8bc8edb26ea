"""What an erasure changes of sealed batches, noted so that it is told from a manipulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from almoner.chains import logs
from almoner.chains.logs import BY_NAME, ChainedLog
from almoner.database import Connection

_NUMBERS: Final = """
SELECT DISTINCT b.number FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS place(a, b, c)
CROSS JOIN LATERAL (SELECT number FROM chain_batches WHERE environment_id = $1 AND log = $2
  AND to_key >= array_remove(ARRAY[place.a, place.b, place.c], NULL) ORDER BY to_key LIMIT 1) b
ORDER BY b.number
"""
# What a batch was sealed or last amended as.
_BATCH: Final = """
SELECT b.to_key, b.columns, coalesce(a.digest, b.digest) AS digest,
  (SELECT to_key FROM chain_batches WHERE environment_id = $1 AND log = $2 AND number = $3 - 1)
    AS after
FROM chain_batches b LEFT JOIN LATERAL (SELECT digest FROM chain_amendments
  WHERE environment_id = $1 AND log = $2 AND number = $3 ORDER BY id DESC LIMIT 1) a ON true
WHERE b.environment_id = $1 AND b.log = $2 AND b.number = $3
"""
_ADD: Final = """
INSERT INTO chain_amendments (environment_id, log, number, erasure_id, rows, hashes, digest_before,
  digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_MOST_PARTS: Final = 3


async def amend(
    connection: Connection,
    environment_id: int,
    erasure_id: str,
    touched: Mapping[str, Iterable[Sequence[int]]],
) -> int:
    """Notes what an erasure has made of the batches in which rows were changed or removed: their
    keys are ``touched``, by the log. In the erasure's transaction, after it. Answers with how many
    batches.
    """
    await logs.hold(connection, environment_id)
    amended = 0
    for name, keys in touched.items():
        places = [[*key, *[None] * (_MOST_PARTS - len(key))] for key in keys]
        parts = [list(part) for part in zip(*places, strict=True)] or [[]] * _MOST_PARTS
        for row in await connection.fetch(_NUMBERS, environment_id, name, *parts):
            amended += await _amend(
                connection, environment_id, BY_NAME[name], row["number"], erasure_id
            )
    return amended


async def _amend(
    connection: Connection, environment_id: int, log: ChainedLog, number: int, erasure_id: str
) -> bool:
    batch = await connection.fetchrow(_BATCH, environment_id, log.name, number)
    after = batch["after"] or log.first
    chained_as = await logs.chained_as(connection, environment_id)
    rows = await connection.fetch(
        log.rows(batch["columns"], chained_as), environment_id, *after, *batch["to_key"]
    )
    hashes = b"".join(row["hash"] for row in rows)
    digest = logs.digest(hashes)
    if digest == batch["digest"]:
        return False
    values = (erasure_id, len(rows), hashes, batch["digest"], digest)
    await connection.execute(_ADD, environment_id, log.name, number, *values)
    return True
