"""Rows of another collection inside of a body, created with the row that the body is of
(``welkin-2020.md``, section 2: Batch).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, ClassVar

from almoner.data_api import decode, describe_schemas, statements
from almoner.data_api.declare import Related, Resource, Row, Verb
from almoner.errors import MOST_PROBLEMS, Problem, parse_problem
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Field, Shape
from almoner.vocabulary.kinds import Json, Kind, Problems, Schema


@dataclass(frozen=True)
class NewRows(Json):
    """A list of bodies of a Create of ``resource``, all written or none. Each is about the row that
    it comes with, whose id goes into the field ``by``; ``fixed`` are fields whose values follow
    from that. A body names neither, but for one that is sent back as it was inside of a row, where
    they are ignored. ``own_scope``: they need the scope to write to their collection
    too, as roles may keep somebody from it who may create what they come with."""

    resource: Resource
    by: str
    fixed: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)
    shape: Shape = Shape.STORED
    own_scope: bool = False

    name: ClassVar[str] = "list"
    hint: ClassVar[str] = "a list of objects is expected"

    @property
    def inner(self) -> Resource:
        """The collection as such a body sees it."""
        return _without(self.resource, (self.by, *self.fixed))

    def enveloped(self) -> Kind:
        return replace(self, shape=Shape.ENVELOPED)

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        if type(value) is not list:
            problems.append(parse_problem(self.name, path, self.hint))
            return None
        rows = []
        for number, body in enumerate(value):
            here = f"{path}[{number}]"
            if len(problems) > MOST_PROBLEMS:
                break
            if type(body) is not dict:
                problems.append(parse_problem("json", here, "a JSON object is expected"))
                continue
            row_problems: Problems = []
            rows.append(decode.values(self.inner, body, Verb.CREATE, self.shape, row_problems))
            problems += [decode.moved(problem, here) for problem in row_problems]
        return rows

    def to_json(self, column: str) -> str:
        row = column.rpartition(".")[0]
        rows = statements.rendered(self.resource, self.shape, "inside")
        return (
            f"(SELECT ('[' || coalesce(string_agg({rows}::text, ',' ORDER BY inside.created_at,"
            f" inside.id), '') || ']')::json FROM {self.resource.name} AS inside WHERE"
            f" inside.environment_id = {row}.environment_id AND inside.{self.by} = {row}.id)"
        )

    def answer_schema(self) -> Schema:
        return {"type": "array", "items": describe_schemas.returned(self.resource, self.shape)}

    def schema(self) -> Schema:
        return {"type": "array", "items": describe_schemas.create(self.inner, self.shape)}

    def example(self) -> Any:
        return [
            {
                f.name: f.example()
                for f in self.inner.spelled[self.shape].fields
                if f.create and f.required
            }
        ]


@cache
def _without(resource: Resource, names: tuple[str, ...]) -> Resource:
    if not resource.part_of:
        return replace(resource, fields=tuple(f for f in resource.fields if f.name not in names))
    fields = tuple(
        replace(f, create=False, update=False, required=False) if f.name in names else f
        for f in resource.fields
    )
    return replace(resource, fields=fields)


@cache
def fields(resource: Resource) -> tuple[tuple[Field, NewRows], ...]:
    """The fields of a collection that hold new rows of others."""
    return tuple((f, f.kind) for f in resource.fields if isinstance(f.kind, NewRows))


def check(resource: Resource, row: Row, program: Program, before: Sequence[Problem]) -> Problems:
    """What the program and the rules of their own collections refuse of the rows that come with a
    new one.

    ``before``: what was found already; a row that did not parse is not looked at any further.
    """
    problems: Problems = []
    of_others = fields(resource)
    if not of_others:
        return problems
    unread = tuple(str(problem.extra.get("path", "")) for problem in before)
    for item, kind in of_others:
        for number, values in enumerate(row.get(item.name) or ()):
            here = f".{item.name}[{number}]"
            if not any(path.startswith(here) for path in unread):
                problems += [
                    decode.moved(problem, here)
                    for problem in decode.check(kind.inner, values, program, None)
                ]
    return problems


def related(resource: Resource, row: Row, program: Program, loaded: bool = False) -> list[Related]:
    """All rows that the Create of ``row`` writes along, in the order in which they are written.
    What is ``loaded`` from elsewhere is no news.
    """
    rows = list(resource.on_create(row, program)) if resource.on_create else []
    rows = [each for each in rows if not (loaded and each.tells)]
    for item, kind in fields(resource):
        for number, values in enumerate(row.get(item.name) or ()):
            whole = {**values, **kind.fixed, kind.by: row["id"]}
            rows.append(Related(kind.resource.name, whole, f".{item.name}[{number}]"))
    return rows


def are_inside(resource: Resource, shape: Shape | None, along: Iterable[Related]) -> bool:
    """Whether rows of this shape have those inside that are written along."""
    if shape is None:
        return False
    kinds = (field.kind for _, field in resource.spelled[shape].answered)
    inside = {kind.resource.name for kind in kinds if isinstance(kind, NewRows)}
    return any(each.resource in inside for each in along)


def own_scopes(resource: Resource, body: Row) -> list[str]:
    """The collections to which a body writes along and that need a scope of their own for it."""
    return [
        kind.resource.name
        for item, kind in fields(resource)
        if kind.own_scope and body.get(item.name)
    ]
