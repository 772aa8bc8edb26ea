"""The dry run: what a new version breaks is counted and named, and a publish that breaks it needs
leave.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from almoner.workshop import dry_run
from almoner.workshop import publish as publishing
from almoner.workshop.breakages import Breakage
from almoner.workshop.dry_run import examine
from almoner.workshop.program_file import parse
from almoner.workshop.publish import Breaks, publish

FIRST = """\
program: First
phases: [{name: intake}, {name: paused}]
appointment_types: [{name: call}, {name: visit}]
assessments:
- {id: a, name: Mood check, sections: [{questions: [{name: x, kind: integer}, {name: y, kind: text}]}]}
- {id: b, name: Other, sections: [{questions: [{name: x, kind: integer}]}]}
custom_data_types:
- {name: t, fields: [{name: x, kind: text}]}
- {name: u, fields: [{name: x, kind: text}]}
roles: [{name: nurse, may: [give_care]}]
"""


class House:
    """An environment with the program, and what is in it."""

    def __init__(self, connection: Any, store: Store, environment: int) -> None:
        self.connection = connection
        self.environment = environment
        self._store = store

    async def create(self, name: str, **values: Any) -> str:
        written = await self._store.create(
            Actor(self.environment, "test", "cli", "test", whole=True), BY_NAME[name], values
        )
        document: Row = json.loads(written.body)
        return str(document["id"])

    async def patient(self, phase: str = "intake") -> str:
        return await self.create(
            "patients",
            phase=phase,
            first_name="A",
            last_name="B",
            timezone="US/Pacific",
            birthday="1990-01-01",
        )

    async def worker(self, *roles: str) -> str:
        created = await self.create(
            "workers",
            email=f"{id(roles)}{roles}@x.org",
            first_name="A",
            last_name="B",
            timezone="UTC",
        )
        await self.connection.execute(
            "INSERT INTO worker_accounts (environment_id, worker_id, roles) VALUES ($1, $2, $3)",
            *(self.environment, created, list(roles)),
        )
        return created

    async def breakages(self, old: str, new: str) -> list[Breakage]:
        """What the program breaks in which this stands for that."""
        assert old in FIRST
        return list(
            (
                await examine(self.connection, self.environment, parse(FIRST.replace(old, new)))
            ).breakages
        )


@pytest.fixture
async def house(connection: Any, store: Store, environment: int) -> House:
    await publish(connection, environment, FIRST, "test")
    return House(connection, store, environment)


async def test_responses_that_no_longer_fit_are_named(house: House) -> None:
    patient = await house.patient()
    ids = [
        await house.create("assessment_responses", user_id=patient, spec_id="a", model={"x": n})
        for n in (1, 5, 9)
    ]
    await house.create("assessment_responses", user_id=patient, spec_id="b", model={"x": 9})
    (breakage,) = await house.breakages(
        "{name: x, kind: integer}, {name: y", "{name: x, kind: integer, high: 5}, {name: y"
    )
    assert (breakage.kind, breakage.word, breakage.what, breakage.count, breakage.ids) == (
        "responses_do_not_fit",
        "responses",
        "Mood check",
        1,
        (ids[2],),
    )
    assert (
        breakage.sentence
        == "1 response to Mood check does not fit its new version: for x, a whole number of at most"
        " 5 is expected (1)."
    )


async def test_a_question_that_is_removed_or_required_breaks_responses_and_one_that_is_added_none(
    house: House,
) -> None:
    patient = await house.patient()
    created = await house.create(
        "assessment_responses", user_id=patient, spec_id="a", model={"x": 1}
    )
    assert (
        await house.breakages(
            ", {name: y, kind: text}", ", {name: y, kind: text}, {name: z, kind: text}"
        )
        == []
    )
    assert await house.breakages(", {name: y, kind: text}", "") == []
    for old, new in (
        ("{name: x, kind: integer}, {name: y", "{name: y"),
        ("{name: y, kind: text}", "{name: y, kind: text, required: true}"),
    ):
        assert [b.ids for b in await house.breakages(old, new)] == [(created,)]


async def test_the_commonest_reasons_are_told_with_how_many_rows_each_stands_in_the_way_of(
    house: House,
) -> None:
    patient = await house.patient()
    for answers in ({"x": 1}, {"x": 9}, {"x": 9, "y": "said in confidence"}, {"x": 2, "y": "fits"}):
        await house.create("assessment_responses", user_id=patient, spec_id="a", model=answers)
    (breakage,) = await house.breakages(
        "{name: x, kind: integer}, {name: y, kind: text}",
        "{name: x, kind: integer, high: 5}, {name: y, kind: text, required: true}",
    )
    reasons = "for x, a whole number of at most 5 is expected (2); y must be given (2)"
    assert breakage.sentence == f"3 responses to Mood check do not fit its new version: {reasons}."
    (breakage,) = await house.breakages("{name: y, kind: text}", "{name: z, kind: text}")
    assert (
        breakage.sentence == "2 responses to Mood check do not fit its new version: y is gone (2)."
    )


async def test_what_only_reads_differently_is_not_looked_at(house: House) -> None:
    patient = await house.patient()
    await house.create("assessment_responses", user_id=patient, spec_id="a", model={"x": 1})
    changed = FIRST.replace("{name: y, kind: text}", "{name: y, kind: text, label: Why}").replace(
        "Mood check", "Mood"
    )
    report = await examine(house.connection, house.environment, parse(changed))
    assert (report.breakages, report.examined, report.version) == ((), 0, 1)


async def test_responses_of_an_assessment_that_is_gone_and_records_of_a_type_that_is_gone(
    house: House,
) -> None:
    patient = await house.patient()
    response = await house.create(
        "assessment_responses", user_id=patient, spec_id="b", model={"x": 1}
    )
    record = await house.create(
        "custom_data_type_records", user_id=patient, type_name="u", body={"x": "1"}
    )
    await house.create("custom_data_type_records", user_id=patient, type_name="t", body={"x": "1"})
    (breakage,) = await house.breakages(
        "- {id: b, name: Other, sections: [{questions: [{name: x, kind: integer}]}]}\n", ""
    )
    assert (breakage.kind, breakage.word, breakage.ids, breakage.sentence) == (
        "responses_of_removed",
        "responses",
        (response,),
        "1 response to Other, which is gone.",
    )
    (breakage,) = await house.breakages("- {name: u, fields: [{name: x, kind: text}]}\n", "")
    assert (breakage.kind, breakage.word, breakage.what, breakage.ids) == (
        "records_of_removed",
        "records",
        "u",
        (record,),
    )


async def test_records_that_no_longer_fit_and_patients_with_several_of_what_there_may_be_one(
    house: House,
) -> None:
    first, two = await house.patient(), await house.patient()
    for patient in (first, first, two):
        await house.create(
            "custom_data_type_records", user_id=patient, type_name="t", body={"x": "1"}
        )
    (breakage,) = await house.breakages("{name: t, fields", "{name: t, records: one, fields")
    assert (breakage.kind, breakage.word, breakage.count, breakage.ids) == (
        "several_records",
        "records",
        1,
        (first,),
    )
    (breakage,) = await house.breakages(
        "t, fields: [{name: x, kind: text}]", "t, fields: [{name: x, kind: date}]"
    )
    assert (breakage.kind, breakage.count) == ("records_do_not_fit", 3)


async def test_patients_in_a_phase_that_is_gone(house: House) -> None:
    await house.patient()
    paused = await house.patient("paused")
    (breakage,) = await house.breakages(", {name: paused}", "")
    assert (breakage.word, breakage.count, breakage.ids) == ("phases", 1, (paused,))
    assert breakage.sentence == "1 patient in the phase paused, which is gone."


async def test_appointments_to_come_of_a_type_that_is_gone_and_no_others(house: House) -> None:
    now = datetime.now(UTC)
    calendar = await house.connection.fetchval(
        "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2",
        house.environment,
        await house.worker(),
    )
    patient = await house.patient()

    async def event(kind: str, days: int, **more: Any) -> str:
        start = now + timedelta(days=days)
        times = {
            "start_time": start.isoformat(),
            "end_time": (start + timedelta(hours=1)).isoformat(),
        }
        body = {
            "calendar_id": calendar,
            "user_id": patient,
            "modality": "phone",
            "appointment_type": kind,
        }
        return await house.create("calendar_events", **body, **(more or times))

    await event("visit", -2)
    await event("call", 2)
    cancelled = await event("visit", 2)
    await house.connection.execute(
        "UPDATE calendar_events SET outcome = 'cancelled' WHERE environment_id = $1 AND id = $2",
        house.environment,
        cancelled,
    )
    coming = [
        await event("visit", 2),
        await event("visit", 0, day=(now + timedelta(days=3)).date().isoformat()),
    ]
    (breakage,) = await house.breakages(", {name: visit}", "")
    assert (breakage.word, breakage.what, breakage.count, set(breakage.ids)) == (
        "appointments",
        "visit",
        2,
        set(coming),
    )


WAITING = (
    FIRST
    + """\
task_types: [{name: c}]
processes:
- {name: welcome, title: Welcome, when: {event: patient_created}, wait: {days: 3}, then: [{do: give_task, task: c}]}
- {name: other, when: {event: patient_created}, then: [{do: give_task, task: c}]}
"""
)


async def test_patients_in_a_process_that_waits_are_counted_where_it_is_gone_or_changes(
    house: House,
) -> None:
    await publish(house.connection, house.environment, WAITING, "test")
    for name, state, patients in (
        ("welcome", "open", 2),
        ("welcome", "done", 4),
        ("other", "held", 1),
        ("other", "failed", 3),
    ):
        await house.connection.execute(
            "INSERT INTO process_firings (environment_id, id, process, version, cause, event,"
            " patient_id, chain, state, due_at) SELECT $1, gen_random_uuid(), $2, 1, $3 || n || m,"
            " '{}', md5($3 || n)::uuid, '{}', $3, now() FROM generate_series(1, $4::int) AS n,"
            " generate_series(1, 2) AS m",
            *(house.environment, name, state, patients),
        )
    other = "- {name: other, when: {event: patient_created}, then: [{do: give_task, task: c}]}\n"
    sentences = []
    for old, new in (
        ("title: Welcome", "title: Another title"),
        ("wait: {days: 3}", "wait: {days: 4}"),
        (other, ""),
    ):
        assert old in WAITING
        report = await examine(
            house.connection, house.environment, parse(WAITING.replace(old, new))
        )
        sentences.append([(each.word, each.sentence) for each in report.breakages])
    assert sentences == [
        [],
        [
            (
                "processes",
                "2 patients waiting in the process Welcome, which changes: for each it acts as it"
                " was when it was set off.",
            )
        ],
        [
            (
                "processes",
                "1 patient waiting in the process other, which is gone: it still acts for each, as"
                " it was when it was set off.",
            )
        ],
    ]


async def test_workers_all_of_whose_roles_are_gone(house: House) -> None:
    only = await house.worker("nurse")
    await house.worker("nurse", "coach")
    await house.worker("coach")
    (breakage,) = await house.breakages("roles: [{name: nurse, may: [give_care]}]\n", "")
    assert (breakage.word, breakage.count, breakage.ids) == ("roles", 1, (only,))


async def test_only_the_first_hundred_ids_are_told_and_progress_runs_to_the_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "_BATCH", 50)
    patient = await house.patient()
    await house.connection.execute(
        "INSERT INTO assessment_responses (environment_id, id, spec_id, user_id, model, version) "
        "SELECT $1, gen_random_uuid(), 'a', $2, '{\"x\": 9}', 1 FROM generate_series(1, 130)",
        *(house.environment, patient),
    )
    progress: list[tuple[int, int]] = []
    changed = FIRST.replace(
        "{name: x, kind: integer}, {name: y", "{name: x, kind: integer, high: 5}, {name: y"
    )
    report = await examine(
        house.connection, house.environment, parse(changed), lambda *at: progress.append(at)
    )
    assert (report.breakages[0].count, len(report.breakages[0].ids), report.examined) == (
        130,
        100,
        130,
    )
    assert progress == [(50, 130), (100, 130), (130, 130)]


async def test_nothing_of_another_environment_counts(
    house: House, connection: Any, store: Store, database: Database
) -> None:
    async with database.connection() as second:
        other = await second.fetchval(
            "INSERT INTO environments (name) VALUES ($1) RETURNING id", f"o-{house.environment}"
        )
        await publish(second, other, FIRST, "test")
        await House(second, store, other).patient("paused")
    assert await house.breakages(", {name: paused}", "") == []


async def test_a_publish_that_breaks_something_needs_every_word(house: House) -> None:
    await house.patient("paused")
    patient = await house.patient()
    await house.create("custom_data_type_records", user_id=patient, type_name="u", body={})
    changed = FIRST.replace(", {name: paused}", "").replace(
        "- {name: u, fields: [{name: x, kind: text}]}\n", ""
    )
    with pytest.raises(Breaks) as raised:
        await publish(house.connection, house.environment, changed, "test", accepting={"phases"})
    assert (raised.value.missing, raised.value.report.words) == (
        ("records",),
        ("records", "phases"),
    )
    assert (
        await house.connection.fetchval(
            "SELECT count(*) FROM programs WHERE environment_id = $1", house.environment
        )
        == 1
    )
    done = await publish(
        house.connection, house.environment, changed, "test", accepting={"phases", "records"}
    )
    assert (done.version, len(done.report.breakages)) == (2, 2)


async def test_what_is_written_while_a_publish_examines_is_not_missed(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await house.patient()
    real, calls = examine, []

    async def slow(connection: Any, *arguments: Any, **options: Any) -> Any:
        report = await real(connection, *arguments, **options)
        calls.append(len(report.breakages))
        if len(calls) == 1:
            async with database.connection() as second:
                writer = House(second, house._store, house.environment)
                await writer.create(
                    "assessment_responses", user_id=patient, spec_id="a", model={"x": 9}
                )
        return report

    monkeypatch.setattr(publishing, "examine", slow)
    changed = FIRST.replace(
        "{name: x, kind: integer}, {name: y", "{name: x, kind: integer, high: 5}, {name: y"
    )
    with pytest.raises(Breaks):
        await publish(house.connection, house.environment, changed, "test")
    assert calls == [0, 1]


async def test_what_did_not_fit_before_is_not_broken_by_the_next_version(house: House) -> None:
    patient = await house.patient()
    old = await house.create("assessment_responses", user_id=patient, spec_id="a", model={"x": 9})
    fits = await house.create("assessment_responses", user_id=patient, spec_id="a", model={"x": 4})
    narrower = FIRST.replace(
        "{name: x, kind: integer}, {name: y", "{name: x, kind: integer, high: 5}, {name: y"
    )
    await publish(house.connection, house.environment, narrower, "test", accepting=["responses"])
    for change, broken in (
        (("kind: text}]}]}\n- {id: b", "kind: long_text}]}]}\n- {id: b"), []),
        (("high: 5", "high: 3"), [(fits, old)]),
    ):
        report = await examine(
            house.connection, house.environment, parse(narrower.replace(*change))
        )
        assert [tuple(sorted(breakage.ids)) for breakage in report.breakages] == [
            tuple(sorted(ids)) for ids in broken
        ]


async def test_a_type_that_comes_back_as_one_record_finds_the_several_that_stayed(
    house: House,
) -> None:
    first, two = await house.patient(), await house.patient()
    for patient in (first, first, two):
        await house.create(
            "custom_data_type_records", user_id=patient, type_name="t", body={"x": "1"}
        )
    without = FIRST.replace("- {name: t, fields: [{name: x, kind: text}]}\n", "")
    await publish(house.connection, house.environment, without, "test", accepting=["records"])
    again = parse(FIRST.replace("{name: t, fields", "{name: t, records: one, fields"))
    (breakage,) = (await examine(house.connection, house.environment, again)).breakages
    assert (breakage.kind, breakage.count, breakage.ids) == ("several_records", 1, (first,))


async def test_a_phase_that_becomes_an_end_names_the_patients_in_it(house: House) -> None:
    await house.patient("paused")
    inside = await house.patient()
    (breakage,) = await house.breakages("{name: intake}", "{name: intake, next: []}")
    assert (breakage.word, breakage.ids, breakage.sentence) == (
        "phases",
        (inside,),
        "1 patient in the phase intake, which no other may follow any more.",
    )
    assert await house.breakages("{name: intake}", "{name: intake, next: [paused]}") == []


async def test_open_tasks_and_begun_forms_of_what_is_removed_are_named(house: House) -> None:
    worker, patient = await house.worker("coach"), await house.patient()
    with_tasks = FIRST + "task_types: [{name: weigh}, {name: walk}]\n"
    await publish(house.connection, house.environment, with_tasks, "test")
    task = await house.create("patient_tasks", user_id=patient, task_type="weigh")
    await house.create("patient_tasks", user_id=patient, task_type="walk")
    for spec in ("a", "b"):
        await house.connection.execute(
            "INSERT INTO assessment_drafts (environment_id, patient_id, spec_id, worker_id,"
            " version, answers) VALUES ($1, $2, $3, $4, 1, '{}')",
            *(house.environment, patient, spec, worker),
        )
    report = await examine(
        house.connection, house.environment, parse(with_tasks.replace("{name: weigh}, ", ""))
    )
    assert [(breakage.word, breakage.what, breakage.ids) for breakage in report.breakages] == [
        ("tasks", "weigh", (task,))
    ]
    without = with_tasks.replace(
        "- {id: b, name: Other, sections: [{questions: [{name: x, kind: integer}]}]}\n", ""
    )
    report = await examine(house.connection, house.environment, parse(without))
    assert [(breakage.kind, breakage.what, breakage.ids) for breakage in report.breakages] == [
        ("begun_of_removed", "Other", (patient,))
    ]


async def test_workers_whose_roles_open_less_or_more_are_named_with_what_that_is(
    house: House,
) -> None:
    nurse, both, coach = [
        await house.worker(*roles) for roles in (("nurse",), ("coach", "nurse"), ("coach",))
    ]
    role = "roles: [{name: nurse, may: [give_care]}]"
    breakages = await house.breakages(role, "roles: [{name: nurse, may: []}]")
    assert [(entry.kind, entry.ids) for entry in breakages] == [("workers_lose", (nurse,))]
    assert (
        breakages[0].sentence
        == "1 worker with the role nurse may no longer give care and see all patients."
    )
    breakages = await house.breakages(
        role, "roles: [{name: nurse, may: [give_care]}, {name: coach, may: [administer]}]"
    )
    assert {entry.ids for entry in breakages} == {(both,), (coach,)}
    assert {entry.kind for entry in breakages} == {"workers_gain"}
    assert (
        await house.breakages(role, "roles: [{name: nurse, title: Nurse, may: [give_care]}]") == []
    )
