"""Kiwi Health as a made-up partner: an OAuth token, an account, and lab results page by page.

``mood`` is how it answers: ``well``, or wrong in one of the ways in which partners are.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

CLIENT_ID: Final = "almoner"
CLIENT_SECRET: Final = "made-up-secret-of-kiwi-health"  # noqa: S105  # it opens nothing
_TOKEN: Final = "made-up-token"  # noqa: S105
_TOO_LONG: Final = 10 * 1024 * 1024


@dataclass
class Partner:
    """Serves ``results``; ``asked`` has the path of every request."""

    results: Sequence[Any] = ()
    mood: str = "well"
    asked: list[str] = field(default_factory=list)

    def application(self) -> web.Application:
        """The web application."""
        application = web.Application(middlewares=[self._moody])
        application.router.add_post("/oauth/token", self._token)
        application.router.add_get("/v1/account", self._account)
        application.router.add_get("/v1/results", self._results)
        return application

    @web.middleware
    async def _moody(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path == "/v1/results" and self.mood != "well":
            answer = await self._answer_badly(request)
            if answer is not None:
                return answer
        allowed = request.headers.get("Authorization") == f"Bearer {_TOKEN}"
        if request.path != "/oauth/token" and not allowed:
            return web.json_response({"error": "invalid_token"}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    async def _answer_badly(self, request: web.Request) -> web.StreamResponse | None:
        if self.mood == "down":
            return web.json_response({}, status=503)
        if self.mood == "slow":
            await asyncio.sleep(60)
        elif self.mood == "closes" and request.transport is not None:
            request.transport.close()
        elif self.mood == "too_long":
            return web.Response(body=b" " * _TOO_LONG, content_type="application/json")
        elif self.mood == "no_json":
            return web.Response(text="<html>Sorry</html>")
        elif self.mood == "endless":
            return web.json_response({"results": [], "next": "again"})
        elif self.mood == "redirects":
            raise web.HTTPFound("http://169.254.169.254/latest/meta-data")
        return None

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response(
            {"access_token": _TOKEN, "token_type": "Bearer", "expires_in": 300}
        )

    async def _account(self, request: web.Request) -> web.Response:
        status = "disabled" if self.mood == "disabled" else "active"
        return web.json_response({"name": "Kiwi Health", "status": status})

    async def _results(self, request: web.Request) -> web.Response:
        size, start = int(request.query["limit"]), int(request.query.get("cursor") or 0)
        end = start + size
        following = str(end) if end < len(self.results) else None
        return web.json_response({"results": self.results[start:end], "next": following})


@contextmanager
def served(partner: Partner) -> Iterator[str]:
    """Serves it on a free port of this machine, in a thread of its own; its address, until the
    block ends.
    """
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(partner.application(), shutdown_timeout=0.1)

    async def start() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
