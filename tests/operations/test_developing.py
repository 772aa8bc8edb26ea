"""``make dev``: code and templates are read anew when they change, and statements are logged."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import almoner
from almoner import embedded
from almoner.database import Database, revisions
from almoner.settings import Settings
from tests.conftest import free_port
from tests.operations.conftest import until_true


def started(command: list[str], environ: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
    with open(output, "wb") as out:
        return subprocess.Popen(
            command, cwd=output.parent, env=environ, stdout=out, stderr=subprocess.STDOUT
        )


# The whole demo, started twice. That templates are read anew is Jinja's own, and nothing of a
# deployment goes this way.
@pytest.mark.slow
async def test_a_change_of_a_template_is_served_at_once_and_one_of_the_code_by_a_new_process(
    settings: Settings, postgres: str, tmp_path: Path
) -> None:
    package = tmp_path / "almoner"
    shutil.copytree(Path(almoner.__file__).parent, package)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALMONER_", "OTEL_", "PG"))
    } | {
        "ALMONER_DATABASE_URL": await embedded.create_database(postgres, "almoner_developing"),
        "ALMONER_HOME": str(tmp_path / "home"),
        "ALMONER_PORT": str(port),
        "PYTHONPATH": str(tmp_path),
    }
    command = [
        sys.executable,
        "-c",
        "from almoner.cli import main; main()",
        "demo",
        "--reload",
        "--patients",
        "0",
    ]
    output = tmp_path / "output"
    process = started(command, environ, output)

    async def served(path: str, text: str) -> bool:
        async with httpx.AsyncClient(base_url=url) as caller:
            try:
                return text in (await caller.get(path)).text
            except httpx.TransportError:
                return False

    def replace(name: str, now: str, then: str) -> None:
        text = (package / name).read_text()
        assert now in text
        (package / name).write_text(text.replace(now, then))

    try:
        await until_true(
            lambda: served("/sign-in", ">Sign in<"), "the server of developers serves", 120
        )
        replace("pages/sign_in/sign_in.html", ">Sign in<", ">Come in<")
        assert await served("/sign-in", ">Come in<")
        assert output.read_text().count("Serving") == 1
        replace("operations/health.py", '"/healthz"', '"/is-it-well"')
        await until_true(
            lambda: served("/is-it-well", "alive"), "a new process serves the new code", 120
        )
        assert "Changed: health.py" in output.read_text()
        assert "behind" not in output.read_text()
        (package / "migrations/versions/2099_01_01_next.py").write_text(
            f'revision = "next"\ndown_revision = "{revisions.newest()}"\n'
        )

        async def is_behind() -> bool:
            return "and the code needs next." in output.read_text()

        await until_true(is_behind, "a developer hears that a migration was not run", 120)
    finally:
        process.send_signal(signal.SIGINT)
        ended = process.wait(60)
        await embedded.drop_database(postgres, "almoner_developing")
    log = output.read_text()
    assert ended == 0
    assert "Traceback" not in log
    assert log.endswith("Stopped.\n")
    assert '"statement": "SELECT almoner_epoch()"' in log


async def test_a_statement_is_logged_with_its_time_and_without_its_values(dsn: str) -> None:
    heard: list[tuple[str, float]] = []
    database = await Database.connect(
        dsn, size=1, on_statement=lambda query, seconds: heard.append((query, seconds))
    )
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT $1::text", "Zephyrine") == "Zephyrine"
    await database.close()
    assert [query for query, seconds in heard if seconds >= 0] == ["SELECT $1::text"]
