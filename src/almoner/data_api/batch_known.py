"""Which rows of a batch are there already, by their ids in other systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from almoner.data_api import set_statements
from almoner.data_api.batch_rows import BatchRow, twice
from almoner.data_api.declare import Related, Resource
from almoner.database import Connection
from almoner.errors import Problem


async def there_already(
    connection: Connection,
    environment_id: int,
    resource: Resource,
    pointers: Sequence[Resource],
    rows: Sequence[BatchRow],
) -> list[BatchRow]:
    """The rows that are there already, each with its id, and in ``further`` with those of its ids
    in other systems that it is not known by yet.
    """
    there: dict[int, BatchRow] = {}
    unknown: list[tuple[BatchRow, str, Related]] = []
    for pointer in pointers:
        keys = _keys(pointer, rows)
        if not keys:
            continue
        assert pointer.any_reference is not None
        sent = list(keys.items())
        arrays = [list(column) for column in zip(*keys, strict=True)]
        by_key = set_statements.pointing_key(pointer)
        records = await connection.fetch(
            set_statements.pointed_at(pointer, by_key), environment_id, resource.name, *arrays
        )
        for record in records:
            _, (each, _related) = sent[record["place"] - 1]
            if id(each) in there and each.row_id != record["row_id"]:
                detail = "Its external ids are those of several rows."
                each.problems.append(Problem("bad_request", detail, {"path": "."}))
            each.row_id = record["row_id"]
            there[id(each)] = each
        known = {record["place"] - 1 for record in records}
        reference = pointer.any_reference[1]
        unknown += [
            (each, reference, related)
            for place, (_, (each, related)) in enumerate(sent)
            if place not in known
        ]
    for each in there.values():
        each.further = []
    for each, reference, related in unknown:
        if id(each) in there:
            values = related.values | {reference: each.row_id}
            each.further.append(replace(related, values=values))
    return [each for each in there.values() if not each.problems]


def _keys(
    pointer: Resource, rows: Sequence[BatchRow]
) -> dict[tuple[Any, ...], tuple[BatchRow, Related]]:
    """What names each row in other systems. The second of two that have the same is refused."""
    by_key = set_statements.pointing_key(pointer)
    keys: dict[tuple[Any, ...], tuple[BatchRow, Related]] = {}
    for each in rows:
        for related in each.related if not each.problems else ():
            if related.resource == pointer.name:
                key = tuple(related.values[name] for name in by_key.fields)
                if keys.setdefault(key, (each, related))[0] is not each:
                    each.problems.append(twice(f"{related.path}{by_key.path}"))
    return keys
