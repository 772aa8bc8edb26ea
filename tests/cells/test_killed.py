"""A move whose process is killed, by a signal, at any moment goes on or is undone, and the environment is open in one place
at most."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any, Final

import asyncpg
import pytest

from almoner.access import environments
from almoner.cells import removal
from almoner.cells.moving import EnvironmentMove
from tests.cells.conftest import Cells
from tests.changes.writing import environment_of, insert, names_settled, opened

NAME: Final = "production"
# A move of its own process, which says each step that it takes.
_MOVE: Final = """
import asyncio, sys
from pathlib import Path
import asyncpg
from almoner.access.key_file import KeySource
from almoner.cells.moving import EnvironmentMove

async def move():
    both = [await asyncpg.connect(dsn, server_settings={"timezone": "UTC"}) for dsn in sys.argv[1:3]]
    tell = lambda text: print(text, flush=True)
    keys = KeySource("", Path(sys.argv[3]))
    await EnvironmentMove(*both, keys, "elsewhere", tell, lease_seconds=0.0, part=5).run("production")

asyncio.run(move())
"""
# What a move takes beyond the step after which it is killed, in seconds.
_WITHIN: Final = 0.05
_LINES: Final = 60


def _way(cells: Cells, back: bool) -> tuple[str, str]:
    """From where to where."""
    return (cells.there, cells.here) if back else (cells.here, cells.there)


async def _moved_and_killed(cells: Cells, back: bool, chance: random.Random) -> bool:
    """Moves in a process that is killed at some moment; whether that came before its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _MOVE, *_way(cells, back), str(cells.key_source.home)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    for _ in range(chance.randrange(_LINES)):
        if not await process.stdout.readline():
            break
    await asyncio.sleep(chance.uniform(0, _WITHIN))
    if process.returncode is None:
        process.kill()
    return await process.wait() != 0


async def _state(connection: Any) -> str | None:
    state: str | None = await connection.fetchval(
        "SELECT state FROM environments WHERE name = $1", NAME
    )
    return state


async def _undo(cells: Cells, back: bool) -> None:
    source, target = [await opened(dsn) for dsn in _way(cells, back)]
    move = EnvironmentMove(source, target, cells.key_source, "elsewhere", lambda text: None)
    await move.undo(NAME)
    source.terminate()
    target.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_a_move_that_is_killed_at_any_moment_goes_on_or_is_undone(
    cells: Cells, seed: int
) -> None:
    chance = random.Random(seed)
    places = [await opened(cells.here), await opened(cells.there)]
    for connection, others in zip(places, (1, 3), strict=True):
        for _ in range(others):
            await insert(connection, await environment_of(connection))
    environment = await environments.create(places[0], NAME)
    rows = [await insert(places[0], environment) for _ in range(20)]
    back = False
    for _ in range(2):
        here, there = places[back], places[not back]
        while await _state(there) != "open":
            was_killed = await _moved_and_killed(cells, back, chance)
            states = [await _state(here), await _state(there)]
            assert states.count("open") <= 1
            assert was_killed or states[1] == "open"
            if states[0] not in ("open", None) and states[1] != "open" and chance.random() < 0.4:
                await _undo(cells, back)
                assert (await _state(here), await _state(there)) == ("open", None)
            number = await here.fetchval("SELECT id FROM environments WHERE name = $1", NAME)
            try:
                row = await insert(here, number)
            except asyncpg.OperatorInterventionError:
                assert states[0] != "open"
            else:
                rows.append(row)
        number = await there.fetchval("SELECT id FROM environments WHERE name = $1", NAME)
        changes = await names_settled(there, number, len(rows))
        assert [change.row_id for change in changes] == rows
        rows.append(await insert(there, number))
        old = await here.fetchval("SELECT id FROM environments WHERE name = $1", NAME)
        await removal.remove(here, [old])
        back = not back
    for connection in places:
        await connection.close()
