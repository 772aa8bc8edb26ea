"""What sets a process off, and that it acts once, with what it may."""

from __future__ import annotations

from datetime import timedelta

import pytest

from almoner.access import accounts
from almoner.access.grants import EVERYTHING as ALL
from almoner.access.worker_events import AT_THE_TERMINAL, By
from almoner.data_api.writes import Actor
from almoner.processes import firings, pauses
from almoner.processes.facts import Facts
from almoner.resources import BY_NAME
from almoner.workshop import kiwi_health
from almoner.workshop.process_design import ProcessCondition, ProcessConditions
from tests.processes.conftest import Place

PROGRAM = """
program: Kiwi
phases:
  - {name: intake, next: [active]}
  - {name: active, next: [graduated]}
  - {name: graduated, next: []}
appointment_types:
  - {name: call}
assessments:
  - id: mood
    name: Mood
    sections:
      - questions:
          - {name: low, kind: scale, low: 0, high: 6, weight: 1}
    scoring:
      bands:
        - {name: fine, low: 0, high: 4}
        - {name: low, low: 5, high: 6}
custom_data_types:
  - {name: note, fields: [{name: text, kind: text, required: true}]}
task_types:
  - {name: survey}
message_templates:
  - {name: Hello, channel: phone, body: "Hello {{patient.first_name}}, {{coach.first_name}}"}
  - {name: Soon, channel: app, body: "On {{appointment.day}} at {{appointment.time}}"}
care_flows:
  - name: Mood
    goals:
      - title: Ask
        interventions: [{title: Call, due_in_days: 1, assignee: coach}]
processes:
"""
LOW = """
  - name: low
    when: {event: assessment_finished, assessment: mood}
    if: {all: [{of: band, is: low}]}
    then: [{do: start_care_flow, care_flow: Mood}]
"""


async def worker(place: Place, first_name: str = "Emily", role: str = "coach") -> str:
    worker_id = await place.create(
        "workers",
        {
            "email": f"{first_name.lower()}@example.org",
            "first_name": first_name,
            "last_name": "Smith",
            "timezone": "US/Eastern",
        },
    )
    by = By("test", "test", ALL)
    async with place.database.connection() as connection:
        await accounts.set_roles(connection, place.environment, worker_id, (role,), by)
    return worker_id


async def answer(place: Place, patient: str, low: int) -> str:
    return await place.create(
        "assessment_responses", {"user_id": patient, "spec_id": "mood", "model": {"low": low}}
    )


async def test_what_several_processes_ask_alike_is_asked_once_and_they_act_in_the_programs_order(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = {
        "sixth": "{of: answer, field: low, is: 6}, {of: band, is: low}",
        "any": "",
        "fifth": "{of: band, is: low}, {of: answer, field: low, is: 5}",
        "phase": "{of: patient, field: phase, is: active}, {of: band, is: low}",
        "other": "{of: band, is: fine}",
        "not": "{of: band, is: low, not: true}",
    }
    await place.publish(
        PROGRAM
        + "".join(
            f"  - name: {name}\n    when: {{event: assessment_finished, assessment: mood}}\n"
            f"    if: {{all: [{conditions}]}}\n    then: [{{do: give_task, task: survey}}]\n"
            for name, conditions in asks.items()
        )
    )
    looked_at: list[str] = []
    holds = Facts.holds

    async def counted(facts: Facts, condition: ProcessCondition) -> bool:
        looked_at.append(condition.of)
        return await holds(facts, condition)

    monkeypatch.setattr(Facts, "holds", counted)
    patient = await place.patient()
    await answer(place, patient, 3)
    await place.read()
    # Three ask for the band low and are not looked at further; two ask by themselves.
    assert looked_at == ["band"] * 3
    await answer(place, patient, 5)
    await place.work()
    fired = await place.rows(
        "SELECT process FROM process_firings WHERE environment_id = $1 ORDER BY fired_at"
    )
    assert [row["process"] for row in fired] == ["any", "other", "not", "any", "fifth"]


async def test_answers_in_the_band_start_the_care_flow_once_and_others_nothing(
    place: Place,
) -> None:
    await place.publish(PROGRAM + LOW)
    coach = await worker(place)
    patient, noise = await place.patient(coach_id=coach), await place.patient()
    answered = await answer(place, patient, 5)
    await answer(place, noise, 4)
    await place.work()
    await place.work()
    rows = await place.rows(
        "SELECT user_id::text, id::text, care_flow -> 'goals' -> 0 -> 'interventions' -> 0 ->>"
        " 'worker_id' AS worker FROM care_flows WHERE environment_id = $1"
    )
    assert [(row["user_id"], row["worker"]) for row in rows] == [(patient, coach)]
    (why,) = await place.rows(
        "SELECT f.process, f.version, f.event ->> 'row_id' AS row_id, e.row_id::text AS wrote,"
        " c.actor, c.through, c.request_id = f.id::text AS same FROM process_firings f JOIN"
        " process_effects e ON e.environment_id = $1 AND e.firing_id = f.id JOIN changes c ON"
        " c.environment_id = $1 AND c.row_id = e.row_id WHERE f.environment_id = $1"
    )
    assert why == {
        "process": "low",
        "version": 1,
        "row_id": answered,
        "wrote": rows[0]["id"],
        "actor": "process:low",
        "through": "process",
        "same": True,
    }


async def test_what_the_demo_makes_up_and_what_was_before_the_process_set_nothing_off(
    place: Place,
) -> None:
    await place.publish(PROGRAM.removesuffix("processes:\n"))
    patient = await place.patient()
    await answer(place, patient, 6)
    await place.publish(PROGRAM + LOW)
    await place.create(
        "assessment_responses",
        {"user_id": patient, "spec_id": "mood", "model": {"low": 6}},
        through="demo",
    )
    await place.work()
    assert await place.firings() == []
    await answer(place, patient, 6)
    await place.work()
    assert await place.firings() == [("low", "done")]


EVERYTHING = """
  - name: welcome
    when: {event: patient_created}
    if: {any: [{of: patient, field: timezone, is: US/Eastern}, {of: consent, field: sms, is: true}]}
    then: [{do: assign_coach, role: coach}, {do: give_task, task: survey}]
  - name: begun
    when: {event: phase_entered, phase: active}
    then: [{do: write_record, record: note, values: [{field: text, is: Begun}]}]
  - name: noted
    when: {event: record_written, record: note}
    if: {all: [{of: record, record: note, field: text, is: Begun}]}
    then: [{do: send_message, message: Hello}]
  - name: missed
    when: {event: appointment_missed, appointment: call}
    then: [{do: change_phase, phase: graduated}]
  - name: written
    when: {event: message_received}
    then: [{do: give_task, task: survey}]
  - name: gone
    when: {event: phase_left, phase: active}
    if: {all: [{of: patient, field: phase, is: intake, not: true}]}
    then: [{do: give_task, task: survey}]
"""


async def test_each_trigger_and_each_action(place: Place) -> None:
    await place.publish(PROGRAM + EVERYTHING)
    coach = await worker(place)
    patient = await place.patient()
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
    await place.update("patients", patient, {"phase": "active"})
    await place.work()
    (message,) = await place.rows(
        "SELECT contents, automatically_sent, worker_id::text FROM messages WHERE environment_id ="
        " $1"
    )
    assert message == {
        "contents": "Hello Grace, Emily",
        "automatically_sent": True,
        "worker_id": coach,
    }
    (calendar,) = await place.rows(
        "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2", coach
    )
    event = await place.create(
        "calendar_events",
        {
            "calendar_id": calendar["id"],
            "user_id": patient,
            "day": "2027-01-02",
            "modality": "call",
            "appointment_type": "call",
        },
    )
    await place.update("calendar_events", event, {"outcome": "no-show"})
    (conversation,) = await place.rows(
        "SELECT id::text FROM conversations WHERE environment_id = $1"
    )
    await place.create(
        "messages",
        {
            "user_id": patient,
            "conversation_id": conversation["id"],
            "direction": "inbound",
            "contents": "Hello",
        },
    )
    await place.work()
    assert sorted(await place.firings()) == [
        (name, "done") for name in ("begun", "gone", "missed", "noted", "welcome", "written")
    ]
    (row,) = await place.rows(
        "SELECT phase, coach_id::text, (SELECT count(*) FROM patient_tasks t WHERE t.environment_id"
        " = $1) AS tasks FROM patients WHERE environment_id = $1"
    )
    assert row == {"phase": "graduated", "coach_id": coach, "tasks": 3}


async def test_what_cannot_be_done_is_a_row_that_says_why_and_is_tried_again(place: Place) -> None:
    await place.publish(PROGRAM + EVERYTHING)
    await worker(place)
    patient = await place.patient(phase="active")
    await place.work()
    # Somebody took the coach away since, and nobody has consented to automated SMS.
    assert await place.errors() == ["no_consent"]
    assert ("noted", "failed") in await place.firings()
    assert await place.rows("SELECT FROM messages WHERE environment_id = $1") == []
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
    async with place.database.transaction() as connection:
        (failed,) = await firings.recent(connection, place.environment, states=("failed",))
        await firings.retry(connection, place.environment, failed.id, AT_THE_TERMINAL)
    await place.work()
    assert ("noted", "done") in await place.firings()
    assert len(await place.rows("SELECT FROM messages WHERE environment_id = $1")) == 1


async def test_a_pause_holds_what_comes_up_and_a_resume_has_it_done(place: Place) -> None:
    await place.publish(PROGRAM + LOW)
    paused, noise = await place.patient(), await place.patient()
    async with place.database.transaction() as connection:
        await pauses.pause(connection, place.environment, "patient", paused, by=AT_THE_TERMINAL)
    await answer(place, paused, 6)
    await answer(place, noise, 6)
    await place.work()
    assert sorted(state for _, state in await place.firings()) == ["done", "held"]
    async with place.database.transaction() as connection:
        await pauses.pause(connection, place.environment, "process", "low", by=AT_THE_TERMINAL)
        assert (
            await pauses.resume(
                connection, place.environment, "patient", paused, by=AT_THE_TERMINAL
            )
            == 1
        )
    await place.work()
    assert sorted(state for _, state in await place.firings()) == ["done", "held"]
    async with place.database.transaction() as connection:
        assert (
            await pauses.resume(connection, place.environment, "process", "low", by=AT_THE_TERMINAL)
            == 1
        )
    await place.work()
    assert [state for _, state in await place.firings()] == ["done", "done"]
    assert len(await place.rows("SELECT FROM care_flows WHERE environment_id = $1")) == 2


WAITING = """
  - name: later
    when: {event: phase_entered, phase: intake}
    if: {all: [{of: patient, field: phase, is: intake}]}
    wait: {days: 2, until: "09:00"}
    then: [{do: give_task, task: survey}]
"""


async def test_a_wait_is_a_step_and_the_conditions_are_looked_at_again(place: Place) -> None:
    await place.publish(PROGRAM + WAITING)
    stays, goes = await place.patient(), await place.patient()
    await place.work()
    assert [state for _, state in await place.firings()] == ["open", "open"]
    assert await place.rows("SELECT FROM patient_tasks WHERE environment_id = $1") == []
    await place.update("patients", goes, {"phase": "active"})
    (due,) = await place.rows(
        "SELECT min(s.due_at - f.due_at) AS early, max(s.due_at - f.due_at) AS late FROM"
        " process_firings f JOIN work_steps s ON s.environment_id = $1 AND s.job_id = f.id WHERE"
        " f.environment_id = $1"
    )
    assert abs(due["early"]) < timedelta(minutes=1) > abs(due["late"])
    await place.rows("UPDATE work_steps SET due_at = now() WHERE environment_id = $1 RETURNING id")
    await place.work()
    assert sorted(state for _, state in await place.firings()) == ["done", "not_met"]
    (task,) = await place.rows("SELECT user_id::text FROM patient_tasks WHERE environment_id = $1")
    assert task == {"user_id": stays}


NESTED = """
  - name: nested
    when: {event: patient_created}
    if:
      all:
        - of: any
          conditions:
            - {of: patient, field: phase, is: active}
            - of: all
              not: true
              conditions:
                - {of: patient, field: first_name, is: Grace}
                - {of: patient, field: timezone, is: US/Eastern}
    then: [{do: give_task, task: survey}]
"""


async def test_conditions_stand_in_groups_of_groups(place: Place) -> None:
    await place.publish(PROGRAM + NESTED)
    await place.patient()
    active = await place.patient(phase="active")
    other = await place.patient(timezone="UTC")
    await place.work()
    rows = await place.rows("SELECT user_id::text FROM patient_tasks WHERE environment_id = $1")
    assert {row["user_id"] for row in rows} == {active, other}


async def test_who_would_act_on_their_own_effects_is_stopped(place: Place) -> None:
    await place.publish(PROGRAM + LOW)
    patient = await place.patient()
    # As if a firing of the process had led to these answers, by way of another.
    await answer(place, patient, 6)
    await place.work()
    (first,) = await place.rows("SELECT id::text FROM process_firings WHERE environment_id = $1")
    by = Actor(place.environment, "process:other", "process", first["id"], whole=True)
    for actor in ("process:low", "process:other"):
        by = Actor(place.environment, actor, "process", first["id"], whole=True)
        await place.store.create(
            by,
            BY_NAME["assessment_responses"],
            {"user_id": patient, "spec_id": "mood", "model": {"low": 6}},
        )
    await place.work()
    assert await place.firings() == [("low", "done"), ("low", "stopped"), ("low", "done")]
    assert await place.errors() == ["own_effects"]


async def test_conditions_that_cannot_be_looked_at_are_a_failure_and_hold_up_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.publish(PROGRAM + LOW)
    broken, noise = await place.patient(), await place.patient()
    hold = Facts.hold

    async def faulty(self: Facts, conditions: ProcessConditions) -> bool:
        if self._patient_id == broken:
            raise ValueError("not to be logged")
        return await hold(self, conditions)

    await answer(place, broken, 6)
    await answer(place, noise, 6)
    with monkeypatch.context() as patched:
        patched.setattr(Facts, "hold", faulty)
        await place.work()
    assert await place.firings() == [("low", "failed"), ("low", "done")]
    assert await place.errors() == ["fault"]
    async with place.database.transaction() as connection:
        (failed,) = await firings.recent(connection, place.environment, states=("failed",))
        await firings.retry(connection, place.environment, failed.id, AT_THE_TERMINAL)
    await place.work()
    assert await place.firings() == [("low", "done"), ("low", "done")]


AHEAD = """
  - name: soon
    when: {event: appointment_ahead, appointment: call, hours: 24}
    then: [{do: send_message, message: Soon}]
"""


async def test_an_appointment_ahead_sets_it_off_once_and_again_when_it_is_moved(
    place: Place,
) -> None:
    await place.publish(PROGRAM + AHEAD)
    coach = await worker(place)
    patient = await place.patient(coach_id=coach)
    (calendar,) = await place.rows(
        "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2", coach
    )
    now = place.clock()
    row = {
        "calendar_id": calendar["id"],
        "user_id": patient,
        "start_time": (now + timedelta(hours=26)).isoformat(),
        "end_time": (now + timedelta(hours=27)).isoformat(),
        "modality": "call",
        "appointment_type": "call",
    }
    event = await place.create("calendar_events", row)
    await place.work()
    assert await place.firings() == []
    for hours in (1, 3, 4):
        place.clock.at = now + timedelta(hours=hours)
        await place.work()
    assert await place.firings() == [("soon", "done")]
    moved = {
        "start_time": (now + timedelta(hours=50)).isoformat(),
        "end_time": (now + timedelta(hours=51)).isoformat(),
    }
    await place.update("calendar_events", event, moved)
    place.clock.at = now + timedelta(hours=27)
    await place.work()
    assert await place.firings() == [("soon", "done"), ("soon", "done")]


async def test_the_demos_process_starts_a_flow(place: Place) -> None:
    await place.publish(kiwi_health.source())
    patient = await place.patient()
    model = {"low_mood": "nearly every day", "lost_interest": "most days"}
    await place.create(
        "assessment_responses", {"user_id": patient, "spec_id": "mood_check", "model": model}
    )
    await place.work()
    assert ("low_mood", "done") in await place.firings()
