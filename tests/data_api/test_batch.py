"""``POST /v1/<collection>/batch``: many rows at once, as single writes would write them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from almoner.data_api.batch_serve import MOST_ROWS
from almoner.data_api.declare import Verb
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import RESOURCES
from almoner.vocabulary.fields import Shape
from almoner.workshop import kiwi_health
from tests.cases import every_case
from tests.conftest import Api, Callers, new_environment
from tests.contract.rows import NOBODY, Place, errors, only_row
from tests.programs import published

PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}
_NEW = ("id", "updated_at", "created_at")


@pytest.fixture
async def place(api: Api, inside: Actor, store: Store) -> Place:
    return Place(api, inside, store)


@pytest.fixture
async def elsewhere(callers: Callers, database: Database) -> AsyncIterator[Api]:
    other = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, other, kiwi_health.source())
    async with await callers(other) as caller:
        yield caller


def person(number: int, **more: Any) -> dict[str, Any]:
    return PATIENT | {"last_name": f"Hopper {number}"} | more


def mapped(external_id: str, **more: Any) -> dict[str, Any]:
    return PATIENT | more | {"external_ids": [{"namespace": "clinic", "external_id": external_id}]}


async def batch(api: Api, collection: str = "patients", **body: Any) -> httpx.Response:
    return await api.post(f"/v1/{collection}/batch", json=body)


async def items(api: Api, collection: str = "patients", **body: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = only_row(await batch(api, collection, **body))["data"]
    return rows


async def count(api: Api, connection: Any, table: str = "patients") -> int:
    number: int = await connection.fetchval(
        f"SELECT count(*) FROM {table} WHERE environment_id = $1", api.environment_id
    )
    return number


@pytest.mark.house
async def test_rows_of_every_collection_are_what_single_creates_and_updates_make(
    place: Place, callers: Callers, program: int
) -> None:
    api = place.api
    async with await callers(program, shape="enveloped") as enveloped:
        with every_case() as cases:
            for resource in RESOURCES:
                path = f"/v1/{resource.name}"
                if Verb.CREATE in resource.verbs:
                    bodies = [await place.body(resource) for _ in range(3)]
                    with cases.case("create", resource.name):
                        created = await items(api, resource.name, create=bodies)
                        assert [entry["outcome"] for entry in created] == ["created"] * 3
                        for entry in created:
                            row = entry["row"]
                            assert row == only_row(await api.get(f"{path}/{row['id']}"))
                            again = only_row(await enveloped.get(f"{path}/{row['id']}"))
                        single = only_row(await api.post(path, json=await place.body(resource)))
                        assert list(single) == list(created[0]["row"])
                        assert again
                if Verb.UPDATE in resource.verbs:
                    rows = [await place.make(resource.name) for _ in range(3)]
                    with cases.case("update", resource.name):
                        changed = await items(api, resource.name, update=rows)
                        for before, entry in zip(rows, changed, strict=True):
                            assert entry["outcome"] in ("updated", "unchanged")
                            now, alone = dict(entry["row"]), dict(before)
                            for name in ("updated_at", "created_at"):
                                now.pop(name, None)
                                alone.pop(name, None)
                            assert now == alone
                        own = f"{path}/{rows[0]['id']}"
                        read = (await enveloped.get(own)).json()["data"]
                        shaped = await items(enveloped, resource.name, update=[read])
                        assert shaped[0]["row"] == (await enveloped.get(own)).json()["data"]


async def test_what_is_refused_of_each_row_is_what_a_single_create_refuses(
    place: Place, connection: Any
) -> None:
    wrong: dict[str, list[dict[str, Any]]] = {
        "patients": [
            PATIENT | {"phase": "none", "age": 3},
            {"first_name": "Ada"},
            PATIENT | {"coach_id": NOBODY},
            PATIENT | {"external_ids": [{"namespace": "x"}]},
        ],
        "messages": [await place.body(_named("messages")) | {"user_id": NOBODY}],
        "external_ids": [await place.body(_named("external_ids"), welkin_id=NOBODY)],
        "calendar_events": [
            await place.body(_named("calendar_events"), end_time="2001-01-01T00:00:00Z")
        ],
    }
    with every_case() as cases:
        for collection, bodies in wrong.items():
            good = await place.body(_named(collection))
            if collection == "external_ids":
                good |= {"external_id": "good"}
            for number, body in enumerate(bodies):
                with cases.case(collection, number):
                    single = await place.api.post(f"/v1/{collection}", json=body)
                    before = await count(place.api, connection, collection)
                    refused = await batch(place.api, collection, create=[good, body])
                    assert refused.status_code == single.status_code
                    assert errors(refused, refused.status_code) == [
                        (code, f".create[1]{path}")
                        for code, path in errors(single, single.status_code)
                    ]
                    assert await count(place.api, connection, collection) == before


def _named(name: str) -> Any:
    return next(resource for resource in RESOURCES if resource.name == name)


async def test_all_or_nothing_tells_every_problem_and_each_by_itself_writes_the_rest(
    api: Api, elsewhere: Api, connection: Any
) -> None:
    only_row(await api.post("/v1/patients", json=mapped("taken")))
    theirs = only_row(await elsewhere.post("/v1/patients", json=mapped("theirs")))
    rows = [person(n, phone=f"555-555-{1000 + n}") for n in range(40)]
    rows[3] = person(3, coach_id=NOBODY)
    rows[17] = mapped("taken", phone="555-555-1017")
    rows[18] = mapped("theirs")
    rows[31] = person(31, phase="none")
    before = await count(api, connection), await count(api, connection, "phone_numbers")
    refused = await batch(api, create=rows)
    assert sorted(errors(refused, 400)) == [
        ("parse_exception", ".create[31].phase"),
        ("resource_not_found", ".create[3].coach_id"),
        ("uniqueness_exception", ".create[17].external_ids[0].external_id"),
    ]
    assert (await count(api, connection), await count(api, connection, "phone_numbers")) == before
    outcomes = await items(api, create=rows, atomic=False)
    assert [n for n, entry in enumerate(outcomes) if entry["status"] != 200] == [3, 17, 31]
    assert [entry["row"]["last_name"] for entry in outcomes if "row" in entry] == [
        row["last_name"] for n, row in enumerate(rows) if n not in (3, 17, 31)
    ]
    assert outcomes[3]["status"] == outcomes[3]["errors"][0]["status"] == 404
    assert outcomes[17]["errors"][0]["extra"] == {"path": ".create[17].external_ids[0].external_id"}
    after = await count(api, connection), await count(api, connection, "phone_numbers")
    assert after == (before[0] + 37, before[1] + 36)
    assert only_row(await elsewhere.get(f"/v1/patients/{theirs['id']}")) == theirs
    feed = only_row(await api.get("/v1/changes", params={"limit": 1000}))["data"]
    assert len([entry for entry in feed if entry["resource"] == "patients"]) <= after[0]
    actors = await connection.fetch(
        "SELECT DISTINCT actor, through FROM changes WHERE environment_id = $1",
        api.environment_id,
    )
    assert [tuple(row) for row in actors] == [(f"client:{api.client_id}", "api")]


async def test_a_row_that_is_none_is_refused_by_itself_and_hides_no_other(api: Api) -> None:
    create = [person(0), person(1, state="x", birthday="y"), person(2, phase="none"), 5, None]
    wrong = [
        *(".create[1].birthday", ".create[1].state", ".create[2].phase"),
        *(".create[3]", ".create[4]"),
    ]
    refused = await batch(api, create=create)
    assert sorted(path or "" for _, path in errors(refused, 400)) == sorted(wrong)
    created = await items(api, create=create, atomic=False)
    assert [entry["status"] for entry in created] == [200, 400, 400, 400, 400]
    known = created[0]["row"]["id"]
    update: list[Any] = [
        *({"id": known, "city": "Yale"}, {"city": "y"}, {"id": NOBODY}, {"id": None, "state": "x"}),
        *("x", {"id": 7}),
    ]
    alone = await items(api, update=update, atomic=False)
    assert [entry["status"] for entry in alone] == [200, 400, 404, 400, 400, 400]
    assert alone[1]["errors"][0]["detail"] == "Missing required field at .update[1].id"
    again = await batch(api, update=update)
    assert {path for _, path in errors(again, 400)} == {
        *(".update[1].id", ".update[2].id", ".update[3].id", ".update[3].state"),
        *(".update[4]", ".update[5].id"),
    }
    assert only_row(await api.get(f"/v1/patients/{known}"))["city"] == "Yale"


async def test_a_load_can_be_repeated_by_external_ids(api: Api, connection: Any) -> None:
    first = await items(api, create=[mapped("A"), mapped("B", city="Yale")])
    outcomes = await items(api, create=[mapped("B", city="Ames"), mapped("C")], on_existing="keep")
    assert [entry["outcome"] for entry in outcomes] == ["kept", "created"]
    assert outcomes[0]["row"] == first[1]["row"]
    phone = {"phone": "555-555-0100"}
    updated = await items(
        api,
        create=[mapped("A", city="Ames", **phone), mapped("D"), mapped("B", city="Yale")],
        on_existing="update",
    )
    assert [entry["outcome"] for entry in updated] == ["updated", "created", "unchanged"]
    assert updated[2]["row"] == first[1]["row"]
    assert updated[0]["row"]["city"] == "Ames"
    assert updated[0]["row"]["id"] == first[0]["row"]["id"]
    assert updated[0]["ignored_fields"] == ["phone"]
    assert "ignored_fields" not in updated[2]
    assert errors(await batch(api, create=[mapped("A")]), 400) == [
        ("uniqueness_exception", ".create[0].external_ids[0].external_id")
    ]
    twice = await batch(api, create=[mapped("E"), mapped("E")], on_existing="update")
    assert errors(twice, 400) == [
        ("uniqueness_exception", ".create[1].external_ids[0].external_id")
    ]
    assert await count(api, connection) == 4
    assert await count(api, connection, "phone_numbers") == 0


@pytest.mark.parametrize("atomic", [True, False])
async def test_a_load_adds_the_ids_of_further_systems_to_the_rows_that_are_there(
    api: Api, connection: Any, atomic: bool
) -> None:
    first = await items(api, create=[mapped("A"), mapped("B", city="Yale"), mapped("C")])
    crm = [{"namespace": "crm", "external_id": name} for name in "abc"]
    rows = [mapped(name) for name in "ABC"]
    for row, own in zip(rows, crm, strict=True):
        row["external_ids"] = [*row["external_ids"], own]
    rows[0]["city"] = "Ames"
    for _ in range(2):
        again = await items(api, create=rows, on_existing="update", atomic=atomic)
        assert [entry["row"]["id"] for entry in again] == [entry["row"]["id"] for entry in first]
        assert all("ignored_fields" not in entry for entry in again)
        assert again[0]["row"]["city"] == "Ames"
    for own, entry in zip(crm, first, strict=True):
        (known,) = (await api.get("/v1/external_ids", params=own)).json()[0]["data"]
        assert known["welkin_id"] == entry["row"]["id"]
    # An id that another row has, and one where the row has another, are refused with their place;
    # nothing else of such a row is written.
    taken = rows[0] | {"city": "Reno", "external_ids": [*rows[0]["external_ids"], crm[1]]}
    other = rows[2] | {"city": "Reno", "external_ids": [rows[2]["external_ids"][0]]}
    other["external_ids"] = [*other["external_ids"], {"namespace": "crm", "external_id": "z"}]
    fresh = mapped("D")
    if atomic:
        answer = await batch(api, create=[other, fresh], on_existing="update")
        assert errors(answer, 400) == [
            ("uniqueness_exception", ".create[0].external_ids[1].welkin_id")
        ]
    else:
        entries = await items(api, create=[other, fresh], on_existing="update", atomic=False)
        assert [entry["status"] for entry in entries] == [400, 200]
        assert "external_ids[1]" in str(entries[0]["errors"]), entries
    several = await batch(api, create=[taken], on_existing="update", atomic=True)
    assert errors(several, 400)[0][0] == "bad_request"
    cities = {row["city"] for row in (await api.get("/v1/patients")).json()[0]["data"]}
    assert "Reno" not in cities
    assert await count(api, connection, "external_ids") == 6 + (not atomic)


@pytest.mark.parametrize("atomic", [True, False])
async def test_of_several_loads_of_the_same_rows_at_once_the_later_ones_find_what_is_there(
    api: Api, connection: Any, atomic: bool
) -> None:
    rows = [mapped(f"{number}") for number in range(40)]

    async def load(number: int, on_existing: str) -> list[str]:
        new = mapped(f"{on_existing} {number}")
        entries = await items(api, create=[*rows, new], on_existing=on_existing, atomic=atomic)
        assert entries[-1]["outcome"] == "created"
        return [entry["outcome"] for entry in entries[:-1]]

    outcomes = await asyncio.gather(*(load(n, way) for n in range(3) for way in ("keep", "update")))
    assert {*map(len, map(set, outcomes))} == {1}
    assert [first for first, *_ in outcomes].count("created") == 1
    assert {first for first, *_ in outcomes} <= {"created", "kept", "unchanged"}
    assert await count(api, connection) == 46


async def test_rows_of_any_collection_may_come_with_external_ids(
    place: Place, callers: Callers, program: int
) -> None:
    patient = (await place.make("patients"))["id"]
    body = {"user_id": patient, "email": "grace@example.org"}
    external = {"external_ids": [{"namespace": "crm", "external_id": "M-1"}]}
    with_id = await place.body(_named("email_addresses"), **body) | external
    first = await items(place.api, "email_addresses", create=[with_id])
    again = await items(place.api, "email_addresses", create=[with_id], on_existing="keep")
    assert again[0] == {"status": 200, "outcome": "kept", "row": first[0]["row"]}
    (mapping,) = await place.find("external_ids", namespace="crm")
    assert (mapping["resource"], mapping["welkin_id"]) == (
        "email_addresses",
        first[0]["row"]["id"],
    )
    async with await callers(program, scope="email_addresses.write") as writer:
        refused = await batch(writer, "email_addresses", create=[with_id])
        assert refused.json()["errors"][0]["extra"] == {"scope": "external_ids.write"}


@pytest.mark.house
@pytest.mark.parametrize("shape", ["documented", "enveloped"])
async def test_rows_of_every_collection_are_known_again_by_their_external_ids(
    place: Place, callers: Callers, program: int, shape: str
) -> None:
    async with await callers(program, shape=shape) as caller:
        with every_case() as cases:
            for resource in RESOURCES:
                if Verb.CREATE not in resource.verbs or resource.any_reference:
                    continue
                with cases.case(resource.name):
                    external = {"namespace": "crm", "external_id": f"{resource.name}-1"}
                    names = resource.spelled[Shape(shape)].names
                    fields = (await place.body(resource)).items()
                    body = {name: value for name, value in fields if name in names}
                    body |= {"external_ids": [external]}
                    created = await items(caller, resource.name, create=[body])
                    again = await items(caller, resource.name, create=[body], on_existing="keep")
                    assert again[0]["outcome"] == "kept"
                    assert again[0]["row"]["id"] == created[0]["row"]["id"]


async def test_updates_are_of_the_fields_that_each_names(api: Api, elsewhere: Api) -> None:
    rows = [entry["row"] for entry in await items(api, create=[person(n) for n in range(6)])]
    other = only_row(await elsewhere.post("/v1/patients", json=PATIENT))
    changed = await items(
        api,
        update=[
            {"id": rows[0]["id"], "city": "Yale"},
            {"id": rows[1]["id"].upper(), "city": None, "street": "1 Main"},
            {"id": rows[2]["id"]},
            {"id": rows[3]["id"], "city": "Ames"},
            {"id": other["id"], "city": "Ames"},
            {"id": rows[0]["id"], "city": "Ames"},
            {"id": rows[4]["id"], "coach_id": NOBODY},
            {"id": rows[5]["id"], "phase": "none"},
        ],
        atomic=False,
    )
    assert [entry.get("outcome", entry["status"]) for entry in changed] == [
        "updated", "updated", "unchanged", "updated", 404, 400, 404, 400,
    ]  # fmt: skip
    paths = [entry["errors"][0]["extra"]["path"] for entry in changed if "errors" in entry]
    assert paths == [
        ".update[4].id",
        ".update[5].id",
        ".update[6].coach_id",
        ".update[7].phase",
    ]
    now = [only_row(await api.get(f"/v1/patients/{row['id']}")) for row in rows]
    assert [row["city"] for row in now] == ["Yale", None, None, "Ames", None, None]
    assert now[1]["street"] == "1 Main"
    assert [entry["row"] for entry in changed[:4]] == now[:4]
    assert only_row(await elsewhere.get(f"/v1/patients/{other['id']}")) == other
    missing = await batch(api, update=[{"id": rows[0]["id"], "city": "Kent"}, {"id": NOBODY}])
    assert errors(missing, 404) == [("not_found", ".update[1].id")]
    assert only_row(await api.get(f"/v1/patients/{rows[0]['id']}"))["city"] == "Yale"


async def test_a_batch_under_a_key_is_done_once(api: Api, connection: Any) -> None:
    key = {"Idempotency-Key": '"load-1"'}
    body = {"create": [person(1), mapped("A"), person(2, phase="none")], "atomic": False}
    answers = await asyncio.gather(
        *(api.post("/v1/patients/batch", json=body, headers=key) for _ in range(5))
    )
    assert len({answer.content for answer in answers}) == 1
    assert [entry["status"] for entry in answers[0].json()["data"]] == [200, 200, 400]
    assert await count(api, connection) == 2
    other = await api.post("/v1/patients/batch", json={"create": [PATIENT]}, headers=key)
    assert errors(other, 422) == [("idempotency_key_reused", None)]
    # A batch of one row is written as a single write is, and has one key all the same.
    alone = [
        await api.post(
            "/v1/patients/batch",
            json={"create": [person(3)]},
            headers={"Idempotency-Key": "load-2"},
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in alone] == [200, 200]
    assert alone[0].content == alone[1].content


async def test_who_may_not_write_or_read_gets_no_more_than_by_single_writes(
    callers: Callers, api: Api, program: int
) -> None:
    async with (
        await callers(program, scope="patients.read") as reader,
        await callers(program, scope="patients.write") as writer,
    ):
        assert (await batch(reader, create=[PATIENT])).status_code == 403
        created = await items(writer, create=[mapped("A")])
        existing = await items(writer, create=[mapped("A")], on_existing="keep")
    row_id = created[0]["row"]["id"]
    assert created == [{"status": 200, "outcome": "created", "row": {"id": row_id}}]
    assert existing == [{"status": 200, "outcome": "kept", "row": {"id": row_id}}]


async def test_a_batch_that_is_none_is_refused(api: Api) -> None:
    with every_case() as cases:
        for body, path in (
            ({}, "."),
            ({"create": [PATIENT], "update": [{"id": NOBODY}]}, "."),
            ({"create": []}, ".create"),
            ({"create": PATIENT}, ".create"),
            ({"create": [PATIENT] * (MOST_ROWS + 1)}, ".create"),
            ({"create": [1]}, ".create[0]"),
            ({"update": [[]]}, ".update[0]"),
            ({"update": [{"id": "x"}]}, ".update[0].id"),
            ({"update": [{"city": "Yale"}]}, ".update[0].id"),
            ({"create": [PATIENT], "atomic": "no"}, ".atomic"),
            ({"create": [PATIENT], "on_existing": "drop"}, ".on_existing"),
            ({"update": [{"id": NOBODY}], "on_existing": "keep"}, ".on_existing"),
            ({"create": [PATIENT], "rows": []}, ".rows"),
        ):
            with cases.case(path, list(body)):
                assert errors(await batch(api, **body), 400) == [("parse_exception", path)]
    assert (await api.get("/v1/patients/batch")).headers["allow"] == "POST"
    assert (await batch(api, "calendars", create=[{}])).status_code == 405
    assert (await batch(api, "messages", update=[{"id": NOBODY}])).status_code == 400


async def test_who_prefers_a_minimal_return_gets_the_ids_of_what_is_written_as_ever(
    api: Api, elsewhere: Api, connection: Any
) -> None:
    prefer = {"Prefer": 'respond-async, RETURN="minimal"; a=b'}

    async def minimal(caller: Api = api, **body: Any) -> httpx.Response:
        return await caller.post("/v1/patients/batch", json=body, headers=prefer)

    answer = await minimal(
        create=[mapped("A"), mapped("B", phase="none"), mapped("C")], atomic=False
    )
    assert answer.headers["preference-applied"] == "return=minimal"
    first, refused, last = answer.json()["data"]
    assert [entry["outcome"] for entry in (first, last)] == ["created", "created"]
    assert first["row"].keys() == last["row"].keys() == {"id"}
    assert refused["status"] == 400
    assert "row" not in refused
    # Each row and its line of the change log is there as after any other batch.
    ids = [first["row"]["id"], last["row"]["id"]]
    rows = [only_row(await api.get(f"/v1/patients/{row_id}")) for row_id in ids]
    assert [row["last_name"] for row in rows] == ["Hopper", "Hopper"]
    logged = await connection.fetch(
        "SELECT patient_id::text FROM changes WHERE resource = 'patients' AND kind = 'create'"
        " AND environment_id = $1",
        api.environment_id,
    )
    assert sorted(row[0] for row in logged) == sorted(ids)
    # What was there already, and a batch of changes, of which one is none.
    again = await minimal(create=[mapped("A"), mapped("D")], on_existing="keep")
    before, new = again.json()["data"]
    assert (before["outcome"], before["row"]) == ("kept", {"id": ids[0]})
    assert new["outcome"] == "created"
    changes = [{"id": ids[0], "city": "Yale", "created_at": "x"}, {"id": ids[1]}]
    changed, unchanged = (await minimal(update=changes)).json()["data"]
    assert changed["row"] == {"id": ids[0]}
    assert changed["ignored_fields"] == ["created_at"]
    assert (unchanged["outcome"], unchanged["row"]) == ("unchanged", {"id": ids[1]})
    assert only_row(await api.get(f"/v1/patients/{ids[0]}"))["city"] == "Yale"
    assert await count(elsewhere, connection) == 0


async def test_a_key_tells_a_batch_with_rows_from_one_without(api: Api) -> None:
    key, body = {"Idempotency-Key": '"load-3"'}, {"create": [person(1), person(2)]}
    prefer = {"Prefer": "return=minimal"}
    answers = [
        await api.post("/v1/patients/batch", json=body, headers=key | prefer) for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert {len(entry["row"]) for entry in answers[1].json()["data"]} == {1}
    other = await api.post("/v1/patients/batch", json=body, headers=key)
    assert errors(other, 422) == [("idempotency_key_reused", None)]
    whole = await api.post(
        "/v1/patients/batch", json=body, headers={"Prefer": "return=representation, return=minimal"}
    )
    assert "preference-applied" not in whole.headers
    assert all(entry["row"]["last_name"] for entry in whole.json()["data"])
