"""PostgreSQL ends at each answer that a request waits for in turn, in every way in which it can: the
caller is told to come again, whatever the request is, and never that the server has a fault.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import httpx
import jwt
import pytest

from almoner.access import keys
from almoner.access.key_file import KeySource
from almoner.access.token_endpoint import GRANT_TYPE
from almoner.database import Database
from almoner.integrations import hooks, installed
from almoner.integrations.kiwihealth_pull import kiwihealth_pull
from almoner.pages.sent_forms import new_token
from almoner.processes import hooks as process_hooks
from almoner.settings import Settings
from tests.conftest import METRICS_TOKEN, Api, Callers, ServerThread, free_port
from tests.operations.conftest import PATIENT
from tests.operations.cutting import CUTS, Wire, wire
from tests.people import People, Person
from tests.plain_http import PlainHttp

Ask = Callable[[], Awaitable[httpx.Response]]
# No request waits for more answers.
_MOST_ANSWERS = 400
_INTEGRATION, _PROCESS = "/integrations/kiwihealth_pull/hook", "/processes/hooks/called"


@pytest.fixture
async def cut(dsn: str) -> AsyncIterator[Wire]:
    """The wire to the database of the tests."""
    async with wire(dsn) as proxy:
        yield proxy


@asynccontextmanager
async def served(wire: Wire, settings: Settings) -> AsyncIterator[str]:
    """A server at the end of this wire; its URL."""
    server = ServerThread(
        replace(settings, port=free_port(), database_url=wire.address, connections=4)
    )
    # The wire is served in this thread, and the server waits for it as it starts.
    running = await asyncio.to_thread(server.__enter__)
    try:
        yield running.url
    finally:
        await asyncio.to_thread(server.__exit__)


Call = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def hook(database: Database, program: int, home: Path) -> AsyncIterator[Call]:
    """Calls a hook of the environment as its partner, each time anew."""
    kiwi = {"base_url": "https://kiwi.example.org", "client_id": "x", "client_secret": "x"}
    async with database.transaction() as connection:
        box = await keys.box(connection, KeySource("", home))
        await installed.configure(connection, box, program, kiwihealth_pull, kiwi)
        bearers = {
            _INTEGRATION: await hooks.HOOKS.set(
                connection, box, program, kiwihealth_pull.name, "bearer"
            ),
            _PROCESS: await process_hooks.HOOKS.set(connection, box, program, "called", "bearer"),
        }
    numbers = count(1)
    async with PlainHttp() as partner:

        async def call(url: str, path: str, **body: str) -> httpx.Response:
            headers = {
                "Authorization": f"Bearer {bearers[path]}",
                "Idempotency-Key": str(next(numbers)),
            }
            return await partner.post(url + path, json=body, headers=headers)

        yield call


async def wrong_with(wire: Wire, name: str, ask: Ask) -> list[str]:
    """What is answered that should not be, as the wire is cut at each answer in turn, each time in
    the next way.
    """
    wrong: list[str] = []
    usual = await ask()
    assert usual.status_code < 400, f"{name}: {usual.text}"
    for at in range(1, _MOST_ANSWERS):
        cut = CUTS[at % len(CUTS)]
        wire.mend()
        wire.arm(at, cut)
        answer = await ask()
        if answer.status_code not in (usual.status_code, 503):
            wrong.append(f"{name}, {cut.__name__} at {at}: {answer.status_code} {answer.text}")
        if not wire.is_cut:
            wire.mend()
            return wrong
    raise AssertionError(f"{name} waits for more than {_MOST_ANSWERS} answers")


@pytest.mark.slow
async def test_whoever_asks_as_the_database_ends_is_told_to_come_again(
    cut: Wire,
    settings: Settings,
    hook: Call,
    callers: Callers,
    people: People,
    program: int,
) -> None:
    async with (
        served(cut, settings) as url,
        await callers(program) as api,
        await people(program, "coach") as coach,
        await people(program, "designer") as designer,
    ):
        patient = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
        for caller in (api, coach, designer):
            caller.base_url = httpx.URL(url)
        wrong: list[str] = []
        requests = _requests(url, api, coach, designer, patient) | {
            "hook": lambda: hook(url, _INTEGRATION),
            "hook of a process": lambda: hook(url, _PROCESS, patient_id=patient),
        }
        for name, ask in requests.items():
            wrong += await wrong_with(cut, name, ask)
    assert wrong == []


def _requests(url: str, api: Api, coach: Person, designer: Person, patient: str) -> dict[str, Ask]:
    collector = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    numbers = count(1)
    return {
        "token": lambda: api.post("/v1/token", data=_grant(url, api)),
        "get": lambda: api.get(f"/v1/patients/{patient}"),
        "find": lambda: api.get("/v1/patients", params={"phase": "intake"}),
        "create": lambda: api.post("/v1/patients", json=PATIENT),
        "create once": lambda: api.post(
            "/v1/patients", json=PATIENT, headers={"Idempotency-Key": str(next(numbers))}
        ),
        "batch": lambda: api.post("/v1/patients/batch", json={"create": [PATIENT, PATIENT]}),
        "update": lambda: api.put(f"/v1/patients/{patient}", json={"city": "Rye"}),
        "changes": lambda: api.get("/v1/changes", params={"include": "rows"}),
        "digest": lambda: api.get("/v1/digest", params={"resource": "patients"}),
        "program": lambda: api.get("/v1/program"),
        "subscriptions": lambda: api.get("/v1/subscriptions"),
        "ready": lambda: api.get("/readyz"),
        "metrics": lambda: api.get("/metrics", headers=collector),
        "inbox": lambda: coach.get("/inbox"),
        "profile": lambda: coach.get(f"/patients/{patient}"),
        "form": lambda: coach.send_form(
            f"/patients/{patient}/tasks", drawn=new_token(), task_type="weigh_in"
        ),
        "workshop": lambda: designer.get("/workshop"),
    }


def _grant(url: str, api: Api) -> dict[str, str]:
    claims = {"iss": api.client_id, "aud": f"{url}/v1/token", "exp": time.time() + 60}
    assertion = jwt.encode(claims | {"scope": "all"}, api.client_secret, algorithm="HS256")
    return {"grant_type": GRANT_TYPE, "assertion": assertion}
