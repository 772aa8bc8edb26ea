"""A merge loses nothing: whatever the database holds about a record moves, or is reached from the
kept one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import MetaData

from almoner import schema
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.patient_merges.sql import HOUSE_ROWS, LOCK, STAYING
from almoner.resources import BY_NAME, RESOURCES
from tests.conftest import Api, taken
from tests.people import People, Person
from tests.portal.merging import merge
from tests.web.document import Document

SCHEMA: MetaData = schema.build(RESOURCES)
PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


@pytest.fixture
async def coach(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "coach", first_name="Ann", last_name="Lee") as person:
        yield person


class Records:
    """Two records, each with a row in every table that can tell of a patient."""

    def __init__(self, store: Store, by: Actor, database: Any, coach: Person) -> None:
        self._store, self._by, self._database, self._coach = store, by, database, coach

    async def make(self, resource: str, **values: Any) -> str:
        return (await self._store.create(self._by, BY_NAME[resource], values)).id

    async def patient(self, number: int, **values: Any) -> str:
        ids = [
            {"namespace": "ehr", "external_id": f"EHR-{number}"},
            {"namespace": f"own{number}", "external_id": "1"},
        ]
        patient = await self.make("patients", **PATIENT | {"external_ids": ids} | values)
        phone = await self.make(
            "phone_numbers",
            user_id=patient,
            phone_number=f"415-555-000{number}",
            phone_number_type="cell",
        )
        await self.make("email_addresses", user_id=patient, email=f"g{number}@example.org")
        conversation = await self.make("conversations", user_id=patient, conversation_type="phone")
        row = {
            "user_id": patient,
            "conversation_id": conversation,
            "direction": "inbound",
            "contents": "Hello",
        }
        message = await self.make("messages", **row)
        await self.make(
            "care_flows", user_id=patient, care_flow={"description": "walk", "goals": []}
        )
        await self.make("patient_tasks", user_id=patient, task_type="survey")
        moments = {
            "start_time": "2026-01-05T15:00:00+00:00",
            "end_time": "2026-01-05T15:30:00+00:00",
        }
        await self.make("visits", patient_id=patient, worker_id=self._coach.worker_id, **moments)
        await self.make(
            "calls",
            patient_id=patient,
            worker_id=self._coach.worker_id,
            call_type="outbound",
            start_time=moments["start_time"],
            outcome="reached",
        )
        await self.make("alerts", patient_id=patient, alert_type="app_message")
        await self.make("worker_tasks", patient_id=patient, title=f"Call {number}")
        await self.make(
            "notes",
            patient_id=patient,
            worker_id=self._coach.worker_id,
            note_type="progress",
            text=f"Walks on day {number}.",
        )
        await self.make(
            "snoozes",
            patient_id=patient,
            worker_id=self._coach.worker_id,
            until_time=moments["end_time"],
        )
        await self.make(
            "integration_tasks",
            user_id=patient,
            task_name="pull",
            job_id=f"job {number}",
            status="succeeded",
            errors=[],
        )
        await self.make("assessment_responses", user_id=patient, spec_id="mood_check", model=MOOD)
        await self.make(
            "custom_data_type_records",
            user_id=patient,
            type_name="hcp",
            body={"name": f"Dr. {number}"},
        )
        await self._of_the_house(number, patient, phone, message)
        return patient

    async def _of_the_house(self, number: int, patient: str, phone: str, message: str) -> None:
        async with self._database.connection() as connection:
            environment, worker = self._coach.environment_id, self._coach.worker_id
            calendar = await connection.fetchval(
                "SELECT id::text FROM calendars WHERE worker_id = $1", worker
            )
            day = {"day": "2026-03-02", "modality": "phone", "appointment_type": "coaching_call"}
            await self.make("calendar_events", user_id=patient, calendar_id=calendar, **day)
            for resource, row in (("messages", message), ("patients", patient)):
                await connection.execute(
                    "INSERT INTO timeline_stars (environment_id, patient_id, resource, row_id,"
                    " starred_by) VALUES ($1, $2, $3, $4, 'x')",
                    *(environment, patient, resource, row),
                )
            for bulk in (0, number):
                bulk_id = f"00000000-0000-4000-8000-{bulk:012}"
                await connection.execute(
                    "INSERT INTO bulk_messages (environment_id, id, worker_id, channel, contents,"
                    " request_id) VALUES ($1, $2, $3, 'phone', 'x', 'x') ON CONFLICT DO NOTHING",
                    *(environment, bulk_id, worker),
                )
                await connection.execute(
                    "INSERT INTO bulk_recipients (environment_id, bulk_message_id, patient_id, part,"
                    " state) VALUES ($1, $2, $3, 0, 'sent')",
                    *(environment, bulk_id, patient),
                )
            for spec in ("mood_check", f"only_{number}"):
                await connection.execute(
                    "INSERT INTO assessment_drafts (environment_id, patient_id, spec_id, worker_id,"
                    " version, answers) VALUES ($1, $2, $3, $4, 1, $5::json)",
                    *(environment, patient, spec, worker, f'{{"low_mood": ["typed on {number}"]}}'),
                )
            await connection.execute(
                "INSERT INTO consent_records (environment_id, patient_id, resource, row_id,"
                " consent, given, how, received_on, note, recorded_by) VALUES ($1, $2,"
                " 'phone_numbers', $3, 'opted_in_to_sms', true, 'voice', '2026-03-02', $4, 'x')",
                *(environment, patient, phone, f"said so on {number}"),
            )


MOOD = {"low_mood": "never", "lost_interest": "never"}


@pytest.fixture
def records(store: Store, inside: Actor, database: Any, coach: Person) -> Records:
    return Records(store, inside, database, coach)


async def naming(database: Any, patient: str) -> dict[tuple[str, str], int]:
    """How many rows of each table and column name the patient, whatever the column is called."""
    rows_by_table = {}
    async with database.connection() as connection:
        for table in SCHEMA.tables.values():
            for column in table.columns:
                packed = str(column.type) in ("BYTEA", "BLOB")
                if packed:
                    where = f'position(uuid_send($1::uuid) IN "{column.name}") > 0'
                else:
                    where = f'strpos("{column.name}"::text, ($1::uuid)::text) > 0'
                number = await connection.fetchval(
                    f"SELECT count(*) FROM {table.name} WHERE {where}", patient
                )
                if number:
                    rows_by_table[table.name, column.name] = number
    return rows_by_table


def pointing() -> set[tuple[str, str]]:
    """Every column that refers to a patient."""
    return {
        (table.name, key.column_keys[-1])
        for table in SCHEMA.tables.values()
        for key in table.foreign_key_constraints
        if key.referred_table.name == "patients"
    }


@pytest.mark.house
@pytest.mark.parametrize("wins", ["kept", "other"])
async def test_no_table_has_a_row_left_about_the_other_record_that_is_not_declared(
    coach: Person, records: Records, database: Any, wins: str
) -> None:
    survivor, other, stranger = [await records.patient(number) for number in (1, 2, 3)]
    before, noise = await naming(database, other), await naming(database, stranger)
    earlier = await records.patient(4)
    assert (await merge(coach, other, earlier, wins="kept")).status_code == 303
    missing = pointing() - before.keys()
    # What tells who was merged is made by the merge itself.
    assert missing == {("patient_merges", "patient_id")}, (
        "give the records of this test a row in the new table"
    )
    assert (await merge(coach, survivor, other, wins=wins)).status_code == 303
    assert set(await naming(database, other)) - STAYING.keys() == set()
    assert await naming(database, stranger) == noise


@pytest.mark.house
async def test_every_reason_to_stay_is_one_that_occurs(
    coach: Person, records: Records, database: Any
) -> None:
    survivor, other = await records.patient(1), await records.patient(2)
    await coach.get(f"/patients/{other}/contact")
    assert (await merge(coach, survivor, other, wins="kept")).status_code == 303
    await coach.get(f"/patients/{survivor}/merged/{other}")
    left = await naming(database, other)
    assert {
        place for place in STAYING if place != ("audit_reads", "patients")
    } - left.keys() == set()


async def test_consents_are_shown_with_the_number_that_moved(
    coach: Person, records: Records
) -> None:
    survivor, other = await records.patient(1), await records.patient(2)
    await merge(coach, survivor, other, wins="kept")
    contact = Document(await coach.get(f"/patients/{survivor}/contact"))
    assert contact.row("said so on 1")
    assert contact.row("said so on 2")


async def test_of_two_drafts_both_are_kept_and_their_author_chooses(
    coach: Person, records: Records, database: Any
) -> None:
    survivor, other = await records.patient(1), await records.patient(2)
    preview = (await coach.get(f"/patients/{survivor}/merge/{other}")).text
    assert Document(preview).heading("Begun on both records")
    assert Document(preview).row("1 Unfinished assessment")
    await merge(coach, survivor, other, wins="kept")
    page = f"/patients/{survivor}/merged/{other}"
    assert "typed on 2" in Document(await coach.get(page)).definition(
        "How often did you feel low or without hope?"
    )
    form = f"/patients/{survivor}/assessments/new?spec=mood_check"
    assert (await coach.send_form(f"{page}/draft", spec="mood_check")).status_code == 303
    assert "typed on 1" in Document(await coach.get(page)).definition(
        "How often did you feel low or without hope?"
    )
    async with database.connection() as connection:
        going = await connection.fetchval(
            "SELECT answers::text FROM assessment_drafts WHERE patient_id = $1 AND spec_id ="
            " 'mood_check'",
            survivor,
        )
    assert "typed on 2" in going
    assert (await coach.get(form)).status_code == 200


async def test_the_page_of_a_merged_record_shows_what_it_said_and_what_happened(
    coach: Person, records: Records, people: People
) -> None:
    survivor, other = (
        await records.patient(1),
        await records.patient(2, city="Arlington", first_name="Gracie"),
    )
    await coach.send_form(f"/patients/{other}/phase", ("was.phase", "intake"), phase="onboarding")
    await merge(coach, survivor, other, wins="kept")
    assert Document(await coach.get(f"/patients/{survivor}/merge")).links(
        to=f"/patients/{survivor}/merged/{other}"
    )
    page = (await coach.get(f"/patients/{survivor}/merged/{other}")).text
    for text in ("Gracie", "Arlington", "EHR-2", "Patients: changed (phase)", "by Ann Lee"):
        assert text in Document(page).main()
    stranger = await records.patient(3)
    assert (await coach.get(f"/patients/{stranger}/merged/{other}")).status_code == 404
    assert (await coach.get(f"/patients/{survivor}/merged/{stranger}")).status_code == 404


async def test_other_systems_that_hold_the_old_id_are_answered_and_find_the_kept_record(
    coach: Person, records: Records, api: Api
) -> None:
    survivor, other = await records.patient(1), await records.patient(2)
    await merge(coach, survivor, other, wins="kept")
    old = await api.get(f"/v1/patients/{other}")
    assert (old.status_code, old.json()["id"]) == (200, other)
    mapped = (await api.get("/v1/external_ids", params={"external_id": other})).json()[0]["data"]
    assert [(mapping["resource"], mapping["welkin_id"]) for mapping in mapped] == [
        ("patients", survivor)
    ]
    phones = (await api.get("/v1/phone_numbers", params={"user_id": survivor})).json()[0]["data"]
    assert {phone["phone_number"] for phone in phones} == {"415-555-0001", "415-555-0002"}


async def test_a_message_for_the_old_id_is_one_of_the_kept_record_and_is_seen_in_the_inbox(
    coach: Person, records: Records, api: Api, store: Store, inside: Actor
) -> None:
    survivor, other, stranger = [await records.patient(number) for number in (1, 2, 3)]
    talk = (await api.get("/v1/conversations", params={"user_id": other})).json()[0]["data"][0][
        "id"
    ]
    await merge(coach, survivor, other, wins="kept")
    body = {
        "user_id": other,
        "conversation_id": talk,
        "direction": "inbound",
        "contents": "I have chest pain",
    }
    sent = await api.post("/v1/messages", json=body)
    assert (sent.status_code, sent.json()["user_id"]) == (200, survivor)
    assert (
        await store.load(
            inside,
            BY_NAME["messages"],
            [body | {"contents": "in bulk"}, body | {"contents": "and more"}],
        )
        == 2
    )
    rows = (await api.get("/v1/messages", params={"user_id": survivor})).json()[0]["data"]
    assert {"I have chest pain", "in bulk", "and more"} < {message["contents"] for message in rows}
    assert (await api.get("/v1/messages", params={"user_id": other})).json()[0]["data"] == []
    assert "I have chest pain" in Document(
        await coach.get(f"/patients/{survivor}/conversations/{talk}")
    ).get("log", "Messages, times where the patient lives")
    assert survivor in (await coach.get("/inbox?coach=everybody")).text
    assert other not in (await coach.get("/inbox?coach=everybody")).text
    wrong = await api.post("/v1/messages", json=body | {"user_id": stranger})
    assert wrong.status_code == 400
    assert "belongs to another patient" in wrong.json()["errors"][0]["detail"]


async def test_what_is_wrong_with_a_row_for_the_old_id_is_told_as_for_the_kept_one(
    coach: Person, records: Records, api: Api, store: Store, inside: Actor
) -> None:
    survivor, other = await records.patient(1), await records.patient(2)
    talk = (await api.get("/v1/conversations", params={"user_id": other})).json()[0]["data"][0][
        "id"
    ]
    await merge(coach, survivor, other, wins="kept")
    body = {
        "user_id": other,
        "conversation_id": talk,
        "direction": "outbound",
        "contents": "Hello",
        "worker_id": survivor,
    }
    refused = await api.post("/v1/messages", json=body)
    assert [error["extra"]["path"] for error in refused.json()["errors"]] == [".worker_id"]


async def test_a_record_that_a_patient_has_one_of_is_refused_for_the_old_id_too(
    coach: Person, records: Records, api: Api, database: Any
) -> None:
    survivor, other = await records.patient(1), await records.patient(2)
    await merge(coach, survivor, other, wins="kept")
    body = {"type_name": "insurance", "body": {"payer": "Kiwi", "member_id": "7"}}
    await records.make("custom_data_type_records", user_id=survivor, **body)
    async with database.connection() as connection:
        # As they are from when the type allowed several.
        await connection.execute(
            "UPDATE custom_data_type_records SET single = false WHERE user_id = $1", survivor
        )
    refused = await api.post("/v1/custom_data_type_records", json=body | {"user_id": other})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (
        400,
        "uniqueness_exception",
    )


async def test_a_row_that_is_made_to_refer_to_the_old_id_refers_to_the_kept_record(
    coach: Person, records: Records, store: Store, inside: Actor
) -> None:
    survivor, other, stranger = [await records.patient(number) for number in (1, 2, 3)]
    await merge(coach, survivor, other, wins="kept")
    task = await records.make(
        "integration_tasks",
        user_id=stranger,
        task_name="push",
        job_id="9",
        status="failed",
        errors=[],
    )
    written = await store.update(
        inside, BY_NAME["integration_tasks"], task, {"user_id": other}, None
    )
    assert msgspec.json.decode(written.body)["user_id"] == survivor
    await store.update_all(inside, BY_NAME["integration_tasks"], [task], {"user_id": stranger})
    await store.update_all(inside, BY_NAME["integration_tasks"], [task], {"user_id": other})
    again = await store.update(inside, BY_NAME["integration_tasks"], task, {}, None)
    assert msgspec.json.decode(again.body)["user_id"] == survivor


async def test_what_comes_while_records_are_being_merged_lands_on_the_last_that_is_kept(
    records: Records, store: Store, inside: Actor, database: Any
) -> None:
    first, second, third = [await records.patient(number) for number in (1, 2, 3)]
    note = (
        "INSERT INTO patient_merges (environment_id, patient_id, kept_id, moved, merged_by) VALUES"
        " ($1, $2, $3, '{}', 'x')"
    )
    async with database.connection() as merging:
        transaction = merging.transaction()
        await transaction.start()
        for merged, survivor in ((first, second), (second, third)):
            await merging.fetch(LOCK, inside.environment_id, sorted([merged, survivor]))
            await merging.execute(HOUSE_ROWS[-1], inside.environment_id, merged, survivor)
            await merging.execute(note, inside.environment_id, merged, survivor)
        values = {"user_id": first, "email": "late@example.org"}
        writing = asyncio.create_task(store.create(inside, BY_NAME["email_addresses"], values))
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE"
            " '%INTO email_addresses%'"
        )
        async with taken(database, 1) as (looking,):
            while not await looking.fetchval(waits):
                await asyncio.sleep(0)
        await transaction.commit()
    assert msgspec.json.decode((await writing).body)["user_id"] == third


@pytest.mark.parametrize(
    "page", ["", "/contact", "/assessments", "/conversations", "/phase", "/merge"]
)
async def test_a_page_of_the_old_record_is_one_of_the_kept_one(
    coach: Person, records: Records, page: str
) -> None:
    survivor, other = await records.patient(1), await records.patient(2)
    await merge(coach, survivor, other, wins="kept")
    answer = await coach.get(f"/patients/{other}{page}", follow_redirects=True)
    assert answer.status_code == 200
    assert Document(answer).links(to=f"/patients/{survivor}")
    assert not Document(answer).mentions(f'"/patients/{other}')


async def test_a_form_that_was_open_meanwhile_writes_to_the_kept_record(
    coach: Person, records: Records, api: Api
) -> None:
    survivor, other = await records.patient(1), await records.patient(2)
    await merge(coach, survivor, other, wins="kept")
    changed = await coach.send_form(
        f"/patients/{other}/phase", ("was.phase", "intake"), phase="onboarding"
    )
    assert changed.headers["location"] == f"/patients/{survivor}"
    assert (await api.get(f"/v1/patients/{survivor}")).json()["phase"] == "onboarding"


@pytest.mark.parametrize(
    ("values", "says", "asks"),
    [
        ({"first_name": "Gracie"}, "", False),
        ({"first_name": "Hopper", "last_name": "Grace"}, "", False),
        ({"last_name": "Murray", "first_name": "Bob"}, "little in common", False),
        ({"birthday": "1950-01-01"}, "not born on one day", False),
        (
            {"first_name": "Juan", "last_name": "Pérez", "birthday": "1950-01-01"},
            "most likely two people",
            True,
        ),
    ],
)
async def test_people_who_are_very_unlike_are_merged_after_a_word_alone(
    coach: Person, records: Records, values: dict[str, str], says: str, asks: bool
) -> None:
    survivor, other = await records.patient(1), await records.patient(2, **values)
    preview = (await coach.get(f"/patients/{survivor}/merge/{other}")).text
    assert says in Document(preview).main()
    assert bool(Document(preview).all("checkbox", "I have checked that")) == asks
    assert ("Look twice" in Document(preview).main()) == (bool(says) and not asks)
    first = await merge(coach, survivor, other, wins="kept")
    assert first.status_code == (400 if asks else 303)
    if asks:
        assert Document(first).alert("Confirm first")
        assert (await merge(coach, survivor, other, wins="kept", sure="yes")).status_code == 303
