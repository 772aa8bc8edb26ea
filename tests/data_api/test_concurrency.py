"""Many callers at once: no update is lost, and what fails half-way leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.conftest import Api
from tests.plain_http import PlainHttp

CALLERS = 200
FIELDS = (
    "first_name",
    "last_name",
    "street",
    "street_line_two",
    "city",
    "county",
    "country",
    "zip_code",
)
PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


@pytest.fixture
async def crowd(api: Api) -> AsyncIterator[list[PlainHttp]]:
    """Two hundred callers, each with a connection of its own."""
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    callers = [
        PlainHttp(base_url=api.base_url, headers=api.headers, limits=limits) for _ in range(CALLERS)
    ]
    yield callers
    await asyncio.gather(*(caller.aclose() for caller in callers))


async def new_patient(api: Api) -> dict[str, Any]:
    answer = await api.post("/v1/patients", json=PATIENT)
    body: dict[str, Any] = answer.json()
    return body


async def counted(connection: Any, environment: int) -> dict[str, int]:
    """How many rows an environment has of what a patient's Create writes, its change log
    included.
    """
    tables = ("patients", "phone_numbers", "email_addresses", "external_ids", "changes")
    return {
        table: await connection.fetchval(
            f"SELECT count(*) FROM {table} WHERE environment_id = $1", environment
        )
        for table in tables
    }


@pytest.mark.slow
async def test_two_hundred_callers_who_set_different_fields_of_the_same_rows_lose_no_update(
    api: Api, crowd: list[PlainHttp], connection: Any
) -> None:
    ids = [(await new_patient(api))["id"] for _ in range(CALLERS // len(FIELDS))]
    targets = [(row_id, field) for row_id in ids for field in FIELDS]

    async def update(caller: httpx.AsyncClient, number: int) -> None:
        row_id, field = targets[number]
        for turn in range(3):
            value = f"{number * 10 + turn:05}"
            answer = await caller.put(f"/v1/patients/{row_id}", json={field: value})
            assert answer.status_code == 200, answer.text
            assert answer.json()[field] == value

    await asyncio.gather(*(update(caller, number) for number, caller in enumerate(crowd)))
    for number, (row_id, field) in enumerate(targets):
        assert (await api.get(f"/v1/patients/{row_id}")).json()[field] == f"{number * 10 + 2:05}"
    rows = await connection.fetch(
        "SELECT row_id::text, count(*), count(DISTINCT changed_at) AS times FROM changes "
        "WHERE environment_id = $1 AND kind = 'update' GROUP BY row_id",
        api.environment_id,
    )
    assert {(r["row_id"], r["count"], r["times"]) for r in rows} == {
        (row_id, 3 * len(FIELDS), 3 * len(FIELDS)) for row_id in ids
    }


async def test_callers_who_count_with_if_match_lose_no_step(
    api: Api, crowd: list[PlainHttp]
) -> None:
    row_id = (await new_patient(api))["id"]
    await api.put(f"/v1/patients/{row_id}", json={"city": "0"})

    async def count(caller: httpx.AsyncClient) -> None:
        while True:
            row = await caller.get(f"/v1/patients/{row_id}")
            step = {"city": str(int(row.json()["city"]) + 1)}
            answer = await caller.put(
                f"/v1/patients/{row_id}", json=step, headers={"If-Match": row.headers["etag"]}
            )
            if answer.status_code == 200:
                return
            assert answer.status_code == 412
            assert answer.json()["errors"][0]["code"] == "precondition_failed"

    await asyncio.gather(*(count(caller) for caller in crowd[:30]))
    assert (await api.get(f"/v1/patients/{row_id}")).json()["city"] == "30"


async def test_updates_of_one_row_have_times_that_only_grow(
    api: Api, crowd: list[PlainHttp]
) -> None:
    row = await new_patient(api)
    answers = await asyncio.gather(
        *(
            caller.put(f"/v1/patients/{row['id']}", json={"city": f"Rye {number}"})
            for number, caller in enumerate(crowd)
        )
    )
    stamps = [answer.json()["updated_at"] for answer in answers]
    assert len(set(stamps)) == CALLERS
    assert min(stamps) > row["updated_at"]
    assert (await api.get(f"/v1/patients/{row['id']}")).json()["updated_at"] == max(stamps)


@pytest.mark.slow
async def test_of_two_hundred_creates_that_claim_one_id_one_is_made_and_the_others_leave_nothing(
    api: Api, crowd: list[PlainHttp], connection: Any
) -> None:
    body = PATIENT | {
        "phone": "555-555-5555",
        "email": "grace@example.org",
        "external_ids": [
            {"namespace": "kiwihealth", "external_id": "1"},
            {"namespace": "other", "external_id": "2"},
        ],
    }
    answers = await asyncio.gather(*(caller.post("/v1/patients", json=body) for caller in crowd))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * (CALLERS - 1)
    for answer in answers:
        if answer.status_code == 400:
            assert [e["code"] for e in answer.json()["errors"]] == ["uniqueness_exception"] * 2
            assert [e["extra"]["path"] for e in answer.json()["errors"]] == [
                ".external_ids[0].external_id",
                ".external_ids[1].external_id",
            ]
    assert await counted(connection, api.environment_id) == {
        "patients": 1,
        "phone_numbers": 1,
        "email_addresses": 1,
        "external_ids": 2,
        "changes": 5,
    }


async def test_a_create_that_fails_at_its_last_part_leaves_nothing(
    api: Api, connection: Any
) -> None:
    mapping = {"namespace": "kiwihealth", "external_id": "1"}
    assert (
        await api.post("/v1/patients", json=PATIENT | {"external_ids": [mapping]})
    ).status_code == 200
    before = await counted(connection, api.environment_id)
    nested = {"phone": "555-555-5555", "email": "grace@example.org"}
    for external_ids in (
        [{"namespace": "b", "external_id": "2"}, mapping],
        [{"namespace": "b", "external_id": "2"}] * 2,
    ):
        answer = await api.post(
            "/v1/patients", json=PATIENT | nested | {"external_ids": external_ids}
        )
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extra"]["path"].startswith(".external_ids[1]")
    assert await counted(connection, api.environment_id) == before


async def test_a_create_whose_database_fails_half_way_leaves_nothing(
    api: Api, connection: Any
) -> None:
    await connection.execute(f"""
        CREATE FUNCTION half_way() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.environment_id = {api.environment_id} THEN RAISE EXCEPTION 'half-way'; END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER half_way BEFORE INSERT ON external_ids FOR EACH ROW EXECUTE FUNCTION half_way();
        """)
    try:
        nested = {"phone": "555-555-5555", "external_ids": [{"namespace": "a", "external_id": "1"}]}
        assert (await api.post("/v1/patients", json=PATIENT | nested)).status_code == 500
    finally:
        await connection.execute("DROP TRIGGER half_way ON external_ids; DROP FUNCTION half_way()")
    assert set((await counted(connection, api.environment_id)).values()) == {0}


@pytest.mark.slow
async def test_callers_who_hang_up_in_the_middle_leave_whole_patients_only(
    api: Api, crowd: list[PlainHttp], connection: Any
) -> None:
    body = PATIENT | {"phone": "555-555-5555", "email": "grace@example.org"}
    tasks = [asyncio.create_task(caller.post("/v1/patients", json=body)) for caller in crowd]
    # Half of them are cut off as soon as the first answer is there.
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks[1::2]:
        task.cancel()
    answers = [
        a
        for a in await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(a, httpx.Response)
    ]
    assert {answer.status_code for answer in answers} == {200}
    # What still is under way for those who are gone ends before this, since it needs every
    # connection.
    await asyncio.gather(*(api.get("/v1/patients") for _ in range(50)))
    rows = await counted(connection, api.environment_id)
    assert rows["patients"] >= len(answers)
    broken = (
        "SELECT count(*) FROM patients p WHERE environment_id = $1 AND NOT (EXISTS (SELECT 1 FROM"
        " phone_numbers n WHERE n.environment_id = p.environment_id AND n.user_id = p.id) AND"
        " EXISTS (SELECT 1 FROM email_addresses e WHERE e.environment_id = p.environment_id AND"
        " e.user_id = p.id) AND 3 = (SELECT count(*) FROM changes c WHERE c.environment_id ="
        " p.environment_id AND c.patient_id = p.id))"
    )
    assert await connection.fetchval(broken, api.environment_id) == 0
