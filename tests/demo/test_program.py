"""The program of the demo, and what somebody publishes over it."""

from __future__ import annotations

from almoner.database import Database
from almoner.demo import program
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from tests.conftest import new_environment

NEWEST = "SELECT version, published_by FROM programs WHERE environment_id = $1 ORDER BY version DESC LIMIT 1"


async def test_what_somebody_has_published_in_the_demo_stays_when_it_is_started_again(
    database: Database, environment: int
) -> None:
    noise = await new_environment(database)
    async with database.connection() as connection:
        for _ in range(2):
            await program.publish_unless_changed(connection, environment)
        await publish(connection, noise, kiwi_health.source(), "somebody else")
        assert tuple(await connection.fetchrow(NEWEST, environment)) == (1, "demo")
        changed = kiwi_health.source().replace("Kiwi Health", "Our clinic")
        await publish(connection, environment, changed, "dana")
        await program.publish_unless_changed(connection, environment)
        assert tuple(await connection.fetchrow(NEWEST, environment)) == (2, "dana")
        await program.publish_unless_changed(connection, noise)
        assert tuple(await connection.fetchrow(NEWEST, noise)) == (1, "somebody else")
