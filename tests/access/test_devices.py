"""Devices that somebody has signed in with: known until there is another password."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from almoner.access import accounts, attempts, sessions
from almoner.access.secrets import SecretBox
from almoner.access.sign_in_steps import Caller, Refused, SignedIn
from almoner.data_api.store import Store
from almoner.database import Database
from tests.access.door import ADDRESS, BY, PASSWORD, Door, Worker


@pytest.fixture
def door(database: Database, store: Store) -> Door:
    return Door(database, store, SecretBox(b"k" * 32))


@pytest.fixture
async def emily(door: Door, environment: int) -> Worker:
    return await door.worker(environment)


def elsewhere(number: int) -> str:
    return f"198.51.100.{number}"


@pytest.mark.parametrize("is_set_by_owner", [False, True])
async def test_a_device_is_known_no_more_once_its_owner_has_another_password(
    door: Door, emily: Worker, is_set_by_owner: bool
) -> None:
    outcome = await door.knock(emily)
    assert isinstance(outcome, SignedIn)
    hashed = await door.passwords.hash("a new one for everybody")
    async with door.database.connection() as connection:
        await accounts.set_password(connection, emily.environment_id, emily.id, hashed, BY)
        token = await sessions.begin(connection, emily.environment_id, emily.id)
    mine = outcome.device
    if is_set_by_owner:
        # The device that the password was set on goes on.
        session = await door.session(token)
        assert session is not None
        mine = await door.sign_in.device_of(session, Caller(ADDRESS, "r-1", outcome.device))
    for n in range(attempts.FREE_OF_ALL):
        await door.knock(emily, "wrong", elsewhere(n))
    came = await door.knock(emily, "a new one for everybody", elsewhere(77), mine)
    assert isinstance(came, SignedIn if is_set_by_owner else Refused)


async def test_a_device_stays_known_where_the_password_is_hashed_anew(
    door: Door, emily: Worker
) -> None:
    old = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash(PASSWORD)
    await door.execute(
        "UPDATE worker_accounts SET password_hash = $2 WHERE worker_id = $1", emily.id, old
    )
    outcome = await door.knock(emily)
    assert isinstance(outcome, SignedIn)
    for n in range(attempts.FREE_OF_ALL):
        await door.knock(emily, "wrong", elsewhere(n))
    assert isinstance(
        await door.knock(emily, address=elsewhere(77), device=outcome.device), SignedIn
    )
