"""The SQL that writes many rows at once, each its own values: one statement for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from almoner.data_api.change_log_sql import log_cte, whole_ctes
from almoner.data_api.declare import Resource, Unique
from almoner.data_api.statements import answer, changing, current_value, owners
from almoner.vocabulary.fields import NOW, Field, Shape
from almoner.vocabulary.kinds import Ref


@cache
def load(resource: Resource, shape: Shape | None) -> str:
    """Many rows at once. Parameters: environment, ids, an array for each writable column, the
    ``created_at``s, the actor's three. Answers with the rows in this shape, without one with all
    but their JSON.
    """
    return _load(resource, answer(resource, shape, "written", "id"), "*", along=False)


@cache
def load_silently(resource: Resource, along: bool = False) -> str:
    """The same, answering with how many rows there are. ``along`` is that of ``insert``."""
    about = resource.any_reference or (
        () if resource.patient in (None, "id") else (resource.patient,)
    )
    needed = ", ".join((*about, "environment_id", "id", "updated_at"))
    return _load(resource, "SELECT count(*) FROM written", needed, along)


def _load(resource: Resource, rows: str, returned: str, along: bool) -> str:
    columns = resource.writable
    names = ", ".join(["environment_id", "id", *(f.name for f in columns), "created_at"])
    types = ["uuid", *(f.kind.element for f in columns), "timestamptz"]
    arrays = ", ".join(f"${2 + n}::{kind}[]" for n, kind in enumerate(types))
    aliases = ", ".join(f"c{n}" for n in range(len(types)))
    picked = ", ".join(
        ["c0", *(_picked(f, f"c{1 + n}") for n, f in enumerate(columns)), f"c{len(columns) + 1}"]
    )
    log = log_cte(resource, "create", "written", 2 + len(types))
    ids = owners(resource)
    whole = () if along else whole_ctes(resource, ids, 2 + len(types))
    return (
        f"WITH written AS (INSERT INTO {resource.name} ({names}) SELECT $1, {picked} FROM"
        f" unnest({arrays}) WITH ORDINALITY AS loaded({aliases}, place){_looked_up(columns)} ORDER"
        f" BY place RETURNING {returned}),"
        f" {', '.join((f'log AS ({log})', *whole))} {rows}"
    )


def _picked(field: Field, alias: str) -> str:
    if isinstance(field.kind, Ref) and field.kind.current:
        return f"{field.name}_now.id"
    value = field.kind.from_element(alias)
    return f"coalesce({value}, clock_timestamp())" if field.default is NOW else value


def _looked_up(columns: Iterable[Field]) -> str:
    """What a load refers to, as it is now: each looked up once, in the order in which everybody
    locks several.
    """
    looked_up = ""
    for number, field in enumerate(columns):
        if isinstance(field.kind, Ref) and field.kind.current:
            once = (
                f"(SELECT DISTINCT id FROM unnest(${3 + number}::uuid[]) AS sent(id) ORDER BY id)"
                " AS once"
            )
            now = (
                f"(SELECT once.id AS was, {current_value(field, 'once.id')} AS id FROM {once}) AS"
                f" {field.name}_now"
            )
            looked_up += f" LEFT JOIN {now} ON {field.name}_now.was = c{1 + number}"
    return looked_up


@cache
def update_each(resource: Resource, shape: Shape | None, fields: tuple[str, ...]) -> str:
    """The same fields of many rows, each to values of its own. Parameters: environment, ids, an
    array for each of ``fields``, the actor's three. Answers with the rows that were changed, and
    what the ``updated_at`` of each was; those that have these values already are left."""
    columns = [resource.field(name) for name in fields]
    arrays = ", ".join(f"${3 + n}::{f.kind.element}[]" for n, f in enumerate(columns))
    aliases = ", ".join(f"e{n}" for n in range(len(columns)))
    named = ", ".join(
        f"{current_value(f, f.kind.from_element(f'e{n}'))} AS c{n}" for n, f in enumerate(columns)
    )
    was = (
        f"SELECT * FROM {resource.name} WHERE environment_id = $1 AND id = ANY ($2::uuid[])"
        " ORDER BY id FOR NO KEY UPDATE"
    )
    values = f"SELECT row_id, {named} FROM unnest($2::uuid[], {arrays}) AS each(row_id, {aliases})"
    ctes = changing(resource, fields, was, values, 3 + len(columns))
    rows = answer(resource, shape, "written", "before, written.id")
    return f"WITH {', '.join(ctes)} {rows}"


@cache
def lock_all(resource: Resource) -> str:
    """Parameters: environment, ids. The rows as they are, kept from changing until the transaction
    ends; in one order, so that two who lock many wait for each other, and not both for ever."""
    names = ", ".join(f.name for f in resource.stored)
    return (
        f"SELECT {names} FROM {resource.name} WHERE environment_id = $1 AND id = ANY ($2::uuid[])"
        " ORDER BY id FOR NO KEY UPDATE"
    )


@cache
def existing(resource: Resource) -> str:
    """Parameters: environment, ids. Those of them that there are, which stay until the transaction
    ends.
    """
    return (
        f"SELECT id::text FROM {resource.name} WHERE environment_id = $1 AND id = ANY ($2::uuid[])"
        " ORDER BY id FOR KEY SHARE"
    )


def pointing_key(pointer: Resource) -> Unique:
    """The values by which others know what a row points at, and that occur once."""
    assert pointer.any_reference is not None
    _, reference = pointer.any_reference
    return next(rule for rule in pointer.unique if reference not in rule.fields)


@cache
def pointed_at(pointer: Resource, rule: Unique) -> str:
    """Rows that others point at by values that occur once. Parameters: environment, the collection,
    an array for each field of the rule. The places in the arrays, from 1, each with the id."""
    assert pointer.any_reference is not None
    collection, reference = pointer.any_reference
    fields = [pointer.field(name) for name in rule.fields]
    arrays = ", ".join(f"${3 + n}::{f.kind.column}[]" for n, f in enumerate(fields))
    aliases = ", ".join(f"c{n}" for n in range(len(fields)))
    # Row by row through the index of the field that tells most, which stands last. Of a table that
    # nobody has analyzed yet, PostgreSQL expects that a namespace holds a row or two: whatever else
    # was compared here, it read all of it for each key while a first import filled it.
    *narrowing, key = fields
    by_key = key.kind.filter_sql(f"{pointer.name}.{key.name}", f"sent.c{len(narrowing)}")
    same = "".join(f" AND rows.{f.name} = sent.c{n}" for n, f in enumerate(narrowing))
    return (
        f"SELECT sent.place, rows.{reference}::text AS row_id FROM unnest({arrays}) WITH ORDINALITY"
        f" AS sent({aliases}, place) CROSS JOIN LATERAL (SELECT * FROM {pointer.name} WHERE"
        f" environment_id = $1 AND {by_key} OFFSET 0) AS rows WHERE rows.{collection} = $2{same}"
        " ORDER BY sent.place"
    )
