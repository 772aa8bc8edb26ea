"""``POST /integrations/{name}/hook``: a partner begins a job.

The partner proves who it is by the hook's secret: as a bearer token, or as the key of an HMAC over
the time and the body. A call that comes again answers with the job that it began the first time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from almoner.access.audit import ReadAudit
from almoner.access.hooks import HookCallers, Hooks
from almoner.access.secrets import SecretBox
from almoner.data_api.declare import Resource
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.errors import problem
from almoner.integrations import calls, jobs
from almoner.integrations.declare import Integration
from almoner.integrations.installed import sealed_for
from almoner.vocabulary import json_values
from almoner.vocabulary.json_values import JsonError

_SAVE: Final = """
UPDATE integrations SET hook_way = $3, hook_sealed = $4, changed_at = clock_timestamp()
WHERE environment_id = $1 AND name = $2
"""
_CLOSE: Final = """
UPDATE integrations SET hook_way = NULL, hook_sealed = NULL, changed_at = clock_timestamp()
WHERE environment_id = $1 AND name = $2 AND hook_way IS NOT NULL RETURNING name
"""
# The secret says which environment is meant.
_READ: Final = """
SELECT environment_id, hook_way AS way, hook_sealed AS sealed FROM integrations
WHERE name = $1 AND enabled AND hook_sealed IS NOT NULL ORDER BY environment_id
"""


HOOKS: Final = Hooks(
    resource="integrations",
    about="integration",
    path="/integrations/{name}/hook",
    read=_READ,
    save=_SAVE,
    close=_CLOSE,
    sealed_for=sealed_for,
)


def route(
    database: Database,
    store: Store,
    tasks: Resource,
    box: SecretBox,
    audit: ReadAudit,
    known: Callable[[], Mapping[str, Integration]],
    now: Callable[[], float] = time.time,
    watch: Callable[[], float] = time.monotonic,
) -> Route:
    """The route. ``known`` are the integrations that are installed."""
    callers = HookCallers.noted_in(audit, HOOKS, database, box, watch)

    async def called(request: Request) -> Response:
        name, body = request.path_params["name"], await request.body()
        integration = known().get(name)
        environment_id, digest = await callers.of(request, name, body, now())
        if integration is None:
            raise callers.refused.refuse(request, HOOKS.resource, name, [environment_id])
        args = _args(integration, body)
        async with database.transaction() as connection:
            before = await calls.taken(connection, environment_id, name, digest)
            if before is not None:
                return _began(before["job_id"], 200)
            job_id = await jobs.begin_within(
                connection, store, tasks, environment_id, integration=integration, args=args
            )
            await calls.take(connection, environment_id, name, digest, job_id)
        return _began(job_id, 202)

    return HOOKS.route(called)


def _began(job_id: str, status: int) -> Response:
    return Response(msgspec.json.encode({"job_id": job_id}), status, media_type="application/json")


def _args(integration: Integration, body: bytes) -> list[Any]:
    """What the top task takes of the body: all of it as JSON, or nothing."""
    if not integration.top.takes:
        return []
    try:
        return [json_values.from_outside(body)]
    except JsonError as error:
        raise problem("bad_request", f"The body cannot be read as JSON: {error}.") from None
