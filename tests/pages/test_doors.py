"""Each page has a door, and nobody comes through who may not: over the whole route table, so that no page is forgotten."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from msgspec.structs import replace

from almoner.access.sessions import csrf
from almoner.app import PAGES
from almoner.data_api.store import Actor, Store
from almoner.database import Database
from almoner.pages.route import ANYONE, SIGNED_IN, PageRoute
from almoner.resources import BY_NAME
from almoner.workshop import kiwi_health
from almoner.workshop.design import Role
from almoner.workshop.program_file import parse
from almoner.workshop.publish import publish
from tests.conftest import Server, new_environment
from tests.people import People, Person
from tests.plain_http import PlainHttp

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


@pytest.fixture(scope="module")
async def nobody(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has not signed in."""
    async with PlainHttp(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="module")
async def without_a_role(people: People, database: Database) -> AsyncIterator[Person]:
    """A worker whose role the program does not know."""
    async with await people(await new_environment(database), "nobody in particular") as person:
        yield person


@pytest.fixture(scope="module")
async def with_every_role(people: People, database: Database) -> AsyncIterator[Person]:
    async with await people(await new_environment(database), "designer", "admin", "coach") as person:
        yield person


@pytest.mark.parametrize("page", GUARDED, ids=name_of)
async def test_nobody_is_shown_the_way_to_sign_in(page: PageRoute, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.request(page.methods[0], address(page))
    part = await nobody.request(page.methods[0], address(page), headers={"HX-Request": "true"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")
    assert part.status_code == 401
    assert "Your session has ended" in part.text


@pytest.mark.parametrize("page", NEED_PERMISSION, ids=name_of)
async def test_a_worker_without_the_role_sees_nothing(page: PageRoute, without_a_role: Person) -> None:
    headers = {"X-CSRF-Token": csrf(without_a_role.token)}
    answer = await without_a_role.request(page.methods[0], address(page), headers=headers)
    assert answer.status_code == 403
    assert "Your role does not open this page" in answer.text


@pytest.mark.parametrize("page", UNSAFE, ids=name_of)
async def test_a_form_from_elsewhere_is_refused(page: PageRoute, with_every_role: Person) -> None:
    ours = {"X-CSRF-Token": csrf(with_every_role.token)}
    foreign: tuple[dict[str, str], ...] = (
        {},
        ours | {"Sec-Fetch-Site": "cross-site"},
        ours | {"Origin": "https://elsewhere.example"},
        ours | {"Origin": "null"},
    )
    for headers in foreign:
        answer = await with_every_role.post(address(page), headers=headers)
        assert answer.status_code == 403, headers


@pytest.mark.parametrize("page", PAGES, ids=name_of)
async def test_every_answer_carries_the_strict_policy(page: PageRoute, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.request(page.methods[0], address(page))
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"


OF_A_PATIENT = [page for page in PAGES if page.path.startswith("/patients/{")]
SOMETHING = "45ceeba9-4944-43d1-b34d-0c36846acd4c"


def of(page: PageRoute, patient: str) -> str:
    """The page's address for this patient, with what is nobody's in its other open parts."""
    named = re.sub(r"^/patients/\{[^}]*\}", f"/patients/{patient}", page.path)
    return re.sub(r"\{[^}]*\}", SOMETHING, re.sub(r"\{number[^}]*\}", "0", named))


@pytest.fixture(scope="module")
async def a_patient(database: Database, store: Store) -> tuple[int, str]:
    """A patient whose coach is somebody else, in an environment that has the demo's program."""
    environment = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")
    given = {"phase": "intake", "timezone": "US/Pacific", "first_name": "Grace", "last_name": "Hopper", "birthday": "1906-12-09"}
    written = await store.create(Actor(environment, "test", "cli", "test", whole=True), BY_NAME["patients"], given)
    return environment, written.id


@pytest.fixture(scope="module")
async def of_another_environment(people: People, database: Database) -> AsyncIterator[Person]:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")
    async with await people(environment, "coach", "admin", "designer") as person:
        yield person


@pytest.fixture(scope="module")
async def with_own_patients_only(people: People, a_patient: tuple[int, str], database: Database) -> AsyncIterator[Person]:
    """A coach in the patient's environment whose role shows only the coach's own patients."""
    environment, _ = a_patient
    async with database.connection() as connection:
        design = parse(kiwi_health.source())
        own = replace(design, roles=(*design.roles, Role(name="narrow", may=("give_care",), patients="own")))
        await publish(connection, environment, own, "test")
    async with await people(environment, "narrow") as person:
        yield person


@pytest.mark.parametrize("page", OF_A_PATIENT, ids=name_of)
async def test_a_patient_of_somebody_else_is_nobody(
    page: PageRoute, a_patient: tuple[int, str], of_another_environment: Person, with_own_patients_only: Person
) -> None:
    for person in (of_another_environment, with_own_patients_only):
        for headers in ({"X-CSRF-Token": csrf(person.token)}, {"X-CSRF-Token": csrf(person.token), "HX-Request": "true"}):
            # What is a part of a page leads to the page where it is not asked for as a part.
            answer = await person.request(page.methods[0], of(page, a_patient[1]), headers=headers, follow_redirects=True)
            assert answer.status_code == 404, headers
            assert "Hopper" not in answer.text
