"""Values that a browser carries for the server: they tell it nothing, and nobody can change
them.
"""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

from almoner.access.secrets import SealError, SecretBox

_Value = TypeVar("_Value")


def seal(box: SecretBox, value: object, purpose: str) -> str:
    """The value as JSON, sealed. ``purpose`` is sealed along, so that it opens as nothing else."""
    return base64.urlsafe_b64encode(box.seal(msgspec.json.encode(value).decode(), purpose)).decode()


def unseal(box: SecretBox, cookie: str, purpose: str, kind: type[_Value]) -> _Value | None:
    """The value again; None where the cookie is blank, changed, of another purpose or sealed with a
    key that is gone.
    """
    try:
        return msgspec.json.decode(box.open(base64.urlsafe_b64decode(cookie), purpose), type=kind)
    except (SealError, binascii.Error, ValueError, msgspec.DecodeError):
        return None
