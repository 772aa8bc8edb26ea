"""A copy of every kind has the same tables, follows merges and the program, and is found out where
somebody has changed it.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from almoner import embedded
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.patient_merges.merge import merge_unasked
from almoner.resources import RESOURCES
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from tests.changes.writing import until_true
from tests.client.copies import (
    Copy,
    DuckCopy,
    ParquetCopy,
    PostgresCopy,
    SqliteCopy,
    differing,
    same,
    updated,
)
from tests.client.test_mirror import patient
from tests.conftest import Api
from tests.contract.rows import Place

EVERY = [resource.name for resource in RESOURCES]
MOOD = {"low_mood": "some days", "lost_interest": "never", "wants_to_talk": False}


@pytest.fixture
async def copies(postgres: str, tmp_path: Path) -> AsyncIterator[dict[str, Copy]]:
    address = await embedded.create_database(postgres, f"almoner_copy_{uuid.uuid4().hex[:12]}")
    yield {
        "sqlite": SqliteCopy(tmp_path / "copy.db"),
        "postgresql": PostgresCopy(address),
        "duckdb": DuckCopy(tmp_path / "copy.duckdb"),
        "parquet": ParquetCopy(tmp_path / "copy"),
    }
    await embedded.drop_database(postgres, address.rpartition("/")[2])


# What a new program asks is seen in every kind below; each kind by itself is in test_mirror.py.
@pytest.mark.slow
async def test_every_kind_has_the_same_tables_and_follows_changes_deletes_and_merges(
    api: Api, store: Store, inside: Actor, database: Database, copies: dict[str, Copy]
) -> None:
    place = Place(api, inside, store)
    for name in EVERY:
        await place.make(name)
    survivor = await patient(api, last_name="O'Hopper?", email="grace@example.org")
    other = await patient(api, last_name="O'Hopper?", phone="555-555-0001")
    task = (await place.make("patient_tasks", user_id=other))["id"]
    gone = (await place.make("patient_tasks", user_id=survivor))["id"]
    answer = await api.post(
        "/v1/assessment_responses", json={"spec_id": "mood_check", "user_id": other, "model": MOOD}
    )
    for copy in copies.values():
        await updated(api, copy.address)
        await same(copy, api, EVERY)
    await api.delete(f"/v1/patient_tasks/{gone}")
    await api.put(f"/v1/patients/{survivor}", json={"first_name": "Ada"})
    await api.put(f"/v1/patients/{other}", json={"first_name": "Ada"})
    async with database.transaction() as connection:
        await merge_unasked(connection, store.within(connection), inside, survivor, other)
    for kind, copy in copies.items():
        await updated(api, copy.address)
        await same(copy, api, EVERY)
        moved = {
            str(row["id"]): str(row["user_id"]) for row in copy.rows("SELECT * FROM patient_tasks")
        }
        assert (moved[task], gone in moved) == (survivor, False), kind
        (answers_row,) = copy.rows(
            f"SELECT * FROM assessment_mood_check WHERE id = '{answer.json()['id']}'"
        )
        assert {name: answers_row[name] for name in ("low_mood", "wants_to_talk")} == {
            "low_mood": "some days",
            "wants_to_talk": False,
        }, kind
        assert str(answers_row["user_id"]) == survivor, kind


@pytest.mark.slow
async def test_what_a_new_program_asks_is_columns_in_every_kind(
    api: Api, database: Database, program: int, copies: dict[str, Copy]
) -> None:
    grace = await patient(api)
    spec = {"spec_id": "mood_check", "user_id": grace}
    await api.post("/v1/assessment_responses", json=spec | {"model": MOOD})
    for kind, copy in copies.items():
        await updated(api, copy.address)
        (answers_row,) = copy.rows("SELECT * FROM assessment_mood_check")
        assert "hours_of_sleep" not in answers_row, kind
        assert copy.rows("SELECT count(*) AS n FROM record_lab_result") == [{"n": 0}], kind
    # What stands on a view of the copy is somebody's own: it goes on, and so does the copy.
    copies["postgresql"].rows(
        "CREATE VIEW analyst AS SELECT low_mood, count(*) AS n FROM assessment_mood_check GROUP BY 1"
    )
    grown = kiwi_health.source().replace(
        "          - {name: wants_to_talk,",
        "          - {name: hours_of_sleep, kind: integer, label: Hours}\n          - {name: wants_to_talk,",
    )
    async with database.connection() as connection:
        await publish(connection, program, grown, "test")
    answered: list[Any] = []

    async def is_asked() -> bool:
        # The server takes up what is published within two seconds.
        asked = spec | {"model": MOOD | {"hours_of_sleep": 7}}
        answer = await api.post("/v1/assessment_responses", json=asked)
        answered.append(answer.json().get("model", {}).get("hours_of_sleep"))
        return bool(answered[-1] == 7)

    await until_true(is_asked, "the new question is answered")
    for kind, copy in copies.items():
        await updated(api, copy.address)
        slept = copy.rows(
            "SELECT hours_of_sleep AS h FROM assessment_mood_check ORDER BY created_at"
        )
        assert [row["h"] for row in slept][-1:] == [7], kind
        assert slept[0] == {"h": None}, kind
    (analyzed,) = copies["postgresql"].rows("SELECT low_mood, n FROM analyst")
    assert analyzed["n"] == len(slept)


# Half a minute for a dozen looks at four copies.
@pytest.mark.slow
async def test_whatever_is_changed_or_deleted_in_a_copy_of_any_kind_is_found_and_mended(
    api: Api, copies: dict[str, Copy]
) -> None:
    ids = [await patient(api, last_name=f"Hopper {number}") for number in range(4)]
    for kind, copy in copies.items():
        await updated(api, copy.address, ["patients"])
        copy.done("patients", "last_name", "forged", ids[0])
        copy.deleted("patients", ids[1])
        # The hash that the server does not compare by version is covered by the copy's own.
        copy.done("patients", "almoner_digest", "0" * 16, ids[2])
        expected = {
            ("patients", ids[0], "different"),
            ("patients", ids[1], "missing"),
            ("patients", ids[2], "different"),
        }
        assert await differing(api, copy.address, by="json") == expected, kind
        assert await differing(api, copy.address, repair=True) == expected, kind
        assert await differing(api, copy.address, by="json") == set(), kind
        await same(copy, api, ["patients"])
    # Its files have no rule for ids.
    parquet = copies["parquet"]
    parquet.done("patients", "id", None, ids[2])
    expected = {("patients", ids[2], "missing"), ("patients", "", "extra")}
    assert await differing(api, parquet.address, repair=True) == expected
    await same(parquet, api, ["patients"])
    # Its tables have no key.
    doubled = copies["duckdb"]
    assert isinstance(doubled, DuckCopy)
    doubled.rows("INSERT INTO patients SELECT * FROM patients WHERE id = ?", (ids[3],))
    await differing(api, doubled.address, repair=True)
    await same(doubled, api, ["patients"])
    assert len(doubled.rows("SELECT id FROM patients")) == len(ids)
