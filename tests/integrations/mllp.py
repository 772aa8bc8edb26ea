"""A hospital's system that sends ADT messages over MLLP, for tests."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType


def adt(
    event: str,
    control_id: str,
    *segments: str,
    sender: str = "ADT|CLINIC",
    charset: str = "UNICODE UTF-8",
    version: str = "2.5",
    wants: str = "|",
) -> str:
    """A message of these segments behind MSH and EVN; ``wants`` are MSH-15 and MSH-16."""
    msh = f"MSH|^~\\&|{sender}|ALMONER|CARE|20261101080000||ADT^{event}|{control_id}|P|{version}"
    return (
        "\r".join([f"{msh}|||{wants}||{charset}", f"EVN|{event}|20261101080000", *segments]) + "\r"
    )


def pid(
    mrn: str = "1001",
    name: str = "Hopper^Grace",
    born: str = "19061209",
    address: str = "",
    phones: str = "",
    sex: str = "F",
    language: str = "",
) -> str:
    """A PID segment."""
    return f"PID|1||{mrn}^^^CLINIC^MR||{name}||{born}|{sex}|||{address}||{phones}||{language}"


class Sender:
    """One connection of such a system; ``send`` waits for the acknowledgement."""

    def __init__(self, port: int, trusted: ssl.SSLContext | None = None) -> None:
        self._port, self._trusted = port, trusted

    async def __aenter__(self) -> Sender:
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._trusted, limit=1024 * 1024
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.close()

    async def send(self, message: str | bytes) -> list[str]:
        """The segments of the acknowledgement."""
        await self.give(message)
        return await self.answer()

    async def give(self, message: str | bytes) -> None:
        """Sends a message, and waits for no answer."""
        raw = message.encode() if isinstance(message, str) else message
        self.writer.write(b"\x0b" + raw + b"\x1c\r")
        await self.writer.drain()

    async def answer(self) -> list[str]:
        """The next acknowledgement."""
        async with asyncio.timeout(30):
            frame = await self.reader.readuntil(b"\x1c\r")
        assert frame[:1] == b"\x0b"
        return frame[1:-2].decode().strip("\r").split("\r")

    async def is_closed(self) -> bool:
        """Whether the other side ends the connection, without another word."""
        async with asyncio.timeout(30):
            return await self.reader.read() == b""
