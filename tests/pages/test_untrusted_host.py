"""Over http, under a name that a browser does not trust: whoever is at home signs in, and a hostile
page gets nothing done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Response, async_playwright, expect

from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.settings import Settings
from tests.access.door import PASSWORD, Door, Worker
from tests.browsers import options
from tests.conftest import Server, new_environment

NAMES = "MAP almoner.test 127.0.0.1, MAP hostile.test 127.0.0.1"


@pytest.fixture
async def lan_browser() -> AsyncIterator[Browser]:
    """A Chromium for which names other than localhost lead here; it sends no Fetch Metadata to such
    a name over http.
    """
    known = options()
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            **known | {"args": [*known["args"], f"--host-resolver-rules={NAMES}"]}
        )
        yield launched
        await launched.close()


@pytest.fixture
async def worker(database: Database, store: Store, settings: Settings, program: int) -> Worker:
    await new_environment(database)  # somebody else's
    return await Door(database, store, SecretBox(*KeySource("", settings.home).first())).worker(
        program
    )


async def serve_page(html: str) -> asyncio.Server:
    """A site of somebody else's that answers everything with this page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = html.encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length:"
            b" %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def test_a_worker_signs_in_and_sends_a_form_under_a_name_of_the_lan(
    lan_browser: Browser, server: Server, worker: Worker
) -> None:
    page = await lan_browser.new_page(base_url=f"http://almoner.test:{urlsplit(server.url).port}")
    sent: list[dict[str, str]] = []
    page.on(
        "request",
        lambda request: sent.append(request.headers) if request.method == "POST" else None,
    )
    await page.goto("/sign-in")
    await page.get_by_label("Environment").fill(worker.environment)
    await page.get_by_label("E-mail").fill(worker.email)
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/inbox")
    await page.goto("/account")
    await page.get_by_role("button", name="Sign out everywhere").click()
    await expect(page).to_have_url(
        f"http://almoner.test:{urlsplit(server.url).port}/signed-out?everywhere=yes"
    )
    assert sent
    # What the browser's own judgement of the connection leaves us to judge by.
    assert not any("sec-fetch-site" in headers for headers in sent)


HOSTILE_FORM = """<form action="{target}" method="post">
<input name="email" value="{email}"><input name="password" value="{password}">
<input name="environment" value="{environment}"></form>
<script>addEventListener("message", () => document.forms[0].submit())</script>"""


@pytest.mark.parametrize("sandboxed", [False, True], ids=["a page", "a sandboxed frame"])
async def test_a_form_of_another_site_is_refused(
    lan_browser: Browser, server: Server, worker: Worker, sandboxed: bool
) -> None:
    """Even one that knows the password: nobody is signed in as somebody else's choice (login
    CSRF).
    """
    target = f"http://almoner.test:{urlsplit(server.url).port}/sign-in"
    form = HOSTILE_FORM.format(
        target=target, email=worker.email, password=PASSWORD, environment=worker.environment
    )
    escaped = form.replace("&", "&amp;").replace('"', "&quot;")
    html = (
        f'<iframe sandbox="allow-scripts allow-forms" srcdoc="{escaped}"></iframe>'
        if sandboxed
        else form
    )
    hostile = await serve_page(html)
    context = await lan_browser.new_context()
    page = await context.new_page()
    answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def noted(response: Response) -> None:
        if response.url == target and not answered.done():
            answered.set_result(response)

    context.on("response", noted)
    elsewhere = f"http://hostile.test:{hostile.sockets[0].getsockname()[1]}"
    async with hostile:
        await page.goto(elsewhere)
        # By a word, once the browser tells of what this frame does: a frame in a sandbox has a
        # process of its own.
        frame = page.frames[-1]
        await frame.wait_for_selector("form", state="attached")
        await page.evaluate("(frames[0] ?? window).postMessage('send', '*')")
        response = await asyncio.wait_for(answered, 30)
    sent = await response.request.all_headers()
    assert response.request.method == "POST"
    assert sent["origin"] == ("null" if sandboxed else elsewhere)
    assert response.status == 403
    assert [
        cookie["name"] for cookie in await context.cookies() if "session" in cookie["name"]
    ] == []
