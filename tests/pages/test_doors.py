"""Each page has a door, and nobody comes through who may not: over the whole route table, so that
no page is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from itertools import product
from typing import get_args

import httpx
import pytest
from msgspec.structs import replace

from almoner.access import sessions
from almoner.access.sessions import csrf
from almoner.app import PAGES
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.pages.route import ANYONE, SIGNED_IN, PageRoute
from almoner.resources import BY_NAME
from almoner.vocabulary.definitions import Permission
from almoner.workshop import kiwi_health
from almoner.workshop.design import Role
from almoner.workshop.program_file import parse
from almoner.workshop.publish import publish
from tests.cases import every_case
from tests.conftest import Server, new_environment
from tests.pages.inhabited import inhabited
from tests.pages.walking import addresses
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.programs import published
from tests.web.document import Document

PERMISSIONS = set(get_args(Permission))
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


def test_a_page_names_permissions_that_exist() -> None:
    either = [{ANYONE}, {SIGNED_IN}]
    wrong = [
        f"{name_of(page)} is open to {set(page.permissions)}"
        for page in PAGES
        if page.permissions not in either
        and not (page.permissions and page.permissions <= PERMISSIONS)
    ]
    assert not wrong


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
    async with await people(
        await new_environment(database), "designer", "admin", "coach"
    ) as person:
        yield person


async def test_nobody_is_shown_the_way_to_sign_in(nobody: PlainHttp) -> None:
    with every_case() as cases:
        for page in GUARDED:
            with cases.case(name_of(page)):
                answer = await nobody.request(page.methods[0], address(page))
                part = await nobody.request(
                    page.methods[0], address(page), headers={"HX-Request": "true"}
                )
                assert answer.status_code == 303
                assert answer.headers["location"].startswith("/sign-in")
                assert part.status_code == 401
                assert "Your session has ended" in Document(part).testid("problem")


async def test_a_worker_without_the_role_sees_nothing(without_a_role: Person) -> None:
    headers = {"X-CSRF-Token": csrf(without_a_role.token)}
    with every_case() as cases:
        for page in NEED_PERMISSION:
            with cases.case(name_of(page)):
                answer = await without_a_role.request(
                    page.methods[0], address(page), headers=headers
                )
                assert answer.status_code == 403
                assert "Your role does not open this page" in Document(answer).testid("problem")


async def test_a_form_from_elsewhere_is_refused(with_every_role: Person) -> None:
    ours = {"X-CSRF-Token": csrf(with_every_role.token)}
    foreign: tuple[dict[str, str], ...] = (
        {},
        ours | {"Sec-Fetch-Site": "cross-site"},
        ours | {"Origin": "https://elsewhere.example"},
        ours | {"Origin": "null"},
    )
    with every_case() as cases:
        for page in UNSAFE:
            with cases.case(name_of(page)):
                statuses = [
                    (await with_every_role.post(address(page), headers=headers)).status_code
                    for headers in foreign
                ]
                assert statuses == [403] * len(foreign)


# What the answers of all pages are between them: whole pages, and everything that some page makes
# by itself.
KINDS_OF_ANSWERS = {
    "text/html",
    "text/event-stream",
    "text/calendar",
    "application/yaml",
    "application/x-ndjson",
}


@pytest.mark.slow
async def test_every_answer_carries_the_strict_policy(
    people: People, database: Database, store: Store
) -> None:
    kinds = set()
    async with await inhabited(people, database, store, "kiwi-doors", 20) as person:
        answer = await person.send_form("/calendar/feed", whole_names="on")
        feed = re.findall(r"/calendar/feed/[\w-]{43}\.ics", answer.text)[0]
        with every_case() as cases:
            # What is looked at comes first, since forms change it.
            for page in sorted(PAGES, key=lambda page: "POST" in page.methods):
                for place in (await addresses(database, person, page, [person.patient_id], feed))[
                    :1
                ]:
                    with cases.case(name_of(page), place):
                        kinds.add(await _strict(database, person, page.methods[0], place))
    assert kinds >= KINDS_OF_ANSWERS


async def _strict(database: Database, person: Person, method: str, place: str) -> str:
    """Asks, and looks at the head of the answer alone, since some go on for long. Returns the type
    of the answer.
    """
    # A session of its own, since some pages end it.
    async with database.connection() as connection:
        token = await sessions.begin(connection, person.environment_id, person.worker_id)
    headers = {"X-CSRF-Token": csrf(token), "Cookie": f"almoner_session={token}"}
    form = {"collections": "patients", "format": "ndjson"} if method == "POST" else None
    async with person.stream(method, place, headers=headers, data=form) as answer:
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.status_code != 401
        assert not answer.headers.get("location", "").startswith("/sign-in?")
        return str(answer.headers.get("content-type", "")).partition(";")[0]


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
        await published(connection, environment, kiwi_health.source())
    body = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": "Grace",
        "last_name": "Hopper",
        "birthday": "1906-12-09",
    }
    written = await store.create(
        Actor(environment, "test", "cli", "test", whole=True), BY_NAME["patients"], body
    )
    return environment, written.id


@pytest.fixture(scope="module")
async def of_another_environment(people: People, database: Database) -> AsyncIterator[Person]:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, environment, kiwi_health.source())
    async with await people(environment, "coach", "admin", "designer") as person:
        yield person


@pytest.fixture(scope="module")
async def with_own_patients_only(
    people: People, a_patient: tuple[int, str], database: Database
) -> AsyncIterator[Person]:
    """A coach in the patient's environment whose role shows only the coach's own patients."""
    environment, _ = a_patient
    async with database.connection() as connection:
        design = parse(kiwi_health.source())
        own = replace(
            design, roles=(*design.roles, Role(name="narrow", may=("give_care",), patients="own"))
        )
        await publish(connection, environment, own, "test")
    async with await people(environment, "narrow") as person:
        yield person


async def test_a_patient_of_somebody_else_is_nobody(
    a_patient: tuple[int, str],
    of_another_environment: Person,
    with_own_patients_only: Person,
) -> None:
    with every_case() as cases:
        for page, person in product(OF_A_PATIENT, (of_another_environment, with_own_patients_only)):
            ours = {"X-CSRF-Token": csrf(person.token)}
            for headers in (ours, ours | {"HX-Request": "true"}):
                with cases.case(name_of(page), person.email, *headers):
                    # What is a part of a page leads to the page where it is not asked for as a
                    # part.
                    answer = await person.request(
                        page.methods[0],
                        of(page, a_patient[1]),
                        headers=headers,
                        follow_redirects=True,
                    )
                    assert answer.status_code == 404
                    assert not Document(answer).mentions("Hopper")


# Pages that name no patient in their address, for whoever gives care; an open stream has no end.
OF_NOBODY = [
    page
    for page in PAGES
    if "GET" in page.methods
    and "give_care" in page.permissions
    and "{" not in page.path
    and not page.background
]


async def test_a_list_shows_no_patient_of_somebody_else(
    a_patient: tuple[int, str],
    of_another_environment: Person,
    with_own_patients_only: Person,
) -> None:
    with every_case() as cases:
        for page, person in product(OF_NOBODY, (of_another_environment, with_own_patients_only)):
            with cases.case(name_of(page), person.email):
                answer = await person.get(page.path, follow_redirects=True)
                assert answer.status_code < 500
                assert a_patient[1] not in answer.text
                assert not Document(answer).mentions("Hopper")
