"""The receiver: each state of each row is handed over once, whatever comes twice and restarts."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from almoner_client import Client, assertions
from almoner_client.receiver import Handed, IssuedCredentials, Receiver
from tests.changes.writing import until_true
from tests.client.test_mirror import patient
from tests.conftest import Api, free_port
from tests.notifications.subscribers import Listening

ISSUED = IssuedCredentials("5d9e3f0a-6c9b-4f55-8f0a-0d1a6f6f1c11", "issued-to-the-server-alone")


class Program:
    """A program that receives; it is handed rows, and fails as often as it is told to."""

    def __init__(self, api: Api, file: Path) -> None:
        self.api = api
        self.file = file
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.handed: list[Handed] = []
        self.reports: list[str] = []
        self.failures = 0
        self.refused: set[str] = set()

    def take(self, handed: Handed) -> None:
        if handed.id in self.refused:
            raise RuntimeError("no such row is taken")
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the program's own database is away")
        self.handed.append(handed)

    @contextmanager
    def running(self) -> Iterator[None]:
        api = self.api
        with (
            Client(str(api.base_url), api.client_id, api.client_secret) as client,
            Receiver(
                client, self.url, ISSUED, self.take, self.file, self.reports.append
            ) as receiver,
            Listening(receiver.app, self.port),
        ):
            yield

    async def notify(self, **others: Any) -> None:
        claims = {"iss": ISSUED.client_id, "aud": f"{self.url}/token", "scope": "welkin"}
        token = assertions.signed(claims | {"exp": int(time.time()) + 60}, ISSUED.client_secret)
        span = {"from": "2018-05-14T23:34:05.647496", "to": "2036-05-15T23:34:05.647496"}
        href = f"https://elsewhere.example.org/v1/patients?page[to]={span['to']}&page[from]={span['from']}"
        body = [{"resource": "patients", "href": href, **span, **others}]
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(
                f"{self.url}/notifications", json=body, headers={"Authorization": f"Bearer {token}"}
            )
        assert answer.status_code == 200, answer.text

    async def until_done(self) -> None:
        async def is_done() -> bool:
            return self.waiting() == 0

        await until_true(is_done, "what was notified is done")

    def waiting(self) -> int:
        with sqlite3.connect(self.file, timeout=30) as connection:
            (count,) = connection.execute("SELECT count(*) FROM notified").fetchone()
        connection.close()
        return int(count)


async def test_each_state_of_a_row_is_handed_over_once(api: Api, tmp_path: Path) -> None:
    program = Program(api, tmp_path / "receiver.db")
    ids = [await patient(api, last_name=f"Hopper {number}") for number in range(3)]
    with program.running():
        program.failures = 1
        await program.notify()
        await program.until_done()
        # The others did not wait for the first.
        assert [handed.id for handed in program.handed] == [*ids[1:], ids[0]]
        assert "the program's own database is away. Trying again" in program.reports[0]
        await program.notify()
        await program.until_done()
        assert len(program.handed) == 3
    await api.put(f"/v1/patients/{ids[1]}", json={"first_name": "Ada"})
    with program.running():
        await program.notify(deleted=[ids[2]])
        await program.until_done()
    deliveries = [
        (handed.id, handed.row and handed.row["first_name"]) for handed in program.handed[3:]
    ]
    # The row that was said to be gone is there, and is told as it is after that; the others stay in
    # the order of their last change.
    assert deliveries == [(ids[2], None), (ids[2], "Grace"), (ids[1], "Ada")]


async def test_a_row_that_is_not_taken_holds_up_no_other(api: Api, tmp_path: Path) -> None:
    bad, good = await patient(api), await patient(api)
    receiving = Program(api, tmp_path / "receiver.db")
    receiving.refused.add(bad)

    def taken() -> set[str]:
        return {handed.id for handed in receiving.handed}

    with receiving.running():
        await receiving.notify()
        later = await patient(api)
        await receiving.notify()

        async def are_there() -> bool:
            return {good, later} <= taken()

        await until_true(are_there, "the others are handed over")
        assert bad not in taken()
        assert any("Trying again" in report for report in receiving.reports)
        receiving.refused.clear()

        async def is_there() -> bool:
            return bad in taken()

        await until_true(is_there, "it is handed over once it is taken")
    assert len(receiving.handed) == len(taken())


async def test_what_was_notified_before_a_restart_is_pulled_after_it(
    api: Api, tmp_path: Path
) -> None:
    program = Program(api, tmp_path / "receiver.db")
    row = await patient(api)
    with program.running():
        program.failures = 10**6
        await program.notify()

        async def has_failed() -> bool:
            return bool(program.reports)

        await until_true(has_failed, "the program fails")
    assert (program.waiting(), program.handed) == (1, [])
    program.failures = 0
    with program.running():
        await program.until_done()
    assert [handed.id for handed in program.handed] == [row]
