"""Signing in: password, second factor, and what a stranger is told, which is nothing.

Unknown environment, unknown address, wrong password, disabled account and too many attempts get one answer. The time tells whether
a password was looked at or sign-in was paused, since nothing is worked out while it is; it does not tell whether there is an
account: what is unknown is looked at as long as what is known, and paused after as many attempts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from almoner.access import attempts, credentials, devices, half_sessions, recovery_codes, second_factor, sessions, worker_events
from almoner.access.attempts import CODE, PASSWORD, SignInAttempt, Sort, Source
from almoner.access.credentials import Credentials
from almoner.access.half_sessions import HalfSession, Step
from almoner.access.passwords import Passwords
from almoner.access.secrets import SecretBox
from almoner.access.sessions import Session
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
NOT_A_CODE: Final = (
    "This is none of your recovery codes, or it was used already, or sign-in is paused for some minutes after several failures. "
    "An administrator can take the second factor off your account."
)
NO_PASSWORDS: Final = "Passwords are turned off here. Sign in through your company's account."
_PROVIDER: Final = "identity provider"
NOT_LET_IN: Final = "You were signed in there, but no worker of this environment has that address. An administrator can add you."
# Refusals are answered at a whole multiple of so many seconds after the question: by their time nobody tells them apart.
REFUSED_AFTER: Final = 0.25
Requires = Callable[[int, Collection[str]], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who knocks: the network address, the request's id, and the cookie of ``devices``, blank where there is none.

    ``session`` is the one that the browser has already, None where it has none: signing in again ends it.
    """

    address: str
    request_id: str
    device: str = ""
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The token of a new session, for its cookie, and the cookie of the device.

    ``codes``: the recovery codes of a second factor that was set up on the way, to be shown once.
    """

    token: str
    device: str
    codes: tuple[str, ...] = ()


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
Fits = Callable[[Any, Credentials], Awaitable[bool]]


class SignIn:
    """Lets workers in. ``requires`` tells whether roles of an environment ask for a second factor.

    ``by_password`` is False where the identity provider is the only way in.

    ``clock`` tells seconds since 1970 (UTC), ``pace`` counts seconds and only goes forward, ``rest`` waits for some.

    Where the database is away, or too many wait for their password to be looked at, every method raises ``UnavailableError``.
    """

    def __init__(
        self,
        database: Database,
        box: SecretBox,
        passwords: Passwords,
        requires: Requires,
        clock: Callable[[], float] = time.time,
        pace: Callable[[], float] = time.monotonic,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
        by_password: bool = True,
    ) -> None:
        self.by_password = by_password
        self._database = database
        self._box = box
        self._passwords = passwords
        self._requires = requires
        self._clock = clock
        self._pace = pace
        self._rest = rest
        self._log = structlog.get_logger()

    async def with_password(self, environment: str, email: str, password: str, caller: Caller) -> Outcome:
        """The first step. ``environment`` is its name."""
        if not self.by_password:
            return Refused(NO_PASSWORDS)
        began = self._pace()
        outcome = await self._by_password(environment.replace("\0", ""), email.replace("\0", "").strip(), password, caller)
        return await self._levelled(outcome, began)

    async def _by_password(self, named: str, given: str, password: str, caller: Caller) -> Outcome:
        async with self._database.connection() as connection:
            environment_id, known = await credentials.by_email(connection, named, given)
        source = self._source(known, caller)
        attempt = await self._begin(environment_id or attempts.NO_ENVIRONMENT, given, source, caller)
        if attempt is None:
            return Refused(NOT_RIGHT)
        right = await self._passwords.verify(known.password_hash if known else None, password)
        if known is None or not right or known.is_disabled:
            reason = "no such account" if known is None else "disabled" if known.is_disabled else "password"
            await self._failed(known, reason, caller)
            return Refused(NOT_RIGHT)
        if known.second_factor:
            return await self._half(known, attempt, "code")
        if await self._requires(known.environment_id, known.roles):
            return await self._half(known, attempt, "set-up")
        return await self._enter(known, attempt, "password", caller, password)

    def now(self) -> float:
        """The time by which codes are judged, in seconds since 1970, UTC."""
        return self._clock()

    async def step(self, half: str) -> Step | None:
        """What is to be done under this half session; None where it has ended."""
        found = await self._opened(half)
        return found[0].step if found else None

    async def with_code(self, half: str, code: str, caller: Caller) -> Outcome:
        """The second step, for a worker who has a second factor."""

        async def fits(connection: Any, known: Credentials) -> bool:
            return await second_factor.take(
                connection, self._box, environment_id=known.environment_id, worker_id=known.worker_id, code=code, now=self._clock()
            )

        return await self._second_step(half, "code", how="code", fits=fits, refusal=NOT_THE_CODE, caller=caller)

    async def with_recovery_code(self, half: str, code: str, caller: Caller) -> Outcome:
        """The second step, for a worker whose phone is gone."""

        async def fits(connection: Any, known: Credentials) -> bool:
            by = By.worker(known.worker_id, caller.request_id)
            return await recovery_codes.take(connection, known.environment_id, known.worker_id, code, by)

        return await self._second_step(half, "code", how="recovery code", fits=fits, refusal=NOT_A_CODE, caller=caller)

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

    async def with_new_factor(self, half: str, code: str, caller: Caller) -> Outcome:
        """The second step, for a worker who has just set up a second factor: its first code. It comes with recovery codes."""

        codes: list[str] = []

        async def fits(connection: Any, known: Credentials) -> bool:
            owner, by = (known.environment_id, known.worker_id), By.worker(known.worker_id, caller.request_id)
            # There is no factor without codes, whatever ends this in between.
            async with connection.transaction():
                if not await second_factor.confirm(connection, self._box, *owner, code, self._clock(), by):
                    return False
                codes.extend(await recovery_codes.make(connection, *owner, by))
            return True

        outcome = await self._second_step(half, "set-up", how="code", fits=fits, refusal=NOT_THE_CODE, caller=caller)
        return replace(outcome, codes=tuple(codes)) if isinstance(outcome, SignedIn) else outcome

    async def knows_password(self, session: Session, password: str, caller: Caller) -> bool:
        """Whether somebody who has signed in knows the password too, asked before what must not be done at an unattended desk.

        Failures count for this session alone; False also where they have to wait.
        """
        source = attempts.known("session", session.digest.hex())
        attempt = await self._begin(session.environment_id, session.email, source, caller)
        if attempt is None:
            return False
        async with self._database.connection() as connection:
            known = await credentials.by_id(connection, session.environment_id, session.worker_id)
        if not await self._passwords.verify(known.password_hash if known else None, password):
            await self._failed(known, "password", caller)
            return False
        await attempts.forget(self._database, attempt)
        return True

    async def device_of(self, session: Session, caller: Caller) -> str:
        """The cookie of the device on which somebody who has signed in has just set another password."""
        async with self._database.connection() as connection:
            known = await credentials.by_id(connection, session.environment_id, session.worker_id)
        return caller.device if known is None else self._remembered(known, caller)

    async def with_identity(
        self, environment: str, subject: str, email: str | None, caller: Caller, second_factor: bool = False
    ) -> Outcome:
        """Whom the identity provider vouches for, as ``issuer|subject``; ``email`` is None where it did not verify the address.

        The address counts once: from then on the worker is known by the subject. Nobody is created. Where the provider did not
        vouch for a ``second_factor`` and a role of the worker takes one, ours is asked for.
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
                    request_id=caller.request_id,
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
        if not second_factor and await self._requires(known.environment_id, known.roles):
            return self._step_needed(known, "code" if known.second_factor else "set-up", _PROVIDER)
        async with self._database.transaction() as connection:
            owner = (known.environment_id, known.worker_id)
            token = await sessions.begin(connection, *owner, second_factor, instead_of=caller.session)
            by = By.worker(known.worker_id, caller.request_id)
            await worker_events.record(
                connection, known.environment_id, worker_id=known.worker_id, event="signed in", by=by, detail=_PROVIDER
            )
        return SignedIn(token, self._remembered(known, caller))

    async def _second_step(self, half: str, step: Step, how: str, fits: Fits, refusal: str, caller: Caller) -> Outcome:
        found = await self._opened(half, step)
        if found is None:
            return Ended()
        begun, known = found
        began = self._pace()
        attempt = await self._begin(known.environment_id, known.email, self._source(known, caller), caller, CODE)
        if attempt is None:
            return await self._levelled(Refused(refusal), began)
        async with self._database.connection() as connection:
            fitting = await fits(connection, known)
        if not fitting:
            await self._failed(known, how, caller)
            return await self._levelled(Refused(refusal), began)
        return await self._enter(known, attempt, f"{begun.first} and {how}", caller)

    async def _half(self, known: Credentials, attempt: SignInAttempt, step: Step) -> StepNeeded:
        # Only this attempt is forgotten: codes that were wrong before still count, or a password would buy any number of them.
        await attempts.forget(self._database, attempt)
        return self._step_needed(known, step)

    def _step_needed(self, known: Credentials, step: Step, first: str = "password") -> StepNeeded:
        bound = half_sessions.bound_to(known.password_hash)
        half = HalfSession(
            environment_id=known.environment_id,
            worker_id=known.worker_id,
            step=step,
            bound=bound,
            expires=self._clock() + half_sessions.SECONDS,
            first=first,
        )
        return StepNeeded(step, half_sessions.sealed(self._box, half))

    async def _opened(self, value: str, step: Step | None = None) -> tuple[HalfSession, Credentials] | None:
        half = half_sessions.open_half_session(self._box, value, self._clock())
        if half is None or step not in (None, half.step):
            return None
        async with self._database.connection() as connection:
            known = await credentials.by_id(connection, half.environment_id, half.worker_id)
        if known is None or known.is_disabled or half_sessions.bound_to(known.password_hash) != half.bound:
            return None
        return half, known

    async def _enter(
        self, known: Credentials, attempt: SignInAttempt, how: str, caller: Caller, password: str | None = None
    ) -> Outcome:
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
            token = await sessions.begin(connection, known.environment_id, known.worker_id, instead_of=caller.session)
            by = By.worker(known.worker_id, caller.request_id)
            await worker_events.record(
                connection, known.environment_id, worker_id=known.worker_id, event="signed in", by=by, detail=how
            )
        await attempts.forget_all(self._database, attempt)
        return SignedIn(token, self._remembered(replace(known, password_hash=renewed or known.password_hash), caller))

    def _remembered(self, known: Credentials, caller: Caller) -> str:
        return devices.remembered(self._box, caller.device, known, self._clock())

    def _source(self, known: Credentials | None, caller: Caller) -> Source:
        """What an attempt is counted by: the device, where its owner has signed in with it before."""
        if known is not None:
            device = devices.of(self._box, caller.device, known, self._clock())
            if device is not None:
                return attempts.known("device", device.id)
        return attempts.elsewhere(caller.address)

    async def _begin(
        self, environment_id: int, email: str, source: Source, caller: Caller, sort: Sort = PASSWORD
    ) -> SignInAttempt | None:
        """An attempt that may be looked at; None, and a line in the log, where it may not yet."""
        attempt = await attempts.begin(self._database, environment_id, email, source, sort)
        if isinstance(attempt, SignInAttempt):
            return attempt
        self._log.warning("sign-in refused", request_id=caller.request_id, address=caller.address, reason=attempt.reason)
        return None

    async def _failed(self, known: Credentials | None, reason: str, caller: Caller) -> None:
        worker_id = known.worker_id if known else None
        self._log.warning(
            "sign-in refused", request_id=caller.request_id, worker_id=worker_id, address=caller.address, reason=reason
        )
        if known is not None:
            async with self._database.connection() as connection:
                by = By("somebody", caller.request_id)
                detail = f"{reason}, from {caller.address}"
                await worker_events.record(
                    connection, known.environment_id, worker_id=known.worker_id, event="sign-in failed", by=by, detail=detail
                )

    async def _levelled(self, outcome: Outcome, began: float) -> Outcome:
        """The outcome; a refusal when its time has come."""
        if isinstance(outcome, Refused):
            taken = self._pace() - began
            await self._rest(REFUSED_AFTER - taken % REFUSED_AFTER)
        return outcome
