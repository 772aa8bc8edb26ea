"""Whether this process lives (``/healthz``) and can serve (``/readyz``), and its metrics
(``/metrics``).
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from almoner.database import Database
from almoner.errors import UnavailableError, problem, render
from almoner.operations.metrics import Metrics


def routes(
    database: Database,
    metrics: Metrics,
    dropped: Callable[[], int],
    standing: Callable[[], Awaitable[bytes]],
    token: str,
) -> list[Route]:
    """The three routes. They tell nothing of what is stored. ``standing`` gives metrics that are
    read from the database.

    ``token`` is what metrics are told to; to nobody where it is empty.
    """

    async def alive(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> Response:
        try:
            async with database.connection() as connection:
                await connection.fetchval("SELECT 1")
        except UnavailableError:
            return JSONResponse(
                {"status": "the database cannot be reached"}, 503, {"Retry-After": "2"}
            )
        return JSONResponse({"status": "ready"})

    async def counted(request: Request) -> Response:
        header = request.headers.get("authorization", "").encode("latin-1")
        if not token or not hmac.compare_digest(header, b"Bearer " + token.encode()):
            refused = problem(
                "unauthorized",
                "Metrics are told to whoever sends ALMONER_METRICS_TOKEN as a bearer token.",
            )
            headers = {"WWW-Authenticate": 'Bearer realm="metrics"'}
            return Response(render(refused), 401, headers, "application/json")
        text = metrics.exposition(database.opened, database.idle, dropped())
        # Without the database the rest is all the more of interest.
        with suppress(UnavailableError):
            text += await standing()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", counted)]
