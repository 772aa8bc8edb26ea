"""What came of each row of an import, as it is known for a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from almoner.database import Connection

_CLEAR_RESULTS: Final = """
DELETE FROM import_results WHERE environment_id = $1 AND import_id = $2 AND line = ANY ($3::int[])
"""
_ADD_RESULTS: Final = """
INSERT INTO import_results
  (environment_id, import_id, line, place, outcome, row_id, updated_at, epoch, xid)
SELECT $1, $2, r.line, $3, r.outcome, r.row_id, r.updated_at,
  coalesce(nullif(current_setting('almoner.epoch', true), '')::int, almoner_epoch()),
  pg_current_xact_id()::text::bigint
FROM unnest($4::int[], $5::text[], $6::uuid[], $7::timestamptz[])
  AS r(line, outcome, row_id, updated_at)
"""
_RESULTS: Final = """
SELECT line, outcome, row_id::text, updated_at, epoch, xid, note FROM import_results
WHERE environment_id = $1 AND import_id = $2 AND ($3::int IS NULL OR place = $3)
  AND ($4::text[] IS NULL OR outcome = ANY ($4)) ORDER BY line DESC LIMIT $5
"""
_MARK: Final = """
UPDATE import_results SET outcome = $4, note = $5
WHERE environment_id = $1 AND import_id = $2 AND line = $3
"""


@dataclass(frozen=True)
class Result:
    """What came of a row: ``created``, ``updated``, ``unchanged``, ``skipped`` or ``refused``; then
    ``undone``, or ``kept`` with the reason in ``note``. ``row_id`` is None where none was written.
    """

    line: int
    outcome: str
    row_id: str | None
    updated_at: datetime | None
    epoch: int
    xid: int
    note: str | None


async def set_results(
    connection: Connection,
    environment_id: int,
    import_id: str,
    place: int,
    results: Sequence[tuple[int, str, str | None, datetime | None]],
) -> None:
    """Notes what came of rows of a part, in the transaction that wrote them: line, outcome, the row
    and its ``updated_at``.
    """
    lines = [line for line, *_ in results]
    await connection.execute(_CLEAR_RESULTS, environment_id, import_id, lines)
    columns = [list(column) for column in zip(*results, strict=True)] or [[], [], [], []]
    await connection.execute(_ADD_RESULTS, environment_id, import_id, place, *columns)


async def results(
    connection: Connection,
    environment_id: int,
    import_id: str,
    place: int | None = None,
    outcomes: Sequence[str] | None = None,
    most: int = 1000,
) -> list[Result]:
    """What came of rows, the last line first."""
    only = None if outcomes is None else list(outcomes)
    rows = await connection.fetch(_RESULTS, environment_id, import_id, place, only, most)
    return [Result(*row) for row in rows]


async def mark(
    connection: Connection,
    environment_id: int,
    import_id: str,
    line: int,
    outcome: str,
    note: str | None = None,
) -> None:
    """Notes that a row was taken back, or why it was not."""
    await connection.execute(_MARK, environment_id, import_id, line, outcome, note)
