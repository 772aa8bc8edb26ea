"""What the header ``Almoner-Sandbox`` asks for: pairs with commas between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.errors import ApiError, Problem
from almoner.vocabulary.times import Bound

HEADER: Final = b"almoner-sandbox"
# A clock that is to go as those of others do.
NOW: Final = "now"
LONGEST_DELAY: Final = 120
_HERE: Final = ".Almoner-Sandbox"
_MOMENT: Final = Bound()
_STATUSES: Final = ("401", "429", "500", "503")
_NOTIFICATIONS: Final = ("duplicate", "reorder")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """How a request is to go wrong; each is None where nothing is asked for.

    ``status`` is what it is refused with, by itself before anything is done and with ``done``
    after it was; a caller is told to come back after ``retry_after`` seconds. ``delay`` are the
    seconds before the answer. With ``cut`` the connection ends amid the answer. ``times`` is how
    many requests with this very header go wrong; ``name`` makes a header another one.
    ``notification`` says what is announced once more. ``clock`` is what time it is to be, in UTC,
    or ``now``.
    """

    status: int | None = None
    retry_after: int = 1
    done: bool = False
    delay: int = 0
    cut: bool = False
    times: int | None = None
    name: str = ""
    notification: str | None = None
    clock: datetime | str | None = None


def parse(header: bytes) -> Wishes:
    """Raises a 400 ``ApiError`` with everything that is not understood."""
    wishes: dict[str, Any] = {}
    problems = []
    for pair in header.decode("latin-1").split(","):
        name, _, value = pair.strip().partition("=")
        read = _READ.get(name.strip().lower())
        try:
            if read is None:
                raise ValueError(f"it knows {', '.join(_READ)}")
            key, wish = name.strip().lower().replace("-", "_"), read(value.strip().strip('"'))
            wishes[key] = wish
        except ValueError as error:
            detail = f"The header Almoner-Sandbox asks for something else: {error}."
            problems.append(Problem("bad_request", detail, {"path": _HERE}))
    if problems:
        raise ApiError(problems)
    return Wishes(**wishes)


def _whole(name: str, least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and least <= int(text[:9]) <= most:
            return int(text)
        raise ValueError(f"{name} is a whole number from {least} to {most}")

    return read


def _of(name: str, values: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text in values:
            return text
        raise ValueError(f"{name} is one of {', '.join(values)}")

    return read


def _flag(name: str) -> Callable[[str], bool]:
    def read(text: str) -> bool:
        if text:
            raise ValueError(f"{name} stands by itself, without a value")
        return True

    return read


def _clock(text: str) -> datetime | str:
    if text == NOW:
        return NOW
    problems: list[Problem] = []
    moment: datetime = _MOMENT.decode(text, _HERE, problems)
    if problems:
        raise ValueError("clock is a time as 2026-12-24T09:00:00Z, or now")
    return moment


def _status(text: str) -> int:
    return int(_of("status", _STATUSES)(text))


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "status": _status,
    "retry-after": _whole("retry-after", 0, 3600),
    "done": _flag("done"),
    "delay": _whole("delay", 1, LONGEST_DELAY),
    "cut": _flag("cut"),
    "times": _whole("times", 1, 1000),
    "name": str,
    "notification": _of("notification", _NOTIFICATIONS),
    "clock": _clock,
}
