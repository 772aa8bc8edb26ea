"""Access as a program meets it: over HTTP, against a running server."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
import pytest

from almoner.access import clients
from almoner.access.audit_search import AuditQuery, newest
from almoner.access.token_endpoint import GRANT_TYPE
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources.workers import workers
from tests.conftest import Api, Callers, Server
from tests.plain_http import PlainHttp


def _form(server: Server, api: Api, **claims: Any) -> dict[str, str]:
    plain = {"iss": api.client_id, "aud": server.settings.token_url, "exp": int(time.time()) + 3600}
    return {
        "grant_type": GRANT_TYPE,
        "assertion": jwt.encode({**plain, **claims}, api.client_secret, algorithm="HS256"),
    }


@pytest.mark.parametrize("path", ["/v1/token", "/v1/token/"])
async def test_a_token_is_fetched_and_used(server: Server, api: Api, path: str) -> None:
    async with PlainHttp(base_url=server.url) as program:
        answer = await program.post(path, data=_form(server, api, scope="patients.read"))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]
        program.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        assert (await program.get("/v1/patients")).status_code == 200
        refused = await program.get("/v1/messages")
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "forbidden")


async def test_a_refusal_is_told_in_both_forms(server: Server, api: Api) -> None:
    async with PlainHttp(base_url=server.url) as program:
        answer = await program.post(
            "/v1/token", json=_form(server, api, aud="https://elsewhere.example")
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert server.settings.token_url in answer.json()["error_description"]
        assert answer.json()["errors"][0]["code"] == "bad_request"
        assert (await program.get("/v1/token")).status_code == 405


async def test_a_token_that_is_not_valid_is_answered_with_a_challenge(server: Server) -> None:
    async with PlainHttp(base_url=server.url) as program:
        for token in ("alm_" + "a" * 43, "nonsense"):
            refused = await program.get(
                "/v1/patients", headers={"Authorization": f"Bearer {token}"}
            )
            assert refused.status_code == 401
            assert (
                refused.headers["www-authenticate"]
                == 'Bearer realm="almoner", error="invalid_token"'
            )


async def test_disabling_a_client_ends_its_tokens_within_five_seconds(
    callers: Callers, database: Database, program: int
) -> None:
    async with await callers(program) as api:
        assert (await api.get("/v1/patients")).status_code == 200
        async with database.connection() as connection:
            await clients.disable(connection, program, api.client_id)
        began = time.monotonic()
        while (await api.get("/v1/patients")).status_code == 200:
            assert time.monotonic() - began < 5
        assert (await api.get("/v1/patients")).status_code == 401


async def test_who_read_and_wrote_what_is_in_the_trail(
    api: Api, store: Store, inside: Actor, database: Database, program: int
) -> None:
    worker = {
        "email": "e@example.org",
        "first_name": "Emily",
        "last_name": "Smith",
        "timezone": "US/Eastern",
    }
    coach = await store.create(inside, workers, worker)
    patient = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": "Grace",
        "last_name": "Hopper",
        "coach_id": coach.id,
    }
    created = await api.post("/v1/patients", json=patient | {"birthday": "1906-12-09"})
    assert created.status_code == 200
    patient_id = created.json()["id"]
    read = await api.get(
        f"/v1/patients/{patient_id}", headers={"X-Request-Id": "chosen-by-the-caller"}
    )
    assert read.status_code == 200
    async with database.connection() as connection:
        for _ in range(1000):
            entries = await newest(
                connection, program, AuditQuery(patient=patient_id, actor=api.client_id), 1_000
            )
            if len(entries) == 2:
                break
            await asyncio.sleep(0.02)
    assert [(e.verb, e.resource, e.actor) for e in entries] == [
        ("get", "patients", f"client:{api.client_id}"),
        ("create", "patients", f"client:{api.client_id}"),
    ]
    assert [e.request_id for e in entries] == [
        read.headers["x-request-id"],
        created.headers["x-request-id"],
    ]
