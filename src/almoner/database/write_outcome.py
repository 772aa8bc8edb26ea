"""Whether what a request asked for may have been done, where its answer from the database did not
arrive.

A write that was sent, or the COMMIT of one, may stand although nobody heard of it: the connection
broke, or nobody waited any longer. What was not sent, or was refused by the database itself, or lay
in a transaction without its COMMIT, stands nowhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from contextvars import ContextVar
from enum import Enum
from typing import Any, Final

import asyncpg

# Our statements write their keywords in capitals, and their literals in small letters.
_WRITING: Final = re.compile(
    r"\b(?:INSERT INTO|(?<!FOR )(?<!KEY )UPDATE|DELETE FROM|MERGE INTO|TRUNCATE)\b"
)
_READING: Final = re.compile(
    r"\s*(?:SELECT|WITH|VALUES|SHOW|SET|RESET|LOCK|BEGIN|SAVEPOINT|RELEASE|ROLLBACK TO)\b"
)
_MOST_REMEMBERED: Final = 10_000


class _Kind(Enum):
    READ = 1
    WRITE = 2
    COMMIT = 3
    ROLLBACK = 4


class SentWrites:
    """What a request has sent: how many writes stand or may stand by now."""

    __slots__ = ("writes",)

    def __init__(self) -> None:
        self.writes = 0


_SENT: ContextVar[SentWrites | None] = ContextVar("almoner_sent", default=None)
_kinds: dict[str, _Kind] = {}


def begin(sent: SentWrites | None = None) -> None:
    """A request begins in this task: nothing of it has been sent yet. ``sent`` takes the note, a
    new one where none is given.
    """
    _SENT.set(sent or SentWrites())


def may_be_done() -> bool:
    """Whether a write of the request that this task works on stands, or may."""
    sent = _SENT.get()
    return sent is not None and sent.writes > 0


class WriteCountingConnection(asyncpg.Connection):
    """A connection that takes note of the writes that are sent over it.

    ``leases``: how often it was lent. ``host``: which of several it leads to."""

    writes = 0  # of this lease, as in ``SentWrites``
    leases = 0
    host: tuple[str, int] | None = None
    _transport: asyncio.Transport | None  # asyncpg's own
    _pending = False
    _last = _Kind.READ

    @property
    def socket(self) -> Any:
        """The socket that it goes over, as asyncio has it."""
        return self._transport and self._transport.get_extra_info("socket")

    def cut(self) -> None:
        """Ends it as a network does that fails: whoever uses it learns of it by the errors of
        that.
        """
        if self._transport is not None:
            self._transport.abort()

    def lent(self) -> None:
        """Somebody new uses it from here on."""
        self.leases += 1
        self.writes, self._pending, self._last = 0, False, _Kind.READ

    def refused(self) -> None:
        """The database refused the last statement: it stands nowhere."""
        if self._last in (_Kind.WRITE, _Kind.COMMIT):
            self._count(-1)
        self._last = _Kind.READ

    def fetch(self, query: str, *arguments: Any, **more: Any) -> Coroutine[Any, Any, Any]:
        self._sends(query)
        return super().fetch(query, *arguments, **more)

    def fetchrow(self, query: str, *arguments: Any, **more: Any) -> Coroutine[Any, Any, Any]:
        self._sends(query)
        return super().fetchrow(query, *arguments, **more)

    def fetchval(self, query: str, *arguments: Any, **more: Any) -> Coroutine[Any, Any, Any]:
        self._sends(query)
        return super().fetchval(query, *arguments, **more)

    def execute(self, query: str, *arguments: Any, **more: Any) -> Coroutine[Any, Any, str]:
        self._sends(query)
        return super().execute(query, *arguments, **more)

    def executemany(self, command: str, args: Any, **more: Any) -> Coroutine[Any, Any, None]:
        self._sends(command)
        return super().executemany(command, args, **more)

    def _sends(self, query: str) -> None:
        kind = _kinds.get(query) or _kind(query)
        self._last = kind
        if kind is _Kind.READ:
            return
        if kind is _Kind.WRITE:
            if self.is_in_transaction():
                self._pending, self._last = True, _Kind.READ
            else:
                self._count(1)
        elif kind is _Kind.COMMIT and self._pending:
            self._pending = False
            self._count(1)
        else:
            self._pending, self._last = False, _Kind.READ

    def _count(self, change: int) -> None:
        self.writes += change
        sent = _SENT.get()
        if sent is not None:
            sent.writes += change


def _kind(query: str) -> _Kind:
    if query.startswith("COMMIT"):
        kind = _Kind.COMMIT
    elif query.startswith("ROLLBACK;"):
        kind = _Kind.ROLLBACK
    elif _READING.match(query) and not _WRITING.search(query):
        kind = _Kind.READ
    else:
        kind = _Kind.WRITE
    if len(_kinds) < _MOST_REMEMBERED:
        _kinds[query] = kind
    return kind
