"""What comes over the socket before any part of the application sees it: upgrades, limits of the
head, connections that wait.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import httpx
import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl

from almoner.operations.connections import ConnectionLimits, Connections
from almoner.operations.cycle import Cycle
from almoner.server import configuration
from tests.conftest import Server, free_port

BODY = b'{"first_name":"Grace"}'
UPGRADES = {
    # As the default client of Java sends it.
    "h2c": (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings:"
        b" AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    ),
    "websocket": (
        b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version:"
        b" 13\r\nSec-WebSocket-Key: AAAA\r\n"
    ),
    "kept": b"Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0, foo/2\r\n",
}
FRAMINGS = {
    "length": (b"Content-Length: %d\r\n" % len(BODY), BODY),
    "chunked": (
        b"Transfer-Encoding: chunked\r\n",
        b"5;x=y\r\n%b\r\n%x\r\n%b\r\n0\r\nAfter: all\r\n\r\n" % (BODY[:5], len(BODY) - 5, BODY[5:]),
    ),
}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was sent."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    names = [name.decode() for name, _ in scope["headers"]]
    content = json.dumps(
        {"method": scope["method"], "path": scope["path"], "body": body.decode(), "names": names}
    ).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"%d" % len(content))],
        }
    )
    await send({"type": "http.response.body", "body": content})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server that echoes, run as every server of ours is, with times that are soon
    over.
    """
    number = free_port()
    limits = ConnectionLimits(head_seconds=0.5, idle_seconds=1, waiting=50)
    server = uvicorn.Server(configuration(echo, limits, lifespan="off", port=number))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield number
    server.should_exit = True
    thread.join(30)


class Raw(socket.socket):
    """A connection that sends bytes as they are, each in a packet of its own."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.settimeout(20)
        self.connect(("127.0.0.1", port))
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.makefile("rb")

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: its status, its headers by lower-case name, and its body. The status is
        0 where none comes.
        """
        line = self._file.readline()
        if not line:
            return 0, {}, b""
        headers: dict[str, str] = {}
        while (field := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return (
            int(line.split()[1]),
            headers,
            self._file.read(int(headers.get("content-length", "0"))),
        )

    def close(self) -> None:
        self._file.close()
        super().close()


def request(upgrade: str, framing: str, version: bytes = b"1.1") -> bytes:
    fields, body = FRAMINGS[framing]
    return b"POST /v1/patients HTTP/%b\r\nHost: x\r\n%b%b\r\n%b" % (
        version,
        UPGRADES[upgrade],
        fields,
        body,
    )


def exchanged(port: int, *packets: bytes, answers: int = 1) -> list[str]:
    """The bodies that the application saw."""
    with Raw(port) as raw:
        for packet in packets:
            raw.sendall(packet)
        bodies = []
        for _ in range(answers):
            status, _, body = raw.answer()
            bodies.append(json.loads(body)["body"] if status == 200 else f"{status}")
        return bodies


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_request_that_offers_an_upgrade_has_its_body_read_in_every_split(
    port: int, upgrade: str, framing: str
) -> None:
    sent = request(upgrade, framing)
    expected = [BODY.decode()]
    wrong = {
        cut: answer
        for cut in range(1, len(sent))
        if (answer := exchanged(port, sent[:cut], sent[cut:])) != expected
    }
    assert wrong == {}
    assert exchanged(port, sent) == expected
    assert exchanged(port, *(sent[n : n + 1] for n in range(len(sent)))) == expected


@pytest.mark.parametrize("framing", FRAMINGS)
def test_requests_that_follow_an_upgrade_on_the_same_connection_are_their_own(
    port: int, framing: str
) -> None:
    plain = b"POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nplain"
    sent = (
        request("h2c", framing) + request("websocket", framing) + plain + request("kept", framing)
    )
    expected = [BODY.decode(), BODY.decode(), "plain", BODY.decode()]
    assert exchanged(port, sent, answers=4) == expected
    wrong = {
        cut: answer
        for cut in range(1, len(sent), 7)
        if (answer := exchanged(port, sent[:cut], sent[cut:], answers=4)) != expected
    }
    assert wrong == {}
    assert exchanged(port, request("h2c", framing) * 300, answers=300) == [BODY.decode()] * 300


def test_an_upgrade_in_http_1_0_is_ignored_too_and_the_connection_ends_with_the_answer(
    port: int,
) -> None:
    for upgrade in UPGRADES:
        with Raw(port) as raw:
            raw.sendall(request(upgrade, "length", b"1.0"))
            status, _, body = raw.answer()
            assert (status, json.loads(body)["body"]) == (200, BODY.decode())
            assert raw.answer()[0] == 0


def test_what_was_sent_is_seen_as_it_was_apart_from_the_upgrade(port: int) -> None:
    with Raw(port) as raw:
        raw.sendall(
            b"GET /a%20b?c HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nConnection: upgrade\r\nUpgrade:"
            b" h2c\r\nX-A: 2\r\n\r\n"
        )
        document = json.loads(raw.answer()[2])
    assert document == {
        "method": "GET",
        "path": "/a b",
        "body": "",
        "names": ["host", "x-a", "connection", "x-a"],
    }


class Written(asyncio.Transport):
    """A transport that keeps each write by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))


def cycle(written: Written, method: str = "GET") -> Cycle:
    log = logging.getLogger("test")
    flow = FlowControl(written)
    return Cycle(
        {"method": method},  # type: ignore[typeddict-item]
        written,
        flow,
        log,
        log,
        False,
        [],
        asyncio.Event(),
        False,
        True,
        lambda: None,
    )


async def test_an_answer_of_known_length_is_one_write_and_a_stream_begins_before_its_first_part() -> (
    None
):
    length = (b"content-length", b"2")
    cases: list[tuple[str, int, list[tuple[bytes, bytes]], list[bytes]]] = [
        ("GET", 200, [length], [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"]),
        ("HEAD", 200, [length], [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"]),
        (
            "GET",
            200,
            [],
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"2\r\nhi\r\n0\r\n\r\n"],
        ),
    ]
    for method, status, headers, expected in cases:
        written = Written()
        answering = cycle(written, method)
        await answering.send({"type": "http.response.start", "status": status, "headers": headers})
        assert written.writes == expected[:-1]
        await answering.send({"type": "http.response.body", "body": b"hi"})
        assert written.writes == expected


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\x00b", b"a\x7fb"])
async def test_a_field_that_would_be_read_as_two_is_not_sent(value: bytes) -> None:
    written = Written()
    with pytest.raises(RuntimeError):
        await cycle(written).send(
            {"type": "http.response.start", "status": 200, "headers": [(b"location", value)]}
        )
    assert not written.writes
    await cycle(written).send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"link", "caf\xe9\t\xa0".encode("latin-1"))],
        }
    )


async def test_an_answer_is_as_long_as_it_said() -> None:
    for body in (b"a", b"abc"):
        answering = cycle(Written())
        await answering.send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
        )
        with pytest.raises(RuntimeError):
            await answering.send({"type": "http.response.body", "body": body})


def test_trailers_are_not_taken_for_headers(port: int) -> None:
    with Raw(port) as raw:
        raw.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization:"
            b" Bearer x\r\n\r\n"
        )
        assert json.loads(raw.answer()[2])["names"] == ["host", "transfer-encoding"]


REFUSED = {
    "too many headers": (
        b"GET /v1/patients HTTP/1.1\r\n" + b"X-A: %b\r\n" % (b"x" * 1000) * 70 + b"\r\n",
        431,
    ),
    "one long header": (b"GET /v1/patients HTTP/1.1\r\nX-A: " + b"x" * 2_000_000, 431),
    "endless trailers": (
        b"POST /v1/patients HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        + b"X-A: %b\r\n" % (b"x" * 1000) * 2000,
        431,
    ),
    "an endless address": (b"GET /v1/patients?a=" + b"x" * 2_000_000, 414),
    "a long address": (
        b"GET /v1/patients?a=" + b"x" * 66_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        414,
    ),
    "letters beyond ASCII": ("GET /v1/patients?namespace=é HTTP/1.1\r\n\r\n".encode(), 400),
    "no method": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "a method nobody knows": (b"BREW /v1/patients HTTP/1.1\r\n\r\n", 400),
    "no header": (b"GET /v1/patients HTTP/1.1\r\nbroken header\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a broken chunk": (
        b"POST /v1/patients HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        400,
    ),
    "two lengths": (
        b"POST /v1/patients HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        400,
    ),
    "a tunnel": (b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", 405),
    "a chunk that is no upgrade's": (
        (
            b"POST /v1/patients HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding:"
            b" gzip\r\n\r\nabc"
        ),
        400,
    ),
}


def test_what_cannot_be_read_is_refused_in_the_shape_of_the_api_with_an_id(port: int) -> None:
    wrong: dict[str, Any] = {}
    for name, (sent, expected) in REFUSED.items():
        with Raw(port) as raw:
            raw.sendall(sent)
            status, headers, body = raw.answer()
            ended = raw.answer()[0] == 0
        shaped = (
            headers.get("content-type") == "application/json"
            and json.loads(body)["errors"][0]["status"] == expected
        )
        if not (
            status == expected
            and shaped
            and ended
            and headers.get("x-request-id")
            and headers.get("connection") == "close"
        ):
            wrong[name] = status, headers, body
        if status == 405 and "GET" not in headers["allow"]:
            wrong[name] = headers
    assert wrong == {}


def test_outside_of_the_api_it_is_refused_with_a_page(port: int) -> None:
    for sent, expected in (
        (b"GET /inbox?q=\xc3\xa9 HTTP/1.1\r\n\r\n", 400),
        (b"GET /inbox?q=" + b"x" * 66_000 + b" HTTP/1.1\r\n\r\n", 414),
    ):
        with Raw(port) as raw:
            raw.sendall(sent)
            status, headers, body = raw.answer()
        assert (status, headers["content-type"]) == (expected, "text/html; charset=utf-8")
        assert body.startswith(b"<!doctype html>")
        assert headers["x-request-id"]


def test_a_head_of_the_limit_is_taken_and_a_body_of_small_chunks_too(port: int) -> None:
    head = (
        b"POST / HTTP/1.1\r\nHost: x\r\n"
        + b"X-A: %b\r\n" % (b"x" * 1000) * 63
        + b"Transfer-Encoding: chunked\r\n\r\n"
    )
    with Raw(port) as raw:
        raw.sendall(head + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
        status, _, body = raw.answer()
        assert (status, len(json.loads(body)["body"])) == (200, 100_000)


def test_what_came_well_before_a_broken_request_is_answered_and_nothing_after_it(port: int) -> None:
    with Raw(port) as raw:
        raw.sendall(
            b"GET /first HTTP/1.1\r\nHost: x\r\n\r\nbroken\r\n\r\nGET /third HTTP/1.1\r\n\r\n"
        )
        assert json.loads(raw.answer()[2])["path"] == "/first"
        assert raw.answer()[0] == 0


def test_a_head_that_does_not_end_is_answered_408_however_steadily_it_drips(port: int) -> None:
    with Raw(port) as raw:
        raw.sendall(b"GET /v1/patients HTTP/1.1\r\n")
        raw.settimeout(0.05)
        for _ in range(200):
            try:
                raw.sendall(b"X-A: 1\r\n")
                if raw.recv(12, socket.MSG_PEEK):
                    break
            except TimeoutError:
                continue
        status, headers, _ = raw.answer()
    assert (status, headers["content-type"]) == (408, "application/json")


def test_a_connection_that_says_nothing_is_closed_without_a_word(port: int) -> None:
    with Raw(port) as silent, Raw(port) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.answer()[0] == 200
        assert silent.answer() == (0, {}, b"")
        assert idle.answer() == (0, {}, b"")


def test_connections_that_say_nothing_keep_nobody_out(port: int) -> None:
    connections = [Raw(port) for _ in range(400)]
    try:
        for number, raw in enumerate(connections):
            if number % 2:
                raw.sendall(b"GET / HT")
        assert httpx.get(f"http://127.0.0.1:{port}/").json()["path"] == "/"
    finally:
        for raw in connections:
            raw.close()


def test_the_server_of_a_deployment_is_run_so(server: Server) -> None:
    with Raw(server.settings.port) as raw:
        raw.sendall(request("h2c", "length"))
        assert raw.answer()[0] == 401
    with Raw(server.settings.port) as raw:
        raw.sendall(REFUSED["one long header"][0])
        assert raw.answer()[0] == 431


class Closing:
    """A connection that is closing already: there is nothing more to do about it."""

    def __init__(self) -> None:
        self.ended_calls = 0

    def give_up(self) -> None:
        assert not self.ended_calls
        self.ended_calls = 1


class Clock:
    """What is needed of a loop: its time is told, and its timers are run by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., None], *args: Any) -> object:
        self.timers.append(partial(callback, *args))
        return self.timers[-1]


def test_a_connection_that_is_closing_is_given_up_once_and_holds_up_nobody() -> None:
    connections, clock = Connections(ConnectionLimits(head_seconds=10, waiting=2)), Clock()
    loop = cast(asyncio.AbstractEventLoop, clock)
    old, second, third = Closing(), Closing(), Closing()
    for waiting in (old, second, third):
        connections.wait(connections.unfinished, waiting, loop)
    assert (old.ended_calls, second.ended_calls, third.ended_calls) == (1, 0, 0)
    clock.now = 11.0
    clock.timers.pop()()
    assert (old.ended_calls, second.ended_calls, third.ended_calls) == (1, 1, 1)
    assert not connections.unfinished
