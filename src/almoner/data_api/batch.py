"""Many rows of one collection, decoded and checked like so many Creates, as the columns of one
statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from almoner.data_api import decode, nested, rules
from almoner.data_api.declare import Related, Resource, Row, Verb
from almoner.errors import ApiError, Problem
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Problems

# What a row may bring besides the fields of a Create.
_BROUGHT = frozenset({"id", "created_at"})


def columns(
    resource: Resource, rows: Sequence[Row], created: Sequence[Any] | None = None
) -> list[list[Any]]:
    """The arrays of ``set_statements.load``: the ids of these decoded rows, each writable column
    and the ``created_at``s, those of the write itself where none are named.
    """
    if not rows:
        return [[] for _ in range(len(resource.writable) + 2)]
    values = [[row["id"], *decode.complete(resource, row)] for row in rows]
    arrays = [list(column) for column in zip(*values, strict=True)]
    for number, field in enumerate(resource.writable, 1):
        if field.kind.element != field.kind.column:
            arrays[number] = [field.kind.bind_element(value) for value in arrays[number]]
    return [*arrays, list(created or [None] * len(rows))]


class LoadedBatch:
    """Collects rows for ``Store.load``."""

    def __init__(self, resource: Resource, program: Program, whole: bool) -> None:
        self.rows: list[Row] = []
        self.created: list[Any] = []
        self.related: list[Related] = []
        # Kept only where rows must be looked for before they are written.
        self.claiming: list[Row] = []
        self._resource = resource
        self._program = program
        self._whole = whole
        self._problems: Problems = []
        self._count = 0

    def add(self, body: Row, row_id: str) -> None:
        """Takes a row in; its problems are kept for ``verify``."""
        problems: Problems = []
        fields = {name: value for name, value in body.items() if name not in _BROUGHT}
        row = decode.values(
            self._resource,
            fields,
            verb=Verb.CREATE,
            shape=Shape.STORED,
            problems=problems,
            whole=self._whole,
        )
        problems += rules.refused(self._resource, row, self._program, None, problems)
        if problems:
            self._problems += [decode.moved(p, f"[{self._count}]") for p in problems]
        self._count += 1
        row["id"] = row_id
        if self._resource.claims:
            self.claiming.append(row)
        if not problems:
            self.related += nested.related(self._resource, row, self._program, loaded=True)
        self.rows.append(row)
        self.created.append(body.get("created_at"))

    @property
    def columns(self) -> list[list[Any]]:
        return columns(self._resource, self.rows, self.created)

    def refuse(self, refused: Iterable[tuple[int, Problem]]) -> None:
        """Takes in what is wrong with rows, each by its number, and raises as ``verify`` does."""
        self._problems += [decode.moved(problem, f"[{number}]") for number, problem in refused]
        self.verify()

    def verify(self) -> None:
        """Raises ApiError with the problems of all rows, as far as an answer holds them."""
        if self._problems:
            raise ApiError(self._problems)
