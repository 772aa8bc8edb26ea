"""What the tests of signing in share: a door whose clock is set by hand, and workers who stand
before it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyotp

from almoner.access import accounts, second_factor
from almoner.access.grants import EVERYTHING
from almoner.access.passwords import Passwords
from almoner.access.secrets import SecretBox
from almoner.access.sessions import Session, Sessions
from almoner.access.sign_in import SignIn
from almoner.access.sign_in_steps import Caller, Outcome
from almoner.access.worker_events import By, list_events
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources.workers import workers
from tests.people import CHEAP

PASSWORD = "violet tractors at noon"
ADDRESS = "203.0.113.7"
BY = By("test", "test", EVERYTHING)


class CountingPasswords(Passwords):
    """Cheap ones, which count how often they were asked."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.verified = 0

    async def verify(self, stored: str | None, password: str) -> bool:
        self.verified += 1
        return await super().verify(stored, password)


@dataclass
class Worker:
    """A worker with an account."""

    environment_id: int
    environment: str
    id: str
    email: str
    secret: str = ""


@dataclass
class Door:
    """Signing in to a database, at a time that is set by hand."""

    database: Database
    store: Store
    box: SecretBox
    now: float = 1_700_000_000.0
    requiring: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.passwords = CountingPasswords()
        self.rested: list[float] = []
        self.sessions = Sessions(self.database, 15)
        self.sign_in = SignIn(
            database=self.database,
            box=self.box,
            passwords=self.passwords,
            requires=self._requires,
            clock=lambda: self.now,
            pace=lambda: self.now,
            rest=self._rest,
        )

    async def _rest(self, seconds: float) -> None:
        self.rested.append(seconds)

    async def _requires(self, _: int, roles: Collection[str]) -> bool:
        return bool(self.requiring & {*roles})

    async def worker(
        self, environment_id: int, *roles: str, email: str = "", password: str | None = PASSWORD
    ) -> Worker:
        """A worker with an account. None for the password: none has been set."""
        # What other tests did from the networks of this one.
        await self.execute("DELETE FROM sign_in_failures WHERE environment_id = 0")
        email = email or f"{uuid.uuid4().hex}@example.org"
        body = {
            "email": email,
            "first_name": "Emily",
            "last_name": "Smith",
            "timezone": "US/Eastern",
        }
        written = await self.store.create(
            Actor(environment_id, "test", "cli", "test", whole=True), workers, body
        )
        worker_id = msgspec.json.decode(written.body)["id"]
        async with self.database.connection() as connection:
            await accounts.set_roles(connection, environment_id, worker_id, roles or ("coach",), BY)
            if password is not None:
                hashed = await self.passwords.hash(password)
                await accounts.set_password(connection, environment_id, worker_id, hashed, BY)
            name = await connection.fetchval(
                "SELECT name FROM environments WHERE id = $1", environment_id
            )
        return Worker(environment_id, name, worker_id, email)

    async def with_factor(self, worker: Worker) -> Worker:
        """The same worker, with an authenticator app."""
        async with self.database.connection() as connection:
            secret = await second_factor.begin(
                connection, self.box, worker.environment_id, worker.id
            )
            assert secret is not None
            worker.secret = secret
            code = self.code(worker, -1)
            confirmed = await second_factor.confirm(
                connection,
                self.box,
                environment_id=worker.environment_id,
                worker_id=worker.id,
                code=code,
                now=self.now - 30,
                by=BY,
            )
            assert confirmed
        return worker

    def code(self, worker: Worker, steps: int = 0) -> str:
        """What the worker's app shows now, or so many steps from now."""
        return pyotp.TOTP(worker.secret).at(int(self.now) + 30 * steps)

    async def knock(
        self, worker: Worker, password: str = PASSWORD, address: str = ADDRESS, device: str = ""
    ) -> Outcome:
        return await self.sign_in.with_password(
            worker.environment, worker.email, password, Caller(address, "r-1", device)
        )

    async def session(self, token: str, touch: bool = False) -> Session | None:
        return await self.sessions.of(token, touch)

    async def events(self, worker: Worker) -> list[str]:
        """What happened to the worker's account, oldest first."""
        async with self.database.connection() as connection:
            return [
                event.event
                for event in reversed(
                    await list_events(connection, worker.environment_id, worker.id)
                )
            ]

    async def execute(self, statement: str, *arguments: Any) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)

    async def networks_failed(self, seconds: int) -> None:
        """Moves the failures of every network so many seconds back."""
        await self.execute(
            "UPDATE sign_in_failures SET failed_at = failed_at - $1 * interval '1 second' WHERE"
            " environment_id = 0",
            float(seconds),
        )

    async def failures_were(self, worker: Worker, minutes: int) -> None:
        """Moves the failures of the worker's environment so many minutes back."""
        await self.execute(
            "UPDATE sign_in_failures SET failed_at = failed_at - $2 * interval '1 minute' WHERE"
            " environment_id = $1",
            worker.environment_id,
            float(minutes),
        )
