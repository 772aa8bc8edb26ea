"""What stands before every page: sessions, cookies, static files, addresses that lead nowhere."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from starlette.responses import Response

from almoner.app import PAGES
from almoner.database import Database
from almoner.pages import filters
from almoner.pages.security import Cookies, is_from_elsewhere, local_path, masked, unmasked
from tests.conftest import Server
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.web.document import Document

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)


async def test_an_address_without_a_page_says_so_in_words(server: Server) -> None:
    async with PlainHttp(base_url=server.url) as nobody:
        answer = await nobody.get("/nothing/here", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "There is nothing here" in Document(answer).testid("problem")


async def test_static_files_are_kept_for_good_and_packed(server: Server) -> None:
    async with PlainHttp(base_url=server.url) as nobody:
        page = await nobody.get("/nothing", headers={"Accept": "text/html"})
        [css] = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
        scripts = re.findall(r'src="(/static/[^"]+\.js)"', page.text)
        files = [await nobody.get(path) for path in [css, *scripts]]
        gone = await nobody.get("/static/000000000000/almoner.css")
    assert len(scripts) == 2
    for file in files:
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["content-encoding"] == "gzip"
    assert gone.status_code == 404
    # Together with the page itself well below what a first load may weigh.
    assert sum(int(file.headers["content-length"]) for file in files) + len(page.content) < 60_000


async def test_pages_are_kept_by_nobody_and_give_no_window_or_device_away(designer: Person) -> None:
    page = await designer.get("/account")
    [file] = re.findall(r'href="(/static/[^"]+/almoner.css)"', page.text)
    for answer in (
        page,
        await designer.get("/account", headers={"HX-Request": "true"}),
        await designer.get("/session"),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        for part in (
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ):
            assert part in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
    for answer in (page, await designer.get(file)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "strict-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_an_idle_session_has_ended(
    people: People, environment: int, database: Database
) -> None:
    async with (
        await people(environment, "designer") as idle,
        await people(environment, "designer") as busy,
    ):
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE worker_sessions SET seen_at = clock_timestamp() - interval '16 minutes' "
                "WHERE environment_id = $1 AND worker_id = $2",
                *(environment, idle.worker_id),
            )
        assert (await idle.get("/account")).status_code == 303
        assert (await busy.get("/account")).status_code == 200


async def test_signing_in_leads_back_to_the_page_that_was_asked_for(server: Server) -> None:
    async with PlainHttp(base_url=server.url) as nobody:
        answer = await nobody.get("/account?tab=sessions")
    assert answer.headers["location"] == "/sign-in?next=%2Faccount%3Ftab%3Dsessions"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/workshop?x=1", "/workshop?x=1"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("/a\nb", "/"),
    ],
)
def test_no_link_leads_to_another_site(target: str, path: str) -> None:
    assert local_path(target) == path


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"origin": "https://care.example.org"}, False),
        ({"origin": "http://care.example.org"}, True),
        ({"origin": "null"}, True),
    ],
)
def test_the_browser_tells_where_a_form_comes_from(
    headers: dict[str, str], elsewhere: bool
) -> None:
    assert is_from_elsewhere(headers, "https://care.example.org") is elsewhere


def test_cookies_are_bound_to_the_host_where_there_is_tls() -> None:
    response = Response()
    Cookies("https://care.example.org").put(response, "session", "abc")
    [value] = [v.decode() for k, v in response.raw_headers if k == b"set-cookie"]
    assert value.startswith("__Host-almoner_session=abc;")
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert part in value


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 3, 10, 14, 30, tzinfo=UTC), "today 10:30"),
        (datetime(2026, 3, 9, 14, 30, tzinfo=UTC), "yesterday 10:30"),
        # Before the clocks went forward on 8 March.
        (datetime(2026, 3, 7, 14, 30, tzinfo=UTC), "7 Mar 2026 09:30"),
    ],
)
def test_times_are_told_in_the_zone_of_the_reader(moment: datetime, expected: str) -> None:
    assert f">{expected}</time>" in filters.moment(moment, "America/New_York", NOW)


def test_initials_are_of_any_script() -> None:
    assert filters.initials("Märta", "Åkesson-Nilsdotter") == "MÅ"
    assert filters.initials("花", "山田") == "花山"


async def test_a_page_is_packed_and_its_token_looks_different_each_time(designer: Person) -> None:
    first, second = [await designer.get("/workshop") for _ in range(2)]
    assert first.headers["content-encoding"] == "gzip"
    assert int(first.headers["content-length"]) < len(first.content) / 2
    tokens = [
        re.findall(r'name="csrf-token" content="([^"]+)"', page.text)[0] for page in (first, second)
    ]
    assert tokens[0] != tokens[1]
    for token in tokens:
        answer = await designer.post("/workshop/name", headers={"X-CSRF-Token": token})
        assert answer.status_code != 403
    assert (
        await designer.post("/workshop/name", headers={"X-CSRF-Token": tokens[0][:-1] + "g"})
    ).status_code == 403
    assert (
        await designer.post("/workshop/name", headers=[(b"X-CSRF-Token", b"\xe9")])
    ).status_code == 403


@pytest.mark.parametrize("value", ["", "00", "ab" * 32])
def test_a_masked_value_comes_back(value: str) -> None:
    assert unmasked(masked(value)) == value


@pytest.mark.parametrize("other", ["x", "0", "abc", "zz" * 64, "é"])
def test_what_was_never_masked_comes_back_as_it_is(other: str) -> None:
    assert unmasked(other) == other


async def test_a_form_of_too_many_fields_is_refused_in_words(designer: Person) -> None:
    answer = await designer.send_form("/account/password", *[("one", "")] * 20_001)
    assert (answer.status_code, "too much at once" in Document(answer).testid("problem")) == (
        413,
        True,
    )


def test_no_page_has_the_address_of_another() -> None:
    """A page that is made of a collection's declaration is named after it, as one that is written
    by hand may be.
    """
    counted = Counter((route.path, method) for route in PAGES for method in route.methods)
    assert [address for address, number in counted.items() if number > 1] == []
