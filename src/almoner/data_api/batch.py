"""Many rows of one collection, decoded and checked like so many Creates, as the columns of one statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from almoner.data_api import decode, nested, rules
from almoner.data_api.declare import Related, Resource, Row, Verb
from almoner.errors import ApiError, Problem
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Problems, Texts

# What a row may bring besides the fields of a Create.
_BROUGHT = frozenset({"id", "created_at"})


class Batch:
    """Collects rows for ``Store.load``; ``columns`` holds the ids, each writable column and the ``created_at``s."""

    def __init__(self, resource: Resource, program: Program, whole: bool) -> None:
        self.columns: list[list[Any]] = [[] for _ in range(len(resource.writable) + 2)]
        self.related: list[Related] = []
        # Kept only where rows must be looked for before they are written.
        self.claiming: list[Row] = []
        self._resource = resource
        self._program = program
        self._whole = whole
        self._problems: Problems = []
        self._count = 0
        # PostgreSQL cannot take an array of arrays apart by row, so a list of strings travels as JSON.
        self._lists = [1 + n for n, f in enumerate(resource.writable) if isinstance(f.kind, Texts)]

    def add(self, given: Row, row_id: str) -> None:
        """Takes a row in; its problems are kept for ``verify``."""
        found: Problems = []
        fields = {name: value for name, value in given.items() if name not in _BROUGHT}
        row = decode.values(self._resource, fields, verb=Verb.CREATE, shape=Shape.STORED, problems=found, whole=self._whole)
        found += rules.refused(self._resource, row, self._program, None, found)
        if found:
            self._problems += [decode.moved(p, f"[{self._count}]") for p in found]
        self._count += 1
        row["id"] = row_id
        if self._resource.claims:
            self.claiming.append(row)
        if not found:
            self.related += nested.related(self._resource, row)
        bound = [row_id, *decode.complete(self._resource, row), given.get("created_at")]
        for place in self._lists:
            bound[place] = msgspec.json.encode(bound[place]).decode()
        for column, value in zip(self.columns, bound, strict=True):
            column.append(value)

    def refuse(self, found: Iterable[tuple[int, Problem]]) -> None:
        """Takes in what is wrong with rows, each by its number, and raises as ``verify`` does."""
        self._problems += [decode.moved(problem, f"[{number}]") for number, problem in found]
        self.verify()

    def verify(self) -> None:
        """Raises ApiError with the problems of all rows, as far as an answer holds them."""
        if self._problems:
            raise ApiError(self._problems)
