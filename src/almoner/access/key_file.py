"""Where keys come from: the setting ``ALMONER_SECRET_KEY``, or the file ``secret.key`` of the home.
Never the database.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from almoner import home as homes
from almoner.access.secrets import KEY_BYTES, key_id
from almoner.errors import SettingError

_EXPECTED: Final = "32 bytes in base64, as printed by: openssl rand -base64 32"


@dataclass(frozen=True)
class KeySource:
    """The keys of a process: those of ``setting`` where it is not blank, and otherwise those of
    ``home/secret.key``.

    Both hold one key, or several separated by blanks while a key is replaced, the newest first.
    """

    setting: str
    home: Path

    @property
    def path(self) -> Path:
        return self.home / "secret.key"

    @property
    def name(self) -> str:
        """Where the keys are, as a sentence names it."""
        return "ALMONER_SECRET_KEY" if self.setting else str(self.path.absolute())

    def read(self) -> tuple[bytes, ...]:
        """The keys there are, the newest first; none where there is no file yet. Raises
        SettingError where one is no key.
        """
        if self.setting:
            return _decoded(self.setting, self.name)
        try:
            return _decoded(self.path.read_text(encoding="ascii", errors="replace"), self.name)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unusable(error) from error

    def first(self) -> tuple[bytes, ...]:
        """The keys there are; where there are none a new one, in a file that its owner alone can
        read.

        Processes that start at once end up with the same key. Raises SettingError.
        """
        return self.read() or self._create()

    def write(self, keys: Sequence[bytes]) -> None:
        """Puts these keys into the file, the newest first. Whoever reads it meanwhile gets all of
        the old or all of the new. What a process left that was killed over it goes.

        Raises SettingError.
        """
        try:
            self._draft(keys).replace(self.path)
            for left in self.home.glob(f".{self.path.name}.*"):
                left.unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def _create(self) -> tuple[bytes, ...]:
        """Writes a new key under another name and links it in place: whoever comes first wins, and
        nobody reads half a file.
        """
        try:
            homes.make(self.home)
            draft = self._draft([os.urandom(KEY_BYTES)])
            try:
                os.link(draft, self.path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        except OSError as error:
            raise self._unusable(error) from error
        return self.read()

    def _draft(self, keys: Sequence[bytes]) -> Path:
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(base64.b64encode(key) + b"\n" for key in keys)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            # As on a full disk. A key that nobody uses is to lie nowhere.
            draft.unlink()
            raise
        return draft

    def _unusable(self, error: OSError) -> SettingError:
        return SettingError(
            f"The key file {self.path} cannot be used ({error.strerror}). Or set"
            " ALMONER_SECRET_KEY."
        )


def _decoded(text: str, source: str) -> tuple[bytes, ...]:
    keys = []
    for word in re.split(r"[\s,]+", text.strip()):
        plain = word.replace("-", "+").replace("_", "/")
        try:
            key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise SettingError(f"{source} must hold {_EXPECTED}")
        keys.append(key)
    return tuple({key_id(key): key for key in keys}.values())
