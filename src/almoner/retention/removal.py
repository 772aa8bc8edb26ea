"""What has grown old goes: a part as a whole where nobody keeps a row of it, else the rows of those
environments whose term has passed. The chains are told in the same transaction, so that it is never
taken for a manipulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from almoner.chains import aged
from almoner.chains.logs import BY_NAME
from almoner.errors import SettingError
from almoner.retention import dump, terms
from almoner.retention.terms import LOGS

# Environments of which something is older than their term, with the moment before which rows go.
# Months are those of UTC, as the parts are.
_AGED: Final = """
SELECT e.id, e.name, (date_trunc('month', now() AT TIME ZONE 'UTC')
  - make_interval(months => t.months)) AT TIME ZONE 'UTC' AS before
FROM retention_terms t JOIN environments e ON e.id = t.environment_id
WHERE t.log = $1 AND e.state = 'open' AND ($2::int[] IS NULL OR e.id = ANY ($2))
  AND NOT EXISTS (SELECT FROM retention_holds h WHERE h.environment_id = e.id)
ORDER BY e.id
"""
# A hold that is placed meanwhile waits for the end of the transaction, or is seen in it.
_LOCK: Final = """
SELECT pg_advisory_xact_lock_shared(hashtextextended($2, id)) FROM unnest($1::int[]) AS id
"""
# The parts of a log from the oldest on, each with when it ends: null of the net, which never goes
# as a whole.
_PARTS: Final = """
SELECT t.relid::regclass::text AS name, (regexp_match(pg_get_expr(c.relpartbound, c.oid),
  'TO \\(''([^'']+)''\\)'))[1]::timestamptz AS ends
FROM pg_partition_tree($1::text::regclass) t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf
ORDER BY 2 NULLS LAST
"""
_OTHERS: Final = """
SELECT EXISTS (SELECT FROM environments e WHERE e.id <> ALL ($1::int[])
  AND EXISTS (SELECT FROM {part} WHERE environment_id = e.id))
"""
_PAST: Final = """
SELECT c.oid::regclass::text AS name FROM pg_partitioned_table p
JOIN pg_inherits i ON i.inhparent = p.partrelid JOIN pg_class c ON c.oid = i.inhrelid
WHERE (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz
  < date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
"""
# Logs lose rows with their age alone, or with an erasure.
_REMOVING: Final = "SELECT set_config('almoner.erasing', pg_current_xact_id()::text, true)"
_NOTE: Final = """
INSERT INTO retention_removals (environment_id, id, log, before, rows, to_key, dump)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
# Whoever comes meanwhile waits no longer than that.
_PATIENCE: Final = "SET LOCAL lock_timeout = '2s'"


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What went, or would: rows of an environment that were written before a moment. ``part`` is
    the table that they stood in, ``whole`` that it went with them.
    """

    environment: str
    log: str
    before: datetime
    part: str
    rows: int
    whole: bool
    dump: str


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A part of a log; ``at`` is the column that says when, ``ends`` None of the net, which never
    goes as a whole. ``others``: the other parts.
    """

    log: str
    at: str
    part: str
    ends: datetime | None
    others: Sequence[str]

    @property
    def aged(self) -> str:
        """What has grown old in it; parameters: environment, and the moment before which."""
        return f"{self.part} WHERE environment_id = $1 AND {self.at} < $2"


@dataclass(frozen=True, kw_only=True)
class _Aged:
    """Rows of an environment in a part that are older than its term."""

    environment_id: int
    name: str
    before: datetime
    rows: int
    to_key: Sequence[int]


async def remove(
    connection: asyncpg.Connection, into: Path | None = None, *, dry_run: bool = False
) -> list[Removal]:
    """Removes what is older than the terms of its environment, by the owner of the tables; or says
    what it would. ``into``: a folder in which it is written down before.

    Each part is a transaction: ended in between, it goes on where it is called again. Raises
    SettingError where a part is in use for longer than two seconds at a time.
    """
    done: list[Removal] = []
    await connection.execute("SET statement_timeout = 0")
    for log in LOGS:
        owners = [row["id"] for row in await connection.fetch(_AGED, log, None)]
        if not owners:
            continue
        left = {part["name"]: part["ends"] for part in await connection.fetch(_PARTS, log)}
        for part, ends in list(left.items()):
            source = _Source(
                log=log, at=LOGS[log], part=part, ends=ends, others=[*left.keys() - {part}]
            )
            removals = await _remove_from(connection, source, owners, into, dry_run)
            if not dry_run and any(each.whole for each in removals):
                del left[part]
            done += removals
    if not dry_run:
        await _drop_empty(connection)
    return done


async def _remove_from(
    connection: asyncpg.Connection,
    source: _Source,
    owners: Sequence[int],
    into: Path | None,
    dry_run: bool,
) -> list[Removal]:
    """What goes of a part, in a transaction in which no hold is placed on these environments."""
    try:
        async with connection.transaction():
            await connection.execute(_LOCK, owners, terms.REMOVAL)
            return await _removed(
                connection,
                source,
                await connection.fetch(_AGED, source.log, owners),
                into=into,
                dry_run=dry_run,
            )
    except asyncpg.LockNotAvailableError:
        raise SettingError(
            f"{source.part} is in use without a break. What went before is gone; run it again."
        ) from None


async def _removed(
    connection: asyncpg.Connection,
    source: _Source,
    owners: Sequence[Any],
    into: Path | None,
    dry_run: bool,
) -> list[Removal]:
    aged_rows = [row for owner in owners if (row := await _of(connection, source, owner))]
    if not aged_rows:
        return []
    is_past = source.ends is not None and all(row.before >= source.ends for row in aged_rows)
    ids = [row.environment_id for row in aged_rows]
    whole = is_past and not await connection.fetchval(_OTHERS.format(part=source.part), ids)
    dumps = {} if dry_run or into is None else await _dumped(connection, source, aged_rows, into)
    if not dry_run:
        await _take_out(connection, source, aged_rows, dumps, whole)
    return [
        Removal(
            environment=row.name,
            log=source.log,
            before=row.before,
            part=source.part,
            rows=row.rows,
            whole=whole,
            dump=str(dumps.get(row.environment_id, "")),
        )
        for row in aged_rows
    ]


async def _of(connection: asyncpg.Connection, source: _Source, owner: Any) -> _Aged | None:
    before = owner["before"] if source.ends is None else min(owner["before"], source.ends)
    key = BY_NAME[source.log].key
    last = ", ".join(f"{column} DESC" for column in key)
    row = await connection.fetchrow(
        f"SELECT count(*) AS rows, (SELECT ARRAY[{', '.join(key)}]::bigint[] FROM {source.aged}"
        f" ORDER BY {last} LIMIT 1) AS to_key FROM {source.aged}",
        *(owner["id"], before),
    )
    if row is None or not row["rows"]:
        return None
    return _Aged(
        environment_id=owner["id"],
        name=owner["name"],
        before=before,
        rows=row["rows"],
        to_key=row["to_key"],
    )


async def _dumped(
    connection: asyncpg.Connection, source: _Source, rows: Sequence[_Aged], into: Path
) -> dict[int, Path]:
    """The files, each by the environment whose rows are in it."""
    return {
        row.environment_id: await dump.write(
            connection,
            into / f"{row.name}-{source.part.rpartition('.')[2]}-{row.before:%Y-%m}.csv.gz",
            f"SELECT * FROM {source.aged}",
            (row.environment_id, row.before),
            row.rows,
        )
        for row in rows
    }


async def _take_out(
    connection: asyncpg.Connection,
    source: _Source,
    rows: Sequence[_Aged],
    dumps: dict[int, Path],
    whole: bool,
) -> None:
    """In the caller's transaction: the chains first, then the rows, and the part itself last, whose
    lock others wait for.
    """
    await connection.execute(_REMOVING)
    for row in rows:
        young = (
            f"(SELECT * FROM {source.part} WHERE {source.at} >= '{row.before.isoformat()}') AS y"
        )
        removal_id = await aged.amend(
            connection, row.environment_id, source.log, row.to_key, [*source.others, young]
        )
        await connection.execute(
            _NOTE,
            *(row.environment_id, removal_id, source.log, row.before, row.rows, list(row.to_key)),
            dumps[row.environment_id].name if dumps else "",
        )
        if not whole:
            gone = await connection.execute(
                f"DELETE FROM {source.aged}", row.environment_id, row.before
            )
            assert int(gone.split()[-1]) == row.rows, "rows that are long past have changed"
    if whole:
        await connection.execute(_PATIENCE)
        await connection.execute(f"DROP TABLE {source.part}")


async def _drop_empty(connection: asyncpg.Connection) -> None:
    """Parts of the past in which nothing is left, of whatever log, go; one that is in use stays
    until the next time.
    """
    for part in await connection.fetch(_PAST):
        with suppress(asyncpg.LockNotAvailableError):
            async with connection.transaction():
                await connection.execute(_PATIENCE)
                await connection.execute(f"LOCK TABLE {part['name']} IN ACCESS EXCLUSIVE MODE")
                if not await connection.fetchval(f"SELECT EXISTS (SELECT FROM {part['name']})"):
                    await connection.execute(f"DROP TABLE {part['name']}")
