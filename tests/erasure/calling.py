"""The commands about a patient, called as an operator calls them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import msgspec

from almoner.settings import Settings


def command(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """``almoner``, in a process of its own."""
    environ = {
        **os.environ,
        "ALMONER_DATABASE_URL": settings.database_url,
        "ALMONER_HOME": str(settings.home),
    }
    return subprocess.run(
        [sys.executable, "-c", "from almoner.cli import main; main()", *words],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )


def called(settings: Settings, *words: str, code: int = 0) -> Any:
    """The answer of a command as JSON."""
    answer = command(settings, *words, "--json")
    assert answer.returncode == code, answer.stderr
    return msgspec.json.decode(answer.stdout) if code == 0 else answer.stderr
