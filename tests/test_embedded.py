"""The embedded server: started, stopped, killed, beside another one, and as root."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from almoner import embedded
from almoner.embedded import programs, record, server, unprivileged

# A parent that starts the server, says so, and then waits to be killed.
PARENT = """
import sys
from pathlib import Path
from almoner.embedded import EmbeddedServer
print(EmbeddedServer(Path(sys.argv[1])).start(), flush=True)
sys.stdin.read()
"""


def ask(dsn: str, *statements: str) -> object:
    """Run statements and return the first value of the last one."""

    async def run() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "this did not happen within 30 seconds"
        time.sleep(0.01)


def server_pid(home: Path) -> int:
    pid = json.loads((home / "postgres.json").read_text())["pid"]
    assert isinstance(pid, int)
    return pid


def start_parent(home: Path) -> tuple[subprocess.Popen[str], str]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    return parent, parent.stdout.readline().strip()


def kill(parent: subprocess.Popen[str]) -> None:
    parent.kill()
    parent.communicate()


def ways_that_work_here(folder: Path) -> list[str]:
    """As root, the ways of giving root up that this machine offers; one of them at least."""
    if os.geteuid() != 0:
        return list(unprivileged.WAYS)
    account = programs._account().pw_name
    command = [sys.executable, "-I", unprivileged.__file__]
    return [
        way
        for way in unprivileged.WAYS
        if subprocess.run(
            [*command, way, account, str(folder), "/bin/true"], capture_output=True
        ).returncode
        == 0
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the server that runs for those tests which only look at one."""
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
def dsn(home: Path) -> Iterator[str]:
    with embedded.EmbeddedServer(home) as address:
        yield address


def test_data_and_address_stay_the_same_from_one_run_to_the_next(tmp_path: Path) -> None:
    with embedded.EmbeddedServer(tmp_path) as first:
        ask(
            first,
            "create table kept (word text)",
            "insert into kept values ('tēnā koe') returning word",
        )
    with embedded.EmbeddedServer(tmp_path) as second:
        assert second == first
        assert ask(second, "select word from kept") == "tēnā koe"


def test_the_server_is_found_while_it_runs_and_not_afterwards(tmp_path: Path) -> None:
    assert embedded.running(tmp_path) is None
    with embedded.EmbeddedServer(tmp_path) as dsn:
        assert embedded.running(tmp_path) == dsn
        pid = server_pid(tmp_path)
    assert embedded.running(tmp_path) is None
    assert not psutil.pid_exists(pid)


def test_the_server_runs_durably_in_utc_and_on_the_loopback_address_only(dsn: str) -> None:
    assert ask(dsn, "show fsync") == "on"
    assert ask(dsn, "show timezone") == "UTC"
    assert ask(dsn, "show listen_addresses") == "127.0.0.1"
    assert ask(dsn, "show server_encoding") == "UTF8"
    assert (
        ask(
            dsn,
            "select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'almoner'",
        )
        is True
    )
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(dsn.replace("almoner:", "almoner:wrong"), "select 1")


def test_password_and_log_are_private_and_nothing_of_a_statement_is_logged(
    home: Path, dsn: str
) -> None:
    with pytest.raises(asyncpg.DataError):
        ask(dsn, "select 'Ngaio Whakaaro'::uuid")
    for name in ("postgres.json", "postgres.log", "postgres.lock"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    # What it says of itself is there at once, and a statement's error would be with it.
    log = (home / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "Ngaio" not in log


@pytest.mark.slow
def test_two_homes_run_side_by_side(tmp_path: Path) -> None:
    with (
        embedded.EmbeddedServer(tmp_path / "one") as first,
        embedded.EmbeddedServer(tmp_path / "two") as two,
    ):
        ask(first, "create table only_here (n int)", "select 1")
        assert first != two
        assert ask(two, "select to_regclass('only_here')") is None
        assert (embedded.running(tmp_path / "one"), embedded.running(tmp_path / "two")) == (
            first,
            two,
        )


def test_a_second_start_of_the_same_home_is_refused_in_words(home: Path, dsn: str) -> None:
    with pytest.raises(embedded.EmbeddedServerError, match="Another process runs"):
        embedded.EmbeddedServer(home).start()
    assert ask(dsn, "select 1") == 1


@pytest.mark.slow
def test_after_the_parent_was_killed_the_next_start_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, dsn = start_parent(tmp_path)
    ask(dsn, "create table kept (n int)", "insert into kept values (7) returning n")
    left_over = server_pid(tmp_path)
    # One that is still there when the next starts, as elsewhere than on Linux: it hears of its
    # parent's end only then.
    os.kill(left_over, signal.SIGSTOP)
    kill(parent)
    assert psutil.pid_exists(left_over)
    end = server.end
    monkeypatch.setattr(server, "end", lambda send, wait: (send(signal.SIGCONT), end(send, wait)))
    with embedded.EmbeddedServer(tmp_path) as again:
        assert server_pid(tmp_path) != left_over
        assert not psutil.pid_exists(left_over)
        assert ask(again, "select n from kept") == 7


@pytest.mark.slow
def test_a_server_ends_with_the_parent_that_was_killed(tmp_path: Path) -> None:
    parent, dsn = start_parent(tmp_path)
    ask(dsn, "create table kept (n int)", "insert into kept values (6) returning n")
    left_over = psutil.Process(server_pid(tmp_path))
    kill(parent)
    left_over.wait(60)
    assert embedded.running(tmp_path) is None
    with embedded.EmbeddedServer(tmp_path) as again:
        assert ask(again, "select n from kept") == 6


@pytest.mark.slow
def test_after_parent_and_server_were_killed_the_next_start_recovers(tmp_path: Path) -> None:
    parent, dsn = start_parent(tmp_path)
    ask(dsn, "create table kept (n int)", "insert into kept values (8) returning n")
    os.kill(server_pid(tmp_path), signal.SIGKILL)
    kill(parent)
    with embedded.EmbeddedServer(tmp_path) as again:
        assert ask(again, "select n from kept") == 8


@pytest.mark.slow
def test_a_server_that_died_under_its_parent_is_started_again_by_it(tmp_path: Path) -> None:
    again = embedded.EmbeddedServer(tmp_path)
    try:
        dsn = again.start()
        with pytest.raises(embedded.EmbeddedServerError, match="running already"):
            again.start()
        pid = server_pid(tmp_path)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not record.is_server(pid, tmp_path / "postgres"))
        assert embedded.running(tmp_path) is None
        assert ask(again.start(), "select 1") == 1
        assert embedded.running(tmp_path) == dsn
    finally:
        again.stop()


@pytest.mark.slow
def test_a_stale_process_id_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    with embedded.EmbeddedServer(tmp_path):
        lines = (tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        stale = tmp_path / "postgres" / "postmaster.pid"
        stale.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        assert embedded.running(tmp_path) is None
        assert not record.is_server(bystander.pid, tmp_path / "postgres")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.slow
def test_data_that_was_never_finished_is_made_anew(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres.new-abc" / "data"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded.EmbeddedServer(tmp_path) as dsn:
        assert ask(dsn, "select 1") == 1
    assert not unfinished.exists()


@pytest.mark.slow
def test_data_of_another_version_and_a_lost_password_are_refused_in_words(tmp_path: Path) -> None:
    with embedded.EmbeddedServer(tmp_path):
        pass
    version = tmp_path / "postgres" / "PG_VERSION"
    text = version.read_text()
    version.write_text("16\n")
    with pytest.raises(embedded.EmbeddedServerError, match="written by PostgreSQL 16"):
        embedded.EmbeddedServer(tmp_path).start()
    version.write_text(text)
    (tmp_path / "postgres.json").unlink()
    with pytest.raises(embedded.EmbeddedServerError, match="with the password, is gone"):
        embedded.EmbeddedServer(tmp_path).start()


def test_a_port_that_was_taken_meanwhile_is_changed(tmp_path: Path) -> None:
    import socket

    with embedded.EmbeddedServer(tmp_path) as before:
        pass
    port = json.loads((tmp_path / "postgres.json").read_text())["port"]
    with socket.create_server(("127.0.0.1", port)), embedded.EmbeddedServer(tmp_path) as after:
        assert after != before
        assert ask(after, "select 1") == 1


@pytest.mark.usefixtures("dsn")
def test_ctrl_c_in_the_terminal_reaches_the_parent_only(home: Path) -> None:
    assert os.getsid(server_pid(home)) != os.getsid(0)


@pytest.mark.slow
@pytest.mark.parametrize("way", unprivileged.WAYS)
def test_below_a_folder_that_only_its_owner_may_enter_nothing_outside_the_home_changes(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = tmp_path / "private"
    above.mkdir(mode=0o700)
    works = way in ways_that_work_here(tmp_path)
    monkeypatch.setattr(
        unprivileged, "WAYS", (way,) if works and way != "account" else unprivileged.WAYS
    )
    before = [(folder.stat().st_mode, folder.stat().st_uid) for folder in (above, *above.parents)]
    with embedded.EmbeddedServer(above / "home") as dsn:
        assert ask(dsn, "select 1") == 1
    # What another way owned is handed over, so that a home can move from one machine to the next.
    monkeypatch.undo()
    with embedded.EmbeddedServer(above / "home") as dsn:
        assert ask(dsn, "select 1") == 1
    assert [
        (folder.stat().st_mode, folder.stat().st_uid) for folder in (above, *above.parents)
    ] == before


def test_databases_are_created_copied_and_dropped(dsn: str) -> None:
    first = asyncio.run(embedded.create_database(dsn, "first"))
    ask(first, "create table kept (n int)", "insert into kept values (9) returning n")
    assert (
        ask(
            asyncio.run(embedded.create_database(dsn, 'a "copy"', template="first")),
            "select n from kept",
        )
        == 9
    )
    assert (
        ask(dsn, "select count(*) from pg_database where datname in ('first', 'a \"copy\"')") == 2
    )
    with pytest.raises(asyncpg.DuplicateDatabaseError):
        asyncio.run(embedded.create_database(dsn, "first"))
    asyncio.run(embedded.drop_database(dsn, "first"))
    asyncio.run(embedded.drop_database(dsn, "first"))
    assert ask(dsn, "select count(*) from pg_database where datname = 'first'") == 0


def test_the_wheel_brings_the_programs_for_dumps_and_benchmarks() -> None:
    for name in ("pg_dump", "pg_restore", "psql", "pgbench"):
        done = subprocess.run(
            [embedded.binaries() / name, "--version"], capture_output=True, text=True, check=True
        )
        assert name in done.stdout
