"""A partner begins a job by its hook: whoever proves nothing is refused, and a call that comes again begins nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from almoner.access import audit_search, hook_proof
from almoner.access.audit_search import AuditQuery
from almoner.data_api.serve import ApiAnswer, ApiRequest
from almoner.errors import Answerable, render
from almoner.integrations import Integration, Task, hooks
from almoner.operations.edge import Edge, Limits
from almoner.operations.metrics import Metrics
from almoner.resources import BY_NAME
from tests.conftest import Server, new_environment
from tests.integrations.conftest import Place
from tests.plain_http import PlainHttp

NOW = 1_800_000_000
# Seconds, as they go by for those that are refused.
clock = [0.0]
described = Integration(name="called", title="Called")


@described.task()
async def run_called(task: Task, call: dict[str, Any]) -> None:
    assert call


@pytest.fixture
async def partner(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    await place.configure(described)
    transport = httpx.ASGITransport(app=Starlette(routes=[route_of(place)]))
    async with PlainHttp(transport=transport, base_url="http://almoner") as client:
        yield client


def route_of(place: Place) -> Route:
    return hooks.route(
        place.database,
        place.store,
        BY_NAME["integration_tasks"],
        place.parts.box,
        known=lambda: {"called": described},
        audit=place.parts.audit,
        watch=lambda: clock[0],
        now=lambda: float(NOW),
    )


async def opened(place: Place, way: str) -> str:
    async with place.database.transaction() as connection:
        secret = await hooks.HOOKS.set(
            connection, place.parts.box, place.environment, "called", way
        )
    assert secret is not None
    return secret


async def begun(place: Place) -> int:
    (row,) = await place.rows("SELECT count(*) FROM work_steps WHERE environment_id = $1")
    count: int = row["count"]
    return count


def signed(secret: str, body: bytes, moment: str = str(NOW)) -> dict[str, str]:
    proof = f"sha256={hook_proof.signature(secret, moment, body)}"
    return {hook_proof.TIME_HEADER: moment, hook_proof.SIGNATURE_HEADER: proof}


async def test_a_signed_call_begins_one_job_however_often_it_comes(
    place: Place, partner: httpx.AsyncClient
) -> None:
    secret, body = await opened(place, "hmac"), json.dumps({"new": 3}).encode()
    other = await new_environment(place.database)
    first = await partner.post(
        "/integrations/called/hook", content=body, headers=signed(secret, body)
    )
    again = await partner.post(
        "/integrations/called/hook", content=body, headers=signed(secret, body)
    )
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    assert await begun(place) == 1
    await place.work(described, first.json()["job_id"])
    assert (await place.show(first.json()["job_id"]))["status"] == "succeeded"

    later = signed(secret, body, str(NOW + 1))
    assert (
        await partner.post("/integrations/called/hook", content=body, headers=later)
    ).status_code == 202
    refused = {
        "another body": (b"{}", signed(secret, body)),
        "another secret": (body, signed("guessed", body)),
        "too old": (body, signed(secret, body, str(NOW - 301))),
        "no time": (body, {**signed(secret, body), hook_proof.TIME_HEADER: "soon"}),
        "nothing": (body, {}),
        "a bearer": (body, {"Authorization": f"Bearer {secret}"}),
    }
    for case, (content, headers) in refused.items():
        answer = await partner.post("/integrations/called/hook", content=content, headers=headers)
        assert (case, answer.status_code) == (case, 401)
        assert answer.json()["errors"][0]["code"] == "unauthorized"
    unknown = await partner.post(
        "/integrations/nobody/hook", content=body, headers=signed(secret, body)
    )
    assert unknown.status_code == 401
    assert await begun(place) == 2
    assert other != place.environment


class Routed(Starlette):
    """Pages of nothing but the hooks, for the edge."""

    def operation(self, scope: Any) -> str:
        return "hook"

    def refused(self, scope: Any, error: Answerable) -> Response:
        return Response(render(error), error.status)


async def test_a_signature_is_of_what_was_sent_packed_or_with_a_mark(place: Place) -> None:
    await place.configure(described)
    edge = Edge(
        fixed={},
        below={},
        api=nothing,
        pages=Routed(routes=[route_of(place)]),
        limits=Limits(body=100_000, seconds=30.0, requests=10),
        metrics=Metrics(),
        log=structlog.get_logger(),
        log_all=False,
    )
    secret, plain = await opened(place, "hmac"), b'{"new": 3}'
    sent: list[tuple[bytes, dict[str, str]]] = [
        (gzip.compress(plain), {"Content-Encoding": "gzip"}),
        (b"\xef\xbb\xbf" + plain, {}),
    ]
    transport = httpx.ASGITransport(app=edge)
    async with PlainHttp(transport=transport, base_url="http://almoner") as client:
        for body, headers in sent:
            proof = signed(secret, body) | headers
            answer = await client.post("/integrations/called/hook", content=body, headers=proof)
            assert answer.status_code == 202
            proof = signed(secret, plain) | headers
            answer = await client.post("/integrations/called/hook", content=body, headers=proof)
            assert answer.status_code == 401


async def nothing(request: ApiRequest) -> ApiAnswer:
    raise AssertionError


async def test_a_bearer_says_which_call_comes_again(
    place: Place, partner: httpx.AsyncClient
) -> None:
    headers = {"Authorization": f"Bearer {await opened(place, 'bearer')}"}
    keyed = headers | {"Idempotency-Key": "7"}
    answers = [
        await partner.post("/integrations/called/hook", json={"new": 1}, headers=sent)
        for sent in (keyed, keyed, headers, headers)
    ]
    assert [answer.status_code for answer in answers] == [202, 200, 202, 202]
    for content in (b"<xml>", b"[" * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900):
        text = await partner.post("/integrations/called/hook", content=content, headers=headers)
        assert text.status_code == 400
    async with place.database.transaction() as connection:
        assert (
            await hooks.HOOKS.set(connection, place.parts.box, place.environment, "called", "none")
            is None
        )
    closed = await partner.post("/integrations/called/hook", json={}, headers=headers)
    assert closed.status_code == 401


async def test_what_is_refused_is_in_the_audit_trail_and_a_flood_is_one_entry_a_minute(
    place: Place, partner: httpx.AsyncClient
) -> None:
    await opened(place, "hmac")
    for _ in range(20):
        assert (await partner.post("/integrations/called/hook", json={})).status_code == 401
    clock[0] += 60.0
    await partner.post("/integrations/called/hook", json={})
    await partner.post("/integrations/nobody/hook", json={})
    await place.parts.audit.flush()
    async with place.database.connection() as connection:
        query = AuditQuery(verb="refuse", resource="integrations")
        entries = await audit_search.newest(connection, place.environment, query, 100)
    assert [(entry.actor, entry.through, entry.patient_ids) for entry in entries] == [
        ("unknown", "hook of called", ())
    ] * 2


async def test_the_server_answers_a_hook_with_the_words_of_the_api(server: Server) -> None:
    async with PlainHttp(base_url=server.url) as client:
        answer = await client.post("/integrations/kiwihealth_pull/hook", json={})
        others = [
            await client.request(method, f"/{path}")
            for method in ("GET", "PUT", "DELETE")
            for path in ("integrations/kiwihealth_pull/hook", "processes/hooks/discharge")
        ]
        named = [
            await client.request(method, f"/{path}")
            for method in ("GET", "POST")
            for path in ("integrations/a%00b/hook", "processes/hooks/a%00b", "%00", "portal/%00")
        ]
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json")
    assert answer.json()["errors"][0]["code"] == "unauthorized"
    for other in others:
        assert (other.status_code, other.headers["allow"]) == (405, "POST")
        assert other.json()["errors"][0]["code"] == "method_not_allowed"
    assert {other.status_code for other in named} == {404}
