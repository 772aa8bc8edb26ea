"""Client secrets at rest: sealed with a key that is not in the database (clarification 24).

A secret has to be read back, since an assertion is signed with the secret itself; a hash of it would not do.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from almoner.errors import SettingError

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_EXPECTED: Final = "32 bytes in base64, as printed by: openssl rand -base64 32"


class SealError(Exception):
    """What was sealed cannot be opened: by another key, for another client, or it was changed since."""


class SecretBox:
    """Seals secrets with AES-256-GCM. The client's id is sealed along, so that no secret can be moved to another client.

    A sealed secret is one byte of version, 12 of nonce, and the ciphertext with its tag.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)

    def seal(self, secret: str, client_id: str) -> bytes:
        """The secret as it may be stored."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret.encode(), client_id.encode())

    def open(self, sealed: bytes, client_id: str) -> str:
        """The secret again. Raises SealError."""
        if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES:
            raise SealError("The sealed secret has a form that this version of Almoner does not know.")
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, rest, client_id.encode()).decode()
        except InvalidTag:
            raise SealError("The secret was sealed with another key. Set ALMONER_SECRET_KEY to that one.") from None


def new_secret() -> str:
    """A client secret: 256 random bits as 43 characters that need no escaping in a URL, a form or a shell."""
    return secrets.token_urlsafe(32)


def load_key(settings_value: str | None, home: Path) -> bytes:
    """The key that secrets are sealed with: the one in the settings, or that of ``home/secret.key``.

    The file is made where it is absent, readable by its owner alone. Processes that start at once end up with the same key.
    Raises SettingError where the value or the file is no key, or the file cannot be read or made.
    """
    if settings_value:
        return _decode(settings_value, "ALMONER_SECRET_KEY")
    path = home / "secret.key"
    try:
        if not path.exists():
            _make(path)
        return _decode(path.read_text(encoding="ascii", errors="replace"), str(path))
    except OSError as error:
        raise SettingError(f"The key file {path} cannot be used ({error.strerror}). Or set ALMONER_SECRET_KEY.") from error


def _decode(text: str, source: str) -> bytes:
    plain = text.strip().replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingError(f"{source} must hold {_EXPECTED}")
    return key


def _make(path: Path) -> None:
    """Writes a new key under another name and links it in place: whoever comes first wins, and nobody reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
