"""A copy: loaded, ended anywhere and gone on, following, and whole."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from datetime import date, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from almoner import embedded
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import RESOURCES
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from almoner_client.errors import AlmonerError
from tests.cases import quick
from tests.changes.writing import until_true
from tests.client.copies import (
    SqliteCopy,
    begun,
    command,
    differing,
    grown_old,
    same,
    started,
    updated,
)
from tests.conftest import Api, Callers, new_environment
from tests.contract.rows import Place
from tests.programs import published

PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}
EVERY = [resource.name for resource in RESOURCES]


@pytest.fixture
def copy(tmp_path: Path) -> SqliteCopy:
    return SqliteCopy(tmp_path / "copy.db")


async def patient(api: Api, **values: Any) -> str:
    answer = await api.post("/v1/patients", json=PATIENT | values)
    assert answer.status_code == 200, answer.text
    row_id: str = answer.json().get("data", answer.json())["id"]
    return row_id


@pytest.mark.parametrize("shape", quick(["documented", "enveloped"], 1))
async def test_a_copy_has_every_collection_with_real_columns_and_follows_what_is_done(
    callers: Callers,
    program: int,
    store: Store,
    inside: Actor,
    copy: SqliteCopy,
    shape: str,
) -> None:
    async with await callers(program, "all", shape) as api, await callers(program) as writer:
        place = Place(writer, inside, store)
        for name in EVERY:
            await place.make(name)
        grace = await patient(writer, email="grace@example.org", phone="555-555-0001")
        await command(api, "mirror", "--to", copy.address, "--once")
        await same(copy, api, EVERY, shape)
        kinds = {row["name"]: row["type"] for row in copy.rows("PRAGMA table_info(patients)")}
        assert (kinds["birthday"], kinds["created_at"], kinds["id"]) == (
            "DATE",
            "TIMESTAMP",
            "TEXT",
        )
        await writer.put(f"/v1/patients/{grace}", json={"first_name": "Ada"})
        task = (await place.make("patient_tasks", user_id=grace))["id"]
        gone = (await place.make("patient_tasks", user_id=grace))["id"]
        await writer.delete(f"/v1/patient_tasks/{gone}")
        await command(api, "mirror", "--to", copy.address, "--once")
        await same(copy, api, EVERY, shape)
        assert task in copy.ids("patient_tasks")
        assert gone not in copy.ids("patient_tasks")


async def test_a_copy_goes_on_only_with_clients_of_the_environment_that_it_is_of(
    callers: Callers, database: Database, program: int, copy: SqliteCopy
) -> None:
    other = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, other, kiwi_health.source())
    async with (
        await callers(program) as api,
        await callers(program) as colleague,
        await callers(other) as stranger,
    ):
        grace = await patient(api)
        await updated(api, copy.address, ["patients"])
        await patient(stranger, first_name="Noise")
        before = copy.rows("SELECT * FROM almoner_mirror ORDER BY name")
        with pytest.raises(AlmonerError, match="of another environment"):
            await updated(stranger, copy.address)
        with pytest.raises(AlmonerError, match="of another environment"):
            await differing(stranger, copy.address, repair=True)
        assert copy.ids("patients") == {grace}
        assert copy.rows("SELECT * FROM almoner_mirror ORDER BY name") == before
        ada = await patient(api, first_name="Ada")
        await updated(colleague, copy.address)
        assert copy.ids("patients") == {grace, ada}


@pytest.mark.slow
async def test_a_copy_that_is_not_there_or_cannot_be_used_is_told_in_a_line(
    api: Api, postgres: str, tmp_path: Path
) -> None:
    for address in ("sqlite:///{}/a.db", "duckdb:///{}/a.duckdb", "parquet:{}/a", postgres):
        address = address.format(tmp_path)
        ended = await command(api, "mirror", "verify", "--to", address, status=2)
        assert ended.errors.startswith("almoner-client: There is no copy at "), ended.errors
    assert os.listdir(tmp_path) == []
    (tmp_path / "text.db").write_text("This is a letter, and no database.\n" * 100)
    for address in (
        f"sqlite:///{tmp_path}/nowhere/a.db",
        f"sqlite:///{tmp_path}/text.db",
        f"duckdb:///{tmp_path}/text.db",
        f"parquet:{tmp_path}/text.db",
        re.sub("//.*@", "//nobody:secret@", postgres),
    ):
        ended = await command(api, "mirror", "--to", address, "--once", status=2)
        assert (ended.errors.count("\n"), "secret" in ended.errors) == (1, False), ended.errors


async def test_chosen_collections_need_no_scope_of_others(
    callers: Callers, program: int, copy: SqliteCopy
) -> None:
    scope = "changes.read patients.read phone_numbers.read"
    async with await callers(program, scope) as api, await callers(program) as writer:
        await patient(writer, phone="555-555-0001")
        names = "patients,phone_numbers"
        asked = ("mirror", "--to", copy.address, "--once", "--scope", scope)
        await command(api, *asked, "--collections", names)
        await patient(writer, email="noise@example.org", phone="555-555-0002")
        await command(api, *asked)
        await same(copy, writer, names.split(","))
        tables = {row["name"] for row in copy.rows("SELECT name FROM sqlite_master")}
        assert "email_addresses" not in tables
        refused = await command(api, *asked, "--collections", "patient", status=2)
        assert "There is no collection patient. They are alerts," in refused.errors


async def test_a_copy_whose_place_in_the_feed_is_gone_is_whole_again(
    callers: Callers, program: int, connection: Any, copy: SqliteCopy
) -> None:
    async with await callers(program) as api:
        changed = await patient(api, last_name="Older")
        await patient(api, last_name="Other")
        once = ("mirror", "--to", copy.address, "--collections", "patients", "--once")
        await command(api, *once)
        await api.put(f"/v1/patients/{changed}", json={"last_name": "Newer"})
        await grown_old(connection, program)
        assert "1 rows were mended." in (await command(api, *once)).errors
        await same(copy, api, ["patients"])
        assert "mended" not in (await command(api, *once)).errors


@pytest.mark.slow
async def test_a_copy_that_is_killed_goes_on_where_it_was_and_follows_until_it_ends(
    api: Api, copy: SqliteCopy
) -> None:
    ids = {await patient(api, last_name=f"Hopper {number}") for number in range(30)}
    running = started(api, "mirror", "--to", copy.address)
    try:

        async def is_loaded() -> bool:
            return copy.path.is_file() and await _has(copy, ids)

        await until_true(is_loaded, "the copy is loaded")
        running.kill()
        running.wait(30)
        late = await patient(api, last_name="Late")
        running = started(api, "mirror", "--to", copy.address)

        async def has_the_late() -> bool:
            return await _has(copy, {late})

        await until_true(has_the_late, "the copy goes on")
        await api.put(f"/v1/patients/{late}", json={"first_name": "Ada"})

        async def follows() -> bool:
            names = copy.rows("SELECT first_name FROM patients WHERE id = ?", (late,))
            return names == [{"first_name": "Ada"}]

        await until_true(follows, "the copy follows")
    finally:
        running.kill()
        running.wait(30)
    await command(api, "mirror", "--to", copy.address, "--once")
    await same(copy, api, ["patients"])


async def test_of_two_that_begin_one_copy_at_once_the_first_says_where_in_the_feed(
    api: Api, copy: SqliteCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = asyncio.get_running_loop()

    def begin() -> None:
        with begun(api, copy.address) as first, begun(api, copy.address) as second:
            latest = second.client.feed

            def later(after: str) -> Any:
                # While the second asks, the first has loaded, and somebody writes.
                first.prepare()
                first.load()
                asyncio.run_coroutine_threadsafe(patient(api, last_name="Between"), here).result()
                return latest(after)

            monkeypatch.setattr(second.client, "feed", later)
            second.prepare()
            monkeypatch.undo()
            second.load()
            second.catch_up()

    await patient(api, last_name="Before")
    await asyncio.to_thread(begin)
    await same(copy, api, EVERY)


async def _has(copy: SqliteCopy, ids: set[str]) -> bool:
    tables = copy.rows("SELECT name FROM sqlite_master WHERE name = 'patients'")
    return bool(tables) and ids <= copy.ids("patients")


async def test_answers_and_records_are_columns_that_grow_with_the_program(
    api: Api, copy: SqliteCopy, database: Database, program: int
) -> None:
    grace = await patient(api)
    spec = {"spec_id": "mood_check", "user_id": grace}
    mood = {"low_mood": "some days", "lost_interest": "never", "wants_to_talk": False}
    answer = await api.post("/v1/assessment_responses", json=spec | {"model": mood})
    assert answer.status_code == 200, answer.text
    await command(api, "mirror", "--to", copy.address, "--once")
    (row,) = copy.rows("SELECT * FROM assessment_mood_check")
    assert {name: row[name] for name in mood} == mood | {"wants_to_talk": 0}
    assert (row["user_id"], row["good_time"]) == (grace, None)
    assert copy.rows("SELECT count(*) AS n FROM record_lab_result") == [{"n": 0}]
    grown = kiwi_health.source().replace(
        "          - {name: wants_to_talk,",
        "          - {name: hours_of_sleep, kind: integer, label: Hours}\n          - {name: wants_to_talk,",
    )
    async with database.connection() as connection:
        await publish(connection, program, grown, "test")
    answers: list[Any] = []

    async def is_asked() -> bool:
        # The server takes up what is published within two seconds.
        asked = spec | {"model": mood | {"hours_of_sleep": 7}}
        answer = await api.post("/v1/assessment_responses", json=asked)
        if answer.status_code == 200:
            answers.append(answer.json()["model"].get("hours_of_sleep"))
        return answers[-1:] == [7]

    await until_true(is_asked, "the new question is answered")
    await command(api, "mirror", "--to", copy.address, "--once")
    slept = copy.rows("SELECT hours_of_sleep AS h FROM assessment_mood_check ORDER BY created_at")
    assert [row["h"] for row in slept] == [None, *answers]


@pytest.mark.slow
async def test_a_copy_in_postgresql_has_the_types_of_its_fields(
    api: Api, postgres: str, store: Store, inside: Actor
) -> None:
    place = Place(api, inside, store)
    for name in EVERY:
        await place.make(name)
    grace = await patient(api, last_name="O'Hopper?")
    mood = {"low_mood": "some days", "lost_interest": "never", "wants_to_talk": False}
    spec = {"spec_id": "mood_check", "user_id": grace, "model": mood}
    answer = (await api.post("/v1/assessment_responses", json=spec)).json()
    address = await embedded.create_database(postgres, f"almoner_copy_{uuid.uuid4().hex[:12]}")
    await command(api, "mirror", "--to", address, "--once")
    gone = (await place.make("patient_tasks", user_id=grace))["id"]
    await command(api, "mirror", "--to", address, "--once")
    await api.delete(f"/v1/patient_tasks/{gone}")
    await api.put(f"/v1/patients/{grace}", json={"first_name": "Ada"})
    await command(api, "mirror", "--to", address, "--once")
    connection = await asyncpg.connect(address)
    try:
        (row,) = await connection.fetch("SELECT * FROM patients WHERE id = $1", grace)
        assert (row["first_name"], row["last_name"], row["birthday"]) == (
            *("Ada", "O'Hopper?"),
            date(1906, 12, 9),
        )
        assert isinstance(row["updated_at"], datetime)
        (row,) = await connection.fetch(
            "SELECT * FROM assessment_mood_check WHERE id = $1", answer["id"]
        )
        assert {name: row[name] for name in mood} == mood
        left = await connection.fetchval("SELECT count(*) FROM patient_tasks WHERE id = $1", gone)
        assert left == 0
        for name in EVERY:
            page = (await api.get(f"/v1/{name}", params={"page[size]": 1000})).json()[0]
            ids = await connection.fetch(f'SELECT id::text FROM "{name}"')
            assert {row["id"] for row in ids} == {row["id"] for row in page["data"]}, name
    finally:
        await connection.close()
        await embedded.drop_database(postgres, address.rpartition("/")[2])
