"""The key of a database: another one is refused, and one takes the place of another."""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary
from typer.testing import CliRunner, Result

from almoner import schema
from almoner.access import accounts, clients, environments, keys, second_factor
from almoner.access.grants import EVERYTHING
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox, key_id
from almoner.access.worker_events import By
from almoner.cli import app
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database, connection_guard
from almoner.errors import SettingError
from almoner.notifications import subscriptions
from almoner.notifications.subscription_terms import Rules
from almoner.resources import BY_NAME, RESOURCES
from almoner.resources.workers import workers
from almoner.workshop.programs import PublishedPrograms
from tests.test_repository import SERVER

# Who seals and opens with a box that a test or a server hands in needs none of its own; these make
# them.
MAKE_BOXES = {"access/keys.py"}


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.connect(own_dsn, size=3, on_holding=connection_guard.raised)
    yield opened
    await opened.close()


def run(dsn: str, home: Path, *words: str, key: str = "") -> Result:
    environ = {
        "ALMONER_DATABASE_URL": dsn,
        "ALMONER_HOME": str(home),
        "ALMONER_SECRET_KEY": key,
        "ALMONER_PORT": "1",
    }
    return CliRunner().invoke(app, list(words), env=environ)


async def types(dsn: str, home: Path, *words: str, key: str = "") -> Result:
    return await asyncio.to_thread(run, dsn, home, *words, key=key)


async def box_of(own: Database, source: KeySource) -> SecretBox:
    async with own.connection() as connection:
        return await keys.box(connection, source)


async def stored(own: Database, box: SecretBox) -> dict[str, Any]:
    """One secret of each sort, and what it is."""
    async with own.connection() as connection:
        environment = await environments.create(connection, "production")
        client = await clients.create(
            connection,
            box,
            environment_id=environment,
            name="bridge",
            scope="all",
            shape="documented",
        )
        terms = {
            "name": "bridge",
            "notify_url": "https://bridge.example.org/told",
            "resources": ["patients"],
            "authentication": "bearer_jwt",
            "client_id": "almoner",
            "client_secret": "a secret of theirs",
        }
        subscription = await subscriptions.create(
            connection, box, environment, terms, Rules(BY_NAME, False)
        )
    body = {
        "email": "ada@example.org",
        "first_name": "Ada",
        "last_name": "King",
        "timezone": "UTC",
    }
    store = Store(own, PublishedPrograms(own), RESOURCES)
    worker = json.loads(
        (
            await store.create(Actor(environment, "test", "cli", "test", whole=True), workers, body)
        ).body
    )["id"]
    async with own.connection() as connection:
        await accounts.set_roles(
            connection, environment, worker, ["coach"], By("test", "test", EVERYTHING)
        )
        totp = await second_factor.begin(connection, box, environment, worker)
    return {
        "environment": environment,
        "client": client,
        "subscription": subscription.id,
        "worker": worker,
        "totp": totp,
    }


async def opens(own: Database, box: SecretBox, there: dict[str, Any]) -> list[bool]:
    """Whether the box opens the client's secret, the subscription's and the worker's."""
    async with own.connection() as connection:
        live = await clients.live_secrets(connection, box, there["client"].client_id)
        subscription = await subscriptions.find(
            connection, there["environment"], there["subscription"]
        )
        totp = await second_factor.pending(connection, box, there["environment"], there["worker"])
        return [
            live == [there["client"].client_secret],
            box.open(subscription.sealed, subscription.id) == "a secret of theirs",
            totp == there["totp"],
        ]


def test_every_command_that_seals_refuses_a_second_key_and_says_what_to_do(
    own_dsn: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert (run(own_dsn, first, "environment", "create", "production")).exit_code == 0
    result = run(own_dsn, first, "client", "create", "--name", "bridge", "--json")
    assert result.exit_code == 0, result.output
    other = base64.b64encode(os.urandom(32)).decode()
    client_id = json.loads(result.stdout)["client_id"]
    subscribe = (
        "subscription create --name b --url https://b.example.org/ --resources patients --client-id"
        " a --client-secret s"
    )
    commands = (
        ["client", "create", "--name", "warehouse"],
        ["client", "rotate", client_id],
        subscribe.split(),
        ["key", "list"],
        ["key", "rotate"],
        ["key", "retire"],
        ["serve"],
        ["worker"],
    )
    wrong = []
    for words in commands:
        for key in ("", other):
            refused = run(own_dsn, second, *words, key=key)
            helps = all(
                word in refused.output
                for word in ("ALMONER_HOME", "ALMONER_SECRET_KEY", "sealed with the key")
            )
            if refused.exit_code != 2 or not helps or "Traceback" in refused.output:
                wrong.append((words, key, refused.exit_code, refused.output))
    assert not wrong
    assert not second.exists(), "no second key was made"
    assert (run(own_dsn, first, "client", "create", "--name", "warehouse")).exit_code == 0


async def test_the_doctor_opens_what_is_stored_and_names_a_second_key(
    own: Database, own_dsn: str, tmp_path: Path
) -> None:
    await stored(own, await box_of(own, KeySource("", tmp_path / "first")))
    looked = {
        f["looked_at"]: f
        for f in json.loads((await types(own_dsn, tmp_path / "first", "doctor", "--json")).stdout)
    }
    assert (looked["secrets"]["well"], looked["secrets"]["seen"]) == (True, "3 of 3 can be opened")
    assert "home" not in looked
    wide = tmp_path / "second"
    wide.mkdir(mode=0o755)
    looked = {
        f["looked_at"]: f
        for f in json.loads((await types(own_dsn, wide, "doctor", "--json")).stdout)
    }
    assert not looked["secrets"]["well"]
    assert "ALMONER_HOME" in looked["secrets"]["seen"]
    assert (looked["home"]["well"], looked["home"]["mend"]) == (False, f"Run: chmod 700 {wide}")
    assert list(wide.iterdir()) == [], "the doctor makes nothing"


async def test_a_database_of_before_takes_the_key_that_opens_its_secrets_and_no_other(
    own: Database, tmp_path: Path
) -> None:
    source = KeySource("", tmp_path / "first")
    there = await stored(own, SecretBox(*source.first()))
    async with own.connection() as connection:
        for other in (
            KeySource("", tmp_path / "second"),
            KeySource(base64.b64encode(os.urandom(32)).decode(), tmp_path),
        ):
            with pytest.raises(SettingError, match="ALMONER_HOME"):
                await keys.box(connection, other)
        assert await keys.current_id(connection) is None
        box = await keys.box(connection, source)
        assert await keys.current_id(connection) == key_id(source.read()[0])
    assert await opens(own, box, there) == [True] * 3


async def test_a_key_in_a_file_is_replaced_while_processes_run(
    own: Database, own_dsn: str, tmp_path: Path
) -> None:
    source = KeySource("", tmp_path)
    async with own.connection() as connection:
        running = await keys.box(connection, source)
    there = await stored(own, running)
    rotated = await types(own_dsn, tmp_path, "key", "rotate", "--json")
    assert rotated.exit_code == 0, rotated.output
    new, _ = source.read()
    assert json.loads(rotated.stdout) == {"key_id": key_id(new), "sealed": 3, "lost": {}}
    # A process that has not been started again opens what it finds, and goes on sealing with the
    # old key.
    assert await opens(own, running, there) == [True] * 3
    async with own.connection() as connection:
        late = await clients.create(
            connection,
            running,
            environment_id=there["environment"],
            name="late",
            scope="all",
            shape="documented",
        )
    retired = await types(own_dsn, tmp_path, "key", "retire", "--json")
    assert json.loads(retired.stdout) == {"key_id": key_id(new), "sealed": 1, "lost": {}}
    assert source.read() == (new,)
    only_new = SecretBox(new)
    assert await opens(own, only_new, there) == [True] * 3
    async with own.connection() as connection:
        assert await clients.live_secrets(connection, only_new, late.client_id) == [
            late.client_secret
        ]
        assert {named for _, named in await keys.usage(connection)} == {key_id(new)}
    listed = json.loads((await types(own_dsn, tmp_path, "key", "list", "--json")).stdout)
    assert listed == [{"id": key_id(new), "in_use": True, "at_hand": True, "secrets": 4}]


async def test_what_is_sealed_with_an_old_key_while_that_one_is_retired_is_not_lost(
    own: Database, own_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = KeySource("", tmp_path)
    running = await box_of(own, source)
    there = await stored(own, running)
    assert (await types(own_dsn, tmp_path, "key", "rotate")).exit_code == 0
    late: list[clients.Created] = []
    write = KeySource.write

    async def make() -> None:
        database = await Database.connect(own_dsn, 1)
        async with database.connection() as connection:
            late.append(
                await clients.create(
                    connection,
                    running,
                    environment_id=there["environment"],
                    name="late",
                    scope="all",
                    shape="documented",
                )
            )
        await database.close()

    def written(self: KeySource, lines: Sequence[bytes]) -> None:
        # A process that nobody started again makes a client in the moment before the old key leaves
        # the file.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, make()).result()
        write(self, lines)

    monkeypatch.setattr(KeySource, "write", written)
    async with own.connection() as connection:
        done = await keys.retire(connection, source)
        only_new = SecretBox(*source.read())
        assert (done.sealed, done.key_id) == (1, only_new.key_id)
        assert await clients.live_secrets(connection, only_new, late[0].client_id) == [
            late[0].client_secret
        ]
    assert await opens(own, only_new, there) == [True] * 3


async def test_a_key_in_the_settings_is_replaced_by_the_one_before_it(
    own: Database, own_dsn: str, tmp_path: Path
) -> None:
    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    there = await stored(own, await box_of(own, KeySource(old, tmp_path)))
    both = await box_of(own, KeySource(f"{new} {old}", tmp_path))
    assert both.key_id == key_id(base64.b64decode(old)), "the database says which one is in use"
    alone = await types(own_dsn, tmp_path, "key", "rotate", key=old)
    assert alone.exit_code == 2
    assert "Put a new one before it" in alone.output
    assert (await types(own_dsn, tmp_path, "key", "rotate", key=f"{new} {old}")).exit_code == 0
    assert (
        "take them out"
        in (await types(own_dsn, tmp_path, "key", "retire", key=f"{new} {old}")).output
    )
    assert (await types(own_dsn, tmp_path, "key", "list", key=old)).exit_code == 2
    assert await opens(own, await box_of(own, KeySource(new, tmp_path)), there) == [True] * 3
    assert not os.listdir(tmp_path)


async def test_rotating_goes_on_where_it_was_stopped_after_the_file_was_written(
    own: Database, own_dsn: str, tmp_path: Path
) -> None:
    source = KeySource("", tmp_path)
    there = await stored(own, await box_of(own, source))
    planned = os.urandom(32)
    source.write((planned, *source.read()))
    assert json.loads((await types(own_dsn, tmp_path, "key", "rotate", "--json")).stdout)[
        "key_id"
    ] == key_id(planned)
    assert await opens(own, SecretBox(planned), there) == [True] * 3


async def test_a_lost_key_is_replaced_when_it_is_said_to_be_lost_and_what_it_sealed_is_told(
    own: Database, own_dsn: str, tmp_path: Path
) -> None:
    await stored(own, await box_of(own, KeySource("", tmp_path / "lost")))
    home = tmp_path / "new"
    assert (await types(own_dsn, home, "key", "rotate")).exit_code == 2
    went = await types(own_dsn, home, "key", "rotate", "--lost")
    assert went.exit_code == 0, went.output
    for sentence in (
        "1 of client_secrets",
        "1 of subscriptions",
        "1 of worker_accounts",
        "client rotate",
        "--second-factor",
    ):
        assert sentence in went.output
    assert (await types(own_dsn, home, "client", "create", "--name", "warehouse")).exit_code == 0
    looked = {
        f["looked_at"]: f
        for f in json.loads((await types(own_dsn, home, "doctor", "--json")).stdout)
    }
    assert (looked["secrets"]["well"], looked["secrets"]["seen"]) == (False, "1 of 4 can be opened")


@pytest.mark.house
async def test_every_sealed_column_is_one_that_a_new_key_reaches() -> None:
    tables = schema.build(RESOURCES).tables.values()
    declared = {
        (table.name, column.name)
        for table in tables
        for column in table.columns
        if "sealed" in column.name and isinstance(column.type, LargeBinary)
    }
    assert declared == {(of.table, of.column) for of in keys.COLUMNS}
    assert set(keys.MENDS) == {of.table for of in keys.COLUMNS}


@pytest.mark.house
def test_nobody_makes_a_box_by_themselves() -> None:
    """Whoever makes one goes round the look at the database's key."""
    wrong = {
        f"{path.relative_to(SERVER)}:{node.lineno}"
        for path in SERVER.rglob("*.py")
        if str(path.relative_to(SERVER)) not in MAKE_BOXES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "SecretBox"
    }
    assert not wrong
