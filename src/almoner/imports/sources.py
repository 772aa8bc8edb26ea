"""What is uploaded, taken apart: its rows in parts, and the likely field of each column."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Final

from almoner.data_api.declare import Resource, Verb
from almoner.data_api.nested import NewRows
from almoner.errors import ApiError, problem
from almoner.resources import RESOURCES
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Json, Ref
from almoner_files import files, mapping
from almoner_files.delimited import SourceRow
from almoner_files.errors import FileError
from almoner_files.fields import Fields
from almoner_files.mapping import EXTERNAL_ID, Mapping, Target

# Parquet where pyarrow is installed beside the server: it has a hundred megabytes, and few need it.
KINDS: Final = (
    *(".csv", ".tsv", ".xlsx", ".ndjson", ".jsonl"),
    *((".parquet",) if find_spec("pyarrow") else ()),
)
# What one step checks and writes in a transaction.
PART_ROWS: Final = 200
_SAMPLES: Final = 200


@dataclass(frozen=True)
class Uploaded:
    """What was uploaded, and what is likely to be meant by its columns."""

    parts: list[list[SourceRow]]
    columns: Mapping


# Those that a Create makes, and workers, whom an administrator makes.
IMPORTED: Final[dict[str, Resource]] = {
    resource.name: resource
    for resource in RESOURCES
    if Verb.CREATE in resource.verbs or resource.name == "workers"
}


def targets(resource: Resource) -> list[Field]:
    """The fields that a column can go into."""
    return [
        field for field in resource.fields if field.create and not isinstance(field.kind, NewRows)
    ]


def fields_of(resource: Resource) -> Fields:
    """The same, as the mapping of columns knows them."""
    properties = {field.name: field.kind.schema() for field in targets(resource)}
    return Fields(resource.name, {"properties": properties})


def documents(resource: Resource) -> list[Field]:
    """Fields with members of their own, each of which a column can go into."""
    return [field for field in targets(resource) if type(field.kind) is Json]


def target_of(resource: Resource, path: str, namespace: str) -> Target | None:
    """Where a column goes that is mapped to this path; None where that is nowhere. The rows that a
    reference names may be told by their ids in other systems.
    """
    if path == EXTERNAL_ID:
        return Target(path)
    field = next((f for f in targets(resource) if f.name == path.partition(".")[0]), None)
    if field is None or ("." in path and field not in documents(resource)):
        return None
    if not isinstance(field.kind, Ref):
        return Target(path)
    return Target(path, mapping.namespace_of(namespace, field.kind.to))


def read(
    content: bytes, name: str, resource: Resource, *, namespace: str, timezone: str, most: int
) -> Uploaded:
    """Takes an uploaded file apart: in a thread, since it may be long. Raises ApiError where it is
    no such file, or has more rows than ``most``. ``namespace`` and ``timezone`` are those of its
    mapping.
    """
    rows: list[SourceRow] = []
    try:
        for row in files.rows_of(io.BytesIO(content), name):
            rows.append(row)
            if len(rows) > most:
                raise _refused(
                    f"The file has more than {most:,} rows. Part it, or load it with"
                    " almoner-client import."
                )
    except FileError as error:
        raise _refused(str(error)) from None
    if not rows:
        raise _refused("The file has a header and no row below it.")
    samples: Sequence[dict[str, Any]] = [row.values for row in rows[:_SAMPLES] if not row.broken]
    guessed = mapping.guess(resource.name, namespace, samples, fields_of(resource), timezone)
    columns = {
        column: target and target_of(resource, target.field, namespace)
        for column, target in guessed.columns.items()
    }
    parts = [rows[start : start + PART_ROWS] for start in range(0, len(rows), PART_ROWS)]
    return Uploaded(parts, replace(guessed, columns=columns))


def _refused(words: str) -> ApiError:
    return problem("bad_request", words, path=".content")
