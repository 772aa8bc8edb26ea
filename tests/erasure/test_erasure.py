"""Nothing of an erased person is left, and nothing of anybody else is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table, Text
from typer.testing import CliRunner

from almoner.access.key_file import KeySource
from almoner.access.worker_events import By
from almoner.backups.folder import BackupFolder
from almoner.backups.sealing import BackupKeys
from almoner.backups.storage import FolderStorage
from almoner.cli import app
from almoner.commands.backup import list_erasures
from almoner.database import Database
from almoner.erasure import erasure_requests
from almoner.settings import Settings
from almoner.vocabulary import clocks
from tests.conftest import Api
from tests.contract.rows import end_of_feed, written_since
from tests.erasure.calling import called, command
from tests.erasure.known import (
    ERASED,
    SCHEMA,
    STRANGER,
    Known,
    expected,
    places,
    uncovered,
)
from tests.people import Person
from tests.portal.merging import merge
from tests.portal.test_patients_lossless import Records


def test_every_column_that_can_tell_of_a_patient_is_spoken_of() -> None:
    assert uncovered(SCHEMA) == []


def test_a_new_table_about_patients_is_noticed() -> None:
    metadata = MetaData()
    for table in SCHEMA.tables.values():
        table.to_metadata(metadata)
    Table("walks", metadata, Column("patient_id", Text), Column("told", Text))
    Table(
        "strolls",
        metadata,
        Column("environment_id", Text),
        Column("of", Text),
        ForeignKeyConstraint(["environment_id", "of"], ["patients.environment_id", "patients.id"]),
    )
    assert uncovered(metadata) == ["strolls.of", "walks.patient_id"]


@pytest.mark.slow
async def test_no_value_of_an_erased_patient_is_anywhere_and_followers_hear_of_each_row(
    known: Known,
    records: Records,
    connection: Any,
    api: Api,
    settings: Settings,
    name: str,
    coach: Person,
) -> None:
    patient, stranger = await known.patient(1, ERASED), await known.patient(2, STRANGER)
    merged = await records.patient(3, first_name=ERASED, last_name="Twice")
    assert (await merge(coach, patient, merged, wins="kept", sure="yes")).status_code == 303
    await connection.execute("ANALYZE")
    before, theirs = await places(connection, ERASED), await places(connection, STRANGER)
    assert expected() - before.keys() == set()
    assert any(place.startswith("statistics") for place in before)
    cursor = await end_of_feed(api)

    done = called(
        settings, "patient", "erase", patient, "--reason", "asked for it", "--yes", "-e", name
    )

    assert await places(connection, ERASED) == {}
    after = await places(connection, STRANGER)
    assert {place: n for place, n in after.items() if not place.startswith("stat")} == {
        place: n for place, n in theirs.items() if not place.startswith("stat")
    }
    texts = [path for path in settings.home.rglob("*") if path.is_file()]
    assert texts
    assert not [path for path in texts if ERASED.encode() in path.read_bytes()]
    assert (await api.get(f"/v1/patients/{patient}")).status_code == 404
    assert (await api.get(f"/v1/patients/{stranger}")).status_code == 200

    entries, _ = await written_since(api, cursor)
    deleted = [row for row in entries if row["kind"] == "delete"]
    assert {patient, merged} <= {row["id"] for row in deleted}
    assert {"messages", "external_ids", "phone_numbers"} <= {row["resource"] for row in deleted}
    assert stranger not in {row["patient_id"] for row in entries}
    assert done["record_ids"] == [patient, merged]
    assert (done["reason"], done["state"]) == ("asked for it", "erased")
    assert done["counts"]["patients"] == 2
    [event] = [
        row
        for row in called(settings, "audit", "events", "--all", "-e", name)
        if row["event"] == "patient erased"
    ]
    assert (event["object"], event["actor"]) == (f"patient:{patient}", "operator")
    # What was to be done for them is called off; the rest of the queue goes on.
    states = await connection.fetch(
        "SELECT queue, state FROM work_steps WHERE environment_id = $1 ORDER BY 1, 2",
        api.environment_id,
    )
    assert [tuple(row) for row in states] == [
        *(("almoner.processes", state) for state in ("cancelled", "ready")),
        *(("of_a_test", state) for state in ("cancelled", *["done"] * 8, *["failed"] * 2, "ready")),
    ]
    gone = await api.post(
        "/v1/phone_numbers",
        json={"user_id": patient, "phone_number": "415-555-0001", "phone_number_type": "cell"},
    )
    assert gone.status_code == 404


@pytest.mark.slow
async def test_an_erasure_that_is_killed_in_the_middle_has_not_begun(
    known: Known, connection: Any, aside: Any, settings: Settings, name: str
) -> None:
    patient = await known.patient(1, ERASED)
    before = await places(connection, ERASED)
    words = ("patient", "erase", patient, "--reason", "x", "--yes", "-e", name)
    environ = {
        **os.environ,
        "ALMONER_DATABASE_URL": settings.database_url,
        "ALMONER_HOME": str(settings.home),
    }
    async with connection.transaction():
        # Rows of other tables are gone by the time that it comes to this one.
        await connection.execute("LOCK TABLE import_parts IN ACCESS EXCLUSIVE MODE")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from almoner.cli import main; main()", *words), env=environ
        )
        while not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
            " AND relation = 'import_parts'::regclass)"
        ):
            assert process.returncode is None
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert await places(connection, ERASED) == before
    called(settings, *words)
    assert await places(connection, ERASED) == {}


@pytest.mark.slow
async def test_a_hold_keeps_a_patient_until_it_is_ended(
    records: Records, settings: Settings, name: str
) -> None:
    patient, stranger = await records.patient(1), await records.patient(2)
    erase = ("patient", "erase", patient, "--yes", "-e", name)
    assert "Say why" in called(settings, *erase, code=1)
    called(settings, "patient", "hold", patient, "--reason", "case 12", "-e", name)
    assert "case 12" in called(settings, *erase, "--reason", "x", code=1)
    [listed] = called(settings, "patient", "holds", "-e", name)
    assert (listed["patient_id"], listed["reason"]) == (patient, "case 12")
    called(settings, "patient", "release", patient, "-e", name)
    called(settings, *erase, "--reason", "x")
    assert called(settings, "patient", "holds", "-e", name) == []
    assert stranger


async def test_what_waits_for_another_record_of_the_same_person_is_decided_along(
    records: Records,
    settings: Settings,
    name: str,
    api: Api,
    database: Database,
    coach: Person,
) -> None:
    patient, merged, stranger = [await records.patient(number) for number in range(1, 4)]
    by = By("worker:somebody", "a page")
    async with database.transaction() as connection:
        for asked in (patient, merged, stranger):
            await erasure_requests.ask(connection, api.environment_id, asked, "x", by)
    assert (await merge(coach, patient, merged, wins="kept", sure="yes")).status_code == 303
    called(settings, "patient", "erase", patient, "--yes", "-e", name)
    listed = called(settings, "patient", "erasures", "-e", name)
    assert {row["patient_id"]: row["state"] for row in listed} == {
        patient: "erased",
        merged: "erased",
        stranger: "waiting",
    }


@pytest.mark.slow
async def test_who_was_erased_is_erased_again_after_a_restore(
    records: Records, settings: Settings, name: str, tmp_path: Path, api: Api
) -> None:
    patient, stranger = await records.patient(1), await records.patient(2)
    entry = {"state": "erased", "reason": "asked for it"}
    listed = [
        entry | {"record_ids": [patient]},
        entry | {"record_ids": ["00000000-0000-0000-0000-000000000009"]},
        entry | {"record_ids": [stranger], "state": "withdrawn"},
    ]
    path = tmp_path / "erasures.json"
    path.write_bytes(msgspec.json.encode(listed))
    erased = called(settings, "patient", "erase", "--again", str(path), "-e", name)
    assert [row["patient_id"] for row in erased] == [patient]
    assert (await api.get(f"/v1/patients/{stranger}")).status_code == 200
    again = called(settings, "patient", "erasures", "-e", name)
    path.write_bytes(msgspec.json.encode(again))
    assert called(settings, "patient", "erase", "--again", str(path), "-e", name) == []


@pytest.mark.slow
async def test_who_waited_or_was_on_hold_as_the_backup_was_made_is_erased_again_like_others(
    records: Records,
    settings: Settings,
    name: str,
    tmp_path: Path,
    api: Api,
    database: Database,
) -> None:
    on_hold, asked, later_hold, last = [await records.patient(number) for number in range(1, 5)]
    called(settings, "patient", "hold", on_hold, "--reason", "case 12", "-e", name)
    by = By("worker:somebody", "a page")
    async with database.transaction() as connection:
        await erasure_requests.ask(connection, api.environment_id, asked, "on the page", by)
    moment = clocks.iso(datetime.now(UTC))
    called(settings, "patient", "hold", later_hold, "--reason", "case 13", "-e", name)
    entry = {"state": "erased", "reason": "asked for it", "decided_at": moment}
    listed = [entry | {"record_ids": [record]} for record in (on_hold, later_hold, asked, last)]
    path = tmp_path / "erasures.json"
    path.write_bytes(msgspec.json.encode(listed))
    words = called(settings, "patient", "erase", "--again", str(path), "-e", name, code=1)
    assert (later_hold in words, "case 13" in words) == (True, True)
    there = {
        each: (await api.get(f"/v1/patients/{each}")).status_code for each in (on_hold, asked, last)
    }
    assert there == dict.fromkeys((on_hold, asked, last), 404)
    assert (await api.get(f"/v1/patients/{later_hold}")).status_code == 200
    called(settings, "patient", "release", later_hold, "-e", name)
    async with database.transaction() as connection:
        await erasure_requests.ask(connection, api.environment_id, later_hold, "on the page", by)
    # At the command line, what waits for a second person is done.
    done = called(settings, "patient", "erase", later_hold, "--yes", "-e", name)
    assert (done["asked_by"], done["state"]) == ("worker:somebody", "erased")


async def test_a_folder_of_backups_lists_who_was_erased_and_forgets_nobody(
    records: Records,
    settings: Settings,
    name: str,
    database: Database,
    connection: Any,
    tmp_path: Path,
) -> None:
    source = KeySource("", settings.home)
    folder = BackupFolder(FolderStorage(tmp_path), BackupKeys(source.read(), source.name))
    patient, later = await records.patient(1), await records.patient(2)
    words = ("--yes", "--reason", "x", "-e", name)
    called(settings, "patient", "erase", patient, *words)
    await list_erasures(database, folder)
    assert [entry["record_ids"] for entry in folder.erasures()[name]] == [[patient]]
    # A list of a database that was restored has nobody who was erased after its backup.
    folder.erased({name: [{"id": "y", "state": "erased", "reason": "x", "record_ids": [later]}]})
    await list_erasures(database, folder)
    assert {tuple(entry["record_ids"]) for entry in folder.erasures()[name]} == {
        (patient,),
        (later,),
    }
    erased = called(settings, "patient", "erase", "--again", str(tmp_path), "-e", name)
    assert [row["patient_id"] for row in erased] == [later]
    changed = tmp_path / "erasures.json"
    changed.write_bytes(changed.read_bytes().replace(later.encode(), patient.encode()))
    assert (
        "changed"
        in command(settings, "patient", "erase", "--again", str(tmp_path), "-e", name).stderr
    )


def test_nothing_is_erased_without_a_word() -> None:
    answer = CliRunner().invoke(app, ["patient", "erase", "x", "--reason", "y"], input="n\n")
    assert answer.exit_code == 1
    assert "cannot be taken back" in answer.output
