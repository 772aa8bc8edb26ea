"""What an assertion must be."""

from __future__ import annotations

import base64
import hmac
import json
import re
import warnings
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from almoner.access import assertions
from almoner.access.assertions import Assertion, GrantError

NOW = 1_700_000_000.0
URL = "http://127.0.0.1:8000/v1/token"
CLIENT = "45ceeba9-4944-43d1-b34d-0c36846acd4c"
SECRET = "a-secret-of-some-length-that-nobody-guesses"
CLAIMS: dict[str, Any] = {"iss": CLIENT, "aud": URL, "exp": NOW + 3600}


HEADER = {"alg": "HS256", "typ": "JWT"}


def _encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _token(claims: Any, header: Any = HEADER, secret: str = SECRET, digest: str = "sha256") -> str:
    signed = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{signed}.{_encoded(hmac.digest(secret.encode(), signed.encode(), digest))}"


def _read(**claims: Any) -> Assertion:
    merged = {k: v for k, v in {**CLAIMS, **claims}.items() if v is not ...}
    return assertions.read(_token(merged), URL, NOW)


def _refusal(**claims: Any) -> GrantError:
    with pytest.raises(GrantError) as refused:
        _read(**claims)
    _is_within_rfc_6749(refused.value)
    return refused.value


def _is_within_rfc_6749(refusal: GrantError) -> None:
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", refusal.description)


def _signed(token: str, *secrets: str, algorithm: str = "HS256") -> bool:
    return assertions.signed(Assertion(token, CLIENT, None), algorithm, secrets or (SECRET,))


def test_a_plain_assertion_names_its_client_and_asks_for_no_scope() -> None:
    read = _read()
    assert (read.client_id, read.scope) == (CLIENT, None)
    assert _signed(read.text)


def test_the_client_id_is_taken_in_any_letter_case() -> None:
    assert _read(iss=CLIENT.upper()).client_id == CLIENT


def test_an_issuer_that_is_no_guid_is_no_client() -> None:
    assert _read(iss="admin").client_id is None
    assert _read(iss="").client_id is None


@pytest.mark.parametrize("iss", [..., None, 5, [CLIENT], {}])
def test_an_assertion_without_an_issuer_is_refused(iss: Any) -> None:
    assert "iss" in _refusal(iss=iss).description


@pytest.mark.parametrize("aud", [URL, URL + "/", [URL], ["https://elsewhere", URL], [5, URL + "/"]])
def test_our_audience_is_accepted_alone_or_in_a_list_with_and_without_a_slash(aud: Any) -> None:
    assert _read(aud=aud).client_id == CLIENT


@pytest.mark.parametrize(
    "aud",
    [..., None, "", 5, [], [None], {}, {"a": URL}, "http://127.0.0.1:8000", URL + "x", [[URL]]],
)
def test_another_audience_is_refused_and_the_right_one_told(aud: Any) -> None:
    refused = _refusal(aud=aud)
    assert refused.error == "invalid_grant"
    assert URL in refused.description


@pytest.mark.parametrize(
    "exp", [NOW + 1, NOW - 59, NOW + 86_400, NOW + 0.5, int(NOW) + 10, str(int(NOW) + 3600)]
)
def test_an_expiry_ahead_is_accepted_as_a_number_and_as_digits(exp: Any) -> None:
    assert _read(exp=exp).client_id == CLIENT


@pytest.mark.parametrize(
    "exp", [NOW + 86_461, NOW + 30 * 86_400, (NOW + 3600) * 1000, "9" * 15, 10**14]
)
def test_an_expiry_further_ahead_than_a_day_counts_as_a_day(exp: Any) -> None:
    assert _read(exp=exp).client_id == CLIENT


@pytest.mark.parametrize("exp", [NOW - 61, NOW - 60, 0, -1, str(int(NOW) - 61)])
def test_an_expiry_that_is_past_is_refused_and_the_time_here_told(exp: Any) -> None:
    refused = _refusal(exp=exp)
    assert refused.error == "invalid_grant"
    assert "1700000000" in refused.description


@pytest.mark.parametrize(
    "exp",
    [
        ...,
        None,
        True,
        "",
        "soon",
        "1700003600.5",
        "-5",
        " 1700003600",
        "١٧٠٠٠٠٣٦٠٠",
        "9" * 400,
        [NOW + 1],
        {},
        10**400,
        1e300,
    ],
)
def test_an_expiry_that_is_no_time_is_refused(exp: Any) -> None:
    assert _refusal(exp=exp).error == "invalid_grant"


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_an_endless_expiry_is_refused(literal: str) -> None:
    payload = json.dumps(CLAIMS).replace(json.dumps(CLAIMS["exp"]), literal).encode()
    assert literal.encode() in payload
    with pytest.raises(GrantError):
        assertions.read(_token(payload), URL, NOW)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_beginning_is_respected_with_a_minute_of_skew(name: str) -> None:
    begun: tuple[Any, ...] = (NOW, NOW + 59, str(int(NOW)), None, 0)
    for value in begun:
        assert _read(**{name: value}).client_id == CLIENT
    refused: tuple[Any, ...] = (NOW + 61, str(int(NOW) + 61), "later", True, [])
    for value in refused:
        assert name in _refusal(**{name: value}).description


def test_a_scope_is_a_string_and_a_blank_one_is_refused() -> None:
    assert _read(scope="patients.read all").scope == "patients.read all"
    assert _read(scope=None).scope is None
    assert [_refusal(scope=blank).error for blank in ("", " ")] == ["invalid_scope"] * 2
    assert _refusal(scope=["all"]).error == "invalid_scope"


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "e30.W10.x", "bnVsbA.e30.x", "x" * 20_000],
)
def test_what_is_no_jwt_is_refused(text: str) -> None:
    with pytest.raises(GrantError) as refused:
        assertions.read(text, URL, NOW)
    assert refused.value.error == "invalid_grant"


def test_json_nested_without_end_is_refused() -> None:
    deep = _encoded(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}")
    with pytest.raises(GrantError):
        assertions.read(f"{deep}.{deep}.x", URL, NOW)
    assert not _signed(f"{deep}.{deep}.x")


def test_any_live_secret_will_do_and_no_other() -> None:
    token = _token(CLAIMS)
    assert _signed(token, "older", SECRET)
    assert _signed(token, SECRET, "newer")
    assert not _signed(token, "older", "newer")
    assert not assertions.signed(Assertion(token, CLIENT, None), "HS256", [])


@pytest.mark.parametrize(
    "secret", ["k", "short", "ключ-🔑-päss", "-----BEGIN CERTIFICATE-----", "x" * 500]
)
def test_a_secret_may_be_short_or_long_and_in_any_script(secret: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _signed(_token(CLAIMS, secret=secret), secret)
        assert not _signed(_token(CLAIMS, secret=secret + "x"), secret)


def test_an_empty_secret_signs_nothing() -> None:
    assert not _signed(_token(CLAIMS, secret=""), "", SECRET)


def test_what_pyjwt_signs_is_accepted() -> None:
    assert _signed(jwt.encode(CLAIMS, SECRET, algorithm="HS256"))


@pytest.mark.parametrize(
    "alg",
    [
        "none",
        "None",
        "nOnE",
        "",
        None,
        256,
        ["HS256"],
        {"HS256": 1},
        "hs256",
        "RS256",
        "HS512",
        "HS384",
    ],
)
def test_the_header_does_not_choose_the_algorithm(alg: Any) -> None:
    for digest in ("sha256", "sha384", "sha512"):
        assert not _signed(_token(CLAIMS, {"alg": alg, "typ": "JWT"}, digest=digest))
    unsigned = f"{_encoded({'alg': alg})}.{_encoded(CLAIMS)}."
    assert not _signed(unsigned)


def test_a_header_without_an_algorithm_is_refused() -> None:
    assert not _signed(_token(CLAIMS, {"typ": "JWT"}))


def test_a_public_key_is_not_taken_for_a_secret() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert not _signed(jwt.encode(CLAIMS, private, algorithm="RS256"))
    confused = _token(CLAIMS, {"alg": "HS256"}, secret=public.decode())
    assert not _signed(confused)
    assert not _signed(
        _token(
            CLAIMS, {"alg": "HS256", "jwk": {"kty": "oct", "k": _encoded(b"mine")}}, secret="mine"
        )
    )


def test_a_header_may_hold_more_than_we_know_but_nothing_critical() -> None:
    assert _signed(_token(CLAIMS, {"alg": "HS256", "kid": "main", "x-of-theirs": {"a": 1}}))
    assert not _signed(_token(CLAIMS, {"alg": "HS256", "crit": ["exp"], "exp": 1}))
    assert not _signed(_token(CLAIMS, {"alg": "HS256", "crit": 5}))


@given(st.integers(min_value=0))
def test_a_changed_character_breaks_the_signature(place: int) -> None:
    token = _token(CLAIMS)
    at = place % len(token)
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    assert not _signed(changed)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_HEADERS = st.dictionaries(
    st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "jku", "x5c", "zip"]), _JSON
)


@given(_HEADERS | _JSON, _JSON)
def test_no_header_and_no_payload_breaks_the_reader(header: Any, payload: Any) -> None:
    token = _token(payload, header)
    try:
        assertions.read(token, URL, NOW)
    except GrantError as refused:
        _is_within_rfc_6749(refused)
    well_formed = isinstance(header, dict) and header.get("alg") == "HS256"
    assert not _signed(token) or well_formed


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(GrantError):
        assertions.read(text, URL, NOW)
    assert not _signed(text)


@given(st.dictionaries(st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "scope", "jti"]), _JSON))
def test_no_claim_breaks_the_reader(claims: dict[str, Any]) -> None:
    merged = {**CLAIMS, **claims}
    try:
        read = assertions.read(_token(merged), URL, NOW)
    except GrantError:
        return
    assert isinstance(merged["iss"], str)
    assert float(merged["exp"]) > NOW - 60
    assert read.scope is None or read.scope == merged["scope"]
