"""Moving here from the vendor, as docs/howto/move-here.md has it: its files, commands and programs,
run as they stand.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from almoner.cli import app
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.settings import Settings
from tests.changes.writing import until_true
from tests.client.copies import COMMAND, environment
from tests.client.test_tutorial import ROOT, begun, run
from tests.conftest import Api
from tests.contract.rows import Place
from tests.notifications.test_receive import environ

TEXT = (ROOT / "docs" / "howto" / "move-here.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[tuple[str, str]]:
    """Name and text of the blocks of a kind."""
    return re.findall(rf"^```{kind} ?([\w.]*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def placed(folder: Path) -> dict[str, Any]:
    """Writes the files and programs of the page into a folder; how commands are run in it."""
    for kind in ("csv", "json", "python"):
        for name, text in blocks(kind):
            (folder / name).write_text(text, encoding="utf-8")
    commands = folder / "bin"
    commands.mkdir()
    code = COMMAND[2].replace('"', '\\"')
    for name, call in (("almoner-client", f'-c "{code}"'), ("python", "")):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n')
        script.chmod(0o755)
    return {"PATH": f"{commands}:{os.environ['PATH']}"}


@pytest.mark.slow
async def test_the_page_leads_from_export_files_to_programs_that_follow(
    api: Api,
    store: Store,
    inside: Actor,
    database: Database,
    settings: Settings,
    tmp_path: Path,
) -> None:
    place = Place(api, inside, store)
    worker = (await place.make("workers", email="may@example.org"))["id"]
    folder: dict[str, Any] = {
        "env": environment(api) | placed(tmp_path),
        "cwd": tmp_path,
    }
    results = []
    for name, script in blocks("sh"):
        if name == "server" or "pip install" in script:
            continue
        ended = await asyncio.to_thread(run, script, folder)
        assert ended.returncode == 0, script + ended.stdout + ended.stderr
        results.append(ended)
    assert "created_at -> left out" in results[1].stderr
    assert "coach_id -> coach_id, by its id in vendor" in results[1].stderr
    assert results[2].stdout.splitlines() == [
        f"{name}: {count} in the file, {count} here"
        for name, count in (("patients", 2), ("phone_numbers", 1), ("workers", 1))
    ]
    grace, ada = sorted(await place.find("patients"), key=lambda row: row["birthday"])[::-1]
    assert (grace["coach_id"], ada["coach_id"]) == (worker, None)
    (phone,) = await place.find("phone_numbers")
    assert phone["user_id"] == grace["id"]
    (response,) = await place.find("assessment_responses")
    assert response["user_id"] == ada["id"]
    await subscribed(api, database, settings, tmp_path)
    await programs(api, tmp_path, folder, grace["id"])


async def subscribed(api: Api, database: Database, settings: Settings, folder: Path) -> None:
    """The commands for the webhook of the page."""
    async with database.connection() as connection:
        name = await connection.fetchval(
            "SELECT name FROM environments WHERE id = $1", api.environment_id
        )
    (folder / "crm.secret").write_text("the secret that the crm issued to us, long enough")
    (script,) = [text for name, text in blocks("sh") if name == "server"]
    runner = CliRunner()
    for line in script.replace("\\\n", " ").splitlines():
        words = line.replace("crm.secret", str(folder / "crm.secret")).split()[1:]
        done = await asyncio.to_thread(
            runner.invoke, app, [*words, "--environment", name], env=environ(settings)
        )
        assert done.exit_code == 0, done.output


async def programs(api: Api, folder: Path, command: dict[str, Any], patient: str) -> None:
    """What old programs do, each in fewer than fifteen lines."""
    short = {
        name: text for name, text in blocks("python") if name not in ("workers.py", "count.py")
    }
    assert set(short) == {"connect.py", "walk.py", "write.py", "follow.py"}
    assert all(len(text.splitlines()) < 15 for _, text in blocks("python"))
    connected = await asyncio.to_thread(run, "python connect.py", command)
    assert connected.stdout.startswith("c"), connected.stderr
    walked = await asyncio.to_thread(run, "python walk.py", command)
    assert sorted(line.split()[1] for line in walked.stdout.splitlines()) == ["Ada", "Grace"]
    position = folder / "position"
    with tempfile.TemporaryFile("w+") as output:
        following = await asyncio.to_thread(
            begun, "python follow.py", {**command, "stdout": output, "stderr": output}
        )
        try:
            wrote = await asyncio.to_thread(run, "python write.py", command)
            assert wrote.returncode == 0, wrote.stderr

            async def hears() -> bool:
                output.seek(0)
                assert following.poll() is None, output.read()
                return f"update {patient}" in output.read() and bool(position.read_text())

            await until_true(hears, "the program follows")
        finally:
            following.send_signal(signal.SIGKILL)
            following.wait(60)
    assert (await api.get(f"/v1/patients/{patient}")).json()["city"] == "Arlington"
