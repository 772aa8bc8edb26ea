"""Whether a copy is whole: what was done to it is found, told and mended."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import RESOURCES
from almoner.settings import Settings
from almoner.workshop import kiwi_health
from tests.client.copies import SqliteCopy, command, same
from tests.client.test_mirror import PATIENT, patient
from tests.conftest import Api, Callers, ServerThread, free_port, new_environment
from tests.contract.rows import Place
from tests.programs import published

EVERY = [resource.name for resource in RESOURCES]


@pytest.fixture
def copy(tmp_path: Path) -> SqliteCopy:
    return SqliteCopy(tmp_path / "copy.db")


def done(copy: SqliteCopy, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """What somebody does to a copy by hand."""
    with sqlite3.connect(copy.path) as connection:
        for statement, values in statements:
            assert connection.execute(statement, values).rowcount == 1, statement
    connection.close()


# Six commands, each a process that has to start.
@pytest.mark.slow
@pytest.mark.parametrize("shape", ["documented", "enveloped"])
async def test_a_row_of_any_collection_that_was_changed_or_deleted_is_found_and_mended(
    callers: Callers,
    program: int,
    store: Store,
    inside: Actor,
    copy: SqliteCopy,
    shape: str,
) -> None:
    async with await callers(program, "all", shape) as api, await callers(program) as writer:
        place = Place(writer, inside, store)
        for name in EVERY * 2:
            await place.make(name)
        checked = ("mirror", "verify", "--to", copy.address, "--json")
        await command(api, "mirror", "--to", copy.address, "--once")
        assert (await command(api, *checked)).json["differing"] == []
        expected = set()
        for name in EVERY:
            first, second, *_ = sorted(copy.ids(name))
            column = copy.rows(f"PRAGMA table_info({name})")[1]["name"]
            done(
                copy,
                (f"UPDATE {name} SET {column} = 'forged' WHERE id = ?", (first,)),
                (f"DELETE FROM {name} WHERE id = ?", (second,)),
            )
            expected |= {(name, first, "different"), (name, second, "missing")}
        ghost = "00000000-0000-7000-8000-000000000000"
        done(copy, ("INSERT INTO patients (id, first_name) VALUES (?, 'Ghost')", (ghost,)))
        done(copy, ("INSERT INTO patients (id) VALUES (?)", ("no id",)))
        expected |= {("patients", ghost, "extra"), ("patients", "no id", "extra")}
        for arguments in (checked, (*checked, "--repair")):
            report = (await command(api, *arguments, status=1)).json
            differences = {(d["collection"], d["id"], d["what"]) for d in report["differing"]}
            assert differences == expected
        assert (await command(api, *checked)).json["differing"] == []
        await same(copy, api, EVERY, shape)


@pytest.mark.slow
async def test_rows_are_found_down_the_tree_and_what_the_feed_is_to_tell_is_no_difference(
    api: Api, copy: SqliteCopy
) -> None:
    rows = [PATIENT | {"last_name": f"Hopper {number}"} for number in range(2600)]
    for start in range(0, len(rows), 650):
        answer = await api.post("/v1/patients/batch", json={"create": rows[start : start + 650]})
        assert answer.status_code == 200, answer.text
    await command(api, "mirror", "--to", copy.address, "--once", "--collections", "patients")
    ids = sorted(copy.ids("patients"))
    assert len(ids) == 2600
    done(
        copy,
        ("UPDATE patients SET last_name = 'forged' WHERE id = ?", (ids[1300],)),
        ("DELETE FROM patients WHERE id = ?", (ids[0],)),
        ("DELETE FROM patients WHERE id = ?", (ids[-1],)),
    )
    late = await patient(api, last_name="Late")
    await api.put(f"/v1/patients/{ids[5]}", json={"first_name": "Ada"})
    checked = ("mirror", "verify", "--to", copy.address)
    output = await command(api, *checked, status=1)
    lines = {f"patients {ids[1300]} is different", f"patients {ids[0]} is missing"}
    lines |= {f"patients {ids[-1]} is missing", "3 rows differ."}
    assert set(output.out.splitlines()) == lines
    assert late in copy.ids("patients")
    assert (
        "rows differ, and were mended." in (await command(api, *checked, "--repair", status=1)).out
    )
    assert (await command(api, *checked)).out == "The copy of patients is whole.\n"


@pytest.mark.slow
async def test_a_copy_has_no_ghosts_of_what_a_restored_backup_has_lost(
    own_dsn: str, copy: SqliteCopy, tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path / "home",
        port=free_port(),
        database_url=own_dsn,
        connections=4,
        second_factor_for="none",
    )
    with ServerThread(settings) as running:
        database = await Database.connect(own_dsn, size=2)
        environment = await new_environment(database)
        async with database.connection() as connection:
            await published(connection, environment, kiwi_health.source())
        box = SecretBox(*KeySource("", settings.home).first())
        api = await Callers(running, database, box)(environment)
        unchanged, gone, changed = [
            await patient(api, last_name=n) for n in ("Kept", "Gone", "Old")
        ]
        await api.put(f"/v1/patients/{changed}", json={"last_name": "Newer"})
        await command(api, "mirror", "--to", copy.address, "--once")
        assert copy.ids("patients") == {unchanged, gone, changed}
        await database.close()
    restored = await asyncpg.connect(own_dsn)
    try:
        # As a backup leaves it: rows are gone or as they were, in a cluster that is another one.
        await restored.execute("SET session_replication_role = replica")
        await restored.execute("DELETE FROM patients WHERE id = $1", gone)
        await restored.execute(
            "UPDATE patients SET last_name = 'Older', updated_at = created_at WHERE id = $1",
            changed,
        )
        await restored.execute("UPDATE epochs SET system_identifier = 1")
    finally:
        await restored.close()
    with ServerThread(settings):
        ended = await command(api, "mirror", "--to", copy.address, "--once")
        assert "2 rows were mended." in ended.errors
        await same(copy, api, ["patients"])
        ended = await command(api, "mirror", "--to", copy.address, "--once")
        assert "mended" not in ended.errors
        await api.aclose()
