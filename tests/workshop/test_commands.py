"""The command line of the Workshop, as a program director uses it."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from almoner.commands import environment
from almoner.commands.workshop import app
from almoner.workshop import json_schema, kiwi_health

GOOD = "program: Good\nphases: [{name: intake}]\n"
BAD = "program: Bad\nphases: [{name: intake}, {name: intake}]\nsurveys: []\n"


def run(*arguments: str, values: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=values)


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
    assert result.stdout.endswith("3 processes, 5 roles, 10 cards of the profile.\n")


def test_check_lists_every_problem_as_file_and_line(file: Path) -> None:
    file.write_text(BAD)
    result = run("check", str(file))
    assert result.exit_code == 1
    assert (
        result.stderr.splitlines()[0]
        == f"{file}:2: phases[1].name: the name intake is used before, on line 2"
    )
    assert result.stderr.splitlines()[1].startswith(f"{file}:3: unknown key 'surveys'")
    assert result.stderr.splitlines()[2] == "Problems: 2."


def test_check_prints_problems_as_json_too(file: Path) -> None:
    file.write_text(BAD)
    result = run("check", str(file), "--json")
    assert result.exit_code == 1
    assert [p["line"] for p in json.loads(result.stdout)["problems"]] == [2, 3]


def test_check_reads_standard_input() -> None:
    assert "Good is fit" in run("check", "-", values=GOOD).stdout


def test_a_file_that_cannot_be_read_is_told_in_words(file: Path) -> None:
    assert "cannot be read: No such file or directory" in run("check", str(file)).stderr
    file.write_bytes(b"program: \xff")
    assert "is not UTF-8: byte 10" in run("check", str(file)).stderr


def test_a_program_is_published_listed_and_shown(place: str, file: Path) -> None:
    file.write_text(GOOD)
    first = run("publish", str(file), "-e", place, "--by", "Ada")
    assert first.stdout.splitlines() == ["Published version 1:", "  Phase intake: added"]
    file.write_text(f"# changed\n{GOOD}")
    second = json.loads(run("publish", str(file), "-e", place, "--by", "Ada", "--json").stdout)
    assert (second["version"], second["is_new"], second["changes"]) == (2, True, [])
    listed = json.loads(run("list", "-e", place, "--json").stdout)
    assert [(row["version"], row["published_by"]) for row in listed] == [(2, "Ada"), (1, "Ada")]
    assert "phase intake added" in run("list", "-e", place).stdout
    assert run("show", "-e", place).stdout == f"# changed\n{GOOD}"
    assert run("show", "-e", place, "--version", "1").stdout == GOOD


def test_publishing_the_same_file_again_says_so(place: str, file: Path) -> None:
    file.write_text(GOOD)
    run("publish", str(file), "-e", place)
    again = run("publish", str(file), "-e", place)
    assert (again.exit_code, again.stdout) == (
        0,
        "This is version 1 already; nothing was published.\n",
    )


def test_a_file_with_problems_is_not_published(place: str, file: Path) -> None:
    file.write_text(BAD)
    assert run("publish", str(file), "-e", place).exit_code == 1
    assert "Nothing is published yet" in run("list", "-e", place).stdout
    result = run("show", "-e", place)
    assert (result.exit_code, "Nothing is published yet" in result.stderr) == (1, True)


def test_a_version_that_does_not_exist_is_told_with_the_newest(place: str, file: Path) -> None:
    file.write_text(GOOD)
    run("publish", str(file), "-e", place)
    assert (
        run("show", "-e", place, "--version", "7").stderr
        == "There is no version 7. The newest is 1.\n"
    )


TWO = "program: Good\nphases: [{name: intake}, {name: paused}]\n"


@pytest.fixture
def with_patient(place: str, file: Path, dsn: str) -> str:
    """The environment, with two phases published and a patient in the second."""
    file.write_text(TWO)
    assert run("publish", str(file), "-e", place).exit_code == 0

    async def create() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(
            "INSERT INTO patients (environment_id, id, phase, first_name, last_name, timezone,"
            " birthday) SELECT id, gen_random_uuid(), 'paused', 'A', 'B', 'US/Pacific',"
            " '1990-01-01' FROM environments WHERE name = $1",
            place,
        )
        await connection.close()

    asyncio.run(create())
    file.write_text(GOOD)
    return place


def test_a_dry_run_tells_what_breaks_and_ends_with_3(with_patient: str, file: Path) -> None:
    result = run("check", str(file), "--against", with_patient)
    assert result.exit_code == 3
    assert (
        "1 patient in the phase paused, which is gone. Accept with: --accept phases"
        in result.stdout
    )
    document = json.loads(run("check", str(file), "--against", with_patient, "--json").stdout)
    assert [(b["word"], b["count"], len(b["ids"])) for b in document["breakages"]] == [
        ("phases", 1, 1)
    ]


def test_a_dry_run_that_finds_nothing_says_what_it_looked_at(with_patient: str, file: Path) -> None:
    file.write_text(TWO)
    result = run("check", str(file), "--against", with_patient)
    assert (result.exit_code, f"It breaks nothing in {with_patient}" in result.stdout) == (0, True)


def test_a_publish_that_breaks_something_says_which_words_are_missing(
    with_patient: str, file: Path
) -> None:
    refused = run("publish", str(file), "-e", with_patient, "--accept", "records")
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert refused.stderr.splitlines()[-1].endswith("by adding: --accept phases")
    unknown = run("publish", str(file), "-e", with_patient, "--accept", "everything")
    assert (unknown.exit_code, "The words are: responses, records, phases" in unknown.stderr) == (
        2,
        True,
    )
    done = run(
        "publish",
        str(file),
        "-e",
        with_patient,
        "--accept",
        "phases",
        "--message",
        "No more pauses",
    )
    assert done.stdout.splitlines()[:2] == ["Published version 2:", "  Phase paused: removed"]
    assert "No more pauses" in run("list", "-e", with_patient).stdout


def test_versions_are_compared_and_restored(with_patient: str, file: Path) -> None:
    run("publish", str(file), "-e", with_patient, "--accept", "phases")
    compared = run("compare", "-e", with_patient, "--version-a", "1", "--version-b", "2")
    assert compared.stdout == "Phase paused removed:\n  Phase paused: removed\n"
    assert run("compare", "1", "2", "-e", with_patient).stdout == compared.stdout
    assert run("compare", "1", "2", "3", "-e", with_patient).exit_code == 2
    assert (
        "There is no version 7. The newest is 2."
        in run("compare", "-e", with_patient, "--version-a", "7").stderr
    )
    untouched = run("draft", "show", "-e", with_patient).stdout
    assert untouched.startswith("# As published in version 2; put it with --base -2\n")
    restored = run("restore", "-e", with_patient, "--version", "1")
    assert restored.stdout.startswith("Version 1 is revision 1 of the draft.")
    assert f"workshop draft show --environment {with_patient}" in restored.stdout


def test_a_draft_is_shown_put_merged_and_refused_where_two_changed_the_same(
    place: str, file: Path
) -> None:
    file.write_text(TWO)
    assert run("draft", "put", str(file), "--base", "0", "-e", place, "--by", "Ada").exit_code == 0
    file.write_text(TWO.replace("{name: intake}", "{name: intake, title: Theirs}"))
    assert run("draft", "put", str(file), "--base", "1", "-e", place, "--by", "Ben").exit_code == 0
    file.write_text(TWO.replace("{name: intake}", "{name: intake, title: Mine}"))
    refused = run("draft", "put", str(file), "--base", "1", "-e", place)
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert (
        'Phase intake, title\n  was:    ""\n  theirs: "Theirs"\n  yours:  "Mine"' in refused.stderr
    )
    file.write_text(TWO.replace("program: Good", "program: Better"))
    merged = run("draft", "put", str(file), "--base", "1", "-e", place)
    assert "revision 2 by Ben: phase intake changed" in merged.stdout
    stdout = run("draft", "show", "-e", place).stdout
    assert stdout.startswith("# Revision 3 saved by ")
    assert "program: Better" in stdout
    assert "title: Theirs" in stdout
    assert "revision" in run("draft", "history", "-e", place).stdout
    assert "There is no revision 9" in run("draft", "show", "-e", place, "--revision", "9").stderr
    assert (
        run("draft", "discard", "-e", place).stdout
        == "The draft is what is published, as revision 4.\n"
    )


def test_a_draft_is_locked_where_it_is_tested(place: str, file: Path) -> None:
    test = f"test-{place}"
    result = CliRunner().invoke(environment.app, ["create", test, "--test-of", place])
    assert f"workshop lock --environment {place} --test-environment {test}" in result.stdout
    assert place in CliRunner().invoke(environment.app, ["list"]).stdout
    file.write_text(GOOD)
    run("draft", "put", str(file), "--base", "0", "-e", place)
    locked = run("lock", "-e", place, "--test-environment", test)
    assert locked.stdout == f"Revision 1 is locked, and published in {test} as version 1.\n"
    assert "phases" in run("show", "-e", test).stdout
    assert run("lock", "-e", place, "--test-environment", place).exit_code == 1


def test_the_schema_is_printed() -> None:
    assert run("schema").stdout == json_schema.text()


@pytest.mark.parametrize(
    "command",
    [
        "check",
        "publish",
        "show",
        "list",
        "compare",
        "restore",
        "lock",
        "schema",
        "draft show",
        "draft put",
    ],
)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    assert f"Example: almoner workshop {command}" in run(*command.split(), "--help").stdout


def test_a_publish_past_the_draft_is_merged_into_the_draft(
    file: Path, place: str, tmp_path: Path
) -> None:
    file.write_text(GOOD)
    assert "draft" not in run("publish", str(file), "-e", place).stdout
    draft = tmp_path / "draft.yaml"
    draft.write_text("program: Good\nphases: [{name: intake, title: Intake}]\n")
    assert run("draft", "put", str(draft), "--base", "-1", "-e", place).exit_code == 0
    file.write_text("program: Good\nphases: [{name: intake}, {name: active}]\n")
    assert (
        "The Workshop's draft has it too, as revision 2."
        in run("publish", str(file), "-e", place).stdout
    )
    stdout = run("draft", "show", "-e", place).stdout
    assert "title: Intake" in stdout
    assert "active" in stdout


def test_a_publish_that_the_draft_contradicts_leaves_it_alone_and_says_where(
    file: Path, place: str, tmp_path: Path
) -> None:
    file.write_text(GOOD)
    run("publish", str(file), "-e", place)
    draft = tmp_path / "draft.yaml"
    draft.write_text("program: Good\nphases: [{name: intake, title: Intake}]\n")
    run("draft", "put", str(draft), "--base", "-1", "-e", place)
    file.write_text("program: Good\nphases: [{name: intake, title: First talk}]\n")
    stdout = run("publish", str(file), "-e", place).stdout
    assert "was left alone, since it changed the same parts: Phase intake, title." in stdout
    assert "title: Intake" in run("draft", "show", "-e", place).stdout
