"""What a copy is of: all that a server offers, now and later, or what was chosen and no more; and what is in
its place that is nobody's row.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.resources import RESOURCES
from almoner_client import Client, Options
from almoner_client.errors import AlmonerError
from almoner_client.mirror import Mirror
from almoner_client.mirror.destinations import opened
from almoner_client.mirror.follow import bring_up_to_date
from tests.client.copies import SqliteCopy, begun, command, differing, same, updated
from tests.client.test_mirror import patient
from tests.conftest import Api, Callers
from tests.contract.rows import Place

EVERY = [resource.name for resource in RESOURCES]
LATER = "snoozes"


@pytest.fixture
def copy(tmp_path: Path) -> SqliteCopy:
    return SqliteCopy(tmp_path / "copy.db")


def before_there_was(copy: SqliteCopy, name: str) -> None:
    """Makes the copy what it was before the server had a collection of this name."""
    ((names,),) = (row.values() for row in copy.rows(_STATE, ("collections",)))
    left = json.dumps([each for each in json.loads(names) if each != name])
    copy.rows("UPDATE almoner_mirror SET value = ? WHERE name = 'collections'", (left,))
    copy.rows("DELETE FROM almoner_mirror WHERE name = ?", (f"load:{name}",))
    copy.rows(f"DROP TABLE {name}")


_STATE = "SELECT value FROM almoner_mirror WHERE name = ?"


async def mirrored(api: Api, copy: SqliteCopy, scope: str, work: Callable[[Mirror], None]) -> str:
    """Has a client with this scope work on a copy; what was said."""
    lines: list[str] = []

    def in_thread() -> None:
        options = Options(scope=scope)
        with (
            Client(str(api.base_url), api.client_id, api.client_secret, options) as client,
            opened(copy.address) as destination,
        ):
            work(Mirror(client, destination, say=lines.append))

    await asyncio.to_thread(in_thread)
    return "\n".join(lines)


async def test_a_collection_that_the_server_has_no_more_is_said_and_stays_as_it_is(
    api: Api, store: Store, inside: Actor, copy: SqliteCopy
) -> None:
    await Place(api, inside, store).make("messages")
    await updated(api, copy.address)
    ((names,),) = (row.values() for row in copy.rows(_STATE, ("collections",)))
    listed = json.dumps([*json.loads(names), "faxes"])
    copy.rows("UPDATE almoner_mirror SET value = ? WHERE name = 'collections'", (listed,))
    copy.rows("CREATE TABLE faxes (id TEXT)")
    copy.rows("INSERT INTO faxes (id) VALUES ('f')")
    lines = await updated(api, copy.address)
    assert any("no collection faxes any more" in line for line in lines)
    assert len(copy.rows("SELECT * FROM faxes")) == 1
    await same(copy, api, EVERY)


async def test_a_copy_of_all_takes_up_a_collection_that_came_later(
    api: Api, store: Store, inside: Actor, copy: SqliteCopy
) -> None:
    place = Place(api, inside, store)
    for name in (LATER, LATER, "messages"):
        await place.make(name)
    await updated(api, copy.address)
    before_there_was(copy, LATER)
    # Brought up to date, as it begins anew.
    lines = await updated(api, copy.address)
    assert f"Loading {LATER}." in lines
    await same(copy, api, EVERY)
    before_there_was(copy, LATER)
    assert await differing(api, copy.address) == set()
    await same(copy, api, EVERY)

    def follow() -> None:
        # The server is brought up to date while the copy follows.
        lines: list[str] = []
        with begun(api, copy.address, (), lines) as mirror:
            bring_up_to_date(mirror)
            assert not any("something new" in line for line in lines)
            before_there_was(copy, LATER)
            del mirror.tables[LATER]
            asyncio.run_coroutine_threadsafe(place.make(LATER), here).result()
            mirror.catch_up()

    here = asyncio.get_running_loop()
    await asyncio.to_thread(follow)
    await same(copy, api, EVERY)


async def test_a_copy_of_all_goes_on_where_a_later_collection_may_not_be_read(
    callers: Callers, program: int, copy: SqliteCopy
) -> None:
    scope = " ".join(["changes.read", *(f"{name}.read" for name in EVERY if name != LATER)])
    async with await callers(program) as api, await callers(program, scope) as narrow:
        await updated(api, copy.address)
        before_there_was(copy, LATER)
        grace = await patient(api)
        lines = await mirrored(narrow, copy, scope, bring_up_to_date)
        assert f"{LATER} is not copied." in lines
        assert copy.ids("patients") == {grace}
        # Once it may be read it is.
        assert f"Loading {LATER}." in await updated(api, copy.address)


async def test_a_narrow_copy_stays_so_says_so_and_can_be_widened(
    api: Api, store: Store, inside: Actor, copy: SqliteCopy
) -> None:
    place = Place(api, inside, store)
    for name in ("phone_numbers", "messages"):
        await place.make(name)
    once = ("mirror", "--to", copy.address, "--once")
    checked = ("mirror", "verify", "--to", copy.address)
    await updated(api, copy.address, ["patients"])
    ended = await command(api, *once, "--collections", "patients, phone_numbers")
    assert "The copy of patients, phone_numbers has caught up" in ended.errors
    assert (await command(api, *checked)).out == "The copy of patients, phone_numbers is whole.\n"
    assert not await _has_table(copy, "messages")
    await updated(api, copy.address, ["all"])
    await same(copy, api, EVERY)
    assert (await command(api, *checked)).out == "The copy is whole.\n"
    before_there_was(copy, LATER)
    await updated(api, copy.address)
    await same(copy, api, [LATER])


async def _has_table(copy: SqliteCopy, name: str) -> bool:
    return bool(copy.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)))


async def test_rows_of_a_copy_that_have_no_id_are_found_and_taken_away(
    api: Api, copy: SqliteCopy
) -> None:
    ids = {await patient(api, last_name=name) for name in ("Hopper", "Lovelace")}
    await updated(api, copy.address, ["patients"])
    with pytest.raises(sqlite3.IntegrityError):
        copy.rows("INSERT INTO patients (id) VALUES (NULL)")
    # Copies of earlier versions take it.
    ((statement,),) = (
        r.values() for r in copy.rows("SELECT sql FROM sqlite_master WHERE name = 'patients'")
    )
    copy.rows("ALTER TABLE patients RENAME TO former")
    copy.rows(statement.replace(" NOT NULL", ""))
    copy.rows("INSERT INTO patients SELECT * FROM former")
    copy.rows("DROP TABLE former")
    for row_id in (None, None, "", "None"):
        copy.rows("INSERT INTO patients (id) VALUES (?)", (row_id,))
    expected = {("patients", "", "extra"), ("patients", "None", "extra")}
    assert await differing(api, copy.address) == expected
    ended = await command(
        api, "mirror", "verify", "--to", copy.address, "--repair", "--json", status=1
    )
    assert {row["id"] for row in ended.json["differing"]} == {"", "None"}
    assert await differing(api, copy.address, by="json") == set()
    assert copy.ids("patients") == ids
    assert len(copy.rows("SELECT 1 FROM patients")) == len(ids)


async def test_a_table_of_somebody_else_is_left_as_it_is(api: Api, copy: SqliteCopy) -> None:
    copy.rows("CREATE TABLE patients (id TEXT, mine TEXT)")
    before = copy.rows("SELECT name, sql FROM sqlite_master")
    with pytest.raises(AlmonerError, match="patients is there already"):
        await updated(api, copy.address, ["messages", "patients"])
    assert copy.rows("SELECT name, sql FROM sqlite_master") == before
