"""The commands of access, as an operator types them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from almoner.cli import app

NOBODY = "00000000-0000-4000-8000-000000000000"


class Operator:
    """Someone at a terminal, with a database and a home."""

    def __init__(self, dsn: str, home: Path) -> None:
        self.environ = {
            "ALMONER_DATABASE_URL": dsn,
            "ALMONER_HOME": str(home),
            "ALMONER_PUBLIC_URL": "https://care.example",
        }
        self.environment = f"cli-{uuid.uuid4().hex}"

    def types(self, *words: str) -> Result:
        return CliRunner().invoke(app, list(words), env=self.environ)

    def gets(self, *words: str) -> Any:
        result = self.types(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def gets_here(self, *words: str) -> Any:
        return self.gets(*words, "--environment", self.environment)


@pytest.fixture
def operator(dsn: str, home: Path) -> Operator:
    someone = Operator(dsn, home)
    someone.gets("environment", "create", someone.environment)
    return someone


@pytest.fixture
def client(operator: Operator) -> dict[str, str]:
    created: dict[str, str] = operator.gets_here(
        "client", "create", "--name", "warehouse", "--scope", "patients.read messages.read"
    )
    return created


def test_a_client_is_created_and_listed_without_its_secret(
    operator: Operator, client: dict[str, str]
) -> None:
    assert list(client) == ["client_id", "client_secret", "token_url"]
    assert client["token_url"] == "https://care.example/v1/token"
    (listed,) = operator.gets_here("client", "list")
    assert (listed["client_id"], listed["name"], listed["live_secrets"]) == (
        client["client_id"],
        "warehouse",
        1,
    )
    assert client["client_secret"] not in json.dumps(listed)


def test_a_person_is_told_the_secret_once_and_what_to_do(operator: Operator) -> None:
    words = ["client", "create", "--name", "x", "--shape", "enveloped", "-e", operator.environment]
    output = operator.types(*words)
    assert output.exit_code == 0
    for expected in ("client_id:", "client_secret:", "token_url:", "not shown again"):
        assert expected in output.stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [("--scope", "patient.read"), ("--shape", "bare"), ("--environment", "nowhere")],
)
def test_a_client_that_does_not_fit_is_refused_in_words(
    operator: Operator, option: str, value: str
) -> None:
    options = {"--name": "x", "--environment": operator.environment, option: value}
    refused = operator.types(
        "client", "create", *(word for pair in options.items() for word in pair)
    )
    assert refused.exit_code != 0
    assert "Traceback" not in refused.output
    assert len(refused.output) > 20


def test_secrets_are_rotated_and_retired(operator: Operator, client: dict[str, str]) -> None:
    rotated = operator.gets_here("client", "rotate", client["client_id"], "--keep")
    assert rotated["client_secret"] != client["client_secret"]
    assert operator.gets_here("client", "list")[0]["live_secrets"] == 2
    assert operator.gets_here("client", "retire", client["client_id"])["ended"] == 1
    operator.gets_here("client", "rotate", client["client_id"], "--revoke")
    assert operator.gets_here("client", "list")[0]["live_secrets"] == 1


def test_a_client_is_disabled(operator: Operator, client: dict[str, str]) -> None:
    operator.gets_here("client", "disable", client["client_id"])
    assert operator.gets_here("client", "list")[0]["disabled_at"] is not None
    refused = operator.types("token", "create", "--client", client["client_id"])
    assert refused.exit_code == 1
    assert "no such client" in refused.output


def test_a_second_client_of_one_name_is_told_of_the_first_beside_what_is_piped_on(
    operator: Operator, client: dict[str, str]
) -> None:
    assert (
        operator.types("client", "create", "--name", "noise", "-e", operator.environment).stderr
        == ""
    )
    again = operator.types(
        "client", "create", "--name", " warehouse", "--json", "-e", operator.environment
    )
    assert f"a client of this name already, {client['client_id']}." in again.stderr
    document = json.loads(again.stdout)
    assert document["client_id"] != client["client_id"]
    for client_row in (client, document):
        operator.gets_here("client", "disable", client_row["client_id"])
    assert (
        operator.types("client", "create", "--name", "warehouse", "-e", operator.environment).stderr
        == ""
    )


def test_on_a_terminal_events_fit_into_its_lines_and_piped_they_are_whole(
    operator: Operator, client: dict[str, str]
) -> None:
    piped = operator.types("audit", "events", "-e", operator.environment).stdout
    assert f"client:{client['client_id']}" in piped
    assert "patients.read messages.read" in piped
    # A terminal of 80 characters, as they come.
    leader, follower = pty.openpty()
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from almoner.cli import main; main()",
            "audit",
            "events",
            "-e",
            operator.environment,
        ],
        env=os.environ | operator.environ | {"COLUMNS": "80", "TERM": "dumb"},
        stdout=follower,
        check=True,
    )
    os.close(follower)
    output = os.read(leader, 100_000).decode().splitlines()
    os.close(leader)
    assert max(map(len, output)) <= 80
    (line,) = [line for line in output if f"client:{client['client_id'][:8]} " in line]
    assert "operator " in line


def test_the_help_tells_the_staff_from_the_process() -> None:
    output = CliRunner().invoke(app, ["--help"]).output
    (line,) = [line for line in output.splitlines() if line.strip().startswith("worker")]
    assert "The staff" in line


@pytest.mark.parametrize("verb", ["rotate", "retire", "disable"])
@pytest.mark.parametrize("client_id", [NOBODY, "nonsense"])
def test_an_unknown_client_is_told_so(operator: Operator, verb: str, client_id: str) -> None:
    refused = operator.types("client", verb, client_id, "--environment", operator.environment)
    assert refused.exit_code == 1
    assert "almoner client list" in refused.output


@pytest.mark.parametrize(
    "words", [("client", "rotate"), ("client", "retire"), ("token", "create", "--client")]
)
def test_an_unknown_a_disabled_and_a_strange_client_are_told_alike(
    operator: Operator, client: dict[str, str], words: tuple[str, ...]
) -> None:
    operator.types("environment", "create", "the-other-one")
    elsewhere = operator.types(*words, client["client_id"], "-e", "the-other-one").output.replace(
        "the-other-one", "HERE"
    )
    unknown = operator.types(*words, NOBODY, "-e", operator.environment).output.replace(
        operator.environment, "HERE"
    )
    operator.gets_here("client", "disable", client["client_id"])
    disabled = operator.types(
        *words, client["client_id"], "-e", operator.environment
    ).output.replace(operator.environment, "HERE")
    text = (
        "There is no such client that may be used. See what there is with: almoner client list"
        " --environment HERE\n"
    )
    assert [unknown, elsewhere, disabled] == [text] * 3


def test_the_id_of_a_client_says_its_environment_where_there_are_several(
    operator: Operator, client: dict[str, str]
) -> None:
    operator.types("environment", "create", "the-other-one")
    assert (
        operator.gets("client", "rotate", client["client_id"])["client_id"] == client["client_id"]
    )
    output = operator.types(
        "client", "rotate", client["client_id"], "-e", operator.environment
    ).output
    assert (
        f"almoner client retire {client['client_id']} --environment {operator.environment}"
        in output
    )
    assert operator.gets("client", "disable", client["client_id"])["disabled"] is True


def test_a_token_is_printed_alone_for_scripts(operator: Operator, client: dict[str, str]) -> None:
    printed = operator.types("token", "create", "--client", client["client_id"], "--print")
    assert printed.exit_code == 0
    assert printed.stdout.startswith("alm_")
    assert printed.stdout.count("\n") == 1
    created = operator.gets(
        "token",
        "create",
        "--client",
        client["client_id"],
        "--days",
        "2",
        "--scope",
        "messages.read",
    )
    assert (created["access_token"][:4], created["expires_in"]) == ("alm_", 172_800)
    assert (
        "access_token:" in operator.types("token", "create", "--client", client["client_id"]).stdout
    )


@pytest.mark.parametrize("words", [["--scope", "all"], ["--scope", "nonsense"], ["--days", "0"]])
def test_a_token_covers_no_more_than_was_granted(
    operator: Operator, client: dict[str, str], words: list[str]
) -> None:
    refused = operator.types("token", "create", "--client", client["client_id"], *words)
    assert refused.exit_code != 0
    assert "alm_" not in refused.output


def test_an_environment_is_made_once_and_listed(operator: Operator) -> None:
    assert operator.environment in [e["name"] for e in operator.gets("environment", "list")]
    assert operator.environment in operator.types("environment", "list").stdout
    again = operator.types("environment", "create", operator.environment)
    assert again.exit_code == 1
    assert "already" in again.output


def test_the_audit_trail_of_an_unused_environment_is_empty(operator: Operator) -> None:
    narrowed = [
        "--patient",
        NOBODY.upper(),
        "--actor",
        "x",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-31T12:00:00Z",
    ]
    assert operator.gets_here("audit", "list", *narrowed) == []
    assert "nothing" in operator.types("audit", "list", "-e", operator.environment).stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [("--patient", "x"), ("--from", "soon"), ("--to", "2026-02-30"), ("--to", "9999-12-31")],
)
def test_what_the_audit_trail_cannot_be_narrowed_to_is_refused_in_words(
    operator: Operator, option: str, value: str
) -> None:
    refused = operator.types("audit", "list", "-e", operator.environment, option, value)
    assert refused.exit_code == 2
    assert option in refused.output


@pytest.mark.parametrize(
    "words",
    [
        *(["client", verb] for verb in ("create", "list", "rotate", "retire", "disable")),
        ["token", "create"],
        ["environment", "create"],
        ["environment", "list"],
        ["audit", "list"],
    ],
)
def test_every_command_has_help_with_an_example(operator: Operator, words: list[str]) -> None:
    output = operator.types(*words, "--help")
    assert output.exit_code == 0
    assert f"Example: almoner {' '.join(words)}" in output.stdout
