"""The commands by which an operator moves an environment and removes what is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from almoner.access import environments
from almoner.settings import Settings
from tests.cells.conftest import Cells
from tests.changes.writing import insert, opened
from tests.erasure.calling import called


@pytest.mark.slow
async def test_an_operator_looks_moves_and_removes(cells: Cells, settings: Settings) -> None:
    here = replace(settings, database_url=cells.here, owner_database_url=cells.here)
    there = replace(here, database_url=cells.there, owner_database_url=cells.there)
    connection = await opened(cells.here)
    row = await insert(connection, await environments.create(connection, "production"))
    await connection.close()

    def states(at: Settings) -> dict[str, Any]:
        return {each["name"]: each["state"] for each in called(at, "environment", "list")}

    refused = called(here, "environment", "remove", "production", "--yes", code=1)
    assert "production" in refused
    move = ("environment", "move", "production", "--to", cells.there)
    assert called(here, *move, "--dry-run") == {"environments": ["production"]}
    assert states(here) == {"production": "open"}
    moved = called(here, *move)
    assert moved["environments"] == ["production"]
    assert (states(here), states(there)) == ({"production": "moved"}, {"production": "open"})
    assert "moved already" in called(here, *move, code=2)
    assert "moved already" in called(here, *move, "--undo", code=2)
    assert called(here, "environment", "remove", "production", "--yes")["rows"] > 0
    assert states(here) == {}
    connection = await opened(cells.there)
    assert await connection.fetchval("SELECT id::text FROM patients") == row
    await connection.close()
