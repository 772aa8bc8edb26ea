"""The client as a package: made of the declarations, apart from the server, and installed by itself."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.installed import ROOT, built, installed, outside
from tools import client, rooms


@pytest.mark.house
def test_what_is_generated_is_what_the_declarations_say() -> None:
    assert list(client.stale()) == [], "Renew it: make client"


def test_the_client_knows_nothing_of_the_server() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for package, others in (
            (client.PACKAGE, {"almoner"}),
            (client.PACKAGE.with_name("almoner_files"), {"almoner", "almoner_client"}),
        )
        for path in sorted(package.rglob("*.py"))
        for name, line in rooms.imported(path)
        if name.partition(".")[0] in others
    ]
    assert wrong == []


def test_what_is_made_for_threads_has_nothing_of_asyncio() -> None:
    code = "import sys, almoner_client._sync.transport as t; print(sorted(t.__dict__))"
    names = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "'threading'" in names
    assert "'asyncio'" not in names


@pytest.mark.slow
def test_the_wheel_brings_the_command_into_an_environment_of_what_it_requires_alone(
    tmp_path: Path,
) -> None:
    wheel = built(ROOT / "client", tmp_path)
    environment = installed(wheel, tmp_path / "venv")
    required = [r.name for r in environment.requirements("almoner_client")]
    assert sorted(required) == ["httpx", "msgspec", "pyyaml"]
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
    assert {"almoner_client/py.typed", "almoner_files/py.typed"} <= names
    asked = subprocess.run(
        [environment.bin / "almoner-client", "check"],
        env=outside(ALMONER_CLIENT_ID="x"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert asked.returncode == 2
    assert "Set ALMONER_URL, ALMONER_CLIENT_SECRET." in asked.stderr
    code = (
        "import importlib.util as u; assert u.find_spec('almoner') is None; import almoner_client"
    )
    subprocess.run([environment.bin / "python", "-c", code], check=True, timeout=60)
