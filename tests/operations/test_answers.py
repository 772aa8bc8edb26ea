"""What every answer carries, the pages of operations, and what a fault tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from almoner.errors import SettingError
from almoner.operations.metrics import Metrics
from almoner.settings import Settings
from tests.conftest import METRICS_TOKEN, Api, Server
from tests.operations.conftest import PATIENT, until_true
from tests.plain_http import PlainHttp

UNKNOWN = "/v1/patients/00000000-0000-4000-8000-000000000000"
EVERYWHERE = [
    ("GET", "/v1/patients", 200),
    ("POST", "/v1/patients", 400),
    ("GET", UNKNOWN, 404),
    ("GET", "/v1/nothing", 404),
    ("GET", "/v1/", 404),
    ("PATCH", "/v1/patients", 405),
    ("GET", "/v1/patients?page[size]=0", 400),
    ("GET", "/v1/changes", 200),
    ("POST", "/v1/token", 400),
    ("GET", "/v1/openapi.json", 200),
    ("GET", "/docs", 200),
    ("GET", "/docs/nothing", 404),
    ("GET", "/nothing", 404),
    ("GET", "/", 303),
    ("POST", "/healthz", 405),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/metrics", 401),
]


@pytest.mark.parametrize(("method", "path", "status"), EVERYWHERE)
async def test_every_answer_carries_its_id_and_the_security_headers(
    api: Api, method: str, path: str, status: int
) -> None:
    answer = await api.request(method, path, headers={"X-Request-Id": "mine-1"})
    assert answer.status_code == status
    assert answer.headers["x-client-request-id"] == "mine-1"
    assert answer.headers["x-request-id"] not in ("", "mine-1")
    assert answer.headers["x-content-type-options"] == "nosniff"
    framed = answer.headers.get("content-security-policy", "") + answer.headers.get(
        "x-frame-options", ""
    )
    assert "frame-ancestors 'none'" in framed or "DENY" in framed
    if path.startswith("/v1/"):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
    own = (await api.request(method, path)).headers["x-request-id"]
    other = (await api.request(method, path)).headers["x-request-id"]
    assert own != other


async def test_an_answer_to_nobody_carries_them_too(server: Server) -> None:
    async with PlainHttp(base_url=server.url) as nobody:
        answer = await nobody.get("/v1/patients")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "values",
    ["", "a b", "a\tb", "x" * 129, "<script>", 'quo"te', "ümlaut".encode().decode("latin-1")],
)
async def test_a_request_id_that_could_do_harm_in_a_log_is_not_repeated(
    api: Api, values: str
) -> None:
    answer = await api.get("/v1/nothing", headers=[(b"X-Request-Id", values.encode("latin-1"))])
    assert answer.headers["x-request-id"] not in ("", values)
    assert "x-client-request-id" not in answer.headers


async def test_head_is_answered_like_get_without_the_body(api: Api) -> None:
    row_id = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    for path in (
        "/v1/patients",
        f"/v1/patients/{row_id}",
        "/v1/changes",
        "/v1/openapi.json",
        UNKNOWN,
        "/docs",
        "/healthz",
    ):
        got, headed = await api.get(path), await api.head(path)
        assert headed.status_code == got.status_code, path
        assert headed.content == b""
        assert headed.headers["content-type"] == got.headers["content-type"]
        if path not in ("/v1/patients", "/v1/changes"):
            assert headed.headers["content-length"] == got.headers["content-length"]


async def test_the_connection_is_fit_for_the_next_request_after_every_answer(api: Api) -> None:
    limits = httpx.Limits(max_connections=1)
    async with PlainHttp(base_url=api.base_url, headers=api.headers, limits=limits) as plain:
        for method, path, status in EVERYWHERE:
            assert (await plain.head(path)).status_code < 500
            assert (await plain.request(method, path)).status_code == status


async def test_the_process_tells_that_it_lives_and_that_it_serves(api: Api) -> None:
    assert (await api.get("/healthz")).json() == {"status": "alive"}
    assert (await api.get("/readyz")).json() == {"status": "ready"}


async def test_metrics_are_told_to_nobody_without_their_token(
    api: Api, hurried: httpx.AsyncClient
) -> None:
    for authorization in (
        "",
        "Bearer",
        f"Bearer {METRICS_TOKEN}x",
        f"Basic {METRICS_TOKEN}",
        f"Bearer {api.token}",
    ):
        answer = await api.get("/metrics", headers={"Authorization": authorization})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (
            401,
            'Bearer realm="metrics"',
        )
        assert "almoner_requests" not in answer.text
    assert (await hurried.get("/metrics", headers={"Authorization": "Bearer"})).status_code == 401
    with pytest.raises(SettingError, match="ALMONER_METRICS_TOKEN"):
        Settings.read({"ALMONER_METRICS_TOKEN": "short"})


async def test_metrics_count_requests_by_operation_and_never_by_what_they_said(api: Api) -> None:
    row_id = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    await api.get(f"/v1/patients/{row_id}")
    await api.get("/v1/workers", params={"email": "grace@example.org"})
    answer = await api.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        'almoner_requests_total{operation="patients.create",status="200"}',
        'almoner_requests_total{operation="patients.get",status="200"}',
        'almoner_request_seconds_bucket{le="+Inf",operation="workers.find"}',
        'almoner_database_connections{state="open"}',
        "almoner_audit_reads_dropped 0.0",
    ):
        assert line in answer.text, line
    assert row_id not in answer.text
    assert "grace" not in answer.text


def test_requests_are_counted_in_the_bucket_of_their_time() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.002, 40.0):
        metrics.observe("patients.get", 200, seconds)
    metrics.exposition(1, 1, 0)
    metrics.observe("patients.get", 404, 0.25)
    lines = metrics.exposition(1, 1, 0).decode().splitlines()
    for line in (
        'almoner_requests_total{operation="patients.get",status="200"} 4.0',
        'almoner_requests_total{operation="patients.get",status="404"} 1.0',
        'almoner_request_seconds_bucket{le="0.001",operation="patients.get"} 2.0',
        'almoner_request_seconds_bucket{le="0.0025",operation="patients.get"} 3.0',
        'almoner_request_seconds_bucket{le="30.0",operation="patients.get"} 4.0',
        'almoner_request_seconds_count{operation="patients.get"} 5.0',
        'almoner_request_seconds_sum{operation="patients.get"} 40.2535',
    ):
        assert line in lines, line


@pytest.fixture
async def faulty(api: Api, connection: Any) -> AsyncIterator[Api]:
    """A caller in whose environment every new conversation is a fault, whose message holds the
    row.
    """
    await connection.execute(f"""
        CREATE FUNCTION faulty() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.environment_id = {api.environment_id} THEN
            RAISE EXCEPTION 'secret internals of % %', NEW.id, NEW USING ERRCODE = 'XX000';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER faulty BEFORE INSERT ON phone_numbers FOR EACH ROW EXECUTE FUNCTION faulty();
        """)
    yield api
    await connection.execute("DROP TRIGGER faulty ON phone_numbers; DROP FUNCTION faulty()")


async def test_a_fault_tells_its_request_id_and_nothing_else(faulty: Api, connection: Any) -> None:
    patient = PATIENT | {"phone": "555-555-0199"}
    answer = await faulty.post("/v1/patients", json=patient)
    assert answer.status_code == 500
    assert answer.json() == {
        "errors": [
            {
                "status": 500,
                "code": "internal_server_error",
                "title": "Internal Server Error",
                "detail": answer.json()["errors"][0]["detail"],
                "extra": {"request_id": answer.headers["x-request-id"]},
            }
        ]
    }
    for internal in ("secret", "0199", "XX000", "INSERT", "asyncpg", "Traceback", ".py", "trigger"):
        assert internal not in answer.text
    assert (await faulty.get("/v1/patients")).json()[0]["data"] == []


async def test_reads_are_noted_with_the_patients_that_they_told_of(
    api: Api, connection: Any
) -> None:
    ids = [(await api.post("/v1/patients", json=PATIENT)).json()["id"] for _ in range(3)]
    answer = await api.get(
        f"/v1/patients/{ids[0]}", headers={"X-Request-Id": "chosen-by-the-caller"}
    )
    every = await api.get("/v1/patients", headers={"X-Request-Id": "chosen-by-the-caller"})
    headed = await api.head(f"/v1/patients/{ids[1]}")
    query = (
        "SELECT request_id, actor, through, verb, resource, almoner_ids(patients)::text[] AS"
        " patients FROM audit_reads WHERE environment_id = $1"
    )
    noted: list[Any] = []

    async def all_three() -> bool:
        noted[:] = await connection.fetch(query, api.environment_id)
        return len(noted) == 3

    await until_true(all_three, "three reads are in the audit trail")
    client = f"client:{api.client_id}"
    assert {row["request_id"]: (*tuple(row)[1:-1], sorted(row["patients"])) for row in noted} == {
        every.headers["x-request-id"]: (client, "api", "find", "patients", sorted(ids)),
        headed.headers["x-request-id"]: (client, "api", "get", "patients", [ids[1]]),
        answer.headers["x-request-id"]: (client, "api", "get", "patients", [ids[0]]),
    }


@pytest.mark.parametrize("table", ["audit_reads", "changes"])
async def test_what_the_audit_trail_is_made_of_cannot_be_changed_or_removed(
    connection: Any, table: str
) -> None:
    for statement in (
        f"UPDATE {table} SET actor = 'x'",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(Exception, match="never changed or removed"):
            await connection.execute(statement)


@pytest.mark.slow
async def test_two_hundred_requests_at_once_are_all_answered(api: Api) -> None:
    answers = await asyncio.gather(*(api.get("/v1/patients") for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
