"""Everybody who uses an installation at once while its database fails: writers, a follower of the feed, a subscriber, and an open page."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from aiohttp import web

from tests.notifications.test_nothing_lost import Reader
from tests.people import Person
from tests.plain_http import PlainHttp
from tests.processes.conftest import GRACE

WRITERS: Final = 4
_PAUSE_SECONDS: Final = 0.05


class Answers:
    """What the writers were answered: the names of patients by what was said of them."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, str] = {}
        self.undone: set[str] = set()
        self.unknown: set[str] = set()
        self.wrong: list[str] = []
        self.is_over = False
        self.slowest = 0.0
        # When the request began that was acknowledged last.
        self.acknowledged_at = 0.0
        self._numbers = itertools.count(1)

    async def write(self, url: str, token: str) -> None:
        """Writes patients one after the other, until it ``is_over``."""
        async with PlainHttp(base_url=url, headers=_bearer(token), timeout=90) as caller:
            while not self.is_over:
                name = f"Hopper {next(self._numbers)}"
                began = time.monotonic()
                try:
                    answer = await caller.post("/v1/patients", json=GRACE | {"last_name": name})
                except httpx.HTTPError as error:
                    self.wrong.append(f"{name}: {error!r}")
                    continue
                self.slowest = max(self.slowest, time.monotonic() - began)
                self._note(name, began, answer)
                await asyncio.sleep(_PAUSE_SECONDS)

    def _note(self, name: str, began: float, answer: httpx.Response) -> None:
        if answer.status_code == 200:
            self.acknowledged[name] = answer.json()["id"]
            self.acknowledged_at = max(self.acknowledged_at, began)
        elif answer.status_code != 503 or "retry-after" not in answer.headers:
            self.wrong.append(f"{name}: {answer.status_code} {answer.text}")
        else:
            (problem,) = answer.json()["errors"]
            is_unknown = problem.get("extra", {}).get("outcome") == "unknown"
            (self.unknown if is_unknown else self.undone).add(name)


class Follower:
    """Reads the feed from its beginning. ``announced`` counts how often each patient was told to be new."""

    def __init__(self) -> None:
        self.announced: Counter[str] = Counter()
        self._cursor = ""

    async def follow(self, url: str, token: str) -> None:
        """Reads on until it is cancelled."""
        async with PlainHttp(base_url=url, headers=_bearer(token), timeout=90) as caller:
            while True:
                after = {"after": self._cursor} if self._cursor else {}
                answer = await caller.get(
                    "/v1/changes", params={"limit": 500, "resource": "patients", **after}
                )
                if answer.status_code == 503:
                    await asyncio.sleep(0.2)
                    continue
                assert answer.status_code == 200, answer.text
                page = answer.json()
                self.announced.update(row["id"] for row in page["data"] if row["kind"] == "create")
                self._cursor = page["meta"]["after"]
                if not page["data"]:
                    await asyncio.sleep(0.1)


class Subscriber(Reader):
    """Follows every ``href`` that it is told of, and asks again where the database is away."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Takes a notification."""
        self.received.put_nowait(await request.json())
        return web.Response()

    async def _get(self, href: str) -> httpx.Response:
        while (answer := await super()._get(href)).status_code == 503:
            await asyncio.sleep(0.2)
        return answer


@dataclass
class OpenPage:
    """A patient's page in a browser: it comes back by itself, from where it was. ``changes`` are the events
    that it was sent."""

    person: Person
    patient_id: str
    changes: list[Any] = field(default_factory=list)

    async def stay(self) -> None:
        """Is open until it is cancelled."""
        last = ""
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            path = f"/patients/{self.patient_id}/live"
            with suppress(httpx.HTTPError):
                async with self.person.stream("GET", path, headers=headers) as answer:
                    if answer.status_code == 200:
                        async for line in answer.aiter_lines():
                            if line.startswith("id: "):
                                last = line.removeprefix("id: ")
                            elif line.startswith("data: {"):
                                self.changes.append(json.loads(line.removeprefix("data: ")))
            await asyncio.sleep(1.0)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
