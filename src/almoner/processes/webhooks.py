"""Webhooks of processes: addresses of others that a process calls, at least once, after what it did
stands.

Each is declared in the environment with a secret, never in the program. A call carries a JWT that
is signed with the secret as notifications are, and an ``Idempotency-Key`` that stays the same
however often it is tried."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.access import worker_events
from almoner.access.secrets import SealError, SecretBox, new_secret
from almoner.access.worker_events import AT_THE_TERMINAL, By
from almoner.data_api.writes import new_id
from almoner.database import Connection, Database
from almoner.errors import problem
from almoner.notifications.authentication import signed_token
from almoner.outbound.http import HttpClient, SendError
from almoner.processes import firings, pauses
from almoner.processes.firings import CALL, QUEUE, Firing
from almoner.vocabulary.times import iso
from almoner.work import backoff, queries
from almoner.work.step import DONE, FAILED, READY, REFUSED, NewStep, Outcome, Step

# What a webhook is told by a trial.
TRIAL: Final = b'{"trial":true}'
ISSUER: Final = "almoner"
# How often it is tried: for an hour or so.
CALL_ATTEMPTS: Final = 12
# How often one that a pause holds looks whether it still does, in seconds; the end of the pause has
# it look at once.
_LOOK_AGAIN: Final = 30.0
# How many calls of an environment a worker has under way at a time.
_CALLS_AT_ONCE: Final = 8
# What a receiver may answer that another try may change.
_PASSING: Final = (408, 425, 429)
_SET: Final = """
INSERT INTO process_webhooks (environment_id, name, url, sealed) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, name) DO UPDATE
SET url = excluded.url, sealed = excluded.sealed, changed_at = clock_timestamp()
"""
_MOVE: Final = """
UPDATE process_webhooks SET url = $3, changed_at = clock_timestamp()
WHERE environment_id = $1 AND name = $2
"""
_REMOVE: Final = """
DELETE FROM process_webhooks WHERE environment_id = $1 AND name = $2 RETURNING url
"""
_LIST: Final = """
SELECT name, url, changed_at FROM process_webhooks WHERE environment_id = $1 ORDER BY name
"""
_READ: Final = "SELECT url, sealed FROM process_webhooks WHERE environment_id = $1 AND name = $2"
_UNKNOWN: Final = (
    "The environment has no webhook {name}. Declare it in the Workshop under Process webhooks, or"
    " with: almoner process webhook {name} URL, then try again."
)


@dataclass(frozen=True)
class DeclaredWebhook:
    """A webhook that an environment has, since when (UTC)."""

    name: str
    url: str
    changed_at: datetime


async def set_webhook(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    name: str,
    url: str,
    by: By = AT_THE_TERMINAL,
) -> str | None:
    """Declares a webhook with a new secret, which is the answer; takes it away where the address is
    blank. In a transaction.
    """
    if not url:
        before = await connection.fetchval(_REMOVE, environment_id, name)
        await _changed(connection, environment_id, "webhook deleted", by, name, before=before)
        return None
    secret = new_secret()
    sealed = box.seal(secret, _sealed_for(environment_id, name))
    await connection.execute(_SET, environment_id, name, url, sealed)
    await _changed(connection, environment_id, "webhook made", by, name, after=url)
    return secret


async def move(
    connection: Connection, environment_id: int, webhook: DeclaredWebhook, url: str, by: By
) -> None:
    """Gives a webhook another address; its secret stays. In a transaction."""
    await connection.execute(_MOVE, environment_id, webhook.name, url)
    values = {"before": webhook.url, "after": url}
    await _changed(connection, environment_id, "webhook changed", by, webhook.name, **values)


async def _changed(
    connection: Connection,
    environment_id: int,
    event: worker_events.Kind,
    by: By,
    name: str,
    before: str | None = None,
    after: str | None = None,
) -> None:
    urls = [None if url is None else {"url": url} for url in (before, after)]
    about = f"process webhook:{name}"
    await worker_events.changed(
        connection, environment_id, event, by, about, before=urls[0], after=urls[1]
    )


async def declared(connection: Connection, environment_id: int) -> dict[str, DeclaredWebhook]:
    """The webhooks of an environment, by their names."""
    rows = await connection.fetch(_LIST, environment_id)
    return {row["name"]: DeclaredWebhook(**row) for row in rows}


async def is_declared(connection: Connection, environment_id: int, name: str) -> bool:
    return await connection.fetchrow(_READ, environment_id, name) is not None


async def trial(
    connection: Connection, box: SecretBox, environment_id: int, name: str
) -> Mapping[str, str]:
    """The headers of a call that tries a webhook out: with nothing to be done again by its key.
    Raises a 400 ApiError where the secret cannot be read.
    """
    row = await connection.fetchrow(_READ, environment_id, name)
    try:
        key = f"trial-{new_id()}"
        return _headers(box, environment_id, name, row, key=key, now=time.time())
    except SealError as error:
        raise problem("bad_request", f"{error} Make a new secret.") from None


def _headers(
    box: SecretBox, environment_id: int, name: str, row: Mapping[str, Any], key: str, now: float
) -> Mapping[str, str]:
    """What a call carries. Raises SealError."""
    secret = box.open(row["sealed"], _sealed_for(environment_id, name))
    return {
        "Authorization": f"Bearer {signed_token(secret, ISSUER, row['url'], int(now))}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }


def unknown(name: str) -> str:
    """What to do about a webhook that the environment does not have."""
    return _UNKNOWN.format(name=name)


async def schedule(
    connection: Connection, environment_id: int, firing_id: str, name: str, place: int
) -> None:
    """Has a webhook called once the transaction is committed. ``place`` numbers the action."""
    step = NewStep(new_id(), CALL, {"webhook": name, "place": place})
    await queries.add(
        connection, environment_id, QUEUE, job_id=firing_id, parent_id=None, steps=[step]
    )


class WebhookCaller:
    """Calls webhooks. ``clock`` tells seconds since 1970 (UTC)."""

    def __init__(
        self,
        database: Database,
        box: SecretBox,
        client: HttpClient,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._box = box
        self._client = client
        self._clock = clock
        self._turns: dict[int, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_CALLS_AT_ONCE)
        )

    async def call(self, step: Step) -> Outcome:
        """Does a step that calls. No connection is held while the receiver is waited for."""
        name = step.args["webhook"]
        async with self._database.connection() as connection:
            firing = await firings.get(connection, step.environment_id, step.job_id)
            row = await connection.fetchrow(_READ, step.environment_id, name)
            if firing is None:
                return Outcome(DONE)
            about = (firing.process, firing.patient_id)
            if await pauses.is_paused(connection, step.environment_id, *about):
                return Outcome(READY, wait=_LOOK_AGAIN, untried=True)
        if row is None:
            return _failed(REFUSED, "webhook_unknown", unknown(name))
        key = f"{firing.id}-{step.args['place']}"
        try:
            headers = _headers(
                self._box, step.environment_id, name, row, key=key, now=self._clock()
            )
        except SealError as error:
            return _failed(REFUSED, "webhook_secret", f"{error} Declare the webhook {name} anew.")
        try:
            async with self._turns[step.environment_id]:
                answer = await self._client.post(row["url"], _body(firing), headers)
        except SendError as error:
            return self._once_more(step, f"The webhook {name} {error.words}")
        if 200 <= answer.status < 300:
            return Outcome(DONE)
        words = f"The webhook {name} answered with {answer.status}. Ask whoever runs it."
        if 400 <= answer.status < 500 and answer.status not in _PASSING:
            return _failed(REFUSED, "webhook_failed", words)
        return self._once_more(step, words)

    def _once_more(self, step: Step, words: str) -> Outcome:
        return backoff.again(step, CALL_ATTEMPTS, _failed(FAILED, "webhook_failed", words))


def _body(firing: Firing) -> bytes:
    """What a webhook is told: ids, and what happened, but nothing that is known of the patient."""
    return msgspec.json.encode(
        {
            "process": firing.process,
            "version": firing.version,
            "firing_id": firing.id,
            "patient_id": firing.patient_id,
            "event": firing.event,
            "fired_at": iso(firing.fired_at),
        }
    )


def _failed(state: str, code: str, message: str) -> Outcome:
    error: Mapping[str, Any] = {"code": code, "message": message}
    return Outcome(state, note=(firings.FAILED, error))


def _sealed_for(environment_id: int, name: str) -> str:
    return f"process webhook {environment_id}/{name}"
