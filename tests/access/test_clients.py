"""Environments, clients and their secrets in the database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from almoner.access import client_secrets, clients, environments
from almoner.access.secrets import SecretBox
from almoner.errors import ApiError
from almoner.resources import BY_NAME

BOX = SecretBox(bytes(32))
NOBODY = "00000000-0000-4000-8000-000000000000"


async def _create(connection: Any, environment: int, scope: str = "all") -> clients.Created:
    return await clients.create(
        connection,
        BOX,
        environment_id=environment,
        name="test",
        scope=scope,
        shape="documented",
        collections=BY_NAME,
    )


async def test_an_environment_is_found_by_its_name(connection: Any) -> None:
    name = f"access-{uuid.uuid4().hex}"
    assert await environments.find(connection, name) is None
    environment = await environments.create(connection, name)
    assert await environments.find(connection, name) == environment
    assert name in [e.name for e in await environments.list_environments(connection)]


async def test_an_environments_name_is_taken_once(connection: Any) -> None:
    name = f"access-{uuid.uuid4().hex}"
    await environments.create(connection, name)
    with pytest.raises(ApiError) as refused:
        await environments.create(connection, name)
    assert refused.value.problems[0].code == "uniqueness_exception"


@pytest.mark.parametrize("name", ["", " ", "Upper", "-dash", "a b", "a" * 64, "naïve", "a\n"])
async def test_an_environments_name_is_plain(connection: Any, name: str) -> None:
    with pytest.raises(ApiError):
        await environments.create(connection, name)


async def test_a_new_client_has_one_live_secret_that_is_nowhere_in_the_database(
    connection: Any, environment: int
) -> None:
    created = await _create(connection, environment)
    assert len(created.client_secret) == 43
    assert uuid.UUID(created.client_id).version == 4
    assert await clients.live_secrets(connection, BOX, created.client_id) == [created.client_secret]
    sealed = await connection.fetchval(
        "SELECT sealed FROM client_secrets WHERE client_id = $1", created.client_id
    )
    assert created.client_secret.encode() not in sealed


async def test_clients_are_listed_by_environment_with_what_they_were_granted(
    connection: Any, environment: int
) -> None:
    created = await _create(connection, environment, "patients.read  messages.write")
    (listed,) = await clients.list_clients(connection, environment)
    assert (listed.id, listed.name, listed.scope) == (
        created.client_id,
        "test",
        "patients.read messages.write",
    )
    assert (listed.shape, listed.live_secrets, listed.disabled_at) == ("documented", 1, None)
    assert await clients.list_clients(connection, environment + 1_000_000) == []


@pytest.mark.parametrize(
    ("name", "scope", "shape"),
    [
        ("x", "everything", "documented"),
        ("x", "", "documented"),
        ("x", "all", "bare"),
        (" ", "all", "documented"),
        ("\u3164\u200b", "all", "documented"),
        ("\0", "all", "enveloped"),
    ],
)
async def test_a_client_that_does_not_fit_is_refused(
    connection: Any, environment: int, name: str, scope: str, shape: str
) -> None:
    with pytest.raises(ApiError) as refused:
        await clients.create(
            connection,
            BOX,
            environment_id=environment,
            name=name,
            scope=scope,
            shape=shape,
            collections=BY_NAME,
        )
    assert refused.value.status == 400
    assert await clients.list_clients(connection, environment) == []


async def test_a_client_belongs_to_an_environment_that_exists(connection: Any) -> None:
    with pytest.raises(ApiError) as refused:
        await _create(connection, 2_000_000_000)
    assert refused.value.problems[0].code == "resource_not_found"


async def test_rotation_adds_a_secret_and_keeps_the_older(
    connection: Any, environment: int
) -> None:
    first = await _create(connection, environment)
    second = await client_secrets.rotate(connection, BOX, environment, first.client_id.upper())
    live = await clients.live_secrets(connection, BOX, first.client_id)
    assert live == [second.client_secret, first.client_secret]
    assert second.client_id == first.client_id


async def test_rotation_without_keeping_ends_the_older_at_once(
    connection: Any, environment: int
) -> None:
    first = await _create(connection, environment)
    other = await _create(connection, environment)
    second = await client_secrets.rotate(connection, BOX, environment, first.client_id, keep=False)
    assert await clients.live_secrets(connection, BOX, first.client_id) == [second.client_secret]
    assert await clients.live_secrets(connection, BOX, other.client_id) == [other.client_secret]


async def test_retiring_leaves_the_newest_secret_alone(connection: Any, environment: int) -> None:
    first = await _create(connection, environment)
    await client_secrets.rotate(connection, BOX, environment, first.client_id)
    newest = await client_secrets.rotate(connection, BOX, environment, first.client_id)
    assert await client_secrets.retire(connection, environment, first.client_id) == 2
    assert await clients.live_secrets(connection, BOX, first.client_id) == [newest.client_secret]
    assert await client_secrets.retire(connection, environment, first.client_id) == 0


async def test_a_disabled_client_has_no_live_secret_and_gets_no_token_or_secret(
    connection: Any, environment: int
) -> None:
    created = await _create(connection, environment)
    await clients.disable(connection, environment, created.client_id)
    (listed,) = await clients.list_clients(connection, environment)
    await clients.disable(connection, environment, created.client_id)
    assert (
        (await clients.list_clients(connection, environment))[0].disabled_at
        == listed.disabled_at
        is not None
    )
    assert await clients.live_secrets(connection, BOX, created.client_id) == []
    for attempt in (
        client_secrets.rotate(connection, BOX, environment, created.client_id),
        clients.long_lived_token(connection, created.client_id),
    ):
        with pytest.raises(ApiError):
            await attempt


@pytest.mark.parametrize("client_id", [NOBODY, "nonsense", ""])
async def test_an_unknown_client_is_told_so(
    connection: Any, environment: int, client_id: str
) -> None:
    for attempt in (
        client_secrets.rotate(connection, BOX, environment, client_id),
        client_secrets.retire(connection, environment, client_id),
        clients.disable(connection, environment, client_id),
        clients.long_lived_token(connection, client_id),
    ):
        with pytest.raises(ApiError) as refused:
            await attempt
        assert refused.value.status == 404


async def test_a_client_cannot_be_touched_from_another_environment(
    connection: Any, environment: int
) -> None:
    created = await _create(connection, environment)
    for attempt in (
        client_secrets.rotate(connection, BOX, environment + 1, created.client_id, keep=False),
        client_secrets.retire(connection, environment + 1, created.client_id),
        clients.disable(connection, environment + 1, created.client_id),
    ):
        with pytest.raises(ApiError):
            await attempt
    assert await clients.live_secrets(connection, BOX, created.client_id) == [created.client_secret]


async def test_another_key_opens_no_secret(connection: Any, environment: int) -> None:
    created = await _create(connection, environment)
    assert (
        await clients.live_secrets(connection, SecretBox(bytes(range(32))), created.client_id) == []
    )


async def test_a_long_lived_token_covers_part_of_what_was_granted_and_no_more(
    connection: Any, environment: int
) -> None:
    created = await _create(connection, environment, "patients.read messages.read")
    assert (
        await clients.long_lived_token(connection, created.client_id, 30, "messages.read")
    ).startswith("alm_")
    for days, scope in ((30, "all"), (30, "patients.write"), (0, None), (99_999, None)):
        with pytest.raises(ApiError) as refused:
            await clients.long_lived_token(connection, created.client_id, days, scope)
        assert refused.value.status == 400
    rows = await connection.fetch(
        "SELECT scope, expires_at - created_at AS life FROM access_tokens WHERE environment_id"
        " = $1",
        environment,
    )
    assert [(r["scope"], r["life"].days in (29, 30)) for r in rows] == [("messages.read", True)]
