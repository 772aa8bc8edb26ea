"""The rows that changes are about, as Find would give them: for readers who keep a copy and need
not ask twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from almoner.access.tokens import Access
from almoner.changes.feed import FeedChange
from almoner.data_api import statements
from almoner.data_api.declare import Resource
from almoner.database import Connection


class FeedRow(NamedTuple):
    """A row as JSON in the caller's shape, and the id of the patient whom it is about, sixteen
    bytes or none.
    """

    body: bytes
    patient: bytes


# By the collection, then by the row's id.
Rows = dict[str, dict[str, FeedRow]]


async def rows_of(
    connection: Connection,
    access: Access,
    resources: Mapping[str, Resource],
    changes: Sequence[FeedChange],
) -> Rows:
    """The rows that these changes are about, as they are now; what is gone is not among them."""
    ids_of: dict[str, set[str]] = {}
    for change in changes:
        ids_of.setdefault(change.resource, set()).add(change.row_id)
    rows: Rows = {}
    for name, ids in ids_of.items():
        statement = statements.rows(resources[name], access.spelling)
        records = await connection.fetch(statement, access.environment_id, list(ids))
        rows[name] = {
            record["row_id"]: FeedRow(record["body"], record["patient"]) for record in records
        }
    return rows
