"""A day and time as a form sends it, in the time zone of the person who sent it."""

from __future__ import annotations

from almoner.pages import parsing
from almoner.vocabulary import clocks


def parse_time(sent: str, timezone: str, name: str, errors: dict[str, str]) -> str | None:
    """The moment in UTC, as the API takes it; None where nothing was sent, or what is no time,
    which is told in ``errors``.

    Of a time that the clocks pass twice the first is meant: what is announced again from then on
    covers the second too."""
    text = sent.strip()
    if not text:
        return None
    try:
        meant = parsing.local_moment(text, timezone)
    except ValueError as wrong:
        errors[name] = str(wrong)
        return None
    moment = meant.moment or next(iter(meant.twice), None)
    if moment is None:
        errors[name] = meant.error
    return None if moment is None else clocks.iso(moment)
