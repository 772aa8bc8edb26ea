"""Programs of Debian that some tests run beside Almoner. `.ci/run` installs them; elsewhere such a test is passed
over with a word of which package it needs, and it is the only one that may be.
"""

from __future__ import annotations

import shutil

import pytest


def program(name: str, package: str) -> str:
    """Where the program is. A test that asks for one that is not there ends here."""
    place = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if place is None:
        pytest.skip(f"there is no {name} (Debian: apt-get install {package})")
    return place
