"""The limits of a server: size, time, requests at a time, and what each is answered with."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from almoner.database import Database
from almoner.errors import UnavailableError
from tests.conftest import Api, Server, taken
from tests.operations.conftest import (
    BODY,
    CONNECTIONS,
    PATIENT,
    REQUESTS,
    SECONDS,
    delayed,
    locked,
    until_true,
    waiting,
)


def only(answer: httpx.Response) -> dict[str, Any]:
    errors = answer.json()["errors"]
    assert len(errors) == 1
    error: dict[str, Any] = errors[0]
    assert error["status"] == answer.status_code
    return error


def refused_for_now(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert only(answer)["code"] == "service_unavailable"
    assert int(answer.headers["retry-after"]) >= 1


async def new_patient(api: Api) -> str:
    answer = await api.post("/v1/patients", json=PATIENT)
    assert answer.status_code == 200, answer.text
    row_id: str = answer.json()["id"]
    return row_id


def sized(size: int) -> bytes:
    """A body of this size that Create accepts."""
    empty = len(json.dumps(PATIENT | {"street": ""}))
    return json.dumps(PATIENT | {"street": "x" * (size - empty)}).encode()


async def test_a_body_of_exactly_the_limit_is_taken_and_a_byte_more_is_not(
    hurried: httpx.AsyncClient,
) -> None:
    assert (await hurried.post("/v1/patients", content=sized(BODY))).status_code == 200
    answer = await hurried.post("/v1/patients", content=sized(BODY + 1))
    assert answer.status_code == 413
    assert only(answer)["code"] == "payload_too_large"
    assert only(answer)["extra"] == {"limit_bytes": BODY}


async def test_a_body_that_does_not_say_its_length_is_refused_as_soon_as_it_is_too_long(
    hurried: httpx.AsyncClient,
) -> None:
    async def endless() -> Any:
        for _ in range(1000):
            yield b"x" * 100

    answer = await hurried.post("/v1/patients", content=endless())
    assert answer.status_code == 413


@pytest.mark.parametrize("target", ["/v1/token", "/v1/patients/find"])
async def test_every_body_has_the_limit(hurried: httpx.AsyncClient, target: str) -> None:
    assert (await hurried.post(target, content=b"x" * (BODY + 1))).status_code == 413


async def exchange(url: str, sent: bytes, seconds: float) -> bytes:
    """What a server answers to these bytes on a connection that is left open."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), seconds)
    finally:
        writer.close()


async def test_a_body_that_does_not_arrive_is_answered_within_the_limit(
    strict: Server, api: Api
) -> None:
    head = (
        "POST /v1/patients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer"
        f" {api.token}\r\nContent-Length: 500\r\n\r\n"
    )
    began = time.monotonic()
    answer = await exchange(strict.url, head.encode() + b'{"phase"', SECONDS + 3)
    assert answer.split()[1] in (b"408", b"503")
    assert SECONDS - 0.5 < time.monotonic() - began < SECONDS + 2


async def test_an_overlong_query_is_refused_with_the_way_out(api: Api) -> None:
    answer = await api.get("/v1/patients?page[from]=" + "1" * 17_000)
    assert answer.status_code == 414
    assert only(answer)["code"] == "uri_too_long"
    answer = await api.get("/v1/email_addresses", params={"email": "x" * 10_000})
    assert answer.status_code == 400


async def test_requests_beyond_those_that_are_worked_on_are_refused_at_once(
    hurried: httpx.AsyncClient, api: Api, dsn: str
) -> None:
    row_id = await new_patient(api)
    assert (await hurried.get(f"/v1/patients/{row_id}")).status_code == 200
    async with locked(dsn, row_id) as holder:
        change = {"city": "Rye"}
        under_way = [
            asyncio.create_task(hurried.put(f"/v1/patients/{row_id}", json=change))
            for _ in range(REQUESTS)
        ]
        await delayed(holder, CONNECTIONS)
        answers: list[httpx.Response] = []
        began = time.monotonic()

        async def refused() -> bool:
            answers.append(await hurried.get("/v1/no_such_thing"))
            return answers[-1].status_code == 503

        await until_true(refused, "the server refuses more requests", SECONDS)
        assert time.monotonic() - began < SECONDS
        refused_for_now(answers[-1])
        assert str(REQUESTS) in only(answers[-1])["detail"]
    done = await asyncio.gather(*under_way)
    assert {answer.status_code for answer in done} <= {200, 503}
    assert (await hurried.get(f"/v1/patients/{row_id}")).status_code == 200


async def test_a_request_that_takes_too_long_is_answered_and_changes_nothing_later(
    hurried: httpx.AsyncClient, api: Api, dsn: str, connection: Any
) -> None:
    row_id = await new_patient(api)
    async with locked(dsn, row_id) as holder:
        began = time.monotonic()
        refused_for_now(await hurried.put(f"/v1/patients/{row_id}", json={"city": "Rye"}))
        assert time.monotonic() - began < SECONDS + 2

        async def abandoned() -> bool:
            return await waiting(holder) == 0

        await until_true(abandoned, "the database no longer works on the request")
    assert (await api.get(f"/v1/patients/{row_id}")).json()["city"] is None
    logged = await connection.fetchval(
        "SELECT count(*) FROM changes WHERE environment_id = $1 AND row_id = $2",
        api.environment_id,
        row_id,
    )
    assert logged == 1


async def test_callers_who_find_every_connection_taken_are_refused_in_time_and_served_afterwards(
    hurried: httpx.AsyncClient, api: Api, dsn: str
) -> None:
    row_id = await new_patient(api)
    async with locked(dsn, row_id) as holder:
        began = time.monotonic()
        change = {"city": "Rye"}
        writing = [
            asyncio.create_task(hurried.put(f"/v1/patients/{row_id}", json=change))
            for _ in range(CONNECTIONS)
        ]
        await delayed(holder, CONNECTIONS)
        writing.append(asyncio.create_task(hurried.put(f"/v1/patients/{row_id}", json=change)))
        for answer in await asyncio.gather(*writing):
            refused_for_now(answer)
        assert time.monotonic() - began < SECONDS + 2

    async def served() -> bool:
        return (await hurried.get(f"/v1/patients/{row_id}")).status_code == 200

    await until_true(served, "the server serves again")


async def test_a_connection_is_waited_for_no_longer_than_the_patience(dsn: str) -> None:
    database = await Database.connect(dsn, size=1, patience=0.2)
    try:
        async with taken(database, 1) as (only_connection,):
            began = time.monotonic()
            with pytest.raises(UnavailableError) as refused:
                async with database.connection():
                    pass
            assert refused.value.status == 503
            assert refused.value.headers["Retry-After"]
            assert 0.1 < time.monotonic() - began < 2
            assert await only_connection.fetchval("SELECT 1") == 1
        async with database.connection() as again:
            assert await again.fetchval("SELECT 1") == 1
    finally:
        await database.close()


async def test_no_connection_is_lost_to_callers_who_give_up_at_any_moment(dsn: str) -> None:
    chance = random.Random(5)
    database = await Database.connect(dsn, size=3, patience=5)

    async def work() -> None:
        async with database.transaction() as connection:
            await connection.fetchval("SELECT count(*) FROM generate_series(1, 500)")

    try:
        for _ in range(30):
            tasks = [asyncio.create_task(work()) for _ in range(9)]
            for _ in range(chance.randint(0, 40)):
                await asyncio.sleep(0)
            for task in chance.sample(tasks, 5):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert database.opened <= 3
        async with taken(database, 3) as connections:
            for connection in connections:
                assert await connection.fetchval("SELECT pg_current_xact_id_if_assigned() IS NULL")
    finally:
        await database.close()


async def test_a_caller_who_hangs_up_leaves_the_server_as_it_was(
    strict: Server, hurried: httpx.AsyncClient, api: Api
) -> None:
    address = urlsplit(strict.url)
    head = (
        "POST /v1/patients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer"
        f" {api.token}\r\nContent-Length: 500\r\n\r\n"
    )
    for _ in range(REQUESTS * 3):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head.encode() + b'{"phase"')
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def served() -> bool:
        return (await hurried.get("/v1/patients")).status_code == 200

    await until_true(served, "the server serves again")


async def test_a_full_disk_is_answered_503_and_nothing_is_half_written(
    api: Api, connection: Any
) -> None:
    # What PostgreSQL raises when it cannot extend a file, for the rows of this environment alone.
    await connection.execute(f"""
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.environment_id = {api.environment_id} THEN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON phone_numbers FOR EACH ROW EXECUTE FUNCTION full_disk();
        """)
    try:
        answer = await api.post("/v1/patients", json=PATIENT | {"phone": "555-555-5555"})
        refused_for_now(answer)
        assert "device" not in answer.text
    finally:
        await connection.execute(
            "DROP TRIGGER full_disk ON phone_numbers; DROP FUNCTION full_disk()"
        )
    assert (await api.get("/v1/patients")).json()[0]["data"] == []
    assert (
        await connection.fetchval(
            "SELECT count(*) FROM changes WHERE environment_id = $1", api.environment_id
        )
        == 0
    )
    assert (
        await api.post("/v1/patients", json=PATIENT | {"phone": "555-555-5555"})
    ).status_code == 200
