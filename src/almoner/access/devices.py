"""Devices that somebody has signed in with before: what a stranger's failures do not keep from
signing in again.

A sealed cookie tells whose device it is, until the owner has another password. It opens nothing:
the password, and the code where there is one, are asked for as anywhere."""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from almoner.access import sealed_cookies
from almoner.access.credentials import Credentials
from almoner.access.half_sessions import bound_to
from almoner.access.secrets import SecretBox

SECONDS: Final = 180 * 86_400
MOST: Final = 8  # workers who share a device; of more, those who signed in last
_SEALED_FOR: Final = "a device that somebody has signed in with"


class Device(msgspec.Struct, frozen=True):
    """A worker's device. ``id`` is random, so that each has failures of its own; ``expires`` is in
    seconds since 1970, UTC.

    ``bound`` ties it to the password that its owner signed in with: what was copied before a
    password was changed is nothing then."""

    environment_id: int
    worker_id: str
    id: str
    bound: str
    expires: float


def of(box: SecretBox, value: str, owner: Credentials, now: float) -> Device | None:
    """The device of this worker that a cookie tells of; None where it tells of none, or the
    password is another since.
    """
    bound = bound_to(owner.password_hash)
    return next(
        (
            device
            for device in _opened(box, value, now)
            if _is_of(device, owner) and device.bound == bound
        ),
        None,
    )


def remembered(box: SecretBox, value: str, owner: Credentials, now: float) -> str:
    """The cookie once this worker has signed in with the device, beside the others who have."""
    others = [device for device in _opened(box, value, now) if not _is_of(device, owner)]
    known = of(box, value, owner, now)
    name = known.id if known else secrets.token_hex(8)
    device = Device(
        owner.environment_id, owner.worker_id, name, bound_to(owner.password_hash), now + SECONDS
    )
    return sealed_cookies.seal(box, [device, *others[: MOST - 1]], _SEALED_FOR)


def _is_of(device: Device, owner: Credentials) -> bool:
    return (device.environment_id, device.worker_id) == (owner.environment_id, owner.worker_id)


def _opened(box: SecretBox, value: str, now: float) -> list[Device]:
    devices = sealed_cookies.unseal(box, value, _SEALED_FOR, list[Device]) or ()
    return [device for device in devices if now < device.expires]
