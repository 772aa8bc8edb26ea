"""What was typed stays when the session has ended or the connection is lost, in every kind of
form.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Page, Route, expect

from almoner.access import sessions
from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens, sign_in
from tests.conftest import Server
from tests.pages.inhabited import busiest_patient, inhabited
from tests.people import People, Person


@dataclass(frozen=True)
class Filled:
    """A form: where it stands, a field of it with the ``text`` typed there, and the button that sends
    it.

    ``landed``: what is seen when it was taken.
    """

    path: str
    field: str
    text: str
    button: str
    landed: str


NAME = "O’Brien <Zoë> & 山田"
# One of each room; those that are slow stand in the same rooms.
FORMS = [
    pytest.param(
        Filled(
            "/workshop/new/phases",
            "#title",
            NAME,
            "#save",
            # Taken with the name in the API that the title suggests, or refused where that is taken.
            f"h1:has-text('{NAME}'), [aria-invalid]",
        ),
        id="workshop",
    ),
    pytest.param(
        Filled(
            "/workshop/clients/new",
            "#name",
            NAME,
            "form[data-guard] .primary.button",
            "[aria-invalid], .error",
        ),
        id="client",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        Filled("/patients/new", "#first_name", NAME, "form[data-guard] .primary.button", ".error"),
        id="patient",
    ),
    pytest.param(
        Filled(
            "/patients/{patient}/contact",
            "[aria-labelledby=details-title] [name=first_name]",
            NAME,
            "[aria-labelledby=details-title] .primary.button",
            f"text={NAME}",
        ),
        id="contact",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        Filled(
            "/calendar/new?patient={patient}",
            "#minutes",
            "7x",
            ".primary.button[value=book]",
            "#minutes[aria-invalid]",
        ),
        id="booking",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        Filled(
            "/patients/{patient}/conversations",
            "textarea[name=contents]",
            NAME,
            "button[value=record]",
            f".message:has-text('{NAME}'), .error",
        ),
        id="message",
    ),
]


@pytest.fixture(scope="module")
async def everybody(people: People, database: Database, store: Store) -> AsyncIterator[Person]:
    """Somebody whose roles open every room, with a dozen patients."""
    async with await inhabited(people, database, store, "kiwi-keeping", 20) as person:
        yield person


@pytest.fixture
async def patient(database: Database, everybody: Person) -> str:
    return await busiest_patient(database, everybody)


@pytest.fixture
async def person(database: Database, everybody: Person) -> Person:
    """The same worker with a session of this test alone."""
    async with database.connection() as connection:
        everybody.token = await sessions.begin(
            connection, everybody.environment_id, everybody.worker_id
        )
    return everybody


async def end_sessions(database: Database, person: Person) -> None:
    """As if nobody had touched anything for long."""
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE worker_sessions SET seen_at = clock_timestamp() - interval '16 minutes' "
            "WHERE environment_id = $1 AND worker_id = $2",
            *(person.environment_id, person.worker_id),
        )


async def signed_in_elsewhere(
    page: Page, database: Database, server: Server, environment: int, worker_id: str
) -> None:
    """A new session in the same browser, as another tab makes it; then this tab is turned to."""
    async with database.connection() as connection:
        token = await sessions.begin(connection, environment, worker_id)
    await sign_in(page.context, server.url, token)
    await page.evaluate("dispatchEvent(new Event('focus'))")


async def type_into(page: Page, form: Filled, patient: str) -> None:
    await page.goto(form.path.format(patient=patient))
    await page.locator(form.field).first.fill(form.text)


@pytest.mark.parametrize("form", FORMS)
async def test_an_ended_session_costs_nothing_that_was_typed(
    form: Filled, person: Person, patient: str, screens: Screens, database: Database, server: Server
) -> None:
    page = await screens(person)
    await type_into(page, form, patient)
    here = page.url
    await end_sessions(database, person)
    await page.locator(form.button).first.click()
    link = page.locator("#notice").get_by_role("link", name="Sign in")
    await expect(link).to_be_visible()
    assert (await link.get_attribute("target"), await link.get_attribute("href")) == (
        "_blank",
        "/sign-in?next=/session/back",
    )
    await signed_in_elsewhere(page, database, server, person.environment_id, person.worker_id)
    await expect(page.locator("#again")).to_be_visible()
    assert page.url == here
    await expect(page.locator(form.field).first).to_have_value(form.text)
    await page.locator(form.button).first.click()
    await expect(page.locator(form.landed).first).to_be_visible()
    await expect(page.locator("#notice")).to_be_empty()


@pytest.mark.parametrize("form", FORMS)
async def test_without_a_connection_a_form_says_so_and_goes_out_when_it_is_back(
    form: Filled, person: Person, patient: str, screens: Screens
) -> None:
    page = await screens(person)
    await type_into(page, form, patient)
    here = page.url
    await page.context.set_offline(True)
    await page.locator(form.button).first.click()
    await expect(page.locator("#offline")).to_be_visible()
    assert page.url == here
    await expect(page.locator(form.field).first).to_have_value(form.text)
    await page.context.set_offline(False)
    await expect(page.locator("#offline")).to_be_hidden()
    await page.locator(form.button).first.click()
    await expect(page.locator(form.landed).first).to_be_visible()


async def test_a_page_of_an_earlier_session_goes_on_with_the_one_that_there_is(
    person: Person, patient: str, screens: Screens, database: Database, server: Server
) -> None:
    page = await screens(person)
    form = FORMS[-1].values[0]
    assert isinstance(form, Filled)
    await type_into(page, form, patient)
    await end_sessions(database, person)
    await signed_in_elsewhere(page, database, server, person.environment_id, person.worker_id)
    await page.locator(form.button).first.click()
    await expect(page.locator("#again")).to_be_visible()
    await expect(page.locator(form.field).first).to_have_value(form.text)
    await page.locator(form.button).first.click()
    await expect(page.locator(form.landed).first).to_be_visible()


async def test_nothing_is_sent_in_the_name_of_somebody_else_who_signed_in(
    person: Person,
    patient: str,
    people: People,
    screens: Screens,
    database: Database,
    server: Server,
) -> None:
    page = await screens(person)
    await page.goto("/patients/new")
    await page.get_by_label("First name").fill(NAME)
    async with await people(person.environment_id, "coach", first_name="Other") as other:
        await sign_in(page.context, server.url, other.token)
        await page.locator("form .primary.button").first.click()
        await expect(page.locator("#notice")).to_contain_text("Somebody else has signed in since")
    await expect(page.get_by_label("First name")).to_have_value(NAME)


@pytest.mark.slow
async def test_the_browser_keeps_nothing_of_what_was_typed(
    person: Person, patient: str, screens: Screens
) -> None:
    page = await screens(person)
    for param in FORMS:
        form = param.values[0]
        assert isinstance(form, Filled)
        await type_into(page, form, patient)
    assert await page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


OF_A_PROXY = (
    "<html><body><h1>Bad gateway</h1><p class='banner'>Sign in to the hotel</p></body></html>"
)


def new_patient() -> Filled:
    return next(
        form
        for param in FORMS
        if isinstance(form := param.values[0], Filled) and form.path == "/patients/new"
    )


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", OF_A_PROXY),
        (502, "text/html", OF_A_PROXY),
        (200, "application/json", "{}"),
    ],
)
async def test_an_answer_that_is_none_of_ours_says_so_and_the_form_goes_out_at_the_next_try(
    status: int, kind: str, body: str, person: Person, patient: str, screens: Screens
) -> None:
    page, form = await screens(person), new_patient()
    await type_into(page, form, patient)

    async def answered(route: Route) -> None:
        await route.fulfill(status=status, content_type=kind, body=body)

    await page.route("**/session?*", answered)
    await page.locator(form.button).first.click()
    await expect(page.locator("#offline")).to_be_visible()
    await expect(page.locator("#notice")).to_be_empty()
    await page.unroute("**/session?*")
    await page.locator(form.button).first.click()
    await expect(page.locator(form.landed).first).to_be_visible()


async def test_an_answer_that_never_comes_is_not_waited_for(
    person: Person, patient: str, screens: Screens
) -> None:
    page, form = await screens(person), new_patient()
    await page.context.add_init_script(
        "window.asItIs = AbortSignal.timeout; AbortSignal.timeout = (ms) =>"
        " asItIs.call(AbortSignal, ms / 50)"
    )
    await type_into(page, form, patient)
    ends = asyncio.Event()

    async def delayed(route: Route) -> None:
        await ends.wait()

    await page.route("**/session?*", delayed)
    await page.locator(form.button).first.click()
    await expect(page.locator("#offline")).to_be_visible()
    ends.set()
    await page.unroute("**/session?*")
    # A busy machine answers, and not in a fiftieth of the time.
    await page.evaluate("AbortSignal.timeout = asItIs")
    await page.locator(form.button).first.click()
    await expect(page.locator(form.landed).first).to_be_visible()


async def test_a_second_click_while_a_form_is_on_its_way_sends_it_no_second_time(
    person: Person, patient: str, screens: Screens
) -> None:
    page, form = await screens(person), new_patient()
    await type_into(page, form, patient)
    ends, sent = asyncio.Event(), []

    async def delayed(route: Route) -> None:
        if route.request.method == "POST":
            sent.append(route.request.url)
            await ends.wait()
        await route.continue_()

    await page.route("**/patients/new", delayed)
    # Clicked by the page itself, which goes on while its form is on its way; then a round trip
    # behind whatever that click asked.
    await page.evaluate(
        """(selector) => {
            const told = document.getElementById("live-region"), field = document.querySelector(selector);
            new MutationObserver(async () => {
                console.log(told.textContent, field.getAttribute("aria-busy"));
                field.click();
                await (await fetch("/session?worker=", { headers: { "HX-Request": "true" } })).text();
                console.log("asked");
            }).observe(told, { childList: true });
        }""",
        form.button,
    )
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    async with page.expect_console_message(lambda message: message.text == "asked"):
        await page.locator(form.button).first.click(no_wait_after=True)
    ends.set()
    await expect(page.locator(form.landed).first).to_be_visible()
    assert len(sent) == 1
    assert "It is being sent. true" in messages


async def test_a_button_that_was_replaced_while_it_was_pressed_sends_nothing_and_says_so(
    person: Person, patient: str, screens: Screens
) -> None:
    page, form = await screens(person), new_patient()
    await type_into(page, form, patient)
    sent: list[str] = []

    async def asked(route: Route) -> None:
        # Meanwhile an answer draws the form's button anew.
        await page.evaluate(
            "(button) => { const old = document.querySelector(button);"
            " old.replaceWith(old.cloneNode(true)); }",
            form.button,
        )
        await route.continue_()

    page.on(
        "request", lambda request: sent.append(request.url) if request.method == "POST" else None
    )
    await page.route("**/session?*", asked)
    unsent = page.locator("#unsent")
    await expect(unsent).to_be_hidden()
    await page.locator(form.button).first.click()
    await expect(unsent).to_be_visible()
    assert sent == []
    await page.unroute("**/session?*", asked)
    await page.locator(form.button).first.click()
    await expect(page.locator(form.landed).first).to_be_visible()
    assert len(sent) == 1


async def test_the_word_that_one_is_signed_in_again_can_be_closed_and_comes_again(
    person: Person, patient: str, screens: Screens, database: Database, server: Server
) -> None:
    page, form = await screens(person), new_patient()
    await type_into(page, form, patient)
    again = page.locator("#again")
    for _ in range(2):
        await end_sessions(database, person)
        await page.locator(form.button).first.click()
        await expect(page.locator("#notice")).to_contain_text("Your session has ended")
        await signed_in_elsewhere(page, database, server, person.environment_id, person.worker_id)
        await again.get_by_role("button", name="Close").click()
        await expect(again).to_be_hidden()


async def test_what_was_ticked_is_not_in_the_tab_any_more_once_one_has_signed_out(
    person: Person, screens: Screens
) -> None:
    page = await screens(person)
    await page.goto("/patients")
    await page.locator("form[data-picks] [type=checkbox][name=patient]").first.check()
    await page.goto("/account")
    assert await page.evaluate("sessionStorage.length") == 1
    await page.locator("header.top details.menu > summary").click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.wait_for_url("**/signed-out")
    assert await page.evaluate("sessionStorage.length") == 0
