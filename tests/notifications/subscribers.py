"""Subscribers for the tests: servers on sockets of the loopback that take notifications, or refuse
them in every way.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.conftest import free_port


class Listening:
    """Serves an ASGI application in a thread of its own until the block ends."""

    def __init__(self, app: Any, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=self.port,
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Listening:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the subscriber did not start"
            self._thread.join(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)


class Subscriber:
    """Takes every notification, with a token endpoint that takes every assertion. ``received`` holds
    what was posted.
    """

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.answers: Callable[[], Awaitable[Response]] = self._well
        self.token: dict[str, Any] = {
            "access_token": "a-token",
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        self.token_status = 200

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/notifications", self._notified, methods=["POST"]),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _notified(self, request: Request) -> Response:
        self.received.append((request.headers["authorization"], await request.body()))
        return await self.answers()

    async def _token(self, request: Request) -> Response:
        return JSONResponse(self.token, self.token_status)

    async def _well(self) -> Response:
        return Response(status_code=204)
