"""Workers who have signed in, for tests of pages: over plain HTTP, and in a browser."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx
import msgspec
from argon2 import PasswordHasher

from almoner.access import accounts, sessions
from almoner.access.grants import EVERYTHING
from almoner.access.passwords import Passwords
from almoner.access.sessions import csrf
from almoner.access.worker_events import By
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.pages.sent_forms import TOKEN
from almoner.resources.workers import workers
from almoner.vocabulary.regions import MONDAY
from tests.plain_http import PlainHttp

# What passwords are hashed with in tests: a thousandth of what it costs in production, which
# access/test_passwords.py looks at.
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)

# Where they work.
ZONE = "US/Eastern"


def cheap_passwords() -> Passwords:
    return Passwords(CHEAP)


class Person(PlainHttp):
    """A worker with a session, who fetches pages and sends forms as a browser would."""

    environment_id: int
    worker_id: str
    email: str
    token: str
    # Of whom there is most to see, where the demo was prepared for this worker.
    patient_id: str = ""

    async def send_form(
        self,
        path: str,
        *pairs: tuple[str, str],
        htmx: object = False,
        drawn: str = "",
        **values: str,
    ) -> httpx.Response:
        """Sends a form of this session. ``drawn`` is the token of the form where it is to be taken
        once; else each is a new one.
        """
        sent = [pair for pair in (*pairs, *values.items()) if pair[0] not in ("csrf", TOKEN)]
        fields = [("csrf", csrf(self.token)), *([(TOKEN, drawn)] if drawn else []), *sent]
        body = urlencode(fields)
        headers = {
            "Accept": "text/html",
            "Content-Type": "application/x-www-form-urlencoded",
        } | ({"HX-Request": "true"} if htmx else {})
        return await self.post(path, content=body, headers=headers)

    async def fragment(self, path: str) -> httpx.Response:
        """Fetches a part of a page, as htmx does."""
        return await self.get(path, headers={"HX-Request": "true"})


@dataclass
class People:
    """Makes workers of every kind, each signed in."""

    url: str
    database: Database
    store: Store

    async def __call__(
        self, environment: int, *roles: str, first_name: str = "Emily", last_name: str = "Smith"
    ) -> Person:
        email = f"{uuid.uuid4().hex}@example.org"
        body = {
            "email": email,
            "first_name": first_name,
            "last_name": last_name,
            "timezone": ZONE,
        }
        written = await self.store.create(
            Actor(environment, "test", "cli", "test", whole=True), workers, body
        )
        return await self.entered(
            environment, msgspec.json.decode(written.body)["id"], email, *roles
        )

    async def entered(self, environment: int, worker_id: str, email: str, *roles: str) -> Person:
        """A worker who is there already, with these roles, signed in."""
        async with self.database.connection() as connection:
            await accounts.set_roles(
                connection, environment, worker_id, roles, By("test", "test", EVERYTHING)
            )
            # Wherever their zones lie; tests of how times are written choose others.
            await accounts.set_notation(connection, environment, worker_id, 24, MONDAY)
            token = await sessions.begin(connection, environment, worker_id)
        person = Person(base_url=self.url, cookies={"almoner_session": token}, timeout=30)
        person.environment_id, person.worker_id, person.email, person.token = (
            environment,
            worker_id,
            email,
            token,
        )
        return person
