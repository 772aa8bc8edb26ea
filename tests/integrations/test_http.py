"""What a task sends: each request known by a key of its own; and what a partner answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from almoner.errors import ApiError
from almoner.integrations import Integration, Task, TemporaryError, installed
from almoner.vocabulary import json_values
from almoner.vocabulary.json_values import JsonError
from tests.integrations.conftest import Place
from tests.integrations.test_jobs import integration

DEEP = b"[" * 100_000


class Shop:
    """A partner that answers as it is told, and notes the key and the body of each POST."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.headers = ""
        self.posts: list[tuple[str, str]] = []
        self.url = ""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        named = (line.partition(": ") for line in lines[1:] if line)
        headers = {name.lower(): value for name, _, value in named}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if lines[0].startswith("POST"):
            self.posts.append((headers["idempotency-key"], body.decode()))
        status, answer = self.answers.pop(0) if self.answers else (200, b"{}")
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n{self.headers}\r\n"
        writer.write(head.encode() + answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    opened = Shop()
    server = await asyncio.start_server(opened.take, "127.0.0.1", 0)
    opened.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/orders"
    async with server:
        yield opened


async def test_each_request_of_a_task_has_a_key_that_is_the_same_in_each_try(place: Place) -> None:
    described = Integration(name="orders", title="Orders")

    @described.task()
    async def run_orders(task: Task, url: str) -> None:
        for order in ("a", "b", "a"):
            (await task.http.post(url, {"order": order})).well()
        await task.http.post(url, {"order": "c"}, Idempotency_Key="its own")

    async with shop() as partner:
        # The second order of the first try is not answered well, so that all are sent again.
        partner.answers = [(200, b"{}"), (503, b"{}")]
        job = await place.run(described, partner.url)
    assert job["status"] == "succeeded"
    first, again = partner.posts[:2], partner.posts[2:]
    assert [body for _, body in again] == [f'{{"order":"{order}"}}' for order in "abac"]
    assert again[:2] == first
    keys = [key for key, _ in again]
    assert len(set(keys)) == 4
    assert keys[-1] == "its own"


async def test_a_partner_is_asked_again_no_sooner_than_it_wishes(place: Place) -> None:
    described, waits = Integration(name="later", title="Later"), []

    @described.task(attempts=1)
    async def run_later(task: Task, url: str) -> None:
        try:
            (await task.http.get(url)).well()
        except TemporaryError as error:
            waits.append(error.after)

    past, far = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2115 07:28:00 GMT"
    async with shop() as partner:
        for wish in ("", "7", "0", "soon", "-3", "86400", "9" * 5000, past, far):
            partner.headers = f"Retry-After: {wish}\r\n" if wish else ""
            partner.answers = [(429, b"")]
            await place.run(described, partner.url)
    assert waits == [0, 7, 0, 0, 0, 3600, 3600, 0, 3600]


async def test_an_answer_that_is_no_json_is_the_partners_fault_and_is_not_tried_again(
    place: Place,
) -> None:
    described = Integration(name="reads", title="Reads")

    @described.task()
    async def run_reads(task: Task, url: str) -> None:
        (await task.http.get(url)).well().json()

    async with shop() as partner:
        for answer in (DEEP, b'{"a":' * 900 + b"1" + b"}" * 900, b"<html>", b"\xff"):
            partner.answers = [(200, answer)]
            (task,) = (await place.run(described, partner.url))["tasks"]
            assert (task["errors"][0]["code"], task["attempts"]) == ("malformed_response", 1)


@pytest.mark.parametrize(
    "raw", [DEEP, b'{"a":' * 65 + b"1" + b"}" * 65, b'"\xff"', b"", b"{]", b"1.0e999"]
)
def test_what_somebody_sends_that_cannot_be_kept_is_refused_in_one_way(raw: bytes) -> None:
    with pytest.raises(JsonError):
        json_values.from_outside(raw)


def test_what_is_nested_as_deep_as_may_be_is_read() -> None:
    assert json_values.from_outside(b"[" * 64 + b"]" * 64)
    assert json_values.from_outside(b"7") == 7
    with pytest.raises(JsonError):
        json_values.object_from_outside(b"[]")


async def test_what_is_no_job_of_an_integration_is_not_shown_as_one(place: Place) -> None:
    (other,) = await place.rows(
        "INSERT INTO work_steps (environment_id, id, job_id, queue, name, call, place, state)"
        " VALUES ($1, gen_random_uuid(), gen_random_uuid(), 'almoner.processes', 'act', 0, 0,"
        " 'ready') RETURNING job_id::text"
    )
    with pytest.raises(ApiError) as refused:
        await place.show(other["job_id"])
    assert refused.value.problems[0].code == "not_found"


async def test_what_was_never_set_up_is_switched_off_all_the_same(place: Place) -> None:
    described = integration()
    async with place.database.transaction() as connection:
        values = (connection, place.parts.box, place.environment, described)
        assert await installed.configure(*values, {}, enabled=False) == ()
        with pytest.raises(ApiError) as refused:
            await installed.configured(*values)
    assert "switched off" in refused.value.problems[0].detail
    await place.configure(described, clinic="north", token="s3cret")
