"""Which passwords may be chosen, and how they are kept."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from argon2 import PasswordHasher, extract_parameters

from almoner.access.passwords import (
    MEMORY_KIB,
    MOST_WAITING,
    TIME_COST,
    Passwords,
    password_problem,
)
from almoner.app import Application
from almoner.errors import UnavailableError

PERSONAL = ("emily.smith@example.org", "Emily", "Smith")


@pytest.mark.parametrize(
    "password",
    [
        "violet tractors at noon",
        "x9$kQ2!mZ7pL",
        "жёлтый трактор в полдень",
        "山の上に小さな赤い家がある",
        "Emily likes 9 tractors",
    ],
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


# Of the lists that guessers begin with, bent as people bend them to please a rule about lengths, digits and signs.
# fmt: off
GUESSED = (
    "Summer2026!!", "liverpool123", "Winter2025!!", "Autumn2026!!", "Spring2026!!", "Password2026", "Welcome12345",
    "manchester123", "chelsea123456", "arsenal12345!", "iloveyou1234", "sunshine2026", "Football2026", "qwerty123456!",
    "Qwertyuiop12", "1q2w3e4r5t6y", "zaq12wsxcde3", "admin1234567", "letmein123456", "monkey123456", "dragon123456",
    "Michael12345", "jennifer1234", "Charlie2026!", "Liverpool2026", "Hospital2026!", "CareCoach2026", "Passw0rd1234",
    "P@ssw0rd1234", "Company2026!", "Changeme1234", "trustno1trustno1", "abcd1234abcd", "princess1234", "superman2026",
    "January2026!", "December2025", "Monday123456", "London123456", "NewYork12345", "Chicago2026!", "Ranger123456",
    "Yankees12345", "starwars1977", "Batman123456", "Pokemon12345", "Minecraft123", "Samsung12345", "Google123456",
    "Internet1234", "Computer1234", "whatever1234", "nothing12345", "Almoner2026!", "almoner-demo-1",
)
# fmt: on


def test_what_guessers_begin_with_is_refused_and_help_is_given() -> None:
    assert [
        password
        for password in GUESSED
        if "few words in a row" not in (password_problem(password, PERSONAL) or "")
    ] == []


def test_the_place_where_somebody_works_is_no_password() -> None:
    assert password_problem("riverside-clinic", (*PERSONAL, "riverside-clinic")) is not None
    assert password_problem("Riverside-Clinic-2026", (*PERSONAL, "riverside-clinic")) is not None


def test_a_few_words_in_a_row_may_be_chosen_whatever_follows() -> None:
    assert (
        password_problem("seven herons on a pond" + "4@8({[<3690!1|70$5+%2" * 8, PERSONAL) is None
    )


@pytest.mark.timeout(30)
def test_a_password_made_to_be_slow_to_judge_is_judged() -> None:
    """Signs that may stand for letters, as many as there are: looked at whole, this takes
    minutes.
    """
    for text in (
        "4@8({[<3690!1|70$5+%2" * 9,
        "".join(chr(33 + n % 90) for n in range(200)),
        "a" * 200,
        "1|7!" * 50,
    ):
        password_problem(text, PERSONAL)


def test_a_server_hashes_at_the_costs_of_today_unless_a_test_hands_in_something_cheap() -> None:
    assert inspect.signature(Application).parameters["passwords"].default is Passwords


async def test_a_password_is_kept_as_argon2id_with_the_costs_of_today() -> None:
    stored = await Passwords().hash("violet tractors at noon")
    assert stored.startswith("$argon2id$")
    parameters = extract_parameters(stored)
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (
        TIME_COST,
        MEMORY_KIB,
        1,
    )


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


async def test_nobody_else_waits_while_passwords_are_hashed_and_a_crowd_is_told_to_come_back() -> (
    None
):
    passwords = Passwords()
    asked = [
        asyncio.create_task(passwords.hash("violet tractors at noon"))
        for _ in range(MOST_WAITING + 1)
    ]
    await asyncio.sleep(0)
    # The loop is free at once: nothing has been hashed yet, and the last in the queue knows its
    # answer.
    assert not asked[0].done()
    with pytest.raises(UnavailableError) as refused:
        await asked[-1]
    assert refused.value.status == 503
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
