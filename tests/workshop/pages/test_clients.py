"""Clients in the Workshop: a secret is shown once, and nobody reaches another environment's."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from html import unescape
from uuid import uuid4

import httpx
import jwt
import pytest

from almoner.access import client_secrets, clients, environments
from almoner.access.secrets import SecretBox
from almoner.access.token_endpoint import GRANT_TYPE
from almoner.database import Database
from tests.conftest import Callers, Server, new_environment
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.web.document import Document

PATH = "/workshop/clients"


@pytest.fixture
def box(callers: Callers) -> SecretBox:
    return callers.box


@pytest.fixture
async def integrator(people: People, program: int) -> AsyncIterator[Person]:
    """Somebody who may integrate, in an environment with another client in it."""
    async with await people(program, "admin") as person:
        yield person


def value_of(page: httpx.Response, id_: str) -> str:
    [value] = re.findall(rf'id="{id_}" value="([^"]*)"', page.text)
    return unescape(value)


async def new_client(person: Person, name: str = "Data warehouse", *scopes: str) -> tuple[str, str]:
    """The id and the secret of a new client."""
    ticked = [("scopes", scope) for scope in scopes or ("patients.read",)]
    page = await person.send_form(PATH, *ticked, name=name, grant="some", shape="documented")
    assert page.status_code == 200, page.text
    return value_of(page, "issued-id"), value_of(page, "issued-value")


async def token_of(server: Server, client_id: str, secret: str) -> httpx.Response:
    async with PlainHttp(base_url=server.url) as program:
        claims = {
            "iss": client_id,
            "aud": server.settings.token_url,
            "exp": int(time.time()) + 3600,
        }
        form = {
            "grant_type": GRANT_TYPE,
            "assertion": jwt.encode(claims, secret, algorithm="HS256"),
        }
        return await program.post("/v1/token", data=form)


async def test_without_clients_the_page_says_what_one_is(integrator: Person) -> None:
    page = await integrator.get(PATH)
    assert "No program may use the API yet" in Document(page).region(
        "Programs that may use the API"
    )
    assert page.text.count("<h1") == 1


async def test_a_new_client_is_shown_with_its_secret_once(
    integrator: Person, server: Server
) -> None:
    page = await integrator.send_form(
        PATH,
        ("scopes", "patients.read"),
        ("scopes", "changes.read"),
        name="Data <b>warehouse</b>",
        grant="some",
        shape="enveloped",
    )
    client_id, secret = value_of(page, "issued-id"), value_of(page, "issued-value")
    assert page.headers["cache-control"] == "no-store"
    assert page.text.count(secret) == 1
    assert Document(page).heading("Data <b>warehouse")
    assert Document(page).field("Client secret").value == secret
    assert (await token_of(server, client_id, secret)).status_code == 200
    for path in (PATH, f"{PATH}/{client_id}", f"{PATH}/{client_id}/edit"):
        later = await integrator.get(path)
        assert later.status_code == 200
        assert secret not in later.text
    listed = await integrator.get(PATH)
    assert "changes.read, patients.read · enveloped answers" in " ".join(listed.text.split())


async def test_everything_is_granted_only_where_it_is_chosen(
    integrator: Person, database: Database
) -> None:
    page = await integrator.send_form(
        PATH, ("scopes", "patients.read"), name="Mirror", grant="all", shape="documented"
    )
    async with database.connection() as connection:
        client = await clients.find(
            connection, integrator.environment_id, value_of(page, "issued-id")
        )
    assert (client.name, client.scope, client.shape) == ("Mirror", "all", "documented")


async def test_a_sandbox_client_is_made_in_a_test_environment_and_nowhere_else(
    people: People, integrator: Person, database: Database
) -> None:
    new = {"name": "Rehearsal", "grant": "all", "shape": "documented", "sandbox": "yes"}
    assert Document(await integrator.get(f"{PATH}/new")).lacks("field", "sandbox")
    refused = await integrator.send_form(PATH, **new)
    assert refused.status_code == 400
    assert Document(refused).field("sandbox").error
    async with database.connection() as connection:
        tests = await environments.create(
            connection, f"tests-{uuid4().hex}", integrator.environment_id
        )
    async with await people(tests, "admin") as tester:
        form = Document(await tester.get(f"{PATH}/new"))
        assert not form.field("sandbox").value
        answer = await tester.send_form(PATH, **new)
        assert answer.status_code == 200, answer.text
        async with database.connection() as connection:
            (client,) = await clients.list_clients(connection, tests)
        assert client.sandbox
        page = Document(await tester.get(f"{PATH}/{client.id}"))
        assert "Almoner-Sandbox" in page.definition("Sandbox").words
        assert "sandbox" in Document(await tester.get(PATH)).row("Rehearsal")
        plain = await tester.send_form(PATH, **{**new, "name": "Plain", "sandbox": ""})
        assert plain.status_code == 200
        async with database.connection() as connection:
            listed = await clients.list_clients(connection, tests)
        assert [each.sandbox for each in listed] == [True, False]


async def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
    integrator: Person,
) -> None:
    page = await integrator.send_form(PATH, name="Reader", grant="some", shape="documented")
    assert page.status_code == 400
    assert "Tick at least one" in Document(page).field("grant").error
    assert Document(page).field("name").value == "Reader"
    nameless = await integrator.send_form(
        PATH, ("scopes", "messages.write"), name=" ", grant="some", shape="enveloped"
    )
    assert "Fill this in." in Document(nameless).field("name").error
    assert Document(nameless).field("scopes").value == "messages.write"
    assert Document(nameless).field("shape").value == "enveloped"
    unknown = await integrator.send_form(
        PATH, ("scopes", "secrets.read"), name="Reader", grant="some", shape="documented"
    )
    assert unknown.status_code == 400
    assert "Choose from the list" in Document(unknown).field("grant").error
    assert "No program may use the API yet" in Document(await integrator.get(PATH)).region(
        "Programs that may use the API"
    )


async def test_the_old_secret_works_beside_the_new_one_until_it_is_ended(
    integrator: Person, server: Server
) -> None:
    client_id, old = await new_client(integrator)
    page = await integrator.send_form(f"{PATH}/{client_id}/rotate")
    new = value_of(page, "issued-value")
    assert page.text.count(new) == 1
    assert old not in page.text
    assert [(await token_of(server, client_id, secret)).status_code for secret in (old, new)] == [
        200,
        200,
    ]
    again = await integrator.get(f"{PATH}/{client_id}/rotate")
    assert (again.status_code, again.headers["location"]) == (303, f"{PATH}/{client_id}")
    answer = await integrator.get(f"{PATH}/{client_id}")
    assert new not in answer.text
    secret_ids = re.findall(r'name="secret" value="([^"]+)"', answer.text)
    assert len(secret_ids) == 2
    ended = await integrator.send_form(f"{PATH}/{client_id}/revoke", secret=secret_ids[-1])
    assert ended.headers["location"] == f"{PATH}/{client_id}?done=revoke"
    assert [(await token_of(server, client_id, secret)).status_code for secret in (old, new)] == [
        400,
        200,
    ]
    assert Document(await integrator.get(ended.headers["location"])).status("The secret has ended")


async def test_the_last_secret_can_be_ended_and_the_page_says_what_then(
    integrator: Person, server: Server
) -> None:
    client_id, secret = await new_client(integrator)
    assert (await token_of(server, client_id, secret)).status_code == 200
    [secret_id] = re.findall(
        r'name="secret" value="([^"]+)"', (await integrator.get(f"{PATH}/{client_id}")).text
    )
    await integrator.send_form(f"{PATH}/{client_id}/revoke", secret=secret_id)
    assert "No secret works" in Document(await integrator.get(f"{PATH}/{client_id}")).testid(
        "banner"
    )
    assert (await token_of(server, client_id, secret)).status_code == 400
    new = value_of(await integrator.send_form(f"{PATH}/{client_id}/rotate"), "issued-value")
    assert (await token_of(server, client_id, new)).status_code == 200


async def test_a_token_for_testing_is_shown_once_and_works(
    integrator: Person, server: Server
) -> None:
    client_id, _ = await new_client(integrator)
    page = await integrator.send_form(f"{PATH}/{client_id}/token", days="7")
    token = value_of(page, "issued-value")
    assert "good for 7 days" in Document(page).region("A token for testing is made")
    async with PlainHttp(
        base_url=server.url, headers={"Authorization": f"Bearer {token}"}
    ) as program:
        assert (await program.get("/v1/patients")).status_code == 200
        assert (await program.get("/v1/messages")).status_code == 403
    assert token not in (await integrator.get(f"{PATH}/{client_id}")).text


@pytest.mark.parametrize("days", ["0", "3651", "-1", "seven", "", "1.5", "٣"])
async def test_the_days_of_a_token_are_a_whole_number_in_bounds(
    integrator: Person, days: str
) -> None:
    client_id, _ = await new_client(integrator)
    page = await integrator.send_form(f"{PATH}/{client_id}/token", days=days)
    assert page.status_code == 400
    assert Document(page).field("days").error
    assert Document(page).field("days").value == days
    assert not Document(page).mentions("alm_")


async def test_scopes_and_shape_are_changed_and_tokens_that_cover_more_end(
    integrator: Person, server: Server, database: Database
) -> None:
    client_id, secret = await new_client(integrator, "Reader", "patients.read", "messages.read")
    async with database.connection() as connection:
        wide = await clients.long_lived_token(connection, client_id)
        narrow = await clients.long_lived_token(connection, client_id, scope="patients.read")
    form = await integrator.get(f"{PATH}/{client_id}/edit")
    assert "messages.read" in Document(form).field("scopes").values
    answer = await integrator.send_form(
        f"{PATH}/{client_id}/edit",
        ("scopes", "patients.read"),
        name="Renamed",
        grant="some",
        shape="enveloped",
    )
    assert answer.headers["location"] == f"{PATH}/{client_id}?done=changed"
    async with PlainHttp(base_url=server.url) as program:
        answers = [
            await program.get("/v1/patients", headers={"Authorization": f"Bearer {token}"})
            for token in (wide, narrow)
        ]
    assert [a.status_code for a in answers] == [401, 200]
    async with database.connection() as connection:
        client = await clients.find(connection, integrator.environment_id, client_id)
    assert (client.name, client.scope, client.shape, client.live_secrets) == (
        "Renamed",
        "patients.read",
        "enveloped",
        1,
    )
    assert (await token_of(server, client_id, secret)).status_code == 200


async def test_its_tokens_are_ended_without_its_secrets(
    integrator: Person, server: Server, database: Database
) -> None:
    client_id, secret = await new_client(integrator)
    other_id, _ = await new_client(integrator, "Another")
    async with database.connection() as connection:
        token = await clients.long_lived_token(connection, client_id)
        long_lived = await clients.long_lived_token(connection, other_id)
    await integrator.send_form(f"{PATH}/{client_id}/end-tokens")
    async with PlainHttp(base_url=server.url) as program:
        answers = [
            await program.get("/v1/patients", headers={"Authorization": f"Bearer {t}"})
            for t in (token, long_lived)
        ]
    assert [a.status_code for a in answers] == [401, 200]
    assert (await token_of(server, client_id, secret)).status_code == 200


async def test_a_disabled_client_is_shown_and_cannot_be_changed(
    integrator: Person, server: Server
) -> None:
    client_id, secret = await new_client(integrator)
    assert (await token_of(server, client_id, secret)).status_code == 200
    await integrator.send_form(f"{PATH}/{client_id}/disable")
    page = await integrator.get(f"{PATH}/{client_id}")
    assert "cannot be undone" in Document(page).testid("banner")
    assert not Document(page).mentions('method="post" action="/workshop/clients')
    assert Document(await integrator.get(PATH)).row("disabled")
    assert (await token_of(server, client_id, secret)).status_code == 400
    for action in ("rotate", "token", "end-tokens", "edit"):
        refused = await integrator.send_form(
            f"{PATH}/{client_id}/{action}", name="x", grant="all", shape="documented", days="1"
        )
        assert refused.status_code == 404, action


async def test_another_environments_client_is_not_there(
    integrator: Person, database: Database, box: SecretBox, server: Server
) -> None:
    other = await new_environment(database)
    async with database.connection() as connection:
        theirs = await clients.create(
            connection, box, environment_id=other, name="Theirs", scope="all", shape="documented"
        )
        [secret] = await client_secrets.secrets_of(connection, box, other, theirs.client_id)
    address = f"{PATH}/{theirs.client_id}"
    assert not Document(await integrator.get(PATH)).mentions("Theirs")
    for path in (address, f"{address}/edit", f"{address}/rotate", f"{address}/token"):
        assert (await integrator.get(path)).status_code == 404, path
    for action in ("edit", "rotate", "revoke", "token", "end-tokens", "disable"):
        answer = await integrator.send_form(
            f"{address}/{action}",
            name="Mine",
            grant="all",
            shape="documented",
            secret=secret.id,
            days="1",
        )
        assert answer.status_code == 404, action
    own_id, _ = await new_client(integrator)
    assert (
        await integrator.send_form(f"{PATH}/{own_id}/revoke", secret=secret.id)
    ).status_code == 404
    async with database.connection() as connection:
        client = await clients.find(connection, other, theirs.client_id)
    assert (client.name, client.live_secrets, client.disabled_at, client.live_tokens) == (
        "Theirs",
        1,
        None,
        0,
    )
    assert (await token_of(server, theirs.client_id, theirs.client_secret)).status_code == 200


async def test_only_who_may_integrate_comes_in(
    people: People, program: int, server: Server
) -> None:
    async with await people(program, "coach") as coach:
        assert (await coach.get(PATH)).status_code == 403
        assert (
            await coach.send_form(PATH, name="x", grant="all", shape="documented")
        ).status_code == 403
    async with PlainHttp(base_url=server.url) as nobody:
        assert (await nobody.get(PATH)).headers["location"] == "/sign-in?next=%2Fworkshop%2Fclients"


async def test_a_form_without_its_proof_makes_no_client(integrator: Person) -> None:
    answer = await integrator.post(PATH, data={"name": "x", "grant": "all", "shape": "documented"})
    assert answer.status_code == 403
    assert "No program may use the API yet" in Document(await integrator.get(PATH)).region(
        "Programs that may use the API"
    )


@pytest.mark.parametrize("client_id", ["1", "00000000-0000-4000-8000-000000000000", "ünknown"])
async def test_an_id_that_stands_for_nothing_is_not_there(
    integrator: Person, client_id: str
) -> None:
    page = await integrator.get(f"{PATH}/{client_id}")
    assert page.status_code == 404
    assert "no such client" in Document(page).testid("problem")


async def test_an_address_that_nothing_stored_can_have_is_a_page_that_is_not_there(
    integrator: Person,
) -> None:
    page = await integrator.get(f"{PATH}/%00", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "There is nothing at this address" in Document(page).testid("problem")


async def test_each_secret_is_told_from_the_others_by_its_last_four_characters(
    integrator: Person,
) -> None:
    client_id, first = await new_client(integrator)
    await new_client(integrator, "Another")
    for _ in range(2):
        await integrator.send_form(f"{PATH}/{client_id}/rotate")
    page = (await integrator.get(f"{PATH}/{client_id}")).text
    ends = re.findall(r'<code><span aria-hidden="true">…</span>([^<]{4})</code>', page)
    assert len(ends) == 3
    assert ends[-1] == first[-4:]
    for end in ends:
        assert Document(page).button(f"End the secret that ends with {end}")
    assert first not in page
