"""Sessions, and the accounts behind them."""

from __future__ import annotations

import hashlib

import pytest

from almoner.access import accounts, sessions
from almoner.access.secrets import SecretBox
from almoner.access.sessions import Session, csrf
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.errors import ApiError
from almoner.vocabulary.definitions import Program
from tests.access.door import BY, Door, Worker
from tests.conftest import new_environment, taken

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def door(database: Database, store: Store) -> Door:
    return Door(database, store, SecretBox(b"k" * 32))


@pytest.fixture
async def emily(door: Door, environment: int) -> Worker:
    await door.worker(environment)  # somebody else
    return await door.worker(environment, "coach", "designer")


async def begun(door: Door, worker: Worker) -> str:
    async with door.database.connection() as connection:
        return await sessions.begin(connection, worker.environment_id, worker.id)


async def test_a_session_tells_who_it_is_and_what_they_may_do(door: Door, emily: Worker) -> None:
    token = await begun(door, emily)
    session = await door.session(token)
    assert session == Session(
        environment_id=emily.environment_id,
        environment=emily.environment,
        worker_id=emily.id,
        email=emily.email,
        first_name="Emily",
        last_name="Smith",
        timezone="US/Eastern",
        roles=("coach", "designer"),
        created_at=session.created_at if session else None,  # type: ignore[arg-type]
        digest=hashlib.sha256(token.encode()).digest(),
        second_factor=False,
    )


async def test_the_token_itself_is_not_in_the_database(door: Door, emily: Worker) -> None:
    token = await begun(door, emily)
    async with door.database.connection() as connection:
        rows = await connection.fetch("SELECT row_to_json(s)::text FROM worker_sessions s")
    assert token not in "".join(row[0] for row in rows)


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "\0" * 43, "é" * 43])
async def test_what_is_no_token_opens_nothing(door: Door, token: str) -> None:
    assert await door.session(token) is None


@pytest.mark.parametrize(
    ("column", "interval"), [("seen_at", "15 minutes"), ("created_at", "12 hours")]
)
async def test_a_session_ends_when_idle_and_after_a_long_shift(
    door: Door, emily: Worker, column: str, interval: str
) -> None:
    token = await begun(door, emily)
    ago = f"clock_timestamp() - interval '{interval}' + $2 * interval '1 second'"
    back = f"UPDATE worker_sessions SET {column} = {ago} WHERE worker_id = $1"
    await door.execute(back, emily.id, 5.0)
    assert await door.session(token) is not None
    await door.execute(back, emily.id, 0.0)
    assert await door.session(token) is None


async def test_only_what_the_person_does_keeps_a_session_awake(door: Door, emily: Worker) -> None:
    token = await begun(door, emily)
    await door.execute(
        "UPDATE worker_sessions SET seen_at = clock_timestamp() - interval '10 minutes' WHERE"
        " worker_id = $1",
        emily.id,
    )

    async def idle() -> float:
        async with door.database.connection() as connection:
            seconds: float = await connection.fetchval(
                "SELECT extract(epoch FROM clock_timestamp() - seen_at)::float8 FROM"
                " worker_sessions WHERE worker_id = $1",
                emily.id,
            )
            return seconds

    await door.session(token, touch=False)
    assert await idle() > 599
    await door.session(token, touch=True)
    assert await idle() < 10


async def test_signing_out_ends_one_session_and_everywhere_ends_all(
    door: Door, emily: Worker
) -> None:
    first, second, third = [await begun(door, emily) for _ in range(3)]
    async with taken(door.database, 1) as (connection,):
        assert len(await door.sessions.listed(connection, emily.environment_id, emily.id)) == 3
        session = await door.session(first)
        assert session is not None
        await sessions.end(connection, emily.environment_id, session.digest)
        assert await door.session(first) is None
        assert await door.session(second) is not None
        assert (
            await accounts.sign_out_everywhere(connection, emily.environment_id, emily.id, BY) == 2
        )
    assert await door.session(third) is None


async def test_disabling_ends_sessions_at_once_and_enabling_begins_none(
    door: Door, emily: Worker
) -> None:
    token = await begun(door, emily)
    async with taken(door.database, 1) as (connection,):
        await accounts.disable(connection, emily.environment_id, emily.id, BY)
        await accounts.disable(connection, emily.environment_id, emily.id, BY)
        assert await door.session(token) is None
        with pytest.raises(ApiError):
            await sessions.begin(connection, emily.environment_id, emily.id)
        await accounts.enable(connection, emily.environment_id, emily.id, BY)
    assert await door.session(token) is None
    assert await door.events(emily) == ["roles set", "password set", "disabled", "enabled"]


async def test_roles_hold_from_the_next_request_on(door: Door, emily: Worker) -> None:
    token = await begun(door, emily)
    async with door.database.connection() as connection:
        await accounts.set_roles(connection, emily.environment_id, emily.id, ["admin", "admin"], BY)
        with pytest.raises(ApiError, match="bad_request"):
            await accounts.set_roles(
                connection, emily.environment_id, emily.id, ["king"], BY, in_force=Program().roles
            )
    session = await door.session(token)
    assert session is not None
    assert session.roles == ("admin",)


async def test_nobody_has_an_account_in_another_environment(door: Door, emily: Worker) -> None:
    elsewhere = await new_environment(door.database)
    async with door.database.connection() as connection:
        assert await accounts.find(connection, elsewhere, emily.id) is None
        assert await accounts.by_email(connection, elsewhere, emily.email) is None
        for refused in (accounts.disable, accounts.enable):
            with pytest.raises(ApiError, match="not_found"):
                await refused(connection, elsewhere, emily.id, BY)
        with pytest.raises(ApiError, match="not_found"):
            await accounts.set_roles(connection, elsewhere, emily.id, ["coach"], BY)
        with pytest.raises(ApiError, match="not_found"):
            await accounts.set_password(connection, elsewhere, emily.id, "x", BY)


async def test_an_address_is_found_in_any_letters_unless_two_could_be_meant(
    door: Door, environment: int
) -> None:
    small = await door.worker(environment, email="twin@example.org")
    async with taken(door.database, 1) as (connection,):
        account = await accounts.by_email(connection, environment, " Twin@Example.org ")
        assert account is not None
        assert account.worker_id == small.id
        large = await door.worker(environment, email="Twin@example.org")
        assert await accounts.by_email(connection, environment, "TWIN@example.org") is None
        exact = await accounts.by_email(connection, environment, "Twin@example.org")
    assert exact is not None
    assert exact.worker_id == large.id


def test_the_token_of_a_form_is_of_its_session_and_tells_nothing_of_it() -> None:
    assert csrf("a") == csrf("a") != csrf("b")
    assert len(csrf("a")) == 64
