"""The composition root of a server process: builds the parts, wires them, and serves them as one
ASGI application.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, cast
from urllib.parse import parse_qs

import msgspec
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import almoner.pages
import almoner.portal
import almoner.workshop.pages
from almoner import reference
from almoner.access import keys
from almoner.access.audit import ReadAudit
from almoner.access.oidc import Oidc, OidcProvider
from almoner.access.passwords import Passwords
from almoner.access.secrets import SecretBox
from almoner.access.sessions import Sessions
from almoner.access.sign_in import SignIn
from almoner.access.token_endpoint import TokenEndpoint
from almoner.access.tokens import Tokens
from almoner.chains import lag as chain_lag
from almoner.changes.completeness import Completeness
from almoner.changes.serve import ChangeFeed
from almoner.changes.standby import standby_at
from almoner.changes.watch import Watch
from almoner.commands.health import InstallationHealth
from almoner.data_api import digest
from almoner.data_api.describe import Addition, openapi
from almoner.data_api.serve import ApiAnswer, ApiRequest, DataApi
from almoner.data_api.store import Store
from almoner.database import Database, connection_guard
from almoner.database.query_cache import QueryCache
from almoner.integrations import hooks
from almoner.integrations.handler import TASKS
from almoner.integrations.installed import installed
from almoner.notifications import describe, lag
from almoner.notifications.serve import SubscriptionApi
from almoner.notifications.subscription_terms import Rules
from almoner.notifications.trial import SubscriptionTrial
from almoner.operations import health, logs, standing
from almoner.operations.edge import Edge, Limits
from almoner.operations.metrics import Metrics
from almoner.operations.parent import ending_with_parent
from almoner.operations.telemetry import traced
from almoner.outbound.http import trusting
from almoner.pages import serve as page_serving
from almoner.pages.folders import page_routes
from almoner.pages.navigation import ROOMS
from almoner.pages.page_parts import PageParts
from almoner.pages.render import Renderer
from almoner.pages.security import Cookies
from almoner.pages.sent_forms import SentForms
from almoner.pages.sign_in.provider import BACK
from almoner.pages.static_files import StaticFiles
from almoner.processes import hooks as process_hooks
from almoner.processes import lag as process_lag
from almoner.resources import BY_NAME, RESOURCES
from almoner.sandbox.serve import Sandbox
from almoner.settings import Settings
from almoner.work import standing as work
from almoner.worker import notifying, working
from almoner.workshop import program_api, program_describe
from almoner.workshop.programs import PublishedPrograms

Asgi = Callable[[Any, Any, Any], Awaitable[None]]
# Where a caller is matters only where failed attempts are counted by address: at tokens, and on
# pages.
_TOKEN = "/v1/token"  # noqa: S105  # a path
PAGES = (
    *page_routes(almoner.pages),
    *page_routes(almoner.workshop.pages),
    *page_routes(almoner.portal),
)
_HTTPS_ONLY = ((b"strict-transport-security", b"max-age=31536000"),)


@dataclass(frozen=True)
class ServerParts:
    """What a running server is made of, for those who need more of it than its HTTP side."""

    database: Database
    store: Store
    edge: Edge
    metrics: Metrics


class Application:
    """Builds the parts when the server starts, and closes them when it stops (ASGI lifespan).

    ``with_worker``: a notifier and a runner are in the same process. ``on_holding``: see
    ``Database``. ``developing``: as `make dev` has it, templates are read anew when they change,
    and every statement is logged with how long it took. ``passwords`` makes what hashes them:
    tests, which sign in a thousand times, hand in one that does so at little cost."""

    def __init__(
        self,
        settings: Settings,
        with_worker: bool = False,
        on_holding: connection_guard.Reaction = connection_guard.logged,
        developing: bool = False,
        passwords: Callable[[], Passwords] = Passwords,
    ) -> None:
        self._settings = settings
        self._on_holding = on_holding
        self._developing = developing
        self._passwords = passwords
        self._with_worker = with_worker
        self._edge: Edge | None = None
        self._proxied: Asgi = self

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._edge is None:
            raise RuntimeError("the application has not been started")
        elif scope["path"].startswith("/v1/") and not scope["path"].startswith(_TOKEN):
            await self._edge(scope, receive, send)
        else:
            await self._proxied(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            async with AsyncExitStack() as open_parts:
                open_parts.enter_context(ending_with_parent())
                parts = await open_parts.enter_async_context(
                    running(self._settings, self._on_holding, self._developing, self._passwords)
                )
                if self._with_worker:
                    await open_parts.enter_async_context(notifying(self._settings, parts.metrics))
                    await open_parts.enter_async_context(working(self._settings, parts.metrics))
                self._edge = parts.edge
                trusted = self._settings.trusted_proxies
                self._proxied = cast(Asgi, ProxyHeadersMiddleware(cast(Any, parts.edge), trusted))
                # What is here now stays: the collector need not look at it again and again.
                gc.collect()
                gc.freeze()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                self._edge = None
        except Exception as error:
            if self._edge is not None:
                raise
            logs.configure(self._settings.log_format).error("start failed", **logs.fault(error))
            await send(
                {
                    "type": "lifespan.startup.failed",
                    "message": "see the log; almoner doctor says what is wrong",
                }
            )
            return
        await send({"type": "lifespan.shutdown.complete"})


def from_environment() -> Application:
    """The application of one of several worker processes, which reads its settings by itself."""
    return Application(Settings.read(os.environ))


def from_environment_with_worker() -> Application:
    """The same with a notifier in each process; they share the subscriptions among them."""
    return Application(Settings.read(os.environ), with_worker=True)


@asynccontextmanager
async def running(
    settings: Settings,
    on_holding: connection_guard.Reaction = connection_guard.logged,
    developing: bool = False,
    passwords: Callable[[], Passwords] = Passwords,
) -> AsyncIterator[ServerParts]:
    """The parts of a server on the database that the settings name, until the block ends."""
    metrics = Metrics()
    log = logs.configure(settings.log_format, developing, metrics.logged)
    trusted = trusting(settings.ca_file)
    database = await _connected(settings, metrics, on_holding, developing)
    programs = PublishedPrograms(database, second_factor_for=settings.second_factor_rights)
    store = Store(database, programs, RESOURCES)
    audit = ReadAudit(database)
    standby = standby_at(settings.standby_url, settings.connections, settings.request_seconds)
    try:
        async with database.connection() as connection:
            # The first writer of a cluster holds a lock: better now than in a long write.
            await connection.execute("SELECT almoner_epoch()")
            box = await keys.box(connection, settings.key_source)
        await database.agree_on_zones()
        api = DataApi(
            resources=RESOURCES,
            database=database,
            store=store,
            tokens=Tokens(database),
            audit=audit,
            completeness=Completeness(database, time.monotonic),
            url=settings.url,
            standby=standby,
        )
        pages = _pages(
            settings,
            database,
            box,
            store,
            programs,
            metrics=metrics,
            audit=audit,
            trusted=trusted,
            developing=developing,
            passwords=passwords(),
        )
        edge = _edge(
            settings,
            database,
            box,
            api=api,
            audit=audit,
            pages=pages,
            metrics=metrics,
            log=log,
            trusted=trusted,
        )
        yield ServerParts(database, store, edge, metrics)
    finally:
        metrics.hand_on()
        await audit.aclose()
        await standby.close()
        await database.close()


async def _connected(
    settings: Settings, metrics: Metrics, on_holding: connection_guard.Reaction, developing: bool
) -> Database:
    def holding_counted(error: connection_guard.HoldingError) -> None:
        metrics.hold()
        on_holding(error)

    return await Database.connect(
        settings.database_url,
        settings.connections,
        statement_seconds=settings.request_seconds,
        on_holding=holding_counted,
        on_statement=logs.statement if developing else None,
    )


def _edge(
    settings: Settings,
    database: Database,
    box: SecretBox,
    api: DataApi,
    audit: ReadAudit,
    pages: page_serving.PageApplication,
    metrics: Metrics,
    log: Any,
    trusted: SSLContext,
) -> Edge:
    tokens = TokenEndpoint(database, box, settings.token_url, BY_NAME)
    feed = ChangeFeed(database, api.access, audit, RESOURCES)
    digests = digest.DigestApi(database, api.access, audit, api.completeness, RESOURCES)
    program = program_api.ProgramApi(database, api.access)

    async def token(request: ApiRequest) -> ApiAnswer:
        content_type = request.headers.get(b"content-type", b"").decode("latin-1")
        status, headers, body = await tokens.answer(
            request.method, await request.body(), content_type, request.address
        )
        return ApiAnswer(status, msgspec.json.encode(body), headers, "token")

    documents = {
        shape: msgspec.json.encode(
            openapi(
                RESOURCES,
                settings.url,
                enveloped=shape == "enveloped",
                additions=additions(settings, shape == "enveloped"),
            )
        )
        for shape in ("documented", "enveloped")
    }

    async def document(request: ApiRequest) -> ApiAnswer:
        shape = parse_qs(request.query.decode("latin-1")).get("shape", ["documented"])[0]
        return ApiAnswer(200, documents.get(shape, documents["documented"]), operation="openapi")

    trial = SubscriptionTrial(box, settings.private_targets, trusted)
    subscriptions = SubscriptionApi(database, api.access, box, _rules(settings), trial)
    around = Sandbox(database, api.access).around
    fixed = {
        "/v1/token": token,
        "/v1/openapi.json": document,
        "/v1/changes": around(feed.answer),
        digest.PATH: around(digests.answer),
        program_api.PATH: around(program.answer),
    }
    return Edge(
        fixed={path: traced(handler, settings.otlp_endpoint) for path, handler in fixed.items()},
        below={"subscriptions": traced(around(subscriptions.answer), settings.otlp_endpoint)},
        api=traced(around(api.answer), settings.otlp_endpoint),
        pages=pages,
        limits=Limits(settings.body_limit, settings.request_seconds, settings.client_limit),
        metrics=metrics,
        log=log,
        log_all=settings.access_log == "all",
        extra_headers=_HTTPS_ONLY if settings.url.startswith("https://") else (),
    )


def additions(settings: Settings, enveloped: bool = False) -> list[Addition]:
    """What a server offers besides the collections, as the reference describes it."""
    return [describe.addition(_rules(settings), enveloped), program_describe.addition(enveloped)]


def _rules(settings: Settings) -> Rules:
    return Rules(BY_NAME, settings.private_targets)


def _pages(
    settings: Settings,
    database: Database,
    box: SecretBox,
    store: Store,
    programs: PublishedPrograms,
    metrics: Metrics,
    audit: ReadAudit,
    trusted: SSLContext,
    developing: bool,
    passwords: Passwords,
) -> page_serving.PageApplication:
    """Everything that a browser, a probe or a collector of metrics fetches."""
    static = StaticFiles()
    parts = PageParts(
        database=database,
        store=store,
        programs=programs,
        box=box,
        sessions=Sessions(database, settings.idle_minutes),
        renderer=Renderer(static, ROOMS, developing),
        cookies=Cookies(settings.url),
        url=settings.url,
        body_limit=settings.body_limit,
        import_rows=settings.import_rows,
        audit=audit,
        private_targets=settings.private_targets,
        trusted=trusted,
        passwords=passwords,
        sign_in=SignIn(
            database,
            box,
            passwords,
            programs.require_second_factor,
            by_password=settings.passwords,
        ),
        oidc=_identity_provider(settings, box),
        watch=Watch(database, settings.idle_minutes),
        query_cache=QueryCache(database),
        inactive_days=settings.inactive_days,
        sent_forms=SentForms(database),
        health=InstallationHealth(settings, database),
    )
    routes = [
        *health.routes(
            database,
            metrics,
            lambda: audit.dropped,
            lambda: standing.exposition(
                database, lag.gauges, work.gauges, process_lag.gauges, chain_lag.gauges
            ),
            settings.metrics_token,
        ),
        *reference.routes(RESOURCES, settings.url, additions(settings)),
        static.route(),
        hooks.route(database, store, BY_NAME[TASKS], box, audit=audit, known=installed),
        process_hooks.route(database, box, audit),
        *page_serving.routes(PAGES, parts),
    ]
    return page_serving.PageApplication(routes, parts)


def _identity_provider(settings: Settings, box: SecretBox) -> Oidc | None:
    if not settings.oidc_issuer:
        return None
    provider = OidcProvider(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        name=settings.oidc_name,
        acr=tuple(settings.oidc_acr.split()),
        amr=tuple(settings.oidc_amr.split()),
    )
    return Oidc(provider, settings.url + BACK, box, private_targets=settings.private_targets)
