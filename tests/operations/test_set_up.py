"""What an operator sets up is looked at where it is used, and said in words."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from almoner import embedded
from almoner import home as homes
from almoner.backups.folder import Backup
from almoner.cli import app
from almoner.commands import doctor, serve
from almoner.commands.alarms import ALARMS
from almoner.commands.backup import folder_at
from almoner.settings import Settings
from tests.conftest import Server, free_port

LOCAL = {"ALMONER_HOST": "127.0.0.1"}
PROXIED = {"ALMONER_PUBLIC_URL": "https://care.example.org"}


def types(settings: Settings, *words: str, **environ: str) -> Result:
    known = {
        "ALMONER_DATABASE_URL": settings.database_url,
        "ALMONER_HOME": str(settings.home),
        **environ,
    }
    return CliRunner().invoke(app, list(words), env=known)


def looked(settings: Settings, **environ: str) -> dict[str, Any]:
    return {
        load["looked_at"]: load
        for load in json.loads(types(settings, "doctor", "--json", **environ).stdout)
    }


def test_plain_http_is_served_within_this_machine_alone_unless_the_operator_says_otherwise(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``serve`` goes as far as listening, or ends before."""

    class ListenedError(Exception):
        pass

    def listened(_: Settings) -> None:
        raise ListenedError

    monkeypatch.setattr(serve, "listen", listened)
    cases: list[tuple[dict[str, str], bool]] = [
        (LOCAL, True),
        ({"ALMONER_HOST": "::1"}, True),
        ({"ALMONER_HOST": "0.0.0.0"}, False),  # noqa: S104  # it is what must be refused
        ({"ALMONER_HOST": "::"}, False),
        ({"ALMONER_HOST": "192.0.2.7"}, False),
        ({"ALMONER_PUBLIC_URL": "http://care.example.org"}, False),
        ({"ALMONER_HOST": "0.0.0.0", "ALMONER_PUBLIC_URL": "http://localhost:8000"}, False),  # noqa: S104
        ({"ALMONER_HOST": "0.0.0.0", **PROXIED}, True),  # noqa: S104
        (PROXIED, True),
        ({"ALMONER_HOST": "0.0.0.0", "ALMONER_ALLOW_HTTP": "1"}, True),  # noqa: S104
    ]
    wrong = []
    for environ, allowed in cases:
        result = types(settings, "serve", **environ)
        serves = isinstance(result.exception, ListenedError)
        helps = "ALMONER_PUBLIC_URL" in result.output and "ALMONER_ALLOW_HTTP=1" in result.output
        if serves != allowed or (not allowed and (result.exit_code != 2 or not helps)):
            wrong.append((environ, result.exit_code, result.output))
    assert not wrong


class Foreign(BaseHTTPRequestHandler):
    """Another program, which answers everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"errors": "none here"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def foreign() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Foreign) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()


async def test_the_doctor_names_work_that_nobody_does_by_an_id_for_programs(
    settings: Settings, connection: Any, environment: int
) -> None:
    await connection.execute(
        "INSERT INTO work_queues (environment_id, name) VALUES ($1, 'forgotten')", environment
    )
    await connection.execute(
        "INSERT INTO work_steps (environment_id, id, job_id, queue, name, call, place, due_at) VALUES"
        " ($1, $2, $2, 'forgotten', 'a', 0, 0, now() - interval '1 hour')",
        environment,
        uuid.uuid4(),
    )
    asked = await asyncio.to_thread(types, settings, "doctor", "--json")
    await connection.execute("DELETE FROM work_steps WHERE environment_id = $1", environment)
    findings = {finding["id"]: finding for finding in json.loads(asked.stdout)}
    assert asked.exit_code == 1
    assert (findings["work"]["level"], findings["work"]["well"]) == ("warning", False)
    assert "almoner worker" in findings["work"]["mend"]
    assert findings["transaction_ids"] | {"seen": ""} == {
        "id": "transaction_ids",
        "level": "ok",
        "looked_at": "transaction ids",
        "well": True,
        "seen": "",
        "mend": "",
    }


def test_the_doctor_tells_our_server_from_another_program_on_the_port(
    settings: Settings, server: Server, foreign: int
) -> None:
    ours = looked(settings, ALMONER_PORT=str(urlsplit(server.url).port))["address"]
    assert (ours["well"], "is being served" in ours["seen"]) == (True, True)
    theirs = looked(settings, ALMONER_PORT=str(foreign))["address"]
    assert (theirs["well"], theirs["mend"]) == (
        False,
        f"Stop that program, or choose another port: ALMONER_PORT={foreign + 1}",
    )
    with socket.socket() as silent:
        # One that takes connections and says nothing is no server of ours either.
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert not looked(settings, ALMONER_PORT=str(silent.getsockname()[1]))["address"]["well"]
    assert "is free" in looked(settings, ALMONER_PORT=str(free_port()))["address"]["seen"]


def test_a_setting_that_cannot_be_used_is_a_finding_for_programs_too(settings: Settings) -> None:
    answer = types(settings, "doctor", "--json", ALMONER_PORT="abc")
    assert answer.exit_code == 1
    [finding] = json.loads(answer.stdout)
    assert (finding["id"], finding["well"], "ALMONER_PORT" in finding["seen"]) == (
        "settings",
        False,
        True,
    )


def test_of_an_alarm_that_is_well_the_doctor_says_so(settings: Settings) -> None:
    findings = looked(settings)
    for alarm in ALARMS:
        assert (findings[alarm.looked_at]["seen"] == alarm.calm) is findings[alarm.looked_at][
            "well"
        ]


def test_the_doctor_names_plain_http_and_a_superuser(settings: Settings, dsn: str) -> None:
    findings = looked(settings, ALMONER_PORT=str(free_port()), ALMONER_HOST="0.0.0.0")  # noqa: S104
    assert (
        findings["transport"]["well"],
        "ALMONER_PUBLIC_URL" in findings["transport"]["mend"],
    ) == (
        False,
        True,
    )
    assert (findings["role"]["well"], findings["serving role"]["well"]) == (True, True)
    owner = looked(settings, ALMONER_PORT=str(free_port()), ALMONER_DATABASE_URL=dsn)["role"]
    assert (owner["well"], "CREATE ROLE" in owner["mend"]) == (False, True)
    assert looked(settings, ALMONER_PORT=str(free_port()))["transport"]["well"]


class Row:
    """A connection to a database that is somewhere else, or not."""

    def __init__(self, address: str | None, encrypted: bool) -> None:
        self._answers = [("almoner", False), (address, encrypted)]

    async def fetchrow(self, _: str) -> tuple[Any, ...]:
        return self._answers.pop(0)


async def test_the_doctor_names_an_unencrypted_connection_to_another_machine(database: Any) -> None:
    expected = {
        ("10.0.0.7", False): False,
        ("10.0.0.7", True): True,
        ("127.0.0.1", False): True,
        ("::1", False): True,
        (None, False): True,
    }
    outcomes = {
        where: (await doctor.role_and_encryption(Row(*where)))[1].well for where in expected
    }
    assert outcomes == expected
    async with database.connection() as connection:
        assert (await doctor.role_and_encryption(connection))[
            1
        ].seen == "not encrypted, within this machine"


async def test_a_schema_of_a_newer_version_is_told_in_one_sentence(
    postgres: str, template: str, settings: Settings
) -> None:
    name = f"almoner_of_tomorrow_{uuid.uuid4().hex[:12]}"
    dsn = await embedded.create_database(postgres, name, template)
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE alembic_version SET version_num = '2099_01_01_tomorrow'")
    await connection.close()
    for words in (["migrate"], ["environment", "list"], ["serve"]):
        result = await asyncio.to_thread(types, settings, *words, ALMONER_DATABASE_URL=dsn)
        assert result.exit_code == 2, result.output
        assert len(result.output.strip().splitlines()) == 1, result.output
        assert "2099_01_01_tomorrow" in result.output
        assert "newer" in result.output
        assert "Run: " not in result.output
    await embedded.drop_database(postgres, name)


def test_an_example_program_is_printed_that_can_be_published(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "program.yaml"
    missing = types(settings, "workshop", "check", str(file))
    assert "workshop example > program.yaml" in missing.output
    file.write_text(types(settings, "workshop", "example").stdout, encoding="utf-8")
    assert types(settings, "workshop", "check", str(file)).exit_code == 0


def test_a_folder_that_may_not_be_looked_into_is_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the one of root is, from which a command is called as another user."""

    def refused(_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr("os.stat", refused)
    monkeypatch.setattr("pathlib.Path.stat", refused)
    assert homes.default({"HOME": "/ada"}) == Path("/ada/.local/share/almoner")


def test_an_address_that_lets_nobody_in_is_said_in_a_sentence(settings: Settings, dsn: str) -> None:
    certificate = {"ALMONER_DATABASE_URL": f"{dsn}?sslmode=verify-full&sslrootcert=/nowhere.pem"}
    nobody = urlsplit(dsn)._replace(netloc=f"nobody:x@{urlsplit(dsn).netloc.rpartition('@')[2]}")
    for environ in (certificate, {"ALMONER_OWNER_DATABASE_URL": nobody.geturl()}):
        migrated = types(settings, "migrate", **environ)
        assert (migrated.exit_code, "doctor" in migrated.output) == (1, True), migrated.output


async def test_the_doctor_says_that_a_role_was_not_let_in_and_how_it_is(
    postgres: str, own_dsn: str, settings: Settings
) -> None:
    """As after a dump that was restored without the rights."""
    connection = await asyncpg.connect(own_dsn)
    await connection.execute("CREATE ROLE almoner_outside LOGIN PASSWORD 'x'")
    try:
        there = urlsplit(own_dsn)
        outside = there._replace(netloc=f"almoner_outside:x@{there.netloc.rpartition('@')[2]}")
        findings = await asyncio.to_thread(
            looked, settings, ALMONER_DATABASE_URL=outside.geturl(), ALMONER_PORT=str(free_port())
        )
        schema = findings["schema"]
        assert (schema["well"], "migrate" in schema["mend"]) == (False, True)
    finally:
        await connection.execute("DROP ROLE almoner_outside")
        await connection.close()


async def test_the_doctor_says_that_the_log_after_the_newest_backup_is_gone(
    settings: Settings, dsn: str, tmp_path: Path
) -> None:
    """As after a fail over, whose new primary knows nothing of it."""
    folder = folder_at(str(tmp_path), settings)
    now = datetime.now(UTC)
    backup = Backup(
        name=f"{now:%Y%m%dT%H%M%SZ}",
        began_at=now,
        ended_at=now,
        bytes=1,
        postgresql=18,
        system_identifier="1",
        timeline=1,
        first_segment="0",
        checked_at="0/0",
        database="almoner",
        superuser="postgres",
        revision="1",
        tables={},
    )
    async with folder.locked():
        folder.complete(backup)
    known = {"ALMONER_BACKUP_DIR": str(tmp_path), "ALMONER_PORT": str(free_port())}
    gone = (await asyncio.to_thread(looked, settings, **known))["backups"]
    assert (gone["well"], "no log" in gone["seen"]) == (False, True)
    connection = await asyncpg.connect(dsn)
    await connection.execute("SELECT pg_create_physical_replication_slot($1, true)", folder.slot())
    try:
        assert (await asyncio.to_thread(looked, settings, **known))["backups"]["well"]
    finally:
        await connection.execute("SELECT pg_drop_replication_slot($1)", folder.slot())
        await connection.close()
