"""Firings that are due together are acted on in one transaction, and none is in another's way."""

from __future__ import annotations

import asyncio

import pytest

from almoner.processes import acts, firings
from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM, answer, worker
from tests.processes.test_refused import BOTH, outcomes
from tests.work.doing import running

TASK_AND_MESSAGE = """
  - name: asks
    when: {event: assessment_finished, assessment: mood}
    then: [{do: give_task, task: survey}, {do: send_message, message: Soon}]
"""
MOVES = """
  - name: moves
    when: {event: assessment_finished, assessment: mood}
    if: {all: [{of: patient, field: phase, is: intake}]}
    then: [{do: change_phase, phase: active}, {do: assign_coach, role: coach, rule: round_robin}]
  - name: welcomes
    when: {event: assessment_finished, assessment: mood}
    if: {all: [{of: patient, field: phase, is: intake}]}
    then: [{do: give_task, task: survey}]
"""
HOOKED = """
  - name: calls
    when: {event: assessment_finished, assessment: mood}
    then: [{do: give_task, task: survey}, {do: call_webhook, webhook: nobodys}]
"""
TASKS = """
SELECT t.user_id::text, t.xmin::text, e.firing_id::text FROM patient_tasks t
LEFT JOIN process_effects e ON e.environment_id = $1 AND e.row_id = t.id
WHERE t.environment_id = $1
"""


async def test_what_is_due_together_is_one_transaction_with_each_effect_noted(place: Place) -> None:
    await place.publish(PROGRAM + BOTH)
    patients = [await place.patient() for _ in range(10)]
    for patient in patients:
        await answer(place, patient, 6)
    await place.read()
    await place.work()
    tasks = await place.rows(TASKS)
    assert len(tasks) == len({task["firing_id"] for task in tasks}) == 20
    assert sorted(task["user_id"] for task in tasks) == sorted(patients * 2)
    assert len({task["xmin"] for task in tasks}) == 1
    logged = await place.rows(
        "SELECT row_id::text, actor, request_id FROM changes WHERE environment_id = $1 AND resource"
        " = 'patient_tasks'"
    )
    assert {change["request_id"] for change in logged} == {task["firing_id"] for task in tasks}
    assert {change["actor"] for change in logged} == {"process:first", "process:second"}


async def test_what_takes_long_is_not_one_transaction(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "LONGEST", -1.0)
    await place.publish(PROGRAM + BOTH)
    for patient in [await place.patient() for _ in range(3)]:
        await answer(place, patient, 6)
    await place.read()
    await place.work()
    tasks = await place.rows(TASKS)
    assert len(tasks) == len({task["xmin"] for task in tasks}) == 6
    assert len({task["firing_id"] for task in tasks}) == 6


async def test_who_comes_later_for_a_patient_sees_what_was_done_for_them_before(
    place: Place,
) -> None:
    await place.publish(PROGRAM + MOVES)
    coaches = {await worker(place), await worker(place, "Anna")}
    patients = [await place.patient() for _ in range(4)]
    for patient in patients:
        await answer(place, patient, 6)
    await place.read()
    await place.work()
    assert await outcomes(place) == {
        patient: [("moves", "done"), ("welcomes", "not_met")] for patient in patients
    }
    rows = await place.rows(
        "SELECT phase, coach_id::text, xmin::text FROM patients WHERE environment_id = $1"
    )
    assert {row["phase"] for row in rows} == {"active"}
    assert len({row["xmin"] for row in rows}) == 1
    # In turn, as many for each.
    assert sorted(row["coach_id"] for row in rows) == sorted([*coaches] * 2)


async def test_what_cannot_be_done_of_one_leaves_nothing_of_it_and_all_of_the_others(
    place: Place,
) -> None:
    await place.publish(PROGRAM + TASK_AND_MESSAGE + HOOKED)
    coach = await worker(place)
    patients = [await place.patient(coach_id=coach) for _ in range(4)]
    alone = await place.patient()
    for patient in [*patients, alone]:
        await answer(place, patient, 6)
    await place.read()
    await place.work()
    every = {patient: [("asks", "failed"), ("calls", "failed")] for patient in [*patients, alone]}
    # A message in the app needs the appointment that is meant, which nobody has.
    assert await outcomes(place) == every
    assert await place.rows(TASKS) == []
    assert set(await place.errors()) == {"unknown_words", "no_coach", "webhook_unknown"}


async def test_one_that_somebody_has_in_hand_is_left_for_later(place: Place) -> None:
    await place.publish(PROGRAM + BOTH)
    patients = [await place.patient() for _ in range(4)]
    for patient in patients:
        await answer(place, patient, 6)
    await place.read()
    # The last of its patient: others would come after it.
    rows = await place.rows(
        "SELECT id::text FROM process_firings WHERE environment_id = $1 ORDER BY id DESC"
    )
    done = "SELECT FROM process_firings WHERE environment_id = $1 AND state = 'done'"
    async with running(place.database, place.handler), place.database.transaction() as connection:
        assert await firings.take(connection, place.environment, [rows[0]["id"]])
        async with asyncio.timeout(60):
            while len(await connection.fetch(done, place.environment)) < 7:
                await asyncio.sleep(0.02)
    await place.work()
    assert len(await place.rows(done)) == len(await place.rows(TASKS)) == 8


IN_ORDER = """
  - name: first
    when: {event: assessment_finished, assessment: mood}
    then: [{do: change_phase, phase: active}]
  - name: between
    when: {event: assessment_finished, assessment: mood}
    then: [{do: give_task, task: survey}]
  - name: second
    when: {event: assessment_finished, assessment: mood}
    then: [{do: change_phase, phase: graduated}]
"""
PHASES = "SELECT phase FROM patients WHERE environment_id = $1"


async def test_processes_of_one_event_act_in_the_programs_order_also_where_not_all_go_together(
    place: Place,
) -> None:
    await place.publish(PROGRAM + IN_ORDER)
    patients = [await place.patient() for _ in range(40)]
    for patient in patients:
        await answer(place, patient, 3)
    await place.read()
    # More than one worker takes up at once, three of a patient.
    other = Place(place.database, place.store, place.environment, place.clock)
    async with running(other.database, other.handler):
        await place.work()
    assert await place.errors() == []
    assert {row["phase"] for row in await place.rows(PHASES)} == {"graduated"}
