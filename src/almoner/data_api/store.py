"""The one way in which rows are written, whatever the source: the API, the pages, an import, the demo.

A write is checked, written and announced in one statement; one that writes related rows along is one transaction.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NoReturn, Protocol, TypeVar

import asyncpg

from almoner.data_api import decode, nested, rules, statements
from almoner.data_api.batch import Batch
from almoner.data_api.declare import Related, Resource, Row, Verb
from almoner.data_api.refusals import Refusals, changed_since, not_found
from almoner.database import Connection, Database, HeldTransaction
from almoner.errors import ApiError
from almoner.vocabulary import json_values
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Json, Problems

# Each ``updated_at`` that a row may have for a conditional write to be done; None where there is no condition.
Versions = frozenset[datetime] | None
T = TypeVar("T")
# What a statement answered with.
_Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes, in which environment, through what (``api``, ``cli``, ``portal``, ``demo``) and in which request.

    ``whole``: a writer inside the house, who may set every field of a model and not only those that the API's verbs set.
    """

    environment_id: int
    actor: str
    through: str
    request_id: str

    whole: bool = False

    @property
    def stamp(self) -> tuple[str, str, str]:
        """The three columns of the change log."""
        return self.actor, self.through, self.request_id


@dataclass(frozen=True, slots=True)
class Written:
    """A row as it is now: its JSON, its ``updated_at`` (which its ETag is made of), the packed id of its patient and its own.

    ``before`` is what its ``updated_at`` was, None for a new row. ``logged``: whether the change log tells of it. Where nothing was
    changed it does not, and the row was read alone. ``ignored`` is what was said of fields that were not set.
    """

    body: bytes
    updated_at: datetime
    patient: bytes
    id: str
    before: datetime | None
    logged: bool = True
    ignored: Row | None = None


@dataclass(frozen=True, slots=True)
class _Update:
    """One Update: who changes which row of what, to what, and under which condition.

    ``row`` holds what was given, as far as it parses; ``problems`` is what does not.
    """

    by: Actor
    resource: Resource
    row_id: str
    row: Row
    problems: Problems
    if_match: Versions
    shape: Shape


class Programs(Protocol):
    """Where the published program of an environment comes from."""

    def cached(self, environment_id: int) -> Program | None: ...

    async def of(self, environment_id: int) -> Program: ...

    async def newest(self, environment_id: int) -> Program: ...

    def within(self, connection: Connection) -> Programs: ...


def new_id() -> str:
    """A GUID that no other row has: a version 7 UUID (RFC 9562), whose order in time keeps indexes compact."""
    stamp = (time.time_ns() // 1_000_000) & 0xFFFFFFFFFFFF
    random = int.from_bytes(os.urandom(10))
    value = (stamp << 80) | (0x7 << 76) | ((random >> 68) << 64) | (0x2 << 62) | (random & 0x3FFFFFFFFFFFFFFF)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class Store:
    """Writes rows of the collections that it knows."""

    def __init__(self, database: Database | HeldTransaction, programs: Programs, resources: Sequence[Resource]) -> None:
        self._database = database
        self._programs = programs
        self._resources = {r.name: r for r in resources}
        self._pointers = tuple(r for r in resources if r.any_reference)
        self._refusals = Refusals(self._resources)

    def within(self, connection: Connection) -> Store:
        """The same store for one transaction: what it writes stands or falls with everything else that is done in it.

        ``connection`` is in that transaction. A write that is refused undoes itself alone.
        """
        return Store(HeldTransaction(connection), self._programs.within(connection), tuple(self._resources.values()))

    async def create(self, by: Actor, resource: Resource, given: Row, shape: Shape = Shape.STORED) -> Written:
        """Creates a row, and those that come with it. Raises ApiError with every problem of ``given``."""
        problems: Problems = []
        ignored: Row = {}
        row = decode.values(resource, given, verb=Verb.CREATE, shape=shape, problems=problems, whole=by.whole, ignored=ignored)
        problems += await self._check(by, resource, row, None, problems)
        if problems:
            await self._refuse(by, resource, row, problems)
        row["id"] = new_id()
        related = nested.related(resource, row)
        if related or resource.any_reference or any(one.asked(row) for one in resource.questions):
            write = self._create_with_related(by, resource, row, related, shape)
        else:
            write = self._create_alone(by, resource, row, shape)
        made = await self._explained(by, resource, row, write)
        return Written(made["body"], made["updated_at"], made["patient"], row["id"], None, ignored=ignored)

    async def update(
        self, by: Actor, resource: Resource, row_id: str, given: Row, if_match: Versions, shape: Shape = Shape.STORED
    ) -> Written:
        """Changes the fields that ``given`` names (clarification 9). Raises ApiError: 404 where there is no such row, 412
        where its ``updated_at`` is none of ``if_match``, and every problem of ``given``.
        """
        problems: Problems = []
        ignored: Row = {}
        row = decode.values(resource, given, verb=Verb.UPDATE, shape=shape, problems=problems, whole=by.whole, ignored=ignored)
        update = _Update(by=by, resource=resource, row_id=row_id, row=row, problems=problems, if_match=if_match, shape=shape)
        checked = resource.any_reference or resource.checked_fields & row.keys()
        write = self._update_checked(update) if checked else self._update_alone(update)
        written = await self._explained(by, resource, row, write)
        return replace(written, ignored=ignored) if ignored else written

    async def delete(self, by: Actor, resource: Resource, row_id: str, if_match: Versions, shape: Shape = Shape.STORED) -> Written:
        """Deletes a row, with the mappings that point at it, and returns it as it was. Raises ApiError: 404, 412."""
        statement = statements.delete(resource, shape, self._pointers)
        async with self._database.transaction() as connection:
            locked = await connection.fetchrow(statements.lock(resource), by.environment_id, row_id)
            if locked is None:
                raise not_found(resource)
            if if_match is not None and locked["updated_at"] not in if_match:
                raise changed_since()
            return _written(await connection.fetchrow(statement, by.environment_id, row_id, *by.stamp), row_id)

    async def yield_claim(self, by: Actor, resource: Resource, row_id: str) -> Written:
        """Takes from a row its mark of being the only one with its values (``Unique.where``), so that another may be it."""
        row: Row = {rule.where: False for rule in resource.claims if rule.where}
        update = _Update(by=by, resource=resource, row_id=row_id, row=row, problems=[], if_match=None, shape=Shape.STORED)
        return await self._explained(by, resource, row, self._update_alone(update))

    async def move(self, by: Actor, from_id: str, to_id: str, staying: Collection[str] = ()) -> dict[str, int]:
        """Makes every row about one patient a row about another, all or nothing; those with an id in ``staying`` are left.

        Returns how many were moved, by collection. Raises ApiError: 404 where the other patient does not exist, 400 where a row
        breaks a rule of uniqueness with what the other has.
        """
        moved = {}
        try:
            async with self._database.transaction() as connection:
                await connection.execute("SET CONSTRAINTS ALL DEFERRED")
                for resource in self._resources.values():
                    if resource.patient not in (None, "id"):
                        given = (by.environment_id, from_id, to_id, list(staying), *by.stamp, [resource.patient])
                        moved[resource.name] = await connection.fetchval(statements.move(resource), *given)
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except asyncpg.IntegrityConstraintViolationError as error:
            resource = self._resources[str(error.table_name)]
            async with self._database.connection() as connection:
                refused = await self._refusals.of(connection, by.environment_id, resource, {str(resource.patient): to_id}, error)
            raise refused from error
        return moved

    async def update_all(self, by: Actor, resource: Resource, row_ids: Sequence[str], given: Row) -> int:
        """Changes the same fields of many rows, all or nothing, of a collection without rules over whole rows.

        Returns how many there were; ids without a row are passed over. Raises ApiError with every problem of ``given``.
        """
        problems: Problems = []
        row = decode.values(resource, given, verb=Verb.UPDATE, shape=Shape.STORED, problems=problems, whole=by.whole)
        problems += await self._check(by, resource, row, frozenset(row), problems)
        if problems:
            await self._refuse(by, resource, row, problems)
        names = statements.ordered(resource, row)
        values = [resource.field(name).kind.bind(row[name]) for name in names]
        try:
            async with self._database.connection() as connection:
                statement = statements.update_all(resource, names)
                return await connection.fetchval(statement, by.environment_id, row_ids, *values, *by.stamp, names) or 0
        except asyncpg.IntegrityConstraintViolationError as error:
            async with self._database.connection() as connection:
                raise await self._refusals.of(connection, by.environment_id, resource, row, error) from error

    async def load(self, by: Actor, resource: Resource, rows: Sequence[Row]) -> int:
        """Writes many rows at once, checked like a Create and written with their change log, all or nothing.

        A row may bring its ``id`` and its ``created_at`` (a datetime with an offset). Raises ApiError with the problems of the
        rows that have any; ``[7]`` in a path is the row's number in ``rows``.
        """
        batch = Batch(resource, await self._programs.of(by.environment_id), by.whole)
        for given in rows:
            batch.add(given, given.get("id") or new_id())
        batch.verify()
        try:
            async with self._database.transaction() as connection:
                batch.refuse(await self._refusals.claimed(connection, by.environment_id, resource, batch.claiming))
                await connection.execute(statements.load(resource), by.environment_id, *batch.columns, *by.stamp)
                await self._insert_related(connection, by, batch.related)
        except asyncpg.IntegrityConstraintViolationError as error:
            async with self._database.connection() as connection:
                raise await self._refusals.of(connection, by.environment_id, resource, {}, error) from error
        return len(rows)

    async def _check(self, by: Actor, resource: Resource, row: Row, named: frozenset[str] | None, before: Problems) -> Problems:
        """The problems of a row; what the cached program refuses is tried once more with the newest."""
        if not resource.program_choices and not resource.checks:
            return []
        program = await self._program(by)
        found = rules.refused(resource, row, program, named, before)
        if found:
            newest = await self._programs.newest(by.environment_id)
            if newest.version != program.version:
                return rules.refused(resource, row, newest, named, before)
        return found

    async def _program(self, by: Actor) -> Program:
        return self._programs.cached(by.environment_id) or await self._programs.of(by.environment_id)

    async def _refuse(self, by: Actor, resource: Resource, row: Row, problems: Problems) -> NoReturn:
        """Raises with all that is wrong, references to what does not exist included."""
        async with self._database.connection() as connection:
            raise ApiError(problems + await self._refusals.missing(connection, by.environment_id, resource, row))

    async def _explained(self, by: Actor, resource: Resource, row: Row, write: Awaitable[T]) -> T:
        """What was written; what a constraint refused becomes the problems that the caller can mend."""
        try:
            return await write
        except asyncpg.IntegrityConstraintViolationError as error:
            async with self._database.connection() as connection:
                raise await self._refusals.of(connection, by.environment_id, resource, row, error) from error

    async def _create_alone(self, by: Actor, resource: Resource, row: Row, shape: Shape) -> _Record:
        async with self._database.connection() as connection:
            return await self._insert(connection, by, resource, row, shape)

    async def _create_with_related(
        self, by: Actor, resource: Resource, row: Row, related: Sequence[Related], shape: Shape
    ) -> _Record:
        async with self._database.transaction() as connection:
            await self._refusals.any_reference(connection, by.environment_id, resource, row)
            await rules.ask(connection, by.environment_id, resource, row, row)
            made = await self._insert(connection, by, resource, row, shape)
            await self._insert_related(connection, by, related)
            return made

    async def _insert(self, connection: Connection, by: Actor, resource: Resource, row: Row, shape: Shape) -> _Record:
        if resource.claims:
            claimed = await self._refusals.claimed(connection, by.environment_id, resource, [row])
            if claimed:
                raise ApiError([found for _, found in claimed])
        values = decode.complete(resource, row)
        made: _Record = await connection.fetchrow(
            statements.insert(resource, shape), by.environment_id, row["id"], *values, *by.stamp
        )
        return made

    async def _insert_related(self, connection: Connection, by: Actor, related: Sequence[Related]) -> None:
        """Writes the rows that come with another; reports what each of them breaks."""
        problems: Problems = []
        for entry in related:
            resource, row = self._resources[entry.resource], entry.values | {"id": new_id()}
            try:
                async with connection.transaction():
                    await self._insert(connection, by, resource, row, Shape.STORED)
            except asyncpg.IntegrityConstraintViolationError as error:
                refused = await self._refusals.of(connection, by.environment_id, resource, row, error)
                problems += [decode.moved(p, entry.path) for p in refused.problems]
            except ApiError as refused:
                problems += [decode.moved(p, entry.path) for p in refused.problems]
        if problems:
            raise ApiError(problems)

    async def _update_alone(self, update: _Update) -> Written:
        by, resource, row = update.by, update.resource, update.row
        problems = update.problems + await self._check(by, resource, row, frozenset(row), update.problems)
        if problems:
            await self._current(by, resource, update.row_id, None, update.shape)
            await self._refuse(by, resource, row, problems)
        names = statements.ordered(resource, row)
        if names:
            async with self._database.connection() as connection:
                record = await self._change(connection, update, names, row)
            if record is not None:
                return _written(record, update.row_id)
        return await self._current(by, resource, update.row_id, update.if_match, update.shape)

    async def _update_checked(self, update: _Update) -> Written:
        """An Update whose rules look at the whole row. What the cached program refuses is tried once more with the newest."""
        by = update.by
        program = await self._program(by)
        try:
            return await self._update_whole(update, program)
        except _Unfit as unfit:
            newest = await self._programs.newest(by.environment_id)
            if newest.version == program.version:
                await self._refuse(by, update.resource, update.row, unfit.problems)
        try:
            return await self._update_whole(update, newest)
        except _Unfit as unfit:
            await self._refuse(by, update.resource, update.row, unfit.problems)

    async def _update_whole(self, update: _Update, program: Program) -> Written:
        """Checks and changes a row that is kept from changing meanwhile. Raises _Unfit; takes no second connection."""
        by, resource, row = update.by, update.resource, update.row
        async with self._database.transaction() as connection:
            whole = await self._whole(connection, by, resource, update.row_id)
            merged = whole | row
            found = update.problems + decode.check(resource, merged, program, frozenset(row), update.problems)
            if found:
                raise _Unfit(found)
            if update.if_match is not None and whole["updated_at"] not in update.if_match:
                raise changed_since()
            await self._refusals.any_reference(connection, by.environment_id, resource, merged)
            await rules.ask(connection, by.environment_id, resource, row, merged)
            names = statements.ordered(resource, [k for k, v in merged.items() if k in row or v != whole.get(k)])
            if names:
                return _written(await self._change(connection, update, names, merged), update.row_id)
        return await self._current(by, resource, update.row_id, update.if_match, update.shape)

    async def _change(self, connection: Connection, update: _Update, names: tuple[str, ...], row: Row) -> Any:
        """Writes the fields ``names`` as ``row`` has them. None where the row is not there, or not as the condition has it."""
        by, resource = update.by, update.resource
        values = [resource.field(name).kind.bind(row[name]) for name in names]
        statement = statements.update(resource, update.shape, names)
        versions = None if update.if_match is None else list(update.if_match)
        return await connection.fetchrow(statement, by.environment_id, update.row_id, versions, *values, *by.stamp, list(names))

    async def _current(self, by: Actor, resource: Resource, row_id: str, if_match: Versions, shape: Shape) -> Written:
        async with self._database.connection() as connection:
            record = await connection.fetchrow(statements.get(resource, shape), by.environment_id, row_id)
        if record is None:
            raise not_found(resource)
        if if_match is not None and record["updated_at"] not in if_match:
            raise changed_since()
        return _written(record, row_id, logged=False)

    async def _whole(self, connection: Connection, by: Actor, resource: Resource, row_id: str) -> Row:
        record = await connection.fetchrow(statements.lock(resource), by.environment_id, row_id)
        if record is None:
            raise not_found(resource)
        row = dict(record)
        for field in resource.stored:
            if isinstance(field.kind, Json) and row[field.name] is not None:
                row[field.name] = json_values.decode(row[field.name])
        return row


class _Unfit(Exception):  # noqa: N818  # it never leaves this module
    """What a row as a whole does not fit: to be looked at again once its transaction has ended."""

    def __init__(self, problems: Problems) -> None:
        super().__init__()
        self.problems = problems


def _written(record: _Record, row_id: str, logged: bool = True) -> Written:
    updated_at = record["updated_at"]
    return Written(
        body=record["body"],
        updated_at=updated_at,
        patient=record["patient"],
        id=row_id,
        before=record.get("before", updated_at),
        logged=logged,
    )
