"""What a page says of how the installation stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class HealthLook:
    """A part of the installation: what was seen of it, and how to mend it where it is not ``well``.

    ``at`` (UTC) is the moment that ``words`` are about, such as the end of the newest backup; None
    where that is the present one."""

    title: str
    well: bool
    words: str
    mend: str = ""
    at: datetime | None = None


# Not for a task that holds a connection: it takes one, and may wait for a store of backups.
Health = Callable[[], Awaitable[Sequence[HealthLook]]]
