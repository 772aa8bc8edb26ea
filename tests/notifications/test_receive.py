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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
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
from almoner.receiver.pull import Api as PulledApi
from almoner.receiver.pull import PullError
from almoner.resources import BY_NAME
from almoner.settings import Settings
from almoner_client.assertions import GRANT_TYPE
from almoner_client.receiver import Endpoints, IssuedCredentials, Notified
from tests.changes.writing import PATIENCE
from tests.conftest import Api, Callers, free_port
from tests.notifications.subscribers import Listening
from tests.plain_http import NO_CERTIFICATES, PlainHttp

ISSUED = IssuedCredentials(
    "5d9e3f0a-6c9b-4f55-8f0a-0d1a6f6f1c11", "what-the-receiver-issued-to-almoner-and-to-nobody-else"
)
BOX = SecretBox(bytes(32))
SPAN = {"from": "2018-05-14T23:34:05.647496", "to": "2018-05-15T23:34:05.647496"}
BODY = [{"resource": "patients", "href": "http://127.0.0.1:8000/v1/patients?page[to]=x", **SPAN}]


def post(url: str, **given: Any) -> httpx.Response:
    return httpx.post(url, verify=NO_CERTIFICATES, trust_env=False, timeout=30, **given)


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
        told = {
            "iss": ISSUED.client_id,
            "aud": f"{self.url}/notifications",
            "exp": int(time.time()) + 60,
            "scope": "welkin",
        }
        kept = {name: value for name, value in {**told, **claims}.items() if value is not None}
        return jwt.encode(kept, secret, algorithm=algorithm)

    def notify(self, token: str | None, body: Any = BODY) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return post(f"{self.url}/notifications", content=content, headers=headers)

    def exchange(self, assertion: str, grant_type: str = GRANT_TYPE) -> httpx.Response:
        return post(f"{self.url}/token", data={"grant_type": grant_type, "assertion": assertion})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with Listening(made.endpoints, made.port):
        yield made


async def subscribed(connection: Any, environment: int, url: str, **given: Any) -> Subscription:
    terms = {
        "name": "receiver",
        "notify_url": f"{url}/notifications",
        "resources": ["patients"],
        "client_id": ISSUED.client_id,
        "client_secret": ISSUED.client_secret,
        "token_url": f"{url}/token",
    }
    return await subscriptions.create(
        connection, BOX, environment, {**terms, **given}, Rules(BY_NAME, True)
    )


@pytest.mark.parametrize(
    ("given", "how"),
    [
        ({}, "a token of ours"),
        ({"audience": "TOKEN_URL"}, "a token of ours"),
        ({"authentication": "bearer_jwt", "token_url": None}, "a signed JWT"),
    ],
)
async def test_the_notifier_is_let_in_both_ways(
    connection: Any, environment: int, receiver: Receiver, given: dict[str, Any], how: str
) -> None:
    given = {
        name: f"{receiver.url}/token" if value == "TOKEN_URL" else value
        for name, value in given.items()
    }
    subscription = await subscribed(connection, environment, receiver.url, **given)
    client = HttpClient(private_targets=True)
    try:
        attempt = await Courier(client, Authenticator(BOX, client)).deliver(
            subscription, json.dumps(BODY).encode()
        )
    finally:
        await client.close()
    assert attempt.well, attempt
    ((changed, told),) = receiver.got
    assert told == how
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
    given = {"grant_type": GRANT_TYPE, "assertion": receiver.signed()}
    assert post(f"{receiver.url}/token", json=given).status_code == 200
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
    assert [[one.deleted for one in changed] for changed, _ in receiver.got] == [[[gone]], []]


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


async def pulled(
    api: PulledApi, href: str, told: Callable[[str], None] = lambda text: None
) -> list[list[dict[str, Any]]]:
    return [page async for page in api.pages(href, told)]


@pytest.mark.parametrize("shape", ["documented", "enveloped"])
async def test_every_page_is_pulled(
    callers: Callers, store: Store, environment: int, shape: str
) -> None:
    ids = await many_workers(store, environment, 120)
    async with (
        await callers(environment, "all", shape) as caller,
        aiohttp.ClientSession() as session,
    ):
        client = IssuedCredentials(caller.client_id, caller.client_secret)
        api = PulledApi(session, f"{caller.base_url}".rstrip("/"), client)
        href = f"{api.url}/v1/workers?page[to]=2999-01-01T00:00:00.000000&page[from]=2018-05-14T23:34:05.647496"
        pages = await pulled(api, href)
    assert [len(page) for page in pages] == [50, 50, 20]
    assert {row["id"] for page in pages for row in page} == ids


class FakeApi:
    """An API that gives out numbered tokens, and answers what it is told to."""

    def __init__(self) -> None:
        self.tokens = 0
        self.asked: list[str] = []
        self.answers: list[tuple[int, Any]] = []

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/token", self._token, methods=["POST"]),
                Route("/v1/patients", self._page),
            ]
        )

    async def _token(self, request: Request) -> Response:
        self.tokens += 1
        return JSONResponse({"access_token": f"token-{self.tokens}"})

    async def _page(self, request: Request) -> Response:
        self.asked.append(request.headers["authorization"])
        status, body = self.answers.pop(0)
        return JSONResponse(body, status)


async def test_a_token_that_was_refused_is_renewed_once() -> None:
    fake = FakeApi()
    fake.answers = [
        (401, {}),
        (200, [{"data": [{"id": "1"}]}]),
        (401, {}),
        (401, {}),
        (200, [{"data": []}]),
    ]
    failures: list[str] = []
    with Listening(fake.app()) as at:
        async with aiohttp.ClientSession() as session:
            api = PulledApi(session, at.url, ISSUED)
            assert await pulled(api, f"{at.url}/v1/patients") == [[{"id": "1"}]]
            assert fake.asked == ["Bearer token-1", "Bearer token-2"]
            assert await pulled(api, f"{at.url}/v1/patients", failures.append) == [[]]
    assert len(failures) == 1
    assert "401" in failures[0]
    assert "Trying again in 1 s" in failures[0]


async def test_a_page_is_asked_for_until_it_is_there() -> None:
    fake = FakeApi()
    fake.answers = [(503, {"errors": [{"detail": "Busy."}]}), (200, [{"data": [{"id": "1"}]}])]
    failures: list[str] = []
    with Listening(fake.app()) as at:
        async with aiohttp.ClientSession() as session:
            assert await pulled(
                PulledApi(session, at.url, ISSUED), f"{at.url}/v1/patients", failures.append
            ) == [[{"id": "1"}]]
    assert len(failures) == 1
    assert "Busy." in failures[0]


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_what_will_never_be_given_is_not_asked_for_again(status: int) -> None:
    fake = FakeApi()
    fake.answers = [(status, {"errors": [{"detail": "No."}]})]
    with Listening(fake.app()) as at:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(PullError, match=f"{status}: No"):
                await pulled(PulledApi(session, at.url, ISSUED), f"{at.url}/v1/patients")


async def test_the_token_is_sent_to_the_api_alone() -> None:
    fake, stranger = FakeApi(), FakeApi()
    with Listening(fake.app()) as at, Listening(stranger.app()) as other:
        async with aiohttp.ClientSession() as session:
            api = PulledApi(session, at.url, ISSUED)
            for href in (
                f"{other.url}/v1/patients",
                f"{at.url}.example.org/v1/patients",
                f"{at.url}@example.org/",
            ):
                with pytest.raises(PullError, match="not of the API"):
                    await pulled(api, href)
            fake.answers = [
                (200, [{"data": [], "links": {"next": {"href": f"{other.url}/v1/patients"}}}])
            ]
            with pytest.raises(PullError, match="not of the API"):
                await pulled(api, f"{at.url}/v1/patients")
    assert stranger.asked == []


class Program:
    """``almoner receive`` in a process of its own, beside the tests' server."""

    def __init__(self, folder: Path, *words: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.home = folder
        self._said = folder / "said"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ALMONER_")}
        command = [
            str(Path(sys.executable).with_name("almoner")),
            "receive",
            "--port",
            str(self.port),
            *words,
        ]
        with open(self._said, "ab") as said:
            self.process = subprocess.Popen(
                command,
                env={**kept, "ALMONER_HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    async def says(self, text: str) -> None:
        """Returns once it has said this."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.said:
            assert time.monotonic() < deadline, f"{text} was not said in: {self.said}"
            assert self.process.poll() is None, self.said
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

    def command(self) -> list[str]:
        """The words of the command that it shows, after ``almoner``."""
        shown = self.said.partition("almoner subscription create")[2].partition("\n\n")[0]
        return ["subscription", "create", *shlex.split(shown.replace("\\\n", " "))]


def client_of(api: Api, folder: Path) -> list[str]:
    (folder / "secret").write_text(api.client_secret, encoding="utf-8")
    secret = ["--client-secret-file", str(folder / "secret")]
    return ["--url", f"{api.base_url}".rstrip("/"), "--client-id", api.client_id, *secret]


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
    with Program(tmp_path, *client_of(api, tmp_path)) as program:
        await program.takes_requests()
        run = CliRunner()
        made = await asyncio.to_thread(
            run.invoke,
            app,
            [*program.command(), "--environment", name, "--json"],
            env=environ(settings),
        )
        assert made.exit_code == 0, made.output
        key = json.loads(made.stdout)["name"]
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
            told = [{"resource": "workers", "href": href, **SPAN, "deleted": [gone]}]
            assert (await courier.deliver(subscription, json.dumps(told).encode())).well
        finally:
            await client.close()
        await program.says("51 rows of workers on 2 pages")
        assert all(one in program.said for one in (*ids, gone))
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(60) == 0
    assert program.said.endswith("Stopped.\n")
    assert "Traceback" not in program.said


@pytest.mark.slow
async def test_it_speaks_json_counts_only_when_quiet_and_stays_who_it_was(
    api: Api, tmp_path: Path
) -> None:
    with Program(tmp_path, *client_of(api, tmp_path), "--json") as program:
        await program.takes_requests()
        kept = tmp_path / f"receiver-{program.port}.json"
        assert kept.stat().st_mode & 0o777 == 0o600
        issued = IssuedCredentials(**json.loads(kept.read_text()))
        token = jwt.encode(
            {
                "iss": issued.client_id,
                "aud": f"http://127.0.0.1:{program.port}/notifications",
                "exp": int(time.time()) + 60,
                "scope": "welkin",
            },
            issued.client_secret,
            algorithm="HS256",
        )
        href = f"{api.base_url}".rstrip("/") + "/v1/workers?page[size]=5"
        async with PlainHttp(headers={"Authorization": f"Bearer {token}"}) as sender:
            sent = await sender.post(
                f"http://127.0.0.1:{program.port}/notifications",
                json=[{"resource": "workers", "href": href, **SPAN}],
            )
            assert sent.status_code == 200
        await program.says('"pulled"')
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(60) == 0
        events = [json.loads(line) for line in program.said.splitlines()]
        assert events[0]["event"] == "notification"
        assert events[-1] == {
            "event": "pulled",
            "resource": "workers",
            "rows": 0,
            "pages": 1,
            **SPAN,
        }


@pytest.mark.slow
async def test_it_goes_on_as_the_same_subscriber(api: Api, tmp_path: Path) -> None:
    with Program(tmp_path, *client_of(api, tmp_path)) as program:
        await program.says("--client-secret")
        port, first = program.port, program.command()
    (tmp_path / "said").unlink()
    with Program(tmp_path, *client_of(api, tmp_path), port=port) as program:
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
