"""Environments: every client, worker and row belongs to one, and nothing of one is visible from another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from almoner.database import Connection
from almoner.errors import ApiError, Problem, problem

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment as it is listed. ``created_at`` is in UTC."""

    id: int
    name: str
    created_at: datetime


async def create(connection: Connection, name: str) -> int:
    """Makes an environment and returns its id. Raises ApiError where the name is taken or does not fit."""
    if _NAME.fullmatch(name) is None:
        raise problem(
            "bad_request",
            "The name of an environment is made of small letters, digits, - and _; it begins with a letter or digit and has at "
            "most 63 characters.",
        )
    try:
        made: int = await connection.fetchval("INSERT INTO environments (name) VALUES ($1) RETURNING id", name)
    except asyncpg.UniqueViolationError:
        raise ApiError(
            Problem("uniqueness_exception", "There is an environment of this name already.", {"path": ".name"})
        ) from None
    return made


async def find(connection: Connection, name: str) -> int | None:
    """The id of the environment of this name; None where there is none."""
    found: int | None = await connection.fetchval("SELECT id FROM environments WHERE name = $1", name)
    return found


async def listed(connection: Connection) -> list[Environment]:
    """All environments, the oldest first."""
    return [Environment(*row) for row in await connection.fetch("SELECT id, name, created_at FROM environments ORDER BY id")]
