"""Restoring a backup to nowhere, to know that it can be."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from almoner.backups.counts import counted
from almoner.backups.folder import Backup, BackupFolder, TableCount
from almoner.backups.restore import RestoreTarget, restored
from almoner.chains.verify import verify
from almoner.database import Connection


async def rehearse(folder: BackupFolder, backup: Backup, place: Path) -> dict[str, Any]:
    """Restores the backup into a server of its own up to the position that its tables were counted
    at, and compares each with what it was then.

    ``is_equal`` says whether all of them are the same; ``chain_faults`` what is wrong with the
    chained logs of an environment, by its id (``chains.verify``); ``seconds`` is
    how long a restore took."""
    begin = time.monotonic()
    async with restored(folder, backup, RestoreTarget(position=backup.checked_at), place) as server:
        seconds = time.monotonic() - begin
        async with server.connected() as connection, connection.transaction():
            tables = compared(backup.tables, await counted(connection))
            faults = await _chain_faults(connection)
    return {
        "backup": backup.name,
        "ended_at": backup.ended_at.isoformat(),
        "is_equal": all(table["is_equal"] for table in tables),
        "chain_faults": faults,
        "seconds": round(seconds, 1),
        "tables": tables,
    }


async def _chain_faults(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    if not await connection.fetchval("SELECT to_regclass('chain_batches') IS NOT NULL"):
        # A backup of before logs were chained.
        return {}
    faults = {}
    for row in await connection.fetch("SELECT id FROM environments ORDER BY id"):
        verified = await verify(connection, row["id"])
        if verified.faults:
            faults[str(row["id"])] = [fault.as_json() for fault in verified.faults]
    return faults


def compared(
    expected: Mapping[str, TableCount], there: Mapping[str, TableCount]
) -> list[dict[str, Any]]:
    """Each table of either side: its rows, those expected, and whether what is in them is equal."""
    return [
        {
            "name": name,
            "rows": there[name].rows if name in there else None,
            "expected_rows": expected[name].rows if name in expected else None,
            "is_equal": there.get(name) == expected.get(name),
        }
        for name in sorted(expected.keys() | there.keys())
    ]
