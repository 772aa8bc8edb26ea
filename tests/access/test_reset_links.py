"""Links with which a worker sets a password, once."""

from __future__ import annotations

import asyncio

import pytest

from almoner.access import accounts, reset_links
from almoner.access.reset_links import ResetLink
from almoner.access.secrets import SecretBox
from almoner.access.sign_in_steps import Refused, SignedIn
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.errors import ApiError
from tests.access.door import BY, PASSWORD, Door, Worker
from tests.conftest import new_environment

NEW = "seven herons on a pond"


@pytest.fixture
def door(database: Database, store: Store) -> Door:
    return Door(database, store, SecretBox(b"k" * 32))


@pytest.fixture
async def emily(door: Door, environment: int) -> Worker:
    return await door.worker(environment)


async def new_link(door: Door, worker: Worker) -> str:
    async with door.database.connection() as connection:
        return await reset_links.make(connection, worker.environment_id, worker.id, BY)


async def look(door: Door, token: str) -> ResetLink | None:
    async with door.database.connection() as connection:
        return await reset_links.look(connection, token)


async def use(door: Door, token: str, password: str = NEW) -> ResetLink | None:
    hashed = await door.passwords.hash(password)
    async with door.database.connection() as connection:
        return await reset_links.use(connection, token, hashed, "r-9")


async def test_a_link_sets_the_password_once_and_ends_all_sessions(
    door: Door, emily: Worker
) -> None:
    before = await door.knock(emily)
    assert isinstance(before, SignedIn)
    token = await new_link(door, emily)
    link = await look(door, token)
    assert link == ResetLink(
        environment_id=emily.environment_id,
        environment=emily.environment,
        worker_id=emily.id,
        email=emily.email,
        first_name="Emily",
        last_name="Smith",
    )
    assert await use(door, token) == link
    assert await door.session(before.token) is None
    assert isinstance(await door.knock(emily, PASSWORD), Refused)
    assert isinstance(await door.knock(emily, NEW), SignedIn)
    assert await look(door, token) is None
    assert await use(door, token, "another one of some length") is None
    assert isinstance(await door.knock(emily, NEW), SignedIn)
    assert [e for e in await door.events(emily) if "link" in e] == [
        "reset link made",
        "reset link used",
    ]


async def test_of_two_who_use_a_link_at_once_one_succeeds(door: Door, emily: Worker) -> None:
    token = await new_link(door, emily)
    used = await asyncio.gather(
        *(use(door, token, f"password number {n} of many") for n in range(4))
    )
    assert sum(link is not None for link in used) == 1


async def test_a_new_link_ends_the_older_ones_of_its_worker(door: Door, emily: Worker) -> None:
    other = await new_link(door, await door.worker(emily.environment_id))
    tokens = await asyncio.gather(*(new_link(door, emily) for _ in range(4)))
    assert sum([await look(door, token) is not None for token in tokens]) == 1
    assert await look(door, other) is not None


async def test_a_link_ends_after_a_day(door: Door, emily: Worker) -> None:
    token = await new_link(door, emily)
    await door.execute(
        "UPDATE reset_links SET expires_at = expires_at - interval '23 hours 59 minutes' WHERE"
        " worker_id = $1",
        emily.id,
    )
    assert await look(door, token) is not None
    await door.execute(
        "UPDATE reset_links SET expires_at = expires_at - interval '2 minutes' WHERE worker_id"
        " = $1",
        emily.id,
    )
    assert await look(door, token) is None
    assert await use(door, token) is None


async def test_a_password_that_its_owner_sets_ends_a_link_that_lies_about(
    door: Door, emily: Worker
) -> None:
    token, other = (
        await new_link(door, emily),
        await new_link(door, await door.worker(emily.environment_id)),
    )
    async with door.database.connection() as connection:
        await accounts.set_password(
            connection, emily.environment_id, emily.id, await door.passwords.hash("another one"), BY
        )
    assert await look(door, token) is None
    assert await look(door, other) is not None


async def test_a_link_from_before_an_account_was_disabled_is_not_brought_back(
    door: Door, emily: Worker
) -> None:
    token = await new_link(door, emily)
    async with door.database.connection() as connection:
        await accounts.disable(connection, emily.environment_id, emily.id, BY)
        await accounts.enable(connection, emily.environment_id, emily.id, BY)
    assert await use(door, token) is None


async def test_a_disabled_worker_gets_no_link_and_uses_none(door: Door, emily: Worker) -> None:
    token = await new_link(door, emily)
    async with door.database.connection() as connection:
        await accounts.disable(connection, emily.environment_id, emily.id, BY)
    assert await use(door, token) is None
    with pytest.raises(ApiError, match="not_found"):
        await new_link(door, emily)
    emily.environment_id = await new_environment(door.database)
    with pytest.raises(ApiError, match="not_found"):
        await new_link(door, emily)


async def test_the_link_itself_is_not_in_the_database(door: Door, emily: Worker) -> None:
    token = await new_link(door, emily)
    async with door.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT row_to_json(r)::text FROM reset_links r UNION ALL SELECT row_to_json(e)::text"
            " FROM worker_events e"
        )
    assert token not in "".join(row[0] for row in rows)
    assert await look(door, "x" * 43) is None
    assert await look(door, "\0") is None
