"""What processes tell and call: alerts for a role, webhooks, and coaches found by a rule."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from almoner.access.secrets import SecretBox
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.data_api.writes import Actor
from almoner.outbound.http import HttpClient
from almoner.portal import alerts
from almoner.portal.alerts import AlertReader
from almoner.processes import firings, pauses, undo, webhooks
from almoner.processes.handler import ProcessHandler
from almoner.processes.pauses import Kind
from almoner.processes.webhooks import WebhookCaller
from almoner.workshop import kiwi_health
from tests.conftest import new_environment
from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM, worker
from tests.processes.test_triggers import tasks
from tests.work.doing import running

BOX = SecretBox(b"k" * 32)
CALLS = """
  - name: tells
    when: {event: patient_created}
    then: [{do: call_webhook, webhook: hospital}, {do: give_task, task: survey}]
"""


class Receiver:
    """A server on the loopback that answers as it is told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.requests: list[tuple[dict[str, str], Any]] = []
        self.url = ""
        # Nobody is answered before.
        self.answers = asyncio.Event()
        self.answers.set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value
            for name, colon, value in (line.partition(": ") for line in head[1:])
            if colon
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers, json.loads(body)))
        await self.answers.wait()
        status = self.statuses.pop(0) if self.statuses else 204
        writer.write(
            f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.take, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/called"
    async with server:
        yield receiver


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    opened = HttpClient(private_targets=True)
    yield opened
    await opened.close()


async def declared(place: Place, url: str) -> str:
    async with place.database.transaction() as connection:
        secret = await webhooks.set_webhook(connection, BOX, place.environment, "hospital", url)
    assert secret is not None
    return secret


async def due(place: Place) -> None:
    """Has what is to be tried again be due."""
    await place.rows(
        "UPDATE work_steps SET due_at = clock_timestamp() WHERE environment_id = $1 AND state ="
        " 'ready' RETURNING id"
    )
    await place.work()


async def test_a_webhook_is_called_with_one_key_however_often_until_it_is_taken(
    place: Place, client: HttpClient
) -> None:
    place.handler = ProcessHandler(
        place.database, place.store, place.clock, WebhookCaller(place.database, BOX, client)
    )
    await place.publish(PROGRAM + CALLS)
    async with receiving() as receiver:
        secret = await declared(place, receiver.url)
        receiver.statuses = [503, 500]
        patient = await place.patient()
        await place.work()
        await due(place)
        await due(place)
        assert await place.firings() == [("tells", "done")]
    assert await tasks(place) == [patient]
    assert len(receiver.requests) == 3
    assert len({headers["idempotency-key"] for headers, _ in receiver.requests}) == 1
    headers, body = receiver.requests[-1]
    token = headers["authorization"].removeprefix("Bearer ")
    claims = json.loads(jws.deserialize_compact(token, OctKey.import_key(secret)).payload)
    assert claims["aud"] == receiver.url
    assert (body["process"], body["patient_id"]) == ("tells", patient)


async def test_who_answers_slowly_holds_up_no_call_of_another_environment(
    place: Place, client: HttpClient
) -> None:
    caller = WebhookCaller(place.database, BOX, client)
    handler = ProcessHandler(place.database, place.store, place.clock, caller)
    other = Place(place.database, place.store, await new_environment(place.database))
    async with receiving() as slow, receiving() as quick, running(place.database, handler):
        slow.answers.clear()
        for of, receiver, patients, most in ((place, slow, 10, 8), (other, quick, 1, 1)):
            await of.publish(PROGRAM + CALLS)
            await declared(of, receiver.url)
            for _ in range(patients):
                await of.patient()
            await of.read()
            async with asyncio.timeout(30):
                while len(receiver.requests) < most:
                    await asyncio.sleep(0.02)
        assert len(slow.requests) == 8
        slow.answers.set()
        async with asyncio.timeout(30):
            while len(slow.requests) < 10:
                await asyncio.sleep(0.02)


async def test_a_webhook_that_refuses_is_a_failure_that_is_tried_again_by_hand(
    place: Place, client: HttpClient
) -> None:
    place.handler = ProcessHandler(
        place.database, place.store, place.clock, WebhookCaller(place.database, BOX, client)
    )
    await place.publish(PROGRAM + CALLS)
    unknown = await place.patient()
    await place.work()
    # Nothing of it was done, since the environment has no such webhook.
    assert await place.errors() == ["webhook_unknown"]
    assert await tasks(place) == []
    async with receiving() as receiver:
        await declared(place, receiver.url)
        receiver.statuses = [410]
        for code in ("webhook_failed", None):
            async with place.database.transaction() as connection:
                (failed,) = await firings.recent(connection, place.environment, states=("failed",))
                await firings.retry(connection, place.environment, failed.id, AT_THE_TERMINAL)
            await place.work()
            assert await place.errors() == ([code] if code else [])
    assert await place.firings() == [("tells", "done")]
    assert await tasks(place) == [unknown]
    assert len(receiver.requests) == 2


ALERT = """
  - name: alarm
    when: {event: patient_created}
    then: [{do: make_alert, role: nurse, text: Call today.}]
roles:
  - {name: nurse, may: [give_care]}
"""


async def test_an_alert_is_a_row_that_its_role_is_told_and_that_is_taken_back(place: Place) -> None:
    await place.publish(PROGRAM + ALERT)
    nurse, coach = await worker(place, "Ann", "nurse"), await worker(place)
    patient = await place.patient(coach_id=coach)
    await place.work()
    reader = AlertReader(environment_id=place.environment, only_of=None, worker_id=nurse)
    async with place.database.transaction() as connection:
        (alert,) = await alerts.open_for(connection, reader)
        assert (alert.patient_id, alert.text, alert.taken_by) == (patient, "Call today.", "")
        noise = [
            AlertReader(environment_id=place.environment, only_of=None, worker_id=coach),
            # Who is kept to their own patients sees no other's.
            AlertReader(environment_id=place.environment, only_of=nurse, worker_id=nurse),
        ]
        for other in noise:
            assert await alerts.open_for(connection, other) == []
            assert await alerts.locked(connection, other, alert.id) is None
    rows = "FROM changes WHERE environment_id = $1 AND resource = 'alerts'"
    assert await place.rows(f"SELECT kind, row_id::text {rows}") == [
        {"kind": "create", "row_id": alert.id}
    ]
    (effect,) = await place.rows("SELECT * FROM process_effects WHERE environment_id = $1")
    by = Actor(place.environment, "test", "portal", "test")
    async with place.database.transaction() as connection:
        await undo.undo(connection, place.store, by, str(effect["firing_id"]), patient)
        assert await alerts.open_for(connection, reader) == []


TURNS = """
  - name: turns
    when: {event: patient_created}
    then: [{do: assign_coach, role: coach, rule: round_robin}]
  - name: booked
    when: {event: appointment_booked}
    then: [{do: assign_coach, role: coach, rule: same_as_appointment}]
"""


async def test_coaches_come_in_turn_whoever_has_how_many(place: Place) -> None:
    await place.publish(PROGRAM + TURNS)
    coaches = sorted([await worker(place, name) for name in ("Ann", "Bea", "Cid")])
    for _ in range(4):
        await place.patient()
        await place.work()
    rows = await place.rows(
        "SELECT coach_id::text FROM patients WHERE environment_id = $1 ORDER BY created_at"
    )
    assert [row["coach_id"] for row in rows] == [*coaches, coaches[0]]


async def test_the_coach_may_be_whose_appointment_it_is(place: Place) -> None:
    await place.publish(
        PROGRAM + TURNS.partition("  - name: booked")[2].join(("  - name: booked", ""))
    )
    await worker(place, "Ann")
    bea = await worker(place, "Bea")
    patient = await place.patient()
    (calendar,) = await place.rows(
        "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2", bea
    )
    await place.create(
        "calendar_events",
        {
            "calendar_id": calendar["id"],
            "user_id": patient,
            "day": "2027-01-02",
            "modality": "call",
            "appointment_type": "call",
        },
    )
    await place.work()
    (row,) = await place.rows("SELECT coach_id::text FROM patients WHERE environment_id = $1")
    assert row["coach_id"] == bea


async def test_the_demos_processes_alert_give_a_task_and_wait_for_consent(place: Place) -> None:
    await place.publish(kiwi_health.source())
    coach = await worker(place)
    patient = await place.patient(coach_id=coach)
    model = {"low_mood": "nearly every day", "lost_interest": "most days"}
    await place.create(
        "assessment_responses", {"user_id": patient, "spec_id": "mood_check", "model": model}
    )
    (calendar,) = await place.rows(
        "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2", coach
    )
    call = await place.create(
        "calendar_events",
        {
            "calendar_id": calendar["id"],
            "user_id": patient,
            "day": "2027-01-04",
            "modality": "call",
            "appointment_type": "coaching_call",
        },
    )
    await place.update("calendar_events", call, {"outcome": "no-show"})
    await place.work()
    expected = [("low_mood", "done"), ("missed_call", "done"), ("welcome_message", "open")]
    assert sorted(await place.firings()) == expected
    reader = AlertReader(environment_id=place.environment, only_of=None, worker_id=coach)
    async with place.database.connection() as connection:
        (alert,) = await alerts.open_for(connection, reader)
    assert alert.patient_id == patient
    assert await tasks(place) == [patient]
    await place.create(
        "phone_numbers",
        {
            "user_id": patient,
            "phone_number": "+15555555555",
            "phone_number_type": "cell",
            "opted_in_to_sms": True,
            "automatic_recipient": True,
        },
    )
    await place.work()
    # In working hours, where the patient lives.
    await place.rows(
        "UPDATE work_steps SET due_at = due_at - $2::interval WHERE environment_id = $1"
        " AND state = 'ready' RETURNING id",
        timedelta(days=9),
    )
    await place.work()
    assert ("welcome_message", "done") in await place.firings()
    (message,) = await place.rows(
        "SELECT contents FROM messages WHERE environment_id = $1 AND automatically_sent"
    )
    assert message["contents"].startswith("Hello Grace, this is Emily")


async def test_a_webhook_is_tried_twelve_times_before_it_is_given_up(
    place: Place, client: HttpClient
) -> None:
    place.handler = ProcessHandler(
        place.database, place.store, place.clock, WebhookCaller(place.database, BOX, client)
    )
    await place.publish(PROGRAM + CALLS)
    async with receiving() as receiver:
        await declared(place, receiver.url)
        receiver.statuses = [503] * 12
        await place.patient()
        await place.work()
        for tries in range(2, 13):
            assert await place.errors() == []
            await due(place)
            assert len(receiver.requests) == tries
        assert await place.errors() == ["webhook_failed"]
        await due(place)
        assert len(receiver.requests) == 12


async def test_a_pause_holds_a_webhook_that_is_tried_again_and_its_end_lets_it_go_at_once(
    place: Place, client: HttpClient
) -> None:
    place.handler = ProcessHandler(
        place.database, place.store, place.clock, WebhookCaller(place.database, BOX, client)
    )
    await place.publish(PROGRAM + CALLS)
    async with receiving() as receiver:
        await declared(place, receiver.url)
        patients = [await place.patient() for _ in range(2)]
        receiver.statuses = [503, 503]
        await place.work()
        assert len(receiver.requests) == 2
        await pause(place, "all", "")
        for _ in range(14):
            await due(place)
        assert len(receiver.requests) == 2
        # The other one waits for its own pause.
        await pause(place, "patient", patients[0])
        await resume(place, "all", "")
        await place.work()
        assert len(receiver.requests) == 3
        await due(place)
        assert len(receiver.requests) == 3
        await resume(place, "patient", patients[0])
        await place.work()
        assert len(receiver.requests) == 4
    assert await place.errors() == []
    assert await place.firings() == [("tells", "done")] * 2
    assert sorted(await tasks(place)) == sorted(patients)


async def pause(place: Place, kind: Kind, name: str) -> None:
    async with place.database.transaction() as connection:
        await pauses.pause(connection, place.environment, kind, name, by=AT_THE_TERMINAL)


async def resume(place: Place, kind: Kind, name: str) -> None:
    async with place.database.transaction() as connection:
        await pauses.resume(connection, place.environment, kind, name, by=AT_THE_TERMINAL)
