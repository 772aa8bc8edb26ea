"""``almoner shell``: a prompt with the database, the store and an environment at hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

from typer.testing import CliRunner

from almoner.cli import app
from almoner.database import Database


async def name_of(database: Database, environment: int) -> str:
    async with database.connection() as connection:
        name: str = await connection.fetchval(
            "SELECT name FROM environments WHERE id = $1", environment
        )
        return name


async def test_what_is_typed_may_await_and_goes_on_after_a_mistake(
    dsn: str, home: Path, database: Database, program: int
) -> None:
    script = """
first = await sql("SELECT $1::int AS number", 6)
first[0]["number"] * 7
unheard_of
given = {"email": "s@example.org", "first_name": "S", "last_name": "H", "timezone": "US/Eastern"}
written = await store.create(by, resources["workers"], given)
(await sql("SELECT actor, through FROM changes WHERE environment_id = $1 AND row_id = $2",
    environment, written.id))[-1]
"""
    environ = {"ALMONER_DATABASE_URL": dsn, "ALMONER_HOME": str(home)}
    name = await name_of(database, program)

    def shell(*words: str, text: str = "") -> tuple[int, str]:
        result = CliRunner().invoke(
            app, ["shell", "--environment", name, *words], env=environ, input=text
        )
        return result.exit_code, result.output

    code, output = await asyncio.to_thread(shell, text=script)
    assert code == 0
    assert "42" in output
    assert "NameError: name 'unheard_of' is not defined" in output
    assert "{'actor': 'operator', 'through': 'cli'}" in output
    assert await asyncio.to_thread(
        shell, "-c", "print(len((await programs.of(environment)).roles) > 0)"
    ) == (0, "True\n")
    assert (await asyncio.to_thread(shell, "-c", "1 / 0"))[0] == 1
