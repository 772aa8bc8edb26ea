"""The wheel of the server: what was tested can be installed from it, and it starts the demo where
there is nothing of this repository.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.additions.clone import demo
from tests.conftest import free_port
from tests.installed import ROOT, Environment, built, installed, outside
from tools.locked import pinned

# Builds and installs, and the demo starts a PostgreSQL of its own.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("wheel")
    return installed(built(ROOT, folder), folder / "venv")


def test_the_extra_locked_names_exactly_the_versions_of_the_lock(environment: Environment) -> None:
    lock = (ROOT / "production.lock").read_text(encoding="utf-8")
    every = {line.partition(" ")[0] for line in lock.splitlines() if "==" in line[:80]}
    assert {line.partition(" ;")[0] for line in pinned(lock)} == every
    locked = environment.requirements("almoner", "locked")
    expected = {r.name.lower() for r in environment.requirements("almoner")}
    assert expected <= {r.name.lower() for r in locked}
    assert all(str(r.specifier).startswith("==") for r in locked)


def test_the_demo_starts_out_of_it_and_lets_the_coach_in(
    environment: Environment, tmp_path: Path
) -> None:
    home, port = str(tmp_path / "home"), str(free_port())
    values = outside(ALMONER_HOME=home, ALMONER_PORT=port)
    with demo([environment.bin / "almoner"], tmp_path, values, patients=1) as site:
        assert site.command("--version") == "almoner 0.1.0\n"
        script = re.search(r'src="(/static/[^"]+)"', site.html("/inbox"))
        assert script is not None
        assert site.coach.get(script[1]).status_code == 200
        assert site.find("patients")
