"""Finding a patient by what a coach has at hand: a name, a phone number, an e-mail address, a date
of birth or an id.

Typing errors are forgiven. Four looks, each asked for only where those before found too few: what
is exactly that or begins with it; what holds it; what is much like it; what is somewhat like it. A
fifth, for slips in both of two words, is asked for only where they found nobody.
Each look is one query, whose parts use one index each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from almoner.database import Connection
from almoner.patient_merges.current_sql import kept_id
from almoner.portal.patient_access import OF_WORKER
from almoner.portal.patients.search_text import SearchText, parse_search
from almoner.resources.email_addresses import EMAIL
from almoner.resources.external_ids import EXTERNAL_ID
from almoner.resources.patients import NAME, NAME_ORDER
from almoner.resources.phone_numbers import DIGITS
from almoner.vocabulary.names import Named, full_name_sql

# How alike the words of a text must be to what was typed (pg_trgm.word_similarity_threshold), look
# by look, after those that want the very text: at the beginning, which the order of names finds at
# once however many there are, and anywhere.
_BEGINS: Final = 2.0
_HOLDS: Final = 1.0
_LIKENESS: Final = (0.6, 0.38)
# Names of two words with letters swapped in both, looked for where nobody else was found.
_SWAPPED_TWICE: Final = 0.0
# So many candidates are compared in a look: a name that is like half of all names is not worth
# comparing with each.
_CANDIDATES: Final = 400
# Less than three letters are in too many numbers, addresses and ids; one letter is in too many
# names as well.
_SHORTEST: Final = 3
# Of later letters that are swapped the trigrams before them are left to be alike.
_SWAPS: Final = 4


@dataclass(frozen=True, kw_only=True)
class PatientMatch(Named):
    """A patient who was found. ``by`` is the number, address or id that matched, empty where it was
    the name.
    """

    id: str
    first_name: str
    last_name: str
    birthday: date | None
    phase: str
    coach: str | None
    by: str


async def find(
    connection: Connection,
    environment_id: int,
    only: str | None,
    text: str,
    limit: int,
    but: Iterable[str] = (),
) -> list[PatientMatch]:
    """At most ``limit`` patients who fit what was typed, the best first; records that were merged
    into others are left out.

    ``only`` keeps to the patients of one coach. ``but``: ids that are not looked for.
    """
    search = await parse_search(connection, text)
    if not search.words and not search.birthday:
        return []
    matches: dict[str, PatientMatch] = {}
    leaving = [*but]
    for likeness in (_BEGINS, _HOLDS, *_LIKENESS, _SWAPPED_TWICE):
        if matches and likeness == _SWAPPED_TWICE:
            break
        look = _Look(
            environment_id=environment_id,
            only=only,
            search=search,
            likeness=likeness,
            limit=limit,
            leaving=[*leaving, *matches],
        )
        async with connection.transaction():
            if likeness in _LIKENESS:
                await connection.execute(
                    f"SET LOCAL pg_trgm.word_similarity_threshold = {likeness}"
                )
            sql = look.sql()
            matches |= {
                row["id"]: PatientMatch(**row)
                for row in (await connection.fetch(sql, *look.parameters) if sql else ())
            }
        # Whoever types a number or an address means that one, and not what is like it; digits alone
        # may be of a phone or of an id.
        if len(matches) >= limit or (
            matches and search.is_address and not (search.digits and likeness == _BEGINS)
        ):
            break
    return list(matches.values())[:limit]


class _Look:
    """One query: its parts, each of which gives ids with their place, their likeness and what
    matched.
    """

    def __init__(
        self,
        environment_id: int,
        only: str | None,
        search: SearchText,
        likeness: float,
        limit: int,
        leaving: list[str],
    ) -> None:
        self._search, self._likeness, self._only = search, likeness, only
        self.parameters: list[Any] = [environment_id, only, leaving, limit]
        self._parts = self._fitting()

    def sql(self) -> str:
        """The query; blank where no part of it fits what was typed. First parameters: environment,
        coach, ids to leave, limit.
        """
        hits = " UNION ALL ".join(f"({part})" for part in self._parts)
        return (
            hits
            and f"""
WITH hits (id, place, near, by) AS ({hits}),
best AS (
  SELECT coalesce(m.kept_id, h.id) AS id, min(h.place) AS place, max(h.near) AS near,
      min(h.by) AS by
  FROM hits h LEFT JOIN patient_merges m ON m.environment_id = $1 AND m.patient_id = h.id GROUP BY 1
)
SELECT p.id::text, first_name, last_name, birthday, phase, best.by,
  (SELECT {full_name_sql("w")} FROM workers w WHERE w.environment_id = $1
      AND w.id = p.coach_id) AS coach
FROM best JOIN patients p ON p.environment_id = $1 AND p.id = best.id
WHERE {OF_WORKER} AND NOT p.id = ANY ($3::uuid[])
ORDER BY best.place, best.near DESC, {NAME_ORDER}, p.id LIMIT $4
"""
        )

    def _fitting(self) -> list[str]:
        exact, search = self._likeness == _HOLDS, self._search
        if self._likeness == _BEGINS:
            return self._first()
        if self._likeness == _SWAPPED_TWICE:
            return [*self._swapped_twice()]
        if search.birthday:
            return self._named() if search.words else []
        parts = []
        if not search.digits:
            parts += self._named()
        elif exact or len(search.digits) >= 7:
            parts.append(
                self._attached("phone_numbers", DIGITS.plain, "phone_number", search.digits, 3)
            )
        if len(search.plain) <= _SHORTEST:
            return parts
        if not search.digits and (search.is_address or (exact and len(search.words) == 1)):
            # The names of the great providers are like each other: what is before them tells more.
            address = search.plain if exact else search.mailbox
            parts.append(self._attached("email_addresses", EMAIL.plain, "email", address, 4))
        if any(char.isdigit() for char in search.text):
            parts.append(self._mapped())
        return parts

    def _parameter(self, value: Any, kind: str = "text") -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}::{kind}"

    def _first(self) -> list[str]:
        if self._search.birthday:
            return [*self._exact(), *([] if self._search.words else [self._born()])]
        return [*self._exact(), *([] if self._search.digits else [self._beginning()])]

    def _exact(self) -> list[str]:
        external_id = self._parameter(self._search.text)
        parts = [
            "SELECT welkin_id AS id, 0 AS place, 1.0::real AS near, external_id AS by FROM"
            " external_ids WHERE environment_id = $1 AND hashtextextended(external_id, 0) ="
            f" hashtextextended({external_id}, 0) AND external_id = {external_id}"
            " AND resource = 'patients'"
            f" LIMIT {_CANDIDATES}"
        ]
        if self._search.ids:
            first, last = (self._parameter(edge, "uuid") for edge in self._search.ids)
            parts.append(
                "SELECT id, 0, 1.0::real, '' FROM patients WHERE environment_id = $1 AND id"
                f" BETWEEN {first} AND {last} ORDER BY id LIMIT {_CANDIDATES}"
            )
        return parts

    def _born(self) -> str:
        return f"SELECT p.id, 1, 1.0::real, '' FROM {self._of_worker()} LIMIT {_CANDIDATES}"

    def _of_worker(self) -> str:
        """The patients to look among: those born on the day, where one was typed."""
        born = (
            f" AND p.birthday = {self._parameter(self._search.birthday, 'date')}"
            if self._search.birthday
            else ""
        )
        return f"patients p WHERE p.environment_id = $1 AND {OF_WORKER}{born}"

    def _named(self) -> list[str]:
        words = self._search.words
        whole = self._parameter(self._search.plain)
        of_worker = self._of_worker()
        near = f"word_similarity({whole}, {NAME.plain})"
        if self._likeness != _HOLDS:
            fits = " AND ".join(self._like(word) for word in words)
            part = f"SELECT p.id, 5, {near}, '' FROM {of_worker} AND {fits} LIMIT {_CANDIDATES}"
            is_last = self._likeness == _LIKENESS[-1]
            return [part, *(self._swapped(of_worker, near) if is_last else ())]
        if len(self._search.plain) < _SHORTEST and not self._search.birthday:
            return []
        fits = " AND ".join(f"{NAME.plain} LIKE {self._parameter(f'% {word}%')}" for word in words)
        return [f"SELECT p.id, 2, {near}, '' FROM {of_worker} AND {fits} LIMIT {_CANDIDATES}"]

    def _like(self, word: str) -> str:
        """Too short a word has too few trigrams to be like anything; it begins another word, or the
        look finds nothing.
        """
        if len(word) > 2:
            return f"{NAME.plain} %> {self._parameter(word)}"
        return f"{NAME.plain} LIKE {self._parameter(f'% {word}%')}"

    def _swapped(self, of_worker: str, near: str) -> Iterator[str]:
        """Names that have one of the words with two letters near its beginning swapped, which
        leaves no trigram as it was. Each is a part of its own: of alternatives in one the index
        knows nothing.
        """
        for word in self._search.words:
            others = [other for other in self._search.words if other != word]
            for text in _with_swaps(word):
                fits = f"{NAME.plain} LIKE {self._parameter(f'% {text}%')}"
                fits = " AND ".join((fits, *(self._like(other) for other in others)))
                yield f"SELECT p.id, 5, {near}, '' FROM {of_worker} AND {fits} LIMIT {_CANDIDATES}"

    def _swapped_twice(self) -> Iterator[str]:
        """Names of which both words are so. The index is asked for each pair of them in one part:
        of two words alone, since of more there are too many pairs.
        """
        swaps = [_with_swaps(word) for word in self._search.words]
        if len(swaps) == 2 and all(swaps):
            of_worker = self._of_worker()
            near = f"word_similarity({self._parameter(self._search.plain)}, {NAME.plain})"
            fits = " AND ".join(
                f"{NAME.plain} LIKE ANY"
                f" ({self._parameter([f'% {text}%' for text in texts], 'text[]')})"
                for texts in swaps
            )
            yield f"SELECT p.id, 5, {near}, '' FROM {of_worker} AND {fits} LIMIT {_CANDIDATES}"

    def _beginning(self) -> str:
        """By the order of names itself, so that the first of very many are the first."""
        whole = self._parameter(self._search.plain)
        return (
            f"SELECT p.id, 1, 1.0::real, '' FROM {self._of_worker()} AND {NAME_ORDER} >= {whole}"
            f" AND {NAME_ORDER} < {whole} || '~' ORDER BY {NAME_ORDER}, p.id LIMIT $4"
        )

    def _attached(self, table: str, plain: str, column: str, text: str, place: int) -> str:
        """What belongs to a patient and has what was typed in it, or is like it."""
        return (
            f"SELECT t.user_id, {place}, word_similarity({self._parameter(text.strip())}, {plain}),"
            f" {column} FROM {table} t WHERE t.environment_id = $1 AND"
            f" {self._fits(plain, text)}{self._own('t.user_id')} LIMIT {_CANDIDATES}"
        )

    def _mapped(self) -> str:
        plain, text = EXTERNAL_ID.plain, self._search.plain
        return (
            f"SELECT t.welkin_id, 4, word_similarity({self._parameter(text.strip())}, {plain}),"
            " external_id FROM external_ids t WHERE t.environment_id = $1 AND"
            f" {self._fits(plain, text)} AND resource = 'patients'{self._own('t.welkin_id')} LIMIT"
            f" {_CANDIDATES}"
        )

    def _own(self, whose: str) -> str:
        """Keeps what is compared to the patients of the coach, where others are not shown: theirs
        would fill the candidates.

        The record that a mapping stayed with is not the coach's, but the one that it was merged
        into may be."""
        if self._only is None:
            return ""
        ids = f"{whose}, {kept_id(whose)}"
        return (
            f" AND EXISTS (SELECT FROM patients p WHERE p.environment_id = $1 AND p.id IN ({ids})"
            f" AND {OF_WORKER})"
        )

    def _fits(self, plain: str, text: str) -> str:
        if self._likeness == _HOLDS:
            return f"{plain} LIKE {self._parameter(f'%{text}%')}"
        return f"{plain} %> {self._parameter(text.strip())}"


def _with_swaps(word: str) -> list[str]:
    """The word with each two neighbours of its first letters in the other order."""
    swapped = {
        word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        for place in range(min(_SWAPS, len(word) - 1) if len(word) > _SHORTEST else 0)
    }
    return sorted(swapped - {word})
