"""The rows of imports: what was uploaded, part by part and sealed, how far it is, what came of
each row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.access.secrets import SecretBox
from almoner.data_api.writes import new_id
from almoner.database import Connection
from almoner.errors import problem
from almoner.work import queries
from almoner.work.step import NewStep
from almoner_files.delimited import SourceRow
from almoner_files.mapping import Mapping as Columns

# No integration has this name, since it is no identifier.
QUEUE: Final = "almoner.imports"
# Its columns are to be looked at; it is being checked; what would come of it is to be looked at; it
# is being written; it is written; it is being taken back; it is taken back; what was uploaded is
# gone before anything was written.
MAPPING: Final = "mapping"
CHECKING: Final = "checking"
CHECKED: Final = "checked"
WRITING: Final = "writing"
DONE: Final = "done"
UNDOING: Final = "undoing"
UNDONE: Final = "undone"
REMOVED: Final = "removed"
UNDER_WAY: Final = (CHECKING, WRITING, UNDOING)
_ENDS_IN: Final = {CHECKING: CHECKED, WRITING: DONE, UNDOING: UNDONE}
CHECK, WRITE, UNDO, FORGET = "check", "write", "undo", "forget"
_BEGINS: Final = {
    CHECK: (CHECKING, (MAPPING, CHECKED)),
    WRITE: (WRITING, (CHECKED,)),
    UNDO: (UNDOING, (DONE,)),
}
# For so long what was uploaded is kept, and what was written can be taken back.
DAY: Final = 86_400.0
LISTED: Final = 20
_COLUMNS: Final = """
i.id::text, i.worker_id::text, i.collection, i.kind, i.state, i.rows, i.parts, i.parts_done,
i.columns::text, i.choices::text, i.counts::text, i.created_at, i.ended_at
"""
_ADD: Final = """
INSERT INTO imports (environment_id, id, worker_id, collection, kind, state, rows, parts, columns)
VALUES ($1, $2, $3, $4, $5, 'mapping', $6, $7, $8)
"""
_ADD_PART: Final = """
INSERT INTO import_parts (environment_id, import_id, place, sealed) VALUES ($1, $2, $3, $4)
"""
_GET: Final = f"SELECT {_COLUMNS} FROM imports i WHERE i.environment_id = $1 AND i.id = $2"
_NEWEST: Final = f"""
SELECT {_COLUMNS} FROM imports i WHERE i.environment_id = $1 ORDER BY i.id DESC LIMIT {LISTED}
"""
_BEGIN: Final = """
UPDATE imports SET state = $3, parts_done = 0, columns = coalesce($5, columns),
  choices = coalesce($6, choices), counts = NULL, ended_at = NULL
WHERE environment_id = $1 AND id = $2 AND state = ANY ($4::text[]) RETURNING parts
"""
# The last of the parts ends the phase; they come to this one after the other.
_ADVANCE: Final = """
UPDATE imports SET parts_done = parts_done + 1,
  state = CASE WHEN parts_done + 1 < parts THEN state ELSE $4 END,
  ended_at = CASE WHEN parts_done + 1 < parts THEN NULL ELSE clock_timestamp() END
WHERE environment_id = $1 AND id = $2 AND state = $3 RETURNING parts_done = parts
"""
_COUNT: Final = """
UPDATE imports SET counts = (
  SELECT json_object_agg(outcome, number) FROM (
    SELECT outcome, count(*) AS number FROM import_results
    WHERE environment_id = $1 AND import_id = $2 GROUP BY outcome) AS counted)
WHERE environment_id = $1 AND id = $2
"""
_PART: Final = """
SELECT sealed, problems_sealed FROM import_parts
WHERE environment_id = $1 AND import_id = $2 AND place = $3
"""
_PLACES: Final = """
SELECT place FROM import_parts WHERE environment_id = $1 AND import_id = $2 ORDER BY place
"""
_SET_PROBLEMS: Final = """
UPDATE import_parts SET problems_sealed = $4
WHERE environment_id = $1 AND import_id = $2 AND place = $3
"""
_FORGET: Final = """
WITH parts AS (DELETE FROM import_parts WHERE environment_id = $1 AND import_id = $2),
results AS (DELETE FROM import_results WHERE environment_id = $1 AND import_id = $2)
UPDATE imports SET state = CASE WHEN state IN ('mapping', 'checked') THEN 'removed' ELSE state END,
  choices = NULL, columns = NULL
WHERE environment_id = $1 AND id = $2
"""
_IS_OLD: Final = """
SELECT EXISTS (SELECT FROM imports WHERE environment_id = $1 AND id = $2
  AND coalesce(ended_at, created_at) <= clock_timestamp() - ($3 - 60) * interval '1 second')
"""
_KEEP_BAD: Final = """
UPDATE import_parts SET sealed = $4, problems_sealed = $5
WHERE environment_id = $1 AND import_id = $2 AND place = $3
"""
_DELETE_PART: Final = """
DELETE FROM import_parts WHERE environment_id = $1 AND import_id = $2 AND place = $3
"""


@dataclass(frozen=True, kw_only=True)
class ImportRow:
    """An import. ``kind`` is the ending of the file that was uploaded; ``parts_done`` counts for
    the phase that ``state`` names; ``counts`` are how many rows came to which outcome, as far as
    that is known. ``choices`` are what is done with likely duplicates: by the line of the file, and
    under ``default`` with all others. Times are in UTC; ``ended_at`` is None until a phase has
    ended."""

    id: str
    worker_id: str
    collection: str
    kind: str
    state: str
    rows: int
    parts: int
    parts_done: int
    columns: Mapping[str, Any] | None
    choices: Mapping[str, str]
    counts: Mapping[str, int]
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY


class RowProblem(msgspec.Struct, frozen=True):
    """What is wrong with a row: the line and the column of the file, and why."""

    line: int
    column: str
    reason: str


class LikelyDuplicate(msgspec.Struct, frozen=True):
    """A row that may be somebody who is here: a patient, and why; or, with ``earlier``, somebody of
    whom an earlier line of the file is, and then there is no patient yet.
    """

    line: int
    patient_id: str
    why: str
    earlier: int = 0


class Checked(msgspec.Struct, frozen=True):
    """What came of checking a part: what is wrong, and who may be here already."""

    problems: list[RowProblem]
    duplicates: list[LikelyDuplicate]


@dataclass(frozen=True)
class ImportPart:
    """A part of what was uploaded; ``checked`` is None where it has not been."""

    place: int
    rows: list[SourceRow]
    checked: Checked | None


async def add(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    worker_id: str,
    collection: str,
    kind: str,
    parts: Sequence[Sequence[SourceRow]],
    columns: Columns,
) -> str:
    """Keeps what was uploaded, sealed, for a day. In a transaction. Answers with the import's
    id.
    """
    import_id = new_id()
    rows = sum(map(len, parts))
    known = msgspec.json.encode(columns.as_values()).decode()
    values = (worker_id, collection, kind, rows, len(parts), known)
    await connection.execute(_ADD, environment_id, import_id, *values)
    for place, part in enumerate(parts):
        sealed = _sealed_rows(box, import_id, part)
        await connection.execute(_ADD_PART, environment_id, import_id, place, sealed)
    forget = NewStep(id=new_id(), name=FORGET, args=None, wait=DAY)
    await queries.add(
        connection, environment_id, QUEUE, job_id=import_id, parent_id=None, steps=[forget]
    )
    return import_id


async def get(connection: Connection, environment_id: int, import_id: str) -> ImportRow:
    """The import. Raises a 404 ApiError where there is none."""
    record = await connection.fetchrow(_GET, environment_id, import_id)
    if record is None:
        raise problem("not_found", "There is no import with this id.")
    return _import(record)


async def newest(connection: Connection, environment_id: int) -> list[ImportRow]:
    """The imports of an environment, the newest first."""
    return [_import(record) for record in await connection.fetch(_NEWEST, environment_id)]


async def begin(
    connection: Connection,
    environment_id: int,
    import_id: str,
    step: str,
    columns: Columns | None = None,
    choices: Mapping[str, str] | None = None,
    repeated: Sequence[Mapping[str, int]] = (),
    alike: Sequence[Mapping[str, tuple[int, str]]] = (),
) -> bool:
    """Begins a phase with a step for each part; False where the import is not where that phase
    begins. In a transaction. ``repeated`` are, for each part, the lines whose id an earlier line
    has; ``alike`` those that are likely somebody of whom an earlier line is, with why.
    """
    state, before = _BEGINS[step]
    parts = await connection.fetchval(
        _BEGIN,
        environment_id,
        import_id,
        state,
        list(before),
        None if columns is None else msgspec.json.encode(columns.as_values()).decode(),
        None if choices is None else msgspec.json.encode(choices).decode(),
    )
    if parts is None:
        return False
    steps = [
        NewStep(
            id=new_id(),
            name=step,
            args={
                "part": place,
                "repeated": repeated[place] if repeated else {},
                "alike": alike[place] if alike else {},
            },
        )
        for place in range(parts)
    ]
    await queries.add(
        connection, environment_id, QUEUE, job_id=import_id, parent_id=None, steps=steps
    )
    return True


async def advance(connection: Connection, environment_id: int, import_id: str, step: str) -> None:
    """A part has come to the end of its phase; the last one ends it. What is written is known for
    a day.
    """
    state = _BEGINS[step][0]
    ended = await connection.fetchval(_ADVANCE, environment_id, import_id, state, _ENDS_IN[state])
    if ended:
        await connection.execute(_COUNT, environment_id, import_id)
    if ended and state == WRITING:
        forget = NewStep(id=new_id(), name=FORGET, args=None, wait=DAY)
        await queries.add(
            connection, environment_id, QUEUE, job_id=import_id, parent_id=None, steps=[forget]
        )


async def forget(connection: Connection, environment_id: int, import_id: str) -> None:
    """Deletes what was uploaded and what is known of its rows."""
    await connection.execute(_FORGET, environment_id, import_id)


async def is_old(connection: Connection, environment_id: int, import_id: str) -> bool:
    """Whether nothing has come of an import for a day."""
    answer: bool = await connection.fetchval(_IS_OLD, environment_id, import_id, DAY)
    return answer


async def places(connection: Connection, environment_id: int, import_id: str) -> list[int]:
    """The parts that are there still."""
    rows = await connection.fetch(_PLACES, environment_id, import_id)
    return [row["place"] for row in rows]


async def part(
    connection: Connection, box: SecretBox, environment_id: int, import_id: str, place: int
) -> ImportPart | None:
    """A part of what was uploaded; None where it is gone."""
    record = await connection.fetchrow(_PART, environment_id, import_id, place)
    if record is None:
        return None
    rows = msgspec.json.decode(box.open(record["sealed"], import_id))
    checked = record["problems_sealed"] and box.open(record["problems_sealed"], import_id)
    return ImportPart(
        place,
        [SourceRow(line, values, broken) for line, values, broken in rows],
        msgspec.json.decode(checked, type=Checked) if checked else None,
    )


async def set_checked(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    import_id: str,
    place: int,
    checked: Checked,
) -> None:
    """Notes what came of checking a part, sealed; nothing where nothing is to be said."""
    is_blank = not (checked.problems or checked.duplicates)
    text = msgspec.json.encode(checked).decode()
    sealed = None if is_blank else box.seal(text, import_id)
    await connection.execute(_SET_PROBLEMS, environment_id, import_id, place, sealed)


async def keep_bad_rows(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    import_id: str,
    place: int,
    rows: Sequence[SourceRow],
    problems: Sequence[RowProblem],
) -> None:
    """Leaves of a part what was not taken, for the file of bad rows; the rest of it is deleted."""
    part = (environment_id, import_id, place)
    if not rows:
        await connection.execute(_DELETE_PART, *part)
        return
    reasons = msgspec.json.encode(Checked(list(problems), [])).decode()
    sealed = (_sealed_rows(box, import_id, rows), box.seal(reasons, import_id))
    await connection.execute(_KEEP_BAD, *part, *sealed)


def _sealed_rows(box: SecretBox, import_id: str, rows: Sequence[SourceRow]) -> bytes:
    text = msgspec.json.encode([(row.line, row.values, row.broken) for row in rows]).decode()
    return box.seal(text, import_id)


def _import(record: Any) -> ImportRow:
    values = dict(record)
    for name in ("columns", "choices", "counts"):
        values[name] = msgspec.json.decode(values[name] or ("null" if name == "columns" else "{}"))
    return ImportRow(**values)
