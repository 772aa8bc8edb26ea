"""The tables: those of the collections, derived from their declarations, and those of the house.

SQLAlchemy holds them as data for Alembic to compare and migrate; no request passes through here.
Every table's key starts with the environment (design: One database, everywhere)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Computed,
    Connection,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from almoner.data_api.declare import Resource, unique_name
from almoner.data_api.indexed import Search
from almoner.schema.columns import MOMENT, PARTS_SCHEMA
from almoner.schema.system_tables import APPEND_ONLY, PROOFS, house_tables
from almoner.vocabulary.fields import MISSING, NOW, Field
from almoner.vocabulary.kinds import Texts

_TYPES: dict[str, Any] = {
    "text": Text(),
    "uuid": UUID(),
    "boolean": Boolean(),
    "bigint": BigInteger(),
    "numeric": Numeric(),
    "date": Date(),
    "timestamptz": MOMENT,
    "text[]": ARRAY(Text()),
    "json": JSON(),
}
# Names of constraints follow one rule, so that an error of the database can be traced to its
# declaration.
_NAMING = {"pk": "%(table_name)s_pkey"}


def functions() -> str:
    """The SQL of the functions and of the triggers' bodies, but for those that follow from a
    declaration (``triggers``).
    """
    return files("almoner.schema").joinpath("functions.sql").read_text(encoding="utf-8")


def triggers(resources: Iterable[Resource]) -> list[str]:
    """The statements that attach the triggers: the stamp on every collection, what is searched, and
    the lock on the logs.
    """
    known = list(resources)
    stamps = [
        f"CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE{_stamping(r)} ON {r.name} "
        "FOR EACH ROW EXECUTE FUNCTION almoner_touch()"
        for r in known
    ]
    immutable = [
        statement
        for r in known
        for search in r.searches
        if search.column
        for statement in _keeping(r, search)
    ]
    locks = [
        f"CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()"
        for table in APPEND_ONLY
    ]
    proofs = [
        f"CREATE TRIGGER {function} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION"
        f" {function}()"
        for table, function in PROOFS.items()
    ]
    return [*stamps, *immutable, *locks, *proofs]


def _stamping(resource: Resource) -> str:
    """The columns whose writing stamps a row, where that is not all of them."""
    return f" OF {', '.join(f.name for f in resource.stored)}" if resource.marks else ""


def _keeping(resource: Resource, search: Search) -> list[str]:
    """What fills in the column of a search. Not a generated column: its expression would be read
    and planned at every write.
    """
    name = f"almoner_{resource.name}_{search.column}"
    return [
        (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
            f"  NEW.{search.column} := {search.worked_out('NEW.')};\n  RETURN NEW;\nEND $$"
        ),
        (
            f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {resource.name} FOR EACH ROW EXECUTE"
            f" FUNCTION {name}()"
        ),
    ]


def build(resources: Iterable[Resource]) -> MetaData:
    """All tables of a database that serves these collections."""
    metadata = MetaData(naming_convention=_NAMING)
    house_tables(metadata)
    known = list(resources)
    for resource in known:
        _collection_table(metadata, resource, known)
    return metadata


def create(connection: Connection, metadata: MetaData, resources: Iterable[Resource]) -> None:
    """Makes all that is declared in an empty database, without any migration: what the migrations'
    work is compared with.
    """
    connection.exec_driver_sql("SET check_function_bodies = off")
    for statement in functions().split("--#\n"):
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {PARTS_SCHEMA}")
    metadata.create_all(connection, checkfirst=False)
    for log in in_parts(metadata):
        if "id" in metadata.tables[log].columns:
            connection.exec_driver_sql(f"ALTER SEQUENCE {log}_id_seq OWNED BY {log}.id")
    for statement in triggers(resources):
        connection.exec_driver_sql(statement)


def in_parts(metadata: MetaData) -> list[str]:
    """The tables that are declared to be in parts by month."""
    return [
        table.name
        for table in metadata.sorted_tables
        if table.dialect_options["postgresql"]["partition_by"]
    ]


def reference_name(resource: Resource, field: Field) -> str:
    return f"{resource.name}_{field.name}_fkey"


def _collection_table(metadata: MetaData, resource: Resource, known: list[Resource]) -> Table:
    columns = [
        Column("environment_id", Integer, nullable=False),
        *(_column(f) for f in (*resource.stored, *resource.marks)),
    ]
    columns += [
        Column(search.column, Text(collation="C"), nullable=False)
        for search in resource.searches
        if search.column
    ]
    keys: list[Any] = [PrimaryKeyConstraint("environment_id", "id")]
    for field, ref in resource.references:
        local, remote = ["environment_id", field.name], [f"{ref.to}.environment_id", f"{ref.to}.id"]
        if ref.within:
            local.append(ref.within)
            remote.append(f"{ref.to}.{ref.within}")
        # What hangs together moves to another owner row by row: such a reference may be looked at
        # when all have moved.
        keys.append(
            ForeignKeyConstraint(
                local,
                remote,
                name=reference_name(resource, field),
                deferrable=bool(ref.within) or None,
            )
        )
    inner = {
        ref.within
        for r in known
        for _, ref in r.references
        if ref.to == resource.name and ref.within
    }
    keys += [
        UniqueConstraint("environment_id", "id", column, name=f"{resource.name}_id_{column}_key")
        for column in sorted(inner)
    ]
    table = Table(resource.name, metadata, *columns, *keys)
    _indexes(table, resource)
    return table


def _column(field: Field) -> Column[Any]:
    if field.name in ("updated_at", "created_at"):
        return Column(field.name, MOMENT, nullable=False)
    computed = [] if field.generated is None else [Computed(field.generated, persisted=True)]
    nullable = field.nullable and field.name != "id"
    return Column(
        field.name,
        _TYPES[field.kind.column],
        *computed,
        nullable=nullable,
        server_default=_default(field),
    )


def _default(field: Field) -> Any:
    if field.default is MISSING:
        return None
    if field.default is NOW:
        return text("clock_timestamp()")
    if field.default == []:
        return text("'{}'" if isinstance(field.kind, Texts) else "'[]'")
    if isinstance(field.default, str):
        return text("'" + field.default.replace("'", "''") + "'")
    # JSON spells booleans and numbers as SQL does.
    return text(json.dumps(field.default))


def _indexes(table: Table, resource: Resource) -> None:
    Index(f"{resource.name}_updated_at_idx", table.c.environment_id, table.c.updated_at, table.c.id)
    for field in resource.filters:
        if not field.indexed:
            continue
        name = f"{resource.name}_{field.name}_idx"
        if isinstance(field.kind, Texts):
            Index(name, table.c[field.name], postgresql_using="gin")
            continue
        indexed = field.kind.filter_index(field.name)
        key = table.c[field.name] if indexed == field.name else text(indexed)
        Index(name, table.c.environment_id, key, table.c.updated_at, table.c.id)
    for search in resource.searches:
        expression = text(f"{search.plain} gin_trgm_ops")
        beside = [table.c[name] for name in search.beside]
        Index(
            f"{resource.name}_{search.name}_search",
            table.c.environment_id,
            expression,
            *beside,
            postgresql_using="gin",
        )
    for name, order in resource.orders.items():
        Index(
            f"{resource.name}_{name}_order",
            table.c.environment_id,
            *(text(key) for key in order),
            table.c.id,
        )
    for part in resource.parts:
        keys = [table.c[key] if key in table.c else text(key) for key in part.keys]
        name, where = f"{resource.name}_{part.name}_part", text(part.where)
        Index(
            name, table.c.environment_id, *keys, postgresql_where=where, postgresql_using=part.using
        )
    if resource.happened:
        name, happened = f"{resource.name}_{resource.happened}_idx", table.c[resource.happened]
        Index(name, table.c.environment_id, table.c[resource.patient or "id"], happened, table.c.id)
    for rule in resource.unique:
        keys = [key for name in rule.fields for key in _unique_keys(resource.field(name))]
        only = None if rule.where is None else text(rule.where)
        Index(
            unique_name(resource, rule),
            table.c.environment_id,
            *keys,
            unique=True,
            postgresql_where=only,
        )


def _unique_keys(field: Field) -> list[Any]:
    """What a unique index holds for a field: the value, or 128 bits of hash where a string may be
    too long to be indexed.
    """
    if field.kind.filter_index(field.name) == field.name:
        return [text(field.name)]
    return [text(f"hashtextextended({field.name}, {seed})") for seed in (0, 1)]
