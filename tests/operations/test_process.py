"""``almoner serve`` as a deployment runs it: what its log and its traces hold, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from almoner.settings import Settings
from tests.conftest import Api
from tests.operations.conftest import PATIENT, Process, delayed, locked, until_true
from tests.plain_http import PlainHttp

# Every value that the callers of these tests send; none may turn up in a log or a trace.
PERSON: dict[str, Any] = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Zephyrine",
    "last_name": "Quillfeather",
    "birthday": "1931-03-17",
    "street": "4711 Larkspur Crescent",
    "city": "Walla Walla",
    "zip_code": "99362",
    "phone": "509-555-0142",
    "email": "zephyrine.quillfeather@example.org",
    "external_ids": [{"namespace": "kiwihealth", "external_id": "MRN-778812"}],
}
UNTOLD = (
    "Zephyrine",
    "Quillfeather",
    "1931",
    "Larkspur",
    "Walla",
    "99362",
    "0142",
    "example.org",
    "MRN-778812",
    "s3cr3t-value",
)


class Receiver(ThreadingHTTPServer):
    """Takes OpenTelemetry's spans (OTLP over HTTP) and keeps them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.received: list[bytes] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Any]:
        exported = []
        for body in list(self.received):
            request = ExportTraceServiceRequest.FromString(body)
            exported += [
                span
                for r in request.resource_spans
                for scope in r.scope_spans
                for span in scope.spans
            ]
        return exported


class _Post(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Receiver)
        self.server.received.append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def talkative(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings, receiver: Receiver
) -> Iterator[Process]:
    """A server that logs every request and sends every span."""
    environ = {
        "ALMONER_ACCESS_LOG": "all",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with Process(tmp_path_factory.mktemp("talkative"), settings, **environ) as running:
        yield running


@pytest.fixture
async def caller(talkative: Process, api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with PlainHttp(base_url=talkative.url, headers=api.headers) as client:
        yield client


def assertion(client_id: str, secret: str, audience: str) -> str:
    """A signed assertion, made by hand (RFC 7515, RFC 7519)."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"iss": client_id, "aud": audience, "exp": int(time.time()) + 600, "scope": "all"}
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    mac = hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


async def everything_that_can_go_wrong(api: Api, caller: httpx.AsyncClient, url: str) -> list[str]:
    """Requests of every kind, each with values that must stay between the two. Returns the secrets
    among them.
    """
    secrets = [api.token, api.client_secret]
    row_id = (await caller.post("/v1/patients", json=PERSON)).json()["id"]
    await caller.get(f"/v1/patients/{row_id}")
    await caller.get("/v1/workers", params={"email": PERSON["email"]})
    await caller.get(f"/v1/email_addresses?emale={PERSON['email']}")
    await caller.post(
        "/v1/email_addresses/find", json={"email": PERSON["email"], "Quillfeather": "Zephyrine"}
    )
    await caller.post("/v1/patients", json=PERSON)
    await caller.post("/v1/patients", json=PERSON | {"birthday": "1931-99-99", "Larkspur": 1})
    await caller.post("/v1/patients", content=b'{"first_name": "Zephyrine" "Quillfeather"}')
    await caller.post("/v1/patients", content="Zephyrine".encode("utf-16"))
    await caller.put(
        f"/v1/patients/{row_id}", json={"city": "Walla Walla", "phase": "Quillfeather"}
    )
    await caller.get("/v1/Quillfeather/1931")
    await caller.get("/Quillfeather")
    await caller.get("/v1/patients", headers={"Authorization": "Bearer s3cr3t-value"})
    await caller.get("/v1/changes?after=Quillfeather")
    for secret in (api.client_secret, "s3cr3t-value-that-is-long-enough-to-sign-with"):
        signed = assertion(api.client_id, secret, f"{url}/v1/token")
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}
        answer = await caller.post("/v1/token", data=form)
        secrets += [signed, signed.rpartition(".")[2], answer.json().get("access_token", signed)]
    return secrets


async def test_a_log_of_every_request_holds_no_value_and_no_secret(
    talkative: Process, caller: httpx.AsyncClient, api: Api, connection: Any
) -> None:
    secrets = await everything_that_can_go_wrong(api, caller, talkative.url)
    # Faults whose messages quote the row, as constraints and triggers do.
    fault = f"fault_{uuid.uuid4().hex}"
    await connection.execute(f"""
        CREATE FUNCTION {fault}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.environment_id = {api.environment_id} THEN
            RAISE EXCEPTION 'Failing row contains %', NEW USING ERRCODE = CASE NEW.first_name
              WHEN 'Zephyrine' THEN 'XX000' WHEN 'Zephyrine II' THEN '53100' ELSE '23514' END, DETAIL = NEW.last_name;
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER {fault} BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION {fault}();
        """)
    try:
        statuses = [
            (
                await caller.post(
                    "/v1/patients", json=PERSON | {"first_name": name, "email": None}, headers=named
                )
            ).status_code
            for name, named in [
                ("Zephyrine", {"X-Request-Id": "the-fault"}),
                ("Zephyrine II", {}),
                ("Zephyrine III", {}),
            ]
        ]
    finally:
        await connection.execute(f"DROP TRIGGER {fault} ON patients; DROP FUNCTION {fault}()")
    assert statuses[:2] == [500, 503]
    assert statuses[2] < 500

    async def logged() -> bool:
        return '"the-fault"' in talkative.log()

    await until_true(logged, "the fault is in the log")
    log = talkative.log()
    for value in (*UNTOLD, *secrets):
        assert value not in log, f"the log holds {value!r}"
    entries = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert {"request", "fault", "unavailable"} <= {entry["event"] for entry in entries}
    faults = [entry for entry in entries if entry["event"] == "fault"]
    assert [(f["client_request_id"], f["sqlstate"]) for f in faults] == [("the-fault", "XX000")]
    assert faults[0]["request_id"] not in ("", "the-fault")
    assert all(entry["where"] for entry in faults)
    assert len([line for line in log.splitlines() if not line.startswith("{")]) == 1, (
        "all but the greeting is structured"
    )


async def test_spans_tell_the_operation_and_nothing_of_what_was_said(
    talkative: Process, caller: httpx.AsyncClient, api: Api, receiver: Receiver
) -> None:
    secrets = await everything_that_can_go_wrong(api, caller, talkative.url)
    latest = (await caller.get("/v1/patients")).headers["x-request-id"]

    async def arrived() -> bool:
        return any(latest.encode() in body for body in receiver.received)

    await until_true(arrived, "the span of the last request arrives")
    assert {"patients.create", "patients.get", "patients.find", "workers.find"} <= {
        s.name for s in receiver.spans()
    }
    last = next(
        s for s in receiver.spans() if any(a.value.string_value == latest for a in s.attributes)
    )
    attributes = {a.key: a.value.string_value or a.value.int_value for a in last.attributes}
    assert attributes == {
        "http.request.method": "GET",
        "almoner.request_id": latest,
        "http.response.status_code": 200,
    }
    everything = b"".join(receiver.received).decode("utf-8", "replace")
    for value in (*UNTOLD, *secrets):
        assert value not in everything, f"a span holds {value!r}"


async def test_a_deployment_does_not_say_what_it_is_made_of(caller: httpx.AsyncClient) -> None:
    for path in ("/v1/patients", "/v1/nothing", "/docs", "/nothing"):
        assert "server" not in (await caller.get(path)).headers


@pytest.mark.slow
async def test_a_server_that_is_asked_to_stop_finishes_the_request_under_way(
    tmp_path: Path, settings: Settings, api: Api, dsn: str, connection: Any
) -> None:
    row_id = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    with Process(tmp_path, settings) as running:
        async with PlainHttp(base_url=running.url, headers=api.headers) as caller:
            read = await caller.get(f"/v1/patients/{row_id}")
            assert read.status_code == 200
            async with locked(dsn, row_id) as holder:
                under_way = asyncio.create_task(
                    caller.put(f"/v1/patients/{row_id}", json={"city": "Rye"})
                )
                await delayed(holder)
                running.signal(signal.SIGTERM)

                async def closed() -> bool:
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", running.port)
                    except OSError:
                        return True
                    writer.close()
                    return False

                await until_true(closed, "the server takes no more connections")
                assert not under_way.done()
            answer = await under_way
            assert (answer.status_code, answer.json()["city"]) == (200, "Rye")
        # The signal is handed on at the very end, once all is closed; both are a clean end.
        assert await asyncio.to_thread(running.ended) in (0, -signal.SIGTERM)
    query = (
        "SELECT array_agg(kind ORDER BY xid) FROM changes WHERE environment_id = $1 AND row_id = $2"
    )
    assert await connection.fetchval(query, api.environment_id, row_id) == ["create", "update"]
    reads = "SELECT count(*) FROM audit_reads WHERE environment_id = $1 AND request_id = $2"
    assert await connection.fetchval(reads, api.environment_id, read.headers["x-request-id"]) == 1


@pytest.mark.slow
async def test_a_write_that_was_answered_outlives_a_server_that_is_killed(
    tmp_path: Path, settings: Settings, api: Api, connection: Any
) -> None:
    with Process(tmp_path, settings) as running:
        async with PlainHttp(base_url=running.url, headers=api.headers) as caller:
            answer = await caller.post("/v1/patients", json=PATIENT)
            running.signal(signal.SIGKILL)
        await asyncio.to_thread(running.ended)
    row = await connection.fetchrow(
        "SELECT row_id::text, actor, through FROM changes WHERE environment_id = $1 AND request_id"
        " = $2",
        api.environment_id,
        answer.headers["x-request-id"],
    )
    assert tuple(row) == (answer.json()["id"], f"client:{api.client_id}", "api")
