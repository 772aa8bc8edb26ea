"""What a write is made from and answers with."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from almoner.data_api import statements
from almoner.data_api.declare import Resource, Row
from almoner.data_api.idempotency import IdempotencyKey
from almoner.data_api.refusals import not_found
from almoner.database import Connection
from almoner.vocabulary import json_values
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Json, Problems

# What a statement answered with.
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """A row as it is now: its JSON, its ``updated_at`` (which its ETag is made of), the packed id
    of its patient and its own.

    ``before`` is what its ``updated_at`` was, None for a new row. ``logged``: whether the change
    log tells of it. Where nothing was changed it does not, and the row was read alone. ``ignored``
    is what was said of fields that were not set. ``replayed``: it was answered before, under the
    same key."""

    body: bytes
    updated_at: datetime
    patient: bytes
    id: str
    before: datetime | None
    logged: bool = True
    ignored: Row | None = None
    replayed: bool = False


class Programs(Protocol):
    """Where the published program of an environment comes from."""

    def cached(self, environment_id: int) -> Program | None: ...

    async def of(self, environment_id: int) -> Program: ...

    async def newest(self, environment_id: int) -> Program: ...

    def within(self, connection: Connection) -> Programs: ...


class _Ticks:
    """Parts of a millisecond, of which each has 4096 (RFC 9562, 6.2, method 3); none comes twice,
    also where the clock stands still or is set back.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0

    def following(self, now: int) -> int:
        self._last = max(now, self._last + 1)
        return self._last


_ticks: Final = _Ticks()


def new_id() -> str:
    """A GUID that no other row has: a version 7 UUID (RFC 9562), whose order in time keeps indexes
    compact. Those of one process come in the order in which they were asked for.
    """
    ticks = _ticks.following(time.time_ns() * 4096 // 1_000_000) & 0xFFFFFFFFFFFFFFF
    random = int.from_bytes(os.urandom(8))
    value = (
        (ticks >> 12 << 80)
        | (0x7 << 76)
        | ((ticks & 0xFFF) << 64)
        | (0x2 << 62)
        | (random & 0x3FFFFFFFFFFFFFFF)
    )
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class UnfitRow(Exception):  # noqa: N818  # it never leaves the store
    """What a row as a whole does not fit: to be looked at again once its transaction has ended."""

    def __init__(self, problems: Problems) -> None:
        super().__init__()
        self.problems = problems


def written(record: Record, row_id: str, logged: bool = True) -> Written:
    updated_at = record["updated_at"]
    return Written(
        body=record["body"],
        updated_at=updated_at,
        patient=record["patient"],
        id=row_id,
        before=record.get("before", updated_at),
        logged=logged,
    )


# Each ``updated_at`` that a row may have for a conditional write to be done; None where there is no
# condition.
Versions = frozenset[datetime] | None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes, in which environment, through what (``api``, ``cli``, ``portal``, ``demo``) and
    in which request.

    ``whole``: a writer inside the house, who may set every field of a model and not only those that
    the API's verbs set. ``once``: the key under which a Create, Update or Delete is done once, and
    answered as before where it comes again."""

    environment_id: int
    actor: str
    through: str
    request_id: str

    whole: bool = False
    once: IdempotencyKey | None = None

    @property
    def stamp(self) -> tuple[str, str, str]:
        """Actor, way and request id, as the change log names who wrote."""
        return self.actor, self.through, self.request_id

    @property
    def key(self) -> tuple[Any, ...]:
        """The last parameters of a keyed statement; none where there is no key."""
        return () if self.once is None else self.once.stamp


@dataclass(frozen=True, slots=True)
class Update:
    """An update: who changes which row of what, to what, and under which condition.

    ``row`` holds what was given, as far as it parses; ``problems`` is what does not.
    """

    by: Actor
    resource: Resource
    row_id: str
    row: Row
    problems: Problems = field(default_factory=list)
    if_match: Versions = None
    shape: Shape = Shape.STORED


async def locked_row(connection: Connection, by: Actor, resource: Resource, row_id: str) -> Row:
    """The row as it is, kept from changing until the transaction ends. Raises a 404 ``ApiError``
    where it is not there.
    """
    record = await connection.fetchrow(statements.lock(resource), by.environment_id, row_id)
    if record is None:
        raise not_found(resource)
    return stored_row(resource, record)


def stored_row(resource: Resource, record: Record) -> Row:
    """A row as rules look at it, of what ``statements.lock`` answered with."""
    row = dict(record)
    for column in resource.stored:
        if isinstance(column.kind, Json) and row[column.name] is not None:
            row[column.name] = json_values.decode(row[column.name])
    return row
