"""Finding a patient by what a coach has at hand: a name, a phone number, an e-mail address or an id, with typing errors.

Three looks, each asked for only where those before found too few: what is exactly that or begins with it; what is much like it;
what is somewhat like it. Each look is one query, whose parts use one index each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from almoner.database import Connection
from almoner.portal.sight import OF_WORKER
from almoner.resources.email_addresses import EMAIL
from almoner.resources.external_ids import EXTERNAL_ID
from almoner.resources.patients import NAME, NAME_ORDER
from almoner.resources.phone_numbers import DIGITS

# How alike the words of a text must be to what was typed (pg_trgm.word_similarity_threshold), look by look.
_LIKENESS: Final = (0.6, 0.38)
# So many candidates are compared in a look: a name that is like half of all names is not worth comparing with each.
_CANDIDATES: Final = 400
_LONGEST: Final = 100
_MOST_WORDS: Final = 5
# Less than three letters are in too many numbers, addresses and ids; one letter is in too many names as well.
_SHORTEST: Final = 3
_NUMBER = re.compile(r"[\d\s().+/\-]+", re.ASCII)
_NOT_OF_A_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Found:
    """A patient who was found. ``by`` is the number, address or id that matched, empty where it was the name."""

    id: str
    first_name: str
    last_name: str
    birthday: date | None
    phase: str
    coach: str | None
    by: str

    @property
    def name(self) -> str:
        """The whole name."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True)
class Typed:
    """What was typed, taken apart. ``words`` are as ``almoner_plain`` writes them, and so is ``mailbox``, what stands before an @;
    ``digits`` are empty where it is no phone number.
    """

    text: str
    mailbox: str
    words: tuple[str, ...]
    digits: str

    @property
    def plain(self) -> str:
        """The words in a row, each after a space."""
        return "".join(f" {word}" for word in self.words)

    @property
    def id(self) -> str:
        """The GUID, where it is one."""
        try:
            return str(UUID(self.text)) if len(self.text) == 36 else ""
        except ValueError:
            return ""

    @property
    def is_address(self) -> bool:
        """Whether it looks like (a part of) an e-mail address, or like an id: nobody's name has a digit or an @."""
        return any(char in "@_." or char.isdigit() for char in self.text)


async def find(
    connection: Connection, environment_id: int, only: str | None, text: str, limit: int, but: Iterable[str] = ()
) -> list[Found]:
    """At most ``limit`` patients who fit what was typed, the best first; records that were merged into others are left out.

    ``only`` keeps to the patients of one coach. ``but``: ids that are not looked for.
    """
    typed = await _taken_apart(connection, text)
    if not typed.words:
        return []
    found: dict[str, Found] = {}
    leaving = [*but]
    for likeness in (None, *_LIKENESS):
        look = _Look(environment_id, only, typed, likeness, limit, [*leaving, *found])
        async with connection.transaction():
            if likeness is not None:
                await connection.execute(f"SET LOCAL pg_trgm.word_similarity_threshold = {likeness}")
            sql = look.sql()
            found |= {row["id"]: Found(**row) for row in (await connection.fetch(sql, *look.parameters) if sql else ())}
        # Whoever types a number or an address means that one, and not what is like it.
        if len(found) >= limit or (found and typed.is_address):
            break
    return list(found.values())[:limit]


async def _taken_apart(connection: Connection, text: str) -> Typed:
    text = text.strip()[:_LONGEST]
    text = text.replace("\x00", "")
    plain, mailbox = await connection.fetchrow("SELECT almoner_plain($1), almoner_plain($2)", text, text.partition("@")[0])
    words = tuple(word for word in _NOT_OF_A_WORD.split(plain) if word)[:_MOST_WORDS]
    return Typed(text, mailbox, words, digits_of(text))


def digits_of(text: str) -> str:
    """The digits of what may be a phone number in any notation, without the country's 1; empty where it is none."""
    digits = re.sub(r"\D", "", text, flags=re.ASCII) if _NUMBER.fullmatch(text) else ""
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits if 3 <= len(digits) <= 10 else ""


class _Look:
    """One query: its parts, each of which gives ids with their place, their likeness and what matched."""

    def __init__(
        self, environment_id: int, only: str | None, typed: Typed, likeness: float | None, limit: int, leaving: list[str]
    ) -> None:
        self._typed, self._likeness = typed, likeness
        self.parameters: list[Any] = [environment_id, only, leaving, limit]
        self._parts = self._fitting()

    def sql(self) -> str:
        """The query; blank where no part of it fits what was typed. First parameters: environment, coach, ids to leave, limit."""
        hits = " UNION ALL ".join(f"({part})" for part in self._parts)
        return (
            hits
            and f"""
WITH hits (id, place, near, by) AS ({hits}),
best AS (
  SELECT coalesce(m.kept_id, h.id) AS id, min(h.place) AS place, max(h.near) AS near, min(h.by) AS by
  FROM hits h LEFT JOIN patient_merges m ON m.environment_id = $1 AND m.patient_id = h.id GROUP BY 1
)
SELECT p.id::text, first_name, last_name, birthday, phase, best.by,
  (SELECT w.first_name || ' ' || w.last_name FROM workers w WHERE w.environment_id = $1 AND w.id = p.coach_id) AS coach
FROM best JOIN patients p ON p.environment_id = $1 AND p.id = best.id
WHERE {OF_WORKER} AND NOT p.id = ANY ($3::uuid[])
ORDER BY best.place, best.near DESC, {NAME_ORDER}, p.id LIMIT $4
"""
        )

    def _fitting(self) -> list[str]:
        exact, typed = self._likeness is None, self._typed
        found = self._exact() if exact else []
        if not typed.digits:
            found += self._named()
        elif exact or len(typed.digits) >= 7:
            found.append(self._attached("phone_numbers", DIGITS.plain, "phone_number", typed.digits, 3))
        if len(typed.plain) <= _SHORTEST:
            return found
        if not typed.digits and (typed.is_address or (exact and len(typed.words) == 1)):
            # The names of the great providers are like each other: what is before them tells more.
            address = typed.plain if exact else typed.mailbox
            found.append(self._attached("email_addresses", EMAIL.plain, "email", address, 4))
        if any(char.isdigit() for char in typed.text):
            found.append(self._mapped())
        return found

    def _given(self, value: Any, kind: str = "text") -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}::{kind}"

    def _exact(self) -> list[str]:
        typed = self._given(self._typed.text)
        parts = [
            "SELECT welkin_id AS id, 0 AS place, 1.0::real AS near, external_id AS by FROM external_ids "
            f"WHERE environment_id = $1 AND hashtextextended(external_id, 0) = hashtextextended({typed}, 0) "
            f"AND external_id = {typed} AND resource = 'patients' LIMIT {_CANDIDATES}"
        ]
        if self._typed.id:
            row_id = self._given(self._typed.id, "uuid")
            parts.append(f"SELECT id, 0, 1.0::real, '' FROM patients WHERE environment_id = $1 AND id = {row_id}")
        return parts

    def _named(self) -> list[str]:
        words = self._typed.words
        whole = self._given(self._typed.plain)
        of_worker = f"patients p WHERE p.environment_id = $1 AND {OF_WORKER}"
        near = f"word_similarity({whole}, {NAME.plain})"
        if self._likeness is not None:
            # Too short a word has too few trigrams to be like anything; it begins another word, or the look finds nothing.
            fits = " AND ".join(
                f"{NAME.plain} %> {self._given(word)}" if len(word) > 2 else f"{NAME.plain} LIKE {self._given(f'% {word}%')}"
                for word in words
            )
            return [f"SELECT p.id, 5, {near}, '' FROM {of_worker} AND {fits} LIMIT {_CANDIDATES}"]
        # By the order of names itself, so that the first of very many are the first.
        beginning = (
            f"SELECT p.id, 1, 1.0::real, '' FROM {of_worker} AND {NAME_ORDER} >= {whole} AND {NAME_ORDER} < {whole} || '~' "
            f"ORDER BY {NAME_ORDER}, p.id LIMIT $4"
        )
        if len(self._typed.plain) < _SHORTEST:
            return [beginning]
        fits = " AND ".join(f"{NAME.plain} LIKE {self._given(f'% {word}%')}" for word in words)
        return [
            beginning,
            f"SELECT p.id, 2, {near}, '' FROM {of_worker} AND {fits} LIMIT {_CANDIDATES}",
        ]

    def _attached(self, table: str, plain: str, shown: str, typed: str, place: int) -> str:
        """What belongs to a patient and has what was typed in it, or is like it."""
        return (
            f"SELECT user_id, {place}, word_similarity({self._given(typed.strip())}, {plain}), {shown} FROM {table} "
            f"WHERE environment_id = $1 AND {self._fits(plain, typed)} LIMIT {_CANDIDATES}"
        )

    def _mapped(self) -> str:
        plain, typed = EXTERNAL_ID.plain, self._typed.plain
        return (
            f"SELECT welkin_id, 4, word_similarity({self._given(typed.strip())}, {plain}), external_id FROM external_ids "
            f"WHERE environment_id = $1 AND {self._fits(plain, typed)} AND resource = 'patients' LIMIT {_CANDIDATES}"
        )

    def _fits(self, plain: str, typed: str) -> str:
        if self._likeness is None:
            return f"{plain} LIKE {self._given(f'%{typed}%')}"
        return f"{plain} %> {self._given(typed.strip())}"
