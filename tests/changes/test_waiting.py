"""Readers of the feed who wait (``wait=``): answered as soon as something of theirs is settled, and
in nobody's way meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest

from almoner.access import clients
from almoner.changes import waiting
from almoner.database import Database
from almoner.settings import Settings
from almoner.workshop import kiwi_health
from tests.changes.test_feed import PATIENT, page
from tests.changes.writing import until_true
from tests.conftest import Api, Callers, ServerThread, free_port, new_environment
from tests.plain_http import PlainHttp
from tests.programs import published

WITH_PHONE = PATIENT | {"phone": "555-555-0100"}


@pytest.fixture
async def noisy(callers: Callers, database: Database) -> AsyncIterator[Api]:
    """A caller in another environment."""
    other = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, other, kiwi_health.source())
    async with await callers(other) as caller:
        yield caller


def waits(api: Api, **parameters: Any) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(api.get("/v1/changes", params={"wait": 30} | parameters))


async def test_who_waits_is_answered_with_what_comes_and_not_with_what_others_write(
    api: Api, noisy: Api
) -> None:
    here = (await page(api, after="latest"))["meta"]["after"]
    of_all = waits(api, after=here, include="rows")
    of_phones = waits(api, after=here, resource="phone_numbers")
    assert (await noisy.post("/v1/patients", json=WITH_PHONE)).status_code == 200
    first = (await api.post("/v1/patients", json=PATIENT)).json()
    answer = (await of_all).json()
    assert [entry["id"] for entry in answer["data"]] == [first["id"]]
    assert answer["data"][0]["row"] == first
    assert answer["meta"]["after"] == answer["data"][-1]["cursor"]
    assert not of_phones.done()
    second = (await api.post("/v1/patients", json=WITH_PHONE)).json()
    phones = (await of_phones).json()
    assert [(entry["resource"], entry["patient_id"]) for entry in phones["data"]] == [
        ("phone_numbers", second["id"])
    ]
    # What is there already is not waited for, nor where the feed ends.
    rest = (await waits(api, after=answer["meta"]["after"], limit=1)).json()
    assert [entry["id"] for entry in rest["data"]] == [second["id"]]
    assert (await waits(api, after="latest")).json()["data"] == []


async def test_many_who_wait_hold_no_connection_and_one_client_waits_with_so_many(
    api: Api, callers: Callers
) -> None:
    here = (await page(api, after="latest"))["meta"]["after"]
    async with AsyncExitStack() as opened:
        others = [
            await opened.enter_async_context(await callers(api.environment_id)) for _ in range(2)
        ]
        mine = [waits(api, after=here) for _ in range(waiting.MOST_OF_A_CLIENT + 3)]
        theirs = [
            waits(other, after=here) for other in others for _ in range(waiting.MOST_OF_A_CLIENT)
        ]

        async def refused() -> bool:
            return sum(task.done() for task in mine) == 3

        await until_true(refused, "three are too many")
        # The server has eight connections, fewer than wait by far.
        written = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
        answers = await asyncio.gather(*mine, *theirs)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 3 * waiting.MOST_OF_A_CLIENT + [429] * 3
    for answer in answers:
        if answer.status_code == 200:
            assert [entry["id"] for entry in answer.json()["data"]] == [written]
        else:
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["errors"][0]["code"] == "too_many_requests"


async def test_who_hangs_up_leaves_room(api: Api) -> None:
    here = (await page(api, after="latest"))["meta"]["after"]
    gone = [waits(api, after=here) for _ in range(waiting.MOST_OF_A_CLIENT + 1)]
    await asyncio.wait(gone, return_when=asyncio.FIRST_COMPLETED)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)

    async def has_room() -> bool:
        answer = await api.get("/v1/changes", params={"after": here, "wait": 1})
        return answer.status_code == 200

    await until_true(has_room, "the places of those who hung up are free")


async def test_who_waits_with_a_token_that_is_ended_is_refused_before_the_time_has_passed(
    api: Api, callers: Callers, database: Database
) -> None:
    here = (await page(api, after="latest"))["meta"]["after"]
    async with await callers(api.environment_id) as other:
        ended, stays = waits(other, after=here), waits(api, after=here)
        asked = waits(other, after=here, resource="messages")
        async with database.connection() as connection:
            await clients.disable(connection, api.environment_id, other.client_id)
        for refused in (await ended, await asked):
            assert refused.status_code == 401
            assert "invalid_token" in refused.headers["www-authenticate"]
        assert not stays.done()
        written = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
        assert [entry["id"] for entry in (await stays).json()["data"]] == [written]


async def test_a_server_that_stops_answers_who_waits(settings: Settings, api: Api) -> None:
    here = (await page(api, after="latest"))["meta"]["after"]
    running = ServerThread(replace(settings, port=free_port()))
    with running as ending:
        async with PlainHttp(
            base_url=ending.url, headers={"Authorization": f"Bearer {api.token}"}, timeout=60
        ) as caller:
            asked = [
                asyncio.create_task(caller.get("/v1/changes", params={"wait": 30, "after": here}))
                for _ in range(waiting.MOST_OF_A_CLIENT + 1)
            ]
            # One too many is refused, so that the others wait by now.
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(running.__exit__)
            answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200] * 20 + [429]
    assert all(answer.json()["data"] == [] for answer in answers if answer.status_code == 200)


async def test_how_long_is_a_whole_number(api: Api) -> None:
    await api.post("/v1/patients", json=PATIENT)
    for wrong in ("", "-1", "1.5", "soon"):
        answer = await api.get("/v1/changes", params={"wait": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["extra"]) == (
            400,
            {"path": ".wait"},
        )
    for right in ("0", "1", "31"):
        assert (await api.get("/v1/changes", params={"wait": right})).json()["data"]
