"""Who gave access is written down, with what it was and is, and never a secret; and what somebody
made ends, or is reviewed.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from almoner.access import accounts, clients, created_by, worker_events
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.cli import app
from almoner.database import Database
from almoner.portal.admin_access import wording
from almoner.workshop import kiwi_health
from almoner.workshop.program_file import parse
from almoner.workshop.publish import publish
from tests.conftest import Callers, Server, new_environment
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.web.document import Document

HOOK = {
    "name": "EHR bridge",
    "notify_url": "https://ehr.example.org/notifications",
    "client_id": "almoner",
    "client_secret": "a secret that the receiver gave",
    "authentication": "bearer_jwt",
}


@pytest.fixture
async def admin(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "admin", first_name="Ada", last_name="King") as person:
        yield person


@pytest.fixture
async def maker(people: People, admin: Person) -> AsyncIterator[Person]:
    """Somebody who makes clients and webhooks."""
    async with await people(
        admin.environment_id, "designer", first_name="Mia", last_name="Maker"
    ) as person:
        yield person


def text(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", answer.text)))


def value_of(page: httpx.Response, id_: str) -> str:
    [value] = re.findall(rf'id="{id_}" value="([^"]*)"', page.text)
    return unescape(value)


async def events(database: Database, person: Person) -> list[worker_events.WorkerEvent]:
    """What is written down of access in this environment, oldest first."""
    async with database.connection() as connection:
        return list(
            reversed(
                await worker_events.list_events(
                    connection,
                    person.environment_id,
                    worker_id=None,
                    before=None,
                    limit=100,
                    only_access=True,
                )
            )
        )


async def test_each_step_of_a_client_and_a_webhook_is_written_down_without_a_secret(
    maker: Person, database: Database
) -> None:
    page = await maker.send_form(
        "/workshop/clients",
        ("scopes", "patients.read"),
        name="Warehouse",
        grant="some",
        shape="documented",
    )
    client_id, secrets = (
        value_of(page, "issued-id"),
        [value_of(page, "issued-value"), HOOK["client_secret"]],
    )
    path = f"/workshop/clients/{client_id}"
    await maker.send_form(
        f"{path}/edit",
        ("scopes", "messages.read"),
        name="Warehouse",
        grant="some",
        shape="documented",
    )
    secrets.append(value_of(await maker.send_form(f"{path}/rotate"), "issued-value"))
    secrets.append(value_of(await maker.send_form(f"{path}/token", days="7"), "issued-value"))
    [_, first] = re.findall(r'name="secret" value="([^"]+)"', (await maker.get(path)).text)
    await maker.send_form(f"{path}/revoke", secret=first)
    await maker.send_form(f"{path}/end-tokens")
    answer = await maker.send_form("/workshop/webhooks", ("resources", "patients"), **HOOK)
    hook = answer.headers["location"].partition("?")[0]
    await maker.send_form(
        f"{hook}/edit",
        ("resources", "patients"),
        **HOOK | {"notify_url": "https://taken.example.org/"},
    )
    for action in ("pause", "resume", "delete"):
        await maker.send_form(f"{hook}/{action}")
    await maker.send_form(f"{path}/disable")
    logged = [
        event
        for event in await events(database, maker)
        if event.object.startswith(("client:", "webhook:"))
    ]
    expected = (
        "client made, client changed, secret made, token made, secret ended, tokens ended, webhook"
        " made, webhook changed, "
    )
    assert (
        ", ".join(event.event for event in logged)
        == f"{expected}webhook paused, webhook resumed, webhook deleted, client disabled"
    )
    assert {event.actor for event in logged} == {f"worker:{maker.worker_id}"}
    assert all(event.request_id for event in logged)
    changed, redirected = logged[1], logged[7]
    assert (changed.before, changed.after) == (
        {"scope": "patients.read"},
        {"scope": "messages.read"},
    )
    assert (redirected.before or {})["notify_url"] == HOOK["notify_url"]
    assert (redirected.after or {})["notify_url"] == "https://taken.example.org/"
    whole = repr([event.as_json() for event in logged])
    assert not [secret for secret in secrets if secret in whole]


async def test_what_is_refused_or_fails_is_not_written_down(
    maker: Person, database: Database, callers: Callers
) -> None:
    before = len(await events(database, maker))
    assert (
        await maker.send_form("/workshop/clients", name="All", grant="all", shape="documented")
    ).status_code == 403
    assert (await maker.send_form("/workshop/environments", name="Not Fit")).status_code == 400
    async with database.connection() as connection:
        with pytest.raises(RuntimeError):
            await worker_events.changed(
                connection, maker.environment_id, "client made", AT_THE_TERMINAL, "client:1"
            )
        undone = connection.transaction()
        await undone.start()
        await clients.create(
            connection,
            callers.box,
            environment_id=maker.environment_id,
            name="Undone",
            scope="all",
            shape="documented",
        )
        await undone.rollback()
    assert len(await events(database, maker)) == before


async def test_the_page_says_who_did_what_to_what(
    admin: Person, maker: Person, people: People, database: Database
) -> None:
    await maker.send_form(
        "/workshop/clients",
        ("scopes", "patients.read"),
        name="Ware <b>house</b>",
        grant="some",
        shape="documented",
    )
    await maker.send_form("/workshop/environments", name="trial")
    page = await admin.get("/admin/access")
    row = Document(page).row("Mia Maker made the client Ware <b>house</b>")
    assert "Patients (read)" in row
    assert row.mentions("patients.read")
    assert Document(page).row("Mia Maker made the environment")
    assert Document(page).row("Whoever runs the server published the program")
    async with await people(admin.environment_id, "coach") as coach:
        assert (await coach.get("/admin/access")).status_code == 403
    async with await people(await new_environment(database), "admin") as stranger:
        assert not Document(await stranger.get("/admin/access?show=all")).mentions("Mia Maker")


async def test_it_narrows_by_who_whose_account_what_and_when(
    admin: Person, maker: Person, people: People, database: Database
) -> None:
    await maker.send_form("/workshop/environments", name="trial")
    await admin.send_form(f"/admin/workers/{maker.worker_id}/roles", ("roles", "coach"))
    log = "/admin/access"
    assert set(get_args(worker_events.Kind)) == set(wording.SENTENCES)
    assert {*wording.SENTENCES} == {
        kind for group in wording.GROUPS for kind in wording.kinds_of(group)
    }
    theirs = Document(await admin.get(f"{log}?actor=worker:{maker.worker_id}"))
    assert theirs.row("Mia Maker made the environment")
    assert theirs.lacks("row", "Whoever runs the server published the program")
    account = Document(await admin.get(f"{log}?worker={maker.worker_id}"))
    assert account.row("You set the roles of Mia Maker: Coach")
    assert account.lacks("row", "Mia Maker made the environment")
    program = Document(await admin.get(f"{log}?kind=program"))
    assert program.row("Whoever runs the server published the program")
    assert program.lacks("row", "You set the roles of Mia Maker: Coach")
    then = Document(await admin.get(f"{log}?begin=2001-01-01&end=2001-01-02"))
    assert then.lacks("row", "You set the roles of Mia Maker: Coach")
    wrong = await admin.get(f"{log}?begin=2001-01-02&end=2001-01-01")
    assert wrong.status_code == 400
    assert Document(wrong).field("end").error


async def command(dsn: str, home: Path, *words: str) -> Any:
    environ = {"ALMONER_DATABASE_URL": dsn, "ALMONER_HOME": str(home)}
    result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"], env=environ)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def test_the_command_line_writes_down_what_it_does_and_lists_it(
    dsn: str, home: Path, server: Server, admin: Person, database: Database
) -> None:
    async with database.connection() as connection:
        name = await connection.fetchval(
            "SELECT name FROM environments WHERE id = $1", admin.environment_id
        )
    client = await command(
        dsn, home, "client", "create", "--name", "Bridge", "--scope", "patients.read", "-e", name
    )
    token = await command(
        dsn, home, "token", "create", "--client", client["client_id"], "--days", "400"
    )
    await command(dsn, home, "client", "disable", client["client_id"])
    logged = await command(dsn, home, "audit", "events", "--environment", name)
    assert [event["event"] for event in logged[:3]] == [
        "client disabled",
        "token made",
        "client made",
    ]
    assert {event["actor"] for event in logged[:3]} == {"operator"}
    assert logged[2]["object"] == f"client:{client['client_id']}"
    assert logged[2]["after"] == {"name": "Bridge", "scope": "patients.read", "shape": "documented"}
    assert logged[1]["after"] == {"scope": "patients.read", "days": 400}
    assert token["access_token"] not in json.dumps(logged)
    assert client["client_secret"] not in json.dumps(logged)


async def test_what_a_disabled_worker_made_ends_or_is_reviewed(
    admin: Person, maker: Person, server: Server, database: Database
) -> None:
    page = await maker.send_form(
        "/workshop/clients",
        ("scopes", "patients.read"),
        name="Warehouse",
        grant="some",
        shape="documented",
    )
    client = f"/workshop/clients/{value_of(page, 'issued-id')}"
    token = value_of(await maker.send_form(f"{client}/token", days="30"), "issued-value")
    theirs = value_of(await admin.send_form(f"{client}/token", days="30"), "issued-value")
    await maker.send_form("/workshop/webhooks", ("resources", "patients"), **HOOK)
    await admin.send_form(f"/admin/workers/{maker.worker_id}/disable")
    async with PlainHttp(base_url=server.url) as program:
        answers = [
            await program.get("/v1/patients", headers={"Authorization": f"Bearer {token_}"})
            for token_ in (token, theirs)
        ]
    assert [answer.status_code for answer in answers] == [401, 200]
    assert Document(await admin.get("/admin")).link("Mia Maker is disabled, and 2 ways in work on")
    reviewed = Document(await admin.get(f"/admin/workers/{maker.worker_id}"))
    assert "To be reviewed 2 ways in" in reviewed.region("To be reviewed")
    assert "Warehouse client EHR bridge webhook" in reviewed.region("To be reviewed")
    # Another secret in the place of the one that they know, and the webhook looked at and saved:
    # nothing is left of theirs.
    await admin.send_form(f"{client}/rotate")
    [_, first] = re.findall(r'name="secret" value="([^"]+)"', (await admin.get(client)).text)
    await admin.send_form(f"{client}/revoke", secret=first)
    [hook] = re.findall(
        r'href="(/workshop/webhooks/[0-9a-f-]{36})"',
        (await admin.get(f"/admin/workers/{maker.worker_id}")).text,
    )
    await admin.send_form(f"{hook}/edit", ("resources", "patients"), **HOOK)
    async with database.connection() as connection:
        assert await created_by.of_worker(connection, admin.environment_id, maker.worker_id) == []
        assert await created_by.of_disabled(connection, admin.environment_id) == {}
        await accounts.enable(connection, admin.environment_id, maker.worker_id, AT_THE_TERMINAL)


async def test_a_role_that_goes_is_told_as_it_was(admin: Person, database: Database) -> None:
    async with database.connection() as connection:
        design = parse(kiwi_health.source())
        fewer = replace(
            design, roles=tuple(role for role in design.roles if role.name != "billing")
        )
        await publish(connection, admin.environment_id, fewer, "test")
    [*_, newest] = await events(database, admin)
    assert newest.before is not None
    assert newest.after == {"version": 2, "role billing": None}
    assert newest.before["role billing"]["may"] == ["integrate"]
