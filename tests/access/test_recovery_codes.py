"""Recovery codes: in place of the phone, each once."""

from __future__ import annotations

import asyncio

import pytest

from almoner.access import attempts, recovery_codes, second_factor
from almoner.access.recovery_codes import COUNT, FEW, RemainingCodes
from almoner.access.secrets import SecretBox
from almoner.access.sign_in_steps import Caller, Ended, Outcome, Refused, SignedIn, StepNeeded
from almoner.data_api.store import Store
from almoner.database import Database
from tests.access.door import ADDRESS, BY, Door, Worker
from tests.conftest import taken


@pytest.fixture
def door(database: Database, store: Store) -> Door:
    return Door(database, store, SecretBox(b"k" * 32))


@pytest.fixture
async def emily(door: Door, environment: int) -> Worker:
    return await door.with_factor(await door.worker(environment))


async def new_codes(door: Door, worker: Worker) -> tuple[str, ...]:
    async with door.database.connection() as connection:
        return await recovery_codes.make(connection, worker.environment_id, worker.id, BY)


async def standing(door: Door, worker: Worker) -> RemainingCodes:
    async with door.database.connection() as connection:
        return await recovery_codes.standing(connection, worker.environment_id, worker.id)


async def tried(door: Door, worker: Worker, code: str, address: str = ADDRESS) -> Outcome:
    first = await door.knock(worker, address=address)
    assert isinstance(first, StepNeeded)
    return await door.sign_in.with_recovery_code(first.half, code, Caller(address, "r-2"))


async def test_each_code_lets_its_owner_in_once(door: Door, emily: Worker) -> None:
    codes = await new_codes(door, emily)
    assert len(set(codes)) == COUNT
    assert isinstance(await tried(door, emily, codes[3]), SignedIn)
    assert isinstance(await tried(door, emily, codes[3]), Refused)
    assert isinstance(await tried(door, emily, f" {codes[4].replace('-', ' ').upper()} "), SignedIn)
    assert (await standing(door, emily)).left == COUNT - 2
    assert (await door.events(emily)).count("recovery code used") == 2


async def test_the_app_goes_on_being_good_beside_them(door: Door, emily: Worker) -> None:
    await new_codes(door, emily)
    first = await door.knock(emily)
    assert isinstance(first, StepNeeded)
    assert isinstance(
        await door.sign_in.with_code(first.half, door.code(emily), Caller(ADDRESS, "r-2")), SignedIn
    )
    assert (await standing(door, emily)).left == COUNT


@pytest.mark.parametrize(
    "code", ["", "000000", "abcd-efgh-jkmn-pqrs", "abcd-efgh-jkmn-pqr", "\0" * 16, "ſ" * 16]
)
async def test_what_is_no_code_opens_nothing(door: Door, emily: Worker, code: str) -> None:
    await new_codes(door, emily)
    assert isinstance(await tried(door, emily, code), Refused)


async def test_the_code_of_somebody_else_opens_nothing(door: Door, emily: Worker) -> None:
    grace = await door.with_factor(await door.worker(emily.environment_id))
    codes = await new_codes(door, grace)
    await new_codes(door, emily)
    assert isinstance(await tried(door, emily, codes[0]), Refused)
    assert (await standing(door, grace)).left == COUNT


async def test_new_codes_end_those_before(door: Door, emily: Worker) -> None:
    old, new = await new_codes(door, emily), await new_codes(door, emily)
    assert isinstance(await tried(door, emily, old[0]), Refused)
    assert isinstance(await tried(door, emily, new[0]), SignedIn)


async def test_of_two_who_make_codes_at_once_the_codes_of_one_are_left(
    door: Door, emily: Worker
) -> None:
    await new_codes(door, emily)
    await asyncio.gather(new_codes(door, emily), new_codes(door, emily))
    assert (await standing(door, emily)).left == COUNT


async def test_a_second_factor_that_is_removed_takes_its_codes_along(
    door: Door, emily: Worker
) -> None:
    codes = await new_codes(door, emily)
    async with door.database.connection() as connection:
        await second_factor.remove(connection, emily.environment_id, emily.id, BY)
    assert (await standing(door, emily)).created_at is None
    await door.with_factor(emily)
    assert isinstance(await tried(door, emily, codes[0]), Refused)


async def test_of_two_who_use_a_code_at_once_one_comes_in(door: Door, emily: Worker) -> None:
    codes = await new_codes(door, emily)
    async with taken(door.database, 2) as connections:
        took = await asyncio.gather(
            *(
                recovery_codes.take(c, emily.environment_id, emily.id, codes[0], BY)
                for c in connections
            )
        )
    assert sorted(took) == [False, True]


async def test_wrong_ones_count_like_wrong_codes_of_the_app(door: Door, emily: Worker) -> None:
    codes = await new_codes(door, emily)
    for n in range(attempts.FREE):
        await tried(door, emily, "abcd-efgh-jkmn-pqrs", f"198.51.100.{n}")
    assert isinstance(await tried(door, emily, codes[0], "198.51.100.99"), Refused)


async def test_without_the_password_a_code_is_nothing(door: Door, emily: Worker) -> None:
    codes = await new_codes(door, emily)
    assert isinstance(
        await door.sign_in.with_recovery_code("", codes[0], Caller(ADDRESS, "r-2")), Ended
    )


async def test_the_codes_themselves_are_not_in_the_database(door: Door, emily: Worker) -> None:
    codes = await new_codes(door, emily)
    async with door.database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM recovery_codes WHERE worker_id = $1", emily.id)
    stored = repr([dict(row) for row in rows])
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


def test_few_left_are_told() -> None:
    assert [RemainingCodes(left, None, None).are_few for left in (COUNT, FEW + 1, FEW, 0)] == [
        False,
        False,
        True,
        True,
    ]
