"""Hooks and webhooks of processes in the Workshop: what the program names is opened and declared, with a secret that is shown once."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from almoner.access import hook_proof
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from almoner.workshop.publish import publish
from tests.conftest import Server, ServerThread, free_port, new_environment
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.processes.test_outside import receiving
from tests.web.document import Document

LIVE = "/workshop/automation"
HOOK, WEBHOOK = "/workshop/process-hooks", "/workshop/process-webhooks"
PROGRAM = """
program: Clinic
phases:
  - {name: intake}
task_types:
  - {name: survey}
roles:
  - {name: planner, may: [design]}
processes:
  - name: discharged
    title: Discharged
    when: {event: hook_called, hook: discharge}
    then: [{do: give_task, task: survey}, {do: call_webhook, webhook: crm}]
"""


@pytest.fixture
async def environment(database: Database) -> int:
    outside = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, outside, PROGRAM, "test")
    return outside


@pytest.fixture
async def integrator(people: People, environment: int) -> AsyncIterator[Person]:
    async with await people(environment, "admin", "coach", "designer") as person:
        yield person


@pytest.fixture(scope="module")
def open_server(settings: Any) -> Iterator[Server]:
    """A server that may send to this machine."""
    with ServerThread(replace(settings, port=free_port(), private_targets=True)) as running:
        yield running


def secret_in(answer: httpx.Response) -> str:
    assert Document(answer).mentions("shown only now")
    (secret,) = re.findall(r'id="issued-value" value="([^"]+)"', answer.text)
    return str(secret)


async def test_a_hook_that_a_process_waits_for_is_opened_called_made_anew_and_closed(
    integrator: Person, environment: int, server: Server, store: Store
) -> None:
    by = Actor(environment, "test", "api", "test", whole=True)
    grace = {
        "first_name": "Grace",
        "last_name": "Hopper",
        "birthday": "1906-12-09",
        "timezone": "UTC",
        "phase": "intake",
    }
    patient = (await store.create(by, BY_NAME["patients"], grace)).id
    live = Document(await integrator.get(LIVE))
    assert live.row("the hook discharge, which is not open in this environment")
    assert live.link("Open it: discharge", to=f"{HOOK}/discharge")
    listed = Document(await integrator.get(HOOK))
    assert "not open" in listed.row("begins Discharged")
    opened = await integrator.send_form(f"{HOOK}/discharge/hook-bearer")
    first = secret_in(opened)
    address = "/processes/hooks/discharge"
    assert address in opened.text
    assert first not in (await integrator.get(f"{HOOK}/discharge")).text
    body = b'{"patient_id": "%s"}' % patient.encode()
    async with PlainHttp(base_url=server.url) as partner:

        async def called(**headers: str) -> int:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await partner.post(address, content=body, headers=sent)).status_code

        assert await called(Authorization=f"Bearer {first}") == 202
        second = secret_in(await integrator.send_form(f"{HOOK}/discharge/hook-hmac"))
        assert await called(Authorization=f"Bearer {first}") == 401
        moment = str(int(time.time()))
        proof = {
            hook_proof.TIME_HEADER: moment,
            hook_proof.SIGNATURE_HEADER: hook_proof.signature(second, moment, body),
        }
        assert await called(**proof) == 202
        # What was refused is written down half a second later at the most.
        while "Calls that proved nothing" not in (
            calls := Document(await integrator.get(f"{HOOK}/discharge")).region("Last calls")
        ):
            assert len(calls.links(f"/patients/{patient}")) == 2
        assert (await integrator.send_form(f"{HOOK}/discharge/close-hook")).status_code == 303
        assert await called(**proof) == 401
    assert "not open" in Document(await integrator.get(HOOK)).row("begins Discharged")
    assert (await integrator.get(f"{HOOK}/another")).status_code == 404


async def test_a_webhook_that_a_process_calls_is_declared_tried_moved_and_taken_away(
    integrator: Person, open_server: Server
) -> None:
    here = f"{WEBHOOK}/crm"
    live = Document(await integrator.get(f"{LIVE}/try/discharged"))
    assert live.mentions("This process calls the webhook crm, which this environment does not have")
    assert live.link("Declare it: crm")
    editor = "/workshop/processes/discharged"
    lacking = Document(await integrator.get(editor)).testid("lacking")
    assert "the webhook crm, which this environment does not have" in lacking
    assert "the hook discharge, which is not open" in lacking
    assert lacking.link("Declare it: crm")
    assert (await integrator.send_form(f"{here}/try")).status_code == 404
    guarded = await integrator.send_form(f"{here}/edit", url="https://127.0.0.1/in")
    assert guarded.status_code == 400
    assert Document(guarded).field("url").error
    assert "not declared" in Document(await integrator.get(WEBHOOK)).row("called by Discharged")
    integrator.base_url = httpx.URL(open_server.url)
    async with receiving() as receiver:
        declared = await integrator.send_form(f"{here}/edit", url=receiver.url)
        first = secret_in(declared)
        assert first not in (await integrator.get(here)).text
        well = await integrator.send_form(f"{here}/try", htmx=True)
        assert Document(well).row("The receiver answered 204.")
        receiver.statuses = [500]
        failed = await integrator.send_form(f"{here}/try")
        assert Document(failed).row("The receiver answered 500.")
        moved = await integrator.send_form(f"{here}/edit", url=f"{receiver.url}/elsewhere")
        assert moved.headers["location"] == f"{here}?done=changed"
        assert secret_in(await integrator.send_form(f"{here}/secret")) != first
    assert [body for _, body in receiver.requests] == [{"trial": True}] * 2
    assert "elsewhere" in Document(await integrator.get(here)).definition("Address")
    assert Document(await integrator.get(f"{LIVE}/try/discharged")).lacks("link", "Declare it: crm")
    assert Document(await integrator.get(editor)).lacks("link", "Declare it: crm")
    assert (await integrator.send_form(f"{here}/remove")).status_code == 303
    assert "not declared" in Document(await integrator.get(WEBHOOK)).row("called by Discharged")


async def test_who_may_not_integrate_is_told_what_is_missing_without_a_way_there(
    people: People, environment: int
) -> None:
    async with await people(environment, "planner") as planner:
        live = Document(await planner.get(LIVE))
        assert live.row("the hook discharge, which is not open in this environment")
        assert live.links(f"{HOOK}/discharge") == []
        assert (await planner.get(f"{HOOK}/discharge")).status_code in (403, 404)
        sent = await planner.send_form(f"{HOOK}/discharge/hook-bearer")
        assert sent.status_code in (403, 404)
