"""The SQL of a declaration: one statement a request, built once and prepared once a connection.

PostgreSQL renders the JSON, and hands it over as bytes that are sent on as they are. A write and
its row of the change log are one statement, so that neither exists without the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from uuid import UUID

from almoner.data_api.change_log_sql import (
    about_patient,
    log_cte,
    update_ctes,
    values_json,
    whole_ctes,
)
from almoner.data_api.declare import Filter, Resource, Through, Unique
from almoner.data_api.idempotency_sql import stored
from almoner.vocabulary.fields import NOW, Field, Shape
from almoner.vocabulary.kinds import Ref


def body(resource: Resource, shape: Shape | None, source: str) -> str:
    """The column ``body``: a row as JSON, in UTF-8; nothing where it has no shape."""
    if shape is None:
        return "''::bytea AS body"
    return f"convert_to({rendered(resource, shape, source)}::text, 'UTF8') AS body"


def rendered(resource: Resource, shape: Shape, source: str) -> str:
    columns = ", ".join(
        f"{f.kind.to_json(f'{source}.{f.name}')} AS {key}"
        for key, f in resource.spelled[shape].answered
    )
    return f"row_to_json((SELECT answer FROM (SELECT {columns}) AS answer))"


def patient_of(resource: Resource, source: str) -> str:
    return (
        f"coalesce(uuid_send({about_patient(resource, source)}), ''::bytea)"
        if resource.tells_of_patients
        else "''::bytea"
    )


def _about_each(resource: Resource, source: str) -> str:
    """The same as sixteen bytes, whatever the row is about."""
    never_null = resource.patient is not None and not resource.field(resource.patient).nullable
    about = about_patient(resource, source)
    return (
        f"uuid_send({about})"
        if never_null
        else f"uuid_send(coalesce({about}, '{UUID(bytes=NOBODY)}'))"
    )


def answer(resource: Resource, shape: Shape | None, source: str, more: str = "") -> str:
    """Rows of ``source`` as what is written answers with them. ``more``: columns of it that are
    answered with as they are.
    """
    also = f", {source}.{more}" if more else ""
    return (
        f"SELECT {body(resource, shape, source)}, {source}.updated_at,"
        f" {patient_of(resource, source)} AS patient{also} FROM {source}"
    )


@cache
def get(resource: Resource, shape: Shape) -> str:
    return f"{answer(resource, shape, resource.name)} WHERE environment_id = $1 AND id = $2"


@cache
def get_keyed(resource: Resource, shape: Shape, before: str = "updated_at") -> str:
    """A row as ``get`` answers with it, stored as the answer to an Update of nothing, or to a
    Create (whose ``before`` is null). Parameters: environment, id, the ``updated_at``s of which the
    row must have one (or null), the key's three.
    """
    met = f"($3::timestamptz[] IS NULL OR {resource.name}.updated_at = ANY ($3))"
    return stored((), f"{get(resource, shape)} AND {met}", first=4, before=before)


@cache
def rows(resource: Resource, shape: Shape | None) -> str:
    """Parameters: environment, ids. The rows of these ids as JSON, each with its id, its
    ``updated_at`` and its patient.
    """
    name = resource.name
    return (
        f"SELECT id::text AS row_id, updated_at, {body(resource, shape, name)},"
        f" {patient_of(resource, name)} AS patient FROM {name} WHERE environment_id = $1 AND id ="
        " ANY ($2::uuid[])"
    )


# Parts the rows of a page: a character that no JSON text can hold, so that a row is cut off without
# being read.
ROW_END = b"\x1e"
KEY_BYTES = 24
# In the place of a patient's id.
NOBODY = bytes(16)


@cache
def find(resource: Resource, shape: Shape, filters: tuple[Filter, ...]) -> str:
    """Parameters: environment, from, the id behind which to go on, to, limit, then the values of
    ``filters``.

    One row: ``body``, the rows' JSON parted by ``ROW_END``; ``keys``, for each row the eight bytes
    of ``updated_at`` as PostgreSQL sends it and the sixteen of its id; ``patients``, the sixteen of
    whom each row is about, ``NOBODY`` for a row that is about none; null where no row of the
    collection is about a patient. All null where there is no row."""
    narrowed = "".join(f" AND {condition}" for condition in conditions(filters, 6))
    patients = (
        f"string_agg({_about_each(resource, 'page')}, ''::bytea)"
        if resource.tells_of_patients
        else "NULL::bytea"
    )
    return (
        f"SELECT convert_to(string_agg({rendered(resource, shape, 'page')}::text,"
        f" chr({ROW_END[0]})), 'UTF8') AS body, string_agg(timestamptz_send(page.updated_at) ||"
        f" uuid_send(page.id), ''::bytea) AS keys, {patients} AS patients FROM (SELECT * FROM"
        f" {resource.name} WHERE environment_id = $1 AND (updated_at, id) > ($2::timestamptz,"
        f" $3::uuid) AND updated_at <= $4::timestamptz{narrowed} ORDER BY updated_at, id LIMIT"
        " $5) AS page"
    )


def conditions(filters: tuple[Filter, ...], first: int) -> list[str]:
    """What the rows must hold; the filters' values are the parameters from ``first`` on."""
    parts: list[str] = []
    through: dict[Through, list[str]] = {}
    either: dict[str, list[str]] = {}
    for number, finder in enumerate(filters, first):
        group = (
            through.setdefault(finder.through, [])
            if finder.through
            else either.setdefault(finder.either, [])
            if finder.either
            else parts
        )
        group.append(finder.sql.format(value=f"${number}::{finder.kind.column}"))
    parts += [f"({' OR '.join(conditions)})" for conditions in either.values()]
    for rows, conditions in through.items():
        condition = " AND ".join((rows.where, *conditions))
        parts.append(
            f"{rows.column} IN (SELECT {rows.key} FROM {rows.table} WHERE environment_id = $1 AND"
            f" {condition})"
        )
    return parts


@cache
def insert(resource: Resource, shape: Shape, keyed: bool = False, along: bool = False) -> str:
    """Parameters: environment, id, the writable columns in order, then the actor's three; where the
    write is ``keyed``, the idempotency key's three. ``along``: what it is a part of is new as well,
    and is not stamped again.
    """
    columns = resource.writable
    names = ", ".join(["environment_id", "id", *(f.name for f in columns)])
    values = ", ".join(["$1", "$2", *(_value(f, f"${3 + n}") for n, f in enumerate(columns))])
    log = log_cte(resource, "create", "written", 3 + len(columns))
    return stored(
        (
            f"written AS (INSERT INTO {resource.name} ({names}) VALUES ({values}) RETURNING *)",
            f"log AS ({log})",
            *(() if along else whole_ctes(resource, owners(resource), 3 + len(columns))),
        ),
        answer(resource, shape, "written"),
        first=3 + len(columns) + 3 if keyed else None,
        before="NULL",
    )


def owners(resource: Resource, source: str = "written") -> str:
    """Selects the patients whom rows of ``source`` are about."""
    return f"SELECT {source}.{resource.patient} FROM {source}"


def _value(field: Field, parameter: str) -> str:
    if field.default is NOW:
        return f"coalesce({parameter}::timestamptz, clock_timestamp())"
    return current_value(field, f"{parameter}::{field.kind.column}")


def current_value(field: Field, value: str) -> str:
    """What is written where a row refers to ``value``, which may have become part of another since.

    It is locked by this statement, which costs less than within the function, and is then asked
    about."""
    ref = field.kind
    if not isinstance(ref, Ref) or not ref.current:
        return value
    locked = (
        f"(SELECT id FROM {ref.to} WHERE environment_id = $1 AND {ref.to}.id = {value} FOR KEY"
        " SHARE) AS locked"
    )
    return f"coalesce((SELECT {ref.current}($1, locked.id) FROM {locked}), {value})"


@cache
def current(ref: Ref) -> str:
    """Parameters: environment, id. The id of the row that it goes on as, mostly itself."""
    return f"SELECT {ref.current}($1, $2::uuid)::text" if ref.current else "SELECT $2::uuid::text"


@cache
def update(resource: Resource, shape: Shape, fields: tuple[str, ...], keyed: bool = False) -> str:
    """Parameters: environment, id, the ``updated_at``s of which the row must have one (or null),
    the values of ``fields``, the actor's three; where the write is ``keyed``, the idempotency key's
    three. No row where there is none like that, or where it has these values already."""
    # The row is locked as it is read, so that what it held before is what this statement replaces.
    was = (
        f"SELECT * FROM {resource.name} WHERE environment_id = $1 AND id = $2 AND"
        " ($3::timestamptz[] IS NULL OR updated_at = ANY ($3)) FOR NO KEY UPDATE"
    )
    ctes = changing(resource, fields, was, _values(resource, fields, 4), 4 + len(fields))
    rows = answer(resource, shape, "written", "before")
    return stored(ctes, rows, 4 + len(fields) + 3 if keyed else None, before="before")


def changing(
    resource: Resource, fields: Sequence[str], was: str, values: str, actor: int
) -> tuple[str, ...]:
    """The CTEs of every update of a collection: of the rows that ``was`` selects and locks, those
    are written in which a field is another than sent; ``values`` selects what was sent, by the
    ``row_id``, as c0, c1 ... The actor's three parameters begin at ``actor``.

    ``written`` has the rows as they are then, when each was changed ``before``, its
    ``changed_fields`` and their ``differences``. What is as it was sent is not stamped, and nobody
    is told of it (decision 103)."""
    columns = {name: f"sent.c{n}" for n, name in enumerate(fields)}
    named = ", ".join(f"{name} = {value}" for name, value in columns.items())
    others = {name: _differs(resource.field(name), value) for name, value in columns.items()}
    fields_that_differ = ", ".join(
        f"CASE WHEN {sql} THEN '{name}' END" for name, sql in others.items()
    )
    differences = (
        f"almoner_differences({values_json(resource, fields, 'was')},"
        f" {values_json(resource, fields, 'changed')})"
    )
    ids = owners(resource)
    if resource.patient in fields:
        ids += f" UNION {owners(resource, 'was')} JOIN written ON written.id = was.id"
    return (
        f"was AS ({was})",
        f"sent AS ({values})",
        f"written AS (UPDATE {resource.name} AS changed SET {named} FROM was JOIN sent ON"
        " sent.row_id = was.id WHERE changed.environment_id = $1 AND changed.id = was.id AND"
        f" ({' OR '.join(others.values())}) RETURNING changed.*, was.updated_at AS before,"
        f" array_remove(ARRAY[{fields_that_differ}], NULL) AS changed_fields,"
        f" {differences} AS differences)",
        update_ctes(resource, actor),
        *whole_ctes(resource, ids, actor),
    )


def _differs(field: Field, value: str) -> str:
    """Whether a value is another than the row's. The order of an object's keys says nothing."""
    compared = "::jsonb" if field.kind.column == "json" else ""
    return f"was.{field.name}{compared} IS DISTINCT FROM {value}{compared}"


def _values(resource: Resource, fields: Sequence[str], first: int) -> str:
    """The same values for each row; they are the parameters from ``first`` on."""
    columns = enumerate(map(resource.field, fields))
    sent = ((f, n, f"${first + n}::{f.kind.column}") for n, f in columns)
    named = ", ".join(f"{current_value(f, value)} AS c{n}" for f, n, value in sent)
    return f"SELECT was.id AS row_id, {named} FROM was"


@cache
def update_all(resource: Resource, fields: tuple[str, ...], blank: bool = False) -> str:
    """The same of many rows. Parameters: environment, ids, the values of ``fields``, the actor's
    three. Answers with how many were changed.

    ``blank``: of those alone in which none of these fields is set."""
    unset = "".join(f" AND {name} IS NULL" for name in fields) if blank else ""
    # In one order, so that two who change many rows at once wait for each other, and not both for
    # ever.
    was = (
        f"SELECT * FROM {resource.name} WHERE environment_id = $1 AND id = ANY ($2::uuid[]){unset}"
        " ORDER BY id FOR NO KEY UPDATE"
    )
    ctes = changing(resource, fields, was, _values(resource, fields, 3), 3 + len(fields))
    return f"WITH {', '.join(ctes)} SELECT count(*) FROM written"


@cache
def move(resource: Resource) -> str:
    """Parameters: environment, the patient whom rows are about and the one whom they are to be
    about, the ids of rows that stay as they are, the actor's three. Answers with how many were
    moved."""
    log = log_cte(resource, "update", "written", 5, fields=f"ARRAY['{resource.patient}']")
    both = "SELECT unnest(ARRAY[$2, $3]::uuid[]) WHERE EXISTS (SELECT FROM written)"
    whole = "".join(f", {cte}" for cte in whole_ctes(resource, both, 5))
    return (
        f"WITH written AS (UPDATE {resource.name} SET {resource.patient} = $3 WHERE environment_id"
        f" = $1 AND {resource.patient} = $2 AND NOT id = ANY ($4::uuid[]) RETURNING *), log AS"
        f" ({log}){whole} SELECT count(*) FROM written"
    )


@cache
def lock(resource: Resource) -> str:
    """Parameters: environment, id. The row as it is, kept from changing until the transaction
    ends.
    """
    names = ", ".join(f.name for f in resource.stored)
    return f"SELECT {names} FROM {resource.name} WHERE environment_id = $1 AND id = $2 FOR UPDATE"


@cache
def delete(
    resource: Resource, shape: Shape, pointers: tuple[Resource, ...], keyed: bool = False
) -> str:
    """Parameters: environment, id, the actor's three; where the write is ``keyed``, the idempotency
    key's three. Rows of ``pointers`` that point at the one deleted go with it.
    """
    ctes = [
        f"gone AS (DELETE FROM {resource.name} WHERE environment_id = $1 AND id = $2 RETURNING *)",
        f"log AS ({log_cte(resource, 'delete', 'gone', 3, differences=_lost(resource, 'gone'))})",
        *whole_ctes(resource, owners(resource, "gone"), 3),
    ]
    for number, pointer in enumerate(pointers):
        assert pointer.any_reference is not None
        collection, reference = pointer.any_reference
        ctes.append(
            f"pointing{number} AS (DELETE FROM {pointer.name} WHERE environment_id = $1 AND"
            f" {reference} = $2 AND {collection} = '{resource.name}' RETURNING *)"
        )
        lost = _lost(pointer, f"pointing{number}")
        log = log_cte(pointer, "delete", f"pointing{number}", 3, differences=lost)
        ctes.append(f"log{number} AS ({log})")
    gone = answer(resource, shape, "gone")
    return stored(ctes, gone, 6 if keyed else None, before="updated_at")


def _lost(resource: Resource, source: str) -> str:
    """What a deleted row held."""
    names = [
        f.name
        for f in resource.returned
        if f.stored and f.name not in ("id", "updated_at", "created_at", resource.patient)
    ]
    return f"almoner_differences({values_json(resource, names, source)}, '{{}}'::json)"


@cache
def exists(table: str, within: str | None) -> str:
    """Parameters: environment, id. One row where it exists, holding the value of ``within`` (or the
    id).
    """
    return (
        f"SELECT {within or 'id'}::text FROM {table} WHERE environment_id = $1 AND id = $2 FOR KEY"
        " SHARE"
    )


@cache
def taken(resource: Resource, rule: Unique) -> str:
    """Parameters: environment, an array for each field of the rule. The places in the arrays, from
    1, of what rows have.
    """
    fields = [resource.field(name) for name in rule.fields]
    arrays = ", ".join(f"${2 + n}::{f.kind.column}[]" for n, f in enumerate(fields))
    aliases = ", ".join(f"c{n}" for n in range(len(fields)))
    values = ", ".join(f"{current_value(f, f's.c{n}')} AS c{n}" for n, f in enumerate(fields))
    same = {f: f"rows.{f.name} = claims.c{n}" for n, f in enumerate(fields)}
    # Row by row, among those that refer to the same: see ``set_statements.pointed_at``.
    referring = " AND ".join(same[f] for f in fields if isinstance(f.kind, Ref))
    alike = " AND ".join(same[f] for f in fields if not isinstance(f.kind, Ref))
    return (
        f"SELECT claims.place FROM (SELECT {values}, place FROM unnest({arrays}) WITH ORDINALITY AS"
        f" s({aliases}, place)) AS claims WHERE (SELECT bool_or({alike}) FROM {resource.name} AS"
        f" rows WHERE rows.environment_id = $1 AND {referring}) ORDER BY claims.place"
    )


def ordered(resource: Resource, names: Iterable[str]) -> tuple[str, ...]:
    """The names in the order of the declaration, so that one set of fields is one statement."""
    asked = set(names)
    return tuple(f.name for f in resource.stored if f.name in asked and f.generated is None)
