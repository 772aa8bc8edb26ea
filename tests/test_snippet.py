"""A program written against the document's own example: fetch a token by an assertion, then call
with it.

Only the URL and the credentials differ from the example; where a library has changed since, its
present equivalent is used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import arrow
import jwt
import pytest
import requests

from tests.conftest import Api

JWT_BEARER_URI = "urn:ietf:params:oauth:grant-type:jwt-bearer"
Expiry = Callable[[], Any]


def as_a_number() -> Any:
    return int(arrow.utcnow().shift(seconds=3600).timestamp())


def as_a_fraction() -> Any:
    return arrow.utcnow().shift(seconds=3600).timestamp()


def as_digits() -> Any:
    """What older versions of the library gave, after a round trip through a string."""
    return str(as_a_number())


EXPIRIES = pytest.mark.parametrize("expiry", [as_a_number, as_a_fraction, as_digits])


def answer_for_a_token(
    client_id: str, secret: str, scope: str, endpoint: str, audience: str, expiry: Expiry
) -> requests.Response:
    claim = {"iss": client_id, "aud": audience, "exp": expiry(), "scope": scope}
    # PyJWT checks the type of exp only when it decodes, so that a string goes out as one.
    assertion = jwt.encode(claim, secret, algorithm="HS256")
    params = {"assertion": assertion, "grant_type": JWT_BEARER_URI}
    return requests.post(endpoint, data=params, timeout=30)


def get_token(
    client_id: str, secret: str, scope: str, endpoint: str, audience: str, expiry: Expiry
) -> str:
    token: str = answer_for_a_token(
        client_id, secret, scope=scope, endpoint=endpoint, audience=audience, expiry=expiry
    ).json()["access_token"]
    return token


@EXPIRIES
async def test_the_documents_own_program_fetches_a_token_and_creates_a_patient(
    api: Api, expiry: Expiry
) -> None:
    def program() -> tuple[requests.Response, requests.Response, requests.Response]:
        endpoint = f"{api.base_url}/v1/token"
        token = get_token(
            api.client_id,
            api.client_secret,
            scope="all",
            endpoint=endpoint,
            audience=endpoint,
            expiry=expiry,
        )
        headers = {"Authorization": "Bearer " + token}
        patient = {
            "phase": "intake",
            "timezone": "US/Pacific",
            "first_name": "Grace",
            "last_name": "Hopper",
            "birthday": "1906-12-09",
        }
        url = f"{api.base_url}/v1/patients"
        created = requests.post(url, headers=headers, json=patient, timeout=30)
        read = requests.get(f"{url}/{created.json()['id']}", headers=headers, timeout=30)
        return (
            created,
            read,
            requests.get(url, headers=headers, params={"page[size]": 10}, timeout=30),
        )

    created, read, listed = await asyncio.to_thread(program)
    assert [answer.status_code for answer in (created, read, listed)] == [200, 200, 200]
    assert created.json() == read.json() == listed.json()[0]["data"][0]


async def test_an_answer_to_an_assertion_is_a_bearer_token_with_its_scope_and_its_life(
    api: Api,
) -> None:
    endpoint = f"{api.base_url}/v1/token"
    arguments = (api.client_id, api.client_secret, "patients.read", endpoint, endpoint, as_a_number)
    answer = await asyncio.to_thread(answer_for_a_token, *arguments)
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["scope"] == "patients.read"
    assert 0 < body["expires_in"] <= 86_400
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert (await api.get("/v1/patients", headers=headers)).status_code == 200
    assert (await api.get("/v1/messages", headers=headers)).status_code == 403


async def test_a_wrong_secret_is_refused_in_the_form_of_oauth_and_in_ours(api: Api) -> None:
    endpoint = f"{api.base_url}/v1/token"
    arguments = (
        api.client_id,
        "not the secret of this client at all",
        "all",
        endpoint,
        endpoint,
        as_a_number,
    )
    answer = await asyncio.to_thread(answer_for_a_token, *arguments)
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"] == "invalid_grant"
    assert body["error_description"]
    assert body["errors"][0]["code"] == "bad_request"
