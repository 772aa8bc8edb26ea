"""Environments in the Workshop: this one and those that its programs are tested in, and of no other
anything.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from almoner.access import clients, environments
from almoner.access.secrets import SecretBox
from almoner.database import Database
from almoner.workshop import environment_facts, kiwi_health
from almoner.workshop.publish import publish
from tests.conftest import Server, new_environment
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.programs import published
from tests.web.document import Document

PATH = "/workshop/environments"
BOX = SecretBox(bytes(32))


@pytest.fixture
async def integrator(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "admin") as person:
        yield person


async def name_of(database: Database, environment_id: int) -> str:
    async with database.connection() as connection:
        name: str = await connection.fetchval(
            "SELECT name FROM environments WHERE id = $1", environment_id
        )
        return name


async def new_trial(person: Person, database: Database) -> str:
    """The whole name of a new test environment: it begins with that of the environment that it is
    made in.
    """
    trial = f"trial-{uuid.uuid4().hex}"
    name = f"{await name_of(database, person.environment_id)}.{trial}"
    answer = await person.send_form(PATH, name=trial)
    assert answer.headers["location"] == f"{PATH}/{name}?done=made", answer.text
    return name


async def test_the_list_shows_this_environment_and_says_what_a_test_environment_is_for(
    integrator: Person, database: Database
) -> None:
    page = await integrator.get(PATH)
    own = await name_of(database, integrator.environment_id)
    assert page.text.count("<h1") == 1
    assert Document(page).link(to=f"{PATH}/{own}")
    assert Document(page).row("Version 1, published")
    assert Document(page).row("0 patients · 1 worker · 0 clients · 0 webhooks")
    assert "No test environment yet" in Document(page).region("For testing")


async def test_a_test_environment_is_made_and_leads_to_its_sign_in(
    integrator: Person, database: Database
) -> None:
    assert Document(await integrator.get(PATH)).field("Name of a new test environment")
    name = await new_trial(integrator, database)
    page = await integrator.get(f"{PATH}/{name}?done=made")
    assert Document(page).status("The test environment is made")
    assert Document(page).link(to=f"/sign-in?environment={name}")
    assert f"almoner worker create --environment {name}" in Document(page).region("How to reach it")
    assert "No program is published here yet" in Document(page).region("Program")
    assert name in (await integrator.get(PATH)).text
    async with database.connection() as connection:
        trial_id = await environments.find(connection, name)
        test_of = await connection.fetchval(
            "SELECT test_of FROM environments WHERE id = $1", trial_id
        )
    assert test_of == integrator.environment_id


@pytest.mark.parametrize("name", ["", "Upper", "a b", "-dash", "<b>", "../x", "a" * 64])
async def test_a_name_that_does_not_fit_is_told_at_its_field(integrator: Person, name: str) -> None:
    page = await integrator.send_form(PATH, name=name)
    assert page.status_code == 400
    words = "The name of an environment is made of small letters" if name else "Fill this in."
    assert words in Document(page).field("name").error
    assert "No test environment yet" in Document(page).region("For testing")
    assert not Document(page).main().node.css("b")


async def test_a_name_that_is_taken_is_told_and_stays(
    integrator: Person, database: Database
) -> None:
    name = (await new_trial(integrator, database)).partition(".")[2]
    page = await integrator.send_form(PATH, name=name)
    assert page.status_code == 400
    assert "There is an environment of this name already." in Document(page).field("name").error
    assert Document(page).field("name").value == name


async def test_the_page_tells_what_is_in_force_and_what_is_under_test(
    integrator: Person, people: People, database: Database
) -> None:
    name = await new_trial(integrator, database)
    async with database.connection() as connection:
        test = await environments.find(connection, name)
        assert test is not None
        await publish(connection, test, kiwi_health.source(), f"worker:{integrator.worker_id}")
        await connection.execute(
            "INSERT INTO program_locks (environment_id, number, revision, test_environment_id,"
            " test_version, message, locked_by) VALUES ($1, 3, 7, $2, 1, 'for the <nurses>', $3)",
            *(integrator.environment_id, test, f"worker:{integrator.worker_id}"),
        )
        issued = await clients.create(
            connection, BOX, environment_id=test, name="kept", scope="all", shape="documented"
        )
        ended = await clients.create(
            connection, BOX, environment_id=test, name="ended", scope="all", shape="documented"
        )
        await clients.disable(connection, test, ended.client_id)
    async with await people(test, "coach"):
        page = await integrator.get(f"{PATH}/{name}")
    text = " ".join(page.text.split())
    assert "by Emily Smith" in Document(text).definition("Published")
    assert "Lock 3: revision 7 of the draft, version 1 here" in Document(text).definition(
        "Under test"
    )
    assert "for the <nurses>" in Document(text).definition("Under test")
    assert "1 that may be used" in Document(text).definition("Clients")
    assert "<dt>Workers</dt><dd>1</dd>" in text
    assert issued.client_id not in text
    assert "Nobody can sign in there yet" not in text
    assert f'value="{str(integrator.base_url).rstrip("/")}/v1/token"' in text
    assert Document(await integrator.get(PATH)).row("lock 3 is under test")


async def test_a_test_environment_has_none_of_its_own(
    integrator: Person, people: People, database: Database
) -> None:
    name = await new_trial(integrator, database)
    async with database.connection() as connection:
        test = await environments.find(connection, name)
        assert test is not None
        await published(connection, test, kiwi_health.source())
    live = await name_of(database, integrator.environment_id)
    async with await people(test, "admin") as tester:
        page = await tester.get(PATH)
        refused = await tester.send_form(PATH, name=f"trial-{uuid.uuid4().hex}")
        above = await tester.get(f"{PATH}/{live}")
    assert Document(page).lacks("field", "Name of a new test environment")
    assert not Document(page).mentions(f'href="{PATH}/{live}"')
    assert refused.status_code == 400
    assert Document(refused).alert("Nothing was saved")
    assert above.status_code == 404


async def test_of_other_environments_nothing_is_told(
    integrator: Person, people: People, database: Database
) -> None:
    others = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, others, kiwi_health.source())
    async with await people(others, "admin") as other:
        theirs = [await new_trial(other, database), await name_of(database, others)]
    listed = await integrator.get(PATH)
    for name in theirs:
        assert name not in listed.text
        assert (await integrator.get(f"{PATH}/{name}")).status_code == 404


async def test_the_names_of_others_are_not_found_out_by_making_one(
    integrator: Person, people: People, database: Database
) -> None:
    others = await new_environment(database)
    async with await people(others, "admin") as other:
        whole = await new_trial(other, database)
    names = [
        await name_of(database, others),
        whole.partition(".")[2],
        f"nobodys-{uuid.uuid4().hex}",
    ]
    answers = [await integrator.send_form(PATH, name=name) for name in names]
    assert [answer.status_code for answer in answers] == [303, 303, 303]
    by_others = await integrator.send_form(PATH, name=whole)
    assert "is made of small letters" in Document(by_others).field("name").error


async def test_only_who_may_integrate_comes_in(
    people: People, program: int, server: Server
) -> None:
    async with await people(program, "coach") as coach:
        assert (await coach.get(PATH)).status_code == 403
        assert (await coach.send_form(PATH, name="coachs-own")).status_code == 403
    async with PlainHttp(base_url=server.url) as nobody:
        assert (await nobody.get(PATH)).headers["location"].startswith("/sign-in?next=")


async def test_a_form_without_its_proof_makes_no_environment(integrator: Person) -> None:
    assert (await integrator.post(PATH, data={"name": "x"})).status_code == 403
    assert "No test environment yet" in Document(await integrator.get(PATH)).region("For testing")


async def test_who_published_is_told_as_it_was_kept_where_it_is_no_worker(
    integrator: Person, database: Database
) -> None:
    async with database.connection() as connection:
        [facts] = await environment_facts.facts(connection, integrator.environment_id)
    assert (facts.patients, facts.workers, facts.lock) == (0, 1, None)
    assert facts.version is not None
    assert (facts.version.number, facts.version.published_by) == (1, "test")
