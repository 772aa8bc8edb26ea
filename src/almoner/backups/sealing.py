"""Files that nobody reads or changes without the key, which is in none of them.

A file begins with a magic line, the id of the key (8 bytes) and a salt (32). What follows is
zlib's, cut into pieces of a MiB, each sealed by AES-256-GCM under a key of the file's own
(HKDF-SHA256 of the salt and the file's name). A piece's nonce is its number and whether it is the
last, so that none can be left out, moved, or cut off (STREAM, https://eprint.iacr.org/2015/189).
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from almoner.access.secrets import key_id
from almoner.errors import SettingError

_MAGIC: Final = b"almoner backup 1\n"
_ID_BYTES: Final = 8
_SALT_BYTES: Final = 32
_PIECE: Final = 1_048_576
_TAG_BYTES: Final = 16
# A quarter of the size at a speed that no disk keeps up with.
_LEVEL: Final = 1


class BackupError(Exception):
    """A backup cannot be made, read or restored; the message says why and what to do."""


class BackupKeys:
    """The keys that files of backups are sealed with, made of those that secrets are sealed with,
    so that an installation has one key to keep. The newest seals; each opens what it sealed.

    Raises SettingError where there is none.
    """

    def __init__(self, keys: Sequence[bytes], where: str) -> None:
        if not keys:
            raise SettingError(
                f"There is no key in {where}, without which no backup is made or opened. Name the"
                " ALMONER_HOME whose secret.key it is, or put the key into ALMONER_SECRET_KEY."
            )
        self._where = where
        self._keys = {
            bytes.fromhex(key_id(key)): hmac.digest(key, b"almoner: backups", hashlib.sha256)
            for key in keys
        }

    def sealing(self, name: str) -> tuple[bytes, AESGCM]:
        """The beginning of a new file of this name, and the cipher of its pieces."""
        key, salt = next(iter(self._keys)), os.urandom(_SALT_BYTES)
        return _MAGIC + key + salt, self._cipher(key, salt, name)

    def opening(self, file: IO[bytes], name: str) -> AESGCM:
        """The cipher of a file's pieces; reads its beginning. Raises BackupError."""
        if file.read(len(_MAGIC)) != _MAGIC:
            raise BackupError(f"{name} is no file of a backup, or of a later version of Almoner.")
        key, salt = file.read(_ID_BYTES), file.read(_SALT_BYTES)
        if key not in self._keys:
            raise BackupError(
                f"{name} is sealed with the key {key.hex()}, which {self._where} does not hold. Put"
                " the key of that time into ALMONER_SECRET_KEY, behind the one of today with a"
                " blank between."
            )
        return self._cipher(key, salt, name)

    def mac(self, text: bytes) -> str:
        """What shows that a text was written by somebody who has the newest key."""
        return hmac.digest(next(iter(self._keys.values())), text, hashlib.sha256).hex()

    def is_by_us(self, text: bytes, mac: str) -> bool:
        """Whether one of the keys made this mac."""
        return any(
            hmac.compare_digest(hmac.digest(key, text, hashlib.sha256).hex(), mac)
            for key in self._keys.values()
        )

    def _cipher(self, key: bytes, salt: bytes, name: str) -> AESGCM:
        derived = HKDF(SHA256(), 32, salt, b"almoner backup " + name.encode())
        return AESGCM(derived.derive(self._keys[key]))


class SealedFile:
    """All that can be read from ``source`` as the pieces of a sealed file of this name, which are
    read once.
    """

    def __init__(self, source: IO[bytes], name: str, keys: BackupKeys) -> None:
        self._squeezed, self._name, self._keys = _Squeezed(source), name, keys

    @property
    def size(self) -> int:
        """The bytes that were read so far, before compression."""
        return self._squeezed.size

    def __iter__(self) -> Iterator[bytes]:
        beginning, cipher = self._keys.sealing(self._name)
        yield beginning
        for number, piece, is_last in _pieces(self._squeezed):
            yield cipher.encrypt(_nonce(number, is_last), piece, None)


def opened(file: IO[bytes], name: str, keys: BackupKeys) -> Iterator[bytes]:
    """What was sealed into a file of this name, a piece at a time; closes it. Raises BackupError
    where it was changed or is not whole.
    """
    expand = zlib.decompressobj()
    with file:
        cipher = keys.opening(file, name)
        number, sealed = 0, file.read(_PIECE + _TAG_BYTES)
        while sealed:
            further = file.read(_PIECE + _TAG_BYTES)
            try:
                piece = cipher.decrypt(_nonce(number, not further), sealed, None)
            except InvalidTag:
                raise BackupError(
                    f"{name} was changed or cut off since it was written. Use another backup."
                ) from None
            yield expand.decompress(piece)
            number, sealed = number + 1, further
    if number == 0:
        raise BackupError(f"{name} is empty. Use another backup.")
    yield expand.flush()


class Readable(io.RawIOBase):
    """Pieces of bytes as a file that is read from the beginning to the end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills as much of the buffer as the next piece does."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Squeezed:
    """The source in zlib's form, and how many bytes of it were read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        press = zlib.compressobj(_LEVEL)
        while piece := self._source.read(_PIECE):
            self.size += len(piece)
            yield press.compress(piece)
        yield press.flush()


def _pieces(source: Iterable[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """The bytes cut into pieces: the number of each, and whether it is the last."""
    number, rest = 0, bytearray()
    for squeezed in source:
        rest += squeezed
        while len(rest) > _PIECE:
            yield number, bytes(rest[:_PIECE]), False
            number += 1
            del rest[:_PIECE]
    yield number, bytes(rest), True


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
