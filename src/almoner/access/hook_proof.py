"""How a partner that calls a hook proves who it is: by the hook's secret as a bearer token, or as
the key of an HMAC over the time and the body.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from starlette.requests import Request

from almoner.access.secrets import new_secret
from almoner.errors import problem

WAYS: Final = ("hmac", "bearer")
TIME_HEADER: Final = "X-Hook-Timestamp"
SIGNATURE_HEADER: Final = "X-Hook-Signature"
# A signature counts for so many seconds before and after its time.
_VALID: Final = 300


def new_hook_secret(way: str) -> str:
    """A secret for a hook that is proved this way. Raises a 400 ApiError where there is no such
    way.
    """
    if way not in WAYS:
        raise problem(
            "bad_request",
            f"There is no way {way[:40]!r} to prove a call. Choose hmac (a signature over the time"
            " and the body), bearer (the secret itself), or none, which closes the hook.",
        )
    return new_secret()


def signature(secret: str, moment: str, body: bytes) -> str:
    """What a partner sends as its signature: HMAC-SHA256 of the time in seconds since 1970, a full
    stop and the body, in hexadecimal digits."""
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def digest(way: str, secret: str, request: Request, body: bytes, now: float) -> bytes | None:
    """What a call is known again by where it proves that its sender has the secret, else None.
    ``now`` is in seconds since 1970.
    """
    proof = (_signed if way == "hmac" else _borne)(request, secret, body, now)
    return None if proof is None else hashlib.sha256(proof.encode()).digest()


def _signed(request: Request, secret: str, body: bytes, now: float) -> str | None:
    moment = request.headers.get(TIME_HEADER, "")
    sent = request.headers.get(SIGNATURE_HEADER, "").removeprefix("sha256=")
    is_recent = moment.isascii() and moment.isdigit() and len(moment) < 12
    if not is_recent or abs(now - int(moment)) > _VALID:
        return None
    # The edge has unpacked the body; its sender signed what was sent.
    expected = signature(secret, moment, request.scope.get("body_as_sent", body))
    return expected if hmac.compare_digest(expected.encode(), sent.encode()) else None


def _borne(request: Request, secret: str, body: bytes, now: float) -> str | None:
    """A bearer says by ``Idempotency-Key`` which call comes again; without it each is a new one."""
    sent = request.headers.get("Authorization", "")
    if not hmac.compare_digest(sent.encode(), f"Bearer {secret}".encode()):
        return None
    return request.headers.get("Idempotency-Key") or new_secret()
