"""Recovery codes, as they are shown once: to be copied, saved or printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

_FILE: Final = "Recovery codes of Almoner, each good once in place of the code of the app:\n\n{}\n"


@dataclass(frozen=True)
class NewCodes:
    """The codes, and the path that the page leads on to. ``file`` is an address that holds them.

    The file is made in the page, so that the server has no address that tells the codes again.
    """

    codes: tuple[str, ...]
    on: str
    file: str

    @classmethod
    def of(cls, codes: tuple[str, ...], on: str) -> NewCodes:
        """The page of these codes, which leads on to the path ``on``."""
        text = "\n".join(codes)
        return cls(codes, on, f"data:text/plain;charset=utf-8,{quote(_FILE.format(text))}")
