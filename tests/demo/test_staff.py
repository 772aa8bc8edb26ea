"""Who works at the demo's clinic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from almoner.access import accounts
from almoner.access.grants import EVERYTHING
from almoner.access.worker_events import By
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.demo import morning, staff
from almoner.demo.load import load

NOW = datetime(2026, 3, 9, 15, 0, tzinfo=UTC)
BY = By("demo", "demo", EVERYTHING)


async def test_nine_coaches_and_a_supervisor_work_beside_the_coach_and_one_is_covered(
    database: Database, store: Store, program: int
) -> None:
    await load(
        database,
        store,
        environment_id=program,
        patients=60,
        seed=1,
        today=NOW.date(),
        progress=lambda *_: None,
    )
    coach = await morning.prepare(database, store, program, NOW)
    assert coach is not None
    async with database.connection() as connection:
        await staff.employ(connection, program, coach.id, BY, NOW)
        workers = {
            worker.worker_id: worker.roles
            for worker in await accounts.list_accounts(connection, program)
            if worker.roles
        }
        away = await connection.fetchrow(
            "SELECT worker_id::text, cover_id::text, to_time FROM absences WHERE environment_id = $1",
            program,
        )
        assert sorted(workers.values()) == [("coach",)] * 9 + [("supervisor",)]
        assert coach.id not in workers
        assert {workers[away["worker_id"]], workers[away["cover_id"]]} == {("coach",)}
        assert away["to_time"] == NOW + timedelta(days=5)
        # Who was given another role since keeps it at the next start, and nobody comes in their place.
        await accounts.set_roles(connection, program, away["cover_id"], ("nurse",), BY)
        await staff.employ(connection, program, coach.id, BY, NOW + timedelta(days=1))
        again = await accounts.list_accounts(connection, program)
    assert sorted(worker.roles for worker in again if worker.roles) == [
        *[("coach",)] * 8,
        ("nurse",),
        ("supervisor",),
    ]
