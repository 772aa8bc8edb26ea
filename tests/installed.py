"""A wheel of ours in an environment of its own, with what it requires and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
# Required so that django-htmx installs, and never imported (overrides.txt).
_NEVER_IMPORTED = {"django"}


class Environment:
    """What installing made: its ``python``, its ``site`` packages, and what the wheel requires."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        (self.site,) = (folder / "lib").glob("python*/site-packages")

    def requirements(self, distribution: str, extra: str = "") -> list[Requirement]:
        """What the installed distribution requires on this machine, or with one of its extras beyond that."""
        (folder,) = self.site.glob(f"{distribution}-*.dist-info")
        every = map(Requirement, metadata.PathDistribution.at(folder).requires or [])
        if extra:
            asked = (r for r in every if r.marker is not None and f'"{extra}"' in str(r.marker))
            return [r for r in asked if r.marker and r.marker.evaluate({"extra": extra})]
        return [r for r in every if r.marker is None or r.marker.evaluate({"extra": ""})]


def built(project: Path, folder: Path) -> Path:
    """The wheel of a project, built into a folder."""
    build = ("hatchling", "build", "--target", "wheel", "--directory", str(folder))
    subprocess.run([sys.executable, "-m", *build], cwd=project, check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return wheel


def installed(wheel: Path, folder: Path) -> Environment:
    """The wheel, installed by pip into a new environment; what it requires is linked from that of the tests."""
    venv.create(folder, with_pip=True)
    install = ("pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check")
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", *install, wheel], check=True, timeout=120, capture_output=True)
    environment = Environment(folder)
    for name in _closure(environment.requirements(wheel.name.partition("-")[0])):
        _link(name, environment.site)
    return environment


def outside(**values: str) -> dict[str, str]:
    """The variables of somebody who has nothing of this repository: neither its path nor its settings."""
    ours = ("ALMONER_", "OTEL_", "PG", "PYTHON", "VIRTUAL_ENV")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | values


def _closure(requirements: list[Requirement]) -> set[str]:
    needed: set[str] = set()
    while requirements:
        requirement = requirements.pop()
        name = requirement.name.lower().replace("_", "-")
        if name in _NEVER_IMPORTED or (name in needed and not requirement.extras):
            continue
        needed.add(name)
        requirements += [
            r
            for r in map(Requirement, metadata.distribution(name).requires or [])
            if r.marker is None
            or any(r.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras))
        ]
    return needed


def _link(name: str, site: Path) -> None:
    distribution = metadata.distribution(name)
    for file in distribution.files or []:
        source = Path(str(distribution.locate_file(file)))
        if ".." not in file.parts and source.is_file() and not (site / file).exists():
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).symlink_to(source)
