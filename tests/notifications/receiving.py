"""What the tests of notifications share: a receiver on a real socket, subscriptions to it, and
notifiers that are in a hurry.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from joserfc import jws
from joserfc.jwk import OctKey

from almoner.access.secrets import SecretBox
from almoner.database import Database
from almoner.notifications import subscriptions
from almoner.notifications.authentication import Authenticator
from almoner.notifications.delivery import Courier
from almoner.notifications.notifier import Notifier, NotifierTerms, Pace
from almoner.notifications.subscription import Subscription
from almoner.notifications.subscription_terms import Rules
from almoner.outbound.http import HttpClient
from almoner.resources import BY_NAME
from tests.changes.writing import PATIENCE

PUBLIC_URL = "https://care.example.org"
SECRET = "the secret that the subscriber issued"
# Everything that takes seconds in service takes a fraction of one here.
HURRIED = Pace(look=0.01, touch=0.05, halt=0.6, lost=0.8, advance=0.2, grace=1.0)
RULES = Rules(BY_NAME, private_targets=True)

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def accept(request: web.Request) -> web.StreamResponse:
    return web.Response(text="thanks")


@dataclass
class ReceivedNotification:
    """A notification as it arrived; ``at`` is a moment of this machine's watch."""

    at: float
    body: Any
    token: str


@dataclass
class Receiver:
    """A subscriber's server: the notify URL and the token endpoint of as many subscriptions as
    wanted, told apart by path.

    ``answering`` makes the answers of a path, ``most`` is how many requests of a path were under
    way at once, at most."""

    port: int = 0
    received: dict[str, list[ReceivedNotification]] = field(default_factory=dict)
    answering: dict[str, Answering] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    under_way: dict[str, int] = field(default_factory=dict)
    assertions: list[str] = field(default_factory=list)
    token_answer: Callable[[int], web.Response] | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "in") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    @property
    def token_url(self) -> str:
        return self.url("token")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lstrip("/")
        self.under_way[path] = self.under_way.get(path, 0) + 1
        self.most[path] = max(self.most.get(path, 0), self.under_way[path])
        try:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            self.received.setdefault(path, []).append(
                ReceivedNotification(time.monotonic(), json.loads(await request.read()), token)
            )
            self.arrived.set()
            return await self.answering.get(path, accept)(request)
        finally:
            self.under_way[path] -= 1

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.assertions.append(str(form["assertion"]))
        count = len(self.assertions)
        if self.token_answer is not None:
            return self.token_answer(count)
        return web.json_response(
            {"access_token": f"token-{count}", "token_type": "Bearer", "expires_in": 3600}
        )

    async def got(
        self, count: int, path: str = "in", seconds: float = PATIENCE
    ) -> list[ReceivedNotification]:
        """The notifications of a path, once there are so many."""
        deadline = time.monotonic() + seconds
        while len(self.received.get(path, [])) < count:
            left = deadline - time.monotonic()
            assert left > 0, (
                f"{count} notifications were expected at /{path}, there are"
                f" {self.received.get(path, [])}"
            )
            self.arrived.clear()
            try:
                await asyncio.wait_for(self.arrived.wait(), left)
            except TimeoutError:
                continue
        return self.received[path]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of the loopback."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/token", receiver.token)
    application.router.add_post("/{path:.*}", receiver.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_receiver(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that says whatever ``talk`` writes once a request has arrived; gives its URL."""
    under_way: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(h[15:])
                    for h in head.lower().split(b"\r\n")
                    if h.startswith(b"content-length:")
                ),
                0,
            )
            await reader.readexactly(length)
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            under_way.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/in"
    finally:
        server.close()
        for task in list(under_way):
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def subscribe(
    database: Database, box: SecretBox, environment: int, url: str, **terms: Any
) -> Subscription:
    """A subscription to patients that signs its own bearer tokens, unless told otherwise."""
    body = {
        "name": f"test {uuid.uuid4().hex}",
        "notify_url": url,
        "resources": ["patients"],
        "authentication": "bearer_jwt",
        "client_id": "almoner-at-the-subscriber",
        "client_secret": SECRET,
        "audience": "https://subscriber.example.org",
        **terms,
    }
    async with database.connection() as connection:
        return await subscriptions.create(connection, box, environment, body, RULES)


@asynccontextmanager
async def notifying(
    database: Database,
    box: SecretBox,
    coalesce: float = 0.0,
    patience: float = 30.0,
    pace: Pace = HURRIED,
) -> AsyncIterator[Notifier]:
    """A notifier in this process, in a hurry."""
    client = HttpClient(private_targets=True, patience=patience)
    courier = Courier(client, Authenticator(box, client))
    notifier = Notifier(database, courier, NotifierTerms(PUBLIC_URL, coalesce, 30), pace=pace)
    stop = asyncio.Event()
    running = asyncio.create_task(notifier.run(stop))
    try:
        yield notifier
    finally:
        stop.set()
        await running
        await client.close()


def claims(token: str) -> dict[str, Any]:
    """What a token says, once its signature is checked."""
    verified = jws.deserialize_compact(
        token, OctKey(SECRET.encode(), SECRET.encode()), algorithms=["HS256"]
    )
    document: dict[str, Any] = json.loads(verified.payload)
    return document


async def deliveries(database: Database, subscription: Subscription) -> list[Any]:
    """The attempts that were kept, the first one first."""
    async with database.connection() as connection:
        rows: list[Any] = await connection.fetch(
            "SELECT * FROM deliveries WHERE subscription_id = $1 ORDER BY id", subscription.id
        )
        return rows


async def new_subscription(database: Database, subscription: Subscription) -> Subscription:
    """The subscription as it is now."""
    async with database.connection() as connection:
        return await subscriptions.find(connection, subscription.environment_id, subscription.id)
