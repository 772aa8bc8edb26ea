"""Signing in: password, second factor, and what a stranger is told, which is nothing.

Unknown environment, unknown address, wrong password, disabled account and too many attempts get one
answer. The time tells whether a password was looked at or sign-in was paused, since nothing is
worked out while it is; it does not tell whether there is an account: what is unknown is looked at
as long as what is known, and paused after as many attempts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Final

import structlog

from almoner.access import (
    attempts,
    credentials,
    devices,
    half_sessions,
    recovery_codes,
    second_factor,
    sessions,
    worker_events,
)
from almoner.access.attempts import CODE, SignInAttempt
from almoner.access.credentials import Credentials
from almoner.access.half_sessions import HalfSession, Step
from almoner.access.passwords import Passwords
from almoner.access.secrets import SecretBox
from almoner.access.sessions import Session
from almoner.access.sign_in_attempts import SignInAttempts
from almoner.access.sign_in_steps import (
    NO_PASSWORDS,
    NOT_A_CODE,
    NOT_LET_IN,
    NOT_RIGHT,
    NOT_THE_CODE,
    Caller,
    Ended,
    NewFactor,
    Outcome,
    Refused,
    SignedIn,
    StepNeeded,
)
from almoner.access.worker_events import By
from almoner.database import Connection, Database

_PROVIDER: Final = "identity provider"
_OWN_ACCOUNT = "WHERE environment_id = $1 AND worker_id = $2"
_KNOWN_BY = f"UPDATE worker_accounts SET oidc_subject = $3 {_OWN_ACCOUNT}"
_RENEW_HASH = f"UPDATE worker_accounts SET password_hash = $3 {_OWN_ACCOUNT}"
# Refusals are answered at a whole multiple of so many seconds after the question: by their time
# nobody tells them apart.
REFUSED_AFTER: Final = 0.25
Requires = Callable[[int, Collection[str]], Awaitable[bool]]
Fits = Callable[[Connection, Credentials], Awaitable[bool]]


class SignIn:
    """Lets workers in. ``requires`` tells whether roles of an environment ask for a second factor.

    ``by_password`` is False where the identity provider is the only way in.

    ``clock`` tells seconds since 1970 (UTC), ``pace`` counts seconds and only goes forward,
    ``rest`` waits for some.

    Where the database is away, or too many wait for their password to be looked at, every method
    raises ``UnavailableError``."""

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
        self._attempts = SignInAttempts(database, box, clock)

    async def with_password(
        self, environment: str, email: str, password: str, caller: Caller
    ) -> Outcome:
        """The first step. ``environment`` is its name."""
        if not self.by_password:
            return Refused(NO_PASSWORDS)
        began = self._pace()
        outcome = await self._by_password(
            environment.replace("\0", ""), email.replace("\0", "").strip(), password, caller
        )
        return await self._levelled(outcome, began)

    async def _by_password(
        self, named: str, address: str, password: str, caller: Caller
    ) -> Outcome:
        async with self._database.connection() as connection:
            environment_id, known = await credentials.by_email(connection, named, address)
        source = self._attempts.source(known, caller)
        attempt = await self._attempts.begin(
            environment_id or attempts.NO_ENVIRONMENT, address, source, caller
        )
        if attempt is None:
            return Refused(NOT_RIGHT)
        right = await self._passwords.verify(known.password_hash if known else None, password)
        if known is None or not right or known.is_disabled:
            reason = "disabled" if known and known.is_disabled else "password"
            await self._attempts.failed(known, reason if known else "no such account", caller)
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
        opened = await self._opened(half)
        return opened[0].step if opened else None

    async def with_code(self, half: str, code: str, caller: Caller) -> Outcome:
        """The second step, for a worker who has a second factor."""

        async def fits(connection: Connection, known: Credentials) -> bool:
            return await second_factor.take(
                connection, self._box, *known.owner, code=code, now=self._clock()
            )

        return await self._second_step(
            half, "code", how="code", fits=fits, refusal=NOT_THE_CODE, caller=caller
        )

    async def with_recovery_code(self, half: str, code: str, caller: Caller) -> Outcome:
        """The second step, for a worker whose phone is gone."""

        async def fits(connection: Connection, known: Credentials) -> bool:
            by = By.worker(known.worker_id, caller.request_id)
            return await recovery_codes.take(connection, *known.owner, code, by)

        return await self._second_step(
            half, "code", how="recovery code", fits=fits, refusal=NOT_A_CODE, caller=caller
        )

    async def new_factor(self, half: str) -> NewFactor | None:
        """Begins the set-up of a second factor, for a worker whose role asks for one; None where
        the half session has ended.
        """
        return await self._factor(half, second_factor.begin)

    async def pending_factor(self, half: str) -> NewFactor | None:
        """The one that is being set up, once more; None where there is none or the half session has
        ended.
        """
        return await self._factor(half, second_factor.pending)

    async def _factor(
        self, half: str, secret_of: Callable[..., Awaitable[str | None]]
    ) -> NewFactor | None:
        opened = await self._opened(half, "set-up")
        if opened is None:
            return None
        _, known = opened
        async with self._database.connection() as connection:
            secret = await secret_of(connection, self._box, *known.owner)
        return None if secret is None else NewFactor(secret, second_factor.uri(secret, known.email))

    async def with_new_factor(self, half: str, code: str, caller: Caller) -> Outcome:
        """The second step, for a worker who has just set up a second factor: its first code. It
        comes with recovery codes.
        """

        codes: list[str] = []

        async def fits(connection: Connection, known: Credentials) -> bool:
            by = By.worker(known.worker_id, caller.request_id)
            # There is no factor without codes, whatever ends this in between.
            async with connection.transaction():
                if not await second_factor.confirm(
                    connection, self._box, *known.owner, code=code, now=self._clock(), by=by
                ):
                    return False
                codes.extend(await recovery_codes.make(connection, *known.owner, by))
            return True

        outcome = await self._second_step(
            half, "set-up", how="code", fits=fits, refusal=NOT_THE_CODE, caller=caller
        )
        return replace(outcome, codes=tuple(codes)) if isinstance(outcome, SignedIn) else outcome

    async def knows_password(self, session: Session, password: str, caller: Caller) -> bool:
        """Whether somebody who has signed in knows the password too, asked before what must not be
        done at an unattended desk.

        Failures count for this session alone; False also where they have to wait.
        """
        source = attempts.known("session", session.digest.hex())
        attempt = await self._attempts.begin(session.environment_id, session.email, source, caller)
        if attempt is None:
            return False
        known = await self._known(session)
        if not await self._passwords.verify(known.password_hash if known else None, password):
            await self._attempts.failed(known, "password", caller)
            return False
        await attempts.forget(self._database, attempt)
        return True

    async def device_of(self, session: Session, caller: Caller) -> str:
        """The cookie of the device on which somebody who has signed in has just set another
        password.
        """
        known = await self._known(session)
        return caller.device if known is None else self._remembered(known, caller)

    async def with_identity(
        self,
        environment: str,
        subject: str,
        email: str | None,
        caller: Caller,
        second_factor: bool = False,
    ) -> Outcome:
        """Whom the identity provider vouches for, as ``issuer|subject``; ``email`` is None where it
        did not verify the address.

        The address counts once: from then on the worker is known by the subject. Nobody is created.
        Where the provider did not vouch for a ``second_factor`` and a role of the worker takes one,
        ours is asked for."""
        async with self._database.transaction() as connection:
            known = await self._vouched_for(connection, environment, subject, email)
            if known is None or known.is_disabled:
                self._log.warning(
                    "sign-in refused",
                    request_id=caller.request_id,
                    reason="disabled" if known else "no such account",
                    through=_PROVIDER,
                )
                return Refused(NOT_LET_IN)
            await connection.execute(_KNOWN_BY, *known.owner, subject)
        if not second_factor and await self._requires(known.environment_id, known.roles):
            return self._step_needed(known, "code" if known.second_factor else "set-up", _PROVIDER)
        async with self._database.transaction() as connection:
            token = await self._session(connection, known, _PROVIDER, caller, second_factor)
        return SignedIn(token, self._remembered(known, caller))

    async def _vouched_for(
        self, connection: Connection, environment: str, subject: str, email: str | None
    ) -> Credentials | None:
        named, address = environment.replace("\0", ""), (email or "").replace("\0", "").strip()
        environment_id, by_address = await credentials.by_email(connection, named, address)
        if environment_id is None:
            return None
        known = await credentials.by_subject(connection, environment_id, subject)
        if known is None and email is not None and by_address and by_address.oidc_subject is None:
            return by_address
        return known

    async def _session(
        self,
        connection: Connection,
        known: Credentials,
        how: str,
        caller: Caller,
        provider_factor: bool = False,
    ) -> str:
        """The token of a new session, whose beginning is noted."""
        token = await sessions.begin(
            connection, *known.owner, provider_factor, instead_of=caller.session
        )
        by = By.worker(known.worker_id, caller.request_id)
        await worker_events.record(connection, *known.owner, "signed in", by, how)
        return token

    async def _second_step(
        self, half: str, step: Step, how: str, fits: Fits, refusal: str, caller: Caller
    ) -> Outcome:
        opened = await self._opened(half, step)
        if opened is None:
            return Ended()
        begun, known = opened
        began = self._pace()
        attempt = await self._attempts.begin(
            known.environment_id, known.email, self._attempts.source(known, caller), caller, CODE
        )
        if attempt is None:
            return await self._levelled(Refused(refusal), began)
        async with self._database.connection() as connection:
            fitting = await fits(connection, known)
        if not fitting:
            await self._attempts.failed(known, how, caller)
            return await self._levelled(Refused(refusal), began)
        return await self._enter(known, attempt, f"{begun.first} and {how}", caller)

    async def _half(self, known: Credentials, attempt: SignInAttempt, step: Step) -> StepNeeded:
        # Only this attempt is forgotten: codes that were wrong before still count, or a password
        # would buy any number of them.
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

    async def _known(self, session: Session | HalfSession) -> Credentials | None:
        async with self._database.connection() as connection:
            return await credentials.by_id(connection, session.environment_id, session.worker_id)

    async def _opened(
        self, value: str, step: Step | None = None
    ) -> tuple[HalfSession, Credentials] | None:
        half = half_sessions.open_half_session(self._box, value, self._clock())
        if half is None or step not in (None, half.step):
            return None
        known = await self._known(half)
        if (
            known is None
            or known.is_disabled
            or half_sessions.bound_to(known.password_hash) != half.bound
        ):
            return None
        return half, known

    async def _enter(
        self,
        known: Credentials,
        attempt: SignInAttempt,
        how: str,
        caller: Caller,
        password: str | None = None,
    ) -> Outcome:
        """The session itself, unless the account has changed since it was looked at: a new password
        ends what the old one began.
        """
        renewed = None
        if (
            password is not None
            and known.password_hash
            and self._passwords.is_outdated(known.password_hash)
        ):
            renewed = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            now = await credentials.locked(connection, *known.owner)
            if now is None or now.is_disabled or now.password_hash != known.password_hash:
                return Ended()
            if renewed is not None:
                await connection.execute(_RENEW_HASH, *known.owner, renewed)
            token = await self._session(connection, known, how, caller)
        await attempts.forget_all(self._database, attempt)
        return SignedIn(
            token,
            self._remembered(replace(known, password_hash=renewed or known.password_hash), caller),
        )

    def _remembered(self, known: Credentials, caller: Caller) -> str:
        return devices.remembered(self._box, caller.device, known, self._clock())

    async def _levelled(self, outcome: Outcome, began: float) -> Outcome:
        """The outcome; a refusal when its time has come."""
        if isinstance(outcome, Refused):
            taken = self._pace() - began
            await self._rest(REFUSED_AFTER - taken % REFUSED_AFTER)
        return outcome
