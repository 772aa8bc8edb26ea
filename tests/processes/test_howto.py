"""What docs/howto/design-a-process.md shows is what runs."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from almoner.cli import app
from almoner.workshop.publish import publish
from tests.processes.conftest import Place
from tests.processes.test_acting import LOW, PROGRAM

HOWTO = (Path(__file__).parents[2] / "docs" / "howto" / "design-a-process.md").read_text(
    encoding="utf-8"
)

KEY = base64.urlsafe_b64encode(b"k" * 32).decode()


async def command(dsn: str, line: str, *more: str) -> Any:
    """What a command prints for programs."""
    words = [*line.split()[1:], *more, "--json"]
    environ = {"ALMONER_DATABASE_URL": dsn, "ALMONER_SECRET_KEY": KEY}
    result = await asyncio.to_thread(CliRunner().invoke, app, words, env=environ)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def test_the_program_of_the_howto_acts_and_its_commands_say_so(
    place: Place, own_dsn: str
) -> None:
    (source,) = re.findall(r"```yaml\n(.*?)```", HOWTO, re.DOTALL)
    tries, calls, lists, pauses, resumes = re.findall(
        r"^    (almoner process .*)$", HOWTO, re.MULTILINE
    )
    await place.publish(source)
    patient, noise = await place.patient(), await place.patient()
    for of, low in ((patient, 5), (noise, 4)):
        await place.create(
            "assessment_responses", {"user_id": of, "spec_id": "mood_check", "model": {"low": low}}
        )
    (environment,) = [
        row["name"] for row in await place.rows("SELECT name FROM environments WHERE id = $1")
    ]
    here = ("--environment", environment)
    tried = await command(own_dsn, tries, *here)
    assert [(would["patient_id"], would["what"]) for would in tried["would_have"]] == [
        (patient, ["start the care flow Low mood"])
    ]
    assert sum(tried["by_week"].values()) == 1
    assert await place.rows("SELECT FROM care_flows WHERE environment_id = $1") == []
    declared = await command(own_dsn, calls, *here)
    assert (declared["name"], bool(declared["secret"])) == ("hospital", True)
    opened = await command(own_dsn, "almoner process hook discharge --way hmac", *here)
    assert opened["hook"].endswith("/processes/hooks/discharge")
    await command(own_dsn, pauses, *here)
    await place.work()
    listed = {row["name"]: row for row in await command(own_dsn, lists, *here)}
    assert (listed["low_mood"]["paused"], listed["low_mood"]["held"]) == (True, 1)
    assert (await command(own_dsn, resumes, *here))["released"] == 1
    await place.work()
    flows = await place.rows("SELECT user_id::text FROM care_flows WHERE environment_id = $1")
    assert flows == [{"user_id": patient}]


async def test_a_name_that_there_is_not_is_refused_with_what_to_do(
    place: Place, own_dsn: str
) -> None:
    await place.publish("program: P\n")
    for line in ("try x", "pause x", "resume x", "pause x --all", "resume"):
        result = await asyncio.to_thread(
            CliRunner().invoke,
            app,
            ["process", *line.split()],
            env={"ALMONER_DATABASE_URL": own_dsn},
        )
        assert result.exit_code in (1, 2), line
        assert "Traceback" not in result.output
        assert "almoner process list" in result.output or "exactly one" in result.output
    await place.publish(PROGRAM + LOW)
    for line, sentence in (
        ("try x", "The published program has no process x. There is low."),
        ("pause x", "The published program has no process x. There is low."),
        ("try x --draft", "The draft has no process x."),
        ("webhook crm nowhere", "nowhere is not a URL of the form https://host/path. Give an"),
        ("pause low", "Paused. What comes up meanwhile is held."),
        ("pause low", "It was paused already, and stays so."),
        ("resume low", "Resumed. Nothing was held."),
        ("resume low", "It was not paused."),
        ("hook x --way x", "Choose hmac (a signature over the time and the body), bearer"),
    ):
        result = await asyncio.to_thread(
            CliRunner().invoke,
            app,
            ["process", *line.split()],
            env={"ALMONER_DATABASE_URL": own_dsn},
        )
        assert sentence in " ".join(result.output.split()), line
    # What changed nothing is no event.
    events = await place.rows(
        "SELECT event FROM worker_events WHERE environment_id = $1 AND object = 'process:low'"
        " ORDER BY id"
    )
    assert [row["event"] for row in events] == ["processes paused", "processes resumed"]


async def test_a_process_that_is_gone_and_still_waits_is_listed_paused_and_resumed(
    place: Place, own_dsn: str
) -> None:
    waits = LOW.replace("    then:", "    wait: {days: 300}\n    then:")
    await place.publish(PROGRAM + waits)
    patient = await place.patient()
    await place.create(
        "assessment_responses", {"user_id": patient, "spec_id": "mood", "model": {"low": 6}}
    )
    await place.work()
    # Set off long before what is counted by days.
    await place.rows(
        "UPDATE process_firings SET fired_at = fired_at - interval '200 days' WHERE environment_id"
        " = $1 RETURNING id"
    )
    (environment,) = [
        row["name"] for row in await place.rows("SELECT name FROM environments WHERE id = $1")
    ]
    here = ("--environment", environment)
    for is_gone in (False, True):
        (listed,) = await command(own_dsn, "almoner process list", *here)
        assert (listed["name"], listed["gone"], listed["waiting"]) == ("low", is_gone, 1)
        async with place.database.connection() as connection:
            rest = PROGRAM.replace("processes:", "")
            await publish(connection, place.environment, rest, "test", accepting=("processes",))
    assert (await command(own_dsn, "almoner process pause low", *here))["changed"]
    await place.rows(
        "UPDATE work_steps SET due_at = now() WHERE environment_id = $1 AND state = 'ready'"
        " RETURNING id"
    )
    await place.work()
    (listed,) = await command(own_dsn, "almoner process list", *here)
    assert (listed["paused"], listed["held"], listed["waiting"]) == (True, 1, 0)
    assert (await command(own_dsn, "almoner process resume low", *here))["released"] == 1
    await place.work()
    assert await place.firings() == [("low", "done")]
    assert await command(own_dsn, "almoner process list", *here) == []
