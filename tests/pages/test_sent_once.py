"""A form is taken once, however often it is sent: by the browser, and where the browser sends it
twice, by the server.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, Route

from almoner.app import PAGES
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.errors import UnavailableError, problem
from almoner.pages import sent_forms, serve
from almoner.pages.sent_forms import SentForm, SentForms, SentOutcome, new_token
from tests.browsers import Screens
from tests.conftest import Callers
from tests.pages.inhabited import inhabited
from tests.pages.visited import VISITED, Visited, visited_by
from tests.people import People, Person
from tests.web.document import Document


@pytest.fixture(scope="module")
async def everybody(people: People, database: Database, store: Store) -> AsyncIterator[Person]:
    """Somebody whose roles open every room, with a dozen patients."""
    async with await inhabited(people, database, store, "kiwi-sent-once", 30) as person:
        yield person


@pytest.fixture(scope="module")
async def visited(everybody: Person, callers: Callers, store: Store) -> Visited:
    return await visited_by(everybody, callers, store)


async def count_of(database: Database, table: str, patient: str) -> int:
    async with database.connection() as connection:
        number: int = await connection.fetchval(
            f"SELECT count(*) FROM {table} WHERE user_id = $1", patient
        )
        return number


def token_of(page: httpx.Response, part: str) -> str:
    """The token of the form of a page that has this text in it."""
    form = next(form for form in re.findall(r"<form.*?</form>", page.text, re.S) if part in form)
    token: str = re.findall(r'name="form_token" value="([^"]+)"', form)[0]
    return token


async def test_a_form_that_is_sent_twice_at_once_is_taken_once(
    everybody: Person, database: Database
) -> None:
    here = f"/patients/{everybody.patient_id}/tasks"
    token = token_of(await everybody.get(here), "task_type")
    before = await count_of(database, "patient_tasks", everybody.patient_id)
    sent = [
        everybody.send_form(here, drawn=token, task_type="weigh_in", htmx=True) for _ in range(4)
    ]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*sent))
    assert await count_of(database, "patient_tasks", everybody.patient_id) == before + 1
    # Those that came while the first was under way are as quiet as it; one that came after says so.
    assert statuses[0] == 204
    assert set(statuses) <= {204, 409}


async def test_a_second_redirecting_form_leads_where_the_first_one_led(
    everybody: Person, database: Database
) -> None:
    here = f"/patients/{everybody.patient_id}/tasks"
    token = token_of(await everybody.get(here), "task_type")
    before = await count_of(database, "patient_tasks", everybody.patient_id)
    first, second = [
        await everybody.send_form(here, drawn=token, task_type="weigh_in") for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["location"] == second.headers["location"]
    assert await count_of(database, "patient_tasks", everybody.patient_id) == before + 1


async def test_what_was_taken_before_and_is_sent_again_later_says_so(
    everybody: Person, database: Database
) -> None:
    here = f"/patients/{everybody.patient_id}/tasks"
    token = token_of(await everybody.get(here), "task_type")
    before = await count_of(database, "patient_tasks", everybody.patient_id)
    await everybody.send_form(here, drawn=token, task_type="weigh_in", htmx=True)
    again = await everybody.send_form(here, drawn=token, task_type="weigh_in", htmx=True)
    assert again.status_code == 409
    assert "This was sent already" in Document(again).testid("problem")
    assert again.headers["hx-retarget"] == "#notice"
    anew = await everybody.send_form(here, drawn=new_token(), task_type="weigh_in", htmx=True)
    assert anew.status_code == 204
    assert await count_of(database, "patient_tasks", everybody.patient_id) == before + 2


async def test_what_was_refused_or_is_changed_is_taken(
    everybody: Person, database: Database
) -> None:
    here = f"/patients/{everybody.patient_id}/tasks"
    token = token_of(await everybody.get(here), "task_type")
    before = await count_of(database, "patient_tasks", everybody.patient_id)
    for _ in range(2):
        refused = await everybody.send_form(
            here, drawn=token, task_type="nothing-of-the-kind", htmx=True
        )
        assert refused.status_code == 400
        assert Document(refused).field("task_type").error == "Choose one of these."
    taken = await everybody.send_form(here, drawn=token, task_type="weigh_in", htmx=True)
    assert taken.status_code == 204
    assert await count_of(database, "patient_tasks", everybody.patient_id) == before + 1


async def test_each_form_of_a_page_has_a_token_of_its_own(everybody: Person) -> None:
    page = await everybody.get(f"/patients/{everybody.patient_id}/contact")
    tokens = re.findall(r'name="form_token" value="([^"]+)"', page.text)
    assert len(tokens) > 5
    assert len(set(tokens)) == len(tokens)
    assert len(re.findall(r'name="csrf"', page.text)) == len(tokens)


async def test_a_form_whose_process_is_gone_is_taken_again_after_a_minute(
    everybody: Person, database: Database
) -> None:
    forms = SentForms(database, patience=0)
    form = SentForm.of(
        everybody.environment_id, everybody.worker_id, new_token(), "/somewhere", (("a", "b"),)
    )
    assert await forms.claim(form) is None
    with pytest.raises(Exception, match="service_unavailable"):
        await forms.claim(form)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE sent_forms SET sent_at = sent_at - make_interval(secs => $2) WHERE digest = $1",
            *(form.digest, sent_forms._GONE_SECONDS + 1),
        )
    assert await forms.claim(form) is None
    await forms.settle(form, 303, "/there")
    assert await forms.claim(form) == SentOutcome(303, "/there", waited=False)


async def test_a_form_of_which_nobody_knows_what_came_is_not_taken_again_before_its_minute_is_over(
    everybody: Person, database: Database
) -> None:
    parts = SimpleNamespace(sent_forms=SentForms(database, patience=0))

    async def write() -> None:
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE environments SET name = name WHERE id = $1", everybody.environment_id
            )

    async def broken_off(begun: str) -> None:
        async with database.connection() as connection:
            await connection.execute(begun, everybody.environment_id)
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async def written_and_failed() -> None:
        await write()
        raise RuntimeError

    async def written_and_refused() -> None:
        await write()
        raise problem("parse_exception", "no")

    async def failed() -> None:
        raise RuntimeError

    async def is_taken_again(coming_to: Callable[[], Awaitable[None]]) -> bool:
        """Whether a form whose page comes to this can be sent again at once."""
        form = SentForm.of(
            everybody.environment_id, everybody.worker_id, new_token(), "/somewhere", ()
        )

        async def sent_form() -> SentForm:
            return form

        async def answer(visit: Any) -> Any:
            await coming_to()

        visit: Any = SimpleNamespace(
            request=SimpleNamespace(method="POST"), sent_form=sent_form, parts=parts
        )
        page: Any = SimpleNamespace(repeatable=False, answer=answer)
        with pytest.raises(Exception):  # noqa: B017, PT011  # whatever the page comes to
            await serve._answered_once(page, visit)
        try:
            return await parts.sent_forms.claim(form) is None
        except UnavailableError as error:
            return error.problems[0].extra != {"outcome": "unknown"}

    writing = "UPDATE environments SET name = name WHERE id = $1"
    cases = {
        "the session ended after a write": (lambda: broken_off(writing), False),
        "a fault after a write": (written_and_failed, False),
        "the session ended before any": (lambda: broken_off("SELECT $1::bigint"), True),
        "a refusal, which undoes what it refuses": (written_and_refused, True),
        "a fault before any": (failed, True),
    }
    taken_again = {case: await is_taken_again(coming_to) for case, (coming_to, _) in cases.items()}
    assert taken_again == {case: again for case, (_, again) in cases.items()}


async def test_what_was_sent_is_forgotten_after_a_day_and_only_then(
    everybody: Person, database: Database
) -> None:
    forms = SentForms(database)
    old, recent = (
        SentForm.of(everybody.environment_id, everybody.worker_id, new_token(), "/", ())
        for _ in range(2)
    )
    for form in (old, recent):
        await forms.claim(form)
        await forms.settle(form, 204, "")
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE sent_forms SET sent_at = sent_at - interval '25 hours' WHERE digest = $1",
            old.digest,
        )
    await forms.claim(
        SentForm.of(everybody.environment_id, everybody.worker_id, new_token(), "/", ())
    )
    async with database.connection() as connection:
        left = await connection.fetch(
            "SELECT digest FROM sent_forms WHERE digest = ANY($1)", [old.digest, recent.digest]
        )
    assert [row["digest"] for row in left] == [recent.digest]


def test_no_two_contents_are_one_form() -> None:
    contents: list[tuple[tuple[str, str], ...]] = [
        (),
        (("a", "bc"),),
        (("ab", "c"),),
        (("a", "b"), ("c", "")),
        (("a", "b"), ("", "c")),
    ]
    assert len({SentForm.of(1, "w", "t", "/", content).digest for content in contents}) == len(
        contents
    )


# Presses the n-th form of the page twice: the button that it is sent by, and what is asked before
# it goes.
_PRESS_TWICE = """(n) => {
  const form = document.querySelectorAll('form[method=post]')[n];
  form.noValidate = true;
  for (const fold of document.querySelectorAll("details")) if (fold.contains(form)) fold.open = true;
  const buttons = [...form.elements].filter((one) => one.matches("button:not([type=button], [data-redraw], [disabled])"));
  // A button with an address of its own asks something else first.
  const own = (one) => one.formNoValidate || one.hasAttribute("formaction");
  const button = buttons.find((one) => !own(one)) ?? buttons[0];
  if (!button) return false;
  for (let press = 0; press < 2; press++) button.click();
  const confirm = document.getElementById("confirm");
  if (confirm?.open) for (let press = 0; press < 2; press++) document.getElementById("confirm-yes").click();
  return true;
}"""
# What changes nothing may be asked as often as anybody likes.
_REPEATABLE = re.compile(
    "|".join(re.sub(r"{[^}]+}", "[^/]+", page.path) for page in PAGES if page.repeatable)
)
_FORMS = """() => [...document.querySelectorAll('form[method=post]')].map((form) => [
  (form.getAttribute("hx-post") ?? form.action).replace(location.origin, "").replace(/[0-9a-f-]{36}/g, "id").replace(/[?].*/, ""),
  [...form.elements].filter((one) => one.matches("button")).map((one) => `${one.name}=${one.value}`).join(" "),
].join(" "))"""


async def pressed_twice(page: Page, n: int) -> list[str] | None:
    """What the browser sends that changes something, each by its address, where the n-th form is
    pressed twice.

    None where the form has no button.
    """
    sent: list[str] = []
    first = asyncio.Event()

    async def taken(route: Route) -> None:
        if route.request.method != "POST":
            await route.continue_()
            return
        # An answer that leaves the page as it is. What waited for it would go out now, and is
        # through before the question below.
        await route.fulfill(status=204)
        if not _REPEATABLE.fullmatch(httpx.URL(route.request.url).path):
            sent.append(route.request.url)
            first.set()

    await page.route("**/*", taken)
    try:
        if not await page.evaluate(_PRESS_TWICE, n):
            return None
        with suppress(TimeoutError):
            await asyncio.wait_for(first.wait(), 60)
        await page.evaluate(
            "fetch('/session?worker=', { headers: { 'HX-Request': 'true' } }).then((answer) =>"
            " answer.text())"
        )
        return sent
    finally:
        await page.unroute("**/*", taken)


async def settled(page: Page, address: str) -> None:
    """Opens a page, and waits for what it asks for by itself: that may draw a form anew, and its
    button with it.
    """
    await page.goto(address)
    await page.wait_for_function("() => !document.querySelector('.htmx-request')")


# Forms of every sort: of a page and of a part of one, with a question before they go, of several
# buttons, of long lists.
OF_EVERY_SORT = (
    "/patients/{id}",
    "/calendar/new",
    "/workshop/phases",
    "/admin/workers/{id}",
)


@pytest.mark.slow
async def test_forms_of_every_sort_are_sent_once_however_fast_they_are_pressed_twice(
    everybody: Person, visited: Visited, screens: Screens
) -> None:
    assert (
        await pressed_on(await screens(everybody), visited, [(path, "") for path in OF_EVERY_SORT])
        > 8
    )


@pytest.mark.slow
async def test_every_form_is_sent_once_however_fast_it_is_pressed_twice(
    everybody: Person, visited: Visited, screens: Screens
) -> None:
    assert await pressed_on(await screens(everybody), visited, VISITED) > 40


async def pressed_on(page: Page, visited: Visited, pages: Sequence[tuple[str, str]]) -> int:
    """Presses each form of these pages twice, of those that are alike one. Fails for each not sent
    once; returns how many.
    """
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    forms: set[str] = set()
    wrong: list[str] = []
    for path, query in pages:
        address = await visited.address(path, query)
        await settled(page, address)
        for n, form in enumerate(await page.evaluate(_FORMS)):
            if (
                form in forms
                or form.startswith("/sign-out")
                or _REPEATABLE.fullmatch(form.partition(" ")[0])
            ):
                continue
            forms.add(form)
            sent = await pressed_twice(page, n)
            if sent is not None and len(sent) != 1:
                wrong.append(f"{path}: {form}: {sent}")
            await settled(page, address)
    assert not wrong
    return len(forms)
