"""Rows are counted at a position in the log, whoever has a transaction open all the while."""

from __future__ import annotations

import asyncio

import asyncpg

from almoner.backups.counts import counted_at_a_position
from tests.changes.writing import environment_of, insert, rename


async def test_transactions_that_wait_keep_nobody_from_counting(
    own_dsn: str, postgres: str
) -> None:
    counting, idle, waiting, beside = [
        await asyncpg.connect(each) for each in (own_dsn, own_dsn, own_dsn, postgres)
    ]
    environment = await environment_of(counting)
    row = await insert(counting, environment, "Grace")
    for session in (idle, beside):
        await session.execute("BEGIN; SELECT pg_current_xact_id()")
    await rename(idle, environment, row, "Ada")
    await insert(idle, environment, "Zoë")
    await waiting.execute("BEGIN")
    await insert(waiting, environment, "Mary")
    blocked = asyncio.create_task(rename(waiting, environment, row, "Rear Admiral Grace"))
    before, tables = await asyncio.wait_for(counted_at_a_position(counting), 120)
    assert (bool(before), tables["patients"].rows, tables["changes"].rows) == (True, 1, 1)
    await idle.execute("COMMIT")
    await blocked
    await waiting.execute("COMMIT")
    _, tables = await asyncio.wait_for(counted_at_a_position(counting), 120)
    assert (tables["patients"].rows, tables["changes"].rows) == (3, 5)
    for connection in (counting, idle, waiting, beside):
        await connection.close()
