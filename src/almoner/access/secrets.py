"""Secrets at rest: sealed with a key that is not in the database (clarification 24).

A secret has to be read back, since an assertion is signed with the secret itself; a hash of it
would not do."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Collection
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_WITHOUT_ID: Final = b"\x01"  # as sealed before there were key ids
_WITH_ID: Final = b"\x02"
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_UNKNOWN_FORM: Final = "The sealed secret has a form that this version of Almoner does not know."


class SealError(Exception):
    """What was sealed cannot be opened: by another key, for another client, or it was changed
    since.
    """


def key_id(key: bytes) -> str:
    """What a key is known by: 16 hexadecimal digits that tell nothing of the key itself, which is
    256 random bits.
    """
    return hmac.digest(key, b"almoner: the id of this key", hashlib.sha256)[:_ID_BYTES].hex()


def sealed_with(sealed: bytes) -> str | None:
    """The id of the key that this was sealed with; None where it does not say, as sealed before
    there were key ids.
    """
    return sealed[1 : 1 + _ID_BYTES].hex() if sealed[:1] == _WITH_ID else None


class SecretBox:
    """Seals secrets with AES-256-GCM. The client's id is sealed along, so that no secret can be
    moved to another client.

    Seals with ``key``; opens what was sealed with it or with one of ``others``, as while a key is
    replaced. ``look_again`` gives the keys that there are now, and is asked where a key is named
    that is not known: another process may have replaced it.

    A sealed secret is one byte of version, 8 of the key's id, 12 of nonce, and the ciphertext with
    its tag. Version 1 has no id."""

    def __init__(
        self, key: bytes, *others: bytes, look_again: Callable[[], Collection[bytes]] = lambda: ()
    ) -> None:
        self.key_id: Final = key_id(key)
        self._ciphers: dict[str, AESGCM] = {}
        self._look_again = look_again
        self._add(key, *others)

    def _add(self, *keys: bytes) -> None:
        for key in keys:
            if len(key) != KEY_BYTES:
                raise ValueError(f"a key has {KEY_BYTES} bytes")
            self._ciphers.setdefault(key_id(key), AESGCM(key))

    def seal(self, secret: str, client_id: str) -> bytes:
        """The secret as it may be stored."""
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = self._ciphers[self.key_id].encrypt(nonce, secret.encode(), client_id.encode())
        return _WITH_ID + bytes.fromhex(self.key_id) + nonce + ciphertext

    def open(self, sealed: bytes, client_id: str) -> str:
        """The secret that ``seal`` was given for this owner. Raises SealError where the key is
        another or the bytes were changed.
        """
        version = sealed[:1]
        if version not in (_WITHOUT_ID, _WITH_ID):
            raise SealError(_UNKNOWN_FORM)
        rest = sealed[1:] if version == _WITHOUT_ID else sealed[1 + _ID_BYTES :]
        if len(rest) < _NONCE_BYTES + _TAG_BYTES:
            raise SealError(_UNKNOWN_FORM)
        for cipher in self._fitting(sealed_with(sealed)):
            try:
                return cipher.decrypt(
                    rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], client_id.encode()
                ).decode()
            except InvalidTag:
                continue
        raise SealError(
            "The secret was sealed with another key. Set ALMONER_SECRET_KEY to that one."
        )

    def _fitting(self, named: str | None) -> list[AESGCM]:
        if named is None:
            return list(self._ciphers.values())
        if named not in self._ciphers:
            self._add(*self._look_again())
        return [self._ciphers[named]] if named in self._ciphers else []


def new_secret() -> str:
    """A client secret: 256 random bits as 43 characters that need no escaping in a URL, a form or a
    shell.
    """
    return secrets.token_urlsafe(32)
