"""The integration tools in a browser: what shows and hides, where the focus is, and that everybody
can use them.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator

import jwt
import pytest
from playwright.async_api import Page, expect

from almoner.access.token_endpoint import GRANT_TYPE
from tests.browsers import Screens, violations
from tests.cases import quick
from tests.conftest import Server
from tests.people import People, Person
from tests.plain_http import PlainHttp


@pytest.fixture
async def integrator(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "admin") as person:
        yield person


async def fits(page: Page) -> None:
    """Nothing is wrong for assistive technology, and nobody has to scroll sideways."""
    assert await violations(page) == []
    assert await page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


async def fetched(server: Server, client_id: str, secret: str) -> int:
    """The status that a program gets which fetches a token with this secret."""
    claims = {"iss": client_id, "aud": server.settings.token_url, "exp": int(time.time()) + 3600}
    form = {"grant_type": GRANT_TYPE, "assertion": jwt.encode(claims, secret, algorithm="HS256")}
    async with PlainHttp(base_url=server.url) as program:
        return (await program.post("/v1/token", data=form)).status_code


@pytest.mark.slow
async def test_a_secret_is_changed_while_a_program_uses_the_old_one(
    integrator: Person, screens: Screens, server: Server
) -> None:
    page = await screens(integrator)
    await page.goto("/workshop/clients")
    await page.get_by_role("link", name="New client").click()
    await page.get_by_label("Name").fill("Data warehouse")
    await page.get_by_label("Everything, also what is added later").check()
    await expect(page.get_by_label("read patients")).to_be_hidden()
    await page.get_by_label("Only what is ticked here").check()
    await page.get_by_label("read patients").check()
    await fits(page)
    await page.get_by_role("button", name="Create and show the secret").click()
    secret_field = page.get_by_label("Client secret")
    await expect(secret_field).to_be_focused()
    await fits(page)
    client_id, old = (
        await page.get_by_label("Client id").input_value(),
        await secret_field.input_value(),
    )
    assert await fetched(server, client_id, old) == 200

    await page.get_by_role("button", name="New secret").click()
    await expect(page.get_by_role("heading", name="A new secret is made")).to_be_visible()
    new = await secret_field.input_value()
    assert new != old
    assert [await fetched(server, client_id, secret) for secret in (old, new)] == [200, 200]

    await page.get_by_role("button", name="End the secret that ends with").last.click()
    await page.locator("#confirm").get_by_role("button", name="Cancel").click()
    assert await fetched(server, client_id, old) == 200
    await page.get_by_role("button", name="End the secret that ends with").last.click()
    await page.get_by_role("dialog").get_by_role("button", name="End the secret").click()
    await expect(page.get_by_role("status").get_by_text("The secret has ended")).to_be_visible()
    assert [await fetched(server, client_id, secret) for secret in (old, new)] == [400, 200]
    await fits(page)


@pytest.mark.slow
async def test_a_webhook_is_made_and_tried_out_without_leaving_its_page(
    integrator: Person, screens: Screens
) -> None:
    page = await screens(integrator, width=375)
    await page.goto("/workshop/webhooks/new")
    await fits(page)
    await page.get_by_label("Name").fill("EHR bridge")
    await page.get_by_label("Address").first.fill(
        "https://localhost/a/rather/long/address/of/notifications/that/is/one/word"
    )
    await page.get_by_label("Patients", exact=True).check()
    await page.get_by_label("Our signed token is sent as it is").check()
    await expect(page.get_by_label("Token address")).to_be_hidden()
    await page.get_by_label("Client id").fill("almoner")
    await page.get_by_label("Client secret").fill("a secret")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("status").get_by_text("The webhook is made")).to_be_visible()
    await fits(page)
    button = page.get_by_role("button", name="Send a test")
    await button.click()
    await expect(
        page.get_by_test_id("trial").get_by_text("The test failed at the last step below.")
    ).to_be_visible()
    await expect(button).to_be_focused()
    await fits(page)
    await page.goto("/workshop/webhooks")
    await expect(page.get_by_role("link", name="EHR bridge")).to_be_visible()
    await fits(page)


@pytest.mark.parametrize("dark", quick([False, True], 1), ids=["light", "dark"])
@pytest.mark.parametrize(
    "path", quick(["/workshop/clients", "/workshop/webhooks", "/workshop/environments"], 1)
)
async def test_an_empty_list_can_be_used_by_everybody(
    integrator: Person, screens: Screens, path: str, dark: bool
) -> None:
    page = await screens(integrator, width=720, dark=dark)
    await page.goto(path)
    await fits(page)


@pytest.mark.slow
async def test_a_test_environment_is_made_in_the_browser(
    integrator: Person, screens: Screens
) -> None:
    page = await screens(integrator)
    await page.goto("/workshop/environments")
    name = page.get_by_label("Name of a new test environment")
    await name.fill("Trial Run")
    await name.press("Enter")
    await expect(name).to_have_accessible_description(re.compile("is made of small letters"))
    await expect(name).to_be_focused()
    await expect(name).to_have_value("Trial Run")
    await fits(page)
    await name.fill(f"trial-{integrator.environment_id}")
    await name.press("Enter")
    await expect(
        page.get_by_role("status").get_by_text("The test environment is made")
    ).to_be_visible()
    await fits(page)
