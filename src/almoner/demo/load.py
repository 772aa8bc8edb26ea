"""Puts the demo's people into an environment, and finishes what an earlier start has begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.demo import generate, own_fields
from almoner.resources import BY_NAME

_BATCH: Final = 200
# Patients whose completeness one query looks up.
_LOOKED_UP: Final = 5000


async def load(
    database: Database,
    store: Store,
    environment_id: int,
    patients: int,
    seed: int,
    today: date,
    progress: Callable[[int, int], None],
) -> int:
    """Sees to it that the environment has this many of the seed's patients, and returns how many
    were added or finished.

    The program of the demo must be published in the environment. Times lie around ``today``.
    ``progress`` is told how many patients are there and how many there will be. What is there
    already is left as it is, and so is what was deleted since: a patient counts as complete by the
    row that is written last. Raises ApiError where the program refuses a row or the database is
    away; what was written until then stays, and the next call goes on from there."""
    by = Actor(environment_id, "demo", "demo", f"demo:{seed}", whole=True)
    people = [
        own_fields.filled(BY_NAME["workers"], row, today) for row in generate.workers(seed, today)
    ]
    workers, calendars = await _workers(database, store, by, people)
    missing = await _missing(database, environment_id, seed, patients)
    done = patients - len(missing)
    progress(done, patients)
    for first in range(0, len(missing), _BATCH):
        batch = missing[first : first + _BATCH]
        await _add(
            database, store, by, [_file(seed, index, today, workers, calendars) for index in batch]
        )
        done += len(batch)
        progress(done, patients)
    return len(missing)


def _file(
    seed: int, index: int, today: date, workers: Sequence[Row], calendars: Mapping[str, str]
) -> dict[str, list[Row]]:
    return own_fields.with_own(generate.patient(seed, index, today, workers, calendars), today)


async def _workers(
    database: Database, store: Store, by: Actor, rows: Sequence[Row]
) -> tuple[list[Row], Mapping[str, str]]:
    """The workers as they are in the environment, in the order of ``rows``, and the id of each
    one's calendar.

    A worker is known by the e-mail address, which is unique: two seeds, or somebody at the command
    line, may have made one with the same."""
    emails = [row["email"] for row in rows]
    async with database.connection() as connection:
        known_rows = await connection.fetch(
            "SELECT email FROM workers WHERE environment_id = $1 AND email = ANY($2)",
            by.environment_id,
            emails,
        )
    known = {record["email"] for record in known_rows}
    absent = [row for row in rows if row["email"] not in known]
    if absent:
        await store.load(by, BY_NAME["workers"], absent)
    # The calendars were made with their workers, under ids that only the database knows.
    async with database.connection() as connection:
        records = await connection.fetch(
            "SELECT w.email, w.id::text AS id, w.first_name, w.timezone, c.id::text AS calendar_id"
            " FROM workers w JOIN calendars c ON c.environment_id = w.environment_id AND"
            " c.worker_id = w.id WHERE w.environment_id = $1 AND w.email = ANY($2)",
            by.environment_id,
            emails,
        )
    by_email = {record["email"]: dict(record) for record in records}
    workers = [by_email[email] for email in emails if email in by_email]
    return workers, {worker["id"]: worker["calendar_id"] for worker in workers}


async def _missing(database: Database, environment_id: int, seed: int, patients: int) -> list[int]:
    """The numbers of the patients who are not there, or not with everything that is theirs."""
    missing: list[int] = []
    for first in range(0, patients, _LOOKED_UP):
        last_rows = {
            generate.marks(seed, index)[1]: index
            for index in range(first, min(first + _LOOKED_UP, patients))
        }
        there = await _present(database, environment_id, "external_ids", list(last_rows))
        missing += [index for row_id, index in last_rows.items() if row_id not in there]
    return missing


async def _add(
    database: Database, store: Store, by: Actor, files: Sequence[Mapping[str, Sequence[Row]]]
) -> None:
    """Writes the files of these patients, one collection after the other, but for the rows that are
    there.
    """
    begun = await _present(
        database, by.environment_id, "patients", [file["patients"][0]["id"] for file in files]
    )
    for name in own_fields.collections():
        rows = [row for file in files for row in file[name]]
        if begun:
            there = await _present(database, by.environment_id, name, [row["id"] for row in rows])
            rows = [row for row in rows if row["id"] not in there]
        if rows:
            await store.load(by, BY_NAME[name], rows)


async def _present(
    database: Database, environment_id: int, collection: str, ids: Sequence[str]
) -> set[str]:
    """Those of the ids that the collection has."""
    async with database.connection() as connection:
        records = await connection.fetch(
            f"SELECT id::text FROM {collection} WHERE environment_id = $1 AND id = ANY($2::uuid[])",
            environment_id,
            ids,
        )
    return {record["id"] for record in records}
