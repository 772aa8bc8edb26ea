"""Nobody waits for a caller while holding what others need, and pages are under the limits of the
API (docs/decisions).
"""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog

from almoner.access.sessions import csrf
from almoner.operations.bodies import BodyReader, send_body
from almoner.operations.deadlines import Deadlines
from almoner.operations.repeats import SECONDS as INTERVAL
from almoner.operations.repeats import OncePerRun, Repeats
from almoner.settings import Settings
from tests.conftest import METRICS_TOKEN, Api
from tests.operations.conftest import (
    BODY,
    CONNECTIONS,
    PATIENT,
    REQUESTS,
    SECONDS,
    Process,
    signed_in_at,
    soon_reached,
    until_true,
)
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.web.document import Document

SERVER = Path(__file__).resolve().parents[2] / "src" / "almoner"
# Who may read from a request: the edge, which does it before anything is taken; the API's handlers
# through the edge's reader, as the hooks of integrations and processes do; and the form of a page, which the edge
# has read by then. The receiver is an application of its own, without a database of ours.
READERS = {
    "operations/bodies.py",
    "operations/edge.py",
    "data_api/serve.py",
    "notifications/serve.py",
    "integrations/hooks.py",
    "processes/hooks.py",
    "app.py",
    "pages/visit.py",
}
READING = {"stream", "body", "form", "json", "receive", "_receive", "_send"}


def _reading_lines(tree: ast.AST) -> list[int]:
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _reads(node)]


def _reads(node: ast.Call) -> bool:
    """Whether this is a call that waits for what a caller sends: ``request.body()``,
    ``visit.request.stream()``, ``receive()``.
    """
    match node.func:
        case ast.Name(id="receive"):
            return True
        case ast.Attribute(attr=attr, value=ast.Name(id="request") | ast.Attribute(attr="request")):
            return attr in READING
    return False


def _takes(node: ast.AST) -> bool:
    """Whether this block holds a connection."""
    return isinstance(node, ast.AsyncWith) and any(
        isinstance(item.context_expr, ast.Call)
        and isinstance(item.context_expr.func, ast.Attribute)
        and item.context_expr.func.attr in ("connection", "transaction")
        for item in node.items
    )


@pytest.mark.slow
def test_what_a_caller_sends_is_read_in_few_places_and_never_with_a_connection_in_hand() -> None:
    wrong = []
    for path in sorted(SERVER.rglob("*.py")):
        name = path.relative_to(SERVER).as_posix()
        tree = ast.parse(path.read_text())
        if name not in READERS and not name.startswith("receiver/"):
            wrong += [f"{name}:{line} reads from a request" for line in _reading_lines(tree)]
        for block in filter(_takes, ast.walk(tree)):
            wrong += [
                f"{name}:{line} reads within a block that holds a connection"
                for line in _reading_lines(block)
            ]
    assert not wrong


async def test_a_body_is_not_read_and_nothing_sent_by_who_holds_a_connection(database: Any) -> None:
    async def receive() -> Any:
        raise AssertionError("nothing is asked of the caller")

    async with database.connection():
        with pytest.raises(RuntimeError, match="while it holds a database connection"):
            await BodyReader(receive, {}, BODY).read()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Process]:
    """A server with limits that are soon reached, whose log can be read."""
    environ = soon_reached(CONNECTIONS, SECONDS, REQUESTS, BODY)
    with Process(tmp_path_factory.mktemp("watched"), settings, **environ) as running:
        yield running


@pytest.fixture
async def integrator(watched: Process, people: People, program: int) -> AsyncIterator[Person]:
    """Somebody of the watched server, with a session and the permission to end secrets of
    clients.
    """
    async with signed_in_at(watched, people, program, "designer") as person:
        yield person


def half_sent(person: Person, path: str) -> bytes:
    """A form of which one byte has arrived, with all that is needed for it to be taken
    seriously.
    """
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nCookie:"
        f" almoner_session={person.token}\r\nX-CSRF-Token: {csrf(person.token)}\r\nContent-Type:"
        " application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\ns"
    ).encode()


async def opened(url: str, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def test_forms_that_do_not_arrive_hold_no_connection_of_the_database(
    watched: Process, integrator: Person, api: Api
) -> None:
    # As many as there are connections, each on a page that looks its client up before it reads what
    # was typed.
    sent = half_sent(integrator, f"/workshop/clients/{api.client_id}/revoke")
    slow = [await opened(watched.url, sent) for _ in range(CONNECTIONS)]
    try:
        async with PlainHttp(base_url=watched.url, headers=api.headers) as caller:
            statuses = {
                (await caller.get(path)).status_code
                for path in ("/v1/patients", "/readyz", "/v1/patients")
                for _ in range(5)
            }
        assert statuses == {200}
        answers = [
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS + 5) for reader, _ in slow
        ]
        assert [answer.split()[1] for answer in answers] == [b"408"] * CONNECTIONS
        assert all(b"x-request-id" in answer and b"x-frame-options" in answer for answer in answers)
    finally:
        for _, writer in slow:
            writer.close()


async def test_pages_beyond_those_that_are_worked_on_are_refused_and_a_probe_for_life_is_not(
    watched: Process, integrator: Person
) -> None:
    slow = [await opened(watched.url, half_sent(integrator, "/session")) for _ in range(REQUESTS)]
    try:

        async def refused() -> bool:
            return (await integrator.get("/account")).status_code == 503

        await until_true(refused, "the server refuses more pages", SECONDS)
        assert (await integrator.get("/healthz")).status_code == 200
        answer = await integrator.get("/account", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert Document(answer).heading("The server is busy")
    finally:
        for _, writer in slow:
            writer.close()


async def test_a_form_that_is_too_long_is_refused_as_soon_as_that_is_known(
    watched: Process, integrator: Person
) -> None:
    sent = half_sent(integrator, "/session").replace(
        b"Content-Length: 50", f"Content-Length: {BODY + 1}".encode()
    )
    reader, writer = await opened(watched.url, sent)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 1)
    writer.close()
    assert answer.split()[1] == b"413"
    assert (await integrator.get("/account?x=" + "1" * 17_000)).status_code == 414


async def metrics(server: Process) -> str:
    async with PlainHttp(
        base_url=server.url, headers={"Authorization": f"Bearer {METRICS_TOKEN}"}
    ) as collector:
        return (await collector.get("/metrics")).text


async def counted(server: Process, line: str) -> float:
    text = await metrics(server)
    return next(
        (
            float(sample.rpartition(" ")[2])
            for sample in text.splitlines()
            if sample.startswith(line)
        ),
        0.0,
    )


async def test_pages_are_counted_by_the_pattern_of_their_route(
    watched: Process, integrator: Person, api: Api
) -> None:
    line = 'almoner_requests_total{operation="/workshop/clients/{id}",status="200"}'
    before = await counted(watched, line)
    assert (await integrator.get(f"/workshop/clients/{api.client_id}")).status_code == 200
    assert await counted(watched, line) == before + 1
    await integrator.get("/patients/Quillfeather-nobody-has-this-address")
    assert "Quillfeather" not in await metrics(watched)
    ready = 'almoner_requests_total{operation="/readyz",status="200"}'
    before = await counted(watched, ready)
    await integrator.get("/readyz")
    assert await counted(watched, ready) == before + 1


async def test_refusals_say_who_was_refused_and_why_and_nothing_else(
    watched: Process, integrator: Person, callers: Any, program: int
) -> None:
    await integrator.get("/inbox")
    async with PlainHttp(base_url=watched.url) as nobody:
        await nobody.post(
            "/sign-in",
            headers={"Origin": "https://elsewhere.example"},
            content="email=Quillfeather",
        )
    await integrator.post("/workshop/clients", content="csrf=wrong&name=Quillfeather")
    async with await callers(program, "patients.read") as limited:
        async with PlainHttp(base_url=watched.url, headers=limited.headers) as caller:
            assert (
                await caller.post("/v1/patients", json=PATIENT | {"last_name": "Quillfeather"})
            ).status_code == 403
        client = f"client:{limited.client_id}"
    worker = f"worker:{integrator.worker_id}"
    expected = {
        (worker, "/inbox", "Your role does not open this page"),
        ("", "/sign-in", "This was not sent"),
        (worker, "/workshop/clients", "This was not sent"),
        (client, "refused", "forbidden"),
    }

    def entries() -> set[tuple[str, str, str]]:
        lines = [json.loads(line) for line in watched.log().splitlines() if line.startswith("{")]
        return {
            (e.get("actor", ""), e["operation"], e["problem"])
            for e in lines
            if e["event"] == "refused" and "operation" in e
        }

    async def logged() -> bool:
        return expected <= entries()

    await until_true(logged, f"the log tells of {expected}, not only of {entries()}")
    assert "Quillfeather" not in watched.log()


async def test_a_reader_who_takes_nothing_is_not_waited_for_and_one_who_is_slow_gets_it_all() -> (
    None
):
    deadlines = Deadlines(0.0)
    taken: list[bytes] = []

    async def blocked(message: Any) -> None:
        await asyncio.Event().wait()

    async def slow(message: Any) -> None:
        taken.append(message["body"])
        assert message["more_body"] is (len(taken) < 3)

    async def sending(send: Any) -> str:
        task = deadlines.begin()
        try:
            await send_body(send, b"x" * 150_000, False, deadlines, task)
        except asyncio.CancelledError:
            return "cut" if deadlines.passed(task) else "cancelled"
        finally:
            deadlines.end(task)
        return "sent"

    assert await asyncio.create_task(sending(blocked)) == "cut"
    assert await asyncio.create_task(sending(slow)) == "sent"
    assert len(b"".join(taken)) == 150_000


class Clock:
    """Calls what is due when it is told that time has passed."""

    def __init__(self) -> None:
        self.due: list[Any] = []

    def later(self, seconds: float, call: Any) -> None:
        assert seconds == INTERVAL
        self.due.append(call)

    def passes(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


class Lines:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def warning(self, event: str, **values: Any) -> None:
        self.lines.append({"event": event, **values})


def test_an_outage_is_told_by_its_beginning_a_number_now_and_then_and_its_end() -> None:
    clock, log = Clock(), Lines()
    repeats = Repeats(log, clock.later)
    for number in range(500):
        repeats.warn("unavailable", request_id=f"r{number}")
    repeats.warn("busy", request_id="other")
    clock.passes()
    for number in range(30):
        repeats.warn("unavailable", request_id=f"r{number}")
    clock.passes()
    clock.passes()
    repeats.warn("unavailable", request_id="again")
    clock.passes()
    assert log.lines == [
        {"event": "unavailable", "request_id": "r0"},
        {"event": "busy", "request_id": "other"},
        {"event": "unavailable", "repeated": 499, "within_seconds": INTERVAL},
        {"event": "unavailable", "repeated": 30, "within_seconds": INTERVAL},
        {"event": "unavailable", "over": True, "repeated": 529, "within_seconds": 3 * INTERVAL},
        {"event": "unavailable", "request_id": "again"},
    ]
    assert clock.due == []


async def test_a_fault_of_a_round_is_told_once_in_a_run_and_one_of_a_request_each_time() -> None:
    clock, passed = Clock(), list[dict[str, Any]]()
    again: dict[str, Any] = {"event": "a fault in a round", "error": "OSError"}
    once = OncePerRun(clock.later)
    for line in (
        *(again | {"where": ["a.py:1 look"]} for _ in range(3)),
        again | {"where": ["b.py:2 look"]},
        *(again | {"request_id": number} for number in ("r1", "r2")),
        {"event": "sign-in refused"},
        {"event": "sign-in refused"},
    ):
        try:
            passed.append(once(None, "error", {**line}))
        except structlog.DropEvent:
            continue
    assert [line.get("request_id", line.get("where")) for line in passed] == [
        ["a.py:1 look"],
        ["b.py:2 look"],
        "r1",
        "r2",
        None,
        None,
    ]
    with structlog.testing.capture_logs() as lines:
        clock.passes()
        clock.passes()
    event = {"event": "a fault in a round", "error": "OSError", "log_level": "error", "repeated": 2}
    assert lines == [
        event | {"within_seconds": INTERVAL},
        event | {"over": True, "within_seconds": 2 * INTERVAL},
    ]
