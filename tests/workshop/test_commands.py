"""The command line of the Workshop, as a program director uses it."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from almoner.commands.workshop import app
from almoner.workshop import kiwi_health

GOOD = "program: Good\nphases: [{name: intake}]\n"
BAD = "program: Bad\nphases: [{name: intake}, {name: intake}]\nsurveys: []\n"


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=given)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "program.yaml"


@pytest.fixture
def place(dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a new environment, in the database that the commands find."""

    async def create(name: str) -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute("INSERT INTO environments (name) VALUES ($1)", name)
        await connection.close()

    name = f"place-{uuid.uuid4().hex}"
    asyncio.run(create(name))
    monkeypatch.setenv("ALMONER_DATABASE_URL", dsn)
    return name


def test_check_says_what_a_good_file_holds(file: Path) -> None:
    file.write_text(kiwi_health.source(), encoding="utf-8")
    result = run("check", str(file))
    assert result.exit_code == 0
    assert "Kiwi Health is fit to be published: 8 phases" in result.stdout


def test_check_lists_every_problem_as_file_and_line(file: Path) -> None:
    file.write_text(BAD)
    result = run("check", str(file))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == f"{file}:2: phases[1].name: the name intake is used before, on line 2"
    assert result.stderr.splitlines()[1].startswith(f"{file}:3: unknown key 'surveys'")
    assert result.stderr.splitlines()[2] == "Problems: 2."


def test_check_prints_problems_as_json_too(file: Path) -> None:
    file.write_text(BAD)
    result = run("check", str(file), "--json")
    assert result.exit_code == 1
    assert [p["line"] for p in json.loads(result.stdout)["problems"]] == [2, 3]


def test_check_reads_standard_input() -> None:
    assert "Good is fit" in run("check", "-", given=GOOD).stdout


def test_a_file_that_cannot_be_read_is_told_in_words(file: Path) -> None:
    assert "cannot be read: No such file or directory" in run("check", str(file)).stderr
    file.write_bytes(b"program: \xff")
    assert "is not UTF-8: byte 10" in run("check", str(file)).stderr


def test_a_program_is_published_listed_and_shown(place: str, file: Path) -> None:
    file.write_text(GOOD)
    first = run("publish", str(file), "-e", place, "--by", "Ada")
    assert first.stdout.splitlines() == ["Published version 1:", "  added phase intake"]
    file.write_text(f"# changed\n{GOOD}")
    second = json.loads(run("publish", str(file), "-e", place, "--by", "Ada", "--json").stdout)
    assert (second["version"], second["is_new"], second["changes"]) == (2, True, [])
    listed = json.loads(run("list", "-e", place, "--json").stdout)
    assert [(row["version"], row["published_by"]) for row in listed] == [(2, "Ada"), (1, "Ada")]
    assert "added phase intake" in run("list", "-e", place).stdout
    assert run("show", "-e", place).stdout == f"# changed\n{GOOD}"
    assert run("show", "-e", place, "--version", "1").stdout == GOOD


def test_publishing_the_same_file_again_says_so(place: str, file: Path) -> None:
    file.write_text(GOOD)
    run("publish", str(file), "-e", place)
    again = run("publish", str(file), "-e", place)
    assert (again.exit_code, again.stdout) == (0, "This file is version 1 already; nothing was published.\n")


def test_a_file_with_problems_is_not_published(place: str, file: Path) -> None:
    file.write_text(BAD)
    assert run("publish", str(file), "-e", place).exit_code == 1
    assert "Nothing is published yet" in run("list", "-e", place).stdout
    shown = run("show", "-e", place)
    assert (shown.exit_code, "Nothing is published yet" in shown.stderr) == (1, True)


def test_a_version_that_does_not_exist_is_told_with_the_newest(place: str, file: Path) -> None:
    file.write_text(GOOD)
    run("publish", str(file), "-e", place)
    assert run("show", "-e", place, "--version", "7").stderr == "There is no version 7. The newest is 1.\n"


@pytest.mark.parametrize("command", ["check", "publish", "show", "list"])
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    assert f"Example: almoner workshop {command}" in run(command, "--help").stdout
