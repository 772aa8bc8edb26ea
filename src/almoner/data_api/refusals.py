"""Why the database refused a write, in words that the caller can act on. Off the hot path: asked
only after a refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import asyncpg

from almoner.data_api import set_statements, statements
from almoner.data_api.declare import Resource, Row, Unique, unique_name
from almoner.database import Connection
from almoner.errors import ApiError, Problem, problem
from almoner.vocabulary.kinds import Problems, Ref


class Refusals:
    """Explains violated constraints by the declarations that they were made of."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._resources = resources

    async def missing(
        self, connection: Connection, environment_id: int, resource: Resource, row: Row
    ) -> Problems:
        """A problem for each reference of the row to what does not exist in this environment, or to
        what does not fit it.
        """
        problems: Problems = []
        unknown = set()
        for field, ref in resource.references:
            row_id = row.get(field.name)
            if row_id is None:
                continue
            target_patient = await connection.fetchval(
                statements.exists(ref.to, ref.within), environment_id, row_id
            )
            target = self._resources[ref.to].singular
            if target_patient is None:
                unknown.add(field.name)
                problems.append(_unknown(target, f".{field.name}"))
            elif ref.within and ref.within not in unknown and row.get(ref.within) is not None:
                owner = resource.field(ref.within).kind
                assert isinstance(owner, Ref)
                if target_patient == await connection.fetchval(
                    statements.current(owner), environment_id, row[ref.within]
                ):
                    continue
                detail = (
                    f"The {target} at .{field.name} belongs to another patient than .{ref.within}."
                )
                problems.append(Problem("bad_request", detail, {"path": f".{field.name}"}))
        return problems

    async def add_missing(
        self,
        connection: Connection,
        environment_id: int,
        resource: Resource,
        rows: Sequence[tuple[Row, Problems]],
    ) -> None:
        """Adds to the problems of each row those of its references to what does not exist."""
        for field, ref in resource.references:
            ids = {row[field.name] for row, _ in rows if row.get(field.name) is not None}
            if not ids:
                continue
            target = self._resources[ref.to]
            statement = set_statements.existing(target)
            records = await connection.fetch(statement, environment_id, list(ids))
            unknown = ids - {record["id"] for record in records}
            for row, problems in rows:
                if row.get(field.name) in unknown:
                    problems.append(_unknown(target.singular, f".{field.name}"))

    async def any_reference(
        self, connection: Connection, environment_id: int, resource: Resource, row: Row
    ) -> None:
        """Refuses an id that is not in the collection that the row names beside it (clarification
        16).
        """
        if resource.any_reference is None:
            return
        collection, reference = resource.any_reference
        target = self._resources[row[collection]]
        if (
            await connection.fetchval(
                statements.exists(target.name, None), environment_id, row[reference]
            )
            is None
        ):
            raise ApiError(_unknown(target.singular, f".{reference}"))

    async def any_references(
        self, connection: Connection, environment_id: int, resource: Resource, rows: Sequence[Row]
    ) -> None:
        """The same of many rows: refuses them together, whichever of them it is."""
        if resource.any_reference is None:
            return
        collection, reference = resource.any_reference
        for name in {row[collection] for row in rows}:
            ids = {row[reference] for row in rows if row[collection] == name}
            statement = set_statements.existing(self._resources[name])
            if len(await connection.fetch(statement, environment_id, list(ids))) < len(ids):
                raise ApiError(_unknown(self._resources[name].singular, f".{reference}"))

    async def claimed(
        self, connection: Connection, environment_id: int, resource: Resource, rows: Sequence[Row]
    ) -> list[tuple[int, Problem]]:
        """The problem of each of these new rows that must be the only one with its values and is
        not, with its place.
        """
        refused: list[tuple[int, Problem]] = []
        for rule in resource.claims:
            keys: set[tuple[Any, ...]] = set()
            claims: list[tuple[int, tuple[Any, ...]]] = []
            for place, row in enumerate(rows):
                key = tuple(row[name] for name in rule.fields)
                if row.get(rule.where or "") and key in keys:
                    refused.append((place, _taken(rule)))
                elif row.get(rule.where or ""):
                    claims.append((place, key))
                keys.add(key)
            if claims:
                values = ([key[n] for _, key in claims] for n in range(len(rule.fields)))
                records = await connection.fetch(
                    statements.taken(resource, rule), environment_id, *values
                )
                refused += [(claims[record["place"] - 1][0], _taken(rule)) for record in records]
        return sorted(refused, key=lambda pair: pair[0])

    async def of(
        self,
        connection: Connection,
        environment_id: int,
        resource: Resource,
        row: Row,
        error: asyncpg.PostgresError,
    ) -> ApiError:
        """The error that this violated constraint is answered with."""
        violated = getattr(error, "constraint_name", None)
        for rule in resource.unique:
            if violated == unique_name(resource, rule):
                return ApiError(_taken(rule))
        problems = await self.missing(connection, environment_id, resource, row)
        return ApiError(
            problems
            or [
                Problem(
                    "bad_request", "The row does not fit together; see the rules of the collection."
                )
            ]
        )


def _taken(rule: Unique) -> Problem:
    return Problem("uniqueness_exception", f"{rule.detail}.", {"path": rule.path})


def _unknown(singular: str, path: str) -> Problem:
    return Problem(
        "resource_not_found", f"There is no {singular} with the id at {path}.", {"path": path}
    )


def not_found(resource: Resource) -> ApiError:
    """The 404 of an id that this environment does not know."""
    return problem("not_found", f"There is no {resource.singular} with this id.")


def changed_since(tags: Collection[object] | None = None) -> ApiError:
    """The 412 of an If-Match that does not hold. ``tags`` are those of ours that it lists."""
    detail = "The row has changed since the ETag in If-Match was read. Get it again first."
    if tags is not None and not tags:
        detail = "If-Match holds no ETag of a row. Send that of a Get as it came, quotes included."
    return ApiError(Problem("precondition_failed", detail, rule="if_match"))
