"""Programs of Debian that some tests run beside Almoner. `.ci/run` installs them; elsewhere such a test is passed
over with a word of which package it needs, and it is the only one that may be.
"""

from __future__ import annotations

import re
import shutil
import subprocess

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
