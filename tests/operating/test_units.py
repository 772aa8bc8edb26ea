"""The units of systemd: they are sound, they shut out what no process of ours needs, and the processes
tell the service manager how they are.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almoner.cli import app
from almoner.settings import Settings
from tests import debian
from tests.conftest import free_port
from tests.installed import ROOT

UNITS = ROOT / "operating" / "systemd"
# systemd-analyze counts from 0 (nothing is open) to 10; a unit without a word of it has 9.6.
EXPOSURE = 1.5
# prctl(2): from here on no memory is both written and run, as `MemoryDenyWriteExecute` has it.
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
PR_SET_NO_NEW_PRIVS = 38
SECONDS = 90.0


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a machine on which the units were installed."""
    debian.program("systemd-analyze", "systemd")
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, root / "etc/systemd/system")
    for program in (root / "opt/almoner/bin/almoner", root / "bin/kill"):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return root


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_each_unit_is_sound_and_shuts_out_what_it_does_not_need(machine: Path) -> None:
    names = sorted(path.name for path in UNITS.iterdir() if path.is_file())
    assert {"almoner-serve.service", "almoner-worker.service", "almoner-backup.timer"} <= {*names}
    verified = analyze("verify", "--man=no", f"--root={machine}", *names)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    for name in (name for name in names if name.endswith(".service")):
        analysis = analyze("security", "--offline=true", f"--root={machine}", "--no-pager", name)
        level = re.search(r"exposure level for \S+: ([\d.]+)", analysis.stdout)
        assert level is not None, analysis.stderr
        assert float(level[1]) <= EXPOSURE, analysis.stdout


def test_each_timer_has_a_service_and_each_service_a_command_that_there_is() -> None:
    for timer in UNITS.glob("*.timer"):
        assert timer.with_suffix(".service").exists(), timer.name
    for service in UNITS.glob("*.service"):
        line = re.search(r"^ExecStart=/opt/almoner/bin/almoner (.+)$", service.read_text(), re.M)
        assert line is not None, service.name
        asked = CliRunner().invoke(app, [*line[1].split(), "--help"])
        assert asked.exit_code == 0, asked.output


@contextmanager
def supervised(settings: Settings, port: int, *words: str) -> Iterator[socket.socket]:
    """A command with a socket to tell its state to, which it must be asked to end within the block. No
    memory of it is written and run.
    """
    address = f"@almoner-{uuid.uuid4().hex}"
    unset = ("ALMONER_", "OTEL_", "PG", "PROMETHEUS_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(unset)} | {
        "ALMONER_DATABASE_URL": settings.database_url,
        "ALMONER_HOME": str(settings.home),
        "ALMONER_PORT": str(port),
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": "1000000",
    }
    libc = ctypes.CDLL(None)

    def restrict() -> None:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as states:
        states.bind("\0" + address[1:])
        states.settimeout(SECONDS)
        process = subprocess.Popen(
            [Path(sys.executable).with_name("almoner"), *words],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=restrict,
        )
        try:
            yield states
            process.send_signal(signal.SIGTERM)
            # What was told before it heard of it comes first.
            while (state := states.recv(100)) == b"WATCHDOG=1":
                pass
            assert state == b"STOPPING=1"
            assert process.wait(SECONDS) in (0, -signal.SIGTERM)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(SECONDS)


@pytest.mark.parametrize(
    "words",
    [
        "serve",
        pytest.param("serve --workers 2", marks=pytest.mark.slow),
        pytest.param("worker", marks=pytest.mark.slow),
    ],
)
def test_the_service_manager_hears_of_the_start_of_each_sign_of_life_and_of_the_end(
    settings: Settings, words: str
) -> None:
    port = free_port()
    with supervised(settings, port, *words.split()) as states:
        messages = [states.recv(100)]
        while b"READY=1" not in messages:
            messages.append(states.recv(100))
        # A parent may tell that it lives while its processes start.
        assert {*messages} <= {b"READY=1", b"WATCHDOG=1"}
        if words != "worker":
            socket.create_connection(("127.0.0.1", port), SECONDS).close()
        assert states.recv(100) == b"WATCHDOG=1"
        assert states.recv(100) == b"WATCHDOG=1"
