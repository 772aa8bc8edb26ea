"""Rows written one at a time, each checked, written and announced in one statement; with related
rows, in one transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

import asyncpg

from almoner.data_api import decode, nested, rules, statements
from almoner.data_api.declare import Related, Resource, Row, Verb
from almoner.data_api.idempotency import IdempotencyKey
from almoner.data_api.refusals import Refusals, changed_since, not_found
from almoner.data_api.writes import (
    Actor,
    Programs,
    Record,
    UnfitRow,
    Update,
    Versions,
    Written,
    locked_row,
    new_id,
    written,
)
from almoner.database import Connection, Database, SoleConnection
from almoner.errors import ApiError
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Problems

T = TypeVar("T")
# Of what no program says anything.
_ANY_PROGRAM: Final = Program()


class RowWrites:
    """Creates, updates and deletes rows of the collections that it knows."""

    def __init__(
        self, database: Database | SoleConnection, programs: Programs, resources: Sequence[Resource]
    ) -> None:
        self._database = database
        self._programs = programs
        self._resources = {r.name: r for r in resources}
        self._pointers = tuple(r for r in resources if r.any_reference)
        self._refusals = Refusals(self._resources)

    async def create(
        self, by: Actor, resource: Resource, body: Row, shape: Shape = Shape.STORED
    ) -> Written:
        """Creates a row, and those that come with it. Raises ApiError with every problem of
        ``body``.
        """
        problems: Problems = []
        ignored: Row = {}
        row = decode.values(
            resource, body, Verb.CREATE, shape, problems, whole=by.whole, ignored=ignored
        )
        create = partial(self._create, by, resource, row, problems, shape)
        created = await (create() if by.once is None else self._once(by, by.once, create))
        return replace(created, ignored=ignored) if ignored else created

    async def _create(
        self, by: Actor, resource: Resource, row: Row, problems: Problems, shape: Shape
    ) -> Written:
        refused, program = await self._check(by, resource, row, None, problems)
        problems += refused
        if problems:
            await self._refuse(by, resource, row, problems)
        row["id"] = new_id()
        related = nested.related(resource, row, program)
        return await self._write_new(by, resource, row, related, shape)

    async def _write_new(
        self, by: Actor, resource: Resource, row: Row, related: Sequence[Related], shape: Shape
    ) -> Written:
        """Writes a row that was checked, with those that come with it."""
        asks = resource.any_reference or any(q.asked(row) for q in resource.questions)
        ends = any(row.get(ending.field) is not None for ending in resource.ends)
        if related or asks or ends:
            write = self._create_with_related(by, resource, row, related, shape)
        else:
            write = self._create_alone(by, resource, row, shape)
        record = await self._explained(by, resource, row, write)
        return Written(record["body"], record["updated_at"], record["patient"], row["id"], None)

    async def update(
        self,
        by: Actor,
        resource: Resource,
        row_id: str,
        body: Row,
        if_match: Versions,
        shape: Shape = Shape.STORED,
    ) -> Written:
        """Changes the fields that ``body`` names (clarification 9). Raises ApiError: 404 where
        there is no such row, 412 where its ``updated_at`` is none of ``if_match``, and every
        problem of ``body``."""
        problems: Problems = []
        ignored: Row = {}
        row = decode.values(
            resource, body, Verb.UPDATE, shape, problems, whole=by.whole, ignored=ignored
        )
        update = Update(
            by, resource, row_id, row, problems=problems, if_match=if_match, shape=shape
        )
        change = partial(self._update, update)
        changed = await (change() if by.once is None else self._once(by, by.once, change))
        return replace(changed, ignored=ignored) if ignored else changed

    async def _update(self, update: Update) -> Written:
        resource, row = update.resource, update.row
        checked = resource.any_reference or resource.checked_fields & row.keys()
        write = self._update_checked(update) if checked else self._update_alone(update)
        return await self._explained(update.by, resource, row, write)

    async def delete(
        self,
        by: Actor,
        resource: Resource,
        row_id: str,
        if_match: Versions,
        shape: Shape = Shape.STORED,
    ) -> Written:
        """Deletes a row, with the mappings that point at it, and returns it as it was. Raises
        ApiError: 404, 412.
        """
        removal = partial(self._delete, by, resource, row_id, if_match, shape)
        return await (removal() if by.once is None else self._once(by, by.once, removal))

    async def _delete(
        self, by: Actor, resource: Resource, row_id: str, if_match: Versions, shape: Shape
    ) -> Written:
        statement = statements.delete(resource, shape, self._pointers, by.once is not None)
        async with self._database.transaction() as connection:
            locked = await locked_row(connection, by, resource, row_id)
            if if_match is not None and locked["updated_at"] not in if_match:
                raise changed_since(if_match)
            arguments = (by.environment_id, row_id, *by.stamp, *by.key)
            return written(await connection.fetchrow(statement, *arguments), row_id)

    async def _once(
        self, by: Actor, once: IdempotencyKey, write: Callable[[], Awaitable[Written]]
    ) -> Written:
        """What was answered to the request that came with this key before; else what is written.

        Of two at once, the second waits within its statement, and is refused by the key or by what
        the first has done. Raises a 422 ``ApiError`` where the key came with another request."""
        before = await self._answered(by, once)
        if before is not None:
            return before
        try:
            return await write()
        except ApiError:
            before = await self._answered(by, once)
            if before is None:
                raise
            return before

    async def _answered(self, by: Actor, once: IdempotencyKey) -> Written | None:
        async with self._database.connection() as connection:
            record = await once.record(connection, by.environment_id)
        return record and replace(written(record, record["row_id"]), logged=False, replayed=True)

    async def _check(
        self, by: Actor, resource: Resource, row: Row, named: frozenset[str] | None, prior: Problems
    ) -> tuple[Problems, Program]:
        """The problems of a row, and the program that it was checked by; what the cached one
        refuses is tried once more with the newest.
        """
        if not resource.program_choices and not resource.checks:
            return [], _ANY_PROGRAM
        program = await self._program(by)
        problems = rules.refused(resource, row, program, named, prior)
        if problems:
            newest = await self._programs.newest(by.environment_id)
            if newest.version != program.version:
                return rules.refused(resource, row, newest, named, prior), newest
        return problems, program

    async def _program(self, by: Actor) -> Program:
        return self._programs.cached(by.environment_id) or await self._programs.of(
            by.environment_id
        )

    async def _refuse(
        self, by: Actor, resource: Resource, row: Row, problems: Problems
    ) -> NoReturn:
        """Raises with all that is wrong, references to what does not exist included."""
        async with self._database.connection() as connection:
            raise ApiError(
                problems
                + await self._refusals.missing(connection, by.environment_id, resource, row)
            )

    async def _explained(self, by: Actor, resource: Resource, row: Row, write: Awaitable[T]) -> T:
        """What was written; what a constraint refused becomes the problems that the caller can
        mend.
        """
        try:
            return await write
        except asyncpg.IntegrityConstraintViolationError as error:
            raise await self._refusal(by, resource, row, error) from error

    async def _refusal(
        self, by: Actor, resource: Resource, row: Row, error: asyncpg.PostgresError
    ) -> ApiError:
        async with self._database.connection() as connection:
            return await self._refusals.of(connection, by.environment_id, resource, row, error)

    async def _create_alone(self, by: Actor, resource: Resource, row: Row, shape: Shape) -> Record:
        async with self._database.connection() as connection:
            return await self._insert(connection, by, resource, row, shape)

    async def _create_with_related(
        self, by: Actor, resource: Resource, row: Row, related: Sequence[Related], shape: Shape
    ) -> Record:
        async with self._database.transaction() as connection:
            await self._refusals.any_reference(connection, by.environment_id, resource, row)
            await rules.ask(connection, by.environment_id, resource, row, row)
            inside = nested.are_inside(resource, shape, related)
            # What is stored under a key is the answer, which is read once what is inside is there.
            own = replace(by, once=None) if inside else by
            record = await self._insert(connection, own, resource, row, shape)
            await self._insert_related(connection, by, resource, related)
            await self._end(connection, by, resource, [row])
            return (
                await self._whole(connection, by, resource, row["id"], shape) if inside else record
            )

    async def _whole(
        self, connection: Connection, by: Actor, resource: Resource, row_id: str, shape: Shape
    ) -> Record:
        """A new row with what was written along."""
        statement, key = statements.get(resource, shape), ()
        if by.once is not None:
            statement, key = statements.get_keyed(resource, shape, "NULL"), (None, *by.key)
        record: Record = await connection.fetchrow(statement, by.environment_id, row_id, *key)
        return record

    async def _end(
        self, connection: Connection, by: Actor, resource: Resource, rows: Sequence[Row]
    ) -> None:
        """Writes what ends with new rows. ``connection`` is in their transaction."""
        for ending in resource.ends:
            ids = [row[ending.field] for row in rows if row.get(ending.field) is not None]
            if not ids:
                continue
            other = self._resources[ending.resource]
            names = statements.ordered(other, ending.values)
            values = [other.field(name).kind.bind(ending.values[name]) for name in names]
            statement = statements.update_all(other, names, blank=True)
            arguments = (by.environment_id, ids, *values, *by.stamp)
            await connection.fetchval(statement, *arguments)

    async def _insert(
        self,
        connection: Connection,
        by: Actor,
        resource: Resource,
        row: Row,
        shape: Shape,
        along: bool = False,
    ) -> Record:
        if resource.claims:
            claimed = await self._refusals.claimed(connection, by.environment_id, resource, [row])
            if claimed:
                raise ApiError([problem for _, problem in claimed])
        values = decode.complete(resource, row)
        statement = statements.insert(resource, shape, by.once is not None, along)
        record: Record = await connection.fetchrow(
            statement, by.environment_id, row["id"], *values, *by.stamp, *by.key
        )
        return record

    async def _insert_related(
        self, connection: Connection, by: Actor, whole: Resource, related: Sequence[Related]
    ) -> None:
        """Writes the rows that come with one of ``whole``; reports what each of them breaks."""
        problems: Problems = []
        # What is stored under a key is the answer, which is of the row that they come with.
        by = replace(by, once=None) if by.once else by
        for entry in related:
            resource, row = self._resources[entry.resource], entry.values | {"id": new_id()}
            try:
                async with connection.transaction():
                    is_part = resource.part_of == whole.name
                    await self._insert(connection, by, resource, row, Shape.STORED, along=is_part)
            except asyncpg.IntegrityConstraintViolationError as error:
                refused = await self._refusals.of(
                    connection, by.environment_id, resource, row, error
                )
                problems += [decode.moved(p, entry.path) for p in refused.problems]
            except ApiError as refused:
                problems += [decode.moved(p, entry.path) for p in refused.problems]
        if problems:
            raise ApiError(problems)

    async def _update_alone(self, update: Update) -> Written:
        by, resource, row = update.by, update.resource, update.row
        refused, _ = await self._check(by, resource, row, frozenset(row), update.problems)
        problems = update.problems + refused
        if problems:
            await self._current(by, resource, update.row_id, None, update.shape)
            await self._refuse(by, resource, row, problems)
        names = statements.ordered(resource, row)
        if names:
            async with self._database.connection() as connection:
                record = await self._change(connection, update, names, row)
            if record is not None:
                return written(record, update.row_id)
        return await self._unchanged(update)

    async def _update_checked(self, update: Update) -> Written:
        """An Update whose rules look at the whole row. What the cached program refuses is tried
        once more with the newest.
        """
        by = update.by
        program = await self._program(by)
        try:
            return await self._update_whole(update, program)
        except UnfitRow as unfit:
            newest = await self._programs.newest(by.environment_id)
            if newest.version == program.version:
                await self._refuse(by, update.resource, update.row, unfit.problems)
        try:
            return await self._update_whole(update, newest)
        except UnfitRow as unfit:
            await self._refuse(by, update.resource, update.row, unfit.problems)

    async def _update_whole(self, update: Update, program: Program) -> Written:
        """Checks and changes a row that is kept from changing meanwhile. Raises Unfit; takes no
        second connection.
        """
        by, resource, row = update.by, update.resource, update.row
        async with self._database.transaction() as connection:
            whole = await locked_row(connection, by, resource, update.row_id)
            merged = whole | row
            problems = update.problems + decode.check(
                resource, merged, program, frozenset(row), update.problems
            )
            if problems:
                raise UnfitRow(problems)
            if update.if_match is not None and whole["updated_at"] not in update.if_match:
                raise changed_since(update.if_match)
            await self._refusals.any_reference(connection, by.environment_id, resource, merged)
            await rules.ask(connection, by.environment_id, resource, row, merged)
            names = statements.ordered(
                resource, [k for k, v in merged.items() if k in row or v != whole.get(k)]
            )
            if names:
                record = await self._change(connection, update, names, merged)
                if record is not None:
                    return written(record, update.row_id)
        return await self._unchanged(update)

    async def _change(
        self, connection: Connection, update: Update, names: tuple[str, ...], row: Row
    ) -> Any:
        """Writes the fields ``names`` as ``row`` has them. None where the row is not there, not as
        the condition has it, or has them already.
        """
        by, resource = update.by, update.resource
        values = [resource.field(name).kind.bind(row[name]) for name in names]
        statement = statements.update(resource, update.shape, names, by.once is not None)
        versions = None if update.if_match is None else list(update.if_match)
        arguments = (by.environment_id, update.row_id, versions, *values, *by.stamp)
        return await connection.fetchrow(statement, *arguments, *by.key)

    async def _unchanged(self, update: Update) -> Written:
        """The row of an Update that changes nothing. Raises ApiError: 404, 412."""
        by, resource, row_id = update.by, update.resource, update.row_id
        if by.once is not None:
            versions = None if update.if_match is None else list(update.if_match)
            statement = statements.get_keyed(resource, update.shape)
            async with self._database.connection() as connection:
                record = await connection.fetchrow(
                    statement, by.environment_id, row_id, versions, *by.key
                )
            if record is not None:
                return written(record, row_id, logged=False)
        return await self._current(by, resource, row_id, update.if_match, update.shape)

    async def _current(
        self, by: Actor, resource: Resource, row_id: str, if_match: Versions, shape: Shape
    ) -> Written:
        async with self._database.connection() as connection:
            record = await connection.fetchrow(
                statements.get(resource, shape), by.environment_id, row_id
            )
        if record is None:
            raise not_found(resource)
        if if_match is not None and record["updated_at"] not in if_match:
            raise changed_since(if_match)
        return written(record, row_id, logged=False)
