"""Folders into which another system, or a person, puts CSV or NDJSON files, each with rows of a
collection (docs/howto/drop-files.md).

A file is taken once, known by its content. A row is known again by its id in the other system, so
that a file may be fed again. No row is kept in a task: each part of a file is read where it is."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Final

import msgspec

from almoner.data_api.declare import Resource, Verb
from almoner.data_api.declare import Row as Fields
from almoner.errors import ApiError
from almoner.integrations import drop_files
from almoner.integrations.again import is_earlier_run
from almoner.integrations.declare import Integration, IntegrationError, OfHost
from almoner.integrations.drop_files import BadRow, BadRowsFile, Dropped, DroppedPart, Row
from almoner.integrations.drop_rows import EXTERNAL_ID, BadRowError, Columns
from almoner.integrations.task import Task
from almoner.vocabulary.kinds import GUID, Ref

# So many bad rows are named in the error as well.
_NAMED: Final = 20
# What has no fault of the row's: every row would be refused alike.
_NOT_THE_ROWS: Final = ("forbidden", "unauthorized")


class Drop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder, and what is done with its files. ``mapping`` has the field of each column that is
    not called as its field: one of them is ``external_id``. ``constants`` are fields that every row
    has alike.

    ``namespace`` is that of the ids of the rows, ``references`` that of the rows that they name,
    such as their patients; the same where it is blank."""

    folder: str
    collection: str
    mapping: dict[str, str] = {}
    constants: dict[str, Any] = {}
    namespace: str = "csv_drop"
    references: str = ""


class CsvDropSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a ``Drop``, and by their names further ones in ``more``."""

    folder: OfHost
    collection: Annotated[str, msgspec.Meta(description="Such as patients.")]
    mapping: Annotated[
        dict[str, str], msgspec.Meta(description="The field of each column; one is external_id.")
    ] = {}
    constants: Annotated[
        dict[str, Any], msgspec.Meta(description="Fields that every row has alike.")
    ] = {}
    namespace: Annotated[str, msgspec.Meta(description="The system whose ids the rows have.")] = (
        "csv_drop"
    )
    references: Annotated[
        str, msgspec.Meta(description="The system whose ids rows name others by, if another.")
    ] = ""
    quiet_seconds: Annotated[
        int, msgspec.Meta(description="So long nobody wrote to a file that is taken.")
    ] = 30
    more: Annotated[dict[str, Drop], OfHost] = {}

    @property
    def drops(self) -> dict[str, Drop]:
        """Every folder by its name; the first has none."""
        first = Drop(**{name: getattr(self, name) for name in Drop.__struct_fields__})
        return {"": first, **self.more}


def _scopes(settings: CsvDropSettings) -> list[str]:
    collections = {drop.collection for drop in settings.drops.values()}
    return [f"{name}.{right}" for name in sorted(collections) for right in ("read", "write")]


csv_drop = Integration(
    name="csv_drop",
    title="Files in a folder",
    about="Takes rows of CSV and NDJSON files into collections.",
    settings=CsvDropSettings,
    scopes=("external_ids.read", "external_ids.write", "integration_tasks.read"),
    scopes_of=_scopes,
    # A later row with the same id, and a later file, count.
    concurrency=1,
)


@csv_drop.task()
async def run_csv_drop(task: Task) -> None:
    """The whole job: a task for each file."""
    files = await task.call(find_files)
    await task.each(take_file, files, lambda file: [_known_by(file), file.name])


@csv_drop.task(seconds=900)
async def find_files(task: Task) -> list[Dropped]:
    """The files that are ready and were not taken yet."""
    files: dict[str, Dropped] = {}
    for name, drop in task.settings.drops.items():
        _resource(task, name)
        there = await asyncio.to_thread(
            drop_files.ready, drop.folder, time.time(), task.settings.quiet_seconds
        )
        for file in there:
            named = msgspec.structs.replace(file, drop=name)
            files.setdefault(_known_by(named), named)
    return [file for file in files.values() if await _first_taken_by(task, file) is None]


@csv_drop.task()
async def take_file(task: Task, file: Dropped) -> None:
    """Takes the rows of a file in, and writes the bad ones to a file beside it."""
    if await _first_taken_by(task, file) != task.id:
        return
    parts = await task.call(cut_file, file)
    outcomes = await task.each(take_part, parts)
    if outcomes.failed:
        raise IntegrationError("parts_failed", f"{outcomes.failed} parts of it failed as a whole.")
    try:
        name, bad, first = await _write_bad_rows(task, file, parts)
    except OSError as error:
        reason = error.strerror or "it cannot be written"
        raise IntegrationError(
            "unwritable_folder", f"The bad rows cannot be written beside {file.name}: {reason}."
        ) from None
    if bad:
        raise IntegrationError(
            "bad_rows",
            f"{bad} of {sum(part.rows for part in parts)} rows were not taken. They are in {name},"
            " each with its reason: mend them there and give the file a name without .bad.",
            file=name,
            first=first,
        )


@csv_drop.task(seconds=900)
async def cut_file(task: Task, file: Dropped) -> list[DroppedPart]:
    """Reads the file to its end, before anything of it is taken."""
    drop, resource = _drop(task, file.drop), _resource(task, file.drop)
    columns = Columns(resource, drop.mapping)
    cut = await asyncio.to_thread(drop_files.cut, drop.folder, file)
    parts = [msgspec.structs.replace(part, drop=file.drop) for part in cut]
    header = parts[0].columns if parts else ()
    try:
        targets = [columns.target(column) for column in header]
        for name in drop.constants:
            Columns(resource, {}).target(name)
    except BadRowError as error:
        ((column, reason),) = error.problems
        raise IntegrationError("unknown_column", f"Column {column}: {reason}.") from None
    if header and EXTERNAL_ID not in targets:
        raise IntegrationError(
            "no_external_id",
            "No column has the id that a row has in the other system. Map one to external_id.",
        )
    return parts


@csv_drop.task(seconds=300)
async def take_part(task: Task, part: DroppedPart) -> list[BadRow]:
    """Takes some rows in, in one transaction; the answer has those that could not be."""
    drop, resource = _drop(task, part.drop), _resource(task, part.drop)
    columns = Columns(resource, drop.mapping)
    bad = []
    for row in await asyncio.to_thread(drop_files.rows, drop.folder, part):
        try:
            await _take(task, resource, columns, part, row)
        except BadRowError as error:
            bad.append(BadRow(row.at, row.line, tuple(error.problems)))
        except ApiError as error:
            if any(problem.code in _NOT_THE_ROWS for problem in error.problems):
                raise
            problems = tuple(
                (_column(columns, str(problem.extra.get("path", "")), part), problem.detail)
                for problem in error.problems
            )
            bad.append(BadRow(row.at, row.line, problems))
    return bad


async def _write_bad_rows(
    task: Task, file: Dropped, parts: list[DroppedPart]
) -> tuple[str, int, list[str]]:
    """Writes what the parts of a file could not take beside it. Answers with the name of that file,
    how many rows are in it, and what is wrong with the first ones.
    """
    bad_rows: BadRowsFile | None = None
    first: list[str] = []
    count = place = 0
    async for result in task.results():
        rows = msgspec.convert(result, list[BadRow])
        if rows:
            if bad_rows is None:
                folder = _drop(task, file.drop).folder
                bad_rows = await asyncio.to_thread(BadRowsFile, folder, file, parts)
            await asyncio.to_thread(bad_rows.add, parts[place].at, rows)
            count += len(rows)
            first += [row.in_words for row in rows[: _NAMED - len(first)]]
        place += 1
    if bad_rows is None:
        return "", 0, []
    await asyncio.to_thread(bad_rows.close)
    return bad_rows.name, count, first


async def _take(
    task: Task, resource: Resource, columns: Columns, part: DroppedPart, row: Row
) -> None:
    """One row: created, or found by its id in the other system and changed."""
    external_id, fields = columns.read(row, part.columns)
    drop = _drop(task, part.drop)
    fields = drop.constants | fields
    await _refer(task, columns, fields, part)
    namespace = drop.namespace
    mapping: dict[str, Any] = {
        "resource": resource.name,
        "namespace": namespace,
        "external_id": external_id,
    }
    async with task.store.together():
        there = await task.store.find("external_ids", **mapping)
        if there:
            changed = {n: value for n, value in fields.items() if columns.field(n).update}
            await task.store.update(resource.name, there[0]["welkin_id"], changed)
            return
        created = await task.store.create(resource.name, fields)
        await task.store.create("external_ids", mapping | {"welkin_id": created["id"]})


async def _refer(task: Task, columns: Columns, fields: Fields, part: DroppedPart) -> None:
    """Puts the ids here for the rows that a row names by their ids in the other system."""
    drop = _drop(task, part.drop)
    namespace = drop.references or drop.namespace
    for name, value in fields.items():
        kind = columns.field(name).kind
        if not isinstance(kind, Ref) or not isinstance(value, str):
            continue
        there = await task.store.find(
            "external_ids", namespace=namespace, resource=kind.to, external_id=value
        )
        if there:
            fields[name] = there[0]["welkin_id"]
        elif not GUID.fullmatch(value):
            raise BadRowError(
                (columns.column(name, part.columns), f"nobody in {kind.to} has this id")
            )


def _column(columns: Columns, path: str, part: DroppedPart) -> str:
    return columns.column(path.removeprefix("."), part.columns) if path else ""


def _drop(task: Task, name: str) -> Drop:
    """The folder of this name. Raises IntegrationError where the settings have none any more."""
    drops: dict[str, Drop] = task.settings.drops
    if name not in drops:
        raise IntegrationError("unknown_folder", f"The settings have no folder {name} any more.")
    return drops[name]


def _resource(task: Task, name: str) -> Resource:
    """The collection that the rows in this folder are of."""
    resource: Resource = task.store.declared(_drop(task, name).collection)
    if not {Verb.CREATE, Verb.UPDATE} <= set(resource.verbs) or resource.name == "external_ids":
        raise IntegrationError(
            "unfit_collection", f"Rows of {resource.name} cannot be created and changed."
        )
    return resource


async def _first_taken_by(task: Task, file: Dropped) -> str | None:
    """The task that takes the file, or did so; None where none was begun but in earlier runs."""
    tasks = await task.store.find(
        "integration_tasks",
        task_name=csv_drop.task_name(take_file.__name__),
        ref_id=_known_by(file),
    )
    counting = [row for row in tasks if not is_earlier_run(row["errors"])]
    first = min(counting, key=lambda row: (row["created_at"], row["id"]), default=None)
    return None if first is None else str(first["id"])


def _known_by(file: Dropped) -> str:
    """The content, and the folder: one file may be for several collections."""
    return f"{file.drop}:{file.sha256}" if file.drop else file.sha256
