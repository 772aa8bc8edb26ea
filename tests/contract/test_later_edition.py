"""What programs of 2019 to 2021 send, in the enveloped shape: facts of the contract's later
edition.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from tests.conftest import Api, Callers
from tests.contract.rows import (
    NOBODY,
    SOMEBODY,
    Place,
    Row,
    end_of_feed,
    errors,
    only_row,
    refused,
    written_since,
)

FACTS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "later_edition.json").read_text(encoding="utf-8")
)


@pytest.fixture
async def later(here: Place, callers: Callers) -> AsyncIterator[Api]:
    """A caller in the enveloped shape, in the environment of ``here``."""
    async with await callers(here.api.environment_id, shape="enveloped") as api:
        yield api


async def example(name: str, here: Place) -> Row:
    """The facts' example as a body, with the ids of rows that exist."""
    ids: dict[str, str] = {}

    async def id_of(collection: str) -> str:
        if collection == "calendars":
            return str((await here.make("calendars"))["id"])
        if collection not in ids:
            ids[collection] = (await here.make(collection))["id"]
        return ids[collection]

    body: Row = {}
    for key, value in FACTS[name]["example"].items():
        named = re.fullmatch(r"<(\w+)>", value) if isinstance(value, str) else None
        body[key] = await id_of(named[1]) if named else value
    return body


async def test_the_facts_hold_in_the_enveloped_shape(here: Place, later: Api) -> None:
    """Each collection's verbs, the keys of its rows, its Create and Update, and its filters with
    noise beside the row.
    """
    wrong: list[str] = []
    for name, facts in FACTS.items():
        await here.make(name)
        if "Create" in facts["verbs"]:
            answer = await later.post(f"/v1/{name}", json=await example(name, here))
            if answer.status_code != 200:
                wrong.append(f"{name} Create: {answer.text}")
                continue
            row = answer.json()["data"]
        else:
            row = (await later.get(f"/v1/{name}/{(await here.make(name))['id']}")).json()["data"]
        wrong += [f"{name}: no {key}" for key in facts["model"] if key not in row]
        if facts.get("exact"):
            wrong += [f"{name}: also {key}" for key in row if key not in facts["model"]]
        wrong += [
            f"{name}.{key}: {row[key]!r}"
            for key, value in facts.get("answers", {}).items()
            if row[key] != value
        ]
        for change in facts.get("updates", []):
            answer = await later.put(f"/v1/{name}/{row['id']}", json=change)
            after = answer.json().get("data", {})
            if (
                any(after.get(key) != value for key, value in change.items())
                or "x-ignored-fields" in answer.headers
            ):
                wrong.append(f"{name} Update {change}: {answer.text}")
        row = (await later.get(f"/v1/{name}/{row['id']}")).json()["data"]
        for key in facts["find"]:
            response = await later.get(
                f"/v1/{name}", params={key: row["phone_number" if key == "phone" else key]}
            )
            if response.status_code != 200 or row not in response.json()["data"]:
                wrong.append(f"{name} Find by {key}: {response.text[:300]}")
        for method in (
            {"POST", "PUT", "DELETE"} - {"PUT" if "Update" in facts["verbs"] else ""} - {"POST"}
        ):
            missing = method == "DELETE" and "Delete" not in facts["verbs"]
            if (
                missing
                and (await later.request(method, f"/v1/{name}/{row['id']}")).status_code != 405
            ):
                wrong.append(f"{name}: {method} is not 405")
    assert wrong == []


async def test_a_patient_comes_with_rows_of_other_collections_or_not_at_all(
    here: Place, later: Api
) -> None:
    body = SOMEBODY | {
        "email": "grace@example.org",
        "phone_numbers": [
            {"phone_number": "+14155550123", "phone_number_type": "cell", "opted_in_to_sms": True},
            {"phone_number": "(415) 555-0124", "phone_number_type": "landline", "id": None},
        ],
        "email_addresses": [{"email": "grace@example.org", "verified": True}],
        "external_ids": [{"namespace": "clinic", "external_id": "G-1"}],
        "custom_data_type_records": [{"type_name": "hcp", "body": {"name": "Ana Núñez"}}],
    }
    patient = only_row(await later.post("/v1/patients", json=body))["data"]

    async def of(collection: str, key: str = "patient_id") -> list[Row]:
        rows: list[Row] = only_row(
            await later.get(f"/v1/{collection}", params={key: patient["id"]})
        )["data"]
        return rows

    numbers = {(n["phone_number"], n["opted_in_to_sms"]) for n in await of("phone_numbers")}
    assert numbers == {("+14155550123", True), ("+14155550124", False)}
    assert [(e["email"], e["verified"]) for e in await of("email_addresses")] == [
        ("grace@example.org", True)
    ]
    assert [i["external_id"] for i in await of("external_ids", "welkin_id")] == ["G-1"]
    assert [r["body"] for r in await of("custom_data_type_records")] == [{"name": "Ana Núñez"}]

    broken = body | {
        "phone_numbers": [
            {"phone_number": "1", "phone_number_type": "cell"},
            {"phone_number_type": "cell", "nickname": 1},
            7,
        ],
        "email_addresses": {},
        "custom_data_type_records": [{"type_name": "nonsense", "body": {}}],
    }
    paths = {path for _, path in errors(await later.post("/v1/patients", json=broken), 400)}
    assert paths == {
        *(
            ".phone_numbers[0].phone_number",
            ".phone_numbers[1].phone_number",
            ".phone_numbers[1].nickname",
            ".phone_numbers[2]",
        ),
        *(".email_addresses", ".custom_data_type_records[0].type_name"),
    }
    refused(
        await later.post("/v1/patients", json=body),
        ".external_ids[0].external_id",
        code="uniqueness_exception",
    )
    assert len(only_row(await later.get("/v1/patients"))["data"]) == 1
    refused(
        await here.api.post(
            "/v1/patients", json=SOMEBODY | {"birthday": "1906-12-09", "phone_numbers": []}
        ),
        ".phone_numbers",
    )


async def test_what_a_put_cannot_change_is_named_unless_it_is_so_already(
    here: Place, later: Api
) -> None:
    event = await here.make("calendar_events")
    path = f"/v1/calendar_events/{event['id']}"
    whole = only_row(await later.get(path))["data"]
    assert "x-ignored-fields" not in (await later.put(path, json=whole)).headers
    assert (
        "x-ignored-fields"
        not in (await here.api.put(path, json=only_row(await here.api.get(path)))).headers
    )
    other = await here.make("calendar_events")
    # In the documented shape these are ignored (clarification 9), and told of.
    answer = await here.api.put(
        path,
        json={key: other[key] for key in ("id", "calendar_id", "user_id")} | {"modality": "visit"},
    )
    assert answer.headers["x-ignored-fields"] == "id, calendar_id, user_id, modality"
    assert only_row(answer)["modality"] == event["modality"]
    answer = await later.put(
        path,
        json={
            "calendar_id": other["calendar_id"],
            "modality": "visit",
            "patient_id": other["user_id"],
        },
    )
    changed = only_row(answer)["data"]
    assert (changed["calendar_id"], changed["modality"], changed["patient_id"]) == (
        other["calendar_id"],
        "visit",
        event["user_id"],
    )
    assert answer.headers["x-ignored-fields"] == "patient_id"
    stale = await later.put(path, json={"updated_at": whole["updated_at"]})
    assert stale.headers["x-ignored-fields"] == "updated_at"


async def test_a_patient_can_be_sent_back_with_the_rows_that_it_was_created_with(
    later: Api,
) -> None:
    along = {
        "phone_numbers": [{"phone_number": "+14155550123", "phone_number_type": "cell"}],
        "email_addresses": [{"email": "grace@example.org"}],
    }
    patient = only_row(await later.post("/v1/patients", json=SOMEBODY | along))["data"]
    path = f"/v1/patients/{patient['id']}"
    answer = await later.put(path, json=patient | {"city": "Yale"})
    assert only_row(answer)["data"]["city"] == "Yale"
    assert "x-ignored-fields" not in answer.headers
    answer = await later.put(path, json=only_row(answer)["data"] | along)
    assert answer.headers["x-ignored-fields"] == "phone_numbers, email_addresses"
    (number,) = only_row(await later.get("/v1/phone_numbers"))["data"]
    assert (number["phone_number"], number["patient_id"]) == ("+14155550123", patient["id"])


async def test_a_patient_has_its_numbers_and_addresses_inside_wherever_it_is_shown(
    here: Place, later: Api, callers: Callers
) -> None:
    """Clarification 7: accepted, stored and returned."""
    noise = await here.make("phone_numbers")
    before_all = await end_of_feed(here.api)
    body = SOMEBODY | {
        "phone": "(415) 555-0124",
        "phone_numbers": [{"phone_number": "+14155550123", "phone_number_type": "cell"}],
        "email_addresses": [{"email": "grace@example.org"}],
    }
    key = {"Idempotency-Key": '"with-numbers"'}
    created = await later.post("/v1/patients", json=body, headers=key)
    patient = only_row(created)["data"]
    again = await later.post("/v1/patients", json=body, headers=key)
    assert (again.content, again.headers["etag"]) == (created.content, created.headers["etag"])
    path = f"/v1/patients/{patient['id']}"
    own = {"user_id": patient["id"]}
    numbers = only_row(await later.get("/v1/phone_numbers", params=own))["data"]
    addresses = only_row(await later.get("/v1/email_addresses", params=own))["data"]
    inside = {n["id"]: n for n in patient["phone_numbers"]}
    assert inside == {n["id"]: n for n in numbers}
    assert {n["phone_number"] for n in numbers} == {"+14155550123", "+14155550124"}
    assert patient["email_addresses"] == addresses
    batch = await later.post("/v1/patients/batch", json={"create": [body, SOMEBODY]})
    several = [entry["row"] for entry in only_row(batch)["data"]]
    assert [len(row["phone_numbers"]) for row in several] == [2, 0]
    assert several == [
        only_row(await later.get(f"/v1/patients/{row['id']}"))["data"] for row in several
    ]
    # Each was written once.
    entries, _ = await written_since(later, before_all)
    created_ids = [patient["id"], *(row["id"] for row in several)]
    of_patients = [(e["id"], e["kind"]) for e in entries if e["resource"] == "patients"]
    assert of_patients == [(row_id, "create") for row_id in created_ids]
    assert {e["id"]: e["row"] for e in entries}[patient["id"]] == patient

    sent_back = await later.put(path, json=patient)
    assert (only_row(sent_back)["data"], "x-ignored-fields" in sent_back.headers) == (
        patient,
        False,
    )

    # As a new patient of its own it is taken whole, too.
    copied = only_row(await later.post("/v1/patients", json=patient))["data"]
    assert [number["user_id"] for number in copied["phone_numbers"]] == [copied["id"]] * 2

    before, plain = patient, only_row(await here.api.get(path))
    assert not plain.keys() & {"phone_numbers", "email_addresses"}
    changed = "/v1/phone_numbers", {"user_id": patient["id"], "phone_number": "415-555-0199"}
    number = only_row(
        await here.api.post(changed[0], json=changed[1] | {"phone_number_type": "other"})
    )
    steps = (
        ("phone_numbers", None),
        (
            "phone_numbers",
            here.api.put(f"/v1/phone_numbers/{number['id']}", json={"verified": True}),
        ),
        (
            "email_addresses",
            here.api.put(
                f"/v1/email_addresses/{addresses[0]['id']}", json={"email": "h@example.org"}
            ),
        ),
        (
            "phone_numbers",
            here.api.post(
                "/v1/phone_numbers/batch",
                json={"update": [{"id": number["id"], "friendly_name": "work"}]},
            ),
        ),
    )
    for collection, step in steps:
        if step is not None:
            assert (await step).status_code == 200
        answer = await later.get(path, headers={"If-None-Match": f'"{before["updated_at"]}"'})
        now = only_row(answer)["data"]
        assert now["updated_at"] > before["updated_at"], collection
        differing = {name for name in now if now[name] != before[name]}
        assert differing == {collection, "updated_at"}
        before = now
    # What changes nothing of a number is no change of the patient either.
    only_row(await here.api.put(f"/v1/phone_numbers/{number['id']}", json={"verified": True}))
    assert only_row(await later.get(path))["data"] == before
    entries, _ = await written_since(later, before_all)
    updates = [e for e in entries if e["resource"] == "patients" and e["kind"] == "update"]
    assert [e["fields"] for e in updates] == [[collection] for collection, _ in steps]
    assert {(e["id"], e["patient_id"]) for e in updates} == {(patient["id"],) * 2}
    assert updates[-1]["row"] == before
    page = only_row(await later.get("/v1/patients", params={"ids": patient["id"]}))
    assert page["data"] == [before]
    lines = await later.get(
        "/v1/patients", params={"ids": patient["id"]}, headers={"Accept": "application/x-ndjson"}
    )
    assert json.loads(lines.text.splitlines()[0]) == before
    assert noise["user_id"] not in {e["id"] for e in updates}


async def test_no_show_has_a_spelling_in_each_shape(here: Place, later: Api) -> None:
    event = await here.make("calendar_events")
    path = f"/v1/calendar_events/{event['id']}"
    for spelling in ("no_show", "no-show"):
        assert (
            only_row(await later.put(path, json={"outcome": spelling}))["data"]["outcome"]
            == "no_show"
        )
        assert only_row(await here.api.get(path))["outcome"] == "no-show"
    refused(await here.api.put(path, json={"outcome": "no_show"}), ".outcome")


async def test_absences_and_working_hours_refuse_an_event_only_where_it_asks(
    here: Place, later: Api, store: Store, inside: Actor, database: Database
) -> None:
    worker = await here.make("workers", timezone="US/Eastern")
    calendar = await here.make("calendars", worker_id=worker["id"])
    async with database.connection() as connection:
        owner = (here.api.environment_id, worker["id"])
        hours = (
            "INSERT INTO working_hours (environment_id, worker_id, weekday, from_minute, to_minute)"
            " VALUES ($1, $2, 1, 540, 1020)"
        )
        await connection.execute(hours, *owner)
        away = (
            "INSERT INTO absences (environment_id, id, worker_id, from_time, to_time, reason)"
            " VALUES ($1, $3, $2, $4, $5, 'secret')"
        )
        at = [
            BY_NAME["messages"].field("send_time").kind.parse(f"2026-12-0{day}T05:00:00Z")
            for day in (8, 9)
        ]
        await connection.execute(away, *owner, NOBODY, *at)
    kind = {"modality": "call", "appointment_type": "intake_call", "calendar_id": calendar["id"]}
    patient = (await here.make("patients"))["id"]

    async def book(start: str, end: str, flags: Row | None = None) -> Any:
        when = {"start_time": start, "end_time": end} if end else {"day": start}
        return await later.post(
            "/v1/calendar_events", json=kind | when | (flags or {}) | {"patient_id": patient}
        )

    asked = {"ignore_unavailable_times": False, "ignore_working_hours": False}
    free = ("2026-12-01T14:00:00Z", "2026-12-01T15:00:00Z")
    early, absent = (
        ("2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z"),
        ("2026-12-08T14:00:00Z", "2026-12-08T15:00:00Z"),
    )
    event = only_row(await book(*free, asked))["data"]
    assert not asked.keys() & event.keys()
    for span, flag in (
        (early, "ignore_working_hours"),
        (absent, "ignore_unavailable_times"),
        (("2026-12-08", ""), "ignore_unavailable_times"),
    ):
        only_row(await book(*span))
        only_row(await book(*span, dict.fromkeys(asked, True)))
        answer = await book(*span, asked)
        refused(answer, ".start_time" if span[1] else ".day", code="bad_request")
        assert flag in answer.text
        assert "secret" not in answer.text
    path = f"/v1/calendar_events/{event['id']}"
    moved = {"start_time": absent[0], "end_time": absent[1]}
    refused(await later.put(path, json=moved | asked), ".start_time", code="bad_request")
    refused(await later.put(path, json={"ignore_working_hours": "no"}), ".ignore_working_hours")
    assert (
        only_row(await later.put(path, json=moved))["data"]["start_time"]
        == "2026-12-08T14:00:00.000000+00:00"
    )
    far = await book("0001-01-01T00:00:00Z", "9999-12-31T23:00:00Z", asked)
    assert far.status_code == 400


async def test_patients_and_events_are_found_among_others(here: Place, later: Api) -> None:
    grace = only_row(
        await later.post(
            "/v1/patients",
            json=SOMEBODY | {"birthday": "1906-12-09", "phone": "4155550123", "email": "g@x.org"},
        )
    )
    long = only_row(await later.post("/v1/patients", json=SOMEBODY | {"last_name": "x" * 300}))
    mapping = {
        "resource": "patients",
        "namespace": "clinic",
        "external_id": "G-1",
        "welkin_id": grace["data"]["id"],
    }
    only_row(await later.post("/v1/external_ids", json=mapping))
    only_row(
        await later.post(
            "/v1/external_ids",
            json=mapping | {"namespace": "other", "welkin_id": long["data"]["id"]},
        )
    )
    only_row(
        await later.post(
            "/v1/patients",
            json=SOMEBODY | {"first_name": "Gracey", "phase": "onboarding", "phone": "4155550124"},
        )
    )
    asked: list[Row] = [
        *(
            {"last_name": "Hopper", "first_name": "Grace"},
            {"birthday": "1906-12-09"},
            {"phone": "+1 415 555 0123"},
        ),
        *(
            {"email": "g@x.org"},
            {"external_id": "G-1", "namespace": "clinic"},
            {"ids": grace["data"]["id"]},
        ),
    ]
    for parameters in asked:
        rows = only_row(await later.get("/v1/patients", params=parameters))["data"]
        assert [row["id"] for row in rows] == [grace["data"]["id"]], parameters
    assert (
        len(only_row(await later.get("/v1/patients", params={"first_name": "Grace"}))["data"]) == 2
    )
    assert len(only_row(await later.get("/v1/patients", params={"phase": "intake"}))["data"]) == 2
    assert only_row(await later.post("/v1/patients/find", json={"ids": []}))["data"] == []
    event = await here.make("calendar_events")
    span = {"start_time[from]": event["start_time"], "start_time[to]": event["start_time"]}
    assert [
        row["id"] for row in only_row(await later.get("/v1/calendar_events", params=span))["data"]
    ] == [event["id"]]
    assert (
        only_row(
            await later.get("/v1/calendar_events", params={"start_time[from]": event["end_time"]})
        )["data"]
        == []
    )
    days = {"start_time[from]": "2018-09-10", "start_time[to]": "2018-09-11"}
    assert [
        row["id"] for row in only_row(await later.get("/v1/calendar_events", params=days))["data"]
    ] == [event["id"]]
    for beside in ({"start_time[from]": "2018-09-11"}, {"start_time[to]": "2018-09-10"}):
        assert only_row(await later.get("/v1/calendar_events", params=beside))["data"] == []


async def test_a_type_of_conversation_is_spelled_as_each_shape_does(
    here: Place, later: Api
) -> None:
    patient = (await here.make("patients"))["id"]
    for ours, theirs in (
        ("app", "welkin_app"),
        ("third_party_app", "app"),
        ("phone", "sms"),
        ("email", "email"),
        (None, None),
    ):
        row = only_row(
            await later.post(
                "/v1/conversations", json={"patient_id": patient, "conversation_type": theirs}
            )
        )["data"]
        assert row["conversation_type"] == theirs
        path = f"/v1/conversations/{row['id']}"
        assert only_row(await here.api.get(path))["conversation_type"] == ours
        assert "title" not in only_row(await here.api.get(path))
    refused(
        await later.post(
            "/v1/conversations", json={"patient_id": patient, "conversation_type": "fax"}
        ),
        ".conversation_type",
    )


async def test_a_name_has_something_to_be_seen(later: Api) -> None:
    for blank in ("\u200b", "\u3164", "\u2800", "\u00ad\u2060", "\U000e0020"):
        refused(
            await later.post("/v1/patients", json=SOMEBODY | {"first_name": blank}), ".first_name"
        )


async def test_no_letter_vanishes_from_what_is_searched(database: Database) -> None:
    """Both sides of each table of letters have one length: what had no partner would be left
    out.
    """
    source = (Path(__file__).parents[2] / "src/almoner/schema/functions.sql").read_text(
        encoding="utf-8"
    )
    tables = re.findall(r"translate\(plain, (.*?)\);", source, re.DOTALL)
    assert len(tables) > 5
    async with database.connection() as connection:
        for table in tables:
            ours, theirs = await connection.fetchrow(
                f"SELECT length(a), length(b) FROM (VALUES ({table})) AS t (a, b)"
            )
            assert ours == theirs, table[:40]
        assert await connection.fetchval("SELECT almoner_plain('خان ںں')") == " kan nn"


async def test_records_that_come_with_a_patient_need_the_scope_of_records_too(
    here: Place, callers: Callers
) -> None:
    environment = here.api.environment_id
    along = {"custom_data_type_records": [{"type_name": "hcp", "body": {"name": "Ana Núñez"}}]}
    number = {
        "phone_numbers": [{"phone_number": "+14155550123", "phone_number_type": "cell"}],
        "custom_data_type_records": [],
    }
    async with await callers(environment, "patients.write", "enveloped") as narrow:
        refused_alone = await narrow.post("/v1/patients", json=SOMEBODY | along)
        assert refused_alone.status_code == 403
        assert "custom_data_type_records.write" in refused_alone.text
        assert (await narrow.post("/v1/patients", json=SOMEBODY | number)).status_code == 200
    async with await callers(
        environment, "patients.write custom_data_type_records.write", "enveloped"
    ) as wide:
        assert (await wide.post("/v1/patients", json=SOMEBODY | along)).status_code == 200
