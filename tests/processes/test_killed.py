"""Workers, the server and PostgreSQL are killed at random points while answers come in by the API and a
process acts on them: every answer that fits sets it off once, all that it does is done once, and nothing is
left running that nobody runs.

``ALMONER_TEST_FIRINGS`` says how many answers fit; seeds and kills are those of ``tests/killing.py``.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from almoner.access import clients, keys
from almoner.access.key_file import KeySource
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.embedded import EmbeddedServer
from almoner.processes.firings import QUEUE
from almoner.resources import BY_NAME
from tests import killing
from tests.killing import KILLS, SEEDS, KillablePlace, Processes, ended, killable_server, torment
from tests.plain_http import PlainHttp
from tests.processes.conftest import GRACE
from tests.processes.test_acting import PROGRAM

FIRINGS = int(os.environ.get("ALMONER_TEST_FIRINGS", "30"))
# Of so many answers one does not fit.
NOISE = 5
ANSWERS = FIRINGS * NOISE // (NOISE - 1)
# So many callers send them.
CALLERS = 4
LOW = """
  - name: low
    when: {event: assessment_finished, assessment: mood}
    if: {all: [{of: band, is: low}]}
    then: [{do: start_care_flow, care_flow: Mood}, {do: give_task, task: survey}]
"""


def work(database_url: str, home: str) -> None:
    """What a worker's process does: processes alone."""
    killing.work(database_url, home, {})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def own_server(home: Path) -> Iterator[EmbeddedServer]:
    with killable_server(home) as server:
        yield server


class Clinic(KillablePlace):
    """Patients who answer. ``answers`` are the ids of those that are in, by the number of the patient."""

    def __init__(self, server: EmbeddedServer, home: Path) -> None:
        super().__init__(server, home)
        self.answers: dict[int, str] = {}
        self._patients: list[str] = []
        self._token = ""

    async def begin(self, name: str) -> None:
        await self.create(name, PROGRAM + LOW)

        async def begin(database: Database, store: Store) -> None:
            by = Actor(self.environment, "test", "api", "test", whole=True)
            async with database.transaction() as connection:
                box = await keys.box(connection, KeySource("", self.home))
                client = await clients.create(
                    connection,
                    box,
                    environment_id=self.environment,
                    name="test",
                    scope="all",
                    shape="documented",
                )
                self._token = await clients.long_lived_token(connection, client.client_id)
            for _ in range(ANSWERS):
                self._patients.append((await store.create(by, BY_NAME["patients"], GRACE)).id)

        await self.with_database(begin)

    @property
    def fitting(self) -> set[str]:
        """The answers that set the process off."""
        return {answer for number, answer in self.answers.items() if number % NOISE}

    async def answer(self, port: int, first: int, end: int) -> None:
        """The patients of these numbers answer, who have not yet, or whose answer may not have been taken:
        it is sent again, and is the same one."""
        missing = [number for number in range(first, end) if number not in self.answers]
        headers = {"Authorization": f"Bearer {self._token}"}
        async with PlainHttp(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10
        ) as caller:
            await asyncio.gather(
                *(self._send(caller, missing[start::CALLERS]) for start in range(CALLERS))
            )

    async def _send(self, caller: PlainHttp, numbers: list[int]) -> None:
        for number in numbers:
            body = {
                "user_id": self._patients[number],
                "spec_id": "mood",
                "model": {"low": 6 if number % NOISE else 0},
            }
            try:
                answer = await caller.post(
                    "/v1/assessment_responses",
                    json=body,
                    headers={"Idempotency-Key": f"answer-{number}"},
                )
            except httpx.HTTPError:
                return
            assert answer.status_code in (200, 503), f"{answer.text}\n{self.logged()}"
            if answer.status_code == 200:
                self.answers[number] = answer.json()["id"]

    async def has_ended(self) -> bool:
        if len(self.answers) < ANSWERS:
            return False
        fired = await self.rows(
            "SELECT count(*) FROM process_firings WHERE environment_id = $1 AND state <> 'open'"
        )
        return bool(fired[0]["count"] >= len(self.fitting))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_cause_has_its_effects_once_whatever_is_killed(
    own_server: EmbeddedServer,
    home: Path,
    unused_tcp_port: int,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    clinic = Clinic(own_server, home)
    await clinic.begin(f"clinic-{seed}")
    processes = Processes(clinic, unused_tcp_port, work)
    share = -(-ANSWERS // KILLS)

    async def meanwhile(number: int) -> None:
        await clinic.answer(unused_tcp_port, number * share, min((number + 1) * share, ANSWERS))

    try:
        killed = await torment(clinic, processes, seed, meanwhile, clinic.has_ended)
        await ended(processes, clinic.has_ended, lambda: clinic.answer(unused_tcp_port, 0, ANSWERS))
    finally:
        processes.close()
    record_property("killed", dict(killed))
    assert killed.keys() == {"worker", "server", "postgres"}
    written = await clinic.rows("SELECT id FROM assessment_responses WHERE environment_id = $1")
    assert {str(row["id"]) for row in written} == set(clinic.answers.values())
    assert len(written) == ANSWERS
    fired = await clinic.rows(
        "SELECT event ->> 'row_id' AS of, state FROM process_firings WHERE environment_id = $1"
    )
    assert Counter((row["of"], row["state"]) for row in fired) == Counter(
        (answer, "done") for answer in clinic.fitting
    )
    effects = await clinic.rows(
        "SELECT f.event ->> 'row_id' AS of, e.place, e.resource FROM process_effects e"
        " JOIN process_firings f ON f.environment_id = $1 AND f.id = e.firing_id"
        " WHERE e.environment_id = $1"
    )
    assert Counter((row["of"], row["place"], row["resource"]) for row in effects) == Counter(
        (answer, place, resource)
        for answer in clinic.fitting
        for place, resource in enumerate(("care_flows", "patient_tasks"))
    )
    for resource in ("care_flows", "patient_tasks"):
        rows = await clinic.rows(
            f"SELECT r.user_id, e.row_id IS NOT NULL AS is_effect FROM {resource} r LEFT JOIN"
            " process_effects e ON e.environment_id = $1 AND e.row_id = r.id"
            " WHERE r.environment_id = $1"
        )
        assert len(rows) == len({row["user_id"] for row in rows}) == len(clinic.fitting)
        assert all(row["is_effect"] for row in rows)
    assert not await clinic.has_open_steps(QUEUE)
