"""Clients who wait, half send and never read, of every kind at once, beside others who go on as if
nothing was.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from statistics import quantiles
from urllib.parse import urlsplit

import httpx
import pytest

from almoner.access.sessions import csrf
from almoner.settings import Settings
from tests.conftest import Api
from tests.operations.conftest import PATIENT, Process, signed_in_at, soon_reached
from tests.people import People, Person
from tests.plain_http import PlainHttp

# Seconds of the attack, and slow clients of the nine kinds at a time, of each more than there are
# connections to the database. ``make soak`` has 198 of them for two minutes.
LONG = int(os.environ.get("ALMONER_TEST_ATTACK_SECONDS", "6"))
OF_EACH = int(os.environ.get("ALMONER_TEST_ATTACKERS", "54")) // 9
CONNECTIONS, SECONDS, REQUESTS = 4, 3, 200


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Process]:
    """A server with few connections to its database, and a short deadline."""
    environ = soon_reached(CONNECTIONS, SECONDS, REQUESTS)
    with Process(tmp_path_factory.mktemp("small"), settings, **environ) as running:
        yield running


@pytest.fixture
async def coach(small: Process, people: People, program: int) -> AsyncIterator[Person]:
    """Somebody of the small server who may do everything."""
    async with signed_in_at(small, people, program, "coach", "designer", "admin") as person:
        yield person


def slow_kinds(api: Api, coach: Person, patient_id: str) -> dict[str, bytes]:
    """What each kind of slow client sends before it falls silent."""
    token, cookie = (
        f"Authorization: Bearer {api.token}\r\n",
        f"Cookie: almoner_session={coach.token}\r\n",
    )
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
    csrf_header = f"X-CSRF-Token: {csrf(coach.token)}\r\n"
    exported = "collections=patients&format=ndjson"
    sent = {
        "nothing at all": "",
        "half a head": f"GET /v1/patients HTTP/1.1\r\nHost: x\r\n{token}X-Slow: ",
        "half a body": (
            f"POST /v1/patients HTTP/1.1\r\nHost: x\r\n{token}Content-Length: 100\r\n\r\n"
            + '{"phase"'
        ),
        "half a form": (
            f"POST /workshop/clients/{api.client_id}/revoke HTTP/1.1\r\nHost:"
            f" x\r\n{cookie}{csrf_header}{form}s"
        ),
        "half a sign-in": f"POST /sign-in HTTP/1.1\r\nHost: x\r\n{form}email=",
        "a chunk of a token request": (
            "POST /v1/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n"
        ),
        "an open page": f"GET /patients/{patient_id}/live HTTP/1.1\r\nHost: x\r\n{cookie}\r\n",
        "a list not read": (
            f"GET /v1/patients?page[size]=1000 HTTP/1.1\r\nHost: x\r\n{token}\r\n" * 20
        ),
        "an export not read": (
            f"POST /admin/export HTTP/1.1\r\nHost: x\r\n{cookie}{csrf_header}Content-Type:"
            " application/x-www-form-urlencoded\r\nContent-Length:"
            f" {len(exported)}\r\n\r\n{exported}"
        ),
    }
    return {kind: text.encode() for kind, text in sent.items()}


async def attack(url: str, sent: bytes, over: asyncio.Event) -> int:
    """One slow client, who comes back each time that the server is rid of it. Returns how often it
    came.
    """
    address, came = urlsplit(url), 0
    while not over.is_set():
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(raw, (address.hostname, address.port))
            came += 1
            await asyncio.get_running_loop().sock_sendall(raw, sent)
            # Nothing is read. Whether the server has ended it shows in what is written on.
            while not over.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), 1)
                if raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO) != 1:
                    break
        except OSError:
            pass
        finally:
            raw.close()
    return came


@asynccontextmanager
async def under_attack(url: str, kinds: dict[str, bytes]) -> AsyncIterator[None]:
    over = asyncio.Event()
    clients = [
        asyncio.create_task(attack(url, sent, over))
        for sent in kinds.values()
        for _ in range(OF_EACH)
    ]
    try:
        yield
    finally:
        over.set()
        came = await asyncio.gather(*clients)
    assert all(came), "each of the slow clients was connected"


async def well_behaved(
    requests: list[Callable[[], Awaitable[httpx.Response]]], seconds: float
) -> dict[int, list[float]]:
    """Asks one after the other for so long. By status, the milliseconds that each answer took."""
    answered: dict[int, list[float]] = defaultdict(list)
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        for request in requests:
            began = time.perf_counter()
            answer = await request()
            answered[answer.status_code].append(1000 * (time.perf_counter() - began))
    return answered


@pytest.mark.slow
async def test_slow_clients_of_every_kind_take_nothing_from_the_others(
    small: Process, api: Api, coach: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    long = {"street": "x" * 5000}
    patients = [
        (await api.post("/v1/patients", json=PATIENT | long)).json()["id"] for _ in range(60)
    ]
    cities = count()
    async with PlainHttp(base_url=small.url, headers=api.headers, timeout=SECONDS * 2) as caller:
        requests: list[Callable[[], Awaitable[httpx.Response]]] = [
            lambda: caller.get(f"/v1/patients/{patients[1]}"),
            lambda: caller.get("/v1/patients?page[size]=5"),
            lambda: caller.put(
                f"/v1/patients/{patients[2]}", json={"city": f"City {next(cities)}"}
            ),
            lambda: caller.get("/v1/changes"),
            lambda: caller.get("/readyz"),
            lambda: coach.get("/account"),
            lambda: coach.get(f"/patients/{patients[3]}"),
        ]
        alone = await well_behaved(requests, LONG / 3)
        kinds = slow_kinds(api, coach, patients[0])
        async with under_attack(small.url, kinds):
            beside = await well_behaved(requests, LONG)
    with capsys.disabled():
        took = " and ".join(f"{quantiles(each[200], n=100)[-1]:.0f} ms" for each in (alone, beside))
        sys.stdout.write(
            f"\np99 without and beside {len(kinds) * OF_EACH} slow clients: {took}, of"
            f" {len(beside[200])} answers\n"
        )
    # How long an answer takes is printed, not tested: it is the machine's affair as much as ours.
    assert (set(alone), set(beside)) == ({200}, {200})
    assert len(beside[200]) >= len(requests) * 2
