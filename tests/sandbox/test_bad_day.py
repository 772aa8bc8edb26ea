"""Sandbox clients: a bad day for whoever asks for one, and for nobody else; our own client comes
through each.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from almoner.access import environments
from almoner.access.worker_events import By, list_events
from almoner.data_api.store import Store
from almoner.database import Database, connection_guard
from almoner.errors import ApiError
from almoner.processes import moved_clock
from almoner.resources import RESOURCES
from almoner.sandbox.wishes import parse
from almoner.workshop import kiwi_health
from almoner.workshop.programs import PublishedPrograms
from almoner_client import Client, Options, ServerError
from tests.client.test_client import GRACE
from tests.client.test_mirror import PATIENT
from tests.conftest import Api, Callers, new_environment
from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM
from tests.programs import published

OPERATOR = By("operator", "test")
# What a client comes through by itself: it is refused, hears nothing, or only half of it.
BAD_DAYS = {
    "status=429, retry-after=0, times=2": 60.0,
    "status=503, retry-after=0, times=2": 60.0,
    "status=503, done, retry-after=0, times=1": 60.0,
    "status=401, times=1": 60.0,
    "cut, times=2": 60.0,
    "delay=100, times=1": 0.5,
    "delay=100, status=500, times=1": 0.5,
}


@pytest.fixture
async def tests_of(database: Database) -> int:
    """A test environment with the demo's program."""
    live = await new_environment(database)
    async with database.connection() as connection:
        name = f"test-{uuid.uuid4().hex}"
        environment = await environments.create(connection, name, test_of=live)
        await published(connection, environment, kiwi_health.source())
    return environment


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.connect(own_dsn, size=12, on_holding=connection_guard.raised)
    yield opened
    await opened.close()


@pytest.fixture
async def sandbox(callers: Callers, tests_of: int) -> AsyncIterator[Api]:
    async with await callers(tests_of, sandbox=True) as api:
        yield api


def client(api: Api, wishes: str, timeout: float = 60.0) -> Client:
    options = Options(
        headers={"Almoner-Sandbox": wishes}, timeout=timeout, retries=20, longest_wait=0.01
    )
    return Client(str(api.base_url), api.client_id, api.client_secret, options)


async def test_our_client_comes_through_each_bad_day_and_does_everything_once(
    sandbox: Api,
) -> None:
    def work(wishes: str, timeout: float, last_name: str) -> list[str]:
        with client(sandbox, f"{wishes}, name=create", timeout) as caller:
            row = caller.patients.create(**(GRACE | {"last_name": last_name}))
        with client(sandbox, f"{wishes}, name=find", timeout) as caller:
            ids = [patient.id for patient in caller.patients.find(last_name=last_name)]
        return [row.id, *ids]

    wrong = []
    for number, (wishes, timeout) in enumerate(BAD_DAYS.items()):
        created, *ids = await asyncio.to_thread(work, wishes, timeout, f"Hopper {number}")
        wrong += [] if ids == [created] else [f"{wishes}: {ids} were there of {created}"]
    assert not wrong, "\n".join(wrong)


async def test_a_fault_of_the_server_is_handed_on_and_what_it_did_can_be_asked_for_again(
    sandbox: Api,
) -> None:
    def work() -> None:
        with client(sandbox, "status=500") as caller, pytest.raises(ServerError) as caught:
            caller.patients.create(**GRACE)
        assert caught.value.request_id
        with client(sandbox, "status=500, done, times=1") as caller:
            with pytest.raises(ServerError):
                caller.patients.create(**GRACE, idempotency_key="once")
            row = caller.patients.create(**GRACE, idempotency_key="once")
            assert [patient.id for patient in caller.patients.find()] == [row.id]

    await asyncio.to_thread(work)


async def test_half_of_an_answer_is_told_from_a_whole_one(sandbox: Api) -> None:
    with pytest.raises(httpx.HTTPError):
        await sandbox.get("/v1/patients", headers={"Almoner-Sandbox": "cut"})
    answer = await sandbox.get("/v1/patients")
    assert answer.status_code == 200


async def test_the_header_is_nothing_to_those_who_have_no_sandbox(
    callers: Callers, tests_of: int, sandbox: Api
) -> None:
    asked = {"Almoner-Sandbox": "status=500, clock=2036-01-01"}
    async with await callers(tests_of) as other:
        for wishes in (asked, {"Almoner-Sandbox": "nonsense"}):
            answer = await other.get("/v1/patients", headers=wishes)
            assert (answer.status_code, answer.headers.get("almoner-sandbox")) == (200, None)
        without = await other.get("/v1/patients", headers={**asked, "Authorization": "Bearer x"})
        assert without.status_code == 401
    plain = await sandbox.get("/v1/patients")
    assert (plain.status_code, plain.headers.get("almoner-sandbox")) == (200, None)
    for outcome in ("done", "passed"):
        answer = await sandbox.get("/v1/patients", headers={"Almoner-Sandbox": "times=1"})
        assert (answer.status_code, answer.headers["almoner-sandbox"]) == (200, outcome)
    for status in (401, 429, 500, 503):
        answer = await sandbox.get("/v1/patients", headers={"Almoner-Sandbox": f"status={status}"})
        assert (answer.status_code, answer.headers["almoner-sandbox"]) == (status, "done")


async def test_what_a_header_does_not_say_is_refused_with_what_can_be_said(sandbox: Api) -> None:
    wrong = "status=418, delay=0, done=yes, clock=noon, sleep=3, notification=lost"
    answer = await sandbox.get("/v1/patients", headers={"Almoner-Sandbox": wrong})
    assert answer.status_code == 400
    details = [error["detail"] for error in answer.json()["errors"]]
    assert len(details) == 6
    assert "status is one of 401, 429, 500, 503" in details[0]
    assert "it knows status, retry-after, done, delay, cut" in details[4]
    assert parse(b'clock="2026-12-24T09:00Z"').clock == datetime(2026, 12, 24, 9, tzinfo=UTC)


async def test_an_environment_in_which_patients_are_cared_for_has_no_sandbox(
    callers: Callers, environment: int
) -> None:
    with pytest.raises(ApiError, match="bad_request") as caught:
        await callers(environment, sandbox=True)
    assert "in a test environment" in caught.value.problems[0].detail


async def test_what_was_written_is_announced_twice_or_after_what_is_newer(
    sandbox: Api, database: Database
) -> None:
    terms: dict[str, Any] = {
        "name": "Ours",
        "notify_url": "https://hooks.example.org/notifications",
        "resources": ["patients"],
        "authentication": "bearer_jwt",
        "client_id": "ours",
        "client_secret": "a secret of theirs that is long enough",
    }
    answer = await sandbox.post("/v1/subscriptions", json=terms)
    assert answer.status_code == 200, answer.text
    at = []
    for notification in ("duplicate", "reorder"):
        headers = {"Almoner-Sandbox": f"notification={notification}"}
        written = await sandbox.post("/v1/patients", json=PATIENT, headers=headers)
        at.append(datetime.fromisoformat(written.json()["updated_at"]))
    async with database.connection() as connection:
        twice, older = await connection.fetch(
            "SELECT from_time, to_time FROM replays WHERE subscription_id = $1 ORDER BY id",
            answer.json()["id"],
        )
    assert twice["from_time"] <= at[0] <= twice["to_time"] < at[1]
    assert at[0] <= older["to_time"] <= at[1]
    assert older["to_time"] - older["from_time"] == timedelta(hours=1)


async def test_the_clock_goes_forward_for_all_processes_of_the_environment_and_back(
    sandbox: Api, tests_of: int, database: Database
) -> None:
    async def move(to: str) -> httpx.Response:
        return await sandbox.get("/v1/patients", headers={"Almoner-Sandbox": f"clock={to}"})

    later = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await move(later)).status_code == 200
    assert (await move("2026-01-01")).status_code == 400
    assert (await move("2090-01-01")).status_code == 400
    assert (await move("now")).status_code == 200
    async with database.connection() as connection:
        events = await list_events(connection, tests_of)
    moved = [event for event in events if event.event == "clock moved"]
    assert [round((event.after or {})["seconds_ahead"], -2) for event in moved] == [0, 2592000]
    assert moved[0].actor == f"client:{sandbox.client_id}"


WAITS = """
  - name: asked
    when: {event: phase_entered, phase: active}
    wait: {days: 3}
    then: [{do: give_task, task: survey}]
"""


async def test_what_processes_wait_for_comes_as_the_clock_is_moved(own: Database) -> None:
    live = await new_environment(own)
    async with own.connection() as connection:
        await connection.execute("SELECT almoner_epoch()")
        environment = await environments.create(connection, "test", test_of=live)
    place = Place(own, Store(own, PublishedPrograms(own, fresh_seconds=0), RESOURCES), environment)
    await place.publish(PROGRAM + WAITS)
    await place.patient(phase="active")
    await place.work()
    assert await place.firings() == [("asked", "open")]
    async with own.connection() as connection:
        to = datetime.now(UTC) + timedelta(days=3, minutes=1)
        await moved_clock.move(connection, environment, to, OPERATOR)
    # Set off by what happens from now on, it waits three days of that clock.
    await place.patient(phase="active")
    await place.work()
    assert await place.firings() == [("asked", "done"), ("asked", "open")]
    due = await place.rows(
        "SELECT max(due_at) AS at FROM process_firings WHERE environment_id = $1"
    )
    assert due[0]["at"] > datetime.now(UTC) + timedelta(days=6)
    async with own.connection() as connection:
        await moved_clock.move(connection, environment, None, OPERATOR)
        with pytest.raises(ApiError):
            await moved_clock.move(connection, live, None, OPERATOR)
