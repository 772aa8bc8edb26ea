"""A change begins a job of the integrations that ask for it: each change once, whoever looks, and none of their own."""

from __future__ import annotations

import asyncio
from typing import Any

from almoner.data_api.writes import Actor
from almoner.integrations import Change, Integration, Task, changed
from almoner.resources import BY_NAME
from tests.integrations.conftest import Place
from tests.integrations.test_jobs import GRACE


def integration(handed: list[Change]) -> Integration:
    described = Integration(
        name="follower",
        title="Follower",
        scopes=("patients.read", "patients.write"),
        changes={"patients": ("phase", "last_name"), "external_ids": ()},
    )

    @described.task()
    async def run_follower(task: Task, changes: list[Change]) -> None:
        await task.each(answer, changes)

    @described.task()
    async def answer(task: Task, change: Change) -> None:
        handed.append(change)
        await task.store.update("patients", change.id, {"last_name": "Followed"})

    return described


def when(change: Change) -> str:
    return change.changed_at


async def update(place: Place, row_id: str, **fields: Any) -> None:
    by = Actor(place.environment, "test", "cli", "test", whole=True)
    await place.store.update(by, BY_NAME["patients"], row_id, fields, None)


async def test_a_change_begins_a_job_once_and_what_the_job_writes_begins_none(place: Place) -> None:
    handed: list[Change] = []
    described = integration(handed)

    async def look(times: int = 1) -> list[str]:
        tasks = BY_NAME["integration_tasks"]
        values = (place.database, place.store, tasks, {described.name: described})
        begun = await asyncio.gather(*(changed.begin_for_changes(*values) for _ in range(times)))
        jobs = [job_id for looked in begun for job_id in looked]
        for job_id in jobs:
            await place.work(described, job_id)
        return jobs

    before = await place.create("patients", GRACE)
    assert await look() == []
    await place.configure(described)
    async with place.database.transaction() as connection:
        await changed.watch(connection, place.environment, described.name)
    grace = await place.create("patients", GRACE)
    await update(place, before, phase="onboarding")
    await update(place, before, city="Arlington")
    # It was not granted to read these.
    await place.create(
        "external_ids",
        {"resource": "patients", "namespace": "n", "external_id": "1", "welkin_id": grace},
    )
    assert len(await look(4)) == 1
    assert [(c.collection, c.id, c.kind, c.user_id) for c in sorted(handed, key=when)] == [
        ("patients", grace, "create", grace),
        ("patients", before, "update", before),
    ]
    assert max(handed, key=when).fields == ["phase"]
    assert await look(2) == []
    async with place.database.transaction() as connection:
        await changed.watch(connection, place.environment, described.name)

    # Switched off, it is handed nothing; what changed meanwhile comes once it is on again.
    off = "UPDATE integrations SET enabled = $2 WHERE environment_id = $1"
    async with place.database.connection() as connection:
        await connection.execute(off, place.environment, False)
    await update(place, grace, last_name="Murray")
    assert await look() == []
    await place.configure(described)
    assert len(await look()) == 1
    assert [(c.id, c.fields) for c in handed[2:]] == [(grace, ["last_name"])]


async def test_many_changes_are_several_jobs_and_each_change_is_in_one_of_them(
    place: Place, monkeypatch: Any
) -> None:
    described = integration([])
    monkeypatch.setattr(changed, "MOST", 3)
    await place.configure(described)
    values = (
        place.database,
        place.store,
        BY_NAME["integration_tasks"],
        {described.name: described},
    )
    assert await changed.begin_for_changes(*values) == []
    ids = [await place.create("patients", GRACE) for _ in range(7)]
    assert len(await changed.begin_for_changes(*values)) == 3
    args = await place.rows(
        "SELECT args::text FROM work_steps WHERE environment_id = $1 ORDER BY id"
    )
    assert all(sum(row_id in row["args"] for row in args) == 1 for row_id in ids)
