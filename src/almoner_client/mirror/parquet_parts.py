"""The files of a copy in Parquet: rows of a table, in the order of their ids, and what is read out
of their JSON for the program's views.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.parquet as pq

from almoner_client.errors import AlmonerError
from almoner_client.mirror import layout
from almoner_client.mirror.destination import CHECK, DIGEST
from almoner_client.mirror.layout import Column, Member, Table, View

_TYPES: Mapping[str, Any] = {
    layout.TEXT: pa.string(),
    layout.ID: pa.string(),
    layout.INTEGER: pa.int64(),
    layout.NUMBER: pa.float64(),
    layout.BOOLEAN: pa.bool_(),
    layout.TIME: pa.timestamp("us", tz="UTC"),
    layout.DATE: pa.date32(),
    layout.JSON: pa.string(),
}
_VIEW: Final = b"almoner_view"
_BLOCK: Final = 1 << 20
# Arrow's own holds on to twice what a file takes.
pa.set_memory_pool(pa.system_memory_pool())


def schema_of(table: Table) -> pa.Schema:
    """The columns of a table's files."""
    fields = [*_fields(table.columns), (DIGEST, pa.string()), (CHECK, pa.string())]
    return pa.schema(fields)


def view_schema(view: View, table: Table) -> pa.Schema:
    """The columns of a view's files, which note what they were made by."""
    plain = [column for column in table.columns if column.name in view.plain]
    return pa.schema(_fields([*plain, *view.members]), metadata={_VIEW: msgspec.json.encode(view)})


def _fields(columns: Iterable[Column | Member]) -> list[tuple[str, Any]]:
    return [(column.name, _TYPES[column.kind]) for column in columns]


def table_of(schema: pa.Schema, rows: Sequence[bytes]) -> pa.Table:
    """Rows as JSON objects, by the names of their columns; times and dates are texts."""
    if not rows:
        return schema.empty_table()
    texts = pa.schema([(field.name, _sent_as(field.type)) for field in schema])
    lines = b"\n".join(rows)
    parsed = pj.read_json(
        pa.BufferReader(lines),
        # No object may be longer than what is read at a time.
        read_options=pj.ReadOptions(
            use_threads=False, block_size=max(_BLOCK, 1 + max(map(len, rows)))
        ),
        parse_options=pj.ParseOptions(explicit_schema=texts),
    )
    columns = [pc.cast(parsed[field.name], field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _sent_as(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_temporal(kind) else kind


def _column(kind: pa.DataType, values: list[Any]) -> pa.Array:
    if pa.types.is_temporal(kind):
        return pc.cast(pa.array(values, pa.string()), kind)
    return pa.array(values, kind)


def read(path: Path, schema: pa.Schema) -> pa.Table:
    """What a file has, in these columns; those that it lacks are null. A file that is missing has
    no rows. Raises AlmonerError.
    """
    try:
        if not path.exists():
            return schema.empty_table()
        # As one file, and not as a data set of which a folder's name could be a column.
        table = pq.ParquetFile(path).read()
        columns = [
            pc.cast(table[field.name], field.type)
            if field.name in table.column_names
            else pa.nulls(len(table), field.type)
            for field in schema
        ]
    except (pa.ArrowException, OSError) as error:
        raise AlmonerError(
            f"{path} cannot be read: {error}. Delete it, and repair the copy."
        ) from None
    return pa.table(columns, schema=schema)


def has_schema(path: Path, schema: pa.Schema) -> bool:
    """Whether the file is there, and as it is to be."""
    try:
        noted = pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return False
    return bool(noted.equals(schema)) and (noted.metadata or {}).get(_VIEW) == (
        schema.metadata or {}
    ).get(_VIEW)


def write(path: Path, rows: pa.Table) -> None:
    """Writes a file whole: whoever reads has what was there before, or what is there then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        pq.write_table(rows, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def viewed(view: View, table: Table, rows: pa.Table) -> pa.Table:
    """The rows of a view, out of those of its table."""
    schema = view_schema(view, table)
    chosen = rows.filter(pc.equal(rows[view.by], view.value))
    documents = [
        msgspec.json.decode(text) if text else {} for text in chosen[view.document].to_pylist()
    ]
    members = [
        _column(_TYPES[member.kind], [_member(member, document) for document in documents])
        for member in view.members
    ]
    plain = [chosen[field.name] for field in schema if field.name in view.plain]
    return pa.table([*plain, *members], schema=schema)


def _member(member: Member, document: Any) -> Any:
    """A member where it is of its kind; None where an older version of the program asked something
    else by its name.
    """
    value = document.get(member.key) if isinstance(document, dict) else None
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    match member.kind:
        case layout.NUMBER:
            return None if number is None else float(number)
        case layout.INTEGER:
            return None if number is None or number % 1 else int(number)
        case layout.BOOLEAN:
            return value if isinstance(value, bool) else None
        case layout.DATE | layout.TIME:
            return _temporal(member.kind, value)
        case layout.JSON:
            return None if value is None else msgspec.json.encode(value).decode()
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _temporal(kind: str, value: Any) -> Any:
    text = value[:10] if kind == layout.DATE and isinstance(value, str) else value
    try:
        _column(_TYPES[kind], [text])
    except (pa.ArrowException, TypeError):
        return None
    return text
