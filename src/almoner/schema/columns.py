"""Columns and keys that the tables of the house share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import TIMESTAMP, UUID, Column, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Text, text

MOMENT = TIMESTAMP(timezone=True)


def key(table: str, *columns: str) -> list[Any]:
    """A primary key, and the environment's foreign key. The collections and the logs do without the latter: every write would

    lock the environment's one row, and what writes them has the environment from a client or worker of it.
    """
    environment = ForeignKeyConstraint(["environment_id"], ["environments.id"], name=f"{table}_environment_id_fkey")
    return [PrimaryKeyConstraint(*columns), environment]


def moment(name: str = "created_at", now: bool = True) -> Column[Any]:
    return Column(name, MOMENT, nullable=not now, server_default=text("clock_timestamp()") if now else None)


def string(name: str, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


def environment() -> Column[Any]:
    return Column("environment_id", Integer, nullable=False)


def worker_key(table: str) -> list[Any]:
    reference = ForeignKeyConstraint(
        ["environment_id", "worker_id"], ["workers.environment_id", "workers.id"], name=f"{table}_worker_id_fkey"
    )
    return [Column("worker_id", UUID, nullable=False), reference]
