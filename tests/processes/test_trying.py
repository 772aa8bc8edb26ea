"""A process is tried: nothing is done, and what is kept of a long log has an end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from almoner.access.secrets import SecretBox
from almoner.processes import clock, oddest, trial
from almoner.processes.clock import ClockSpan
from almoner.processes.lacking import Need
from almoner.processes.oddest import Oddest
from almoner.processes.webhooks import set_webhook
from almoner.processes.would import Would
from almoner.workshop.design import Phase, ProgramDesign
from almoner.workshop.published_programs import design_of
from almoner.workshop.trigger_design import Trigger
from tests.processes.conftest import Place
from tests.processes.test_acting import LOW, PROGRAM, answer, worker

NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)
PHASES = (Phase(name="intake", title="Intake"), Phase(name="active"))


def case(patient_id: str, at: datetime = NOON, problem: str = "", **of: str) -> Would:
    patient = {"timezone": "America/New_York", "phase": "active", "birthday": "1990-01-01"} | of
    return Would(
        patient_id=patient_id,
        at=at,
        because="",
        happened_at=at,
        actions=(),
        patient=patient,
        problems=[problem] if problem else [],
    )


def test_of_each_way_to_be_odd_the_case_that_is_the_most_so_is_shown() -> None:
    odd = Oddest(ProgramDesign(name="", phases=PHASES))
    for number in range(40):
        odd.add(case(f"noise {number}", NOON + timedelta(days=number)))
    for days in (0, 2, 4):
        odd.add(case("often", NOON + timedelta(days=days)))
    odd.add(case("soon", NOON))
    odd.add(case("soon", NOON + timedelta(minutes=7)))
    odd.add(case("evening", datetime(2026, 11, 25, 1, tzinfo=UTC)))
    odd.add(case("night", datetime(2026, 11, 24, 7, 30, tzinfo=UTC)))
    odd.add(case("refused", problem="The patient has no coach."))
    odd.add(case("rare", phase="intake"))
    assert [(each.way, each.would.patient_id, each.text, each.number) for each in odd.cases()] == [
        ("often", "often", "It would have acted 3 times for this patient, the most of all.", 3),
        ("soon", "soon", "It would have acted again for the same patient 7 minutes apart.", 1),
        ("hour", "night", "It would have acted at 02:30 where the patient lives.", 2),
        ("problem", "refused", "The patient has no coach.", 1),
        ("rare", "rare", "The patient is in the phase Intake (1 of 49 cases).", 1),
    ]


def test_nothing_is_odd_where_all_are_alike() -> None:
    odd = Oddest(ProgramDesign(name="", phases=PHASES))
    assert odd.cases() == []
    for number in range(40):
        odd.add(case(f"patient {number}", NOON + timedelta(days=number)))
    assert odd.cases() == []


def test_counts_by_patient_are_kept_for_so_many_and_then_are_the_least_that_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oddest, "MOST_PATIENTS", 5)
    odd = Oddest(ProgramDesign(name="", phases=PHASES))
    for number in range(60):
        odd.add(case("often", NOON + timedelta(days=number)))
        odd.add(case(f"noise {number}", NOON + timedelta(days=number)))
    (often,) = (each for each in odd.cases() if each.way == "often")
    assert often.would.patient_id == "often"
    assert often.text.startswith("It would have acted at least ")
    assert 60 - 120 // 5 <= often.number <= 60


async def test_a_log_of_several_parts_is_read_to_its_end_and_the_newest_are_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "BATCH", 3)
    monkeypatch.setattr(trial, "MOST_NEWEST", 2)
    await place.publish(PROGRAM + LOW)
    patient, noise = await place.patient(), await place.patient()
    for _ in range(5):
        await answer(place, noise, 4)
        await answer(place, patient, 6)
    async with place.database.connection() as connection:
        design = await design_of(connection, place.environment, 1)
    span = trial.last_days(1, datetime.now(UTC) + timedelta(minutes=1))
    (process,) = design.processes
    tried = await trial.try_out(place.database, place.environment, design, process, span)
    assert tried.number == sum(tried.by_week.values()) == 5
    assert [would.patient_id for would in tried.newest] == [patient, patient]
    assert tried.newest[0].happened_at > tried.newest[1].happened_at
    assert await place.firings() == []


MESSAGE = """
  - name: hello
    when: {event: patient_created}
    if: {any: [{of: consent, field: sms, is: true}, {of: consent, field: email, is: false}]}
    then: [{do: send_message, message: Hello}]
  - name: onward
    when: {event: patient_created}
    then: [{do: change_phase, phase: graduated}]
"""


async def test_a_case_whose_action_could_not_be_done_says_why(place: Place) -> None:
    await place.publish(PROGRAM + MESSAGE)
    coach = await worker(place)
    await place.patient()
    await place.patient(coach_id=coach)
    consenting = await place.patient(coach_id=coach, phase="active")
    await place.create(
        "phone_numbers",
        {
            "user_id": consenting,
            "phone_number": "+15555555555",
            "phone_number_type": "cell",
            "opted_in_to_sms": True,
            "automatic_recipient": True,
        },
    )
    async with place.database.connection() as connection:
        design = await design_of(connection, place.environment, 1)
    span = trial.last_days(1, datetime.now(UTC) + timedelta(minutes=1))
    problems = {}
    for process in design.processes:
        tried = await trial.try_out(place.database, place.environment, design, process, span)
        problems[process.name] = [would.problem for would in reversed(tried.newest)]
    not_after = "The phase graduated does not follow intake, in which the patient is."
    assert problems == {
        "hello": [
            "The patient has no coach in whose name the message could be sent.",
            "The patient has not consented to automated SMS.",
            "",
        ],
        "onward": [not_after, not_after, ""],
    }


BROKEN = """
  - name: told
    when: {event: appointment_booked}
    then:
      - {do: call_webhook, webhook: crm}
      - {do: make_alert, role: nurse, text: Call today.}
      - {do: assign_coach, role: coach, rule: same_as_appointment}
      - {do: start_care_flow, care_flow: Mood}
      - {do: send_message, message: Hello}
roles:
  - {name: nurse, may: [give_care]}
"""


async def test_each_problem_is_named_and_counted_and_gone_once_it_is_mended(place: Place) -> None:
    await place.publish(PROGRAM + BROKEN)
    nurse, coach = await worker(place, "Ada", "physician"), await worker(place)
    calendars = {
        row["worker_id"]: row["id"]
        for row in await place.rows(
            "SELECT worker_id::text, id::text FROM calendars WHERE environment_id = $1"
        )
    }
    for of in (nurse, nurse, coach):
        patient = await place.patient(coach_id=coach if of == coach else None)
        event = {
            "calendar_id": calendars[of],
            "user_id": patient,
            "appointment_type": "call",
            "is_all_day": False,
            "start_time": "2026-11-20T15:00:00Z",
            "end_time": "2026-11-20T15:30:00Z",
            "modality": "call",
        }
        await place.create("calendar_events", event)
    async with place.database.connection() as connection:
        design = await design_of(connection, place.environment, 1)
    span = trial.last_days(1, datetime.now(UTC) + timedelta(minutes=1))
    (process,) = design.processes

    async def would_not_work() -> Mapping[str, int]:
        tried = await trial.try_out(place.database, place.environment, design, process, span)
        assert tried.number == 3
        return tried.would_not_work

    no_coach = "The patient has no coach in whose name the message could be sent."
    assert await would_not_work() == {
        Need("webhook", "crm").text: 3,
        Need("role", "nurse").text: 3,
        "Whose appointment it is has not the role coach.": 2,
        no_coach: 2,
        "The patient has not consented to automated SMS.": 1,
    }
    async with place.database.transaction() as connection:
        box, url = SecretBox(b"k" * 32), "https://crm.example.org"
        await set_webhook(connection, box, place.environment, "crm", url)
        await connection.execute(
            "UPDATE worker_accounts SET roles = roles || '{coach,nurse}'::text[]"
            " WHERE environment_id = $1",
            place.environment,
        )
    # The coach whom one action assigns is there for the next.
    assert await would_not_work() == {"The patient has not consented to automated SMS.": 3}
    assert await place.firings() == []


CHAINED = """
  - name: welcome
    when: {event: patient_created}
    then:
      - {do: assign_coach, role: coach}
      - {do: send_message, message: Soon}
      - {do: change_phase, phase: active}
      - {do: change_phase, phase: graduated}
  - name: before
    when: {event: patient_created}
    then:
      - {do: send_message, message: Soon}
      - {do: change_phase, phase: graduated}
      - {do: assign_coach, role: coach}
"""


async def test_an_action_is_foreseen_after_those_before_it(place: Place) -> None:
    await place.publish(PROGRAM + CHAINED)
    await worker(place)
    await place.patient()
    async with place.database.connection() as connection:
        design = await design_of(connection, place.environment, 1)
    span = trial.last_days(1, datetime.now(UTC) + timedelta(minutes=1))
    problems = {}
    for process in design.processes:
        tried = await trial.try_out(place.database, place.environment, design, process, span)
        (would,) = tried.newest
        problems[process.name] = would.problems
    assert problems == {
        "welcome": [],
        "before": [
            "The patient has no coach in whose name the message could be sent.",
            "The phase graduated does not follow intake, in which the patient is.",
        ],
    }


HOURLY = """
  - name: hourly
    when: {event: schedule, cron: "0 * * * *", zone: UTC}
    then: [{do: give_task, task: survey}]
"""


async def test_a_schedule_is_tried_part_by_part_for_every_patient_and_moment(place: Place) -> None:
    when = Trigger(event="schedule", cron="0 * * * *", zone="UTC")
    first, last = datetime(2026, 10, 20, tzinfo=UTC), datetime(2027, 3, 20, tzinfo=UTC)
    span, parts = ClockSpan(first, last), []
    while span.first < last:
        parts.append(clock.part(when, span, 24))
        span = ClockSpan(parts[-1].last, last)
    hours = (last - first) / timedelta(hours=1)
    assert hours / 24 <= len(parts) <= hours / 24 + 2
    assert all(part.last - part.first <= timedelta(hours=25) for part in parts)
    await place.publish(PROGRAM + HOURLY)
    for _ in range(3):
        await place.patient()
    async with place.database.connection() as connection:
        design = await design_of(connection, place.environment, 1)
    tried = [
        (would.patient_id, would.happened_at)
        async for would in trial.each_case(
            place.database, place.environment, design, design.processes[0], span=(first, last)
        )
    ]
    assert len(tried) == len(set(tried)) == 3 * hours
