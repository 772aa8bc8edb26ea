"""Rows of an environment copied from one database to another, a part at a time, each of which is
there whole or not at all: what was copied before an end in between is not copied again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg

from almoner.access import keys
from almoner.access.secrets import SealError, SecretBox
from almoner.cells.tables import ENVIRONMENT, CellTable

# Rows of a part.
ROWS: Final = 50_000
_PIECES: Final = 8
# What is copied keeps its times.
COPYING: Final = "SET LOCAL almoner.copying = 'on'"
# Numbers that others may take while it is looked how far they are.
_MARGIN: Final = 100_000


async def copy_table(
    source: asyncpg.Connection,
    target: asyncpg.Connection,
    table: CellTable,
    environment_ids: dict[int, int],
    environment_id: int,
    *,
    part: int = ROWS,
) -> int:
    """Copies what of a table is not there yet, so many rows at a time. Answers with how many."""
    total = 0
    while True:
        query, bounds = await _next(target, table, environment_ids, environment_id, part=part)
        if query is None:
            return total
        async with target.transaction():
            await target.execute(COPYING)
            rows = await _stream(source, target, table, (query, *bounds))
        total += rows
        if table.refers_to_itself or rows < part:
            return total


async def _next(
    target: asyncpg.Connection,
    table: CellTable,
    environment_ids: dict[int, int],
    environment_id: int,
    *,
    part: int,
) -> tuple[str | None, list[str]]:
    """What reads the next part, behind the last row that is there, with its parameters."""
    order = [
        f't."{name}" COLLATE "C"' if kind == "text" else f't."{name}"'
        for name, kind in zip(table.key, table.types, strict=True)
    ]
    own = f"{ENVIRONMENT} = {environment_ids[environment_id]}"
    names = ", ".join(f'"{name}"::text' for name in table.key) or "''"
    last = f" ORDER BY {', '.join(f'{key} DESC' for key in order)}" if order else ""
    row = await target.fetchrow(f"SELECT {names} FROM {table.name} t WHERE {own}{last} LIMIT 1")
    query = (
        f"SELECT {table.picked(environment_ids, environment_id)} FROM {table.name} t"
        f" WHERE {ENVIRONMENT} = {environment_id}"
    )
    if row is not None and (table.refers_to_itself or not order):
        return None, []
    if table.refers_to_itself or not order:
        return query, []
    bounds = [] if row is None else [str(value) for value in row]
    if bounds:
        # The first is asked for apart, so that parts of a log are read in order (feed.behind).
        first, *rest = [f"${n}::text::{kind}" for n, kind in enumerate(table.types, 1)]
        behind = ", ".join([f"(SELECT {first})", *rest])
        query += f" AND ({', '.join(order)}) > ({behind})"
    return f"{query} ORDER BY {', '.join(order)} LIMIT {part}", bounds


async def _stream(
    source: asyncpg.Connection,
    target: asyncpg.Connection,
    table: CellTable,
    query: tuple[str, ...],
) -> int:
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_PIECES)

    async def read() -> None:
        try:
            await source.copy_from_query(*query, output=pieces.put)
        finally:
            await pieces.put(None)

    async def arriving() -> AsyncIterator[bytes]:
        while (piece := await pieces.get()) is not None:
            yield piece

    reading = asyncio.create_task(read())
    try:
        done: str = await target.copy_to_table(
            table.name, source=arriving(), columns=list(table.columns)
        )
        await reading
    finally:
        reading.cancel()
    return int(done.split()[-1])


async def count_on(target: asyncpg.Connection, table: CellTable, environment_id: int) -> None:
    """Has a column that counts up by itself go on above what was copied."""
    if table.counted is None:
        return
    highest = await target.fetchval(
        f"SELECT max({table.counted}) FROM {table.name} WHERE {ENVIRONMENT} = $1", environment_id
    )
    sequence = await target.fetchval(
        "SELECT pg_get_serial_sequence($1, $2)", table.name, table.counted
    )
    await target.execute(
        "SELECT setval($1::text::regclass, $2::bigint + $3) WHERE"
        " coalesce(pg_sequence_last_value($1::text::regclass), 0) < $2::bigint",
        sequence,
        highest or 0,
        _MARGIN,
    )


async def seal_anew(target: asyncpg.Connection, box: SecretBox, old_id: int, new_id: int) -> None:
    """Seals what was sealed for an environment by its number elsewhere for the one that it has
    here, with the key of this database. What was done before is left.
    """
    for of in keys.COLUMNS:
        old_owner = of.owner.replace(ENVIRONMENT, str(old_id))
        key = ", ".join(of.key)
        rows: list[Any] = await target.fetch(
            f"SELECT {of.column}, {old_owner}, {of.owner}, {key} FROM {of.table}"
            f" WHERE {ENVIRONMENT} = $1 AND {of.column} IS NOT NULL",
            new_id,
        )
        for sealed, before, now, *row_key in rows:
            try:
                plain = box.open(sealed, before)
            except SealError:
                continue  # it was sealed anew before, or by a key that is lost
            await target.execute(of.written, box.seal(plain, now), *row_key)
