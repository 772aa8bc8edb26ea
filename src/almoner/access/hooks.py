"""Hooks: addresses that another system calls, each proved by a secret of its own.

A sort of hooks, those of integrations or those of processes, is declared once: where its secrets
stand, where it is called, and what trails call it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from almoner.access import hook_proof, worker_events
from almoner.access.audit import ReadAudit
from almoner.access.refused_calls import RefusedCalls
from almoner.access.secrets import SecretBox
from almoner.access.worker_events import AT_THE_TERMINAL, By
from almoner.database import Connection, Database
from almoner.errors import Answerable, problem, render

# All, so that one that is refused is refused in the words of programs.
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """A sort of hooks, which the audit trail calls ``resource`` and events ``about``.

    ``path`` is where one is called, with ``{name}`` in it. ``read`` gives ``environment_id``,
    ``way`` and ``sealed`` of the hooks of a name, in every environment; ``save`` takes environment,
    name, way and sealed secret, ``close`` environment and name, and gives a row where it closed
    one. ``sealed_for`` is what a secret was sealed for."""

    resource: str
    about: str
    path: str
    read: str
    save: str
    close: str
    sealed_for: Callable[[int, str], str]

    def address(self, url: str, name: str) -> str:
        """Where the hook of this name is called, of a server at ``url``."""
        return url + self.path.replace("{name}", name)

    async def set(
        self,
        connection: Connection,
        box: SecretBox,
        environment_id: int,
        name: str,
        way: str,
        by: By = AT_THE_TERMINAL,
    ) -> str | None:
        """Opens a hook with a new secret, which is the answer; closes it where the way is ``none``.
        Raises a 400 ApiError where there is no such way.
        """
        about = f"{self.about}:{name}"
        if way == "none":
            if await connection.fetch(self.close, environment_id, name):
                await worker_events.changed(connection, environment_id, "hook closed", by, about)
            return None
        secret = hook_proof.new_hook_secret(way)
        sealed = box.seal(secret, self.sealed_for(environment_id, name))
        await connection.execute(self.save, environment_id, name, way, sealed)
        await worker_events.changed(
            connection, environment_id, "hook made", by, about, after={"way": way}
        )
        return secret

    def route(self, called: Callable[[Request], Awaitable[Response]]) -> Route:
        """The route of these hooks: whatever a call is refused for, programs read it as JSON."""

        async def answered(request: Request) -> Response:
            try:
                if request.method != "POST":
                    raise problem("method_not_allowed", "A hook allows POST.", {"Allow": "POST"})
                return await called(request)
            except Answerable as error:
                request.scope["error"] = error
                return Response(render(error), error.status, error.headers, "application/json")

        return Route(self.path, answered, methods=_METHODS)


@dataclass(frozen=True, kw_only=True)
class HookCallers:
    """Who calls hooks: the partner of an environment that has one of the name, or nobody who is
    known.
    """

    hooks: Hooks
    database: Database
    box: SecretBox
    refused: RefusedCalls

    @classmethod
    def noted_in(
        cls,
        audit: ReadAudit,
        hooks: Hooks,
        database: Database,
        box: SecretBox,
        watch: Callable[[], float] = time.monotonic,
    ) -> HookCallers:
        """Those whose refused calls are noted in the audit trail. ``watch`` tells seconds."""
        return cls(hooks=hooks, database=database, box=box, refused=RefusedCalls(audit, watch))

    async def of(self, request: Request, name: str, body: bytes, now: float) -> tuple[int, bytes]:
        """The environment that the caller is a partner of, and what the call is known again by.

        ``now`` is in seconds since 1970. Raises a 401 ApiError, which is noted, where nothing is
        proved."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(self.hooks.read, name)
        for hook in rows:
            environment_id = hook["environment_id"]
            secret = self.box.open(hook["sealed"], self.hooks.sealed_for(environment_id, name))
            digest = hook_proof.digest(hook["way"], secret, request, body, now)
            if digest is not None:
                return environment_id, digest
        environments = [hook["environment_id"] for hook in rows]
        raise self.refused.refuse(request, self.hooks.resource, name, environments)
