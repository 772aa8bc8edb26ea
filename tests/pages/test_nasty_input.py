"""Bad input is told, and is never a fault of the server: each page with what nobody types, in its
address, query and form.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from almoner.app import PAGES
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.pages.route import PageRoute
from tests.people import People, Person

# A digit that is no number, a null character, more digits than Python turns into a number, a number
# that PostgreSQL cannot hold, and a day behind which there is none.
NASTY = ("²", "\x00", "9" * 5000, "9223372036854775808", "9999-12-31T23:59")
# One after the other at single names: a part of a place, a digit of another script, half a pair, a
# place from behind, and these.
SINGLE = ("².0.0", "٣", "\ufffe\u202e", "-1", "1e400", "0001-01-01", *NASTY)
# These end the session or the worker of whoever asks; a stream has no end.
LEFT_OUT = re.compile(r"/live$|^/sign-out|^/account|/disable$|/sign-out$|/roles$|/second-factor$")
_ASK = ("query", "text", "texts", "truth")
ALWAYS = ("before", "after", "base")


def names_of(page: PageRoute) -> list[str]:
    """The values that the files of a page ask for by name."""
    answer: Any = page.answer
    while inner := getattr(answer, "func", None) or getattr(answer, "__wrapped__", None):
        answer = inner
    # Of pages that a class declares, what it stands on asks as well.
    kinds = [kind for kind in getattr(answer, "__self__", object).__mro__ if kind is not object]
    files = [inspect.getfile(kind) for kind in kinds if kind.__module__.startswith("almoner.")]
    file = Path(files[0] if files else inspect.getfile(answer))
    read = [*file.parent.glob("*.py"), *map(Path, files)]
    return sorted({*ALWAYS, *(name for path in read for name in _names_in(path))})


@cache
def _names_in(path: Path) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            asks = isinstance(node.func, ast.Attribute) and node.func.attr in _ASK
            declares = isinstance(node.func, ast.Name) and node.func.id == "control"
            if asks or declares:
                names |= {
                    str(argument.value)
                    for argument in node.args[:1]
                    if isinstance(argument, ast.Constant)
                }
    return frozenset(names)


def addresses(page: PageRoute, known: dict[str, str]) -> list[str]:
    """The address with rows that are there; and with each nasty part where it has an open one."""
    parts = re.findall(r"\{(\w+)(?::path)?\}", page.path)

    def filled(values: dict[str, str]) -> str:
        address = page.path
        for name in parts:
            address = re.sub(
                rf"\{{{name}(:path)?\}}",
                quote(values.get(name, "0"), safe="").replace("\\", r"\\"),
                address,
            )
        return address

    real = dict(known)
    if "/workers/" in page.path or "/clients/" in page.path or "/webhooks/" in page.path:
        real["id"] = known["other"]
    nasty = [filled(real | {name: value}) for name in parts for value in NASTY[:3]]
    return [filled(real), *nasty]


async def ask(person: Person, page: PageRoute, address: str, pairs: list[tuple[str, str]]) -> str:
    """What is wrong with the answer; blank where nothing is."""
    if "GET" in page.methods:
        # An address has a limit of its own.
        short = pairs if len(urlencode(pairs)) < 60_000 else pairs[:9]
        answer = await person.get(f"{address}?{urlencode(short)}" if short else address)
    else:
        answer = await person.send_form(address, *pairs)
    report = f"{page.methods[0]} {address[:90]} {str(pairs)[:90]}: {answer.status_code}"
    return "" if answer.status_code < 500 else report


@pytest.fixture
async def known(
    program: int, people: People, person: Person, database: Database, store: Store
) -> dict[str, str]:
    """Rows that are there, by the names of the routes."""
    other = await people(program, "coach")
    await other.aclose()
    async with database.connection() as connection:
        patient = await connection.fetchval(
            "INSERT INTO patients (environment_id, id, first_name, last_name, timezone, phase,"
            " coach_id, created_at, updated_at) VALUES ($1, gen_random_uuid(), 'Ada', 'King',"
            " 'US/Pacific', 'intake', $2, now(), now()) RETURNING id::text",
            *(program, person.worker_id),
        )
    rows = {
        "id": patient,
        "worker": person.worker_id,
        "other": other.worker_id,
        "assessment": "weekly_check_in",
        "item": "intake",
    }
    return rows | {"section": "phone_numbers", "number": "0", "version": "1", "name": "nothing"}


@pytest.fixture
async def person(program: int, people: People) -> Person:
    """Somebody to whom every page is open."""
    return await people(program, "coach", "designer", "admin")


# Each was a fault once.
ONCE = (
    "/admin/audit?before=%C2%B2.0.0",
    "/admin/audit?actor=%00",
    "/admin/audit/more?before=0.%C2%B2.0",
    "/workshop/phases/intake?saved=%C2%B2",
    f"/workshop/phases/intake?saved={'9' * 5000}",
    f"/workshop/phases/intake?at={'9' * 5000}",
    "/patients?phase=%00",
    "/inbox?of=%00",
)


async def test_what_was_a_fault_once_is_none(person: Person) -> None:
    assert [address for address in ONCE if (await person.get(address)).status_code >= 500] == []


Pairs = list[tuple[str, str]]


def in_short(page: PageRoute) -> list[Pairs]:
    """Nothing; and all names, a different nasty value for each, begun with another one for each page."""
    begun = PAGES.index(page) % len(SINGLE)
    values = itertools.islice(itertools.cycle(SINGLE), begun, None)
    return [[], list(zip(names_of(page), values, strict=False))]


def at_length(page: PageRoute) -> list[Pairs]:
    """All names with each nasty value; and each name alone, since a value that is refused hides
    those after it.
    """
    names = names_of(page)
    alone: list[Pairs] = [[pair] for pair in zip(names, itertools.cycle(SINGLE), strict=False)]
    return [*([(name, value) for name in names] for value in NASTY), *alone]


async def faults(
    person: Person, known: dict[str, str], sent: Callable[[PageRoute], list[Pairs]]
) -> list[str]:
    """The answers that are faults of the server, where every page is sent this."""
    wrong = []
    for page in PAGES:
        if not LEFT_OUT.search(page.path):
            whole, *broken = addresses(page, known)
            wrong += [await ask(person, page, whole, pairs) for pairs in sent(page)]
            wrong += [await ask(person, page, address, []) for address in broken]
    assert (await person.get("/patients")).status_code == 200
    return [fault for fault in wrong if fault]


@pytest.mark.slow
async def test_what_nobody_types_is_no_fault_of_the_server(
    person: Person, known: dict[str, str]
) -> None:
    assert await faults(person, known, in_short) == []


@pytest.mark.slow
async def test_nothing_that_is_sent_is_a_fault_of_the_server(
    person: Person, known: dict[str, str]
) -> None:
    assert await faults(person, known, at_length) == []
