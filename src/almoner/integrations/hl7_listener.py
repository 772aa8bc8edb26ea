"""Connections over which HL7 v2 messages come (MLLP, the minimal lower layer protocol), for each
environment that has set ``hl7v2_adt`` up.

A message is acknowledged once it is a job in the database, and not before: whatever is killed, its
sender sends it again, or it is done here. A connection is answered message by message, in order."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from almoner.access.secrets import SecretBox
from almoner.data_api.declare import Resource
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.errors import ApiError, UnavailableError
from almoner.integrations import calls, hl7_messages, installed, jobs
from almoner.integrations.declare import Integration
from almoner.integrations.hl7_acknowledgements import (
    ACCEPTED,
    REFUSED,
    REJECTED,
    acknowledge,
    asks_for,
    is_acceptance,
)
from almoner.integrations.hl7_messages import Header, UnreadableError
from almoner.integrations.hl7v2_adt import AdtMessage, Hl7v2AdtSettings, MessageProblem, hl7v2_adt
from almoner.operations.logs import fault
from almoner.work.rounds import keep_looking

# A message is no longer than this, in bytes; of a longer one the beginning is read.
LONGEST: Final = 1024 * 1024
# A message that has begun ends within so many seconds, and so does the taking of an answer.
FRAME_SECONDS: Final = 30.0
_BEGIN: Final = b"\x0b"
_END: Final = b"\x1c\r"
_BETWEEN: Final = b"\r\n"
_HEAD: Final = 4096
_LOOK_SECONDS: Final = 2.0
_CONFIGURED: Final = """
SELECT environment_id, changed_at FROM integrations WHERE name = $1 AND enabled
ORDER BY environment_id
"""
Answer = Callable[[bytes, bool], Awaitable[bytes]]


async def keep_listening(
    database: Database,
    store: Store,
    tasks: Resource,
    box: SecretBox,
    known: Mapping[str, Integration],
    stop: asyncio.Event,
    seconds: float = _LOOK_SECONDS,
) -> None:
    """Listens where the settings of each environment say, until ``stop`` is set. What somebody
    changes counts within seconds; an address that is taken is tried again.
    """
    if hl7v2_adt.name not in known:
        return
    listening: dict[int, tuple[datetime, Listener | None]] = {}

    async def look() -> None:
        async with database.connection() as connection:
            rows = await connection.fetch(_CONFIGURED, hl7v2_adt.name)
        configured_at = {row["environment_id"]: row["changed_at"] for row in rows}
        for environment_id, (as_of, listener) in list(listening.items()):
            if configured_at.get(environment_id) != as_of:
                del listening[environment_id]
                if listener is not None:
                    await listener.close()
        for environment_id, as_of in configured_at.items():
            is_known = environment_id in listening
            if not is_known or listening[environment_id][1] is None:
                inbox = Inbox(database, store, tasks, environment_id)
                listener = await _opened(inbox, box, is_known)
                listening[environment_id] = (as_of, listener)

    try:
        await keep_looking(look, stop, seconds, "listening for HL7 messages")
    finally:
        for _, listener in listening.values():
            if listener is not None:
                await listener.close()


async def _opened(inbox: Inbox, box: SecretBox, is_known: bool) -> Listener | None:
    """The open listener of an environment; None where it cannot be opened, which is in the
    log once.
    """
    log = structlog.get_logger().bind(environment_id=inbox.environment_id)
    try:
        async with inbox.database.connection() as connection:
            configured = await installed.configured(
                connection, box, inbox.environment_id, hl7v2_adt
            )
        settings = configured.settings
        assert isinstance(settings, Hl7v2AdtSettings)
        listener = Listener(settings, lambda block, cut: inbox.receive(settings, block, cut))
        await listener.open()
    except (ApiError, OSError, ValueError) as error:
        if not is_known:
            log.error("HL7 messages cannot be listened for", **fault(error))
        return None
    log.info("listening for HL7 messages", address=settings.listen)
    return listener


@dataclass(frozen=True)
class Inbox:
    """Where the messages of an environment become jobs."""

    database: Database
    store: Store
    tasks: Resource
    environment_id: int

    async def receive(self, settings: Hl7v2AdtSettings, block: bytes, is_cut: bool) -> bytes:
        """Takes a message, and answers with its acknowledgement; with nothing where its sender
        wants none. ``is_cut``: it was too long, and this is how it begins.
        """
        try:
            header = hl7_messages.read_header(block, settings.charset)
            if is_cut:
                text = f"the message is longer than {LONGEST} bytes"
                too_long = hl7_messages.of_header(0, hl7_messages.DATA_TYPE, text)
                raise UnreadableError(header, too_long)
            hl7_messages.check_header(header)
            message = hl7_messages.read(block, header, settings.namespaces)
        except UnreadableError as error:
            self._note(error.problem)
            return _answer(error.header, REJECTED, [error.problem])
        answer = acknowledge(header, REFUSED if message.problems else ACCEPTED, message.problems)
        try:
            answer = await self._remember(header, block, message, answer)
        except UnavailableError:
            text = "it cannot be kept now; send it again later"
            away = hl7_messages.of_header(0, hl7_messages.INTERNAL, text)
            return _answer(header, REJECTED, [away])
        code = ACCEPTED if is_acceptance(header, answer) else REFUSED
        return answer if asks_for(header, code) else b""

    async def _remember(
        self, header: Header, block: bytes, message: AdtMessage, answer: bytes
    ) -> bytes:
        """Has the message be a job, unless it was one before: then it is answered as it was."""
        content = hashlib.sha256(block).digest()
        digest = hashlib.sha256(f"{header.sender}\r{header.control_id}".encode()).digest()
        call = (self.environment_id, hl7v2_adt.name, digest)
        async with self.database.transaction() as connection:
            before = await calls.taken(connection, *call)
            if before is not None and before["content"] == content:
                return bytes(before["answer"])
            if before is not None and is_acceptance(header, before["answer"]):
                text = "another message had this control id"
                reused = hl7_messages.of_header(10, hl7_messages.DUPLICATE, text)
                self._note(reused)
                return acknowledge(header, REFUSED, [reused])
            job_id = await jobs.begin_within(
                connection,
                self.store,
                self.tasks,
                self.environment_id,
                integration=hl7v2_adt,
                args=[message],
                ref_ids=message.ref_ids,
            )
            await calls.take(connection, *call, job_id=job_id, content=content, answer=answer)
        return answer

    def _note(self, problem: MessageProblem) -> None:
        structlog.get_logger().warning(
            "an HL7 message is rejected",
            environment_id=self.environment_id,
            reason=problem.in_words,
        )


def _answer(header: Header, code: str, problems: Sequence[MessageProblem]) -> bytes:
    """The acknowledgement of a message of which nothing is kept; nothing where none is wanted."""
    return acknowledge(header, code, problems) if asks_for(header, code) else b""


class Listener:
    """Takes connections at the address of the settings; ``answer`` is asked for the answer to each
    message, and told whether it was cut off. A connection that is quiet for too long is closed, and
    so is one too many."""

    def __init__(self, settings: Hl7v2AdtSettings, answer: Answer) -> None:
        self._settings = settings
        self._answer = answer
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begins to listen. Raises OSError where the address or a certificate cannot be used."""
        host, port = self._settings.address
        self._server = await asyncio.start_server(
            self._connected, host, port, limit=LONGEST, ssl=_tls(self._settings)
        )

    @property
    def port(self) -> int:
        """The port that connections are taken at."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Takes no more connections, and ends those that there are: what was not acknowledged is
        sent again.
        """
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._settings.connections:
            writer.close()
            return
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._begins(reader):
                async with asyncio.timeout(FRAME_SECONDS):
                    block, is_cut = await _block(reader)
                if answer := await self._answer(block, is_cut):
                    writer.write(_BEGIN + answer + _END)
                async with asyncio.timeout(FRAME_SECONDS):
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            # Half a message is none: whoever sent it has no acknowledgement, and sends it again.
            pass
        except Exception as error:
            structlog.get_logger().error("a fault in taking an HL7 message", **fault(error))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _begins(self, reader: asyncio.StreamReader) -> bool:
        """Waits for the beginning of a message. False where something else comes."""
        while True:
            async with asyncio.timeout(self._settings.idle_seconds):
                first = await reader.readexactly(1)
            if first not in _BETWEEN:
                return first == _BEGIN


async def _block(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """What stands up to the end of a message; of one that is too long, how it begins, and True."""
    head = b""
    while True:
        try:
            block = await reader.readuntil(_END)
        except asyncio.LimitOverrunError as error:
            part = await reader.readexactly(error.consumed)
            head = head or part[:_HEAD]
        else:
            return (head, True) if head else (block.removesuffix(_END), False)


def _tls(settings: Hl7v2AdtSettings) -> ssl.SSLContext | None:
    if not settings.certificate_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.certificate_file, settings.key_file)
    if settings.client_ca_file:
        context.load_verify_locations(settings.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
