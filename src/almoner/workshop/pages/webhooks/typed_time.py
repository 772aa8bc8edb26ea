"""A day and time as a form sends it, in the time zone of the person who typed it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from almoner.times import iso


def typed_time(typed: str, zone: ZoneInfo, name: str, errors: dict[str, str]) -> str | None:
    """The moment in UTC, as the API takes it; None where nothing was typed, or what is no time, which is told in ``errors``."""
    text = typed.strip()
    if not text:
        return None
    try:
        return iso(datetime.fromisoformat(text).replace(tzinfo=zone))
    except (ValueError, OverflowError):
        errors[name] = "Give a day and time such as 2026-03-01 08:30."
        return None
