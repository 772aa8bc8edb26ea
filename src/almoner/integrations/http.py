"""HTTP as a task has it: guarded in where it goes, bounded in what it reads and how long it waits.

Nobody is waited for with a transaction open (decision 23).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid5

import msgspec

from almoner.integrations.declare import IntegrationError, TemporaryError
from almoner.outbound.http import HttpClient, SendError, TooLongError
from almoner.vocabulary import json_values
from almoner.vocabulary.json_values import JsonError
from almoner.work.step import StepRun

LONGEST: Final = 4 * 1024 * 1024
_LONGEST_WAIT: Final = 3600.0
_PASSING: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What a partner answered: its status, its body of at most 4 MiB, and in how many seconds it
    wishes to be asked again, at most an hour; 0 where it has no wish.
    """

    status: int
    body: bytes
    retry_after: float = 0.0

    def json(self) -> Any:
        """The body as JSON. Raises IntegrationError where it is none."""
        try:
            return json_values.from_outside(self.body)
        except JsonError as error:
            raise IntegrationError(
                "malformed_response",
                f"The partner's answer cannot be read as JSON: {error}.",
                status=self.status,
            ) from None

    def well(self) -> HttpResponse:
        """This answer. Raises TemporaryError where another one may come to the same request later,
        else IntegrationError.
        """
        if 200 <= self.status < 300:
            return self
        if self.status >= 500 or self.status in _PASSING:
            raise TemporaryError(
                "partner_unavailable",
                f"The partner answered {self.status}.",
                after=self.retry_after,
                status=self.status,
            )
        raise IntegrationError(
            "partner_refused", f"The partner answered {self.status}.", status=self.status
        )


class GuardedHttp:
    """Sends requests for one task. Each POST carries an ``Idempotency-Key`` of its own, made of
    where it goes, what it says and how often the task has said just that: the same in each try of
    the task, and when it is run again with what it was given. Who sends the time of the try along
    gives the key as a header.

    Raises TemporaryError where there is no answer, IntegrationError where nothing may be sent there
    or the answer is too long."""

    def __init__(self, client: HttpClient, run: StepRun) -> None:
        self._client = client
        self._run = run
        self._posts: Counter[str] = Counter()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """The answer to a GET."""
        return await self._send("GET", url, {**(headers or {})}, None)

    async def post(
        self, url: str, json: Any = None, form: Mapping[str, str] | None = None, **headers: str
    ) -> HttpResponse:
        """The answer to a POST of JSON or of a form; ``headers`` by their names, ``_`` for
        ``-``.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if form is None:
            named["Content-Type"], body = "application/json", msgspec.json.encode(json)
        else:
            named["Content-Type"], body = (
                "application/x-www-form-urlencoded",
                urlencode(form).encode(),
            )
        return await self._send("POST", url, named, body)

    def _key(self, to: str, body: bytes) -> str:
        content = f"{to} {sha256(body).hexdigest()}"
        self._posts[content] += 1
        return str(uuid5(UUID(self._run.step.effects_key), f"{content} {self._posts[content]}"))

    async def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> HttpResponse:
        if self._run.writes:
            raise RuntimeError(
                "A task asks others first and writes then: while others are waited for, no"
                " transaction is open."
            )
        if method != "GET":
            headers.setdefault("Idempotency-Key", self._key(f"{method} {url}", body or b""))
        try:
            answer = await self._client.send(method, url, headers, body, LONGEST)
        except TooLongError as error:
            raise IntegrationError(
                "answer_too_long", f"The partner {error.words}", limit_bytes=LONGEST
            ) from None
        except SendError as error:
            known = IntegrationError if error.step == "url" else TemporaryError
            raise known(
                "partner_unreachable", f"The partner {error.words}", step=error.step
            ) from None
        return HttpResponse(answer.status, answer.body, _seconds(answer.retry_after))


def _seconds(retry_after: str) -> float:
    """The seconds that a ``Retry-After`` says (RFC 9110, section 10.2.3), as a number or a date; 0
    where it says nothing that can be read.
    """
    if retry_after.isascii() and retry_after.isdigit():
        return _LONGEST_WAIT if len(retry_after) > 9 else min(float(retry_after), _LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(then - time.time(), 0.0), _LONGEST_WAIT)
