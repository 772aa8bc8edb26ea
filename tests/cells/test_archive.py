"""A whole environment in a file: made of it elsewhere it is the same, and goes on."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from almoner.access import clients, environments, keys
from almoner.access.secrets import SecretBox
from almoner.access.tokens import Tokens
from almoner.cells import archive, closing, places, removal
from almoner.cells.archive import ArchivedEnvironment
from almoner.chains import seal
from almoner.chains.verify import verify
from almoner.database import Database
from almoner.errors import SettingError, UnavailableError
from almoner.settings import Settings
from tests.cells.conftest import Cells
from tests.changes.writing import environment_of, follow, insert, names_settled, opened, rename
from tests.erasure.calling import called, command

NAME = "production"


async def exported(cells: Cells) -> tuple[bytes, ArchivedEnvironment]:
    source, pieces = await opened(cells.here), bytearray()

    async def send(piece: bytes) -> None:
        pieces.extend(piece)

    report = await archive.write(source, await places.environments_of(source, NAME), send)
    await source.close()
    return bytes(pieces), report


async def imported(cells: Cells, content: bytes) -> ArchivedEnvironment:
    target = await opened(cells.there)
    try:
        box = await keys.box(target, cells.key_source)
        parts = (content[at : at + 1000] for at in range(0, len(content), 1000))
        return await archive.read(target, parts, box, lambda text: None)
    finally:
        await target.close()


async def test_a_closed_environment_goes_on_where_its_file_is_imported(cells: Cells) -> None:
    here, there = await opened(cells.here), await opened(cells.there)
    for _ in range(2):
        await insert(there, await environment_of(there))
    box = SecretBox(*cells.key_source.read())
    old = await environments.create(here, NAME)
    await environments.create(here, "rehearsal", old)
    client = await clients.create(
        here, box, environment_id=old, name="follower", scope="all", shape="documented"
    )
    token = await clients.long_lived_token(here, client.client_id)
    rows = [await insert(here, old, name) for name in ("Grace", "Tab\tand\nline", "\\N")]
    await rename(here, old, rows[0], "Ada")
    await seal.seal_all(here)
    changes = await names_settled(here, old, 4)
    await closing.close(here, await places.environments_of(here, NAME), lease_seconds=0.0)
    database = await Database.connect(cells.here, size=2)
    with pytest.raises(UnavailableError):
        await Tokens(database).load(token)
    await database.close()

    content, report = await exported(cells)
    for broken in (content[: len(content) // 2], content[:-20], b"", b"{}\n"):
        with pytest.raises(SettingError, match="ends before its end"):
            await imported(cells, broken)
        assert await there.fetchval("SELECT count(*) FROM environments") == 2
    assert await imported(cells, content) == report
    with pytest.raises(SettingError, match="already"):
        await imported(cells, content)

    new = await there.fetchval("SELECT id FROM environments WHERE name = $1", NAME)
    assert new != old
    assert [change.position for change in await follow(there, new)] == [
        change.position for change in changes
    ]
    row = await insert(there, new)
    (last,) = await names_settled(there, new, 1, changes[-1].position)
    assert last.row_id == row
    names = await there.fetch("SELECT first_name FROM patients WHERE environment_id = $1", new)
    assert {each["first_name"] for each in names} == {"Ada", "Tab\tand\nline", "\\N", "Grace"}
    async with there.transaction(isolation="repeatable_read"):
        assert (await verify(there, new)).faults == []

    # What has come by a file can be closed, opened and removed as any other.
    arrived = await places.environments_of(there, NAME)
    await closing.close(there, arrived, lease_seconds=0.0)
    assert {each.state for each in await places.environments_of(there, NAME)} == {"moved"}
    with pytest.raises(asyncpg.OperatorInterventionError):
        await insert(there, new)
    await closing.open_again(there, await places.environments_of(there, NAME))
    await insert(there, new)

    await closing.open_again(here, await places.environments_of(here, NAME))
    await insert(here, old)
    await closing.close(here, await places.environments_of(here, NAME), lease_seconds=0.0)
    await removal.remove(here, [each.id for each in await places.environments_of(here, NAME)])
    assert await here.fetchval("SELECT count(*) FROM environments") == 0
    await here.close()
    await there.close()


@pytest.mark.slow
async def test_an_operator_exports_into_a_sealed_file_and_imports_it(
    cells: Cells, settings: Settings
) -> None:
    here = replace(settings, database_url=cells.here)
    there = replace(here, database_url=cells.there)
    connection = await opened(cells.here)
    row = await insert(connection, await environments.create(connection, NAME), "Grace-of-the-file")
    await connection.close()
    file = settings.home / "production.almoner"
    assert called(here, "environment", "close", NAME) == {"closed": NAME}
    report = called(here, "environment", "export", NAME, "--to", str(file))
    assert b"Grace-of-the-file" not in file.read_bytes()
    assert called(there, "environment", "import", "--from", str(file)) == report
    assert called(here, "environment", "open", NAME) == {"opened": NAME}
    refused = command(here, "environment", "export", NAME, "--to", str(settings.home / "no" / "x"))
    assert refused.returncode == 1
    connection = await opened(cells.there)
    assert await connection.fetchval("SELECT id::text FROM patients") == row
    await connection.close()
