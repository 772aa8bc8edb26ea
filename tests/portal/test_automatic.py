"""Who cares for a patient takes back what a process did, and keeps processes from acting for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.processes import firings, pauses, webhooks
from almoner.processes.events import Event
from almoner.resources import BY_NAME
from tests.people import People, Person
from tests.portal.profiles import new_patient
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")


async def started(store: Store, program: int, database: Database, patient: str) -> str:
    """A care flow that the demo's process started for a patient. The firing's id."""
    by = Actor(program, "test", "api", "test", whole=True)
    model = {"low_mood": "nearly every day", "lost_interest": "most days"}
    answers = {"user_id": patient, "spec_id": "mood_check", "model": model}
    response = await store.create(by, BY_NAME["assessment_responses"], answers)
    now = datetime.now(UTC)
    event = Event(
        on="assessment_finished",
        of="mood_check",
        patient_id=patient,
        resource="assessment_responses",
        row_id=response.id,
        cause=response.id,
        at=now,
    )
    firing = firings.stopped(firings.new(event, "low_mood", 1, (), now), {}, firings.DONE)
    acting = Actor(program, "process:low_mood", "process", firing.id, whole=True)
    flow: dict[str, Any] = {"description": "Low mood", "diagnosis": None, "goals": []}
    row = {"user_id": patient, "care_flow": flow}
    flow_id = (await store.create(acting, BY_NAME["care_flows"], row)).id
    async with database.transaction() as connection:
        await firings.add(connection, program, [(firing, 0)])
        await firings.note_effects(connection, program, [(firing.id, 0, "care_flows", flow_id)])
    return firing.id


async def test_a_coach_takes_back_what_a_process_did_and_the_timeline_says_so(
    coach: Person, people: People, store: Store, program: int, database: Database
) -> None:
    chart, noise = await new_patient(store, program), await new_patient(store, program)
    firing = await started(store, program, database, chart.id)
    others = await started(store, program, database, noise.id)
    path = f"/patients/{chart.id}"
    assert Document(await coach.get(path)).link("Take back")
    asked = Document(await coach.get(f"{path}/undo/{firing}")).region("Take it back?")
    assert "The care flow that it started is removed." in asked
    assert (await coach.get(f"{path}/undo/{others}")).status_code == 404
    assert (await coach.send_form(f"{path}/undo/{others}")).status_code == 404
    assert (await coach.send_form(f"{path}/undo/nothing")).status_code == 404
    async with await people(program, "community_health_worker") as outreach:
        # From whom the answers are hidden that it goes by.
        by = Actor(program, "test", "api", "test", whole=True)
        mine = {"coach_id": outreach.worker_id}
        await store.update(by, BY_NAME["patients"], chart.id, mine, None)
        assert Document(await outreach.get(path)).lacks("link", "Take back")
        assert (await outreach.send_form(f"{path}/undo/{firing}")).status_code == 404
    answer = await coach.send_form(f"{path}/undo/{firing}")
    assert answer.headers["location"].endswith(path)
    page = (await coach.get(f"{path}?show=all")).text
    assert Document(page).row(
        "Taken back. By itself: process “Low mood”, version 1. When Mood check"
    )
    assert Document(page).row("Care flow removed")
    assert Document(page).links(f"{path}/undo/{firing}") == []
    again = await coach.send_form(f"{path}/undo/{firing}")
    assert again.status_code == 409
    assert Document(again).region("It could not be taken back")
    assert "Care flow" in Document(await coach.get(f"/patients/{noise.id}")).main()


async def test_before_it_is_taken_back_it_is_said_what_cannot_be(
    coach: Person, store: Store, program: int, database: Database
) -> None:
    chart = await new_patient(store, program)
    firing = await started(store, program, database, chart.id)
    path = f"/patients/{chart.id}/undo/{firing}"
    by = Actor(program, "test", "process", firing, whole=True)
    row = {"patient_id": chart.id, "alert_type": "process", "role": "coach"}
    alert = (await store.create(by, BY_NAME["alerts"], row)).id
    async with database.transaction() as connection:
        await firings.note_effects(connection, program, [(firing, 1, "alerts", alert)])
    asked = Document(await coach.get(path)).region("Take it back?")
    assert "The alert for coach leaves the inbox." in asked
    await store.update(by, BY_NAME["alerts"], alert, {"dismissed": True}, None)
    asked = Document(await coach.get(path)).region("Take it back?")
    assert "The alert for coach has been dealt with, and stays so." in asked
    async with database.transaction() as connection:
        await webhooks.schedule(connection, program, firing, "crm", place=1)
        message = (firing, 2, "messages", chart.id)
        await firings.note_effects(connection, program, [message])
    asked = Document(await coach.get(path)).region("It cannot be taken back")
    assert "The message that it wrote has been sent, and stays." in asked
    assert "The webhook crm has been called, or is about to be." in asked
    assert Document(await coach.get(f"/patients/{chart.id}")).lacks("link", "Take back")
    assert (await coach.send_form(path)).status_code == 409


async def test_processes_are_paused_for_a_patient_and_the_profile_says_by_whom(
    coach: Person, store: Store, program: int, database: Database
) -> None:
    chart, noise = await new_patient(store, program), await new_patient(store, program)
    path = f"/patients/{chart.id}"
    assert Document(await coach.get(path)).lacks("testid", "pause")
    assert (await coach.send_form(f"{path}/processes", do="pause")).status_code == 303
    page = (await coach.get(path)).text
    assert "by Emily Smith" in Document(page).testid("pause")
    assert Document(page).button("Resume processes")
    assert Document(await coach.get(f"/patients/{noise.id}")).lacks("testid", "pause")
    async with database.transaction() as connection:
        assert await pauses.is_paused(connection, program, "low_mood", chart.id)
        assert not await pauses.is_paused(connection, program, "low_mood", noise.id)
        await pauses.pause(connection, program, "all", "", by=AT_THE_TERMINAL)
    assert "for everybody" in Document(await coach.get(f"/patients/{noise.id}")).testid("pause")
    assert (await coach.send_form(f"{path}/processes", do="resume")).status_code == 303
    async with database.transaction() as connection:
        assert [each.kind for each in await pauses.all_of(connection, program)] == ["all"]
    assert Document(await coach.get(path)).lacks("button", "Resume processes")
