"""Rows that are to go, written down before: a CSV with its columns' names, packed by gzip, whole or
not there at all, readable by its owner alone.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from almoner.errors import SettingError
from almoner.home import sync_folder


async def write(
    connection: asyncpg.Connection, path: Path, query: str, values: Sequence[Any], rows: int
) -> Path:
    """Writes what a query answers with to a new file, and reads it again; one that was written by
    whom something ended before the rows went is left. Raises SettingError where it cannot be
    written, or does not hold so many rows.
    """
    if await asyncio.to_thread(path.exists):
        if await asyncio.to_thread(_rows_of, path) != rows:
            raise SettingError(f"{path} is there and holds other rows. Name another folder.")
        return path
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb", filename="") as packed:

                async def add(piece: bytes) -> None:
                    await asyncio.to_thread(packed.write, piece)

                await connection.copy_from_query(
                    query, *values, output=add, format="csv", header=True
                )
            raw.flush()
            os.fsync(raw.fileno())
        there = await asyncio.to_thread(_rows_of, partial)
        if there != rows:
            raise SettingError(f"{partial} holds {there:,} rows instead of {rows:,}: nothing went.")
        partial.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise SettingError(f"{path} cannot be written ({error.strerror}): nothing went.") from error
    return path


def _rows_of(path: Path) -> int:
    csv.field_size_limit(2**31 - 1)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return sum(1 for _ in csv.reader(lines)) - 1
