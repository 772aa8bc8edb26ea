"""The tutorial's lines, run as they stand; and the classes of a program."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_type_hints

import pytest

from tests.changes.writing import until_true
from tests.client.copies import COMMAND, SqliteCopy, command, environment
from tests.client.test_mirror import patient
from tests.conftest import Api, free_port

ROOT = Path(__file__).resolve().parent.parent.parent


def lines() -> list[str]:
    text = (ROOT / "docs" / "howto" / "a-copy.md").read_text(encoding="utf-8")
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return block[1].splitlines()


def run(script: str, folder: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-e", "-c", script]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, **folder
    )


def begun(line: str, folder: dict[str, Any]) -> subprocess.Popen[bytes]:
    # Whatever a script starts in its background ignores interrupts, and so do its children: where
    # the tests run there, the program must be given back what a terminal gives it.
    return subprocess.Popen(["sh", "-c", f"exec env --default-signal=INT {line}"], **folder)


def interrupted(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(60)


@pytest.mark.slow
async def test_ten_lines_lead_from_an_empty_folder_to_a_copy_that_follows(
    api: Api, tmp_path: Path
) -> None:
    words = lines()
    assert len(words) == 10
    row = await patient(api)
    # The environment of the tests has what the first five lines make.
    commands = tmp_path / "bin"
    commands.mkdir()
    code = COMMAND[2].replace('"', '\\"')
    script = f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n'
    (commands / "almoner-client").write_text(script)
    (commands / "almoner-client").chmod(0o755)
    paths = f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    folder: dict[str, Any] = {"env": {**environment(api), "PATH": paths}, "cwd": tmp_path}
    ended = await asyncio.to_thread(run, "\n".join(words[5:9]), folder)
    assert ended.returncode == 0, ended.stderr
    assert "[('intake', 1)]" in ended.stdout
    assert ended.stdout.endswith("The copy is whole.\n")
    copy = SqliteCopy(tmp_path / "copy.db")
    following = await asyncio.to_thread(begun, words[9], folder)
    try:
        await api.put(f"/v1/patients/{row}", json={"first_name": "Ada"})

        async def follows() -> bool:
            return copy.rows("SELECT first_name FROM patients") == [{"first_name": "Ada"}]

        await until_true(follows, "the copy follows")
    finally:
        assert await asyncio.to_thread(interrupted, following) == 130


async def test_what_the_program_asks_is_written_as_classes(api: Api) -> None:
    text = (await command(api, "types")).out
    names: dict[str, Any] = {}
    exec(compile(text, "program_types.py", "exec", dont_inherit=True), names)  # noqa: S102  # it is what we made
    hints = get_type_hints(names["MoodCheckModel"])
    assert hints["low_mood"] == Literal["never", "some days", "most days", "nearly every day"]
    assert "low_mood" in names["MoodCheckModel"].__required_keys__
    assert "wants_to_talk" in names["MoodCheckModel"].__optional_keys__
    assert "LabResultBody" in names


@pytest.mark.slow
async def test_an_address_that_is_none_is_told_from_a_server_that_is_not_there(api: Api) -> None:
    assert (await command(addressed(api, f"{api.base_url}/v1/"), "check")).out
    output = await command(addressed(api, "care.example.org"), "check", status=2)
    assert "https://care.example.org" in output.errors
    nobody = f"http://127.0.0.1:{free_port()}"
    for words in (("check",), ("conform", nobody)):
        output = await command(addressed(api, nobody), *words, status=2)
        assert f"{nobody} cannot be reached" in output.errors


def addressed(api: Api, url: str) -> Api:
    """The same caller at another address."""
    other = Api(base_url=url)
    other.client_id, other.client_secret = api.client_id, api.client_secret
    return other
