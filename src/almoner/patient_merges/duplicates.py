"""Who may be the same person as somebody about to be created, or as another record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date
from typing import Any, Final

from almoner.database import Connection
from almoner.resources.email_addresses import EMAIL
from almoner.resources.patients import NAME
from almoner.resources.phone_numbers import DIGITS
from almoner.vocabulary.names import Named

_MOST: Final = 5
# No two people who live are born further apart, in years.
_APART: Final = 120

# Born on the day or on one that is easily mistaken for it, which the index of names holds beside
# them, and then compared by name. $2 coach, $3 name, $4 birthday, $5 phone, $6 e-mail, $7 and $8
# namespaces and ids, $9 the birthday and what it is mistaken for.
_LIKELY: Final = f"""
WITH hits (id, why) AS (
  SELECT id, CASE WHEN birthday = $4::date THEN 'born on the same day, with a name like this'
    ELSE 'has nearly this name, born on a day that is easily mistaken for this one' END
        FROM patients
  WHERE environment_id = $1 AND {NAME.plain} %> almoner_plain($3) AND birthday = ANY ($9::date[])
    AND (birthday = $4::date OR word_similarity(almoner_plain($3), {NAME.plain}) > 0.75)
  UNION ALL
  SELECT user_id, 'has the same phone number' FROM phone_numbers
  WHERE environment_id = $1 AND {DIGITS.plain} LIKE '%' || replace($5::text, '-', '') || '%'
      AND phone_number = $5
  UNION ALL
  SELECT user_id, 'has the same e-mail address' FROM email_addresses
  WHERE environment_id = $1 AND {EMAIL.plain} LIKE '%' || almoner_plain($6::text) || '%'
      AND lower(email) = lower($6)
  UNION ALL
  SELECT e.welkin_id, 'has this id in another system'
      FROM unnest($7::text[], $8::text[]) AS mappings (namespace, external_id)
  JOIN external_ids e ON e.environment_id = $1 AND hashtextextended(e.external_id,
      0) = hashtextextended(mappings.external_id, 0)
    AND e.external_id = mappings.external_id AND e.namespace = mappings.namespace
        AND e.resource = 'patients'
)
SELECT p.id::text, p.first_name, p.last_name, p.birthday, p.phase, string_agg(DISTINCT why, '; '
    ORDER BY why) AS why,
  coalesce($2::uuid IS NULL OR p.coach_id = $2, false) AS is_visible
FROM hits LEFT JOIN patient_merges m ON m.environment_id = $1 AND m.patient_id = hits.id
JOIN patients p ON p.environment_id = $1 AND p.id = coalesce(m.kept_id, hits.id)
GROUP BY p.environment_id, p.id ORDER BY count(DISTINCT why) DESC, p.id LIMIT {_MOST}
"""


@dataclass(frozen=True, kw_only=True)
class Likely(Named):
    """A patient who may be the same person, and why. ``is_visible``: whether the visitor's role
    shows them; if not, only say so.

    ``values`` are what is typed and what their record says, field by field, where somebody asked
    for it (``beside``)."""

    id: str
    first_name: str
    last_name: str
    birthday: date | None
    phase: str
    why: str
    is_visible: bool
    values: tuple[Any, ...] = ()


async def likely(
    connection: Connection, environment_id: int, only: str | None, row: Mapping[str, Any]
) -> Sequence[Likely]:
    """Patients who may be the one of ``row``, which holds checked values by the names of the fields
    of a Create.
    """
    return (await likely_each(connection, environment_id, only, [row]))[0]


async def likely_each(
    connection: Connection, environment_id: int, only: str | None, rows: Sequence[Mapping[str, Any]]
) -> list[Sequence[Likely]]:
    """The same of each of these rows, in their order."""
    async with connection.transaction():
        await connection.execute("SET LOCAL pg_trgm.word_similarity_threshold = 0.5")
        return [await _likely(connection, environment_id, only, row) for row in rows]


async def _likely(
    connection: Connection, environment_id: int, only: str | None, row: Mapping[str, Any]
) -> Sequence[Likely]:
    mapped = row.get("external_ids") or ()
    name = f"{row.get('last_name', '')} {row.get('first_name', '')}"
    records = await connection.fetch(
        _LIKELY,
        *(environment_id, only, name, row.get("birthday"), row.get("phone"), row.get("email")),
        *(
            [mapping["namespace"] for mapping in mapped],
            [mapping["external_id"] for mapping in mapped],
            mistaken_for(row.get("birthday")),
        ),
    )
    return [Likely(**record) for record in records]


def mistaken_for(birthday: date | None) -> list[date]:
    """A day and those that are easily taken for it: its day, month or year wrong, or day and month
    in each other's place.
    """
    if birthday is None:
        return []
    year, month, day = birthday.year, birthday.month, birthday.day
    parts = {(year, month, day), (year, day, month)}
    parts |= {
        (other, month, day)
        for other in range(max(year - _APART, MINYEAR), min(year + _APART, MAXYEAR) + 1)
    }
    parts |= {(year, other, day) for other in range(1, 13)} | {
        (year, month, other) for other in range(1, 32)
    }
    return sorted(born for part in parts if (born := _day(*part)))


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
