"""Two records of one person become one: everything moves, nothing is lost, all or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME
from tests.conftest import Api
from tests.people import People, Person
from tests.portal.merging import digest_of, merge
from tests.web.document import Document

GRACE = {
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
    """Two records of one person and one of somebody else, each with rows of several collections."""

    def __init__(self, store: Store, by: Actor) -> None:
        self._store, self._by = store, by

    async def make(self, resource: str, **values: Any) -> str:
        return (await self._store.create(self._by, BY_NAME[resource], values)).id

    async def patient(self, number: int, **values: Any) -> str:
        ids = [
            {"namespace": "ehr", "external_id": f"EHR-{number}"},
            {"namespace": f"own{number}", "external_id": "1"},
        ]
        patient = await self.make(
            "patients",
            **GRACE
            | {
                "phone": f"415-555-000{number}",
                "email": f"g{number}@example.org",
                "external_ids": ids,
            }
            | values,
        )
        conversation = await self.make("conversations", user_id=patient, conversation_type="phone")
        for _ in range(3):
            sent = {
                "user_id": patient,
                "conversation_id": conversation,
                "direction": "inbound",
                "contents": "Hello",
            }
            await self.make("messages", **sent)
        await self.make(
            "care_flows", user_id=patient, care_flow={"description": "walk", "goals": []}
        )
        return patient


@pytest.fixture
def records(store: Store, inside: Actor) -> Records:
    return Records(store, inside)


async def of_patient(database: Any, patient: str) -> dict[str, int]:
    async with database.connection() as connection:
        columns = {
            name: resource.patient
            for name, resource in BY_NAME.items()
            if resource.patient not in (None, "id")
        }
        return {
            name: count
            for name, column in columns.items()
            if (
                count := await connection.fetchval(
                    f"SELECT count(*) FROM {name} WHERE {column} = $1", patient
                )
            )
        }


@pytest.mark.house
async def test_the_preview_tells_what_differs_what_moves_and_what_must_be_decided(
    coach: Person, records: Records
) -> None:
    survivor, other = (
        await records.patient(1),
        await records.patient(2, first_name="Gracie", city="Arlington"),
    )
    page = (await coach.get(f"/patients/{survivor}/merge/{other}")).text
    assert "other" in Document(page).field("take.first_name").options
    assert not Document(page).node.css('[name="take.last_name"]')
    assert Document(page).get("cell", "Arlington")
    assert Document(page).get("radio", "EHR-1")
    assert Document(page).get("radio", "EHR-2")
    assert Document(page).row("3 Messages")
    assert Document(page).row("1 Conversation")
    likely = (await coach.get(f"/patients/{survivor}/merge")).text
    assert Document(likely).links(to=f"/patients/{survivor}/merge/{other}")
    results = await coach.send_form(f"/patients/{survivor}/merge/find", other="gracie", htmx=True)
    assert other in results.text
    assert not Document(results).mentions(f"merge/{survivor}")


@pytest.mark.house
@pytest.mark.parametrize("wins", ["kept", "other"])
async def test_everything_moves_is_announced_and_the_other_record_is_hidden(
    coach: Person, records: Records, database: Any, api: Api, wins: str
) -> None:
    survivor, other, stranger = (
        await records.patient(1),
        await records.patient(2, first_name="Gracie", city="Arlington"),
        await records.patient(3),
    )
    before = [await of_patient(database, patient) for patient in (survivor, other, stranger)]
    clash = next(
        value
        for value in (await coach.get(f"/patients/{survivor}/merge/{other}")).text.split('"')
        if value.startswith("take.id-")
    )
    pairs = [("take.first_name", "other"), (clash, wins)]
    answer = await merge(coach, survivor, other, *pairs)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/patients/{survivor}")

    assert await of_patient(database, other) == {}
    assert await of_patient(database, survivor) == {
        name: n + before[1][name] for name, n in before[0].items()
    }
    assert await of_patient(database, stranger) == before[2]
    row = (await api.get(f"/v1/patients/{survivor}")).json()
    assert (row["first_name"], row["city"]) == ("Gracie", "Arlington")
    async with database.connection() as connection:
        ids = await connection.fetch(
            "SELECT namespace, external_id, welkin_id::text FROM external_ids WHERE environment_id"
            " = $1 ORDER BY 1, 2",
            coach.environment_id,
        )
        logged = await connection.fetch(
            "SELECT resource, count(*) AS number FROM changes WHERE environment_id = $1 AND kind ="
            " 'update' AND patient_id = $2 AND actor = $3 AND fields = '{user_id}' GROUP BY"
            " resource",
            *(coach.environment_id, survivor, f"worker:{coach.worker_id}"),
        )
        note = await connection.fetchrow(
            "SELECT kept_id::text, merged_by FROM patient_merges WHERE patient_id = $1", other
        )
    assert {r["external_id"]: r["welkin_id"] for r in ids if r["namespace"] == "ehr"} == {
        "EHR-1": survivor if wins == "kept" else other,
        "EHR-2": other if wins == "kept" else survivor,
        "EHR-3": stranger,
    }
    assert {r["namespace"]: r["welkin_id"] for r in ids if r["namespace"] == "own2"} == {
        "own2": survivor
    }
    assert {r["resource"]: r["number"] for r in logged} == before[1]
    assert dict(note) == {"kept_id": survivor, "merged_by": f"worker:{coach.worker_id}"}

    listed = (await coach.get("/patients")).text
    assert other not in Document(listed).field("patient").values
    assert "2 patients" in Document(listed).testid("number")
    # The number of the other record leads to the kept one.
    assert (
        survivor in (await coach.send_form("/patients/search", find="415-555-0002", htmx=True)).text
    )
    assert other not in (await coach.send_form("/patients/search", find="EHR-2", htmx=True)).text


async def test_what_was_not_decided_moves_nothing(
    coach: Person, records: Records, database: Any
) -> None:
    survivor, other = await records.patient(1), await records.patient(2, first_name="Gracie")
    before = [await of_patient(database, patient) for patient in (survivor, other)]
    answer = await merge(coach, survivor, other)
    assert answer.status_code == 400
    assert Document(answer).alert("Choose what is kept of: First name, Id in ehr.")
    assert [await of_patient(database, patient) for patient in (survivor, other)] == before


async def test_a_failure_at_the_end_undoes_everything(
    coach: Person, records: Records, database: Any
) -> None:
    survivor, other = await records.patient(1), await records.patient(2, phase="paused")
    before = [await of_patient(database, patient) for patient in (survivor, other)]
    async with database.connection() as connection:
        # A value that the program does not know any more is refused when the kept record is
        # changed: after all was moved.
        await connection.execute("UPDATE patients SET phase = 'gone' WHERE id = $1", other)
    clash = next(
        value
        for value in (await coach.get(f"/patients/{survivor}/merge/{other}")).text.split('"')
        if value.startswith("take.id-")
    )
    answer = await merge(coach, survivor, other, ("take.phase", "other"), (clash, "kept"))
    assert answer.status_code == 400
    assert [await of_patient(database, patient) for patient in (survivor, other)] == before


async def test_records_that_a_patient_has_one_of_are_both_kept_and_the_chosen_one_counts(
    coach: Person, records: Records, database: Any
) -> None:
    survivor, other = await records.patient(1), await records.patient(2)
    async with database.connection() as connection:
        for patient, city in ((survivor, "A"), (other, "B")):
            await connection.execute(
                "INSERT INTO custom_data_type_records (environment_id, id, body, user_id,"
                " type_name, version, single) VALUES ($1, gen_random_uuid(), $2::json, $3, 'hcp',"
                " 1, true)",
                *(coach.environment_id, f'{{"name": "{city}"}}', patient),
            )
    names = [
        value
        for value in (await coach.get(f"/patients/{survivor}/merge/{other}")).text.split('"')
        if value.startswith("take.")
    ]
    pairs = [(name, "other") for name in dict.fromkeys(names)]
    assert (await merge(coach, survivor, other, *pairs)).status_code == 303
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT body->>'name' AS name, single FROM custom_data_type_records WHERE user_id = $1",
            survivor,
        )
    assert {row["name"]: row["single"] for row in rows} == {"A": False, "B": True}


async def test_a_merged_record_is_merged_no_more_and_its_chain_leads_on(
    coach: Person, records: Records, database: Any
) -> None:
    ids = [await records.patient(n) for n in (1, 2, 3)]
    for survivor, other in ((ids[1], ids[0]), (ids[2], ids[1])):
        names = [
            value
            for value in (await coach.get(f"/patients/{survivor}/merge/{other}")).text.split('"')
            if value.startswith("take.")
        ]
        pairs = [(name, "kept") for name in dict.fromkeys(names)]
        assert (await merge(coach, survivor, other, *pairs)).status_code == 303
    async with database.connection() as connection:
        led = await connection.fetch(
            "SELECT kept_id::text FROM patient_merges WHERE environment_id = $1",
            coach.environment_id,
        )
    assert [row["kept_id"] for row in led] == [ids[2], ids[2]]
    again = await coach.get(f"/patients/{ids[2]}/merge/{ids[0]}")
    assert again.status_code == 400
    assert "merged into another already" in Document(again).testid("problem")


async def test_records_of_a_type_that_the_role_hides_are_chosen_by_their_dates_alone(
    people: People, program: int, records: Records, database: Any
) -> None:
    async with await people(program, "community_health_worker") as worker:
        survivor, other = [
            await records.patient(number, coach_id=worker.worker_id) for number in (1, 2)
        ]
        async with database.connection() as connection:
            for type_name in ("lab_result", "hcp"):
                for patient, name in ((survivor, "first"), (other, "second")):
                    await connection.execute(
                        "INSERT INTO custom_data_type_records (environment_id, id, body, user_id,"
                        " type_name, version, single) VALUES ($1, gen_random_uuid(), $2::json, $3,"
                        " $4, 1, true)",
                        *(program, f'{{"name": "{type_name} {name}"}}', patient, type_name),
                    )
        preview = (await worker.get(f"/patients/{survivor}/merge/{other}")).text
        assert Document(preview).get("radio", "hcp first")
        assert Document(preview).get("radio", "hcp second")
        assert not Document(preview).mentions("lab_result first")
        assert not Document(preview).mentions("lab_result second")
        assert preview.count("Not shown to your role. Last changed ") == 2


async def test_a_merge_does_not_undo_a_consent_that_was_withdrawn_on_one_record(
    coach: Person, records: Records, api: Api
) -> None:
    survivor, other = [await records.patient(number, phone=None, email=None) for number in (1, 2)]
    for patient, consent in ((survivor, False), (other, True)):
        number = {
            "phone_number": "415-555-7777",
            "phone_number_type": "cell",
            "opted_in_to_sms": consent,
        }
        await records.make("phone_numbers", user_id=patient, **number)
        await records.make(
            "email_addresses", user_id=patient, email="Same@example.org", opted_in_to_email=consent
        )
    preview = (await coach.get(f"/patients/{survivor}/merge/{other}")).text
    assert (
        "415-555-7777, SMS: consented to on one record and not on the other. It counts as refused."
        in Document(preview).main()
    )
    assert (
        "ame@example.org, E-mail: consented to on one record and not on the other."
        in Document(preview).main()
    )
    names = dict.fromkeys(value for value in preview.split('"') if value.startswith("take."))
    assert (
        await merge(coach, survivor, other, *((name, "kept") for name in names))
    ).status_code == 303
    talk = (await api.get("/v1/conversations", params={"user_id": survivor})).json()[0]["data"][0][
        "id"
    ]
    here = f"/patients/{survivor}/conversations/{talk}"
    assert "415-555-7777: never asked about SMS." in Document(await coach.get(here)).region(
        "Conversation"
    )
    sent = await coach.send_form(
        here, htmx=True, direction="outbound", contents="Hello", worker_id=coach.worker_id
    )
    assert "Nothing is recorded" in Document(sent).field("contents").error


async def test_a_number_of_both_becomes_one_with_the_stricter_consent_and_both_histories(
    coach: Person, records: Records, database: Any, api: Api
) -> None:
    survivor, other, stranger = [
        await records.patient(number, phone=None, email=None) for number in (1, 2, 3)
    ]
    numbers = {}
    for patient, consent in ((survivor, True), (other, False), (stranger, True)):
        number = {
            "phone_number": "415-555-7777",
            "phone_number_type": "cell",
            "opted_in_to_phone": True,
            "opted_in_to_sms": consent,
        }
        numbers[patient] = await records.make(
            "phone_numbers", user_id=patient, **number, friendly_name=f"of {consent}"
        )
    own = await records.make(
        "phone_numbers", user_id=other, phone_number="415-555-8888", phone_number_type="cell"
    )
    for patient, answer, note in (
        (survivor, "yes", "agreed at intake"),
        (other, "no", "wants no more SMS"),
    ):
        received = {"given": answer, "how": "voice", "received_on": "2026-03-02", "note": note}
        path = f"/patients/{patient}/contact/phones/{numbers[patient]}/opted_in_to_sms"
        assert (await coach.send_form(path, **received)).status_code == 303
    assert (await merge(coach, survivor, other, wins="kept")).status_code == 303
    rows = (await api.get("/v1/phone_numbers", params={"user_id": survivor})).json()[0]["data"]
    assert {row["id"] for row in rows} == {numbers[survivor], own}
    united = next(row for row in rows if row["id"] == numbers[survivor])
    assert (united["opted_in_to_sms"], united["opted_in_to_phone"], united["friendly_name"]) == (
        False,
        True,
        "of True",
    )
    page = Document(await coach.get(f"/patients/{survivor}/contact"))
    assert page.row("agreed at intake")
    assert page.row("wants no more SMS")
    assert (await api.get(f"/v1/phone_numbers/{numbers[other]}")).status_code == 404
    changes = (await api.get("/v1/changes")).json()["data"]
    assert numbers[other] in {entry["id"] for entry in changes if entry["kind"] == "delete"}
    assert (await api.get(f"/v1/phone_numbers/{numbers[stranger]}")).json()[
        "opted_in_to_sms"
    ] is True


async def test_an_address_of_both_is_one_whatever_the_letters_and_says_what_only_one_knew(
    coach: Person, records: Records, api: Api
) -> None:
    survivor, other = [await records.patient(number, phone=None, email=None) for number in (1, 2)]
    mine = await records.make(
        "email_addresses", user_id=survivor, email="Grace@example.org", opted_in_to_email=True
    )
    await records.make(
        "email_addresses",
        user_id=other,
        email="grace@Example.org",
        friendly_name="work",
        verified=True,
    )
    assert (await merge(coach, survivor, other, wins="kept")).status_code == 303
    rows = (await api.get("/v1/email_addresses", params={"user_id": survivor})).json()[0]["data"]
    assert [
        (row["id"], row["friendly_name"], row["verified"], row["opted_in_to_email"]) for row in rows
    ] == [(mine, "work", True, False)]


async def test_what_other_systems_call_a_number_of_both_leads_to_the_one_that_stays(
    coach: Person, records: Records, api: Api
) -> None:
    survivor, other = [await records.patient(number, phone=None, email=None) for number in (1, 2)]
    number = {"phone_number": "415-555-7777", "phone_number_type": "cell"}
    stays, goes = [
        await records.make("phone_numbers", user_id=patient, **number)
        for patient in (survivor, other)
    ]
    for row, namespace in ((stays, "dialer"), (goes, "dialer"), (goes, "sms")):
        mapping = {
            "resource": "phone_numbers",
            "namespace": namespace,
            "external_id": row,
            "welkin_id": row,
        }
        assert (await api.post("/v1/external_ids", json=mapping)).status_code == 200
    assert (await merge(coach, survivor, other, wins="kept")).status_code == 303
    rows = (await api.get("/v1/external_ids", params={"resource": "phone_numbers"})).json()[0][
        "data"
    ]
    assert {
        (mapping["namespace"], mapping["external_id"], mapping["welkin_id"]) for mapping in rows
    } == {
        ("dialer", stays, stays),
        ("sms", goes, stays),
    }


async def test_what_was_changed_since_it_was_looked_at_is_looked_at_again(
    coach: Person, records: Records, api: Api
) -> None:
    survivor, other = await records.patient(1), await records.patient(2, first_name="Gracie")
    digest = digest_of((await coach.get(f"/patients/{survivor}/merge/{other}")).text)
    await api.put(f"/v1/patients/{other}", json={"first_name": "Georgina"})
    late = await merge(coach, survivor, other, wins="other", digest=digest)
    assert late.status_code == 412
    assert Document(late).alert("was changed while you looked")
    assert Document(late).get("radio", "Georgina")
    assert not [radio for radio in Document(late).all("radio") if radio.has("checked")]
    assert (await api.get(f"/v1/patients/{survivor}")).json()["first_name"] == "Grace"
    assert (await merge(coach, survivor, other, wins="other")).status_code == 303
    assert (await api.get(f"/v1/patients/{survivor}")).json()["first_name"] == "Georgina"
