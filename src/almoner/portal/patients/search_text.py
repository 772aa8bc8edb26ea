"""What somebody typed into the search for patients, taken apart: words, a phone number's digits, a
date of birth, an id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from almoner.database import Connection
from almoner.pages.moment_fields import MONTHS
from almoner.vocabulary.contact_kinds import phone_digits

_LONGEST: Final = 100
_MOST_WORDS: Final = 5
_NOT_OF_A_WORD = re.compile(r"[^a-z0-9]+")
_MONTH = rf"(?P<month>{'|'.join(MONTHS)})[a-z]*\.?"
# The notations of a day that are read, each with its year in full: 1906-12-09, 12/09/1906, 9 Dec
# 1906, Dec 9, 1906.
_DAYS: Final = tuple(
    re.compile(rf"(?<![\w/.-]){day}(?![\w/.-])", re.ASCII | re.IGNORECASE)
    for day in (
        r"(?P<year>\d{4})-(?P<first>\d{1,2})-(?P<second>\d{1,2})",
        r"(?P<first>\d{1,2})[/.-](?P<second>\d{1,2})[/.-](?P<year>\d{4})",
        rf"(?P<second>\d{{1,2}})(?:st|nd|rd|th)?\.?\s+{_MONTH}\s+(?P<year>\d{{4}})",
        rf"{_MONTH}\s+(?P<second>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})",
    )
)
# The beginning of a GUID, long enough that few others begin alike.
_ID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]){0,24}", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class SearchText:
    """What was typed, taken apart. ``words`` are as ``almoner_plain`` writes them, without the date
    of birth; so is ``mailbox``, what stands before an @. ``digits`` are empty where it is no phone
    number, ``birthday`` is None where there is no date."""

    text: str
    mailbox: str
    words: tuple[str, ...]
    digits: str
    birthday: date | None

    @property
    def plain(self) -> str:
        """The words in a row, each after a space."""
        return "".join(f" {word}" for word in self.words)

    @property
    def ids(self) -> tuple[str, str] | None:
        """The first and the last GUID that begin with what was typed, where it is one or at least
        eight of its characters.
        """
        digits = self.text.replace("-", "").lower() if _ID.fullmatch(self.text) else ""
        return (
            (str(UUID(digits.ljust(32, "0"))), str(UUID(digits.ljust(32, "f")))) if digits else None
        )

    @property
    def is_address(self) -> bool:
        """Whether it looks like (a part of) an e-mail address, or like an id: nobody's name has a
        digit or an @.
        """
        return any(char in "@_." or char.isdigit() for char in self.text)


async def parse_search(connection: Connection, text: str) -> SearchText:
    """Reads what was typed."""
    text = text.strip()[:_LONGEST]
    birthday, rest = birthday_of(text)
    plain, mailbox = await connection.fetchrow(
        "SELECT almoner_plain($1), almoner_plain($2)", rest, rest.partition("@")[0]
    )
    words = tuple(word for word in _NOT_OF_A_WORD.split(plain) if word)[:_MOST_WORDS]
    return SearchText(
        text=text, mailbox=mailbox, words=words, digits=phone_digits(rest), birthday=birthday
    )


def birthday_of(text: str) -> tuple[date | None, str]:
    """The date in what was typed, and the rest. The month comes first, as in the contract's
    country, unless it cannot be one.
    """
    for day in _DAYS:
        match = day.search(text)
        if match:
            named = match.groupdict()
            second = int(named["second"])
            month = (
                MONTHS.index(named["month"].lower()) + 1
                if named.get("month")
                else int(named["first"])
            )
            if month > 12 and named["year"] != match[0][:4]:
                month, second = second, month
            try:
                return (
                    date(int(named["year"]), month, second),
                    f"{text[: match.start()]} {text[match.end() :]}".strip(),
                )
            except ValueError:
                continue
    return None, text
