"""`almoner integration`: each command for people and, with --json, for programs."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_group
from typer.testing import CliRunner

from almoner.access import keys
from almoner.access.key_file import KeySource
from almoner.cli import app
from almoner.commands import integration, job_ending, new_integration, process
from almoner.demo.partner import CLIENT_ID, CLIENT_SECRET, Partner, served
from almoner.integrations.handler import IntegrationHandler
from almoner.integrations.kiwihealth_pull import kiwihealth_pull
from tests.changes.writing import until_true
from tests.integrations.conftest import Place
from tests.integrations.test_jobs import GRACE
from tests.integrations.test_kiwihealth_pull import known_there, result
from tests.work.doing import running


@pytest.fixture
def run_command(own_dsn: str, tmp_path: Path) -> Any:
    """Types a command; its JSON where it was asked for."""

    def run(*arguments: str, status: int = 0) -> Any:
        environ = {"ALMONER_DATABASE_URL": own_dsn, "ALMONER_HOME": str(tmp_path)}
        done = CliRunner(env=environ).invoke(app, ["integration", *arguments])
        assert done.exit_code == status, done.output + done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout + done.stderr

    return run


async def test_a_job_is_begun_shown_repaired_and_called_off_at_the_command_line(
    place: Place, run_command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = await place.rows("SELECT name FROM environments WHERE id = $1")

    def at_the_terminal(*arguments: str, status: int = 0) -> Any:
        return asyncio.to_thread(partial(run_command, *arguments, "-e", row["name"], status=status))

    listed = await at_the_terminal("list", "--json")
    assert ("kiwihealth_pull", False) in [(row["name"], row["enabled"]) for row in listed]
    output = await at_the_terminal("run", "kiwihealth_pull", status=1)
    assert "missing required field `base_url`" in output
    assert "There is no integration nobody" in await at_the_terminal("run", "nobody", status=1)
    kiwi = Partner([result(1), result(2, patient="MRN-2")])
    with served(kiwi) as url:
        await known_there(place)
        output = await at_the_terminal(
            "set",
            "kiwihealth_pull",
            f"base_url={url}",
            f"client_id={CLIENT_ID}",
            f"client_secret={CLIENT_SECRET}",
        )
        assert "may use: patients.read" in output
        await schedule_and_zone_are_set_by_themselves(at_the_terminal)
        stopped = await at_the_terminal("run", "kiwihealth_pull", "--json")
        assert stopped["status"] == "unattempted"
        # Who waits for what nobody takes up is told why.
        warnings: list[str] = []
        monkeypatch.setattr(job_ending, "_PATIENCE", -1.0)
        monkeypatch.setattr(job_ending, "warn", warnings.append)
        waiting = asyncio.create_task(
            job_ending.ended(place.database, place.environment, stopped["job_id"])
        )

        async def is_warned() -> bool:
            return bool(warnings)

        await until_true(is_warned, "somebody who waits is told")
        called_off = await at_the_terminal("cancel", stopped["job_id"], "--json")
        assert called_off == {"job_id": stopped["job_id"], "cancelled": 1}
        await waiting
        monkeypatch.undo()
        (warning,) = warnings
        assert warning.startswith("Nobody is there to do it. Start who does: ")
        assert "do not know it" in job_ending._why_not_begun(is_somebody_there=True)
        async with place.database.connection() as connection:
            parts = replace(place.parts, box=await keys.box(connection, KeySource("", tmp_path)))
        async with running(place.database, IntegrationHandler(kiwihealth_pull, parts)):
            begun = await at_the_terminal("run", "kiwihealth_pull", "--wait", "--json")
            assert (begun["status"], begun["counts"]) == ("failed", {"succeeded": 4, "failed": 2})
            kiwi.mood = "disabled"
            at_once = await at_the_terminal("run", "kiwihealth_pull", "--json")
            refused = await at_the_terminal("run", "kiwihealth_pull", "--wait", "--json", status=1)
            assert refused.keys() == begun.keys() == at_once.keys()
            assert refused["counts"] == {"failed": 2}
            output = await at_the_terminal("run", "kiwihealth_pull", "--wait", status=1)
            assert "kiwihealth_pull.validate_user: customer_disabled: Kiwi Health has" in output
            kiwi.mood = "well"
            job_output = await at_the_terminal("show", begun["job_id"])
            assert "    kiwihealth_pull.process_item" in job_output
            assert "user_not_found: There is no user with that ID." in job_output
            tasks = (await at_the_terminal("show", begun["job_id"], "--json"))["tasks"]
            assert len(tasks) == 6
            mapping = {"resource": "patients", "namespace": "kiwihealth_ehr"}
            other = await place.create("patients", GRACE | {"first_name": "Ada"})
            await place.create(
                "external_ids", mapping | {"external_id": "MRN-2", "welkin_id": other}
            )
            await place.ended(at_once["job_id"])
            again = await at_the_terminal("retry", begun["job_id"], "--failed", "--json")
            assert again == {"job_id": begun["job_id"], "retried": 1}
            await place.ended(begun["job_id"])
            assert (await place.show(begun["job_id"]))["status"] == "succeeded"
            first = ("retry", begun["job_id"], "--from")
            refused = await at_the_terminal(*first, "process_item", status=2)
            assert "The job has 2 tasks process_item. Name one by its id" in refused
            assert "It has kiwihealth_pull." in await at_the_terminal(*first, "no_task", status=2)
            both = await at_the_terminal(*first, "fetch_results", "--failed", status=2)
            assert "--failed or --from" in both
            asked = await at_the_terminal(*first, "process_response", status=1)
            assert "2 tasks below it" in asked
            assert "What was written stays: 2 custom data type records created" in asked
            kiwi.results = [*kiwi.results, result(3)]
            repeated = await at_the_terminal(*first, "fetch_results", "--yes", "--json")
            assert (repeated["below"], repeated["after"]) == (0, 3)
            await place.ended(begun["job_id"])
            now = await at_the_terminal("show", begun["job_id"], "--json")
            assert (now["status"], now["counts"]) == ("succeeded", {"succeeded": 7})
            assert {task["state"] for task in now["tasks"]} == {"done"}
            whole = await at_the_terminal("show", begun["job_id"], "--earlier", "--json")
            assert [task["state"] for task in whole["tasks"]].count("superseded") == 5
            records = "SELECT FROM custom_data_type_records WHERE environment_id = $1"
            assert len(await place.rows(records)) == 3
            events = await place.rows(
                "SELECT actor, event FROM worker_events WHERE environment_id = $1"
                " AND object = 'integration:kiwihealth_pull' AND detail LIKE 'job %' ORDER BY id"
            )
            assert [row["event"] for row in events] == [
                "job begun",
                "job called off",
                "job begun",
                "job begun",
                "job begun",
                "job begun",
                "failure tried again",
                "job run again",
            ]
            assert {row["actor"] for row in events} == {"operator"}
    listed = await at_the_terminal("list", "--json")
    (kiwi_row,) = [of for of in listed if of["name"] == "kiwihealth_pull"]
    assert kiwi_row["status"] == "failed"
    await at_the_terminal("set", "kiwihealth_pull", "--off")
    assert "switched off" in await at_the_terminal("run", "kiwihealth_pull", status=1)
    nowhere = "0193a8a2-6e6c-7e6b-9d7b-2f6f0f3f3f3f"
    for command in ("show", "retry", "cancel"):
        assert "There is no job" in await at_the_terminal(command, nowhere, status=1)


async def schedule_and_zone_are_set_by_themselves(at_the_terminal: Any) -> None:
    """Each stays as it is where the other is set, and what is set is told."""

    async def is_set(*options: str) -> tuple[str | None, str | None, bool]:
        row = await at_the_terminal("set", "kiwihealth_pull", *options, "--json")
        return row["schedule"], row["zone"], row["next_at"] is not None

    output = await at_the_terminal("set", "kiwihealth_pull", "--zone", "US/Eastern", status=1)
    assert "Give a schedule, too" in output
    assert await is_set("--schedule", "0 6 * * *") == ("0 6 * * *", "UTC", True)
    assert await is_set("--zone", "US/Eastern") == ("0 6 * * *", "US/Eastern", True)
    assert await is_set("--schedule", "0 7 * * *") == ("0 7 * * *", "US/Eastern", True)
    assert await is_set() == ("0 7 * * *", "US/Eastern", True)
    assert await is_set("--schedule", "") == (None, None, False)


def test_each_command_prints_json_for_programs() -> None:
    without = [
        f"{group} {name}"
        for group, commands in (("integration", integration.app), ("process", process.app))
        for name, command in get_group(commands).commands.items()
        if not any("--json" in option.opts for option in command.params)
    ]
    assert not without


@pytest.mark.slow
def test_a_new_integration_is_a_package_whose_test_runs(run_command: Any, tmp_path: Path) -> None:
    created = run_command("new", "clinic_pull", "--folder", str(tmp_path), "--json")
    folder = Path(created["folder"])
    for line in new_integration.commands(folder):
        program, *_, last = shlex.split(line)
        assert shutil.which(program), line
        assert last == str(folder)
    assert sorted(created["files"]) == [
        "README.md",
        "pyproject.toml",
        "src/clinic_pull/__init__.py",
        "tests/test_clinic_pull.py",
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    environ = os.environ | {"PYTHONPATH": str(folder / "src")}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is there already" in run_command(
        "new", "clinic_pull", "--folder", str(tmp_path), status=2
    )
    assert "small letters" in run_command("new", "Clinic Pull", "--folder", str(tmp_path), status=2)
    # Words of Python, its library, Almoner, its own integrations, and what is installed.
    for name in ("class", "async", "match", "json", "test", "almoner", "csv_drop", "msgspec"):
        refused = run_command("new", name, "--folder", str(tmp_path), status=2)
        assert "Choose another name" in " ".join(refused.split()), name
        assert not (tmp_path / name).exists()
