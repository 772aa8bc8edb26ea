"""What works by itself reads each published part of a program once."""

from __future__ import annotations

from almoner.database import Database
from almoner.workshop.publish import publish
from almoner.workshop.published_at_hand import at_hand
from tests.conftest import new_environment
from tests.processes.test_acting import LOW, PROGRAM


async def test_a_version_is_read_once_and_one_that_is_published_later_is_read_then(
    own_dsn: str,
) -> None:
    statements: list[str] = []
    database = await Database.connect(
        own_dsn, size=2, on_statement=lambda statement, _: statements.append(statement)
    )
    environment, noise = await new_environment(database), await new_environment(database)
    async with database.connection() as connection:
        for each in (environment, noise):
            await publish(connection, each, PROGRAM.removesuffix("processes:\n"), "test")
        published = at_hand(database)
        assert await published.outline(connection, environment, 2) is None
        statements.clear()
        for _ in range(3):
            outline = await at_hand(database).outline(connection, environment, 1)
            scorer = await at_hand(database).scorer(connection, environment, "mood", 1)
            assert outline is not None
            assert outline.processes == ()
            assert scorer is not None
            assert scorer.score({"low": 6}) is not None
        assert len(statements) == 2
        assert await published.scorer(connection, noise, "mood", 2) is None
        await publish(connection, environment, PROGRAM + LOW, "test")
        outline = await published.outline(connection, environment, 2)
        assert outline is not None
        assert len(outline.processes) == 1
        assert await published.outline(connection, noise, 2) is None
    await database.close()
