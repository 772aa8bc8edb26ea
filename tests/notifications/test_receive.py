"""``almoner receive``: it lets in the notifier and nobody else, pulls every page, and prints what
it got.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner

from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.cli import app
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.notifications import subscriptions
from almoner.notifications.authentication import Authenticator
from almoner.notifications.delivery import Courier
from almoner.notifications.subscription import Subscription
from almoner.notifications.subscription_terms import Rules
from almoner.outbound.http import HttpClient
from almoner.resources import BY_NAME
from almoner.settings import Settings
from almoner_client.assertions import GRANT_TYPE
from almoner_client.receiver import Endpoints, IssuedCredentials, Notified
from tests.changes.writing import PATIENCE
from tests.conftest import Api, free_port
from tests.notifications.subscribers import Listening
from tests.plain_http import NO_CERTIFICATES, PlainHttp

ISSUED = IssuedCredentials(
    "5d9e3f0a-6c9b-4f55-8f0a-0d1a6f6f1c11", "what-the-receiver-issued-to-almoner-and-to-nobody-else"
)
BOX = SecretBox(bytes(32))
SPAN = {"from": "2018-05-14T23:34:05.647496", "to": "2018-05-15T23:34:05.647496"}
BODY = [{"resource": "patients", "href": "http://127.0.0.1:8000/v1/patients?page[to]=x", **SPAN}]


def post(url: str, **values: Any) -> httpx.Response:
    return httpx.post(url, verify=NO_CERTIFICATES, trust_env=False, timeout=30, **values)


class Receiver:
    """The endpoints on a socket, and what they took in."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.got: list[tuple[list[Notified], str]] = []
        self.endpoints = Endpoints(
            self.url, ISSUED, lambda changed, how: self.got.append((changed, how))
        )

    def signed(
        self, secret: str = ISSUED.client_secret, algorithm: str = "HS256", **claims: Any
    ) -> str:
        payload = {
            "iss": ISSUED.client_id,
            "aud": f"{self.url}/notifications",
            "exp": int(time.time()) + 60,
            "scope": "welkin",
        }
        payload_sent = {
            name: value for name, value in {**payload, **claims}.items() if value is not None
        }
        return jwt.encode(payload_sent, secret, algorithm=algorithm)

    def notify(self, token: str | None, body: Any = BODY) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return post(f"{self.url}/notifications", content=content, headers=headers)

    def exchange(self, assertion: str, grant_type: str = GRANT_TYPE) -> httpx.Response:
        return post(f"{self.url}/token", data={"grant_type": grant_type, "assertion": assertion})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    served = Receiver()
    with Listening(served.endpoints, served.port):
        yield served


async def subscribed(connection: Any, environment: int, url: str, **values: Any) -> Subscription:
    terms = {
        "name": "receiver",
        "notify_url": f"{url}/notifications",
        "resources": ["patients"],
        "client_id": ISSUED.client_id,
        "client_secret": ISSUED.client_secret,
        "token_url": f"{url}/token",
    }
    return await subscriptions.create(
        connection, BOX, environment, {**terms, **values}, Rules(BY_NAME, True)
    )


@pytest.mark.parametrize(
    ("values", "how"),
    [
        ({}, "a token of ours"),
        ({"audience": "TOKEN_URL"}, "a token of ours"),
        ({"authentication": "bearer_jwt", "token_url": None}, "a signed JWT"),
    ],
)
async def test_the_notifier_is_let_in_both_ways(
    connection: Any, environment: int, receiver: Receiver, values: dict[str, Any], how: str
) -> None:
    values = {
        name: f"{receiver.url}/token" if value == "TOKEN_URL" else value
        for name, value in values.items()
    }
    subscription = await subscribed(connection, environment, receiver.url, **values)
    client = HttpClient(private_targets=True)
    try:
        attempt = await Courier(client, Authenticator(BOX, client)).deliver(
            subscription, json.dumps(BODY).encode()
        )
    finally:
        await client.close()
    assert attempt.well, attempt
    ((changed, outcome),) = receiver.got
    assert outcome == how
    assert (changed[0].resource, changed[0].start, changed[0].end) == (
        "patients",
        SPAN["from"],
        SPAN["to"],
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "another-secret-that-nobody-has-ever-issued"},
        {"aud": "https://elsewhere.example.org"},
        {"aud": None},
        {"exp": 1_500_000_000},
        {"exp": None},
        {"iss": "11111111-1111-4111-8111-111111111111"},
        {"iss": None},
        {"scope": "all"},
        {"scope": None},
        {"algorithm": "HS384"},
    ],
    ids=str,
)
def test_nobody_else_is_let_in(receiver: Receiver, wrong: dict[str, Any]) -> None:
    token = receiver.signed(**wrong)
    refused = receiver.notify(token)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    no_token = receiver.exchange(token)
    assert no_token.status_code == 400
    assert {"error", "error_description"} <= no_token.json().keys()
    assert receiver.got == []


@pytest.mark.parametrize("token", [None, "nonsense", "a.b.c", "e30.e30."])
def test_a_token_that_is_none_is_refused(receiver: Receiver, token: str | None) -> None:
    assert receiver.notify(token).status_code == 401
    assert receiver.got == []


def test_a_token_ends_with_its_hour() -> None:
    now = [time.time()]
    receiver = Receiver()
    receiver.endpoints = Endpoints(receiver.url, ISSUED, lambda changed, how: None, lambda: now[0])
    with Listening(receiver.endpoints, receiver.port):
        answer = receiver.exchange(receiver.signed()).json()
        assert receiver.notify(answer["access_token"]).status_code == 200
        now[0] += answer["expires_in"]
        assert receiver.notify(answer["access_token"]).status_code == 401


def test_the_token_endpoint_takes_json_and_names_another_grant(receiver: Receiver) -> None:
    body = {"grant_type": GRANT_TYPE, "assertion": receiver.signed()}
    assert post(f"{receiver.url}/token", json=body).status_code == 200
    assert (
        receiver.exchange(receiver.signed(), "password").json()["error"] == "unsupported_grant_type"
    )
    for nonsense in (b"", b"{", b"\xff"):
        assert post(f"{receiver.url}/token", content=nonsense).status_code == 400


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"\xff", b"{}", b"[1]", b'[{"resource": "patients"}]', b"[" * 5000]
)
def test_a_body_that_is_no_notification_is_refused(receiver: Receiver, body: bytes) -> None:
    assert receiver.notify(receiver.signed(), body).status_code == 400
    assert receiver.got == []


def test_a_body_without_end_is_not_read(receiver: Receiver) -> None:
    assert receiver.notify(receiver.signed(), b" " * (4 * 1_048_576 + 1)).status_code == 413


def test_deleted_rows_and_an_empty_notification_are_taken(receiver: Receiver) -> None:
    gone = str(uuid.uuid4())
    assert (
        receiver.notify(receiver.signed(), [{**BODY[0], "deleted": [gone], "more": 1}]).status_code
        == 200
    )
    assert receiver.notify(receiver.signed(), []).status_code == 200
    assert [[change.deleted for change in changed] for changed, _ in receiver.got] == [[[gone]], []]


async def many_workers(store: Store, environment: int, count: int) -> set[str]:
    rows = [
        {
            "id": str(uuid.uuid4()),
            "email": f"{n}@example.org",
            "first_name": "E",
            "last_name": "S",
            "timezone": "US/Eastern",
        }
        for n in range(count)
    ]
    await store.load(
        Actor(environment, "test", "cli", "test", whole=True), BY_NAME["workers"], rows
    )
    return {row["id"] for row in rows}


class FakeApi:
    """An API that gives out numbered tokens, and answers what it is told to."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.tokens = 0
        self.asked: list[tuple[str, str]] = []
        self.answers = list(answers)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/token", self._token, methods=["POST"]),
                Route("/v1/phone_numbers", self._none),
                Route("/v1/patients", self._page),
            ]
        )

    async def _token(self, request: Request) -> Response:
        self.tokens += 1
        return JSONResponse({"access_token": f"token-{self.tokens}"})

    async def _none(self, request: Request) -> Response:
        return JSONResponse([{"data": []}])

    async def _page(self, request: Request) -> Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        self.asked.append((token, request.query_params.get("page[after]", "")))
        status, body = self.answers.pop(0)
        return JSONResponse(body, status)


class Program:
    """``almoner receive`` in a process of its own, beside the tests' server."""

    def __init__(self, folder: Path, *words: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.home = folder
        self._output = folder / "said"
        environ = {k: v for k, v in os.environ.items() if not k.startswith("ALMONER_")}
        command = [
            str(Path(sys.executable).with_name("almoner")),
            "receive",
            "--port",
            str(self.port),
            *words,
        ]
        with open(self._output, "ab") as output:
            self.process = subprocess.Popen(
                command,
                env={**environ, "ALMONER_HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    async def says(self, text: str) -> None:
        """Returns once it has said this."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            assert time.monotonic() < deadline, f"{text} was not said in: {self.output}"
            assert self.process.poll() is None, self.output
            await asyncio.sleep(0.02)

    async def takes_requests(self) -> None:
        """Returns once it answers."""
        deadline = time.monotonic() + PATIENCE
        async with PlainHttp() as client:
            while True:
                try:
                    await client.get(f"http://127.0.0.1:{self.port}/")
                    return
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.02)

    async def notify(self, *notified: dict[str, Any]) -> None:
        """Sends a notification, signed with what this receiver has issued."""
        issued = IssuedCredentials(
            **json.loads((self.home / f"receiver-{self.port}.json").read_text())
        )
        endpoint = f"http://127.0.0.1:{self.port}/notifications"
        claims = {
            "iss": issued.client_id,
            "aud": endpoint,
            "exp": int(time.time()) + 60,
            "scope": "welkin",
        }
        token = jwt.encode(claims, issued.client_secret, algorithm="HS256")
        async with PlainHttp(headers={"Authorization": f"Bearer {token}"}) as sender:
            sent = await sender.post(endpoint, json=[*notified])
        assert sent.status_code == 200

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it has said as JSON."""
        return [json.loads(line) for line in self.output.splitlines()]

    def command(self) -> list[str]:
        """The words of the command that it shows, after ``almoner``."""
        printed = self.output.partition("almoner subscription create")[2].partition("\n\n")[0]
        return ["subscription", "create", *shlex.split(printed.replace("\\\n", " "))]


def client_of(url: str, client_id: str, client_secret: str, folder: Path) -> list[str]:
    (folder / "secret").write_text(client_secret, encoding="utf-8")
    secret = ["--client-secret-file", str(folder / "secret")]
    return ["--url", url.rstrip("/"), "--client-id", client_id, *secret]


def caller_of(api: Api, folder: Path) -> list[str]:
    return client_of(f"{api.base_url}", api.client_id, api.client_secret, folder)


def environ(settings: Settings) -> dict[str, str]:
    return {
        "ALMONER_DATABASE_URL": settings.database_url,
        "ALMONER_HOME": str(settings.home),
        "ALMONER_ALLOW_PRIVATE_TARGETS": "1",
    }


async def test_the_shown_command_subscribes_it_and_rows_are_printed(
    api: Api, store: Store, connection: Any, settings: Settings, tmp_path: Path
) -> None:
    ids = await many_workers(store, api.environment_id, 51)
    name = await connection.fetchval(
        "SELECT name FROM environments WHERE id = $1", api.environment_id
    )
    with Program(tmp_path, *caller_of(api, tmp_path)) as program:
        await program.takes_requests()
        run = CliRunner()
        result = await asyncio.to_thread(
            run.invoke,
            app,
            [*program.command(), "--environment", name, "--json"],
            env=environ(settings),
        )
        assert result.exit_code == 0, result.output
        key = json.loads(result.stdout)["name"]
        tried = await asyncio.to_thread(
            run.invoke,
            app,
            ["subscription", "test", key, "--environment", name],
            env=environ(settings),
        )
        assert tried.exit_code == 0, tried.output
        await program.says("Notified of nothing: a test. The sender showed a token of ours.")
        subscription = await subscriptions.find(connection, api.environment_id, key)
        href = (
            f"{api.base_url}".rstrip("/")
            + f"/v1/workers?page[to]=2999-01-01T00:00:00.000000&page[from]={SPAN['from']}"
        )
        gone = str(uuid.uuid4())
        client = HttpClient(private_targets=True)
        try:
            courier = Courier(
                client, Authenticator(SecretBox(*KeySource("", settings.home).first()), client)
            )
            announced = [{"resource": "workers", "href": href, **SPAN, "deleted": [gone]}]
            assert (await courier.deliver(subscription, json.dumps(announced).encode())).well
        finally:
            await client.close()
        await program.says("51 rows of workers on 2 pages")
        assert all(id_ in program.output for id_ in (*ids, gone))
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(60) == 0
    assert program.output.endswith("Stopped.\n")
    assert "Traceback" not in program.output


async def test_pages_are_asked_for_until_they_are_there_or_never_will_be_and_of_the_api_alone(
    tmp_path: Path,
) -> None:
    following = {"page[size]": 1, "page[after]": "1"}
    fake = FakeApi(
        (401, {}),
        (503, {"errors": [{"detail": "Busy."}]}),
        (200, [{"data": [{"id": "1"}], "meta": {"next": following}}]),
        (503, {"errors": [{"detail": "Busy again."}]}),
        (200, [{"data": [{"id": "2"}]}]),
        (404, {"errors": [{"detail": "No."}]}),
        (200, [{"data": [{"id": "3"}]}]),
    )
    stranger = FakeApi()
    with Listening(fake.app()) as at, Listening(stranger.app()) as other:
        words = client_of(at.url, "x", "secret of x", tmp_path)
        with Program(tmp_path, *words, "--json") as program:
            await program.takes_requests()
            patients = {"resource": "patients", **SPAN}
            for url in (at.url, at.url, other.url):
                await program.notify(patients | {"href": f"{url}/v1/patients?page[to]=x"})
            await program.says('"id": "3"')
            outcomes = [event for event in program.events if event["event"] != "notification"]
    assert stranger.asked == []
    assert (
        fake.asked
        == [("token-1", ""), *[("token-2", "")] * 2, *[("token-2", "1")] * 2]
        + [("token-2", "")] * 2
    )
    failures = [event["detail"] for event in outcomes if event["event"] == "failed"]
    assert [text.partition(" (request")[0] for text in failures] == [
        "503: Busy.",
        "503: Busy again.",
        "404: No.",
    ]
    assert [text.endswith("Trying again in 1 s.") for text in failures] == [True, True, False]
    assert [event["row"]["id"] for event in outcomes if event["event"] == "row"] == ["1", "2", "3"]


@pytest.mark.slow
async def test_it_speaks_json_counts_only_when_quiet_and_stays_who_it_was(
    api: Api, tmp_path: Path
) -> None:
    with Program(tmp_path, *caller_of(api, tmp_path), "--json") as program:
        await program.takes_requests()
        state = tmp_path / f"receiver-{program.port}.json"
        assert state.stat().st_mode & 0o777 == 0o600
        href = f"{api.base_url}".rstrip("/") + "/v1/workers?page[size]=5"
        await program.notify({"resource": "workers", "href": href, **SPAN})
        await program.says('"pulled"')
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(60) == 0
        assert program.events[0]["event"] == "notification"
        assert program.events[-1] == {
            "event": "pulled",
            "resource": "workers",
            "rows": 0,
            "pages": 1,
            **SPAN,
        }


@pytest.mark.slow
async def test_it_goes_on_as_the_same_subscriber(api: Api, tmp_path: Path) -> None:
    with Program(tmp_path, *caller_of(api, tmp_path)) as program:
        await program.says("--client-secret")
        port, first = program.port, program.command()
    (tmp_path / "said").unlink()
    with Program(tmp_path, *caller_of(api, tmp_path), port=port) as program:
        await program.says("--client-secret")
        assert program.command() == first


def test_without_a_demo_or_a_client_it_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["receive"], env={"ALMONER_HOME": str(tmp_path)})
    assert result.exit_code == 1
    assert "almoner client create" in result.output
    result = CliRunner().invoke(
        app, ["receive", "--client-id", "x"], env={"ALMONER_HOME": str(tmp_path)}
    )
    assert "--client-secret" in result.output


def test_an_address_that_is_taken_is_told(receiver: Receiver, tmp_path: Path) -> None:
    words = ["receive", "--port", str(receiver.port), "--client-id", "x", "--client-secret", "y"]
    result = CliRunner().invoke(app, words, env={"ALMONER_HOME": str(tmp_path)})
    assert result.exit_code == 1
    assert "--port 9001" in result.output
