"""What is said where a page cannot be shown: in words, in the shell, to people; as JSON to
programs.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from almoner import embedded
from almoner.access import environments
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.pages.account import page as account_page
from almoner.resources import RESOURCES
from almoner.settings import Settings
from almoner.workshop import kiwi_health
from almoner.workshop.programs import PublishedPrograms
from almoner.workshop.publish import publish
from tests.browsers import Screens, violations
from tests.conftest import Server, ServerThread, free_port
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.web.document import Document

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def nobody(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with PlainHttp(base_url=server.url) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "title", "code"),
    [
        ("GET", "/nothing", 404, "There is nothing here", "not_found"),
        ("GET", "/patients/1/nothing", 404, "There is nothing here", "not_found"),
        ("POST", "/nothing", 404, "There is nothing here", "not_found"),
        (
            "DELETE",
            "/account",
            405,
            "This address only takes what a page sends",
            "method_not_allowed",
        ),
        (
            "GET",
            "/sign-out",
            405,
            "This address only takes what a page sends",
            "method_not_allowed",
        ),
    ],
)
async def test_an_address_without_a_page_answers_people_with_one_and_programs_with_json(
    method: str,
    path: str,
    status: int,
    title: str,
    code: str,
    nobody: httpx.AsyncClient,
    designer: Person,
) -> None:
    for client in (nobody, designer):
        page = await client.request(method, path, headers=BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (
            status,
            "text/html; charset=utf-8",
        )
        assert Document(page).heading().name == title
        assert Document(page).links(to="/workshop") or client is nobody
        answer = await client.request(method, path, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert answer.headers["cache-control"] == "no-store"
        assert [error["code"] for error in answer.json()["errors"]] == [code]
        assert ("allow" in answer.headers) is (status == 405)


async def test_a_part_of_a_page_that_is_gone_says_so_above_the_page(designer: Person) -> None:
    answer = await designer.fragment("/nothing")
    assert (answer.status_code, answer.headers["hx-retarget"]) == (404, "#notice")
    assert "There is nothing here" in Document(answer).testid("problem")


async def test_a_page_that_a_role_does_not_open_says_who_can_change_that(
    people: People, program: int, screens: Screens
) -> None:
    async with await people(program, "designer") as person:
        page = await screens(person)
        await expect_problem(page, "/inbox", 403, "Your role does not open this page")
        await expect(page.get_by_test_id("problem")).to_contain_text(
            "An administrator of your environment"
        )


async def test_a_page_that_fails_names_the_entry_of_the_log_and_nothing_else(
    designer: Person, screens: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("the secret of a patient")

    monkeypatch.setattr(account_page, "_page", failing)
    page = await screens(designer)
    await expect_problem(page, "/account", 500, "This page failed")
    assert "the secret of a patient" not in await page.content()
    await expect(page.locator("main code")).not_to_be_empty()


async def test_what_is_too_long_says_what_to_do(designer: Person, settings: Settings) -> None:
    answer = await designer.send_form("/workshop/file", file="x" * (settings.body_limit + 1))
    assert answer.status_code == 413
    assert Document(answer).testid("problem")


@dataclass
class Cut:
    """A server whose database is away, and somebody who was signed in before."""

    url: str
    person: Person
    page: Page


@pytest.fixture
async def cut(
    postgres: str, template: str, settings: Settings, browser: Browser, tmp_path: Path
) -> AsyncIterator[Cut]:
    name = f"almoner_cut_{uuid.uuid4().hex[:12]}"
    dsn = await embedded.create_database(postgres, name, template)
    database = await Database.connect(dsn, size=2)
    async with database.connection() as connection:
        environment = await environments.create(connection, "cut")
        await publish(connection, environment, kiwi_health.source(), "test")
    with ServerThread(
        replace(settings, home=tmp_path, port=free_port(), database_url=dsn)
    ) as running:
        people = People(
            running.url, database, Store(database, PublishedPrograms(database), RESOURCES)
        )
        async with await people(environment, "coach") as person:
            page = await Screens(browser, running.url)(person)
            await page.goto("/patients/new")
            await database.close()
            await refuse_connections(postgres, name)
            yield Cut(running.url, person, page)
            await page.context.close()
    await embedded.drop_database(postgres, name)


async def refuse_connections(postgres: str, name: str) -> None:
    connection = await asyncpg.connect(postgres)
    await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
    )
    await connection.close()


async def test_without_the_database_pages_say_so_and_what_was_typed_stays(cut: Cut) -> None:
    name = cut.page.get_by_label("First name")
    await name.fill("Zoë")
    await cut.page.locator("form[data-guard] .primary.button").click()
    await expect(cut.page.locator("#notice")).to_contain_text(
        "The server is busy or its database is away"
    )
    await expect(name).to_have_value("Zoë")
    cut.page.once("dialog", lambda dialog: dialog.accept())
    await expect_problem(cut.page, "/account", 503, "The server is busy or its database is away")
    await expect_problem(cut.page, "/nothing", 404, "There is nothing here")


async def expect_problem(page: Page, path: str, status: int, title: str) -> None:
    """Goes there, and sees a whole page that says what is the matter."""
    answer = await page.goto(path)
    assert answer is not None
    assert answer.status == status
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    await expect(page.get_by_role("link", name="Almoner")).to_be_visible()
    assert await violations(page) == []
