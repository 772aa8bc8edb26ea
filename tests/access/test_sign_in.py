"""Signing in, as somebody does who may, and as somebody tries who may not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from argon2 import PasswordHasher

from almoner.access import accounts, attempts, devices, recovery_codes, second_factor
from almoner.access.half_sessions import SECONDS
from almoner.access.secrets import SecretBox
from almoner.access.sign_in import REFUSED_AFTER
from almoner.access.sign_in_steps import Caller, Ended, Outcome, Refused, SignedIn, StepNeeded
from almoner.access.worker_events import list_events
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.errors import UnavailableError
from tests.access.door import ADDRESS, BY, PASSWORD, Door, Worker
from tests.conftest import new_environment, taken


@pytest.fixture
def door(database: Database, store: Store) -> Door:
    return Door(database, store, SecretBox(b"k" * 32))


@pytest.fixture
async def emily(door: Door, environment: int) -> Worker:
    await door.worker(environment)  # somebody else
    return await door.worker(environment)


def elsewhere(n: int) -> str:
    return f"198.51.100.{n}"


async def test_the_right_password_begins_a_session(door: Door, emily: Worker) -> None:
    outcome = await door.knock(emily)
    assert isinstance(outcome, SignedIn)
    session = await door.session(outcome.token)
    assert session is not None
    assert session.worker_id == emily.id
    assert (await door.events(emily))[-1] == "signed in"


async def test_the_address_may_be_typed_in_any_letters(door: Door, emily: Worker) -> None:
    emily.email = f" {emily.email.upper()} "
    assert isinstance(await door.knock(emily), SignedIn)


async def test_every_refusal_is_the_same_after_the_same_work(door: Door, emily: Worker) -> None:
    disabled = await door.worker(emily.environment_id)
    without = await door.worker(emily.environment_id, password=None)
    async with door.database.connection() as connection:
        await accounts.disable(connection, disabled.environment_id, disabled.id, BY)
    unknown = Worker(emily.environment_id, emily.environment, "", "nobody@example.org")
    nowhere = Worker(emily.environment_id, "nowhere", "", emily.email)
    strange = Worker(emily.environment_id, "no\0where", "", "e\0@example.org")
    outcomes: list[Outcome] = []
    for n, (worker, password) in enumerate(
        [
            (emily, "wrong"),
            (disabled, PASSWORD),
            (without, PASSWORD),
            (unknown, PASSWORD),
            (nowhere, PASSWORD),
            (strange, PASSWORD),
        ]
    ):
        door.passwords.verified = 0
        outcomes.append(await door.knock(worker, password, elsewhere(n)))
        assert door.passwords.verified == 1
    assert isinstance(outcomes[0], Refused)
    assert outcomes == [outcomes[0]] * 6
    assert (await door.events(emily))[-1] == "sign-in failed"


async def test_the_password_of_one_environment_opens_no_other(door: Door, emily: Worker) -> None:
    other = await door.worker(
        await new_environment(door.database), email=emily.email, password="another one altogether"
    )
    assert isinstance(await door.knock(other), Refused)
    outcome = await door.knock(other, "another one altogether")
    assert isinstance(outcome, SignedIn)
    session = await door.session(outcome.token)
    assert session is not None
    assert (session.environment_id, session.worker_id) == (other.environment_id, other.id)


@pytest.mark.parametrize("exists", [True, False])
async def test_after_five_failures_nothing_is_looked_at_for_a_while_whoever_is_meant(
    door: Door, emily: Worker, exists: bool
) -> None:
    meant = (
        emily
        if exists
        else Worker(emily.environment_id, emily.environment, "", "nobody@example.org")
    )
    for _ in range(attempts.FREE):
        await door.knock(meant, "wrong", elsewhere(1))
    door.passwords.verified = 0
    assert isinstance(await door.knock(meant, PASSWORD, elsewhere(1)), Refused)
    assert door.passwords.verified == 0
    await door.failures_were(meant, attempts.PASSWORD.window)
    assert isinstance(
        await door.knock(meant, PASSWORD, elsewhere(1)), SignedIn if exists else Refused
    )
    assert door.passwords.verified == 1


async def test_a_stranger_in_another_network_keeps_nobody_out(door: Door, emily: Worker) -> None:
    for _ in range(attempts.FREE + 1):
        await door.knock(emily, "wrong", elsewhere(1))
    assert isinstance(await door.knock(emily, address=elsewhere(2)), SignedIn)
    assert isinstance(await door.knock(emily, address=elsewhere(1)), Refused)


@pytest.mark.parametrize("exists", [True, False])
async def test_a_crowd_of_networks_is_slowed_down_together(
    door: Door, emily: Worker, exists: bool
) -> None:
    meant = (
        emily
        if exists
        else Worker(emily.environment_id, emily.environment, "", "nobody@example.org")
    )
    for n in range(attempts.FREE_OF_ALL):
        await door.knock(meant, "wrong", elsewhere(n))
    door.passwords.verified = 0
    assert isinstance(await door.knock(meant, address=elsewhere(99)), Refused)
    assert door.passwords.verified == 0


async def test_a_device_of_an_earlier_sign_in_is_paused_by_its_own_failures_alone(
    door: Door, emily: Worker
) -> None:
    grace = await door.worker(emily.environment_id)
    first = await door.knock(emily)
    assert isinstance(first, SignedIn)
    second = await door.knock(grace, device=first.device)
    assert isinstance(second, SignedIn)
    shared = second.device
    # A neighbour behind the same address, and a crowd elsewhere.
    for n in range(attempts.FREE_OF_ALL):
        await door.knock(emily, "wrong", ADDRESS if n < 11 else elsewhere(n))
    assert isinstance(await door.knock(emily), Refused)
    assert isinstance(await door.knock(emily, device="none of ours"), Refused)
    for device in (first.device, shared):
        assert isinstance(await door.knock(emily, device=device), SignedIn)
    for _ in range(attempts.FREE):
        assert isinstance(await door.knock(emily, "wrong", device=shared), Refused)
    door.passwords.verified = 0
    assert isinstance(await door.knock(emily, device=shared), Refused)
    assert door.passwords.verified == 0
    assert isinstance(await door.knock(grace, device=shared), SignedIn)


async def test_a_device_of_one_worker_helps_nobody_with_another(door: Door, emily: Worker) -> None:
    grace = await door.worker(emily.environment_id)
    hers = await door.knock(grace)
    assert isinstance(hers, SignedIn)
    for _ in range(attempts.FREE):
        await door.knock(emily, "wrong", elsewhere(1))
    assert isinstance(await door.knock(emily, address=elsewhere(1), device=hers.device), Refused)


async def test_a_device_is_forgotten_after_half_a_year(door: Door, emily: Worker) -> None:
    outcome = await door.knock(emily)
    assert isinstance(outcome, SignedIn)
    for n in range(attempts.FREE_OF_ALL):
        await door.knock(emily, "wrong", elsewhere(n))
    door.now += devices.SECONDS - 1
    assert isinstance(await door.knock(emily, device=outcome.device), SignedIn)
    door.now += 2
    assert isinstance(
        await door.knock(emily, address=elsewhere(77), device=outcome.device), Refused
    )


async def test_every_refusal_takes_the_same_time_whether_anything_was_looked_at(
    door: Door, emily: Worker
) -> None:
    unknown = Worker(emily.environment_id, emily.environment, "", "nobody@example.org")
    for meant in (emily, unknown):
        for _ in range(attempts.FREE + 2):
            assert isinstance(await door.knock(meant, "wrong", elsewhere(1)), Refused)
    assert door.rested == [REFUSED_AFTER] * 2 * (attempts.FREE + 2)
    assert isinstance(await door.knock(emily, address=elsewhere(2)), SignedIn)
    assert len(door.rested) == 2 * (attempts.FREE + 2)


async def test_attempts_at_the_same_moment_count_like_any(door: Door, emily: Worker) -> None:
    door.passwords.verified = 0
    await asyncio.gather(*(door.knock(emily, "wrong", elsewhere(1)) for _ in range(9)))
    assert door.passwords.verified == attempts.FREE
    await asyncio.gather(*(door.knock(emily, "wrong", elsewhere(n)) for n in range(2, 40)))
    assert door.passwords.verified == attempts.FREE_OF_ALL


async def test_a_burst_at_many_accounts_is_counted_before_it_is_looked_at(
    door: Door, emily: Worker
) -> None:
    """Whatever processes look at it: the count is the database's."""
    doors = [replace(door), replace(door)]
    strangers = [
        Worker(emily.environment_id, emily.environment, "", f"n{n}@example.org") for n in range(45)
    ]
    await asyncio.gather(
        *(doors[n % 2].knock(stranger, "wrong") for n, stranger in enumerate(strangers))
    )
    assert sum(each.passwords.verified for each in doors) == 10
    await door.networks_failed(60 * 5)
    # Those that succeed are counted while they are looked at alone.
    for _ in range(11):
        assert isinstance(await door.knock(emily), SignedIn)


def test_the_wait_grows_up_to_a_quarter_of_an_hour() -> None:
    assert [attempts.wait(n, 0.0) for n in (0, 4, 5, 6, 7, 12, 100)] == [0, 0, 15, 30, 60, 900, 900]
    assert attempts.wait(5, 14.0) == 1
    assert attempts.wait(5, 16.0) == 0


async def test_an_address_that_guesses_at_many_accounts_is_slowed_down(
    door: Door, emily: Worker
) -> None:
    for n in range(10):
        await door.knock(Worker(emily.environment_id, emily.environment, "", f"n{n}@example.org"))
    door.passwords.verified = 0
    assert isinstance(await door.knock(emily), Refused)
    assert door.passwords.verified == 0
    assert isinstance(await door.knock(emily, address=elsewhere(1)), SignedIn)
    await door.networks_failed(2)
    assert isinstance(await door.knock(emily), SignedIn)


async def test_success_forgives_the_failures_before_it(door: Door, emily: Worker) -> None:
    for n in range(12):
        await door.knock(emily, "wrong", elsewhere(1))
        if n % 4 == 3:
            assert isinstance(await door.knock(emily, address=elsewhere(1)), SignedIn)
            await door.networks_failed(60 * attempts.PASSWORD.window)


async def test_a_second_factor_is_asked_for_and_taken_once(door: Door, emily: Worker) -> None:
    await door.with_factor(emily)
    first = await door.knock(emily)
    assert isinstance(first, StepNeeded)
    assert first.step == "code"
    code = door.code(emily)
    outcome = await door.sign_in.with_code(
        first.half, f"{code[:3]} {code[3:]}", Caller(ADDRESS, "r-2")
    )
    assert isinstance(outcome, SignedIn)
    assert isinstance(
        await door.sign_in.with_code(first.half, code, Caller(ADDRESS, "r-3")), Refused
    )
    session = await door.session(outcome.token)
    assert session is not None
    assert session.second_factor


@pytest.mark.parametrize(
    ("steps", "fits"), [(-2, False), (-1, False), (0, True), (1, True), (2, False)]
)
async def test_a_code_is_good_for_half_a_minute_around_and_none_before_the_last(
    door: Door, emily: Worker, steps: int, fits: bool
) -> None:
    # The set-up took the code of the step before.
    await door.with_factor(emily)
    first = await door.knock(emily)
    assert isinstance(first, StepNeeded)
    outcome = await door.sign_in.with_code(
        first.half, door.code(emily, steps), Caller(ADDRESS, "r-2")
    )
    assert isinstance(outcome, SignedIn) == fits


async def test_of_two_who_use_a_code_at_once_one_comes_in(door: Door, emily: Worker) -> None:
    await door.with_factor(emily)
    async with taken(door.database, 2) as connections:
        took = await asyncio.gather(
            *(
                second_factor.take(
                    c,
                    door.box,
                    environment_id=emily.environment_id,
                    worker_id=emily.id,
                    code=door.code(emily),
                    now=door.now,
                )
                for c in connections
            )
        )
    assert sorted(took) == [False, True]


async def test_wrong_codes_count_and_the_password_buys_no_more_of_them(
    door: Door, emily: Worker
) -> None:
    await door.with_factor(emily)
    for n in range(20):
        first = await door.knock(emily, address=elsewhere(n))
        assert isinstance(first, StepNeeded)
        assert isinstance(
            await door.sign_in.with_code(first.half, "000000", Caller(elsewhere(n), "r-2")), Refused
        )
    assert (await door.events(emily)).count("sign-in failed") == attempts.FREE
    # Not for a quarter of an hour: a million codes are few, and who has the password may take days.
    await door.failures_were(emily, 60)
    first = await door.knock(emily)
    assert isinstance(first, StepNeeded)
    assert isinstance(
        await door.sign_in.with_code(first.half, "000000", Caller(ADDRESS, "r-2")), Refused
    )
    assert isinstance(
        await door.sign_in.with_code(first.half, door.code(emily), Caller(ADDRESS, "r-2")), Refused
    )


@pytest.mark.parametrize("what", ["time", "password", "disabled", "changed"])
async def test_a_half_session_ends_with_its_time_and_with_what_it_began_with(
    door: Door, emily: Worker, what: str
) -> None:
    await door.with_factor(emily)
    first = await door.knock(emily)
    assert isinstance(first, StepNeeded)
    half = first.half
    async with door.database.connection() as connection:
        if what == "time":
            door.now += SECONDS
        elif what == "password":
            hashed = await door.passwords.hash("a new one for everybody")
            await accounts.set_password(connection, emily.environment_id, emily.id, hashed, BY)
        elif what == "disabled":
            await accounts.disable(connection, emily.environment_id, emily.id, BY)
        else:
            half = half[:-8] + "AAAAAAA="
    assert await door.sign_in.step(half) is None
    assert isinstance(
        await door.sign_in.with_code(half, door.code(emily), Caller(ADDRESS, "r-2")), Ended
    )


async def test_a_role_that_asks_for_a_second_factor_has_it_set_up_first(
    door: Door, environment: int
) -> None:
    door.requiring = {"designer"}
    worker = await door.worker(environment, "designer")
    first = await door.knock(worker)
    assert isinstance(first, StepNeeded)
    assert first.step == "set-up"
    assert isinstance(
        await door.sign_in.with_code(first.half, "123456", Caller(ADDRESS, "r-2")), Ended
    )
    new = await door.sign_in.new_factor(first.half)
    assert new is not None
    assert new == await door.sign_in.pending_factor(first.half)
    assert new.secret in new.uri
    worker.secret = new.secret
    assert isinstance(
        await door.sign_in.with_new_factor(first.half, "000000", Caller(ADDRESS, "r-2")), Refused
    )
    outcome = await door.sign_in.with_new_factor(
        first.half, door.code(worker), Caller(ADDRESS, "r-2")
    )
    assert isinstance(outcome, SignedIn)
    assert len(outcome.codes) == recovery_codes.COUNT
    again = await door.knock(worker)
    assert isinstance(again, StepNeeded)
    assert again.step == "code"
    assert await door.sign_in.new_factor(first.half) is None


async def test_there_is_no_new_factor_where_its_recovery_codes_could_not_be_made(
    door: Door, environment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.requiring = {"designer"}
    worker = await door.worker(environment, "designer")
    first = await door.knock(worker)
    assert isinstance(first, StepNeeded)
    new = await door.sign_in.new_factor(first.half)
    assert new is not None
    worker.secret = new.secret

    async def ends(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(recovery_codes, "make", ends)
        with pytest.raises(UnavailableError):
            await door.sign_in.with_new_factor(
                first.half, door.code(worker), Caller(ADDRESS, "r-2")
            )
    outcome = await door.sign_in.with_new_factor(
        first.half, door.code(worker), Caller(ADDRESS, "r-2")
    )
    assert isinstance(outcome, SignedIn)
    assert len(outcome.codes) == recovery_codes.COUNT


async def test_a_secret_is_sealed_for_its_account_alone(door: Door, emily: Worker) -> None:
    await door.with_factor(emily)
    other = await door.worker(emily.environment_id)
    async with door.database.connection() as connection:
        sealed = await connection.fetchval(
            "SELECT totp_sealed FROM worker_accounts WHERE worker_id = $1", emily.id
        )
        assert emily.secret.encode() not in sealed
        await connection.execute(
            "UPDATE worker_accounts SET totp_sealed = $2 WHERE worker_id = $1", other.id, sealed
        )
        with pytest.raises(Exception, match="sealed"):
            await second_factor.pending(connection, door.box, other.environment_id, other.id)


async def test_a_password_is_hashed_anew_when_the_costs_have_grown(
    door: Door, emily: Worker
) -> None:
    old = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash(PASSWORD)
    await door.execute(
        "UPDATE worker_accounts SET password_hash = $2 WHERE worker_id = $1", emily.id, old
    )
    assert isinstance(await door.knock(emily), SignedIn)
    async with door.database.connection() as connection:
        stored = await connection.fetchval(
            "SELECT password_hash FROM worker_accounts WHERE worker_id = $1", emily.id
        )
    assert stored != old
    assert isinstance(await door.knock(emily), SignedIn)


async def test_who_has_signed_in_is_asked_again_before_what_matters(
    door: Door, emily: Worker
) -> None:
    outcome = await door.knock(emily)
    assert isinstance(outcome, SignedIn)
    session = await door.session(outcome.token)
    assert session is not None
    assert await door.sign_in.knows_password(session, PASSWORD, Caller(ADDRESS, "r-2"))
    for n in range(attempts.FREE):
        assert not await door.sign_in.knows_password(session, "wrong", Caller(elsewhere(n), "r-2"))
    assert not await door.sign_in.knows_password(session, PASSWORD, Caller(ADDRESS, "r-2"))


async def test_whom_a_provider_vouches_for_is_known_by_the_address_once_and_by_the_subject_after(
    door: Door, emily: Worker
) -> None:
    enter = door.sign_in.with_identity
    assert isinstance(
        await enter(emily.environment, "https://id|7", None, Caller(ADDRESS, "r")), Refused
    )
    assert isinstance(
        await enter(emily.environment, "https://id|7", "nobody@example.org", Caller(ADDRESS, "r")),
        Refused,
    )
    assert isinstance(
        await enter(emily.environment, "https://id|7", emily.email.upper(), Caller(ADDRESS, "r")),
        SignedIn,
    )
    assert isinstance(
        await enter(emily.environment, "https://id|7", "moved@example.org", Caller(ADDRESS, "r")),
        SignedIn,
    )
    assert isinstance(
        await enter(emily.environment, "https://id|8", emily.email, Caller(ADDRESS, "r")), Refused
    )
    assert isinstance(
        await enter("nowhere", "https://id|7", emily.email, Caller(ADDRESS, "r")), Refused
    )
    async with door.database.connection() as connection:
        await accounts.disable(connection, emily.environment_id, emily.id, BY)
    assert isinstance(
        await enter(emily.environment, "https://id|7", emily.email, Caller(ADDRESS, "r")), Refused
    )


async def test_a_role_that_takes_a_second_factor_takes_it_from_the_provider_or_from_us(
    door: Door, environment: int
) -> None:
    door.requiring = {"admin"}
    ada = await door.worker(environment, "admin", password=None)
    enter = door.sign_in.with_identity
    first = await enter(ada.environment, "https://id|7", ada.email, Caller(ADDRESS, "r"))
    assert isinstance(first, StepNeeded)
    assert first.step == "set-up"
    new = await door.sign_in.new_factor(first.half)
    assert new is not None
    ada.secret = new.secret
    assert isinstance(
        await door.sign_in.with_new_factor(first.half, door.code(ada), Caller(ADDRESS, "r")),
        SignedIn,
    )
    door.now += 60
    second = await enter(ada.environment, "https://id|7", None, Caller(ADDRESS, "r"))
    assert isinstance(second, StepNeeded)
    assert second.step == "code"
    assert isinstance(
        await door.sign_in.with_code(second.half, door.code(ada), Caller(ADDRESS, "r")), SignedIn
    )
    async with door.database.connection() as connection:
        details = [
            event.detail
            for event in await list_events(connection, environment, ada.id)
            if event.event == "signed in"
        ]
    assert details == ["identity provider and code"] * 2
    # Another one, for whom the provider vouches.
    grace = await door.worker(environment, "admin", password=None)
    vouched = await enter(
        grace.environment, "https://id|8", grace.email, Caller(ADDRESS, "r"), True
    )
    assert isinstance(vouched, SignedIn)
    session = await door.session(vouched.token)
    assert session is not None
    assert session.second_factor
    # A coach comes in by the provider alone.
    emily = await door.worker(environment, "coach", password=None)
    plain = await enter(emily.environment, "https://id|9", emily.email, Caller(ADDRESS, "r"))
    assert isinstance(plain, SignedIn)
    session = await door.session(plain.token)
    assert session is not None
    assert not session.second_factor


async def test_a_password_that_is_replaced_while_the_old_one_is_looked_at_lets_nobody_in(
    door: Door, emily: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = door.passwords.verify

    async def slowly(stored: str | None, password: str) -> bool:
        right = await verify(stored, password)
        async with door.database.connection() as connection:
            hashed = await door.passwords.hash("a new one for everybody")
            await accounts.set_password(connection, emily.environment_id, emily.id, hashed, BY)
        return right

    monkeypatch.setattr(door.passwords, "verify", slowly)
    assert isinstance(await door.knock(emily), Ended)
