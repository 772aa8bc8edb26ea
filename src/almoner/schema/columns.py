"""Columns and keys that the tables of the house share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    TIMESTAMP,
    UUID,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

MOMENT = TIMESTAMP(timezone=True)
# The schema of the parts of logs. Nobody but their owner may reach one by its own name; whoever may
# read or write a log does so by the log's.
PARTS_SCHEMA = "almoner_months"


def table(metadata: MetaData, name: str, *parts: Any) -> Table:
    """A table whose rows are of an environment each."""
    return Table(name, metadata, environment(), *parts)


def monthly(metadata: MetaData, name: str, at: str, *parts: Any) -> Table:
    """A log that is in parts by the month of ``at``, which is in its primary key. The parts are no
    declaration: the database makes them (``almoner_add_month``).
    """
    return Table(name, metadata, environment(), *parts, postgresql_partition_by=f"RANGE ({at})")


def counted(log: str) -> Column[Any]:
    """An id that counts up by itself, of a log in parts: such a table has an identity from
    PostgreSQL 17 on alone.
    """
    return Column(
        "id", BigInteger, nullable=False, server_default=text(f"nextval('{log}_id_seq'::regclass)")
    )


def key(table: str, *columns: str) -> list[Any]:
    """A primary key, and the environment's foreign key. The collections and the logs do without the
    latter: every write would lock the environment's one row, and what writes them has the
    environment from a client or worker of it.
    """
    environment = ForeignKeyConstraint(
        ["environment_id"], ["environments.id"], name=f"{table}_environment_id_fkey"
    )
    return [PrimaryKeyConstraint(*columns), environment]


def moment(name: str = "created_at", now: bool = True) -> Column[Any]:
    return Column(
        name, MOMENT, nullable=not now, server_default=text("clock_timestamp()") if now else None
    )


def string(name: str, nullable: bool = False, default: str | None = None) -> Column[Any]:
    written = None if default is None else text(f"'{default}'")
    return Column(name, Text, nullable=nullable, server_default=written)


def guid(name: str = "id") -> Column[Any]:
    return Column(name, UUID, nullable=False)


def binary(name: str = "digest") -> Column[Any]:
    return Column(name, LargeBinary, nullable=False)


def integer(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False)


def numbered() -> Column[Any]:
    """An id that counts up by itself."""
    return Column("id", BigInteger, Identity(always=True), nullable=False)


def environment() -> Column[Any]:
    return integer("environment_id")


def refers(table: str, column: str, to: str, ondelete: str | None = None) -> list[Any]:
    """A column of ``table`` that holds the id of a row of ``to``, in the same environment."""
    reference = ForeignKeyConstraint(
        ["environment_id", column],
        [f"{to}.environment_id", f"{to}.id"],
        name=f"{table}_{column}_fkey",
        ondelete=ondelete,
    )
    return [guid(column), reference]


def worker_key(table: str) -> list[Any]:
    return refers(table, "worker_id", "workers")
