"""Signing in: password, second factor, and what a stranger is told, which is nothing.

Unknown environment, unknown address, wrong password, disabled account and too many attempts get one answer, after the same work.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import structlog

from almoner.access import attempts, credentials, half_sessions, second_factor, sessions, worker_events
from almoner.access.attempts import Attempt
from almoner.access.credentials import Credentials
from almoner.access.half_sessions import HalfSession, Step
from almoner.access.passwords import Passwords
from almoner.access.secrets import SecretBox
from almoner.access.sessions import Session
from almoner.access.throttle import Throttle
from almoner.access.worker_events import By
from almoner.database import Database

NOT_RIGHT: Final = (
    "The e-mail address or password is not right, or sign-in is paused for some minutes after several failures. "
    "An administrator can give you a new link."
)
NOT_THE_CODE: Final = (
    "This is not the code that the app shows now, or it was used already, or sign-in is paused for some minutes after several "
    "failures. Wait for the next code."
)
NOT_LET_IN: Final = "You were signed in there, but no worker of this environment has that address. An administrator can add you."
Requires = Callable[[int, Collection[str]], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The token of a new session, for its cookie."""

    token: str


@dataclass(frozen=True, slots=True)
class StepNeeded:
    """The password was right; ``half`` is the value of the cookie under which the next step is done, within five minutes."""

    step: Step
    half: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What the person is told."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The five minutes are over, or something changed meanwhile: begin again with the password."""


@dataclass(frozen=True, slots=True)
class NewFactor:
    """A second factor that is being set up: its secret in base 32, and what the picture holds. Shown to its owner alone."""

    secret: str
    uri: str


Outcome = SignedIn | StepNeeded | Refused | Ended


class SignIn:
    """Lets workers in. ``requires`` tells whether roles of an environment ask for a second factor.

    ``clock`` tells seconds since 1970 (UTC), ``pace`` counts seconds and only goes forward. Where the database is away, or too
    many wait for their password to be looked at, every method raises a 503 ``ApiError``.
    """

    def __init__(
        self,
        database: Database,
        box: SecretBox,
        passwords: Passwords,
        requires: Requires,
        throttle: Throttle | None = None,
        clock: Callable[[], float] = time.time,
        pace: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._box = box
        self._passwords = passwords
        self._requires = requires
        self._throttle = throttle or Throttle()
        self._clock = clock
        self._pace = pace
        self._log = structlog.get_logger()

    async def with_password(self, environment: str, email: str, password: str, address: str, request_id: str) -> Outcome:
        """The first step. ``environment`` is its name; ``address`` is where the request comes from."""
        named, given = environment.replace("\0", ""), email.replace("\0", "").strip()
        if self._is_paused(address):
            return self._turned_away("address paused", address, request_id)
        async with self._database.connection() as connection:
            environment_id, known = await credentials.by_email(connection, named, given)
        attempt = await attempts.begin(self._database, environment_id or attempts.NO_ENVIRONMENT, given)
        if attempt is None:
            return self._turned_away("account paused", address, request_id)
        right = await self._passwords.verify(known.password_hash if known else None, password)
        if known is None or not right or known.is_disabled:
            reason = "no such account" if known is None else "disabled" if known.is_disabled else "password"
            await self._failed(known, reason, address, request_id)
            return Refused(NOT_RIGHT)
        if known.second_factor:
            return await self._half(known, attempt, "code")
        if await self._requires(known.environment_id, known.roles):
            return await self._half(known, attempt, "set-up")
        return await self._enter(known, attempt, "password", request_id, password)

    def now(self) -> float:
        """The time by which codes are judged, in seconds since 1970, UTC."""
        return self._clock()

    async def step(self, half: str) -> Step | None:
        """What is to be done under this half session; None where it has ended."""
        found = await self._opened(half)
        return found[0].step if found else None

    async def with_code(self, half: str, code: str, address: str, request_id: str) -> Outcome:
        """The second step, for a worker who has a second factor."""
        found = await self._opened(half, "code")
        if found is None:
            return Ended()
        _, known = found

        async def fits(connection: Any) -> bool:
            return await second_factor.take(connection, self._box, known.environment_id, known.worker_id, code, self._clock())

        return await self._by_code(known, fits, address, request_id)

    async def new_factor(self, half: str) -> NewFactor | None:
        """Begins the set-up of a second factor, for a worker whose role asks for one; None where the half session has ended."""
        found = await self._opened(half, "set-up")
        if found is None:
            return None
        _, known = found
        async with self._database.connection() as connection:
            secret = await second_factor.begin(connection, self._box, known.environment_id, known.worker_id)
        return None if secret is None else NewFactor(secret, second_factor.uri(secret, known.email))

    async def pending_factor(self, half: str) -> NewFactor | None:
        """The one that is being set up, once more; None where there is none or the half session has ended."""
        found = await self._opened(half, "set-up")
        if found is None:
            return None
        _, known = found
        async with self._database.connection() as connection:
            secret = await second_factor.pending(connection, self._box, known.environment_id, known.worker_id)
        return None if secret is None else NewFactor(secret, second_factor.uri(secret, known.email))

    async def with_new_factor(self, half: str, code: str, address: str, request_id: str) -> Outcome:
        """The second step, for a worker who has just set up a second factor: its first code."""
        found = await self._opened(half, "set-up")
        if found is None:
            return Ended()
        _, known = found
        by = By.worker(known.worker_id, request_id)

        async def fits(connection: Any) -> bool:
            return await second_factor.confirm(
                connection, self._box, known.environment_id, known.worker_id, code, self._clock(), by
            )

        return await self._by_code(known, fits, address, request_id)

    async def knows_password(self, session: Session, password: str, address: str, request_id: str) -> bool:
        """Whether somebody who has signed in knows the password too, asked before what must not be done at an unattended desk.

        Failures count like those of signing in; False also where they have to wait.
        """
        attempt = None if self._is_paused(address) else await attempts.begin(self._database, session.environment_id, session.email)
        if attempt is None:
            self._turned_away("account paused", address, request_id)
            return False
        async with self._database.connection() as connection:
            known = await credentials.by_id(connection, session.environment_id, session.worker_id)
        if not await self._passwords.verify(known.password_hash if known else None, password):
            await self._failed(known, "password", address, request_id)
            return False
        await attempts.forget(self._database, attempt, all_of_it=False)
        return True

    async def with_identity(self, environment: str, subject: str, email: str | None, request_id: str) -> Outcome:
        """Whom the identity provider vouches for, as ``issuer|subject``; ``email`` is None where it did not verify the address.

        The address counts once: from then on the worker is known by the subject. Nobody is created.
        """
        named, given = environment.replace("\0", ""), (email or "").replace("\0", "").strip()
        async with self._database.transaction() as connection:
            environment_id, by_address = await credentials.by_email(connection, named, given)
            known = None if environment_id is None else await credentials.by_subject(connection, environment_id, subject)
            if known is None and by_address is not None and by_address.oidc_subject is None and email is not None:
                known = by_address
            if known is None or known.is_disabled:
                self._log.warning(
                    "sign-in refused",
                    request_id=request_id,
                    reason="disabled" if known else "no such account",
                    through="identity provider",
                )
                return Refused(NOT_LET_IN)
            await connection.execute(
                "UPDATE worker_accounts SET oidc_subject = $3 WHERE environment_id = $1 AND worker_id = $2",
                known.environment_id,
                known.worker_id,
                subject,
            )
            token = await sessions.begin(connection, known.environment_id, known.worker_id)
            by = By.worker(known.worker_id, request_id)
            await worker_events.record(connection, known.environment_id, known.worker_id, "signed in", by, "identity provider")
        return SignedIn(token)

    async def _by_code(self, known: Credentials, fits: Callable[[Any], Awaitable[bool]], address: str, request_id: str) -> Outcome:
        attempt = None if self._is_paused(address) else await attempts.begin(self._database, known.environment_id, known.email)
        if attempt is None:
            self._turned_away("account paused", address, request_id)
            return Refused(NOT_THE_CODE)
        async with self._database.connection() as connection:
            fitting = await fits(connection)
        if not fitting:
            await self._failed(known, "code", address, request_id)
            return Refused(NOT_THE_CODE)
        return await self._enter(known, attempt, "password and code", request_id)

    async def _half(self, known: Credentials, attempt: Attempt, step: Step) -> StepNeeded:
        # Only this attempt is forgotten: codes that were wrong before still count, or a password would buy any number of them.
        await attempts.forget(self._database, attempt, all_of_it=False)
        bound = half_sessions.bound_to(known.password_hash)
        half = HalfSession(known.environment_id, known.worker_id, step, bound, self._clock() + half_sessions.SECONDS)
        return StepNeeded(step, half_sessions.sealed(self._box, half))

    async def _opened(self, value: str, step: Step | None = None) -> tuple[HalfSession, Credentials] | None:
        half = half_sessions.opened(self._box, value, self._clock())
        if half is None or step not in (None, half.step):
            return None
        async with self._database.connection() as connection:
            known = await credentials.by_id(connection, half.environment_id, half.worker_id)
        if known is None or known.is_disabled or half_sessions.bound_to(known.password_hash) != half.bound:
            return None
        return half, known

    async def _enter(self, known: Credentials, attempt: Attempt, how: str, request_id: str, password: str | None = None) -> Outcome:
        """The session itself, unless the account has changed since it was looked at: a new password ends what the old one began."""
        renewed = None
        if password is not None and known.password_hash and self._passwords.is_outdated(known.password_hash):
            renewed = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            now = await credentials.locked(connection, known.environment_id, known.worker_id)
            if now is None or now.is_disabled or now.password_hash != known.password_hash:
                return Ended()
            if renewed is not None:
                await connection.execute(
                    "UPDATE worker_accounts SET password_hash = $3 WHERE environment_id = $1 AND worker_id = $2",
                    known.environment_id,
                    known.worker_id,
                    renewed,
                )
            token = await sessions.begin(connection, known.environment_id, known.worker_id)
            by = By.worker(known.worker_id, request_id)
            await worker_events.record(connection, known.environment_id, known.worker_id, "signed in", by, how)
        await attempts.forget(self._database, attempt, all_of_it=True)
        return SignedIn(token)

    async def _failed(self, known: Credentials | None, reason: str, address: str, request_id: str) -> None:
        self._throttle.failed(None, address, self._pace())
        worker_id = known.worker_id if known else None
        self._log.warning("sign-in refused", request_id=request_id, worker_id=worker_id, address=address, reason=reason)
        if known is not None:
            async with self._database.connection() as connection:
                by = By("somebody", request_id)
                detail = f"{reason}, from {address}"
                await worker_events.record(connection, known.environment_id, known.worker_id, "sign-in failed", by, detail)

    def _is_paused(self, address: str) -> bool:
        return self._throttle.wait(None, address, self._pace()) > 0

    def _turned_away(self, reason: str, address: str, request_id: str) -> Refused:
        self._log.warning("sign-in refused", request_id=request_id, address=address, reason=reason)
        return Refused(NOT_RIGHT)
