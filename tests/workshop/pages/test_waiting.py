"""A publish that opens more to workers waits for a second person; whoever asked cannot be that one,
and neither can who designs.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from html import unescape

import httpx
import pytest
from msgspec.structs import replace

from almoner.access import worker_events
from almoner.database import Database
from almoner.workshop import drafts, kiwi_health
from almoner.workshop.design import ProgramDesign, Role
from almoner.workshop.program_file import parse
from almoner.workshop.publish import publish
from almoner.workshop.published_programs import design_of, newest_version
from tests.conftest import new_environment
from tests.people import People, Person
from tests.web.document import Document

PATH = "/workshop/publish"
WAITING = f"{PATH}/waiting"


@pytest.fixture
async def crew(people: People, program: int) -> AsyncIterator[dict[str, Person]]:
    """A designer, two who administer, one of them a designer as well, and a coach."""
    roles_of = {
        "designer": ("designer",),
        "both": ("designer", "admin"),
        "admin": ("admin",),
        "coach": ("coach",),
    }
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(await people(program, *roles))
            for name, roles in roles_of.items()
        }


def text(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", answer.text)))


async def version(database: Database, person: Person) -> int:
    async with database.connection() as connection:
        return await newest_version(connection, person.environment_id)


async def asks(database: Database, person: Person, change: object) -> httpx.Response:
    """Publishes the live program with other roles, as somebody would from the page."""
    assert callable(change)
    async with database.connection() as connection:
        now = await drafts.current(connection, person.environment_id)
        design: ProgramDesign = replace(now.design, roles=change(now.design.roles))
        saved = await drafts.save(
            connection, person.environment_id, now.revision, design, "Lesley Jones"
        )
        fields = {
            "revision": str(saved.draft.revision),
            "live": str(await newest_version(connection, person.environment_id)),
        }
    answer = await person.send_form(
        PATH, ("accept", "roles"), **fields, lock="0", message="Because of the winter"
    )
    while "/run/" in answer.headers["location"]:
        answer = await person.get(answer.headers["location"])
        if answer.status_code == 200:
            answer.headers["location"] = str(answer.url.path)
    return answer


async def approves(person: Person, number: str) -> None:
    answer = await person.send_form(f"{WAITING}/approve", number=number)
    assert answer.headers["location"] in (WAITING, f"{WAITING}?done=approved"), text(answer)
    while Document(await person.get(WAITING)).testids("publishing"):
        pass


def with_role(role: Role) -> object:
    return lambda roles: (*(other for other in roles if other.name != role.name), role)


def changed(name: str, **members: object) -> object:
    return lambda roles: tuple(
        replace(role, **members) if role.name == name else role for role in roles
    )


TAKES_OVER = with_role(Role(name="designer", may=("administer", "give_care")))
WIDER = (
    TAKES_OVER,
    changed("nurse", second_factor=False),
    changed("community_health_worker", patients="all"),
    changed("community_health_worker", hidden_assessments=()),
    changed("billing", may=("integrate", "administer")),
)


@pytest.mark.parametrize(
    "change", WIDER, ids=("permissions", "second factor", "patients", "hidden", "billing")
)
async def test_what_opens_more_is_not_live_until_a_second_person_says_so(
    change: object, crew: dict[str, Person], database: Database
) -> None:
    answer = await asks(database, crew["designer"], change)
    assert answer.headers["location"] == WAITING
    assert await version(database, crew["designer"]) == 1
    assert "approves of it: 2 workers can" in Document(await crew["designer"].get(WAITING)).region(
        "What it opens"
    )
    for name in ("designer", "coach"):
        refused = await crew[name].send_form(f"{WAITING}/approve", number="1")
        assert refused.status_code == 403, name
    assert await version(database, crew["designer"]) == 1
    assert Document(await crew["admin"].get("/admin")).link("waits for a second person")
    document = Document(await crew["admin"].get(WAITING))
    assert document.heading("What it opens")
    assert "Because of the winter" in document.region("What it opens")
    await approves(crew["admin"], "1")
    assert await version(database, crew["designer"]) == 2
    async with database.connection() as connection:
        live = await design_of(connection, crew["designer"].environment_id, 2)
        newest, asked = (
            await worker_events.list_events(connection, crew["designer"].environment_id)
        )[:2]
    assert live.roles == (await current(database, crew["designer"])).roles
    assert (newest.event, newest.actor) == (
        "program published",
        f"worker:{crew['admin'].worker_id}",
    )
    assert (asked.event, asked.actor) == ("publish asked", f"worker:{crew['designer'].worker_id}")
    assert newest.before is not None
    assert newest.after is not None
    assert any(name.startswith("role ") for name in newest.after)


async def current(database: Database, person: Person) -> ProgramDesign:
    async with database.connection() as connection:
        return (await drafts.current(connection, person.environment_id)).design


async def test_who_asked_is_no_second_person_though_they_administer(
    crew: dict[str, Person], database: Database
) -> None:
    both = crew["both"]
    assert (await asks(database, both, TAKES_OVER)).headers["location"] == WAITING
    refused = await both.send_form(f"{WAITING}/approve", number="1")
    assert refused.status_code == 409
    assert Document(refused).alert("Another administrator decides")
    assert await version(database, both) == 1
    assert (await both.send_form(f"{WAITING}/refuse", number="1")).status_code == 303
    assert Document(await both.get(WAITING)).heading("Nothing waits")


async def test_a_refused_one_is_over_and_a_newer_one_takes_the_place_of_an_older(
    crew: dict[str, Person], database: Database
) -> None:
    await asks(database, crew["designer"], TAKES_OVER)
    assert (await crew["admin"].send_form(f"{WAITING}/refuse", number="1")).headers[
        "location"
    ] == f"{WAITING}?done=refused"
    again = await crew["admin"].send_form(f"{WAITING}/approve", number="1")
    assert Document(again).alert("does not wait any more")
    await asks(database, crew["designer"], changed("nurse", second_factor=False))
    await asks(database, crew["designer"], changed("community_health_worker", patients="all"))
    stale = await crew["admin"].send_form(f"{WAITING}/approve", number="2")
    assert Document(stale).alert("does not wait any more")
    assert await version(database, crew["designer"]) == 1
    await approves(crew["admin"], "3")
    assert await version(database, crew["designer"]) == 2


async def test_what_was_asked_for_over_another_version_is_not_published(
    crew: dict[str, Person], database: Database
) -> None:
    await asks(database, crew["designer"], TAKES_OVER)
    async with database.connection() as connection:
        environment = crew["designer"].environment_id
        await publish(
            connection, environment, replace(parse(kiwi_health.source()), name="Meanwhile"), "test"
        )
    refused = await crew["admin"].send_form(f"{WAITING}/approve", number="1")
    assert refused.status_code == 409
    assert Document(refused).alert("Version 2 went live meanwhile")
    assert await version(database, crew["designer"]) == 2


async def test_without_another_administrator_the_page_names_the_command_line(
    people: People, program: int, database: Database
) -> None:
    async with await people(program, "designer", "admin") as alone:
        await asks(database, alone, TAKES_OVER)
        assert "almoner workshop publish" in Document(await alone.get(WAITING)).region(
            "What it opens"
        )


async def test_what_opens_nothing_to_anybody_is_published_at_once(
    crew: dict[str, Person], database: Database
) -> None:
    narrower = changed("supervisor", may=("give_care",))
    assert (await asks(database, crew["designer"], narrower)).headers[
        "location"
    ] == "/workshop?done=published"
    new = with_role(Role(name="dietitian", may=("give_care",), patients="own"))
    assert (await asks(database, crew["designer"], new)).headers[
        "location"
    ] == "/workshop?done=published"


async def test_a_role_that_somebody_still_has_does_not_come_back_wider(
    people: People, program: int, database: Database
) -> None:
    async with await people(program, "designer", "keeper") as designer:
        back = with_role(Role(name="keeper", may=("administer",)))
        assert (await asks(database, designer, back)).headers["location"] == WAITING


async def test_the_first_program_of_an_environment_takes_nobody_over(
    people: People, database: Database
) -> None:
    async with await people(await new_environment(database), "designer") as first:
        async with database.connection() as connection:
            await drafts.save(
                connection, first.environment_id, 0, parse(kiwi_health.source()), "Lesley Jones"
            )
        assert (await asks(database, first, TAKES_OVER)).headers["location"] == WAITING
        plain = await asks(
            database, first, lambda roles: tuple(role for role in roles if role.name != "designer")
        )
        assert plain.headers["location"] == "/workshop?done=published"


async def test_a_lock_opens_nothing_more_where_it_is_tested_either(
    crew: dict[str, Person], people: People, database: Database
) -> None:
    fields = {"environment": "new", "name": "trial", "message": ""}
    for name, status in (("designer", 400), ("both", 303)):
        async with database.connection() as connection:
            now = await drafts.current(connection, crew[name].environment_id)
            wide = replace(
                now.design,
                roles=(*now.design.roles[1:], Role(name="designer", may=("administer",))),
            )
            design = wide if name == "designer" else now.design
            revision = (
                await drafts.save(connection, crew[name].environment_id, now.revision, design, "L")
            ).draft.revision
        answer = await crew[name].send_form(
            "/workshop/lock", revision=str(revision), **fields | {"name": f"trial-{name}"}
        )
        assert answer.status_code == status, text(answer)
    assert (
        "may also administer"
        in Document(
            await crew["designer"].send_form("/workshop/lock", revision=str(revision), **fields)
        )
        .field("environment")
        .error
    )


async def test_a_role_that_comes_back_to_who_has_it_still_opens_no_more_than_the_second_person_may_hand_on(
    crew: dict[str, Person], people: People, program: int, database: Database
) -> None:
    hidden = replace(parse(kiwi_health.source()))
    secret = hidden.assessments[0].id
    roles = (*hidden.roles, Role(name="admin", may=("administer",), hidden_assessments=(secret,)))
    async with database.connection() as connection:
        await publish(
            connection, program, replace(hidden, roles=roles), "test", accepting={"roles"}
        )
    async with await people(program, "visitor"):
        # Nobody has this one, so that it opens nothing to anybody.
        answer = await asks(
            database,
            crew["designer"],
            with_role(Role(name="noise", may=("give_care",), patients="all")),
        )
        assert answer.headers["location"] != WAITING
        here = await version(database, crew["designer"])
        returns = with_role(Role(name="visitor", may=("give_care",), patients="all"))
        assert (await asks(database, crew["designer"], returns)).headers["location"] == WAITING
        refused = await crew["admin"].send_form(f"{WAITING}/approve", number="1")
        assert refused.status_code in (403, 409), refused.headers.get("location")
        assert Document(refused).alert(f"answers to {secret}")
        assert await version(database, crew["designer"]) == here
