"""Environments in the administration: a new test environment gets somebody who can sign in to it;
no other is touched.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from html import unescape

import pytest

from almoner.access import environments
from almoner.database import Database
from tests.conftest import new_environment
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.portal.chart import text_of
from tests.web.document import Document

PATH = "/admin/environments"
NEW = {
    "first_name": "Tess",
    "last_name": "Tester",
    "email": "tess@example.org",
    "timezone": "US/Eastern",
}


@pytest.fixture
async def admin(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "admin") as person:
        yield person


async def workers_of(database: Database, name: str) -> list[tuple[str, list[str]]]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT w.email, a.roles FROM workers w JOIN environments e ON e.id = w.environment_id"
            " LEFT JOIN worker_accounts a ON a.environment_id = w.environment_id AND a.worker_id ="
            " w.id WHERE e.name = $1",
            name,
        )
    return [tuple(row) for row in rows]


async def name_of(database: Database, person: Person) -> str:
    async with database.connection() as connection:
        name: str = await connection.fetchval(
            "SELECT name FROM environments WHERE id = $1", person.environment_id
        )
        return name


async def test_a_new_test_environment_gets_an_administrator_who_gets_in(
    admin: Person, database: Database
) -> None:
    chosen = f"test-{uuid.uuid4().hex[:8]}"
    answer = await admin.send_form(PATH, name=chosen)
    name = f"{await name_of(database, admin)}.{chosen}"
    assert answer.headers["location"] == f"{PATH}/{name}/administrator?done=made"
    assert Document(await admin.get(PATH)).row("nobody can sign in")
    form = await admin.get(answer.headers["location"])
    assert admin.email in form.text
    # It has no page of its own here, and nothing leads to one.
    assert not Document(form).mentions(f'href="{PATH}/{name}"')
    # The same address may be used: it is another environment.
    invited = await admin.send_form(f"{PATH}/{name}/administrator", **NEW | {"email": admin.email})
    assert invited.status_code == 200, text_of(invited.text)
    [link] = re.findall(r'id="link" value="([^"]*)"', invited.text)
    async with PlainHttp() as anybody:
        welcome = await anybody.get(unescape(link))
    assert name in welcome.text
    assert await workers_of(database, name) == [(admin.email, ["admin"])]
    assert Document(await admin.get(PATH)).lacks("row", "nobody can sign in")


async def test_what_is_wrong_stands_at_its_field_and_nobody_is_made(
    admin: Person, database: Database
) -> None:
    chosen = f"test-{uuid.uuid4().hex[:8]}"
    await admin.send_form(PATH, name=chosen)
    name = f"{await name_of(database, admin)}.{chosen}"
    answer = await admin.send_form(f"{PATH}/{name}/administrator", **NEW | {"timezone": "Mars"})
    assert answer.status_code == 400
    assert Document(answer).field("timezone").error
    assert Document(answer).field("first_name").value == "Tess"
    assert await workers_of(database, name) == []
    wrong = await admin.send_form(PATH, name="Not A Name")
    assert wrong.status_code == 400
    assert Document(wrong).field("name").error


async def test_environments_that_are_not_its_tests_are_not_there(
    admin: Person, people: People, database: Database
) -> None:
    stranger = await new_environment(database)
    async with database.connection() as connection:
        live = await connection.fetchval("SELECT name FROM environments WHERE id = $1", stranger)
        own = await connection.fetchval(
            "SELECT name FROM environments WHERE id = $1", admin.environment_id
        )
        theirs = f"theirs-{uuid.uuid4().hex[:8]}"
        await environments.create(connection, theirs, test_of=stranger)
    page = (await admin.get(PATH)).text
    for name in (live, theirs, own, "nowhere"):
        assert name == own or name not in page
        assert (await admin.get(f"{PATH}/{name}/administrator")).status_code == 404
        assert (await admin.send_form(f"{PATH}/{name}/administrator", **NEW)).status_code == 404
    assert await workers_of(database, theirs) == []


async def test_a_test_environment_makes_none_of_its_own(
    admin: Person, people: People, database: Database
) -> None:
    async with database.connection() as connection:
        test = await environments.create(
            connection, f"test-{uuid.uuid4().hex[:8]}", test_of=admin.environment_id
        )
    async with await people(test, "admin") as tester:
        page = await tester.get(PATH)
        assert Document(await admin.get(PATH)).field("Name of a new test environment")
        assert Document(page).lacks("field", "Name of a new test environment")
        assert (await tester.send_form(PATH, name="further")).status_code == 400
