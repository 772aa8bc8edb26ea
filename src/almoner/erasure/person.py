"""Whom an erasure or an export is about: every record of theirs, and what they are known by in what
was sent or stored as text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from almoner.database import Connection
from almoner.errors import problem
from almoner.patient_merges.current_sql import kept_id
from almoner.vocabulary.kinds import Guid

# The record that goes on for this one, those that were merged into it, and it itself.
_RECORDS: Final = f"""
WITH RECURSIVE going_on AS (
  SELECT coalesce({kept_id("$2")}, $2) AS id
), of_them AS (
  SELECT id FROM going_on
  UNION SELECT m.patient_id FROM of_them JOIN patient_merges m ON m.environment_id = $1
    AND m.kept_id = of_them.id
)
SELECT p.id::text FROM patients p JOIN of_them USING (id) WHERE p.environment_id = $1
ORDER BY p.id = (SELECT id FROM going_on) DESC, p.id
"""
_LOCK: Final = """
SELECT id FROM patients WHERE environment_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE
"""
_NAMES: Final = """
SELECT first_name, last_name FROM patients WHERE environment_id = $1 AND id = ANY ($2::uuid[])
"""
# What only one person has.
_IDENTIFIERS: Final = """
SELECT external_id AS text FROM external_ids WHERE environment_id = $1 AND resource = 'patients'
  AND welkin_id = ANY ($2::uuid[])
UNION SELECT phone_number FROM phone_numbers WHERE environment_id = $1
  AND user_id = ANY ($2::uuid[])
UNION SELECT email FROM email_addresses WHERE environment_id = $1 AND user_id = ANY ($2::uuid[])
"""
# What these said before, as the log has it until it is blanked.
_LOGGED: Final = """
SELECT DISTINCT c.resource || '.' || field.name AS of, logged.text FROM changes c
CROSS JOIN LATERAL json_each(c.differences) AS field (name, pair)
CROSS JOIN LATERAL json_array_elements_text(field.pair) AS logged (text)
WHERE c.environment_id = $1 AND c.patient_id = ANY ($2::uuid[]) AND c.differences IS NOT NULL
  AND c.resource || '.' || field.name = ANY ($3::text[]) AND logged.text <> ''
"""
# Of these, what somebody else has now: an identifier that was put right, a number handed on.
_IDENTIFIERS_OF_OTHERS: Final = """
SELECT external_id AS text FROM external_ids WHERE environment_id = $1 AND resource = 'patients'
  AND external_id = ANY ($3::text[]) AND welkin_id <> ALL ($2::uuid[])
UNION SELECT phone_number FROM phone_numbers WHERE environment_id = $1
  AND phone_number = ANY ($3::text[]) AND user_id <> ALL ($2::uuid[])
UNION SELECT email FROM email_addresses WHERE environment_id = $1
  AND email = ANY ($3::text[]) AND user_id <> ALL ($2::uuid[])
"""
_NAMES_OF_OTHERS: Final = """
SELECT DISTINCT first_name, last_name FROM patients WHERE environment_id = $1
  AND id <> ALL ($2::uuid[]) AND first_name = ANY ($3::text[]) AND last_name = ANY ($4::text[])
"""
_FIRST, _LAST = "patients.first_name", "patients.last_name"
_LOGGED_IDENTIFIERS: Final = (
    "external_ids.external_id",
    "phone_numbers.phone_number",
    "email_addresses.email",
)
# Shorter ones stand in texts that are of others.
_SHORTEST: Final = 5


@dataclass(frozen=True)
class Terms:
    """What a text that is about a person has in it: one of ``texts`` as a word of its own, or both
    of one of ``pairs``, which are names as JSON has them.
    """

    texts: Sequence[str]
    pairs: Sequence[tuple[str, str]]

    @property
    def patterns(self) -> list[str]:
        """The texts as regular expressions, which PostgreSQL reads as Python does."""
        edge = "[^[:alnum:]]"
        return [f"(^|{edge}){re.escape(text)}($|{edge})" for text in self.texts]

    @property
    def parameters(self) -> tuple[list[str], list[str], list[str]]:
        """As ``mentions`` takes them."""
        return self.patterns, [pair[0] for pair in self.pairs], [pair[1] for pair in self.pairs]

    @property
    def in_prose(self) -> list[str]:
        """Regular expressions of what people wrote about the person: what only they have, or both
        names, in whichever order and case.
        """
        edge = "[^[:alnum:]]"
        names = [tuple(re.escape(name.strip('"')) for name in pair) for pair in self.pairs]
        both = [
            f"(^|{edge}){before}{edge}(.*{edge})?{after}($|{edge})"
            for first, last in names
            for before, after in ((first, last), (last, first))
        ]
        return [*self.patterns, *both]

    @property
    def last_names(self) -> list[str]:
        """Each as a regular expression."""
        return [re.escape(last.strip('"')) for _, last in self.pairs]

    def are_in(self, text: str) -> bool:
        """Whether a text is about the person."""
        return any(
            re.search(rf"(?<![^\W_]){re.escape(term)}(?![^\W_])", text) for term in self.texts
        ) or any(first in text and last in text for first, last in self.pairs)


def mentions(text: str, first: int) -> str:
    """The SQL of the same; the three parameters of ``Terms`` begin at ``first``."""
    return (
        f"({text} ~ ANY (${first}::text[]) OR EXISTS (SELECT FROM unnest(${first + 1}::text[],"
        f" ${first + 2}::text[]) AS pair(first_name, last_name) WHERE strpos({text},"
        f" pair.first_name) > 0 AND strpos({text}, pair.last_name) > 0))"
    )


async def records(connection: Connection, environment_id: int, patient_id: str) -> list[str]:
    """The ids of a person's records, the current one first. Raises a 404 ApiError where there is
    none.
    """
    parsed = Guid().decode(patient_id, "", [])
    rows = parsed and await connection.fetch(_RECORDS, environment_id, parsed)
    if not rows:
        raise problem("not_found", "There is no patient with this id in the environment.")
    return [row["id"] for row in rows]


async def locked(connection: Connection, environment_id: int, patient_id: str) -> list[str]:
    """The same; until the transaction ends, nobody writes about them, and nothing is merged with
    them.
    """
    while True:
        before = await records(connection, environment_id, patient_id)
        await connection.fetch(_LOCK, environment_id, before)
        # Whoever was merging them meanwhile is done now.
        if await records(connection, environment_id, patient_id) == before:
            return before


def packed(ids: Sequence[str]) -> bytes:
    """The ids as the audit trail has them, sixteen bytes each."""
    return b"".join(UUID(record).bytes for record in ids)


async def terms(connection: Connection, environment_id: int, ids: Sequence[str]) -> Terms:
    """What these records are known by, and were."""
    logged: dict[str, set[str]] = defaultdict(set)
    for row in await connection.fetch(
        _LOGGED, environment_id, ids, [_FIRST, _LAST, *_LOGGED_IDENTIFIERS]
    ):
        logged[row["of"]].add(row["text"])
    whose = (environment_id, ids)
    former = {text for of in _LOGGED_IDENTIFIERS for text in logged[of]}
    others = await connection.fetch(_IDENTIFIERS_OF_OTHERS, *whose, list(former))
    identifiers = former - {row["text"] for row in others}
    identifiers |= {row["text"] for row in await connection.fetch(_IDENTIFIERS, *whose)}
    names = await _names(connection, whose, logged[_FIRST], logged[_LAST])
    texts = [*ids, *(text for text in identifiers if len(text or "") >= _SHORTEST)]
    # As HL7 writes a name.
    texts += [f"{last}^{first}" for first, last in names]
    return Terms(texts, [(f'"{first}"', f'"{last}"') for first, last in names])


async def _names(
    connection: Connection,
    whose: tuple[int, Sequence[str]],
    first_names: Set[str],
    last_names: Set[str],
) -> list[tuple[str, str]]:
    """First and last names that are theirs, and that were and are nobody else's now."""
    rows = await connection.fetch(_NAMES, *whose)
    present = {(row["first_name"], row["last_name"]) for row in rows}
    # Who was called another first name had another last name then, or had not.
    first_names = first_names | {first for first, _ in present}
    last_names = last_names | {last for _, last in present}
    rows = await connection.fetch(_NAMES_OF_OTHERS, *whose, list(first_names), list(last_names))
    of_others = {(row["first_name"], row["last_name"]) for row in rows}
    pairs = {(first, last) for first in first_names for last in last_names if first and last}
    return sorted(pairs - (of_others - present))
