"""Attempts to sign in: counted by where they come from, and those that were refused in the log and
among the account's events.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from almoner.access import attempts, devices, worker_events
from almoner.access.attempts import PASSWORD, SignInAttempt, Sort, Source
from almoner.access.credentials import Credentials
from almoner.access.secrets import SecretBox
from almoner.access.sign_in_steps import Caller
from almoner.access.worker_events import By
from almoner.database import Database


class SignInAttempts:
    """The attempts of everybody. ``clock`` tells seconds since 1970 (UTC)."""

    def __init__(self, database: Database, box: SecretBox, clock: Callable[[], float]) -> None:
        self._database = database
        self._box = box
        self._clock = clock
        self._log = structlog.get_logger()

    def source(self, known: Credentials | None, caller: Caller) -> Source:
        """What an attempt is counted by: the device, where its owner has signed in with it
        before.
        """
        if known is not None:
            device = devices.of(self._box, caller.device, known, self._clock())
            if device is not None:
                return attempts.known("device", device.id)
        return attempts.elsewhere(caller.address)

    async def begin(
        self, environment_id: int, email: str, source: Source, caller: Caller, sort: Sort = PASSWORD
    ) -> SignInAttempt | None:
        """An attempt that may be looked at; None, and a line in the log, where it may not yet."""
        attempt = await attempts.begin(self._database, environment_id, email, source, sort)
        if isinstance(attempt, SignInAttempt):
            return attempt
        self._log.warning(
            "sign-in refused",
            request_id=caller.request_id,
            address=caller.address,
            reason=attempt.reason,
        )
        return None

    async def failed(self, known: Credentials | None, reason: str, caller: Caller) -> None:
        self._log.warning(
            "sign-in refused",
            request_id=caller.request_id,
            worker_id=known.worker_id if known else None,
            address=caller.address,
            reason=reason,
        )
        if known is not None:
            async with self._database.connection() as connection:
                by = By("somebody", caller.request_id)
                detail = f"{reason}, from {caller.address}"
                await worker_events.record(connection, *known.owner, "sign-in failed", by, detail)
