"""Workers' accounts, as an operator keeps them at a terminal."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.access.test_commands import NOBODY, Operator


@pytest.fixture
def operator(dsn: str, home: Path) -> Operator:
    someone = Operator(dsn, home)
    someone.gets("environment", "create", someone.environment)
    return someone


def _created(operator: Operator, *more: str) -> dict[str, Any]:
    email = f"{uuid.uuid4().hex}@example.org"
    words = [
        "worker",
        "create",
        "--email",
        email,
        "--first-name",
        "Emily",
        "--last-name",
        "Smith",
        *more,
    ]
    created: dict[str, Any] = operator.gets_here(*words)
    return created


def test_a_worker_is_created_with_roles_and_a_link(operator: Operator) -> None:
    _created(operator)
    created = _created(operator, "--role", "coach", "--role", "designer", "--invite")
    assert created["link"].startswith("https://care.example/reset/")
    assert created["hours"] == 24
    listed = {worker["id"]: worker for worker in operator.gets_here("worker", "list")}
    assert len(listed) == 2
    invited = listed[created["id"]]
    assert (
        invited["roles"],
        invited["has_password"],
        invited["disabled_at"],
        invited["last_seen_at"],
    ) == (
        ["coach", "designer"],
        False,
        None,
        None,
    )
    assert "coach, designer" in operator.types("worker", "list", "-e", operator.environment).stdout


@pytest.mark.parametrize("more", [["--role", "king"], ["--invite"]])
def test_a_worker_whose_role_is_not_there_or_missing_is_not_created(
    operator: Operator, more: list[str]
) -> None:
    words = [
        "--email",
        "a@example.org",
        "--first-name",
        "A",
        "--last-name",
        "B",
        "-e",
        operator.environment,
    ]
    refused = operator.types("worker", "create", *words, *more)
    assert refused.exit_code != 0
    assert "coach" in refused.output
    assert operator.gets_here("worker", "list") == []


def test_a_worker_is_named_by_address_in_any_letters_or_by_id(operator: Operator) -> None:
    created = _created(operator)
    assert operator.gets_here("worker", "roles", created["email"].upper(), "coach")["roles"] == [
        "coach"
    ]
    assert operator.gets_here("worker", "roles", created["id"], "admin", "designer")["roles"] == [
        "admin",
        "designer",
    ]
    refused = operator.types("worker", "roles", created["id"], "king", "-e", operator.environment)
    assert refused.exit_code == 1
    assert "The roles are: coach" in refused.output
    assert operator.gets_here("worker", "list")[0]["roles"] == ["admin", "designer"]


def test_a_worker_is_disabled_enabled_and_given_a_new_link(operator: Operator) -> None:
    created = _created(operator, "--role", "coach", "--invite")
    assert operator.gets_here("worker", "disable", created["email"])["disabled"] is True
    assert operator.gets_here("worker", "list")[0]["disabled_at"] is not None
    assert (
        operator.types("worker", "reset", created["email"], "-e", operator.environment).exit_code
        == 1
    )
    assert operator.gets_here("worker", "enable", created["email"])["disabled"] is False
    again = operator.gets_here("worker", "reset", created["email"], "--second-factor")
    assert again["link"] != created["link"]
    assert again["second_factor_removed"] is False
    output = operator.types("worker", "reset", created["email"], "-e", operator.environment)
    assert "https://care.example/reset/" in output.stdout
    assert "not shown again" in output.stdout
    events = operator.gets_here("worker", "events", "--worker", created["email"])
    assert [event["event"] for event in reversed(events)] == [
        "roles set",
        "reset link made",
        "disabled",
        "enabled",
        "reset link made",
        "reset link made",
    ]
    assert {event["actor"] for event in events} == {"operator"}
    assert (
        operator.gets_here("worker", "events", "--before", str(events[-2]["id"]))[0]["event"]
        == "roles set"
    )


@pytest.mark.parametrize("words", [["roles", "coach"], ["disable"], ["enable"], ["reset"]])
@pytest.mark.parametrize("named", [NOBODY, "nobody@example.org"])
def test_an_unknown_worker_is_told_so(operator: Operator, words: list[str], named: str) -> None:
    refused = operator.types("worker", words[0], named, *words[1:], "-e", operator.environment)
    assert refused.exit_code == 1
    assert "almoner worker list" in refused.output


@pytest.mark.parametrize(
    "verb", ["create", "list", "roles", "disable", "enable", "reset", "events"]
)
def test_every_command_has_help_with_an_example(operator: Operator, verb: str) -> None:
    output = operator.types("worker", verb, "--help")
    assert output.exit_code == 0
    assert f"Example: almoner worker {verb}" in output.stdout
