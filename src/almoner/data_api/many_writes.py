"""Many rows of one request, written set by set (decision 50).

Each is decoded and checked as a single Create or Update is. What a set is refused for is found by
halving it, down to the one row that a single write then explains."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import asyncpg

from almoner.data_api import decode, nested, rules, set_statements, statements
from almoner.data_api.batch import columns
from almoner.data_api.batch_known import there_already
from almoner.data_api.batch_rows import (
    KEEP,
    REFUSE,
    BatchAnswer,
    BatchRequest,
    BatchRow,
    by_halves,
    refuse_twice,
    refused_as_taken,
    take_mappings,
)
from almoner.data_api.declare import Related, Resource, Row, Verb
from almoner.data_api.idempotency_sql import STORE
from almoner.data_api.row_writes import RowWrites
from almoner.data_api.writes import Actor, Record, Update, Written, new_id, stored_row, written
from almoner.database import Connection, SoleConnection
from almoner.errors import ApiError, Problem
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Shape

# So many rows are decoded before others have their turn.
_AT_A_TIME = 100


@dataclass(frozen=True)
class _Batch:
    """What all rows of a batch are written by."""

    by: Actor
    resource: Resource
    request: BatchRequest
    program: Program

    @property
    def shape(self) -> Shape:
        """How their bodies are spelled."""
        return self.request.shape

    @property
    def answered(self) -> Shape | None:
        """How their answers are; None where there is to be nothing of the rows in them."""
        return None if self.request.minimal else self.request.shape


class ManyWrites(RowWrites):
    """Writes many rows at once, as one row at a time is written."""

    async def write_many(
        self,
        by: Actor,
        resource: Resource,
        request: BatchRequest,
        answer: Callable[[Sequence[BatchRow]], bytes],
    ) -> BatchAnswer:
        """Writes a batch, and answers with what ``answer`` makes of it; with what it was before
        where it comes again under the same key.

        Raises ApiError with the problems of every row where all are written or none."""
        if by.once is None:
            return await self._write_many(by, resource, request, answer)
        before = await self._answer_before(by)
        if before is not None:
            return before
        try:
            return await self._write_many(by, resource, request, answer)
        except (ApiError, asyncpg.UniqueViolationError):
            # As of single writes: of two at once, the second is refused by what the first has done.
            before = await self._answer_before(by)
            if before is None:
                raise
            return before

    async def _answer_before(self, by: Actor) -> BatchAnswer | None:
        assert by.once is not None
        async with self._database.connection() as connection:
            record = await by.once.record(connection, by.environment_id)
        return (
            None
            if record is None
            else BatchAnswer(record["body"], record["patient"], replayed=True)
        )

    async def _write_many(
        self,
        by: Actor,
        resource: Resource,
        request: BatchRequest,
        answer: Callable[[Sequence[BatchRow]], bytes],
    ) -> BatchAnswer:
        program = await self._programs.newest(by.environment_id)
        once = by.once
        # No row stores anything under the key of its batch.
        batch = _Batch(replace(by, once=None), resource, request, program)
        is_new = request.verb is Verb.CREATE
        decode_row = self._decode_new if is_new else self._decode_update
        write = self._create_all if is_new else self._update_all
        rows: list[BatchRow] = []
        for number, each in enumerate(request.entries()):
            if each.body or not each.problems:
                decode_row(batch, each)
            rows.append(each)
            if number % _AT_A_TIME == _AT_A_TIME - 1:
                await asyncio.sleep(0)
        known = [each for each in rows if each.row_id]
        if not is_new:
            refuse_twice(known, [each.row_id for each in known], ".id")
        async with self._database.transaction() as connection:
            wrong = [(each.row, each.problems) for each in rows if each.problems]
            await self._refusals.add_missing(connection, by.environment_id, resource, wrong)
            await write(connection, batch, known)
            refused = [decode.moved(p, each.place) for each in rows for p in each.problems]
            if refused and request.atomic:
                raise ApiError(refused)
            answered = answer(rows)
            answered_rows = [each.written for each in rows if each.written]
            if once is not None:
                everybody = b"".join(row.patient for row in answered_rows)
                what = (answered, everybody, *once.stamp)
                await connection.execute(STORE, by.environment_id, *what)
        unlogged = (row.patient for row in answered_rows if not row.logged)
        return BatchAnswer(answered, b"".join(unlogged))

    def _decode_new(self, batch: _Batch, each: BatchRow) -> None:
        body, resource = dict(each.body), batch.resource
        mappings = take_mappings(self._pointers, resource, batch.shape, body, each.problems)
        self._decode(batch, each, body, Verb.CREATE)
        each.problems += rules.refused(resource, each.row, batch.program, None, each.problems)
        each.row["id"] = each.row_id = new_id()
        if not each.problems:
            loaded = batch.request.on_existing != REFUSE
            each.related = nested.related(resource, each.row, batch.program, loaded)
            each.related += [
                Related(of.name, values | {reference: each.row_id}, path)
                for of, reference, values, path in mappings
            ]

    def _decode_update(self, batch: _Batch, each: BatchRow) -> None:
        """Decodes an Update; of a row that was to be created, without what a Create alone takes."""
        body, names = each.body, batch.resource.spelled[batch.shape].names
        if each.place.startswith(".create"):
            known = {key: value for key, value in body.items() if key in names}
            body = {k: v for k, v in known.items() if decode.is_sent_back(names[k], batch.shape)}
            # Its ids in other systems it has, or they are added.
            mapped = {pointer.name for pointer in self._pointers}
            each.ignored = {k: v for k, v in known.items() if k not in body and k not in mapped}
        self._decode(batch, each, body, Verb.UPDATE)

    def _decode(self, batch: _Batch, each: BatchRow, body: Row, verb: Verb) -> None:
        each.row = decode.values(
            *(batch.resource, body, verb, batch.shape, each.problems),
            whole=batch.by.whole,
            ignored=each.ignored,
        )

    async def _create_all(
        self, connection: Connection, batch: _Batch, rows: Sequence[BatchRow]
    ) -> None:
        insert = partial(self._insert_all, connection, batch)
        alone = partial(self._insert_alone, connection, batch)
        while rows:
            if batch.request.on_existing != REFUSE:
                await self._take_existing(connection, batch, rows)
            new = [each for each in rows if not each.problems and not each.outcome]
            await by_halves(connection, new, insert, alone, batch.request.atomic)
            rows = await self._came_meanwhile(connection, batch, new)

    async def _came_meanwhile(
        self, connection: Connection, batch: _Batch, new: Sequence[BatchRow]
    ) -> Sequence[BatchRow]:
        """The rows that are still to be written, where another load has written some of them since
        they were looked for: those are refused no more, since they are there already.
        """
        taken = refused_as_taken(new) if batch.request.on_existing != REFUSE else []
        problems = [each.problems for each in taken]
        for each in taken:
            each.problems = []
        there = {id(each) for each in await self._known(connection, batch, taken)}
        for each, before in zip(taken, problems, strict=True):
            if id(each) not in there:
                each.problems = before
        return [each for each in new if not each.problems and not each.outcome] if there else []

    async def _take_existing(
        self, connection: Connection, batch: _Batch, rows: Sequence[BatchRow]
    ) -> None:
        """Keeps or updates those of the rows that are there already."""
        there = await self._known(connection, batch, rows)
        if batch.request.on_existing == KEEP:
            await self._read(connection, batch, there, "kept")
            return
        known = [each for each in there if not each.further]
        for each in known:
            self._decode_update(batch, each)
        await self._update_all(connection, batch, known)
        renamed = [each for each in there if each.further]
        update = partial(self._update_and_map, connection, batch)
        alone = partial(self._update_and_map_alone, connection, batch)
        await by_halves(connection, renamed, update, alone, batch.request.atomic)

    async def _known(
        self, connection: Connection, batch: _Batch, rows: Sequence[BatchRow]
    ) -> list[BatchRow]:
        where = (connection, batch.by.environment_id, batch.resource)
        return await there_already(*where, self._pointers, rows)

    async def _update_and_map(
        self, connection: Connection, batch: _Batch, rows: Sequence[BatchRow]
    ) -> None:
        """Updates rows that bring further ids of other systems, and adds these. Raises ApiError
        with all that is refused.
        """
        for each in rows:
            self._decode_update(batch, each)
            await self._insert_related(connection, batch.by, batch.resource, each.further)
        await self._update_all(connection, batch, rows)
        problems = [problem for each in rows for problem in each.problems]
        for each in rows:
            each.problems = []
        if problems:
            raise ApiError(problems)

    async def _update_and_map_alone(
        self, connection: Connection, batch: _Batch, each: BatchRow
    ) -> None:
        await self._update_and_map(connection, batch, [each])

    async def _insert_all(
        self, connection: Connection, batch: _Batch, rows: Sequence[BatchRow]
    ) -> None:
        by, resource, values = batch.by, batch.resource, [each.row for each in rows]
        for row in values:
            if any(question.asked(row) for question in resource.questions):
                await rules.ask(connection, by.environment_id, resource, row, row)
        statement = set_statements.load(resource, batch.answered)
        records = await self._insert_set(connection, by, resource, values, statement)
        by_id = {str(record["id"]): record for record in records}
        for each in rows:
            each.finish("created", _new(by_id[each.row_id], each.row_id))
        along: dict[str, list[Row]] = defaultdict(list)
        for each in rows:
            for related in each.related:
                along[related.resource].append(related.values | {"id": new_id()})
        for name, others in along.items():
            of = self._resources[name]
            silently = set_statements.load_silently(of, along=of.part_of == resource.name)
            await self._insert_set(connection, by, of, others, silently)
        whole = [r for r in rows if nested.are_inside(resource, batch.answered, r.related)]
        now = await self._as_they_are(connection, batch, whole)
        for each in whole:
            each.finish("created", _new(now[each.row_id], each.row_id))
        await self._end(connection, by, resource, values)

    async def _insert_alone(self, connection: Connection, batch: _Batch, each: BatchRow) -> None:
        alone = self._alone(connection)
        now = await alone._write_new(batch.by, batch.resource, each.row, each.related, batch.shape)
        each.finish("created", now)

    async def _insert_set(
        self,
        connection: Connection,
        by: Actor,
        resource: Resource,
        rows: Sequence[Row],
        statement: str,
    ) -> Any:
        """What ``statement`` answers with. Raises what a constraint or a rule refuses, of whichever
        row.
        """
        claimed = await self._refusals.claimed(connection, by.environment_id, resource, rows)
        if claimed:
            raise ApiError([problem for _, problem in claimed])
        await self._refusals.any_references(connection, by.environment_id, resource, rows)
        return await connection.fetch(
            statement, by.environment_id, *columns(resource, rows), *by.stamp
        )

    async def _update_all(
        self, connection: Connection, batch: _Batch, rows: Sequence[BatchRow]
    ) -> None:
        resource, ids = batch.resource, [each.row_id for each in rows]
        records = await connection.fetch(
            set_statements.lock_all(resource), batch.by.environment_id, ids
        )
        stored = {str(record["id"]): stored_row(resource, record) for record in records}
        same: dict[tuple[str, ...], list[BatchRow]] = defaultdict(list)
        for each in rows:
            whole = stored.get(each.row_id)
            if whole is None:
                detail = f"There is no {resource.singular} with this id."
                each.problems.append(Problem("not_found", detail, {"path": ".id"}))
                continue
            names = await self._changing(connection, batch, each, whole)
            if not each.problems:
                same[names].append(each)
        for names, alike in same.items():
            if not names:
                await self._read(connection, batch, alike, "unchanged")
                continue
            change = partial(self._change_all, connection, batch, names)
            alone = partial(self._change_alone, connection, batch, names)
            await by_halves(connection, alike, change, alone, batch.request.atomic)

    async def _changing(
        self, connection: Connection, batch: _Batch, each: BatchRow, whole: Row
    ) -> tuple[str, ...]:
        """Checks a row as it will be, and answers with the fields that are written."""
        resource, environment_id = batch.resource, batch.by.environment_id
        row, merged = each.row, whole | each.row
        named = frozenset(row)
        each.problems += decode.check(resource, merged, batch.program, named, each.problems)
        if not each.problems:
            try:
                await self._refusals.any_reference(connection, environment_id, resource, merged)
                await rules.ask(connection, environment_id, resource, row, merged)
            except ApiError as refused:
                each.problems += refused.problems
        each.row = merged
        changed = [n for n, value in merged.items() if n in row or value != whole[n]]
        return statements.ordered(resource, changed)

    async def _change_all(
        self,
        connection: Connection,
        batch: _Batch,
        names: tuple[str, ...],
        rows: Sequence[BatchRow],
    ) -> None:
        arrays = [
            [item.kind.bind_element(each.row[item.name]) for each in rows]
            for item in map(batch.resource.field, names)
        ]
        records = await connection.fetch(
            set_statements.update_each(batch.resource, batch.answered, names),
            batch.by.environment_id,
            [each.row_id for each in rows],
            *arrays,
            *batch.by.stamp,
        )
        by_id = {str(record["id"]): record for record in records}
        for each in rows:
            if each.row_id in by_id:
                each.finish("updated", written(by_id[each.row_id], each.row_id))
        await self._read(connection, batch, [r for r in rows if r.row_id not in by_id], "unchanged")

    async def _change_alone(
        self, connection: Connection, batch: _Batch, names: tuple[str, ...], each: BatchRow
    ) -> None:
        row = {name: each.row[name] for name in names}
        update = Update(batch.by, batch.resource, each.row_id, row, shape=batch.shape)
        now = await self._alone(connection)._update(update)
        each.finish("updated" if now.logged else "unchanged", now)

    async def _read(
        self, connection: Connection, batch: _Batch, rows: Sequence[BatchRow], outcome: str
    ) -> None:
        """Gives rows that are not written what they are."""
        now = await self._as_they_are(connection, batch, rows)
        for each in rows:
            each.finish(outcome, written(now[each.row_id], each.row_id, logged=False))

    async def _as_they_are(
        self, connection: Connection, batch: _Batch, rows: Sequence[BatchRow]
    ) -> dict[str, Record]:
        """What is stored of rows now, by their ids."""
        if not rows:
            return {}
        records = await connection.fetch(
            statements.rows(batch.resource, batch.answered),
            batch.by.environment_id,
            [each.row_id for each in rows],
        )
        return {record["row_id"]: record for record in records}

    def _alone(self, connection: Connection) -> RowWrites:
        """Writes single rows over this connection; one that is refused undoes itself alone."""
        programs = self._programs.within(connection)
        return RowWrites(SoleConnection(connection), programs, tuple(self._resources.values()))


def _new(record: Record, row_id: str) -> Written:
    return Written(record["body"], record["updated_at"], record["patient"], row_id, None)
