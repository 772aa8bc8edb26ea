"""``almoner subscription``, as an operator types it."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.cli import app
from almoner.errors import SettingError
from almoner.settings import Settings
from tests.notifications.subscribers import Listening, Subscriber

NOBODY = "00000000-0000-4000-8000-000000000000"
SECRET = "the-secret-of-the-bridge"


class Operator:
    """Someone at a terminal, with a database, a home and an environment."""

    def __init__(self, dsn: str, home: Path) -> None:
        self._environ = {
            "ALMONER_DATABASE_URL": dsn,
            "ALMONER_HOME": str(home),
            "ALMONER_ALLOW_PRIVATE_TARGETS": "1",
        }
        self.environment = f"cli-{uuid.uuid4().hex}"

    def types(self, *words: str) -> Result:
        return CliRunner().invoke(app, list(words), env=self._environ)

    def says(self, *words: str, code: int = 0) -> str:
        result = self.types("subscription", *words, "--environment", self.environment)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result.output if code else result.stdout

    def gets(self, *words: str) -> Any:
        return json.loads(self.says(*words, "--json"))

    def subscribes(self, **options: str) -> dict[str, Any]:
        body = {
            "name": "EHR bridge",
            "url": "https://ehr.example.org/notifications",
            "resources": "patients, messages",
            "client-id": "almoner",
            "client-secret": SECRET,
            "token-url": "https://ehr.example.org/token",
            **options,
        }
        created: dict[str, Any] = self.gets(
            "create", *(f"--{name}={value}" for name, value in body.items())
        )
        return created


@pytest.fixture
def operator(dsn: str, home: Path) -> Operator:
    someone = Operator(dsn, home)
    assert someone.types("environment", "create", someone.environment).exit_code == 0
    return someone


def test_a_subscription_is_made_listed_shown_and_ended(operator: Operator) -> None:
    created = operator.subscribes()
    assert created["resources"] == ["patients", "messages"]
    assert operator.gets("list") == [created]
    assert operator.gets("show", "EHR bridge") == {**created, "deliveries": []}
    assert operator.gets("show", created["id"].upper())["id"] == created["id"]
    assert operator.gets("delete", "EHR bridge")["id"] == created["id"]
    assert operator.gets("list") == []
    assert "No subscriptions yet" in operator.says("list")


def test_the_secret_is_never_shown(operator: Operator) -> None:
    created = operator.subscribes()
    for words in (
        ["list"],
        ["show", created["id"]],
        ["pause", created["id"]],
        ["list", "--json"],
        ["show", created["id"], "--json"],
    ):
        assert SECRET not in operator.says(*words)
    assert SECRET not in json.dumps(created)


def test_a_person_is_told_what_to_do_next(operator: Operator) -> None:
    words = ["--name=x", "--url=https://x.example.org", "--resources=patients", "--auth=bearer_jwt"]
    output = operator.says("create", *words, "--client-id=almoner", "--client-secret=s")
    assert "Subscribed x" in output
    assert "almoner subscription test" in output


def test_all_problems_are_told_at_once_in_words(operator: Operator) -> None:
    operator.subscribes()
    words = ["--name=EHR bridge", "--url=nonsense", "--resources=patient,messages", "--auth=basic"]
    output = operator.says("create", *words, "--client-id=a", "--client-secret=s", code=1)
    for sentence in (
        "has this name",
        ".notify_url",
        "no collection patient;",
        "one of token_exchange, bearer_jwt",
        ".token_url",
    ):
        assert sentence in output


def test_pausing_and_resuming_by_name(operator: Operator) -> None:
    operator.subscribes()
    assert operator.says("pause", "EHR bridge") == "Paused EHR bridge.\n"
    assert operator.gets("show", "EHR bridge")["paused"] is True
    assert operator.says("resume", "EHR bridge") == "Resumed EHR bridge.\n"
    assert operator.gets("show", "EHR bridge")["paused"] is False


@pytest.mark.parametrize(
    "words",
    [["show"], ["pause"], ["resume"], ["delete"], ["test"], ["replay", "--from=2026-01-01"]],
)
@pytest.mark.parametrize("key", [NOBODY, "nonsense"])
def test_an_unknown_subscription_is_told_so(operator: Operator, words: list[str], key: str) -> None:
    assert "almoner subscription list" in operator.says(words[0], key, *words[1:], code=1)


def test_a_replay_takes_days_and_moments(operator: Operator) -> None:
    operator.subscribes()
    asked = operator.gets(
        "replay", "EHR bridge", "--from=2026-03-01", "--to=2026-03-02T01:00:00+01:00"
    )
    assert (asked["from"], asked["to"]) == (
        "2026-03-01T00:00:00.000000+00:00",
        "2026-03-02T00:00:00.000000+00:00",
    )
    assert "once more" in operator.says("replay", "EHR bridge", "--from=2026-03-01")
    assert ".from" in operator.says("replay", "EHR bridge", "--from=yesterday", code=1)


async def test_the_latest_attempts_are_shown_as_a_table(dsn: str, home: Path) -> None:
    # The command runs an event loop of its own, which a test with one cannot.
    operator = Operator(dsn, home)
    await asyncio.to_thread(operator.types, "environment", "create", operator.environment)
    subscription = await asyncio.to_thread(operator.subscribes)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "INSERT INTO deliveries (environment_id, subscription_id, reason, resources, outcome,"
            " status, milliseconds, answer) SELECT environment_id, id, 'changes', '{patients}',"
            " 'The receiver answered 500.', 500, 37, 'no' FROM subscriptions WHERE id = $1",
            subscription["id"],
        )
    finally:
        await connection.close()
    output = await asyncio.to_thread(operator.says, "show", subscription["id"])
    assert "lag seconds:" in output
    assert "The receiver answered 500." in output
    (delivery,) = (await asyncio.to_thread(operator.gets, "show", subscription["id"]))["deliveries"]
    assert (delivery["status"], delivery["milliseconds"], delivery["answer"]) == (500, 37, "no")


def test_a_test_tells_how_each_step_went(operator: Operator) -> None:
    subscriber = Subscriber()
    with Listening(subscriber.app()) as at:
        operator.subscribes(url=f"{at.url}/notifications", **{"token-url": f"{at.url}/token"})
        output = operator.says("test", "EHR bridge")
        assert "FAILED" not in output
        for step in ("token endpoint: connection", "receiver: name", "answer"):
            assert step in output
        subscriber.token_status = 401
        output = operator.says("test", "EHR bridge", code=1)
        assert "FAILED  token" in output
        assert (
            operator.types(
                "subscription", "test", "EHR bridge", "-e", operator.environment, "--json"
            ).exit_code
            == 1
        )
    assert [body for _, body in subscriber.received] == [b"[]"]


def test_private_targets_are_allowed_by_a_setting_alone() -> None:
    assert Settings.read({}).private_targets is False
    assert Settings.read({"ALMONER_ALLOW_PRIVATE_TARGETS": "1"}).private_targets is True
    assert Settings.read({"ALMONER_ALLOW_PRIVATE_TARGETS": "false"}).private_targets is False
    with pytest.raises(SettingError, match="must be 1 or 0"):
        Settings.read({"ALMONER_ALLOW_PRIVATE_TARGETS": "maybe"})


@pytest.mark.parametrize(
    "name", ["create", "list", "show", "pause", "resume", "delete", "replay", "test"]
)
def test_every_command_has_an_example(operator: Operator, name: str) -> None:
    output = operator.types("subscription", name, "--help").output
    assert "Example: almoner subscription" in " ".join(output.split())


def test_the_receiver_has_an_example(operator: Operator) -> None:
    assert "almoner receive --port 9000" in " ".join(
        operator.types("receive", "--help").output.split()
    )


def test_a_secret_comes_from_a_file_standard_input_or_the_environment_and_an_argument_warns(
    dsn: str, home: Path, operator: Operator, tmp_path: Path
) -> None:
    words = [
        "subscription",
        "create",
        "--url",
        "https://ehr.example.org/n",
        "--resources",
        "patients",
        "--client-id",
        "a",
        "--json",
    ]
    words += ["--auth", "bearer_jwt"]
    file = tmp_path / "secret"
    file.write_text("of a file\n", encoding="utf-8")
    environ = {"ALMONER_DATABASE_URL": dsn, "ALMONER_HOME": str(home)}
    cases: dict[str, tuple[list[str], str | None, dict[str, str]]] = {
        "of a file": (
            ["--client-secret-file", str(file)],
            None,
            {"ALMONER_CLIENT_SECRET": "of nobody"},
        ),
        "of standard input": (["--client-secret-file", "-"], "of standard input\n", {}),
        "of the environment": ([], None, {"ALMONER_CLIENT_SECRET": "of the environment"}),
        "of an argument": (["--client-secret", "of an argument"], None, {}),
    }
    box = SecretBox(*KeySource("", home).first())
    wrong = []
    for secret, (options, standard_input, more) in cases.items():
        command = [*words, "--name", secret, "--environment", operator.environment, *options]
        result = CliRunner().invoke(app, command, input=standard_input, env=environ | more)
        document = json.loads(result.stdout)
        sealed = sealed_of(dsn, document["id"])
        warned = "ALMONER_CLIENT_SECRET" in result.stderr
        if box.open(sealed, document["id"]) != secret or warned != (secret == "of an argument"):
            wrong.append((secret, result.output))
    assert not wrong
    for options, sentence in (
        ([], "--client-secret-file FILE"),
        (["--client-secret-file", str(tmp_path / "nowhere")], "No such file"),
        (["--client-secret-file", os.devnull], "no secret in"),
        (["--client-secret-file", str(file), "--client-secret", "x"], "one of"),
    ):
        refused = CliRunner().invoke(app, [*words, "--name", "x", *options], env=environ)
        assert (refused.exit_code, sentence in refused.stderr) == (2, True), refused.output


def sealed_of(dsn: str, subscription_id: str) -> bytes:
    """What is stored of a subscription's secret."""

    async def look() -> bytes:
        connection = await asyncpg.connect(dsn)
        try:
            sealed: bytes = await connection.fetchval(
                "SELECT sealed FROM subscriptions WHERE id = $1", subscription_id
            )
            return sealed
        finally:
            await connection.close()

    return asyncio.run(look())
