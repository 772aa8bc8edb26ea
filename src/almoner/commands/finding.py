"""One look of ``almoner doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

ERROR: Final = "error"
WARNING: Final = "warning"
_WELL: Final = "ok"


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is well, what was seen, and how to mend it.

    ``level`` is what it is where it is not well: an error keeps people from working or puts data at
    risk, a warning will."""

    looked_at: str
    well: bool
    seen: str
    mend: str = ""
    level: str = ERROR

    def as_json(self) -> dict[str, Any]:
        """For programs: ``id`` stays the same from one version to the next."""
        return {
            "id": self.looked_at.lower().replace(" ", "_"),
            "level": _WELL if self.well else self.level,
            "looked_at": self.looked_at,
            "well": self.well,
            "seen": self.seen,
            "mend": "" if self.well else self.mend,
        }
