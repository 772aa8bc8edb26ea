"""The demo in a database: accepted as it is, finished where it was broken off, and added to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from almoner.data_api.declare import Resource, Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.demo import generate, own_fields
from almoner.demo.load import load
from almoner.resources import RESOURCES
from tests.cases import quick

TODAY = date(2026, 3, 10)


class KilledError(Exception):
    """The process ends in the middle of a load."""


class DyingStore:
    """A store that ends after so many writes."""

    def __init__(self, store: Store, writes: int) -> None:
        self._store = store
        self._left = writes

    async def load(self, by: Actor, resource: Resource, rows: Sequence[Row]) -> int:
        if self._left == 0:
            raise KilledError
        self._left -= 1
        return await self._store.load(by, resource, rows)


class Demo:
    """Loads into one environment and looks at what is there."""

    def __init__(self, database: Database, store: Store, environment_id: int) -> None:
        self.database, self.store, self.environment_id = database, store, environment_id
        self.progress: list[tuple[int, int]] = []

    async def load(
        self, patients: int, seed: int = 1, today: date = TODAY, writes: int = -1
    ) -> int:
        store = DyingStore(self.store, writes)
        tell = self.progress.append
        return await load(
            self.database,
            store,  # type: ignore[arg-type]
            environment_id=self.environment_id,
            patients=patients,
            seed=seed,
            today=today,
            progress=lambda done, total: tell((done, total)),
        )

    async def counts(self) -> dict[str, int]:
        async with self.database.connection() as connection:
            return {
                r.name: await connection.fetchval(
                    f"SELECT count(*) FROM {r.name} WHERE environment_id = $1", self.environment_id
                )
                for r in RESOURCES
            }

    async def values(self, select: str, **equal: str) -> list[str | None]:
        also = "".join(f" AND {name} = ${place}" for place, name in enumerate(equal, 2))
        async with self.database.connection() as connection:
            records = await connection.fetch(
                f"{select} WHERE environment_id = $1{also}", self.environment_id, *equal.values()
            )
        return [record[0] for record in records]


@pytest.fixture
def demo(database: Database, store: Store, program: int) -> Demo:
    return Demo(database, store, program)


async def test_the_store_accepts_every_row_and_every_collection_has_some(demo: Demo) -> None:
    assert await demo.load(300) == 300
    counts = await demo.counts()
    assert counts["workers"] == counts["calendars"] == 40
    assert counts["patients"] == 300
    assert min(counts.values()) > 0
    assert demo.progress == [(0, 300), (200, 300), (300, 300)]
    announced = Counter(await demo.values("SELECT resource FROM changes", kind="create"))
    assert announced == counts


async def test_every_phase_type_and_assessment_of_the_program_occurs(
    demo: Demo, store: Store
) -> None:
    await demo.load(300)
    program = await store._programs.newest(demo.environment_id)
    assert set(await demo.values("SELECT phase FROM patients")) == set(program.phases)
    assert set(await demo.values("SELECT appointment_type FROM calendar_events")) == set(
        program.appointment_types
    )
    assert set(await demo.values("SELECT task_type FROM patient_tasks")) == set(program.task_types)
    assert set(await demo.values("SELECT spec_id FROM assessment_responses")) == set(
        program.newest_specs
    )
    assert set(await demo.values("SELECT type_name FROM custom_data_type_records")) == set(
        program.custom_data_types
    )


async def test_a_second_load_changes_nothing(demo: Demo) -> None:
    await demo.load(30)
    before = await demo.counts()
    assert await demo.load(30, today=TODAY + timedelta(days=40)) == 0
    assert await demo.load(10) == 0
    assert await demo.counts() == before


async def test_more_patients_are_added_to_those_that_are_there(demo: Demo) -> None:
    await demo.load(10)
    assert await demo.load(25) == 15
    assert (await demo.counts())["patients"] == 25


async def test_another_seed_is_added_beside_the_first_even_with_workers_of_the_same_address(
    demo: Demo, store: Store
) -> None:
    twin = generate.workers(2, TODAY)[0] | {"id": "0b5e7c1e-25e0-4f0b-8a3c-b8f21a2a4a11"}
    await store.load(
        Actor(demo.environment_id, "test", "cli", "test", whole=True), RESOURCES[-1], [twin]
    )
    await demo.load(20)
    assert await demo.load(20, seed=2) == 20
    counts = await demo.counts()
    assert counts["patients"] == 40
    assert counts["workers"] == counts["calendars"]


@pytest.mark.parametrize("writes", quick([6, 0, 1, 2, 5, 11, 12], 2))
async def test_a_load_that_was_killed_is_finished_by_the_next_one_even_on_another_day(
    demo: Demo, database: Database, store: Store, writes: int
) -> None:
    with pytest.raises(KilledError):
        await demo.load(12, writes=writes)
    assert await demo.load(12, today=TODAY + timedelta(days=1)) == 12
    assert await demo.counts() == expected(12)
    assert await demo.load(12) == 0


def expected(patients: int) -> dict[str, int]:
    workers = generate.workers(1, TODAY)
    files = [
        generate.patient(1, n, TODAY, workers, {w["id"]: w["id"] for w in workers})
        for n in range(patients)
    ]
    whole = [own_fields.with_own(file, TODAY) for file in files]
    counts = {name: sum(len(file[name]) for file in whole) for name in own_fields.collections()}
    return counts | {"workers": len(workers), "calendars": len(workers)}


async def test_a_task_that_a_visitor_deleted_stays_deleted(demo: Demo) -> None:
    await demo.load(30)
    before = await demo.counts()
    async with demo.database.transaction() as connection:
        await connection.execute(
            "DELETE FROM patient_tasks WHERE environment_id = $1", demo.environment_id
        )
    assert await demo.load(31) == 1
    added = expected(31)["patient_tasks"] - expected(30)["patient_tasks"]
    assert (await demo.counts())["patient_tasks"] == added < before["patient_tasks"]
