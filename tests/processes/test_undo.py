"""What a process did is taken back whole, or not at all where something was built on it."""

from __future__ import annotations

import asyncio

import pytest

from almoner.data_api.writes import Actor
from almoner.errors import ApiError
from almoner.processes.undo import UndoError, undo
from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM, answer, worker
from tests.processes.test_triggers import tasks, would
from tests.processes.test_waiting import later
from tests.work.doing import running

ALL = """
  - name: low
    when: {event: assessment_finished, assessment: mood}
    then:
      - {do: start_care_flow, care_flow: Mood}
      - {do: give_task, task: survey}
      - {do: change_phase, phase: active}
      - {do: assign_coach, role: coach}
      - {do: write_record, record: note, values: [{field: text, is: Low}]}
"""
NOTED = """
  - name: noted
    when: {event: record_written, record: note}
    then: [{do: give_task, task: survey}]
"""
HELLO = """
  - name: hello
    when: {event: patient_created}
    then: [{do: give_task, task: survey}, {do: send_message, message: Soon}]
"""
STORED = """
SELECT (SELECT count(*) FROM care_flows WHERE environment_id = $1) AS flows,
  (SELECT count(*) FROM patient_tasks WHERE environment_id = $1) AS tasks,
  (SELECT count(*) FROM custom_data_type_records WHERE environment_id = $1) AS records,
  (SELECT phase FROM patients WHERE environment_id = $1 AND id = $2) AS phase,
  (SELECT coach_id FROM patients WHERE environment_id = $1 AND id = $2) AS coach
"""


async def take_back(place: Place, patient: str, process: str = "low", by_way_of: str = "") -> None:
    """Takes back what a process did for a patient, asked for on the page of this or another."""
    rows = await place.rows(
        "SELECT id::text FROM process_firings WHERE environment_id = $1 AND process = $2 AND"
        " patient_id = $3",
        *(process, patient),
    )
    by = Actor(place.environment, "worker:x", "portal", "a request", whole=True)
    async with place.database.transaction() as connection:
        await undo(connection, place.store, by, rows[0]["id"], by_way_of or patient)


async def test_all_that_it_did_is_taken_back_once_and_the_log_says_by_whom(place: Place) -> None:
    await place.publish(PROGRAM + ALL)
    await worker(place)
    patient, noise = await place.patient(), await place.patient()
    for each in (noise, patient):
        await answer(place, each, 6)
        await place.work()
    with pytest.raises(ApiError) as refused:
        await take_back(place, noise, by_way_of=patient)
    assert refused.value.status == 404
    await take_back(place, patient)
    (stored,) = await place.rows(STORED, patient)
    assert stored == {"flows": 1, "tasks": 1, "records": 1, "phase": "intake", "coach": None}
    changes = await place.rows(
        "SELECT c.kind, c.resource, c.actor, f.process FROM changes c JOIN process_firings f ON"
        " f.environment_id = $1 AND f.id::text = c.request_id WHERE c.environment_id = $1 AND"
        " c.through = 'undo' ORDER BY c.seq"
    )
    assert [(row["kind"], row["resource"]) for row in changes] == [
        ("delete", "custom_data_type_records"),
        ("update", "patients"),
        ("delete", "patient_tasks"),
        ("delete", "care_flows"),
    ]
    assert {(row["actor"], row["process"]) for row in changes} == {("worker:x", "low")}
    assert sorted(await place.firings()) == [("low", "done"), ("low", "undone")]
    with pytest.raises(UndoError, match="taken it back already"):
        await take_back(place, patient)
    # What set it off does not set it off again.
    await place.work()
    assert len(await place.firings()) == 2


async def test_what_something_was_built_on_stays_whole(place: Place) -> None:
    await place.publish(PROGRAM + ALL)
    await worker(place)
    flow_patient, phase_patient, record_patient = [await place.patient() for _ in range(3)]
    for each in (flow_patient, phase_patient, record_patient):
        await answer(place, each, 6)
    await place.work()
    (flow,) = await place.rows(
        "SELECT id::text, care_flow FROM care_flows WHERE environment_id = $1 AND user_id = $2",
        flow_patient,
    )
    step = {
        "title": "Call",
        "reminder_date": None,
        "completed_at": "2026-11-29T10:00:00+00:00",
        "completed_by_worker_id": None,
        "worker_id": None,
        "instructions": None,
    }
    goals = [{"title": "Ask", "interventions": [step]}]
    changed = {"description": "Mood", "diagnosis": None, "goals": goals}
    await place.update("care_flows", flow["id"], {"care_flow": changed})
    await place.update("patients", phase_patient, {"phase": "graduated"})
    (record,) = await place.rows(
        "SELECT id::text FROM custom_data_type_records WHERE environment_id = $1 AND user_id = $2",
        record_patient,
    )
    await place.update("custom_data_type_records", record["id"], {"body": {"text": "Lower"}})
    for patient, reason in (
        (flow_patient, "A step of the care flow has been completed"),
        (phase_patient, "The phase has been changed since"),
        (record_patient, "The custom data type record has been changed since"),
    ):
        with pytest.raises(UndoError, match=reason):
            await take_back(place, patient)
    (stored,) = await place.rows(STORED, flow_patient)
    assert (stored["flows"], stored["tasks"], stored["records"], stored["phase"]) == (
        *(3, 3, 3),
        "active",
    )
    assert set(await place.firings()) == {("low", "done")}


async def test_a_message_and_what_another_process_acted_on_are_not_taken_back(
    place: Place,
) -> None:
    await place.publish(PROGRAM + ALL + NOTED + HELLO.replace("Soon", "Hello"))
    coach = await worker(place)
    patient = await place.patient(coach_id=coach)
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
    await answer(place, patient, 6)
    await place.work()
    assert sorted(await place.firings()) == [("hello", "done"), ("low", "done"), ("noted", "done")]
    with pytest.raises(UndoError, match="cannot be taken back"):
        await take_back(place, patient, "hello")
    with pytest.raises(UndoError, match="The process noted has acted on it since"):
        await take_back(place, patient)
    await take_back(place, patient, "noted")
    await take_back(place, patient)
    assert len(await place.rows("SELECT FROM patient_tasks WHERE environment_id = $1")) == 1


MOVES = """
  - name: moves
    when: {event: phase_entered, phase: intake}
    then: [{do: change_phase, phase: active}]
  - name: follows
    when: {event: phase_entered, phase: active}
    wait: {days: 1}
    then: [{do: give_task, task: survey}]
"""
STATES = "SELECT process, state FROM process_firings WHERE environment_id = $1 ORDER BY process"


async def test_what_waits_to_act_on_what_is_taken_back_ends_with_it_and_nothing_begins(
    place: Place,
) -> None:
    await place.publish(PROGRAM + MOVES)
    patient, noise = await place.patient(), await place.patient(phase="active")
    await place.work()
    await take_back(place, patient, "moves")
    # Taking back is no change of phase that sets anything off, the same one least of all.
    await later(place, 2)
    assert await tasks(place) == [noise]
    states = {tuple(row.values()) for row in await place.rows(STATES)}
    assert states == {("moves", "undone"), ("follows", "undone"), ("follows", "done")}
    (row,) = await place.rows(
        "SELECT phase FROM patients WHERE environment_id = $1 AND id = $2", patient
    )
    assert row == {"phase": "intake"}
    assert [who for who, _ in await would(place, 9)] == [patient]


async def test_what_is_taken_back_before_others_have_read_of_it_sets_them_not_off(
    place: Place,
) -> None:
    await place.publish(PROGRAM + MOVES)
    patient = await place.patient()
    await place.read()
    async with running(place.database, place.handler):
        async with asyncio.timeout(60):
            while ("moves", "done") not in await place.firings():
                await asyncio.sleep(0.02)
    await take_back(place, patient, "moves")
    await place.work()
    assert await place.firings() == [("moves", "undone")]


async def test_after_a_merge_rows_are_taken_back_from_the_record_that_goes_on_and_fields_are_not(
    place: Place,
) -> None:
    await place.publish(
        PROGRAM
        + ALL.replace("- {do: change_phase, phase: active}", "").replace(
            "- {do: assign_coach, role: coach}", ""
        )
        + MOVES.replace("phase: intake", "phase: active").replace(
            "phase: active}]", "phase: graduated}]", 1
        )
    )
    gone, survivor = await place.patient(), await place.patient()
    await answer(place, gone, 6)
    await place.work()
    moved = await place.patient(phase="active")
    await place.work()
    for other in (gone, moved):
        await place.merge(survivor, other)
    await take_back(place, gone, by_way_of=survivor)
    (stored,) = await place.rows(STORED, survivor)
    assert (stored["flows"], stored["records"], stored["phase"]) == (0, 0, "intake")
    with pytest.raises(UndoError, match="merged"):
        await take_back(place, moved, "moves", by_way_of=survivor)
    (stored,) = await place.rows(STORED, moved)
    assert stored["phase"] == "graduated"
