"""Programs of Debian that some tests run beside Almoner. `.ci/run` installs them; elsewhere such a test is passed
over with a word of which package it needs, and it is the only one that may be.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def program(name: str, package: str, oldest: tuple[int, int] = (0, 0)) -> str:
    """Where the program is. A test that asks for one that is not there, or is older than that, ends here."""
    place = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if place is None:
        pytest.skip(f"there is no {name} (Debian: apt-get install {package})")
    if oldest > (0, 0):
        version = subprocess.run([place, "--version"], capture_output=True, text=True, check=True)
        numbers = re.findall(r"\d+", version.stdout)[:2]
        if tuple(map(int, numbers)) < oldest:
            pytest.skip(
                f"{name} is {'.'.join(numbers)}, and {'.'.join(map(str, oldest))} is needed"
            )
    return place


def postgresql(major: int) -> None:
    """Ends the test where there are no programs of this version of PostgreSQL."""
    if not Path(f"/usr/lib/postgresql/{major}/bin/postgres").exists():
        pytest.skip(f"there is no PostgreSQL {major} (Debian: apt-get install postgresql-{major})")


def image(podman: str, name: str) -> None:
    """Ends the test where this machine's store of images has none of this name."""
    asked = subprocess.run([podman, "image", "exists", name], check=False)
    if asked.returncode:
        pytest.skip(f"there is no image {name} (docs/operating/containers.md says how it is made)")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """A disk of so many bytes at this folder until the block ends; what it gives makes it larger. A test that may mount
    nothing ends here.
    """
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("whoever runs the tests may mount nothing here")

    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
