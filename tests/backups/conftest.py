"""A home of its own for each test, whose server runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from almoner.access.secrets import KEY_BYTES
from almoner.backups.sealing import BackupKeys
from almoner.embedded import EmbeddedServer

KEYS = BackupKeys([b"k" * KEY_BYTES], "the test")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedServer]:
    running = EmbeddedServer(home)
    running.start()
    yield running
    running.stop()
