"""Which passwords may be chosen, and how they are kept."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters

from almoner.access.passwords import MEMORY_KIB, MOST_WAITING, TIME_COST, Passwords, password_problem
from almoner.errors import ApiError

PERSONAL = ("emily.smith@example.org", "Emily", "Smith")


@pytest.mark.parametrize(
    "password",
    ["violet tractors at noon", "x9$kQ2!mZ7pL", "жёлтый трактор в полдень", "山の上に小さな赤い家がある", "Emily likes 9 tractors"],
)
def test_a_long_password_of_any_script_may_be_chosen(password: str) -> None:
    assert password_problem(password, PERSONAL) is None


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("elevenchars", "at least 12"),
        ("x" * 6 + "y" * 195, "at most 200"),
        ("aaaaaaaaaaaaaa", "first passwords"),
        ("abcabcabcabcabc", "first passwords"),
        ("0123456789012", "first passwords"),
        ("qwertyuiopasdf", "first passwords"),
        ("Password1234!", "first passwords"),
        ("letmeinletmein1", "first passwords"),
        ("emily.smith@example.org", "your name"),
        ("EmilySmith2024", "your name"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused_in_words(password: str, word: str) -> None:
    problem = password_problem(password, PERSONAL)
    assert problem is not None
    assert word in problem
    assert password not in problem


async def test_a_password_is_kept_as_argon2id_with_the_costs_of_today() -> None:
    stored = await Passwords().hash("violet tractors at noon")
    assert stored.startswith("$argon2id$")
    kept = extract_parameters(stored)
    assert (kept.time_cost, kept.memory_cost, kept.parallelism) == (TIME_COST, MEMORY_KIB, 1)


async def test_the_same_characters_are_the_same_password_however_they_were_typed() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    stored = await passwords.hash("caf\u00e9 au lait, deux fois")
    assert await passwords.verify(stored, "cafe\u0301 au lait, deux fois")
    assert not await passwords.verify(stored, "cafe au lait, deux fois")


async def test_no_password_fits_where_none_is_stored_or_what_is_stored_is_none() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    assert not await passwords.verify(None, "violet tractors at noon")
    assert not await passwords.verify("nonsense", "violet tractors at noon")
    assert not await passwords.verify(await passwords.hash("x" * 1000), "x" * 1001)


async def test_a_hash_of_lower_costs_is_outdated() -> None:
    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    assert Passwords().is_outdated(await cheap.hash("violet tractors at noon"))
    assert not cheap.is_outdated(await cheap.hash("violet tractors at noon"))


async def test_nobody_else_waits_while_passwords_are_hashed_and_a_crowd_is_told_to_come_back() -> None:
    passwords = Passwords()
    asked = [asyncio.create_task(passwords.hash("violet tractors at noon")) for _ in range(MOST_WAITING + 1)]
    await asyncio.sleep(0)
    # The loop is free at once: nothing has been hashed yet, and the last in the queue knows its answer.
    assert not asked[0].done()
    with pytest.raises(ApiError) as refused:
        await asked[-1]
    assert refused.value.status == 503
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
