"""``POST /v1/token``, without HTTP around it."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
import structlog.testing

from almoner.access import client_secrets, clients
from almoner.access.secrets import SealError, SecretBox
from almoner.access.throttle import FAILURES
from almoner.access.token_endpoint import GRANT_TYPE, TokenEndpoint
from almoner.access.tokens import Access, Tokens
from almoner.database import Database
from almoner.errors import ApiError
from almoner.resources import BY_NAME

BOX = SecretBox(bytes(32))
URL = "https://care.example/v1/token"
NOBODY = "00000000-0000-4000-8000-000000000000"
Reply = tuple[int, dict[bytes, bytes], dict[str, Any]]


class Caller:
    """A program that fetches tokens at an endpoint of its own."""

    def __init__(self, database: Database, client: clients.Created) -> None:
        self.client_id, self.secret = client.client_id, client.client_secret
        self.pace = 0.0
        self.endpoint = TokenEndpoint(database, BOX, URL, BY_NAME, pace=lambda: self.pace)

    def assertion(self, secret: str | None = None, **claims: Any) -> str:
        plain = {"iss": self.client_id, "aud": URL, "exp": int(time.time()) + 3600}
        merged = {k: v for k, v in {**plain, **claims}.items() if v is not None}
        return jwt.encode(merged, self.secret if secret is None else secret, algorithm="HS256")

    async def send(
        self,
        body: bytes | dict[str, Any],
        content_type: str | None = None,
        address: str = "10.0.0.1",
    ) -> Reply:
        raw = body if isinstance(body, bytes) else urlencode(body).encode()
        status, headers, answer = await self.endpoint.answer("POST", raw, content_type, address)
        return status, dict(headers), answer

    async def ask(
        self, secret: str | None = None, address: str = "10.0.0.1", **claims: Any
    ) -> Reply:
        return await self.send(
            {"grant_type": GRANT_TYPE, "assertion": self.assertion(secret, **claims)},
            address=address,
        )

    async def guess(self, address: str = "10.0.0.1", **claims: Any) -> int:
        return (await self.ask("wrong-secret-of-thirty-two-characters", address, **claims))[0]


async def _caller(database: Database, environment: int, scope: str = "all") -> Caller:
    async with database.connection() as connection:
        client = await clients.create(
            connection,
            BOX,
            environment_id=environment,
            name="test",
            scope=scope,
            shape="documented",
        )
    return Caller(database, client)


@pytest.fixture
async def caller(database: Database, environment: int) -> Caller:
    return await _caller(database, environment)


async def _access(database: Database, answer: dict[str, Any]) -> Access:
    return await Tokens(database).load(answer["access_token"])


def _refused(reply: Reply, error: str) -> str:
    status, _, answer = reply
    assert (status, answer["error"]) == (400, error)
    assert set(answer) == {"error", "error_description", "errors"}
    (refusal,) = answer["errors"]
    assert (refusal["status"], refusal["code"], refusal["detail"]) == (
        400,
        "bad_request",
        answer["error_description"],
    )
    assert set(refusal) == {"status", "code", "title", "detail", "extra"}
    description: str = answer["error_description"]
    return description


async def test_an_assertion_is_answered_with_a_token_for_an_hour(
    caller: Caller, database: Database, environment: int
) -> None:
    status, _, answer = await caller.ask(scope="all")
    assert status == 200
    assert list(answer) == ["access_token", "token_type", "expires_in", "scope"]
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 3600, "all")
    access = await _access(database, answer)
    assert (access.environment_id, access.client_id) == (environment, caller.client_id)
    assert 3590 < access.expires_at - time.time() < 3610


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/x-www-form-urlencoded", "text/plain", "", None],
)
@pytest.mark.parametrize("as_json", [True, False])
async def test_a_form_and_json_are_taken_whatever_their_type_says(
    caller: Caller, content_type: str | None, as_json: bool
) -> None:
    values = {"grant_type": GRANT_TYPE, "assertion": caller.assertion()}
    body = b" \n" + json.dumps(values).encode() if as_json else urlencode(values).encode()
    assert (await caller.send(body, content_type))[0] == 200


async def test_another_method_is_refused(caller: Caller) -> None:
    with pytest.raises(ApiError) as refused:
        await caller.endpoint.answer("GET", b"", None, "")
    assert (refused.value.status, refused.value.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "JSON"),
        (b'{"grant_type": 5}', "grant_type"),
        (b'{"assertion": "x"}', "grant_type"),
        (b"[]", "grant_type"),
        (b"null", "grant_type"),
        (b"\xff\xfe", "UTF-8"),
        (b"grant_type=%ff", "UTF-8"),
        (b"grant_type=a&grant_type=b", "once"),
        (b"&".join(b"a%d=1" % n for n in range(1000)), "form"),
        (urlencode({"grant_type": GRANT_TYPE}).encode(), "assertion"),
        (urlencode({"grant_type": GRANT_TYPE, "assertion": ""}).encode(), "assertion"),
        (b"{" * 100_000, "JSON"),
    ],
)
async def test_a_body_that_is_no_request_for_a_token_is_refused(
    caller: Caller, body: bytes, text: str
) -> None:
    assert text in _refused(await caller.send(body), "invalid_request")


async def test_a_multipart_form_is_refused_in_words(caller: Caller) -> None:
    assert "urlencoded" in _refused(
        await caller.send(b"--x", "multipart/form-data; boundary=x"), "invalid_request"
    )


async def test_another_grant_type_is_refused_and_the_right_one_told(caller: Caller) -> None:
    reply = await caller.send({"grant_type": "client_credentials", "assertion": caller.assertion()})
    assert GRANT_TYPE in _refused(reply, "unsupported_grant_type")


async def test_another_audience_is_refused_and_the_right_one_told(caller: Caller) -> None:
    assert URL in _refused(await caller.ask(aud="https://elsewhere.example"), "invalid_grant")
    assert (await caller.ask(aud=URL + "/"))[0] == 200


@pytest.mark.parametrize(
    ("claim", "value"), [("aud", "https://elsewhere.example/token"), ("exp", 1_000_000_000)]
)
async def test_why_an_assertion_does_not_fit_is_in_the_log_and_nothing_secret(
    caller: Caller, claim: str, value: Any
) -> None:
    with structlog.testing.capture_logs() as logs:
        reason = _refused(await caller.ask(**{claim: value}), "invalid_grant")
    [line] = [entry for entry in logs if entry["event"] == "token refused"]
    assert line["client_id"] == caller.client_id
    assert claim in line["reason"]
    assert line["reason"] == reason
    assert caller.secret not in repr(logs)
    assert "elsewhere.example" not in repr(logs)


async def test_the_log_has_a_line_a_second_whatever_is_sent(caller: Caller) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            await caller.ask(exp=1_000_000_000)
        caller.pace += 1.5
        await caller.ask(exp=1_000_000_000)
    assert [line["untold"] for line in logs if line["event"] == "token refused"] == [0, 4]


async def test_no_noise_hides_a_refusal_of_a_client_that_there_is(caller: Caller) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await caller.guess("10.0.0.2", iss=NOBODY)
        await caller.guess()
    refusals = [
        (line["client_id"], line["reason"]) for line in logs if line["event"] == "token refused"
    ]
    assert refusals == [(NOBODY, "client is unknown or disabled"), (caller.client_id, "signature")]


@pytest.mark.house
async def test_the_scope_that_does_not_exist_is_named(caller: Caller) -> None:
    message = _refused(await caller.ask(scope="patients.reed invoices.read"), "invalid_scope")
    assert message.startswith("There is no scope patients.reed. A scope is all,")
    strange = _refused(await caller.ask(scope='a"\\b\u00e9'), "invalid_scope")
    assert strange.startswith("There is no scope a??b?.")


async def test_an_assertion_may_be_used_again(caller: Caller) -> None:
    body = {"grant_type": GRANT_TYPE, "assertion": caller.assertion(jti="once")}
    tokens = [(await caller.send(body))[2]["access_token"] for _ in range(2)]
    assert tokens[0] != tokens[1]


async def test_an_expiry_may_be_digits_in_a_string(caller: Caller) -> None:
    body = {
        "grant_type": GRANT_TYPE,
        "assertion": caller.assertion(exp=str(int(time.time()) + 60)),
    }
    assert (await caller.send(body))[0] == 200


async def test_unknown_disabled_and_wrongly_signed_are_answered_alike(
    caller: Caller, database: Database, environment: int
) -> None:
    disabled = await _caller(database, environment)
    async with database.connection() as connection:
        await clients.disable(connection, environment, disabled.client_id)
    replies = [
        await caller.ask("wrong-secret-of-thirty-two-characters"),
        await caller.ask(iss=NOBODY),
        await caller.ask(iss="not a guid"),
        await disabled.ask(),
    ]
    assert len({_refused(reply, "invalid_grant") for reply in replies}) == 1


async def test_an_unsigned_assertion_and_one_of_another_algorithm_are_refused(
    caller: Caller,
) -> None:
    claims = {"iss": caller.client_id, "aud": URL, "exp": int(time.time()) + 3600}
    for assertion in (
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, caller.secret * 2, algorithm="HS512"),
    ):
        _refused(
            await caller.send({"grant_type": GRANT_TYPE, "assertion": assertion}), "invalid_grant"
        )


async def test_every_live_secret_is_accepted_and_no_ended_one(
    caller: Caller, database: Database, environment: int
) -> None:
    async with database.connection() as connection:
        second = await client_secrets.rotate(connection, BOX, environment, caller.client_id)
    assert (await caller.ask())[0] == 200
    assert (await caller.ask(second.client_secret))[0] == 200
    async with database.connection() as connection:
        await client_secrets.retire(connection, environment, caller.client_id)
    assert (await caller.ask())[0] == 400
    assert (await caller.ask(second.client_secret))[0] == 200


async def test_a_secret_in_any_script_signs(
    caller: Caller, database: Database, environment: int
) -> None:
    secret = "ключ-🔑"
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO client_secrets (environment_id, client_id, id, sealed) VALUES ($1, $2,"
            " gen_random_uuid(), $3)",
            environment,
            caller.client_id,
            BOX.seal(secret, caller.client_id),
        )
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        assert (await caller.ask(secret))[0] == 200


async def test_a_key_that_opens_no_secret_is_a_fault_of_ours_and_not_of_the_caller(
    caller: Caller, database: Database
) -> None:
    endpoint = TokenEndpoint(database, SecretBox(bytes(range(32))), URL)
    body = urlencode({"grant_type": GRANT_TYPE, "assertion": caller.assertion()}).encode()
    with pytest.raises(SealError):
        await endpoint.answer("POST", body, None, "")


@pytest.mark.house
async def test_without_a_scope_all_that_was_granted_is_given(
    database: Database, environment: int
) -> None:
    caller = await _caller(database, environment, "patients.read messages.write")
    assert (await caller.ask())[2]["scope"] == "patients.read messages.write"


async def test_of_the_scopes_of_claim_and_parameter_the_narrower_is_given(
    database: Database, environment: int
) -> None:
    caller = await _caller(database, environment)
    cases = [
        (None, "messages.write", "messages.write"),
        ("patients.read", None, "patients.read"),
        ("patients.read", " ", "patients.read"),
        ("patients.read messages.write", "messages.write patients.write", "messages.write"),
        ("all", "patients.read", "patients.read"),
        ("patients.read", "all", "patients.read"),
        ("all", "all", "all"),
        ("patients.read invoices.read", "invoices.read patients.read", "patients.read"),
        ("patients.read", "messages.write", None),
        ("patients.read", "invoices.read", None),
        ("invoices.read", "patients.read", None),
        # A setting that came out blank is not everything.
        ("", None, None),
        (" ", "patients.read", None),
        (None, "", None),
        (None, " ", None),
        ("", "", None),
    ]
    wrong = []
    for claim, parameter, expected in cases:
        body = {"grant_type": GRANT_TYPE, "assertion": caller.assertion(scope=claim)}
        reply = await caller.send(body if parameter is None else body | {"scope": parameter})
        if expected is None:
            _refused(reply, "invalid_scope")
        elif reply[2].get("scope") != expected or (await _access(database, reply[2])).scopes != set(
            expected.split()
        ):
            wrong.append((claim, parameter, reply))
    assert not wrong


async def test_words_that_are_no_scope_are_left_out_and_the_answer_says_what_was_granted(
    caller: Caller, database: Database, environment: int
) -> None:
    answer = (await caller.ask(scope="invoices.read patients.write nonsense"))[2]
    assert answer["scope"] == "patients.write"
    access = await _access(database, answer)
    assert (access.can_read("patients"), access.can_write("patients")) == (False, True)
    narrow = await _caller(database, environment, "patients.read")
    assert (await narrow.ask(scope="invoices.read patients.read"))[2]["scope"] == "patients.read"
    # What there is and was not granted is refused as ever, whatever stands beside it.
    _refused(await narrow.ask(scope="invoices.read patients.read messages.read"), "invalid_scope")


async def test_a_client_that_was_granted_all_may_ask_for_any_scope_that_exists(
    caller: Caller, database: Database
) -> None:
    answer = (await caller.ask(scope="patients.read  workers.write patients.read"))[2]
    assert answer["scope"] == "patients.read workers.write"
    access = await _access(database, answer)
    assert (access.can_write("patients"), access.can_write("workers")) == (False, True)
    assert "patients" in _refused(await caller.ask(scope="patient.read"), "invalid_scope")
    assert (await caller.ask(scope="changes.read"))[0] == 200


async def test_never_more_is_given_than_was_granted(database: Database, environment: int) -> None:
    caller = await _caller(database, environment, "patients.read patients.write")
    for scope in ("all", "messages.read", "patients.read changes.read", "patients.read all"):
        assert "patients.read patients.write" in _refused(
            await caller.ask(scope=scope), "invalid_scope"
        )
    _refused(await caller.ask(scope=["patients.read"]), "invalid_scope")


async def test_after_ten_wrong_signatures_even_the_right_one_has_to_wait(caller: Caller) -> None:
    assert [await caller.guess() for _ in range(FAILURES + 1)] == [400] * FAILURES + [429]
    status, headers, answer = await caller.ask()
    assert (status, headers[b"retry-after"]) == (429, b"1")
    assert answer["errors"][0]["code"] == "too_many_requests"
    assert answer["errors"][0]["status"] == 429
    caller.pace += 1
    assert (await caller.ask())[0] == 200


async def test_guesses_are_counted_over_addresses_and_over_clients(caller: Caller) -> None:
    assert [await caller.guess(f"10.0.1.{n}") for n in range(FAILURES + 1)][-1] == 429
    ids = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(FAILURES + 1)]
    assert [await caller.guess("10.0.2.1", iss=client_id) for client_id in ids][-1] == 429
    assert await caller.guess("10.0.3.1", iss=ids[-1]) == 400


async def test_a_stranger_does_not_lock_a_client_out_where_it_is_known(caller: Caller) -> None:
    assert (await caller.ask(address="10.0.0.5"))[0] == 200
    assert [await caller.guess("10.0.0.6") for _ in range(FAILURES + 1)][-1] == 429
    assert (await caller.ask(address="10.0.0.5"))[0] == 200


async def test_a_mistake_that_is_no_guess_costs_nothing(caller: Caller) -> None:
    for _ in range(3 * FAILURES):
        assert (await caller.ask(aud="https://elsewhere.example"))[0] == 400
        assert (await caller.ask(scope="nonsense"))[0] == 400
    assert (await caller.ask())[0] == 200
