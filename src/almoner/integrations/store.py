"""The store as a task has it: its environment alone, and what its integration was granted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec

from almoner.access.audit import ReadAudit
from almoner.access.tokens import Access
from almoner.data_api import find, nested, statements
from almoner.data_api.declare import Resource, Row
from almoner.data_api.serve import may
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.errors import problem
from almoner.patient_merges.merge import merge_unasked
from almoner.vocabulary.fields import Shape
from almoner.work.step import StepRun

# The fields of both editions of the contract, as pages and imports have them.
_SHAPE = Shape.STORED


class ScopedStore:
    """Reads and writes collections by their names, as the contract spells them.

    What is written stands once the task has ended well, with its row, or not at all. From the first
    write on, what is read is read in the same transaction. Each read is in the audit trail. Raises
    ApiError: where a scope is missing, and as the API does."""

    def __init__(
        self,
        run: StepRun,
        store: Store,
        resources: Mapping[str, Resource],
        access: Access,
        audit: ReadAudit,
        job_id: str,
    ) -> None:
        self._run = run
        self._store = store
        self._resources = resources
        self._access = access
        self._audit = audit
        self._by = Actor(access.environment_id, access.actor, "integration", job_id)

    async def get(self, collection: str, row_id: str) -> Row | None:
        """The row with this id; None where there is none."""
        resource = self._readable(collection)
        async with self._connection() as connection:
            record = await connection.fetchrow(
                statements.get(resource, _SHAPE), self._by.environment_id, row_id
            )
        if record is None:
            return None
        self._note("get", resource, record["patient"], row_id)
        return _row(record["body"])

    async def find(
        self, collection: str, size: int = find.DEFAULT_SIZE, **filters: str
    ) -> list[Row]:
        """The first rows that a Find with these parameters answers with, by when they were changed;
        at most 1,000.
        """
        resource = self._readable(collection)
        pairs: list[tuple[str, str | None]] = [*filters.items(), (find.SIZE, str(size))]
        asked = find.parse_find(resource, pairs, _SHAPE)
        statement = statements.find(
            resource, _SHAPE, tuple(condition for condition, _ in asked.filters)
        )
        arguments = (
            self._by.environment_id,
            asked.start,
            asked.after,
            asked.to or find.FOREVER,
            asked.size,
        )
        async with self._connection() as connection:
            record = await connection.fetchrow(
                statement, *arguments, *(value for _, value in asked.filters)
            )
        if record["body"] is None:
            return []
        self._note("find", resource, record["patients"] or b"")
        return [_row(body) for body in record["body"].split(statements.ROW_END)]

    async def create(self, collection: str, fields: Row) -> Row:
        """Creates a row, with those that come along, and answers with it."""
        resource = self._writable(collection)
        for name in nested.own_scopes(resource, fields):
            self._writable(name)
        connection = await self._run.transaction()
        return _row(
            (await self._store.within(connection).create(self._by, resource, fields, _SHAPE)).body
        )

    async def update(self, collection: str, row_id: str, fields: Row) -> Row:
        """Changes the fields of a row that are given, and answers with it."""
        resource = self._writable(collection)
        connection = await self._run.transaction()
        written = await self._store.within(connection).update(
            self._by, resource, row_id, fields, if_match=None, shape=_SHAPE
        )
        return _row(written.body)

    async def delete(self, collection: str, row_id: str) -> Row:
        """Deletes a row, and answers with what it was."""
        resource = self._writable(collection)
        connection = await self._run.transaction()
        return _row(
            (
                await self._store.within(connection).delete(
                    self._by, resource, row_id, None, _SHAPE
                )
            ).body
        )

    async def merge(self, kept_id: str, other_id: str) -> None:
        """Makes one record of two of one person (decision 12): everything of the other moves to the
        kept one, which is right wherever both say something.

        Raises a 400 ApiError where that is for a person to decide."""
        for collection in ("patients", "external_ids"):
            self._writable(collection)
        connection = await self._run.transaction()
        by = replace(self._by, whole=True)
        await merge_unasked(connection, self._store.within(connection), by, kept_id, other_id)

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """What is written in the block stands with the task or, where the block raises, not at all:
        the task may go on with something else.
        """
        connection = await self._run.transaction()
        async with connection.transaction():
            yield

    def declared(self, collection: str) -> Resource:
        """What a collection is. Raises a 404 ApiError where there is none of this name."""
        return self._known(collection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        if self._run.writes:
            yield await self._run.transaction()
        else:
            async with self._run.database.connection() as connection:
                yield connection

    def _readable(self, collection: str) -> Resource:
        may(self._access.can_read(collection), f"{collection}.read")
        return self._known(collection)

    def _writable(self, collection: str) -> Resource:
        may(self._access.can_write(collection), f"{collection}.write")
        return self._known(collection)

    def _known(self, collection: str) -> Resource:
        if collection not in self._resources:
            raise problem("not_found", f"There is no collection {collection}.")
        return self._resources[collection]

    def _note(
        self, verb: str, resource: Resource, patients: bytes, row_id: str | None = None
    ) -> None:
        self._audit.note(
            self._access,
            self._by.request_id,
            verb,
            resource.name,
            patients=patients,
            through="integration",
            row_id=row_id,
        )


def _row(body: bytes) -> Row:
    row: Row = msgspec.json.decode(body)
    return row
