"""The one way in which rows are written, whatever the source: the API, the pages, an import, the
demo.

A write is checked, written and announced in one statement; one that writes related rows along is
one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import asyncpg

from almoner.data_api import decode, set_statements, statements
from almoner.data_api.batch import LoadedBatch
from almoner.data_api.declare import Resource, Row, Verb
from almoner.data_api.many_writes import ManyWrites
from almoner.data_api.writes import Actor, Update, Written, new_id
from almoner.database import Connection, SoleConnection
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Problems


class Store(ManyWrites):
    """Writes rows of the collections that it knows."""

    def within(self, connection: Connection, undone_alone: bool = True) -> Store:
        """The same store over a connection that the caller holds. A write that is refused undoes
        itself alone; without ``undone_alone`` the caller undoes the whole transaction then.

        In a transaction, what it writes stands or falls with everything else that is done in it.
        """
        return Store(
            SoleConnection(connection, undone_alone),
            self._programs.within(connection),
            tuple(self._resources.values()),
        )

    async def yield_claim(self, by: Actor, resource: Resource, row_id: str) -> Written:
        """Takes from a row its mark of being the only one with its values (``Unique.where``), so
        that another may be it.
        """
        row: Row = {rule.where: False for rule in resource.claims if rule.where}
        write = self._update_alone(Update(by, resource, row_id, row))
        return await self._explained(by, resource, row, write)

    async def move(
        self, by: Actor, from_id: str, to_id: str, staying: Collection[str] = ()
    ) -> dict[str, int]:
        """Makes every row about one patient a row about another, all or nothing; those with an id
        in ``staying`` are left.

        Returns how many were moved, by collection. Raises ApiError: 404 where the other patient
        does not exist, 400 where a row breaks a rule of uniqueness with what the other has."""
        moved = {}
        try:
            async with self._database.transaction() as connection:
                await connection.execute("SET CONSTRAINTS ALL DEFERRED")
                for resource in self._resources.values():
                    if resource.patient not in (None, "id"):
                        patients = (by.environment_id, from_id, to_id, list(staying))
                        moved[resource.name] = await connection.fetchval(
                            statements.move(resource), *patients, *by.stamp
                        )
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except asyncpg.IntegrityConstraintViolationError as error:
            resource = self._resources[str(error.table_name)]
            row = {str(resource.patient): to_id}
            raise await self._refusal(by, resource, row, error) from error
        return moved

    async def update_all(
        self, by: Actor, resource: Resource, row_ids: Sequence[str], body: Row
    ) -> int:
        """Changes the same fields of many rows, all or nothing, of a collection without rules over
        whole rows.

        Returns how many were changed; ids without a row and rows that have these values already are
        passed over. Raises ApiError with every
        problem of ``body``."""
        problems: Problems = []
        row = decode.values(
            resource, body, verb=Verb.UPDATE, shape=Shape.STORED, problems=problems, whole=by.whole
        )
        refused, _ = await self._check(by, resource, row, frozenset(row), problems)
        problems += refused
        if problems:
            await self._refuse(by, resource, row, problems)
        names = statements.ordered(resource, row)
        values = [resource.field(name).kind.bind(row[name]) for name in names]
        statement = statements.update_all(resource, names)
        try:
            async with self._database.connection() as connection:
                changed: int | None = await connection.fetchval(
                    statement, by.environment_id, row_ids, *values, *by.stamp
                )
        except asyncpg.IntegrityConstraintViolationError as error:
            raise await self._refusal(by, resource, row, error) from error
        return changed or 0

    async def load(self, by: Actor, resource: Resource, rows: Sequence[Row]) -> int:
        """Writes many rows at once, checked like a Create and written with their change log, all or
        nothing.

        A row may bring its ``id`` and its ``created_at`` (a datetime with an offset). Raises
        ApiError with the problems of the rows that have any; ``[7]`` in a path is the row's number
        in ``rows``."""
        batch = LoadedBatch(resource, await self._programs.of(by.environment_id), by.whole)
        for row in rows:
            batch.add(row, row.get("id") or new_id())
        batch.verify()
        try:
            async with self._database.transaction() as connection:
                batch.refuse(
                    await self._refusals.claimed(
                        connection, by.environment_id, resource, batch.claiming
                    )
                )
                await connection.execute(
                    set_statements.load_silently(resource),
                    by.environment_id,
                    *batch.columns,
                    *by.stamp,
                )
                await self._insert_related(connection, by, resource, batch.related)
                await self._end(connection, by, resource, rows)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise await self._refusal(by, resource, {}, error) from error
        return len(rows)
