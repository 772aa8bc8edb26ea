"""Pulls what notifications name, and hands over each state of each row once; what it was told it
keeps in a file, so that a restart loses nothing and repeats nothing.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from almoner_client._sync.client import Client
from almoner_client.errors import AlmonerError, Forbidden, InvalidRequest, NotFound
from almoner_client.receiver.endpoints import Endpoints, IssuedCredentials, Notified

_LONGEST_WAIT: Final = 30.0
# Where so many rows in a row are not taken, whoever takes them is away, and no row is to blame.
_MOST_REFUSED: Final = 20
# What was not taken, and when it is tried again: by the clock of the process, which forgets it.
_PUT_OFF: Final = """
CREATE TEMP TABLE put_off (number INTEGER PRIMARY KEY, until REAL NOT NULL, wait REAL NOT NULL)
"""
_NEXT: Final = """
SELECT number, body FROM notified
WHERE number NOT IN (SELECT number FROM put_off WHERE until > ?) ORDER BY number LIMIT 1
"""
_SOONEST: Final = "SELECT min(until) FROM put_off JOIN notified USING (number)"
_PUT: Final = """
INSERT INTO put_off (number, until, wait) VALUES (?1, ?2 + 1, 1)
ON CONFLICT (number) DO UPDATE SET wait = min(wait * 2, ?3), until = ?2 + min(wait * 2, ?3)
RETURNING wait
"""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS notified (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS handed (
  resource TEXT, id TEXT, state TEXT NOT NULL, PRIMARY KEY (resource, id)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Handed:
    """A row as it is now, or that it is gone: ``row`` is None then. ``state`` is the same for the
    same state of a row, for those who write it down together with what they make of it.
    """

    resource: str
    id: str
    row: dict[str, Any] | None
    state: str


class Receiver:
    """Receives notifications at ``url``, pulls by ``client``, and calls ``handle`` with each state
    of each row, in a thread of its own. ``file`` keeps what was notified and what was handed over.

    A notification is in the file before it is answered. What ``handle`` raises is reported, and
    that row is tried again until it is taken, while others go on: a row that is never to be taken
    is ``handle``'s to pass over. A state that it took is not handed over again, unless the process
    is killed in between. Use it with ``with``; ``app`` is for a server of ASGI,
    ``endpoints.answer`` for any other."""

    def __init__(
        self,
        client: Client,
        url: str,
        issued: IssuedCredentials,
        handle: Callable[[Handed], None],
        file: Path,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._handle = handle
        self._report = report
        self._file = file
        self._arrived = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.endpoints = Endpoints(url, issued, self._received)
        with self._opened() as connection:
            connection.executescript(_TABLES)
        connection.close()

    @property
    def app(self) -> Any:
        """The ASGI application."""
        return self.endpoints

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._arrived.set()
        self._thread.join()

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=60)

    def _received(self, notified: list[Notified], _: str) -> None:
        connection = self._opened()
        with connection:
            connection.execute(
                "INSERT INTO notified (body) VALUES (?)", (msgspec.json.encode(notified),)
            )
        connection.close()
        self._arrived.set()

    def _work(self) -> None:
        connection = self._opened()
        connection.execute(_PUT_OFF)
        while not self._ended.is_set():
            record = connection.execute(_NEXT, (time.monotonic(),)).fetchone()
            if record is None:
                ((until,),) = connection.execute(_SOONEST)
                self._arrived.wait(None if until is None else max(until - time.monotonic(), 0))
                self._arrived.clear()
                continue
            number, body = record
            try:
                for notified in msgspec.json.decode(body, type=list[Notified]):
                    self._pull(connection, notified)
            except Exception as error:
                # Whatever it is, the notification stays, and its rows come again.
                asked = (number, time.monotonic(), _LONGEST_WAIT)
                with connection:
                    ((wait,),) = connection.execute(_PUT, asked).fetchall()
                self._report(f"{error}. Trying again in {wait:.0f} s.")
                continue
            with connection:
                connection.execute("DELETE FROM notified WHERE number = ?", (number,))
                connection.execute("DELETE FROM put_off WHERE number = ?", (number,))
        connection.close()

    def _pull(self, connection: sqlite3.Connection, notified: Notified) -> None:
        """Hands the rows of a notification over. Raises the first thing that ``handle`` did, when
        all others are handed over.
        """
        refused: list[Exception] = []
        in_a_row = 0
        for each in self._named(notified):
            try:
                self._hand_over(connection, each)
                in_a_row = 0
            except Exception as error:
                refused.append(error)
                in_a_row += 1
            if in_a_row == _MOST_REFUSED:
                break
        if refused:
            raise refused[0]

    def _named(self, notified: Notified) -> Iterator[Handed]:
        """What a notification names, as it is now."""
        for row_id in notified.deleted:
            yield Handed(notified.resource, row_id, None, "gone")
        try:
            for page in self._client.collection(notified.resource).pages(notified.query):
                for text in page.rows:
                    row = msgspec.json.decode(text)
                    state = sha256(bytes(text)).hexdigest()
                    yield Handed(notified.resource, row["id"], row, state)
                    if self._ended.is_set():
                        raise AlmonerError("Ended before the notification was done")
        except (Forbidden, NotFound, InvalidRequest) as error:
            # Asking again will not help.
            self._report(f"{notified.resource} cannot be pulled: {error}")

    def _hand_over(self, connection: sqlite3.Connection, handed: Handed) -> None:
        record = connection.execute(
            "SELECT state FROM handed WHERE resource = ? AND id = ?", (handed.resource, handed.id)
        ).fetchone()
        if record is not None and record[0] == handed.state:
            return
        self._handle(handed)
        with connection:
            connection.execute(
                "INSERT OR REPLACE INTO handed (resource, id, state) VALUES (?, ?, ?)",
                (handed.resource, handed.id, handed.state),
            )
