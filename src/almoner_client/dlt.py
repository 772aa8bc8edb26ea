"""A source of dlt, by which pipelines load the collections into any of dlt's destinations (extra
``dlt``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import dlt
import msgspec
from dlt.extract import DltResource, DltSource

from almoner_client._sync.client import Client
from almoner_client.answers import NULL
from almoner_client.errors import AlmonerError, Gone
from almoner_client.mirror import layout
from almoner_client.mirror.copy import ENVIRONMENT, check_environment
from almoner_client.mirror.layout import Table

# By this column dlt knows which rows to delete, and by this one which of several states of a row
# is the last.
DELETED, CURSOR = "almoner_deleted", "almoner_cursor"
_TYPES: Mapping[str, Any] = {
    layout.TEXT: "text",
    layout.ID: "text",
    layout.INTEGER: "bigint",
    layout.NUMBER: "double",
    layout.BOOLEAN: "bool",
    layout.TIME: "timestamp",
    layout.DATE: "date",
    layout.JSON: "json",
}
_AFTER: Final = "after"
_row = msgspec.json.Decoder(dict[str, Any])


def almoner(client: Client | None = None, collections: Sequence[str] = ()) -> DltSource:
    """A resource for each of these collections, all of them where none are named.

    The first run loads a collection whole. Each that follows takes what the change feed tells
    behind the position that dlt keeps in its state: rows as they are now, and those that are gone
    to be deleted. After a restored backup of the server a collection is loaded whole again.

    Without a ``client`` it is made of ``ALMONER_URL``, ``ALMONER_CLIENT_ID`` and
    ``ALMONER_CLIENT_SECRET``. Raises AlmonerError where a collection is not known."""
    caller = client or Client.from_environment()
    tables = layout.tables(caller.openapi())
    unknown = [name for name in collections if name not in tables]
    if unknown:
        raise AlmonerError(
            f"There is no collection {', '.join(unknown)}. They are {', '.join(tables)}."
        )

    @dlt.source(name="almoner", max_table_nesting=0)
    def source() -> list[DltResource]:
        return [_resource(caller, tables[name]) for name in collections or tables]

    declared: DltSource = source()
    return declared


def _resource(client: Client, table: Table) -> DltResource:
    columns: dict[str, Any] = {
        column.name: {"data_type": _TYPES[column.kind]} for column in table.columns
    }
    columns[DELETED] = {"data_type": "bool", "hard_delete": True}
    columns[CURSOR] = {"data_type": "text", "dedup_sort": "desc"}
    resource: Callable[..., Any] = dlt.resource(
        _rows,
        name=table.name,
        primary_key="id",
        columns=columns,
        write_disposition="merge",
    )
    declared: DltResource = resource(client, table.name)
    return declared


def _rows(client: Any, name: Any) -> Iterator[Any]:
    state = dlt.current.resource_state()
    after = state.get(_AFTER)
    latest = client.feed("latest").meta
    check_environment(state.get(ENVIRONMENT), latest.environment)
    state[ENVIRONMENT] = latest.environment
    if after is None or _has_new_epoch(client, name, after):
        # What happens meanwhile is behind this position, and comes with the next run.
        yield from _whole(client, name, latest.after)
        state[_AFTER] = latest.after
        return
    while True:
        page = client.feed(after, (name,), rows=True)
        yield [
            {"id": change.id, DELETED: True, CURSOR: change.cursor}
            if change.row == NULL
            else {**_row.decode(change.row), DELETED: False, CURSOR: change.cursor}
            for change in page.data
            if change.resource == name and change.id is not None
        ]
        after = state[_AFTER] = page.meta.after
        if not page.meta.more:
            return


def _has_new_epoch(client: Client, name: str, after: str) -> bool:
    """Whether the server has gone on from a backup since, so that what was told may be gone, or
    keeps what is behind this position no more.
    """
    while True:
        try:
            page = client.feed(after, (name,))
        except Gone:
            return True
        if any(change.kind == "epoch" for change in page.data):
            return True
        after = page.meta.after
        if not page.meta.more:
            return False


def _whole(client: Client, name: str, latest: str) -> Iterator[Any]:
    hints = dlt.mark.make_hints(write_disposition="replace")
    # An empty collection empties its table too.
    yield dlt.mark.with_hints(dlt.mark.materialize_table_schema(), hints)
    # Its span ends with its first page: a row that is changed meanwhile is not there twice.
    for page in client.collection(name).lines():
        rows = [{**_row.decode(row), DELETED: False, CURSOR: latest} for row in page.rows]
        yield dlt.mark.with_hints(rows, hints)
