"""The rows of a batch, and how a set of them is written where some may be refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from almoner.data_api.declare import Related, Resource, Row, Verb
from almoner.data_api.nested import NewRows
from almoner.data_api.writes import Written
from almoner.database import Connection
from almoner.errors import MOST_PROBLEMS, ApiError, Problem
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Problems

REFUSE, KEEP, UPDATE = "refuse", "keep", "update"


@dataclass(frozen=True)
class BatchRequest:
    """``rows`` to be created, each as the body of a Create; or to be changed, each as that of an
    Update with its ``id``. ``unread`` are the problems of those that are none, by their numbers.

    ``atomic``: all are written or none. ``on_existing``: what becomes of a new row one of whose
    external ids is taken already: ``REFUSE``, ``KEEP``, ``UPDATE``. ``minimal``: what came of them
    is enough, so that the rows are not read back."""

    verb: Verb
    rows: Sequence[Row]
    shape: Shape
    atomic: bool = True
    on_existing: str = REFUSE
    minimal: bool = False
    unread: Mapping[int, Problem] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the rows are called in the body."""
        return self.verb.name.lower()

    def entries(self) -> Iterator[BatchRow]:
        """Each row with its place, and with what is wrong with it as far as that is known yet."""
        for number, body in enumerate(self.rows):
            unread = [self.unread[number]] if number in self.unread else []
            place = f".{self.name}[{number}]"
            yield BatchRow(place, body, row_id=body.get("id") or "", problems=unread)


@dataclass(eq=False)
class BatchRow:
    """One row of a batch, at ``place`` in its body (``.create[3]``), and what comes of it.

    ``outcome``: ``created``, ``updated``, ``kept`` (it was there, and was to be left),
    ``unchanged``; blank where it is refused, for which ``problems`` says why."""

    place: str
    body: Row
    row: Row = field(default_factory=dict)
    row_id: str = ""
    related: list[Related] = field(default_factory=list)
    # Of a row that is there: its ids in other systems that it is not known by yet.
    further: list[Related] = field(default_factory=list)
    ignored: Row = field(default_factory=dict)
    problems: Problems = field(default_factory=list)
    outcome: str = ""
    written: Written | None = None

    def finish(self, outcome: str, now: Written) -> None:
        self.outcome, self.written = outcome, now


@dataclass(frozen=True)
class BatchAnswer:
    """The body of an answer, and the packed ids of the patients whose rows are in it without having
    been written by it. ``replayed`` is that of ``Written``.
    """

    body: bytes
    patients: bytes
    replayed: bool = False


async def by_halves(
    connection: Connection,
    batch: Sequence[BatchRow],
    write: Callable[[Sequence[BatchRow]], Awaitable[None]],
    write_alone: Callable[[BatchRow], Awaitable[None]],
    atomic: bool,
) -> None:
    """Writes a set of rows, or, where something in it is refused, its halves; a single row by
    itself, which tells why. Where all or none are written, it ends with as many problems as are
    told.
    """
    waiting = [batch]
    refused = 0
    while waiting:
        rows = waiting.pop()
        if len(rows) > 1:
            try:
                async with connection.transaction():
                    await write(rows)
            except (asyncpg.IntegrityConstraintViolationError, ApiError):
                middle = len(rows) // 2
                waiting += [rows[middle:], rows[:middle]]
        elif rows:
            try:
                async with connection.transaction():
                    await write_alone(rows[0])
            except ApiError as error:
                rows[0].problems += error.problems
                rows[0].outcome, rows[0].written = "", None
                refused += 1
                if atomic and refused > MOST_PROBLEMS:
                    return


def take_mappings(
    pointers: Sequence[Resource], resource: Resource, shape: Shape, body: Row, problems: Problems
) -> list[tuple[Resource, str, Row, str]]:
    """What a row says of its ids in other systems, in a field that batches have of every collection
    but that of the mappings (``pointers``); taken out of ``body`` where the collection has none.
    """
    taken: list[tuple[Resource, str, Row, str]] = []
    for pointer in pointers:
        assert pointer.any_reference is not None
        collection, reference = pointer.any_reference
        # In one shape a collection may have such a field, and in another none.
        has_own = pointer.name in resource.spelled[shape].names
        if pointer is resource or has_own or pointer.name not in body:
            continue
        kind = NewRows(pointer, reference, {collection: resource.name})
        rows = kind.keep(body.pop(pointer.name), f".{pointer.name}", problems) or []
        taken += [
            (pointer, reference, row | kind.fixed, f".{pointer.name}[{number}]")
            for number, row in enumerate(rows)
        ]
    return taken


def refused_as_taken(batch: Sequence[BatchRow]) -> list[BatchRow]:
    """The rows that are refused since something of theirs is another row's already, and for nothing
    else.
    """
    return [
        each
        for each in batch
        if each.problems and all(p.code == "uniqueness_exception" for p in each.problems)
    ]


def refuse_twice(batch: Sequence[BatchRow], keys: Sequence[Any], path: str) -> None:
    """Refuses each row whose key an earlier one has."""
    before: set[Any] = set()
    for each, key in zip(batch, keys, strict=True):
        if key in before:
            each.problems.append(twice(path))
        before.add(key)


def twice(path: str) -> Problem:
    return Problem("uniqueness_exception", "The batch has this row twice.", {"path": path})
