"""PostgreSQL behind a wire that is cut at a place of one's choosing."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

# How PostgreSQL ends a session, and what it refuses new ones with while it recovers.
CRASHED = (b"FATAL", b"57P02", b"terminating connection because of crash of another server process")
ENDED = (b"FATAL", b"57P01", b"terminating connection due to administrator command")
RECOVERING = (b"FATAL", b"57P03", b"the database system is in recovery mode")
Cut = Callable[[bytes, asyncio.StreamWriter], None]


def closed(answer: bytes, to: asyncio.StreamWriter) -> None:
    """The answer does not arrive."""
    to.close()


def reset(answer: bytes, to: asyncio.StreamWriter) -> None:
    """The machine is gone: the answer does not arrive, and the connection is reset."""
    linger = struct.pack("ii", 1, 0)
    to.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    to.transport.abort()


def halved(answer: bytes, to: asyncio.StreamWriter) -> None:
    """Half of the answer arrives."""
    to.write(answer[: len(answer) // 2])
    to.close()


def answered(answer: bytes, to: asyncio.StreamWriter) -> None:
    """The answer arrives, and then the session ends before it is used again."""
    to.write(answer)
    to.close()


def crashed(answer: bytes, to: asyncio.StreamWriter) -> None:
    """The session is told of a crash instead of being answered."""
    to.write(_error_response(CRASHED))
    to.close()


def ended(answer: bytes, to: asyncio.StreamWriter) -> None:
    """The session is answered, and told that it ends."""
    to.write(answer + _error_response(ENDED))
    to.close()


CUTS: tuple[Cut, ...] = (closed, reset, halved, answered, crashed, ended)


def _error_response(fields: tuple[bytes, bytes, bytes]) -> bytes:
    """An ErrorResponse (PostgreSQL, "Message Formats")."""
    severity, code, message = fields
    body = b"S%s\0V%s\0C%s\0M%s\0\0" % (severity, severity, code, message)
    return b"E" + struct.pack("!i", len(body) + 4) + body


class Wire:
    """The wire: ``address`` is PostgreSQL's at this end. Answers are counted from ``arm`` on; where it
    ``hangs``, none arrives, and no connection ends."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.address = ""
        self.answers = 0
        self._at = 0
        self._cut: Cut = closed
        self.hangs = False
        self._writers: set[asyncio.StreamWriter] = set()

    def arm(self, at: int, cut: Cut) -> None:
        """Cuts at the answer of this number, from 1; nothing gets through any more from then on."""
        self.answers, self._at, self._cut = 0, at, cut

    @property
    def is_cut(self) -> bool:
        return 0 < self._at <= self.answers

    def mend(self) -> None:
        """Lets everything through again, over connections that are new."""
        self.answers = self._at = 0
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        parts = urlsplit(self._dsn)
        beyond_reader, beyond = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            await asyncio.gather(self._there(reader, beyond), self._back(beyond_reader, writer))
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            beyond.transport.abort()
            writer.close()

    async def _there(self, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while sent := await reader.read(1 << 16):
            to.write(sent)
        to.transport.abort()

    async def _back(self, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while answer := await reader.read(1 << 16):
            if self.hangs:
                continue
            if self.is_cut:
                # A database that recovers hears that somebody wants TLS, and no more.
                to.write(answer if answer == b"N" else _error_response(RECOVERING))
                if answer != b"N":
                    to.close()
                    return
                continue
            self.answers += 1
            if self.is_cut:
                self._cut(answer, to)
                return
            to.write(answer)
        to.close()


@asynccontextmanager
async def wire(dsn: str) -> AsyncIterator[Wire]:
    """A wire to PostgreSQL until the block ends."""
    proxy = Wire(dsn)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    parts = urlsplit(dsn)
    login = parts.netloc.rpartition("@")[0]
    proxy.address = parts._replace(netloc=f"{login}@{host}:{port}").geturl()
    try:
        yield proxy
    finally:
        server.close()
        proxy.mend()
