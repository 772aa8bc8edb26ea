"""``/v1/subscriptions`` over HTTP: what it answers, to whom, and what it never tells."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import jsonschema
import pytest
from jsonschema import Draft202012Validator
from starlette.responses import Response

from almoner.data_api.describe import openapi, scopes
from almoner.notifications.describe import addition
from almoner.notifications.subscription_terms import Rules
from almoner.resources import BY_NAME, RESOURCES
from almoner.settings import Settings
from tests.conftest import Api, Callers, Server, ServerThread, free_port, new_environment
from tests.notifications.subscribers import Listening, Subscriber
from tests.plain_http import PlainHttp
from tests.web.document import Document

NOBODY = "00000000-0000-4000-8000-000000000000"
PATH = "/v1/subscriptions"
SECRET = "the-secret-of-the-bridge"
TERMS = {
    "name": "EHR bridge",
    "notify_url": "https://ehr.example.org/notifications",
    "resources": ["patients", "messages"],
    "client_id": "almoner",
    "client_secret": SECRET,
    "token_url": "https://ehr.example.org/token",
}
KEYS = [
    "id",
    "name",
    "notify_url",
    "resources",
    "authentication",
    "client_id",
    "audience",
    "token_url",
    "paused",
    "lag_seconds",
    "failures",
    "failing_since",
    "next_attempt_at",
    "created_at",
]


@pytest.fixture(scope="module")
def open_server(settings: Settings) -> Iterator[Server]:
    """A server that sends to this machine too, as the demo's does."""
    with ServerThread(replace(settings, port=free_port(), private_targets=True)) as running:
        yield running


@pytest.fixture
async def near(open_server: Server, api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of that server, in the environment of ``api``."""
    async with PlainHttp(base_url=open_server.url, headers=api.headers, timeout=40) as caller:
        yield caller


async def subscribe(api: httpx.AsyncClient, **values: Any) -> dict[str, Any]:
    answer = await api.post(PATH, json={**TERMS, **values})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def codes(answer: httpx.Response) -> list[tuple[int, str]]:
    return [(error["status"], error["code"]) for error in answer.json()["errors"]]


async def test_a_subscription_goes_through_its_life(api: Api) -> None:
    subscription = await subscribe(api)
    at = f"{PATH}/{subscription['id']}"
    assert list(subscription) == KEYS
    assert (await api.get(at)).json() == subscription
    assert (await api.get(f"{PATH}/{subscription['id'].upper()}/")).json() == subscription
    assert (await api.get(PATH)).json() == {"data": [subscription]}
    changed = (await api.put(at, json={"resources": ["patients"]})).json()
    assert changed == {**subscription, "resources": ["patients"]}
    assert (await api.post(f"{at}/pause")).json()["paused"] is True
    assert (await api.post(f"{at}/resume")).json()["paused"] is False
    assert (await api.delete(at)).json() == changed
    assert (await api.get(at)).status_code == 404
    assert (await api.get(PATH)).json() == {"data": []}


async def test_no_answer_holds_the_secret(api: Api) -> None:
    subscription = await subscribe(api)
    at = f"{PATH}/{subscription['id']}"
    answers = [
        await api.get(at),
        await api.get(PATH),
        await api.put(at, json={"client_secret": "another-secret"}),
        await api.post(PATH, json=TERMS),
        await api.delete(at),
    ]
    for answer in answers:
        assert SECRET not in answer.text
        assert "another-secret" not in answer.text


async def test_a_name_has_something_to_be_seen(api: Api) -> None:
    for blank in ("\u3164", "\u200b\u2800", " \u00a0"):
        answer = await api.post(PATH, json=TERMS | {"name": blank})
        assert [error["extra"]["path"] for error in answer.json()["errors"]] == [".name"], (
            answer.text
        )


async def test_all_problems_of_a_body_are_told_at_once(api: Api) -> None:
    await subscribe(api)
    answer = await api.post(
        PATH,
        json={"name": "EHR bridge", "notify_url": "http://10.0.0.1/", "resources": ["nothing"]},
    )
    assert answer.status_code == 400
    codes = {error["extra"]["path"]: error["code"] for error in answer.json()["errors"]}
    assert codes == {
        ".name": "uniqueness_exception",
        ".notify_url": "parse_exception",
        ".resources[0]": "parse_exception",
        ".client_id": "parse_exception",
        ".client_secret": "parse_exception",
        ".token_url": "parse_exception",
    }


async def test_the_enveloped_shape_wraps_a_single_object(callers: Callers, program: int) -> None:
    async with await callers(program, "all", "enveloped") as caller:
        subscription = (await caller.post(PATH, json=TERMS)).json()
        assert list(subscription) == ["data"]
        assert (await caller.get(f"{PATH}/{subscription['data']['id']}")).json() == subscription
        assert (await caller.get(PATH)).json() == {"data": [subscription["data"]]}


async def test_a_read_scope_reads_and_does_nothing_else(
    callers: Callers, api: Api, program: int
) -> None:
    subscription = await subscribe(api)
    at = f"{PATH}/{subscription['id']}"
    async with await callers(program, "subscriptions.read") as reader:
        for path in (PATH, at, f"{at}/deliveries"):
            assert (await reader.get(path)).status_code == 200
        refused = [
            await reader.post(PATH, json=TERMS),
            await reader.put(at, json={}),
            await reader.delete(at),
            *[
                await reader.post(f"{at}/{asked}", json={})
                for asked in ("pause", "resume", "replay", "test")
            ],
        ]
        for answer in refused:
            assert codes(answer) == [(403, "forbidden")]
            assert answer.json()["errors"][0]["extra"]["scope"] == "subscriptions.write"


async def test_a_write_scope_is_told_ids_alone(callers: Callers, program: int) -> None:
    async with await callers(program, "subscriptions.write patients.read messages.read") as writer:
        subscription = (await writer.post(PATH, json=TERMS)).json()
        assert list(subscription) == ["id"]
        at = f"{PATH}/{subscription['id']}"
        for answer in (
            await writer.put(at, json={"paused": True}),
            await writer.post(f"{at}/resume"),
            await writer.delete(at),
        ):
            assert answer.json() == subscription
        assert (await writer.get(PATH)).json()["errors"][0]["extra"][
            "scope"
        ] == "subscriptions.read"


async def test_other_scopes_do_not_reach_subscriptions(callers: Callers, program: int) -> None:
    async with await callers(program, "patients.read patients.write changes.read") as other:
        assert (await other.get(PATH)).status_code == 403
        assert (await other.post(PATH, json=TERMS)).status_code == 403


async def test_a_token_can_be_asked_for_with_the_scopes_of_subscriptions(
    callers: Callers, program: int
) -> None:
    async with await callers(program, "subscriptions.read subscriptions.write") as caller:
        assert (await caller.get(PATH)).status_code == 200


async def test_another_environment_does_not_know_the_subscription(
    callers: Callers, api: Api, database: Any
) -> None:
    subscription = await subscribe(api)
    at = f"{PATH}/{subscription['id']}"
    async with await callers(await new_environment(database)) as stranger:
        assert (await stranger.get(PATH)).json() == {"data": []}
        answers = [
            await stranger.get(at),
            await stranger.put(at, json={"paused": True}),
            await stranger.delete(at),
            await stranger.get(f"{at}/deliveries"),
            await stranger.post(f"{at}/pause"),
            await stranger.post(f"{at}/test"),
            await stranger.post(f"{at}/replay", json={"from": "2026-01-01T00:00:00"}),
        ]
        for answer in answers:
            assert codes(answer) == [(404, "not_found")]
    assert (await api.get(at)).json() == subscription


async def test_without_a_token_nothing_is_told(server: Server) -> None:
    async with PlainHttp(base_url=server.url) as nobody:
        for path in (PATH, f"{PATH}/{NOBODY}", f"{PATH}/{NOBODY}/deliveries"):
            answer = await nobody.get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", PATH, "GET, POST"),
        ("DELETE", f"{PATH}/", "GET, POST"),
        ("POST", f"{PATH}/{NOBODY}", "GET, PUT, DELETE"),
        ("GET", f"{PATH}/{NOBODY}/pause", "POST"),
        ("GET", f"{PATH}/{NOBODY}/test", "POST"),
        ("POST", f"{PATH}/{NOBODY}/deliveries", "GET"),
    ],
)
async def test_other_methods_are_refused(api: Api, method: str, path: str, allowed: str) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [f"{PATH}/{NOBODY}/nothing", f"{PATH}/{NOBODY}/test/more", f"{PATH}x", "/v1/subscription"],
)
async def test_other_routes_are_not_there(api: Api, path: str) -> None:
    assert codes(await api.get(path)) == [(404, "not_found")]


async def test_ids_parameters_and_bodies_that_do_not_parse_are_refused_by_name(api: Api) -> None:
    subscription = await subscribe(api)
    at = f"{PATH}/{subscription['id']}"
    answers = {
        ".id": await api.get(f"{PATH}/EHR bridge"),
        ".limit": await api.get(f"{at}/deliveries", params={"limit": 0}),
        ".first": await api.get(f"{at}/deliveries", params={"first": 1}),
        ".": await api.get(at, params={"limit": 1}),
        ".from": await api.post(f"{at}/replay", json={}),
        ".nickname": await api.put(at, json={"nickname": "x"}),
    }
    for path, answer in answers.items():
        assert codes(answer) == [(400, "parse_exception")]
        assert answer.json()["errors"][0]["extra"]["path"] == path
    assert codes(await api.post(PATH, content=b"")) == [(400, "bad_request")]
    assert codes(await api.post(PATH, content=b"[]")) == [(400, "parse_exception")]


async def test_a_replay_is_taken_and_told(api: Api) -> None:
    subscription = await subscribe(api)
    answer = await api.post(
        f"{PATH}/{subscription['id']}/replay",
        json={"from": "2019-01-01T00:00:00", "to": "2019-01-02T00:00:00Z"},
    )
    assert answer.status_code == 200
    body = answer.json()
    assert (body["from"], body["to"]) == (
        "2019-01-01T00:00:00.000000+00:00",
        "2019-01-02T00:00:00.000000+00:00",
    )


async def test_deliveries_are_told_the_newest_first_and_no_more_than_asked_for(
    api: Api, connection: Any
) -> None:
    subscription = await subscribe(api)
    await connection.execute(
        "INSERT INTO deliveries (environment_id, subscription_id, reason, resources, outcome,"
        " status, milliseconds, answer) SELECT $1, $2, 'changes', '{patients}', 'delivered', 200,"
        " n, '' FROM generate_series(1, 60) AS n",
        api.environment_id,
        subscription["id"],
    )
    at = f"{PATH}/{subscription['id']}/deliveries"
    assert [d["milliseconds"] for d in (await api.get(at)).json()["data"]] == list(
        range(60, 10, -1)
    )
    assert len((await api.get(at, params={"limit": 3})).json()["data"]) == 3
    assert len((await api.get(at, params={"limit": 5000})).json()["data"]) == 60


async def test_a_test_tells_each_step_of_an_exchange_of_tokens(near: httpx.AsyncClient) -> None:
    subscriber = Subscriber()
    with Listening(subscriber.app()) as at:
        subscription = await subscribe(
            near, notify_url=f"{at.url}/notifications", token_url=f"{at.url}/token"
        )
        outcome = (await near.post(f"{PATH}/{subscription['id']}/test")).json()
    assert outcome["well"] is True, outcome
    assert [step["step"] for step in outcome["steps"]] == [
        "token endpoint: name",
        "token endpoint: connection",
        "token endpoint: tls",
        "token",
        "receiver: name",
        "receiver: connection",
        "receiver: tls",
        "answer",
    ]
    assert subscriber.received == [("Bearer a-token", b"[]")]
    assert (await near.get(f"{PATH}/{subscription['id']}")).json() == subscription
    assert (await near.get(f"{PATH}/{subscription['id']}/deliveries")).json() == {"data": []}


async def test_a_test_tells_what_a_refusing_receiver_said(near: httpx.AsyncClient) -> None:
    subscriber = Subscriber()

    async def broken() -> Response:
        return Response("out of\norder", 500)

    subscriber.answers = broken
    with Listening(subscriber.app()) as at:
        subscription = await subscribe(
            near, notify_url=f"{at.url}/notifications", authentication="bearer_jwt", token_url=None
        )
        outcome = (await near.post(f"{PATH}/{subscription['id']}/test")).json()
    assert outcome["well"] is False
    last = outcome["steps"][-1]
    assert (last["step"], last["well"]) == ("answer", False)
    assert "500" in last["detail"]
    assert "out of order" in last["detail"]
    assert SECRET not in json.dumps(outcome)


async def test_a_test_tells_that_nobody_listens_and_that_no_token_came(
    near: httpx.AsyncClient,
) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    subscription = await subscribe(
        near, notify_url=f"{away}/notifications", token_url=f"{away}/token"
    )
    outcome = (await near.post(f"{PATH}/{subscription['id']}/test")).json()
    assert [(s["step"], s["well"]) for s in outcome["steps"]][-2:] == [
        ("token endpoint: connection", False),
        ("token", False),
    ]
    subscriber = Subscriber()
    subscriber.token_status, subscriber.token = 400, {"error": "invalid_client"}
    with Listening(subscriber.app()) as at:
        await near.put(f"{PATH}/{subscription['id']}", json={"token_url": f"{at.url}/token"})
        outcome = (await near.post(f"{PATH}/{subscription['id']}/test")).json()
    assert outcome["steps"][-1]["step"] == "token"
    assert "invalid_client" in outcome["steps"][-1]["detail"]
    assert subscriber.received == []


async def test_a_test_goes_nowhere_that_a_notification_would_not(
    api: Api, near: httpx.AsyncClient
) -> None:
    subscriber = Subscriber()
    with Listening(subscriber.app()) as at:
        subscription = await subscribe(
            near, notify_url=f"{at.url}/notifications", authentication="bearer_jwt", token_url=None
        )
        outcome = (await api.post(f"{PATH}/{subscription['id']}/test")).json()
    assert outcome["well"] is False
    assert (outcome["steps"][-1]["step"], outcome["steps"][-1]["well"]) == ("receiver: url", False)
    assert subscriber.received == []


DOCUMENTS = {
    shape: openapi(
        RESOURCES,
        "https://care.example.org",
        enveloped=shape == "enveloped",
        additions=[addition(Rules(BY_NAME, False), shape == "enveloped")],
    )
    for shape in ("documented", "enveloped")
}


def described(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        if path.startswith(PATH):
            for method in {"get", "post", "put", "delete"} & item.keys():
                yield f"{method.upper()} {path}", item[method]


@pytest.mark.parametrize("shape", list(DOCUMENTS))
def test_openapi_tells_of_every_operation_and_its_examples_fit(shape: str) -> None:
    document = DOCUMENTS[shape]
    operations = dict(described(document))
    assert len(operations) == 10
    assert len({operation["operationId"] for operation in operations.values()}) == 10
    documented = {name for name, _ in scopes(RESOURCES, [addition(Rules(BY_NAME, False))])}
    for operation in operations.values():
        assert set(operation["security"][0]["bearer"]) <= documented
        contents = [
            operation["responses"]["200"]["content"],
            operation.get("requestBody", {}).get("content", {}),
        ]
        for content in (c["application/json"] for c in contents if c):
            schema = {"components": document["components"], **content["schema"]}
            Draft202012Validator(
                schema, format_checker=Draft202012Validator.FORMAT_CHECKER
            ).validate(content["example"])


async def test_answers_fit_the_document_that_the_server_tells(api: Api) -> None:
    document = (await api.get("/v1/openapi.json")).json()
    subscription = await subscribe(api)
    whole = {"components": document["components"], "$ref": "#/components/schemas/Subscription"}
    jsonschema.validate(subscription, whole)
    assert list(document["components"]["schemas"]["Subscription"]["properties"]) == KEYS
    assert PATH in document["paths"]


async def test_the_reference_shows_every_operation(api: Api) -> None:
    html = (await api.get("/docs")).text
    for operation in dict(described(DOCUMENTS["documented"])).values():
        assert operation["summary"] in html
    assert "subscriptions.write" in {
        code.words for code in Document(html.replace("\u200b", "")).all("code")
    }
