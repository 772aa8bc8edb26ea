"""``almoner shell``: Python's own prompt with the database, the store and an environment at
hand.
"""

from __future__ import annotations

import ast
import asyncio
import code
import inspect
from contextlib import AsyncExitStack, suppress
from types import CodeType, FunctionType
from typing import Annotated, Any

import typer

from almoner.commands.session import ENVIRONMENT, connect, environment_id, run
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop.programs import PublishedPrograms

_HELP = """
  await sql("SELECT ... WHERE environment_id = $1", environment)   rows, as a list of dicts
  await store.create(by, resources["tasks"], {...})                 a write,
      checked and logged like any other
  await store.update(by, resources["tasks"], id, {...})
  await programs.of(environment)                                    the published program
  database, settings
"""


def shell(
    command: Annotated[
        str | None, typer.Option("--command", "-c", help="Run this instead of asking for lines.")
    ] = None,
    environment: ENVIRONMENT = None,
) -> None:
    """Open a Python prompt in which `await` works, with `sql`, `store`, `programs`, `database`,
    `environment` and `by` at hand.

    What is written through `store` is in the change log, by `operator`. What is read here is noted
    in no audit trail.

    Example: almoner shell -c 'print(await sql("SELECT count(*) FROM patients"))'
    """
    with suppress(ImportError):
        import readline  # noqa: F401  # lines can be edited and come back; not every Python has it
    with asyncio.Runner() as runner:
        opened = AsyncExitStack()
        try:
            names = run(_at_hand(opened, environment), by=runner.run)
            console = _Console(names, runner)
            if command is None:
                console.interact(
                    f"Almoner, in the environment {names['environment']}. At hand:\n{_HELP}", ""
                )
            elif not console.runs(command):
                raise typer.Exit(1)
        finally:
            runner.run(opened.aclose())


async def _at_hand(opened: AsyncExitStack, environment: str | None) -> dict[str, Any]:
    """The names that are known at the prompt; what they need stays open until ``opened`` is
    closed.
    """
    database, settings = await opened.enter_async_context(connect())
    async with database.connection() as connection:
        owner = await environment_id(connection, environment)
    programs = PublishedPrograms(database)

    async def sql(query: str, *values: Any) -> list[dict[str, Any]]:
        async with database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *values)]

    return {
        "sql": sql,
        "store": Store(database, programs, RESOURCES),
        "programs": programs,
        "database": database,
        "settings": settings,
        "resources": BY_NAME,
        "environment": owner,
        "by": Actor(owner, "operator", "cli", "shell", whole=True),
    }


class _Console(code.InteractiveConsole):
    """Python's prompt; what awaits runs on one loop, which stands still between two inputs."""

    def __init__(self, names: dict[str, Any], runner: asyncio.Runner) -> None:
        super().__init__(names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._names = names
        self._runner = runner
        self._failed = False

    def runs(self, source: str) -> bool:
        """Runs this source; whether nothing went wrong."""
        self._failed = False
        self.runcode(self.compile.compiler(source, "<command>", "exec"))
        return not self._failed

    def runcode(self, code: CodeType) -> None:
        """Runs one input, and says what went wrong."""
        try:
            answer = FunctionType(code, self._names)()
            if inspect.iscoroutine(answer):
                self._runner.run(answer)
        except SystemExit:
            raise
        except BaseException:
            self._failed = True
            self.showtraceback()
