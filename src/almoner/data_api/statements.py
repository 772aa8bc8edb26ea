"""The SQL of a declaration: one statement a request, built once and prepared once a connection.

PostgreSQL renders the JSON, and hands it over as bytes that are sent on as they are. A write and its row of the change log are one
statement, so that neither exists without the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from uuid import UUID

from almoner.data_api.declare import Filter, Resource, Through, Unique
from almoner.vocabulary.fields import NOW, Field, Shape
from almoner.vocabulary.kinds import Ref, Texts

_ACTOR = ("actor", "through", "request_id")


def body(resource: Resource, shape: Shape, source: str) -> str:
    """The column ``body``: a row as JSON, in UTF-8."""
    return f"convert_to({_rendered(resource, shape, source)}::text, 'UTF8') AS body"


def _rendered(resource: Resource, shape: Shape, source: str) -> str:
    shown = ", ".join(f"{f.kind.to_json(f'{source}.{f.name}')} AS {key}" for key, f in resource.spelled[shape].answered)
    return f"row_to_json((SELECT shown FROM (SELECT {shown}) AS shown))"


def _patient(resource: Resource, source: str) -> str:
    return f"coalesce(uuid_send({_about(resource, source)}), ''::bytea)" if resource.tells_of_patients else "''::bytea"


def _log(resource: Resource, kind: str, source: str, first: int, fields: bool = False, differences: str = "") -> str:
    """The CTE that writes the change rows of ``source``; the actor's three parameters begin at ``first``.

    ``differences``: the SQL of what the row held before and after, where that is kept.
    """
    actor = ", ".join(f"${first + n}::text" for n in range(len(_ACTOR)))
    named = f"${first + len(_ACTOR)}::text[]" if fields else "NULL::text[]"
    moment = "almoner_stamp()" if kind == "delete" else f"{source}.updated_at"
    return (
        "INSERT INTO changes (environment_id, kind, resource, row_id, patient_id, changed_at, actor, through, request_id, fields, "
        f"differences) SELECT {source}.environment_id, '{kind}', '{resource.name}', {source}.id, {_about(resource, source)}, "
        f"{moment}, {actor}, {named}, {differences or 'NULL::json'} FROM {source}"
    )


def _about(resource: Resource, source: str) -> str:
    """The patient whom a row is about, a mapping of a patient's id included."""
    if resource.any_reference:
        collection, reference = resource.any_reference
        return f"CASE WHEN {source}.{collection} = 'patients' THEN {source}.{reference} END"
    return f"{source}.{resource.patient}" if resource.patient else "NULL::uuid"


def _about_each(resource: Resource, source: str) -> str:
    """The same as sixteen bytes, whatever the row is about."""
    never_null = resource.patient is not None and not resource.field(resource.patient).nullable
    about = _about(resource, source)
    return f"uuid_send({about})" if never_null else f"uuid_send(coalesce({about}, '{UUID(bytes=NOBODY)}'))"


def _values(resource: Resource, names: Iterable[str], source: str) -> str:
    """These fields of a row as a JSON object."""
    shown = ", ".join(f"'{name}', {resource.field(name).kind.to_json(f'{source}.{name}')}" for name in names)
    return f"json_build_object({shown})"


def _answer(resource: Resource, shape: Shape, source: str, more: str = "") -> str:
    """``more``: a column of ``source`` that is answered with as it is."""
    return (
        f"SELECT {body(resource, shape, source)}, {source}.updated_at, {_patient(resource, source)} AS patient"
        f"{f', {source}.{more}' if more else ''} FROM {source}"
    )


@cache
def get(resource: Resource, shape: Shape) -> str:
    """Parameters: environment, id."""
    return f"{_answer(resource, shape, resource.name)} WHERE environment_id = $1 AND id = $2"


@cache
def rows(resource: Resource, shape: Shape) -> str:
    """Parameters: environment, ids. The rows of these ids as JSON, each with its id and its patient."""
    name = resource.name
    return (
        f"SELECT id::text AS row_id, {body(resource, shape, name)}, {_patient(resource, name)} AS patient FROM {name} "
        "WHERE environment_id = $1 AND id = ANY ($2::uuid[])"
    )


# Parts the rows of a page: a character that no JSON text can hold, so that a row is cut off without being read.
ROW_END = b"\x1e"
KEY_BYTES = 24
# In the place of a patient's id.
NOBODY = bytes(16)


@cache
def find(resource: Resource, shape: Shape, filters: tuple[Filter, ...]) -> str:
    """Parameters: environment, from, the id behind which to go on, to, limit, then the values of ``filters``.

    One row: ``body``, the rows' JSON parted by ``ROW_END``; ``keys``, for each row the eight bytes of ``updated_at`` as
    PostgreSQL sends it and the sixteen of its id; ``patients``, the sixteen of whom each row is about, ``NOBODY`` for a row that
    is about none; null where no row of the collection is about a patient. All null where there is no row.
    """
    conditions = "".join(f" AND {condition}" for condition in _conditions(filters, 6))
    patients = f"string_agg({_about_each(resource, 'page')}, ''::bytea)" if resource.tells_of_patients else "NULL::bytea"
    return (
        f"SELECT convert_to(string_agg({_rendered(resource, shape, 'page')}::text, chr({ROW_END[0]})), 'UTF8') AS body, "
        "string_agg(timestamptz_send(page.updated_at) || uuid_send(page.id), ''::bytea) AS keys, "
        f"{patients} AS patients "
        f"FROM (SELECT * FROM {resource.name} WHERE environment_id = $1 AND (updated_at, id) > ($2::timestamptz, $3::uuid) "
        f"AND updated_at <= $4::timestamptz{conditions} ORDER BY updated_at, id LIMIT $5) AS page"
    )


def _conditions(filters: tuple[Filter, ...], first: int) -> list[str]:
    """What the rows must hold; the filters' values are the parameters from ``first`` on."""
    found: list[str] = []
    through: dict[Through, list[str]] = {}
    either: dict[str, list[str]] = {}
    for number, one in enumerate(filters, first):
        group = through.setdefault(one.through, []) if one.through else either.setdefault(one.either, []) if one.either else found
        group.append(one.sql.format(value=f"${number}::{one.kind.column}"))
    found += [f"({' OR '.join(conditions)})" for conditions in either.values()]
    for rows, conditions in through.items():
        held = " AND ".join((rows.where, *conditions))
        found.append(f"{rows.column} IN (SELECT {rows.key} FROM {rows.table} WHERE environment_id = $1 AND {held})")
    return found


@cache
def insert(resource: Resource, shape: Shape) -> str:
    """Parameters: environment, id, the writable columns in order, then the actor's three."""
    columns = resource.writable
    names = ", ".join(["environment_id", "id", *(f.name for f in columns)])
    values = ", ".join(["$1", "$2", *(_value(f, f"${3 + n}") for n, f in enumerate(columns))])
    log = _log(resource, "create", "written", 3 + len(columns))
    return (
        f"WITH written AS (INSERT INTO {resource.name} ({names}) VALUES ({values}) RETURNING *), log AS ({log}) "
        f"{_answer(resource, shape, 'written')}"
    )


def _value(field: Field, parameter: str) -> str:
    if field.default is NOW:
        return f"coalesce({parameter}::timestamptz, clock_timestamp())"
    return _current(field, f"{parameter}::{field.kind.column}")


def _current(field: Field, given: str) -> str:
    """What is written where a row refers to ``given``, which may have become part of another since.

    It is locked by this statement, which costs less than within the function, and is then asked about.
    """
    ref = field.kind
    if not isinstance(ref, Ref) or not ref.current:
        return given
    locked = f"(SELECT id FROM {ref.to} WHERE environment_id = $1 AND {ref.to}.id = {given} FOR KEY SHARE) AS locked"
    return f"coalesce((SELECT {ref.current}($1, locked.id) FROM {locked}), {given})"


@cache
def current(ref: Ref) -> str:
    """Parameters: environment, id. The id of the row that it goes on as, mostly itself."""
    return f"SELECT {ref.current}($1, $2::uuid)::text" if ref.current else "SELECT $2::uuid::text"


@cache
def load(resource: Resource) -> str:
    """Many rows at once. Parameters: environment, ids, an array for each writable column, the ``created_at``s, the actor's three.

    An array of arrays cannot be taken apart by row, so lists of strings come as JSON.
    """
    columns = resource.writable
    names = ", ".join(["environment_id", "id", *(f.name for f in columns), "created_at"])
    types = ["uuid", *("json" if isinstance(f.kind, Texts) else f.kind.column for f in columns), "timestamptz"]
    arrays = ", ".join(f"${2 + n}::{kind}[]" for n, kind in enumerate(types))
    aliases = ", ".join(f"c{n}" for n in range(len(types)))
    picked = ", ".join(["c0", *(_picked(f, f"c{1 + n}") for n, f in enumerate(columns)), f"c{len(columns) + 1}"])
    log = _log(resource, "create", "written", 2 + len(types))
    about = resource.any_reference or (() if resource.patient in (None, "id") else (resource.patient,))
    told = "".join(f", {name}" for name in about)
    return (
        f"WITH written AS (INSERT INTO {resource.name} ({names}) SELECT $1, {picked} FROM unnest({arrays}) WITH ORDINALITY "
        f"AS given({aliases}, place){_looked_up(columns)} ORDER BY place "
        f"RETURNING environment_id, id, updated_at{told}), log AS ({log}) SELECT count(*) FROM written"
    )


def _picked(field: Field, alias: str) -> str:
    if isinstance(field.kind, Texts):
        return f"ARRAY(SELECT json_array_elements_text({alias}))"
    if isinstance(field.kind, Ref) and field.kind.current:
        return f"{field.name}_now.id"
    return f"coalesce({alias}, clock_timestamp())" if field.default is NOW else alias


def _looked_up(columns: Iterable[Field]) -> str:
    """What a load refers to, as it is now: each looked up once, in the order in which everybody locks several."""
    looked_up = ""
    for number, field in enumerate(columns):
        if isinstance(field.kind, Ref) and field.kind.current:
            once = f"(SELECT DISTINCT id FROM unnest(${3 + number}::uuid[]) AS sent(id) ORDER BY id) AS once"
            now = f"(SELECT once.id AS was, {_current(field, 'once.id')} AS id FROM {once}) AS {field.name}_now"
            looked_up += f" LEFT JOIN {now} ON {field.name}_now.was = c{1 + number}"
    return looked_up


@cache
def update(resource: Resource, shape: Shape, fields: tuple[str, ...]) -> str:
    """Parameters: environment, id, the ``updated_at``s of which the row must have one (or null), the values of ``fields``,
    the actor's three, and the names of the fields for the change log.
    """
    named = _named(resource, fields, 4)
    differences = f"almoner_differences({_values(resource, fields, 'was')}, {_values(resource, fields, 'changed')})"
    log = _log(resource, "update", source="written", first=4 + len(fields), fields=True, differences="written.differences")
    # The row is locked as it is read, so that what it held before is what this statement replaces.
    return (
        f"WITH was AS (SELECT * FROM {resource.name} WHERE environment_id = $1 AND id = $2 "
        "AND ($3::timestamptz[] IS NULL OR updated_at = ANY ($3)) FOR NO KEY UPDATE), "
        f"written AS (UPDATE {resource.name} AS changed SET {named} FROM was WHERE changed.environment_id = $1 "
        f"AND changed.id = was.id "
        f"RETURNING changed.*, was.updated_at AS before, {differences} AS differences), log AS ({log}) "
        f"{_answer(resource, shape, 'written', 'before')}"
    )


def _named(resource: Resource, fields: tuple[str, ...], first: int) -> str:
    """What an update sets; the fields' values are the parameters from ``first`` on."""
    set_to = ((f, f"${first + n}::{f.kind.column}") for n, f in enumerate(map(resource.field, fields)))
    return ", ".join(f"{f.name} = {_current(f, value)}" for f, value in set_to)


@cache
def update_all(resource: Resource, fields: tuple[str, ...]) -> str:
    """The same of many rows. Parameters: environment, ids, the values of ``fields``, the actor's three, and the names of the fields
    for the change log. Answers with how many were changed.
    """
    named = _named(resource, fields, 3)
    differences = f"almoner_differences({_values(resource, fields, 'was')}, {_values(resource, fields, 'changed')})"
    log = _log(resource, "update", source="written", first=3 + len(fields), fields=True, differences="written.differences")
    # In one order, so that two who change many rows at once wait for each other, and not both for ever.
    return (
        f"WITH was AS (SELECT * FROM {resource.name} WHERE environment_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id "
        f"FOR NO KEY UPDATE), written AS (UPDATE {resource.name} AS changed SET {named} FROM was WHERE changed.environment_id = $1 "
        f"AND changed.id = was.id RETURNING changed.*, {differences} AS differences), log AS ({log}) SELECT count(*) FROM written"
    )


@cache
def move(resource: Resource) -> str:
    """Parameters: environment, the patient whom rows are about and the one whom they are to be about, the ids of rows that stay as
    they are, the actor's three, and the name of the field for the change log. Answers with how many were moved.
    """
    log = _log(resource, "update", "written", 5, fields=True)
    return (
        f"WITH written AS (UPDATE {resource.name} SET {resource.patient} = $3 WHERE environment_id = $1 "
        f"AND {resource.patient} = $2 AND NOT id = ANY ($4::uuid[]) RETURNING *), log AS ({log}) SELECT count(*) FROM written"
    )


@cache
def lock(resource: Resource) -> str:
    """Parameters: environment, id. The row as it is, kept from changing until the transaction ends."""
    names = ", ".join(f.name for f in resource.stored)
    return f"SELECT {names} FROM {resource.name} WHERE environment_id = $1 AND id = $2 FOR UPDATE"


@cache
def delete(resource: Resource, shape: Shape, pointers: tuple[Resource, ...]) -> str:
    """Parameters: environment, id, the actor's three. Rows of ``pointers`` that point at the one deleted go with it."""
    ctes = [
        f"gone AS (DELETE FROM {resource.name} WHERE environment_id = $1 AND id = $2 RETURNING *)",
        f"log AS ({_log(resource, 'delete', 'gone', 3, differences=_lost(resource, 'gone'))})",
    ]
    for number, pointer in enumerate(pointers):
        assert pointer.any_reference is not None
        collection, reference = pointer.any_reference
        ctes.append(
            f"pointing{number} AS (DELETE FROM {pointer.name} WHERE environment_id = $1 AND {reference} = $2 "
            f"AND {collection} = '{resource.name}' RETURNING *)"
        )
        lost = _lost(pointer, f"pointing{number}")
        ctes.append(f"log{number} AS ({_log(pointer, 'delete', f'pointing{number}', 3, differences=lost)})")
    return f"WITH {', '.join(ctes)} {_answer(resource, shape, 'gone')}"


def _lost(resource: Resource, source: str) -> str:
    """What a deleted row held."""
    names = [f.name for f in resource.returned if f.stored and f.name not in ("id", "updated_at", "created_at", resource.patient)]
    return f"almoner_differences({_values(resource, names, source)}, '{{}}'::json)"


@cache
def exists(table: str, within: str | None) -> str:
    """Parameters: environment, id. One row where it exists, holding the value of ``within`` (or the id)."""
    return f"SELECT {within or 'id'}::text FROM {table} WHERE environment_id = $1 AND id = $2 FOR KEY SHARE"


@cache
def taken(resource: Resource, rule: Unique) -> str:
    """Parameters: environment, an array for each field of the rule. The places in the arrays, from 1, of what rows have."""
    fields = [resource.field(name) for name in rule.fields]
    arrays = ", ".join(f"${2 + n}::{f.kind.column}[]" for n, f in enumerate(fields))
    aliases = ", ".join(f"c{n}" for n in range(len(fields)))
    values = ", ".join(f"{_current(f, f's.c{n}')} AS c{n}" for n, f in enumerate(fields))
    same = " AND ".join(f"rows.{name} = given.c{n}" for n, name in enumerate(rule.fields))
    return (
        f"SELECT given.place FROM (SELECT {values}, place FROM unnest({arrays}) WITH ORDINALITY AS s({aliases}, place)) AS given "
        f"WHERE EXISTS (SELECT 1 FROM {resource.name} AS rows WHERE rows.environment_id = $1 AND {same}) ORDER BY given.place"
    )


def ordered(resource: Resource, names: Iterable[str]) -> tuple[str, ...]:
    """The names in the order of the declaration, so that one set of fields is one statement."""
    wanted = set(names)
    return tuple(f.name for f in resource.stored if f.name in wanted and f.generated is None)
