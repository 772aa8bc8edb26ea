"""Each page has a door, and nobody comes through who may not: over the whole route table, so that no page is forgotten."""

from __future__ import annotations

import re

import httpx
import pytest

from almoner.access.sessions import csrf
from almoner.app import PAGES
from almoner.pages.route import ANYONE, SIGNED_IN, PageRoute
from tests.conftest import Server
from tests.people import People

PERMISSIONS = {"give_care", "design", "integrate", "administer"}
GUARDED = [page for page in PAGES if ANYONE not in page.permissions]
NEED_PERMISSION = [page for page in GUARDED if SIGNED_IN not in page.permissions]
UNSAFE = [page for page in GUARDED if "POST" in page.methods]


def name_of(page: PageRoute) -> str:
    return f"{page.methods[0]} {page.path}"


def address(page: PageRoute) -> str:
    """The page's address with something in each open part."""
    return re.sub(r"\{[^}]*\}", "1", page.path)


def test_there_are_pages_of_every_sort() -> None:
    assert len(NEED_PERMISSION) > 20
    assert len(UNSAFE) > 10


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_names_permissions_that_exist(page: PageRoute) -> None:
    assert page.permissions
    assert page.permissions <= PERMISSIONS or (len(page.permissions) == 1 and page.permissions <= {ANYONE, SIGNED_IN})


@pytest.mark.parametrize("page", GUARDED, ids=name_of)
async def test_nobody_is_shown_the_way_to_sign_in(page: PageRoute, server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as nobody:
        answer = await nobody.request(page.methods[0], address(page))
        part = await nobody.request(page.methods[0], address(page), headers={"HX-Request": "true"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")
    assert part.status_code == 401
    assert "Your session has ended" in part.text


@pytest.mark.parametrize("page", NEED_PERMISSION, ids=name_of)
async def test_a_worker_without_the_role_sees_nothing(page: PageRoute, people: People, environment: int) -> None:
    async with await people(environment, "nobody in particular") as person:
        headers = {"X-CSRF-Token": csrf(person.token)}
        answer = await person.request(page.methods[0], address(page), headers=headers)
    assert answer.status_code == 403
    assert "Your role does not open this page" in answer.text


@pytest.mark.parametrize("page", UNSAFE, ids=name_of)
async def test_a_form_from_elsewhere_is_refused(page: PageRoute, people: People, environment: int) -> None:
    async with await people(environment, "designer", "admin", "coach") as person:
        without_token = await person.post(address(page))
        other_site = await person.post(address(page), headers={"X-CSRF-Token": csrf(person.token), "Sec-Fetch-Site": "cross-site"})
        other_origin = await person.post(
            address(page), headers={"X-CSRF-Token": csrf(person.token), "Origin": "https://elsewhere.example"}
        )
    assert [a.status_code for a in (without_token, other_site, other_origin)] == [403, 403, 403]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
async def test_every_answer_carries_the_strict_policy(page: PageRoute, server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as nobody:
        answer = await nobody.request(page.methods[0], address(page))
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
