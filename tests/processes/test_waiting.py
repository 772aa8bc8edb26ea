"""When a process acts: after a time, at a time of day or in working hours where the patient lives,
or once something has happened.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.processes import pauses
from almoner.processes.waiting import due_at
from almoner.workshop.process_design import Wait, WorkingHours
from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM, worker
from tests.processes.test_triggers import tasks, would

HOURS = WorkingHours(closed=("2026-11-30",))


@pytest.mark.parametrize(
    ("wait", "began", "due"),
    [
        (None, "2026-11-29T12:00+00:00", "2026-11-29T12:00+00:00"),
        (Wait(days=1, hours=2, minutes=3), "2026-11-29T12:00+00:00", "2026-11-30T14:03+00:00"),
        # New York is five hours behind, four until the clocks go back.
        (Wait(until="09:00"), "2026-11-29T12:00+00:00", "2026-11-29T14:00+00:00"),
        (Wait(until="09:00"), "2026-11-29T15:00+00:00", "2026-11-30T14:00+00:00"),
        (Wait(days=1, until="09:00"), "2026-10-31T12:00+00:00", "2026-11-01T14:00+00:00"),
        (Wait(days=2, until="09:00"), "2026-11-29T02:00+00:00", "2026-11-30T14:00+00:00"),
        (Wait(working_hours=True), "2026-11-27T15:00+00:00", "2026-11-27T15:00+00:00"),
        (Wait(working_hours=True), "2026-11-27T12:00+00:00", "2026-11-27T14:00+00:00"),
        # From Friday evening to Monday, on which nobody works, to Tuesday.
        (Wait(working_hours=True), "2026-11-27T22:00+00:00", "2026-12-01T14:00+00:00"),
        (Wait(hours=9, working_hours=True), "2026-11-26T13:00+00:00", "2026-11-27T14:00+00:00"),
        # The clocks skip half past two on this day.
        (Wait(until="02:30"), "2027-03-14T05:30+00:00", "2027-03-14T07:30+00:00"),
    ],
)
def test_a_wait_ends_where_the_patients_clocks_say(wait: Wait | None, began: str, due: str) -> None:
    expected = datetime.fromisoformat(due)
    assert due_at(wait, datetime.fromisoformat(began), "America/New_York", HOURS) == expected


WAITS = """
  - name: asked
    when: {{event: phase_entered, phase: active}}
    wait: {{for: {{event: assessment_finished, assessment: mood}}, days: 3, {then}}}
    then: [{{do: give_task, task: survey}}]
"""


async def later(place: Place, days: int) -> None:
    """Has so many days pass for the steps that wait."""
    await place.rows(
        "UPDATE work_steps SET due_at = due_at - $2::interval WHERE environment_id = $1"
        " AND state = 'ready' RETURNING id",
        timedelta(days=days),
    )
    place.clock.at = place.clock() + timedelta(days=days)
    await place.work()


async def test_what_is_waited_for_has_it_act_and_without_it_it_ends(place: Place) -> None:
    await place.publish(PROGRAM + WAITS.format(then="otherwise: end"))
    patient, noise = await place.patient(phase="active"), await place.patient(phase="active")
    await place.work()
    assert await place.firings() == [("asked", "open")] * 2
    await place.create(
        "assessment_responses", {"user_id": patient, "spec_id": "mood", "model": {"low": 1}}
    )
    await place.work()
    assert await tasks(place) == [patient]
    await later(place, 4)
    assert sorted(state for _, state in await place.firings()) == ["done", "ended"]
    # Answers that come too late change nothing.
    await place.create(
        "assessment_responses", {"user_id": noise, "spec_id": "mood", "model": {"low": 1}}
    )
    await place.work()
    assert await tasks(place) == [patient]


async def test_it_may_act_where_nothing_happens_and_end_where_it_does(place: Place) -> None:
    await place.publish(PROGRAM + WAITS.format(then="happened: end, otherwise: act"))
    answers, silent = await place.patient(phase="active"), await place.patient(phase="active")
    await place.work()
    await place.create(
        "assessment_responses", {"user_id": answers, "spec_id": "mood", "model": {"low": 1}}
    )
    await place.work()
    assert sorted(state for _, state in await place.firings()) == ["ended", "open"]
    await later(place, 4)
    assert await tasks(place) == [silent]
    assert sorted(state for _, state in await place.firings()) == ["done", "ended"]
    assert [patient for patient, _ in await would(place, 9)] == [silent]


async def test_a_pause_holds_what_happens_meanwhile_and_a_merge_carries_the_wait_on(
    place: Place,
) -> None:
    await place.publish(PROGRAM + WAITS.format(then="otherwise: end"))
    paused, gone, survivor = [await place.patient(phase="active") for _ in range(3)]
    await place.work()
    async with place.database.transaction() as connection:
        await pauses.pause(connection, place.environment, "patient", paused, by=AT_THE_TERMINAL)
        await connection.execute(
            "INSERT INTO patient_merges (environment_id, patient_id, kept_id, moved, merged_by)"
            " VALUES ($1, $2, $3, '{}', 'test')",
            *(place.environment, gone, survivor),
        )
    for of in (paused, survivor):
        await place.create(
            "assessment_responses", {"user_id": of, "spec_id": "mood", "model": {"low": 1}}
        )
    await place.work()
    # Of the record that was merged, and of the one that goes on for it.
    assert await tasks(place) == [survivor, survivor]
    async with place.database.transaction() as connection:
        await pauses.resume(connection, place.environment, "patient", paused, by=AT_THE_TERMINAL)
    await place.work()
    assert await tasks(place) == [survivor, survivor, paused]


DELAYED = """
  - name: scored
    when: {event: assessment_finished, assessment: mood}
    wait: {days: 1}
    then: [{do: give_task, task: survey}]
  - name: reminds
    when: {event: appointment_ahead, hours: 48}
    wait: {hours: 1}
    then: [{do: give_task, task: survey}]
  - name: booked
    when: {event: appointment_booked}
    wait: {days: 1}
    then: [{do: give_task, task: survey}]
"""


async def in_error(place: Place, response: str) -> None:
    await place.rows(
        "UPDATE assessment_responses SET entered_in_error_at = now() WHERE environment_id = $1"
        " AND id = $2 RETURNING id",
        response,
    )


async def test_what_set_it_off_is_looked_at_again_after_the_wait(place: Place) -> None:
    await place.publish(PROGRAM + DELAYED)
    await worker(place)
    answered, mistaken, met, cancelled, moved, early = [await place.patient() for _ in range(6)]
    responses = [
        await place.create(
            "assessment_responses", {"user_id": of, "spec_id": "mood", "model": {"low": 1}}
        )
        for of in (answered, mistaken, early)
    ]
    # It was in error before anybody read it, and sets nothing off.
    await in_error(place, responses[2])
    (calendar,) = await place.rows("SELECT id::text FROM calendars WHERE environment_id = $1")
    at = place.clock() + timedelta(hours=48, minutes=30)
    event = {"calendar_id": calendar["id"], "modality": "call", "appointment_type": "call"}
    times = {"start_time": at.isoformat(), "end_time": (at + timedelta(hours=1)).isoformat()}
    appointments = [
        await place.create("calendar_events", event | times | {"user_id": of})
        for of in (met, cancelled, moved)
    ]
    await place.read()
    place.clock.at = place.clock() + timedelta(hours=1)
    await place.work()
    assert sorted(name for name, _ in await place.firings()) == [
        *["booked"] * 3,
        *["reminds"] * 3,
        *["scored"] * 2,
    ]
    await in_error(place, responses[1])
    await place.update("calendar_events", appointments[1], {"outcome": "cancelled"})
    later_on = at + timedelta(days=9)
    await place.update(
        "calendar_events",
        appointments[2],
        {
            "start_time": later_on.isoformat(),
            "end_time": (later_on + timedelta(hours=1)).isoformat(),
        },
    )
    await later(place, 1)
    # One that is moved is still booked; one that is off is neither.
    assert sorted(await tasks(place)) == sorted([answered, met, met, moved])
    states = sorted(await place.firings())
    assert states == sorted(
        [
            *[("booked", "done")] * 2,
            ("booked", "not_met"),
            ("reminds", "done"),
            *[("reminds", "not_met")] * 2,
            ("scored", "done"),
            ("scored", "not_met"),
        ]
    )
