"""Back, forward and loading again, after forms: nobody comes to a page that the browser cannot
show.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Page, Route, expect

from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens
from tests.pages.inhabited import inhabited
from tests.people import People, Person

NAME = "O’Brien <Zoë> & 山田"
# Forms that the server refuses as they are sent: where, a field with what is typed in it, the
# button, and what tells of the error.
REFUSED = (
    ("/patients/new", "#first_name", NAME, "form[data-guard] .primary.button", ".error"),
    (
        "/workshop/clients/new",
        "#name",
        NAME,
        "form[data-guard] .primary.button",
        "[aria-invalid], .error",
    ),
    (
        "/patients/{patient}/contact",
        "[aria-labelledby=details-title] [name=zip_code]",
        "9x",
        "[aria-labelledby=details-title] .primary.button",
        "[aria-labelledby=details-title] .error",
    ),
    ("/admin/workers/new", "#first_name", NAME, "form[data-guard] .primary.button", ".error"),
)


@pytest.fixture(scope="module")
async def everybody(people: People, database: Database, store: Store) -> AsyncIterator[Person]:
    """Somebody whose roles open every room, with a dozen patients."""
    async with await inhabited(people, database, store, "kiwi-history", 31) as person:
        yield person


def answering(
    status: int, body: str, headers: dict[str, str]
) -> Callable[[Route], Awaitable[None]]:
    """What stands between here and the server answers a form, or the server in its need."""

    async def answer(route: Route) -> None:
        if route.request.method == "POST":
            await route.fulfill(
                status=status, body=body, headers={"Content-Type": "text/html", **headers}
            )
        else:
            await route.continue_()

    return answer


async def expect_page(page: Page, path: str) -> None:
    await page.wait_for_url(lambda url: url.partition("#")[0].endswith(path))
    await expect(page.locator("h1").first).to_be_visible()


@pytest.mark.slow
async def test_back_from_a_refused_form_leads_to_the_page_before_and_loading_it_again_to_the_form(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody)
    for path, field, text, button, error in REFUSED:
        here = path.format(patient=everybody.patient_id)
        await page.goto("/calendar")
        await page.goto(here)
        number = await page.evaluate("history.length")
        await page.locator(field).first.fill(text)
        await page.locator(button).first.click()
        await expect(page.locator(error).first).to_be_visible()
        # What was typed is there, in the page that it was typed in, with the focus on what is
        # wrong.
        await expect(page.locator(field).first).to_have_value(text)
        assert page.url.endswith(here)
        assert await page.evaluate("history.length") == number, here
        assert await page.evaluate("document.activeElement !== document.body"), here
        page.once("dialog", lambda dialog: dialog.accept())
        await page.go_back()
        await expect_page(page, "/calendar")
        await page.go_forward()
        await expect_page(page, here)
        await page.reload()
        await expect_page(page, here)
    assert await page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


async def test_what_a_form_finds_is_a_page_that_one_goes_back_from(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody)
    profile = f"/patients/{everybody.patient_id}"
    await page.goto(profile)
    before = await page.locator("h1, h2").first.inner_text()
    await page.locator("#find").fill("a")
    await page.locator("#find").press("Enter")
    await expect(page.locator("#results-title")).to_be_visible()
    await expect_page(page, "/patients")
    await page.go_back()
    await expect_page(page, profile)
    assert await page.locator("h1, h2").first.inner_text() == before
    await page.go_forward()
    await expect_page(page, "/patients")


async def test_a_form_that_the_server_cannot_take_stays_with_what_was_typed(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody)
    await page.goto("/patients/new")
    await page.locator("#first_name").fill(NAME)
    notice = '<div class="banner bad"><strong>The server is busy.</strong> Wait a moment.</div>'
    for status, body, headers in (
        (503, notice, {"HX-Retarget": "#notice"}),
        (502, "<html><body><h1>Bad gateway</h1></body></html>", {}),
        (200, "<html><main id='main'>Sign in to the hotel</main></html>", {}),
    ):
        await page.route("**/patients/new", answering(status, body, headers))
        await page.locator("form[data-guard] .primary.button").click()
        await expect(page.locator("#notice .banner" if headers else "#offline")).to_be_visible()
        await expect(page.locator("#first_name")).to_have_value(NAME)
        await page.unroute("**/patients/new")
    await page.locator("form[data-guard] .primary.button").click()
    await expect(page.locator(".error").first).to_be_visible()
    await expect(page.locator("#notice")).to_be_empty()
    await expect(page.locator("#first_name")).to_have_value(NAME)


async def test_a_refused_sign_in_is_no_page_of_the_history(
    everybody: Person, screens: Screens
) -> None:
    page = await screens()
    await page.goto("/docs")
    await page.goto("/sign-in")
    # Asked for where the database holds several, as it does beside other tests.
    if await page.locator("#environment").count():
        await page.locator("#environment").fill("kiwi")
    await page.locator("#email").fill("nobody@example.org")
    await page.locator("#password").fill("no such password")
    await page.locator("form .primary.button").click()
    await expect(
        page.locator("[role=alert], .error").filter(has_text="password").first
    ).to_be_visible()
    await page.go_back()
    await page.wait_for_url("**/docs")
    await page.go_forward()
    await expect_page(page, "/sign-in")


@pytest.mark.slow
async def test_a_form_for_a_file_that_is_refused_is_no_page_of_the_history_and_the_file_comes_where_there_is_one(
    everybody: Person, screens: Screens
) -> None:
    page = await screens(everybody)
    await page.goto("/calendar")
    await page.goto("/admin/export")
    number = await page.evaluate("history.length")
    button = page.locator("form[data-file] .primary.button")
    await button.click()
    await expect(page.locator("#collections-error")).to_be_visible()
    assert await page.evaluate("history.length") == number
    await page.reload()
    await expect_page(page, "/admin/export")
    await page.locator("[name=collections][value=workers]").check()
    async with page.expect_download() as downloading:
        await button.click()
    assert (await downloading.value).suggested_filename.startswith("workers")
    assert await page.evaluate("history.length") == number
    await page.go_back()
    await expect_page(page, "/calendar")
    await page.goto("/admin/audit")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Save as NDJSON").click()
    assert (await downloading.value).suggested_filename.endswith(".ndjson")
