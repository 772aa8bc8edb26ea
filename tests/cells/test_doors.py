"""What callers and workers are told while an environment is closed, and that others notice
nothing."""

from __future__ import annotations

from almoner.cells import closing, places
from almoner.cells.moving import LEASE_SECONDS
from almoner.database import Database
from tests.changes.writing import opened
from tests.conftest import Api, Callers, new_environment
from tests.people import People

PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


async def test_whoever_comes_to_a_closed_environment_is_asked_to_come_again(
    api: Api, callers: Callers, people: People, program: int, database: Database, dsn: str
) -> None:
    other = await new_environment(database)
    connection = await opened(dsn)
    name = await connection.fetchval("SELECT name FROM environments WHERE id = $1", program)
    async with await people(program, "designer") as person, await callers(other) as beside:
        assert (await api.get("/v1/patients")).status_code == 200
        assert (await person.get("/")).status_code < 400
        here = await places.environments_of(connection, name)
        await closing.close(connection, here, LEASE_SECONDS)
        closed = [
            await api.get("/v1/patients"),
            await api.get("/v1/changes"),
            await api.post("/v1/patients", json=PATIENT),
            await person.get("/"),
        ]
        assert [answer.status_code for answer in closed] == [503] * 4
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in closed)
        assert (await beside.get("/v1/patients")).status_code == 200
        await closing.open_again(connection, here)
        assert (await api.post("/v1/patients", json=PATIENT)).status_code < 300
        assert (await person.get("/")).status_code < 400
    await connection.close()
