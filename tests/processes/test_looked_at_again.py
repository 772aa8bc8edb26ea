"""What is looked at again right before a process acts, once time has passed: whether the patient's
record goes on as another, an appointment is over, or a silence has ended.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.processes import pauses
from almoner.vocabulary import clocks
from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM, answer, worker
from tests.processes.test_triggers import SURVEY, tasks, would, wrote
from tests.processes.test_waiting import later

MERGED = f"""
  - name: follows
    when: {{event: assessment_finished, assessment: mood}}
    if:
      all:
        - {{of: patient, field: phase, is: active}}
        - {{of: record, record: note, field: text, is: ready}}
        - {{of: band, assessment: mood, is: low}}
        - {{of: consent, field: calls, is: true}}
    {{wait}}
    {SURVEY}
"""


async def ready(place: Place) -> str:
    """A patient for whom all of that holds once they answer."""
    patient = await place.patient(phase="active")
    body = {"text": "ready"}
    await place.create(
        "custom_data_type_records", {"user_id": patient, "type_name": "note", "body": body}
    )
    number = {"phone_number": "+15555550100", "phone_number_type": "cell"}
    consents = {"opted_in_to_phone": True, "opted_in_to_sms": False, "automatic_recipient": False}
    await place.create("phone_numbers", {"user_id": patient, **number, **consents})
    return patient


async def test_who_is_merged_while_a_process_waits_is_looked_at_as_the_record_that_goes_on(
    place: Place,
) -> None:
    await place.publish(PROGRAM + MERGED.replace("{wait}", "wait: {days: 1}"))
    active, graduated, alone, *gone = [
        *[await place.patient(phase=phase) for phase in ("active", "graduated", "active")],
        *[await ready(place) for _ in range(2)],
    ]
    for patient in gone:
        await answer(place, patient, 6)
    await answer(place, alone, 6)
    await place.work()
    for survivor, other in zip((active, graduated), gone, strict=True):
        await place.merge(survivor, other)
    await later(place, 2)
    # By the phase of the one that goes on, with what the other brought along.
    assert await tasks(place) == [active]
    assert sorted(state for _, state in await place.firings()) == ["done", "not_met"]


async def test_what_happened_before_a_merge_is_read_as_of_the_record_that_goes_on(
    place: Place,
) -> None:
    await place.publish(PROGRAM + MERGED.replace("    {wait}\n", ""))
    active, graduated = [await place.patient(phase=phase) for phase in ("active", "graduated")]
    for survivor in (active, graduated):
        other = await ready(place)
        await answer(place, other, 6)
        await place.merge(survivor, other)
    assert [patient for patient, _ in await would(place, 1)] == [active]
    await place.work()
    assert await tasks(place) == [active]


async def paused(place: Place, name: str, *, is_paused: bool) -> None:
    async with place.database.transaction() as connection:
        change = pauses.pause if is_paused else pauses.resume
        await change(connection, place.environment, "process", name, by=AT_THE_TERMINAL)


async def test_no_reminder_comes_once_the_appointment_has_begun(place: Place) -> None:
    await place.publish(
        f"{PROGRAM}  - name: reminds\n"
        f"    when: {{event: appointment_ahead, hours: 24}}\n    {SURVEY}\n"
    )
    await worker(place)
    (calendar,) = await place.rows("SELECT id::text FROM calendars WHERE environment_id = $1")
    over, ahead = [await place.patient() for _ in range(2)]
    now = place.clock()
    for patient, hours in ((over, 24.5), (ahead, 25)):
        start = now + timedelta(hours=hours)
        event = {"calendar_id": calendar["id"], "modality": "call", "appointment_type": "call"}
        times = {"start_time": start.isoformat(), "end_time": (start + timedelta(1)).isoformat()}
        await place.create("calendar_events", {"user_id": patient, **event, **times})
    await paused(place, "reminds", is_paused=True)
    await place.read()
    place.clock.at = now + timedelta(hours=2)
    await place.work()
    assert await place.firings() == [("reminds", "held")] * 2
    place.clock.at = now + timedelta(hours=24, minutes=30)
    await paused(place, "reminds", is_paused=False)
    await place.work()
    assert await tasks(place) == [ahead]
    assert sorted(state for _, state in await place.firings()) == ["done", "not_met"]


async def test_who_has_broken_the_silence_meanwhile_is_silent_no_more(place: Place) -> None:
    await place.publish(
        f"{PROGRAM}  - name: silent\n"
        f"    when: {{event: no_activity, activity: [answers, messages], days: 14}}\n"
        f"    wait: {{days: 2}}\n    {SURVEY}\n"
    )
    now = place.clock()
    silent, writes, survivor, merged = [await place.patient() for _ in range(4)]
    place.clock.at = now + timedelta(days=15)
    await place.work()
    assert await place.firings() == [("silent", "open")] * 4
    await wrote(place, writes, now + timedelta(days=16))
    await wrote(place, survivor, now + timedelta(days=16))
    # What is still to come breaks no silence.
    await wrote(place, silent, now + timedelta(days=90))
    await place.merge(survivor, merged)
    await later(place, 3)
    assert await tasks(place) == [silent]
    assert sorted(state for _, state in await place.firings()) == ["done", *["not_met"] * 3]


BIRTHDAY = f"""
  - name: greets
    when: {{event: date_reached, field: birthday, days: 0, at: '09:00', yearly: true}}
    WAIT{SURVEY}
"""


async def is_then(place: Place, at: datetime) -> None:
    """Has it be that time in the environment, and does what there is to do."""
    await place.rows(
        "UPDATE environments SET clock_ahead = $2::timestamptz - clock_timestamp() WHERE id = $1"
        " RETURNING id",
        at,
    )
    await place.work()


async def test_a_date_comes_once_wherever_the_patient_moves_on_that_day(place: Place) -> None:
    await place.publish(PROGRAM + BIRTHDAY.replace("WAIT", ""))
    day = clocks.day_of(place.clock(), "US/Eastern") + timedelta(days=10)
    born = day.replace(year=1960).isoformat()
    to_west, to_east, stays = [
        await place.patient(birthday=born, timezone=zone)
        for zone in ("US/Eastern", "US/Pacific", "US/Pacific")
    ]
    await place.read()
    nine = clocks.earliest(day, time(9), "US/Eastern")
    await is_then(place, nine + timedelta(minutes=6))
    assert await tasks(place) == [to_west]
    await is_then(place, nine + timedelta(hours=1))
    await place.update("patients", to_west, {"timezone": "US/Pacific"})
    await place.update("patients", to_east, {"timezone": "US/Eastern"})
    # There, nine o'clock has passed on that day.
    await is_then(place, nine + timedelta(hours=2))
    assert await tasks(place) == [to_west, to_east]
    await is_then(place, nine + timedelta(hours=4))
    assert await tasks(place) == [to_west, to_east, stays]


async def test_a_date_that_was_mended_meanwhile_is_not_that_day(place: Place) -> None:
    await place.publish(PROGRAM + BIRTHDAY.replace("WAIT", "wait: {days: 1}\n    "))
    day = clocks.day_of(place.clock(), "US/Eastern") + timedelta(days=10)
    stays, mended = [
        await place.patient(birthday=day.replace(year=1960).isoformat()) for _ in range(2)
    ]
    await place.read()
    place.clock.at = clocks.earliest(day, time(9), "US/Eastern") + timedelta(minutes=6)
    await place.work()
    assert await place.firings() == [("greets", "open")] * 2
    await place.update("patients", mended, {"birthday": "1960-01-01"})
    await later(place, 2)
    assert await tasks(place) == [stays]
