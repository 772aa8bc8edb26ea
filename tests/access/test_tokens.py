"""Access tokens: kept as digests, cached for seconds, ended at once."""

from __future__ import annotations

import asyncio
import hashlib
import timeit
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from almoner.access import clients, tokens
from almoner.access.secrets import SecretBox
from almoner.access.tokens import Access, Tokens
from almoner.database import Database
from almoner.errors import ApiError, problem

BOX = SecretBox(bytes(32))


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """The database, counting how often it is asked, waiting to be let go and failing when told
    to.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked = 0
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.away = False

    def guard_second(self) -> None:
        self._database.guard_second()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        self.asked += 1
        self.reached.set()
        await self.open.wait()
        if self.away:
            raise problem("service_unavailable", "away")
        async with self._database.connection() as connection:
            yield connection

    def tokens(self, clock: Clock, capacity: int = 100) -> Tokens:
        return Tokens(cast(Database, self), clock, capacity)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counting(database: Database) -> Counting:
    return Counting(database)


@pytest.fixture
async def client(connection: Any, environment: int) -> clients.Created:
    return await clients.create(
        connection,
        BOX,
        environment_id=environment,
        name="test",
        scope="patients.read messages.write",
        shape="enveloped",
    )


async def _issue(
    connection: Any, environment: int, client: clients.Created, seconds: int = 3600
) -> str:
    token = await tokens.issue(connection, environment, client.client_id, "patients.read", seconds)
    assert token is not None
    return token


async def _refused(known: Tokens, token: str) -> ApiError:
    with pytest.raises(ApiError) as refused:
        await known.load(token)
    return refused.value


async def test_a_token_tells_who_asks_and_what_they_may_do(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    token = await _issue(connection, environment, client)
    access = await counting.tokens(clock).load(token)
    assert (access.environment_id, access.client_id, access.shape) == (
        environment,
        client.client_id,
        "enveloped",
    )
    assert access.actor == f"client:{client.client_id}"
    assert access.scopes == {"patients.read"}
    assert (
        access.can_read("patients"),
        access.can_write("patients"),
        access.can_read("messages"),
    ) == (True, False, False)


async def test_only_the_digest_of_a_token_is_kept(
    connection: Any, environment: int, client: clients.Created
) -> None:
    token = await _issue(connection, environment, client)
    assert token.startswith("alm_")
    assert len(token) == 47
    digest = await connection.fetchval(
        "SELECT digest FROM access_tokens WHERE environment_id = $1", environment
    )
    assert digest == hashlib.sha256(token.encode()).digest()


async def test_a_token_is_looked_up_once_and_then_again_after_four_seconds(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    token, known = await _issue(connection, environment, client), counting.tokens(clock)
    assert known.cached(token) is None
    access = await known.load(token)
    clock.now += 3.99
    assert known.cached(token) is access
    clock.now += 0.02
    assert known.cached(token) is None
    assert counting.asked == 1


async def test_a_cached_token_ends_when_it_expires(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    token, known = await _issue(connection, environment, client, seconds=2), counting.tokens(clock)
    await known.load(token)
    clock.now += 2
    assert known.cached(token) is None


async def test_an_expired_token_is_refused(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    token = await _issue(connection, environment, client, seconds=-1)
    refused = await _refused(counting.tokens(clock), token)
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="almoner", error="invalid_token"'


async def test_disabling_a_client_ends_its_tokens_within_five_seconds(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    token, known = await _issue(connection, environment, client), counting.tokens(clock)
    await known.load(token)
    await clients.disable(connection, environment, client.client_id)
    clock.now += tokens.TRUSTED_SECONDS
    assert known.cached(token) is None
    assert (await _refused(known, token)).status == 401
    assert tokens.TRUSTED_SECONDS < 5


async def test_what_was_true_before_a_slow_look_is_not_believed_for_longer(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    token, known = await _issue(connection, environment, client), counting.tokens(clock)
    counting.open.clear()
    look = asyncio.create_task(known.load(token))
    await counting.reached.wait()
    clock.now += 3
    counting.open.set()
    await look
    assert known.cached(token) is not None
    clock.now += 1
    assert known.cached(token) is None


async def test_a_disabled_client_gets_no_token(
    connection: Any, environment: int, client: clients.Created
) -> None:
    await clients.disable(connection, environment, client.client_id)
    assert await tokens.issue(connection, environment, client.client_id, "all", 60) is None
    assert await tokens.issue(connection, environment + 1, client.client_id, "all", 60) is None


async def test_requests_that_ask_for_one_token_at_once_share_one_look(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    token, known = await _issue(connection, environment, client), counting.tokens(clock)
    answers = await asyncio.gather(*(known.load(token) for _ in range(50)))
    assert len(set(map(id, answers))) == 1
    assert counting.asked == 1


async def test_a_caller_that_hangs_up_does_not_end_the_look_for_the_others(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    token, known = await _issue(connection, environment, client), counting.tokens(clock)
    counting.open.clear()
    first, second = asyncio.create_task(known.load(token)), asyncio.create_task(known.load(token))
    await counting.reached.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    counting.open.set()
    assert (await second).client_id == client.client_id
    assert counting.asked == 1


async def test_the_database_being_away_is_no_answer_and_is_not_remembered(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    token, known = await _issue(connection, environment, client), counting.tokens(clock)
    counting.away = True
    assert (await _refused(known, token)).status == 503
    counting.away = False
    assert (await known.load(token)).client_id == client.client_id


@pytest.mark.parametrize(
    "token",
    [
        "",
        "alm_",
        "x" * 47,
        "alm_" + "é" * 43,
        "alm_" + "a" * 44,
        "alm_" + "a" * 100_000,
        "alm_" + "a" * 42 + "\n",
    ],
)
async def test_what_has_not_the_form_of_a_token_is_refused_without_a_look(
    counting: Counting, clock: Clock, token: str
) -> None:
    assert (await _refused(counting.tokens(clock), token)).status == 401
    assert counting.asked == 0


async def test_an_unknown_token_is_looked_up_at_most_once_a_second(
    counting: Counting, clock: Clock
) -> None:
    token, known = "alm_" + "a" * 43, counting.tokens(clock)
    for _ in range(20):
        assert (await _refused(known, token)).status == 401
    assert counting.asked == 1
    clock.now += tokens.REFUSED_SECONDS
    await _refused(known, token)
    assert counting.asked == 2


async def test_memory_is_bounded(
    connection: Any, environment: int, client: clients.Created, counting: Counting, clock: Clock
) -> None:
    known = counting.tokens(clock, capacity=3)
    issued = [await _issue(connection, environment, client) for _ in range(5)]
    for token in issued:
        await known.load(token)
    for n in range(5):
        await _refused(known, f"alm_{n:043d}")
    assert [known.cached(token) is not None for token in issued] == [False, False, True, True, True]
    assert len(known._valid) == len(known._refused) == 3
    assert not known._looks


async def test_tokens_long_expired_are_cleared_away_as_new_ones_are_made(
    connection: Any, environment: int, client: clients.Created
) -> None:
    await _issue(connection, environment, client, seconds=-200_000)
    recent = await _issue(connection, environment, client, seconds=-1)
    fresh = await _issue(connection, environment, client)
    rows = await connection.fetch(
        "SELECT digest FROM access_tokens WHERE environment_id = $1", environment
    )
    assert {r["digest"] for r in rows} == {
        hashlib.sha256(t.encode()).digest() for t in (recent, fresh)
    }


async def test_the_hot_path_takes_well_under_thirty_microseconds(
    connection: Any, environment: int, client: clients.Created, database: Database
) -> None:
    token, known = await _issue(connection, environment, client), Tokens(database)
    await known.load(token)

    def check() -> Access | None:
        return known.cached(token)

    assert min(timeit.repeat(check, number=2000, repeat=5)) / 2000 < 10e-6
