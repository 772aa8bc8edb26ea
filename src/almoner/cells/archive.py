"""A whole environment as one stream of bytes, and one made of it in another database. What seals
the stream is the caller's.

It is frames: a line of JSON, and behind it as many bytes as that says. The first tells of the
environments, then each table has its rows as COPY writes them and how many they are, with a sum by
which they are compared once they have arrived; the last says that it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import msgspec

from almoner.access.secrets import SecretBox
from almoner.cells import arriving, comparing, copying, tables
from almoner.cells.arriving import DescribedEnvironment, SourceNumbers
from almoner.cells.places import EnvironmentHere
from almoner.cells.tables import ENVIRONMENT, TEST_ENVIRONMENT, CellTable
from almoner.chains import verify
from almoner.database.revisions import newest
from almoner.errors import SettingError

_FRAME: Final = 1_048_576
_NOT_WHOLE: Final = "The file ends before its end, or is none of an environment. Export it again."


class _Head(msgspec.Struct, frozen=True):
    """The first frame. ``id`` is another for each export."""

    id: UUID
    revision: str
    environments: list[DescribedEnvironment]
    numbers: SourceNumbers


class _Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frame: rows of a table, so many ``bytes`` of which follow; or the end of the table, with
    how many rows there were and their sum; or the end of all.
    """

    table: str = ""
    environment: int = 0
    columns: list[str] = []
    bytes: int = 0
    rows: int | None = None
    sum: str = ""
    ends: bool = False


@dataclass(frozen=True)
class ArchivedEnvironment:
    """What was exported or imported: names, and how many rows."""

    environments: list[str] = field(default_factory=list)
    rows: int = 0


async def write(
    source: asyncpg.Connection,
    here: Sequence[EnvironmentHere],
    send: Callable[[bytes], Awaitable[None]],
) -> ArchivedEnvironment:
    """Sends an environment, with those for its tests, as it is at one moment."""
    total = 0
    async with source.transaction(isolation="repeatable_read", readonly=True):
        head = _Head(
            id=uuid4(),
            revision=newest(),
            environments=await arriving.described(source, [each.id for each in here]),
            numbers=await arriving.numbers(source),
        )
        await send(msgspec.json.encode(head) + b"\n")
        every = await tables.in_order(source)
        sums = {each.id: await comparing.totals(source, every, each.id) for each in here}
        for table in every:
            for each in here:
                total += await _send_table(source, table, each.id, sums[each.id], send)
        await send(_line(_Frame(ends=True)))
    return ArchivedEnvironment([each.name for each in here], total)


async def _send_table(
    source: asyncpg.Connection,
    table: CellTable,
    environment_id: int,
    sums: dict[str, tuple[int, str]],
    send: Callable[[bytes], Awaitable[None]],
) -> int:
    columns = [name for name in table.columns if name != ENVIRONMENT]
    named = ", ".join(f'"{name}"' for name in columns)
    waiting = bytearray()

    async def flush() -> None:
        frame = _Frame(
            table=table.name, environment=environment_id, columns=columns, bytes=len(waiting)
        )
        await send(_line(frame) + bytes(waiting))
        waiting.clear()

    async def take(piece: bytes) -> None:
        waiting.extend(piece)
        if len(waiting) >= _FRAME:
            await flush()

    done = await source.copy_from_query(
        f"SELECT {named} FROM {table.name} WHERE {ENVIRONMENT} = {environment_id}", output=take
    )
    rows = int(done.split()[-1])
    if rows:
        await flush()
        _, total = sums.get(table.name, (0, ""))
        end = _Frame(table=table.name, environment=environment_id, rows=rows, sum=total)
        await send(_line(end))
    return rows


def _line(frame: _Frame) -> bytes:
    return msgspec.json.encode(frame) + b"\n"


async def read(
    target: asyncpg.Connection,
    pieces: Iterator[bytes],
    box: SecretBox,
    tell: Callable[[str], None],
) -> ArchivedEnvironment:
    """Makes the environments of an archive. Where that fails, nothing of them is left; where it is
    cut off, the next call begins anew. Raises SettingError.
    """
    stream = _Stream(pieces)
    try:
        head = msgspec.json.decode(stream.line(), type=_Head)
    except msgspec.DecodeError:
        raise SettingError(_NOT_WHOLE) from None
    if head.revision != newest():
        raise SettingError(
            f"The file is at the schema {head.revision}, and this version of Almoner needs"
            f" {newest()}. Export it with this version."
        )
    names = [each.name for each in head.environments]
    if await arriving.state(target, head.id) == "open":
        raise SettingError(f"This file was imported already: {names[0]} is here.")
    await arriving.remove_again(target, head.id)
    await arriving.check_names(target, names)
    try:
        rows = await _arrive(target, head, stream, box, tell)
    except Exception:
        await arriving.remove_again(target, head.id)
        raise
    return ArchivedEnvironment(names, rows)


async def _arrive(
    target: asyncpg.Connection,
    head: _Head,
    stream: _Stream,
    box: SecretBox,
    tell: Callable[[str], None],
) -> int:
    environment_ids = await arriving.arrive(target, head.environments, head.id)
    every = await tables.in_order(target)
    known = {table.name: table for table in every}
    sums: dict[tuple[int, str], tuple[int, str]] = {}
    frame = stream.frame()
    while not frame.ends:
        new_id = environment_ids[frame.environment]
        async with target.transaction():
            frame = await _put(target, known[frame.table], stream, frame, environment_ids)
        sums[new_id, frame.table] = (frame.rows or 0, frame.sum)
        tell(f"{frame.table}: {frame.rows:,} rows")
        await copying.count_on(target, known[frame.table], new_id)
        frame = stream.frame()
    for old_id, new_id in environment_ids.items():
        await copying.seal_anew(target, box, old_id, new_id)
    await _compare(target, every, environment_ids, sums)
    await arriving.settle(target, head.numbers, tell)
    await arriving.open_all(target, head.id, "out of a file")
    return sum(rows for rows, _ in sums.values())


async def _put(
    target: asyncpg.Connection,
    table: CellTable,
    stream: _Stream,
    first: _Frame,
    environment_ids: dict[int, int],
) -> _Frame:
    """Puts the rows of a table into their place; answers with the frame that ends it."""
    end = first
    columns = ", ".join(f'"{name}"' for name in first.columns)
    await target.execute(copying.COPYING)
    await target.execute(
        f"CREATE TEMPORARY TABLE arriving ON COMMIT DROP AS SELECT {columns} FROM {table.name}"
        " WITH NO DATA"
    )

    async def rows() -> AsyncIterator[bytes]:
        nonlocal end
        while end.rows is None:
            yield stream.take(end.bytes)
            end = stream.frame()

    await target.copy_to_table("arriving", source=rows(), columns=list(first.columns))
    cases = " ".join(f"WHEN {old} THEN {new}" for old, new in environment_ids.items())
    picked = ", ".join(
        f"CASE {name} {cases} END" if name == TEST_ENVIRONMENT else f'"{name}"'
        for name in first.columns
    )
    await target.execute(
        f"INSERT INTO {table.name} ({ENVIRONMENT}, {columns}) OVERRIDING SYSTEM VALUE"
        f" SELECT {environment_ids[first.environment]}, {picked} FROM arriving"
    )
    return end


async def _compare(
    target: asyncpg.Connection,
    every: Sequence[CellTable],
    environment_ids: dict[int, int],
    sums: dict[tuple[int, str], tuple[int, str]],
) -> None:
    for new_id in environment_ids.values():
        for name, arrived in (await comparing.totals(target, every, new_id)).items():
            if arrived != sums.get((new_id, name), (0, "0")):
                raise SettingError(f"What arrived of {name} is not what was exported.")
        async with target.transaction(isolation="repeatable_read", readonly=True):
            verified: Any = await verify.verify(target, new_id)
        if verified.faults:
            tell = "; ".join(fault.in_words for fault in verified.faults[:3])
            raise SettingError(f"The chains of the logs are not whole: {tell}")


class _Stream:
    """Frames out of pieces of bytes. Raises SettingError where there are no more."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = bytearray()

    def line(self) -> bytes:
        """Up to the next end of a line."""
        while (at := self._rest.find(b"\n")) < 0:
            self._more()
        return self.take(at + 1)

    def frame(self) -> _Frame:
        """The next frame, without its bytes."""
        return msgspec.json.decode(self.line(), type=_Frame)

    def take(self, count: int) -> bytes:
        """So many bytes."""
        while len(self._rest) < count:
            self._more()
        taken = bytes(self._rest[:count])
        del self._rest[:count]
        return taken

    def _more(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            raise SettingError(_NOT_WHOLE)
        self._rest += piece
