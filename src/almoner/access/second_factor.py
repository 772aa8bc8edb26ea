"""The second factor: six digits of an authenticator app, a new one every 30 seconds (TOTP, RFC
6238). Each is taken once.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

import pyotp

from almoner.access import recovery_codes, worker_events
from almoner.access.secrets import SecretBox
from almoner.access.worker_events import By
from almoner.database import Connection

STEP_SECONDS: Final = 30
DRIFT: Final = 1  # steps that a phone's clock may be off, either way
ISSUER: Final = "Almoner"
_CODE = re.compile(r"[0-9]{6}")

_SET_PENDING = """
UPDATE worker_accounts SET totp_sealed = $3
WHERE environment_id = $1 AND worker_id = $2 AND totp_confirmed_at IS NULL RETURNING true
"""
_SEALED = """
SELECT totp_sealed FROM worker_accounts
WHERE environment_id = $1 AND worker_id = $2 AND (totp_confirmed_at IS NOT NULL) = $3
    AND totp_sealed IS NOT NULL
"""
# The secret is compared, since another set-up may have replaced it; the step, since the code may
# have been taken meanwhile.
_CONFIRM = """
UPDATE worker_accounts SET totp_confirmed_at = clock_timestamp(), totp_step = $4
WHERE environment_id = $1 AND worker_id = $2 AND totp_confirmed_at IS NULL AND totp_sealed = $3
    RETURNING true
"""
_TAKE = """
UPDATE worker_accounts SET totp_step = $4
WHERE environment_id = $1 AND worker_id = $2 AND totp_confirmed_at IS NOT NULL AND totp_sealed = $3
    AND totp_step < $4
RETURNING true
"""
_REMOVE = """
UPDATE worker_accounts SET totp_sealed = NULL, totp_confirmed_at = NULL, totp_step = 0
WHERE environment_id = $1 AND worker_id = $2 AND totp_sealed IS NOT NULL RETURNING true
"""


async def begin(
    connection: Connection, box: SecretBox, environment_id: int, worker_id: str
) -> str | None:
    """A new secret, in base 32, to be put into an app. It means nothing before ``confirm``; one
    that was not confirmed is gone.

    None where the worker has a confirmed one, or no account.
    """
    secret = pyotp.random_base32()
    sealed = box.seal(secret, _owner(environment_id, worker_id))
    return (
        secret
        if await connection.fetchval(_SET_PENDING, environment_id, worker_id, sealed)
        else None
    )


async def pending(
    connection: Connection, box: SecretBox, environment_id: int, worker_id: str
) -> str | None:
    """The secret that waits to be confirmed, to be shown once more after a mistyped code; None
    where there is none.

    Raises SealError where it was sealed with another key.
    """
    sealed = await connection.fetchval(_SEALED, environment_id, worker_id, False)
    return None if sealed is None else box.open(sealed, _owner(environment_id, worker_id))


def uri(secret: str, email: str) -> str:
    """What an authenticator app reads from the picture: the secret, and whose it is."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


async def confirm(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    worker_id: str,
    code: str,
    now: float,
    by: By,
) -> bool:
    """Whether the code shows that the app has the secret; if so, it is asked for from now on.

    ``now`` is in seconds since 1970, UTC. Raises SealError where the secret was sealed with another
    key."""
    sealed = await connection.fetchval(_SEALED, environment_id, worker_id, False)
    step = (
        None
        if sealed is None
        else _step(box.open(sealed, _owner(environment_id, worker_id)), code, now)
    )
    if step is None:
        return False
    async with connection.transaction():
        if not await connection.fetchval(_CONFIRM, environment_id, worker_id, sealed, step):
            return False
        await worker_events.record(connection, environment_id, worker_id, "second factor set", by)
        return True


async def take(
    connection: Connection,
    box: SecretBox,
    environment_id: int,
    worker_id: str,
    code: str,
    now: float,
) -> bool:
    """Whether this is a code of now that was not taken before; it is taken with that.

    ``now`` is in seconds since 1970, UTC. Raises SealError where the secret was sealed with another
    key."""
    sealed = await connection.fetchval(_SEALED, environment_id, worker_id, True)
    step = (
        None
        if sealed is None
        else _step(box.open(sealed, _owner(environment_id, worker_id)), code, now)
    )
    return step is not None and bool(
        await connection.fetchval(_TAKE, environment_id, worker_id, sealed, step)
    )


async def remove(connection: Connection, environment_id: int, worker_id: str, by: By) -> bool:
    """Takes the second factor away, confirmed or not, and the recovery codes with it; whether there
    was one.
    """
    async with connection.transaction():
        if not await connection.fetchval(_REMOVE, environment_id, worker_id):
            return False
        await recovery_codes.drop(connection, environment_id, worker_id)
        await worker_events.record(
            connection, environment_id, worker_id, "second factor removed", by
        )
        return True


def _step(secret: str, code: str, now: float) -> int | None:
    """The latest step near now that the code belongs to; None where there is none."""
    digits = re.sub(r"\s", "", code)
    if _CODE.fullmatch(digits) is None:
        return None
    app = pyotp.TOTP(secret, interval=STEP_SECONDS)
    current = int(now // STEP_SECONDS)
    fitting = [
        step
        for step in range(current - DRIFT, current + DRIFT + 1)
        if hmac.compare_digest(app.generate_otp(step), digits)
    ]
    return max(fitting, default=None)


def _owner(environment_id: int, worker_id: str) -> str:
    """Sealed along with the secret, so that it cannot be moved to another account."""
    return f"second factor of {environment_id}/{worker_id}"
