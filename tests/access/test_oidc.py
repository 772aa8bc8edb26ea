"""Signing in through an identity provider, against a small one that runs beside the test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from joserfc.jwk import RSAKey

from almoner.access.oidc import REFETCH_SECONDS, SECONDS, Identity, Oidc, OidcError, OidcProvider
from almoner.access.secrets import SecretBox
from almoner.outbound import connections
from tests.access.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.plain_http import PlainHttp

BACK = "https://care.example/sign-in/back"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


class Clock:
    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def oidc(provider: Provider, clock: Clock) -> Oidc:
    known = OidcProvider(provider.issuer, CLIENT_ID, CLIENT_SECRET, "Example")
    return Oidc(known, BACK, SecretBox(b"k" * 32), clock)


async def go(oidc: Oidc, environment: str = "production") -> tuple[str, dict[str, str]]:
    """To the provider and back: our cookie, and what the provider sent along."""
    start = await oidc.start(environment, "/workshop")
    async with PlainHttp() as browser:
        answer = await browser.get(start.url)
    assert answer.status_code == 307
    location = urlsplit(answer.headers["location"])
    assert location.geturl().startswith(BACK)
    return start.cookie, dict(parse_qsl(location.query))


async def test_the_provider_says_who_somebody_is(oidc: Oidc, provider: Provider) -> None:
    cookie, query = await go(oidc)
    identity = await oidc.finish(cookie, query)
    assert identity == Identity(
        f"{provider.issuer}|7", "emily@example.org", "production", "/workshop"
    )


CLASSES: dict[str, tuple[str, ...]] = {"acr": ("silver", "gold")}
VOUCHED: dict[str, tuple[dict[str, tuple[str, ...]], dict[str, Any], bool | None]] = {
    "nothing is asked for": ({}, {"acr": "gold", "amr": ["mfa"]}, False),
    "one of the classes": (CLASSES, {"acr": "gold"}, True),
    "another class": (CLASSES, {"acr": "bronze"}, None),
    "no class": (CLASSES, {}, None),
    "any class": ({"acr": ("any",)}, {}, True),
    "one of the methods": ({"amr": ("mfa", "hwk")}, {"amr": ["pwd", "hwk"]}, True),
    "other methods": ({"amr": ("mfa",)}, {"amr": ["pwd"]}, None),
    "a method that is no list": ({"amr": ("mfa",)}, {"amr": "mfa"}, None),
    "a class without the method": (
        {**CLASSES, "amr": ("mfa",)},
        {"acr": "gold", "amr": ["pwd"]},
        None,
    ),
}


async def test_a_class_or_method_that_is_required_is_vouched_for_or_nobody_comes_in(
    provider: Provider, clock: Clock
) -> None:
    wrong: list[tuple[str, object]] = []
    for name, (required, claims, expected) in VOUCHED.items():
        known = OidcProvider(provider.issuer, CLIENT_ID, CLIENT_SECRET, "Example", **required)
        oidc = Oidc(known, BACK, SecretBox(b"k" * 32), clock)
        provider.claims = claims
        start = await oidc.start("production", "/")
        asked = parse_qs(urlsplit(start.url).query).get("acr_values")
        if asked != (["silver gold"] if "silver" in required.get("acr", ()) else None):
            wrong.append((name, asked))
        cookie, query = await go(oidc)
        try:
            second_factor: bool | None = (await oidc.finish(cookie, query)).second_factor
        except OidcError as refused:
            second_factor = None if "second factor" in refused.message else True
        if second_factor is not expected:
            wrong.append((name, second_factor))
    assert not wrong


async def test_the_environment_is_the_one_that_was_chosen_before(oidc: Oidc) -> None:
    test, _ = await go(oidc, "test"), await go(oidc, "production")
    assert (await oidc.finish(*test)).environment == "test"


@pytest.mark.parametrize("verified", [False, None, "false", 1])
async def test_an_address_that_is_not_verified_is_not_told(
    oidc: Oidc, provider: Provider, verified: Any
) -> None:
    provider.claims = {"email_verified": verified}
    assert (await oidc.finish(*await go(oidc))).email is None


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"sub": ""},
    ],
    ids=str,
)
async def test_an_id_token_that_does_not_fit_is_refused(
    oidc: Oidc, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    with pytest.raises(OidcError):
        await oidc.finish(*await go(oidc))


async def test_an_id_token_of_the_future_is_refused(oidc: Oidc, provider: Provider) -> None:
    provider.claims = {"iat": int(time.time()) + 3600}
    with pytest.raises(OidcError):
        await oidc.finish(*await go(oidc))


async def test_a_token_for_several_is_taken_where_it_was_made_for_us(
    oidc: Oidc, provider: Provider
) -> None:
    provider.claims = {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}
    assert (await oidc.finish(*await go(oidc))).email == "emily@example.org"


async def test_a_token_that_somebody_else_signed_is_refused(oidc: Oidc, provider: Provider) -> None:
    provider.signed_with = RSAKey.generate_key(2048, {"kid": "first"})
    with pytest.raises(OidcError):
        await oidc.finish(*await go(oidc))


async def test_keys_that_changed_are_looked_up_again(
    oidc: Oidc, provider: Provider, clock: Clock
) -> None:
    await oidc.finish(*await go(oidc))
    provider.change_key()
    clock.ahead = REFETCH_SECONDS
    assert (await oidc.finish(*await go(oidc))).email == "emily@example.org"


async def test_who_did_not_start_here_or_took_too_long_is_refused(oidc: Oidc, clock: Clock) -> None:
    cookie, query = await go(oidc)
    other_cookie, other_query = await go(oidc)
    for state, sent in (
        (cookie, other_query),
        (other_cookie, query),
        ("", query),
        ("nonsense", query),
        (cookie[:-4] + "AAA=", query),
        (cookie, query | {"state": ""}),
        (cookie, query | {"iss": "https://elsewhere.example"}),
        (cookie, {name: value for name, value in query.items() if name != "iss"}),
        (cookie, query | {"code": "another"}),
        (cookie, {"state": query["state"], "iss": query["iss"], "error": "access_denied"}),
    ):
        with pytest.raises(OidcError):
            await oidc.finish(state, sent)
    clock.ahead = SECONDS
    with pytest.raises(OidcError, match="ten minutes"):
        await oidc.finish(cookie, query)


async def test_a_code_is_good_once(oidc: Oidc) -> None:
    cookie, query = await go(oidc)
    await oidc.finish(cookie, query)
    with pytest.raises(OidcError):
        await oidc.finish(cookie, query)


async def test_a_provider_that_calls_itself_otherwise_is_refused(
    oidc: Oidc, provider: Provider
) -> None:
    provider.published = {"issuer": "https://elsewhere.example"}
    with pytest.raises(OidcError, match="ALMONER_OIDC_ISSUER"):
        await oidc.start("production", "/")


async def test_a_provider_that_is_away_is_told_so(oidc: Oidc, provider: Provider) -> None:
    provider.__exit__()
    with pytest.raises(OidcError, match="cannot be reached"):
        await oidc.start("production", "/")


def test_the_secret_is_not_shown(oidc: Oidc) -> None:
    assert CLIENT_SECRET not in repr(oidc.provider)


async def test_a_provider_outside_the_house_names_no_address_inside(
    oidc: Oidc, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "are_inside", lambda addresses: not addresses)
    cookie, query = await go(oidc)
    with pytest.raises(OidcError, match="must begin with https://"):
        await oidc.finish(cookie, query)
