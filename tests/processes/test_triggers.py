"""What sets a process off without a change of its own: silence, dates, schedules and hooks; and
consent. Each does so once, and is found again by a trial.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta

import httpx
import pytest
from starlette.applications import Starlette

from almoner.access import audit_search, hook_proof
from almoner.access.audit import ReadAudit
from almoner.access.audit_search import AuditQuery
from almoner.access.secrets import SecretBox
from almoner.processes import hooks, trial
from almoner.processes.clock import ClockSpan, moments_of
from almoner.processes.programs import programs_of
from almoner.processes.reader import EventReader
from almoner.vocabulary import clocks, cron
from almoner.work import faults
from almoner.workshop.trigger_design import Trigger
from almoner.workshop.yaml_source import ProgramFileError
from tests.conftest import new_environment
from tests.plain_http import PlainHttp
from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM

SURVEY = "then: [{do: give_task, task: survey}]"
NOW = 1_800_000_000


async def tasks(place: Place) -> list[str]:
    """The patients who were given a task, the first first."""
    rows = await place.rows(
        "SELECT user_id::text FROM patient_tasks WHERE environment_id = $1 ORDER BY created_at"
    )
    return [row["user_id"] for row in rows]


async def would(place: Place, days: int) -> list[tuple[str, datetime]]:
    """Whom the first process would have been set off by in the last days, and when."""
    async with place.database.connection() as connection:
        programs = await programs_of(connection, place.environment)
    assert programs is not None
    span = trial.last_days(days, place.clock())
    program = programs.newest
    (process, *_) = program.processes
    tried = await trial.try_out(place.database, place.environment, program, process, span)
    return [(each.patient_id, each.happened_at) for each in reversed(tried.newest)]


async def wrote(place: Place, patient: str, at: datetime, direction: str = "inbound") -> None:
    conversation = await place.create(
        "conversations", {"user_id": patient, "conversation_type": "app"}
    )
    await place.create(
        "messages",
        {
            "user_id": patient,
            "conversation_id": conversation,
            "direction": direction,
            "contents": "Hello",
            "send_time": at.isoformat(),
        },
    )


async def test_a_silence_sets_it_off_once_and_the_next_one_again(place: Place) -> None:
    await place.publish(
        f"{PROGRAM}  - name: silent\n"
        f"    when: {{event: no_activity, activity: [messages, appointments], days: 14}}\n    {SURVEY}\n"
    )
    now = place.clock()
    silent, writes = await place.patient(), await place.patient()
    await wrote(place, writes, now + timedelta(days=10))
    # What is written to a patient, and what is not counted, is no activity.
    await place.create(
        "assessment_responses", {"user_id": silent, "spec_id": "mood", "model": {"low": 1}}
    )
    tasks_by_days = {}
    for days in (13, 15, 16, 25):
        place.clock.at = now + timedelta(days=days)
        await place.work()
        tasks_by_days[days] = await tasks(place)
    assert tasks_by_days == {13: [], 15: [silent], 16: [silent], 25: [silent, writes]}
    await wrote(place, silent, now + timedelta(days=26))
    place.clock.at = now + timedelta(days=41)
    await place.work()
    assert await tasks(place) == [silent, writes, silent]
    assert [patient for patient, _ in await would(place, 90)] == [silent, writes, silent]


async def test_a_date_sets_it_off_so_many_days_before_at_the_patients_own_time(
    place: Place,
) -> None:
    birthday = "{event: date_reached, field: birthday, days: -3, at: '09:00', yearly: true}"
    await place.publish(f"{PROGRAM}  - name: soon\n    when: {birthday}\n    {SURVEY}\n")
    now = place.clock()
    day = clocks.day_of(now, "US/Eastern") + timedelta(days=10)
    born = day.replace(year=1960)
    here = await place.patient(birthday=born.isoformat())
    west = await place.patient(birthday=born.isoformat(), timezone="US/Pacific")
    await place.patient(birthday=(born + timedelta(days=40)).isoformat())
    at = clocks.earliest(day - timedelta(days=3), time(9), "US/Eastern")
    tasks_each_time = []
    for moment in (at - timedelta(minutes=1), at + timedelta(minutes=6), at + timedelta(hours=4)):
        place.clock.at = moment
        await place.work()
        tasks_each_time.append(await tasks(place))
    assert tasks_each_time == [[], [here], [here, west]]
    assert (here, at) in await would(place, 30)


async def test_the_date_of_the_newest_record_counts(place: Place) -> None:
    source = PROGRAM.replace(
        "{name: note, fields: [", "{name: note, fields: [{name: day, kind: date}, "
    )
    when = "{event: date_reached, record: note, field: day, days: 1, at: '00:30'}"
    await place.publish(f"{source}  - name: after\n    when: {when}\n    {SURVEY}\n")
    now = place.clock()
    patient, noise = await place.patient(timezone="UTC"), await place.patient(timezone="UTC")
    today = now.date()
    for of, days in ((patient, 9), (patient, 3), (noise, 3), (noise, 9)):
        body = {"text": "x", "day": (today + timedelta(days=days)).isoformat()}
        await place.create(
            "custom_data_type_records", {"user_id": of, "type_name": "note", "body": body}
        )
    place.clock.at = datetime.combine(today, time(), UTC) + timedelta(days=4, hours=1)
    await place.work()
    assert await tasks(place) == [patient]


@pytest.mark.parametrize(
    ("written", "first", "last", "moments"),
    [
        ("1960-02-29", "2025-01-01", "2025-12-31", ["2025-02-25T14:00"]),
        ("1960-02-29", "2028-01-01", "2028-12-31", ["2028-02-26T14:00"]),
        ("1960-01-02", "2026-12-01", "2027-12-31", ["2026-12-30T14:00", "2027-12-30T14:00"]),
        # Summer time, an hour nearer to UTC.
        ("1960-07-04", "2026-01-01", "2026-12-31", ["2026-07-01T13:00"]),
        # Not before the day itself.
        ("2027-07-04", "2026-01-01", "2026-12-31", []),
        ("none", "2026-01-01", "2026-12-31", []),
        (None, "2026-01-01", "2026-12-31", []),
    ],
)
def test_an_anniversary_is_a_day_of_the_calendar(
    written: str | None, first: str, last: str, moments: list[str]
) -> None:
    when = Trigger(event="date_reached", field="birthday", days=-3, at="09:00", yearly=True)
    span = ClockSpan(*(datetime.fromisoformat(f"{text}T00:00+00:00") for text in (first, last)))
    expected = [datetime.fromisoformat(f"{text}+00:00") for text in moments]
    days = moments_of(written, "America/New_York", when, span)
    assert [moment for _, moment in days] == expected


async def test_a_schedule_sets_it_off_for_those_whom_the_conditions_name_page_by_page(
    place: Place,
) -> None:
    await place.publish(
        f"{PROGRAM}  - name: weekly\n"
        "    when: {event: schedule, cron: '0 8 * * 1', zone: Europe/Berlin}\n"
        f"    if: {{all: [{{of: patient, field: phase, is: active}}]}}\n    {SURVEY}\n"
    )
    place.reader = EventReader(place.database, place.clock, page=2)
    now = place.clock()
    active = sorted([await place.patient(phase="active") for _ in range(3)])
    await place.patient()
    monday = cron.following("0 8 * * 1", "Europe/Berlin", now)
    tasks_each_time = []
    # Of the Mondays that nobody looked at, the last is made up for.
    for at in (monday - timedelta(minutes=1), monday, monday, monday + timedelta(days=15)):
        place.clock.at = at
        await place.work()
        tasks_each_time.append(sorted(await tasks(place)))
    assert tasks_each_time == [[], active, active, sorted(active * 2)]
    # Five Mondays are among the last thirty days.
    assert len(await would(place, 30)) == 3 * 5


HOOK = f"""
  - name: discharged
    when: {{event: hook_called, hook: discharge}}
    {SURVEY}
  - name: other
    when: {{event: hook_called, hook: another}}
    {SURVEY}
"""
PATH = "/processes/hooks/discharge"


@pytest.fixture
async def audit(place: Place) -> AsyncIterator[ReadAudit]:
    audit = ReadAudit(place.database)
    yield audit
    await audit.aclose()


@pytest.fixture
async def partner(place: Place, audit: ReadAudit) -> AsyncIterator[httpx.AsyncClient]:
    route = hooks.route(place.database, SecretBox(b"k" * 32), audit, now=lambda: float(NOW))
    transport = httpx.ASGITransport(app=Starlette(routes=[route]))
    async with PlainHttp(transport=transport, base_url="http://almoner") as client:
        yield client


async def opened(place: Place, environment: int, way: str) -> str:
    async with place.database.transaction() as connection:
        box = SecretBox(b"k" * 32)
        secret = await hooks.HOOKS.set(connection, box, environment, "discharge", way)
    assert secret is not None
    return secret


def signed(secret: str, body: bytes, moment: int = NOW) -> dict[str, str]:
    signature = hook_proof.signature(secret, str(moment), body)
    return {hook_proof.TIME_HEADER: str(moment), hook_proof.SIGNATURE_HEADER: signature}


async def test_a_hook_sets_it_off_once_for_each_call_that_proves_itself(
    place: Place, partner: httpx.AsyncClient
) -> None:
    await place.publish(PROGRAM + HOOK)
    patient = await place.patient()
    secret = await opened(place, place.environment, "hmac")
    other = await opened(place, await new_environment(place.database), "hmac")
    body = json.dumps({"patient_id": patient}).encode()
    first = await partner.post(PATH, content=body, headers=signed(secret, body))
    again = await partner.post(PATH, content=body, headers=signed(secret, body))
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    deep = b"[" * 100_000
    wrong = {
        "another environment's patient": (body, signed(other, body), 404),
        "another body": (b"{}", signed(secret, body), 401),
        "too old": (body, signed(secret, body, NOW - 301), 401),
        "no proof": (body, {}, 401),
        "no patient": (b"{}", signed(secret, b"{}"), 400),
        "no JSON": (b"x", signed(secret, b"x"), 400),
        "nested too deep": (deep, signed(secret, deep), 400),
        "no id": (b'{"patient_id": "x"}', signed(secret, b'{"patient_id": "x"}'), 404),
    }
    answers = {
        case: (await partner.post(PATH, content=content, headers=headers)).status_code
        for case, (content, headers, _) in wrong.items()
    }
    assert answers == {case: status for case, (_, _, status) in wrong.items()}
    await place.work()
    assert await place.firings() == [("discharged", "done")]
    assert await tasks(place) == [patient]
    assert [of for of, _ in await would(place, 1)] == [patient]


async def test_a_refused_call_of_a_hook_is_in_the_audit_trail_once_a_minute(
    place: Place, partner: httpx.AsyncClient, audit: ReadAudit
) -> None:
    await opened(place, place.environment, "hmac")
    for _ in range(20):
        assert (await partner.post(PATH, content=b"{}")).status_code == 401
    await audit.flush()
    async with place.database.connection() as connection:
        query = AuditQuery(verb="refuse", resource="processes")
        entries = await audit_search.newest(connection, place.environment, query, 100)
    assert [(entry.actor, entry.through) for entry in entries] == [("unknown", "hook of discharge")]
    events = await place.rows("SELECT object, event FROM worker_events WHERE environment_id = $1")
    assert ("process hook:discharge", "hook made") in {tuple(row.values()) for row in events}


async def test_a_hook_takes_an_id_of_another_system_and_a_bearer(
    place: Place, partner: httpx.AsyncClient
) -> None:
    await place.publish(PROGRAM + HOOK)
    patient = await place.patient()
    named = {"namespace": "hospital", "external_id": "MRN-1"}
    await place.create("external_ids", named | {"resource": "patients", "welkin_id": patient})
    secret = await opened(place, place.environment, "bearer")
    key = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "1"}
    codes = [
        (await partner.post(PATH, json=body, headers=headers)).status_code
        for body, headers in (
            (named, key),
            (named, key),
            (named, key | {"Idempotency-Key": "2"}),
            (named | {"external_id": "MRN-2"}, key | {"Idempotency-Key": "3"}),
            (named, key | {"Authorization": "Bearer guessed"}),
        )
    ]
    assert codes == [202, 200, 202, 404, 401]
    await place.work()
    assert await tasks(place) == [patient, patient]


NEVER = """  - name: never
    when: {{event: schedule, cron: "0 0 30 2 *", zone: UTC}}
    {0}
  - name: greets
    when: {{event: patient_created}}
    {0}
"""


@pytest.mark.parametrize("schedule", ["0 0 30 2 *", "0 9 31 2,4,6,9,11 *"])
async def test_a_schedule_that_never_comes_is_refused_with_words(
    place: Place, schedule: str
) -> None:
    source = PROGRAM + NEVER.format(SURVEY).replace("0 0 30 2 *", schedule)
    with pytest.raises(ProgramFileError) as refused:
        await place.publish(source)
    assert f"processes[0].when.cron: the schedule {schedule} never comes" in str(refused.value)


async def test_a_process_or_an_environment_with_a_fault_stops_no_other_and_is_a_failure(
    place: Place,
) -> None:
    """Of one that an earlier release let through, and of a program that cannot be read."""
    await place.publish(PROGRAM + NEVER.format(SURVEY).replace("30 2", "28 2"))
    others = [
        Place(place.database, place.store, await new_environment(place.database)) for _ in range(2)
    ]
    for other in others:
        await other.publish(PROGRAM + NEVER.format(SURVEY).replace("30 2", "28 2"))
    broken, sound = others
    await rewritten(place, "replace(definition::text, '0 0 28 2', '0 0 30 2')")
    await rewritten(broken, "'{}'")
    patients = [await each.patient() for each in (place, sound)]
    await place.work()
    assert await tasks(place) + await tasks(sound) == patients
    assert await faults_of(place) == [("never", "schedule_never")]
    assert await faults_of(sound) == []
    assert await faults_of(broken) == [("", "fault")]
    # It is the same failure as long as it lasts, and gone once it is mended.
    (before,) = await place.rows("SELECT id FROM work_faults WHERE environment_id = $1")
    await place.read()
    assert await place.rows("SELECT id FROM work_faults WHERE environment_id = $1") == [before]
    await place.publish(PROGRAM + NEVER.format(SURVEY).replace("30 2", "27 2"))
    await place.read()
    assert await faults_of(place) == []
    assert await faults_of(broken) == [("", "fault")]


async def rewritten(place: Place, definition: str) -> None:
    """Has the program be what no publishing lets through."""
    async with place.database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = 'replica'")
        changed = await connection.fetch(
            f"UPDATE program_elements SET definition = ({definition})::json WHERE environment_id ="
            " $1 AND kind = 'program' RETURNING true",
            place.environment,
        )
    assert len(changed) == 1


async def faults_of(place: Place) -> list[tuple[str, str]]:
    async with place.database.connection() as connection:
        standing = await faults.standing(connection, place.environment)
    return [(row["name"], row["code"]) for row in standing]
