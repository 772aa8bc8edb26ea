"""Who may be the same person as somebody about to be created, or as another record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from almoner.database import Connection
from almoner.resources.patients import NAME

_MOST: Final = 5

# Born on one day is found by the day and then compared by name: nothing else narrows it. $2 coach, $3 name, $4 birthday, $5 phone,
# $6 e-mail, $7 and $8 namespaces and ids.
_LIKELY: Final = f"""
WITH hits (id, why) AS (
  SELECT id, 'born on the same day, with a name like this' FROM patients
  WHERE environment_id = $1 AND {NAME.plain} %> almoner_plain($3) AND birthday = $4::date
  UNION ALL
  SELECT user_id, 'has the same phone number' FROM phone_numbers
  WHERE environment_id = $1 AND almoner_plain(replace(phone_number, '-', '')) LIKE '%' || replace($5::text, '-', '') || '%'
    AND phone_number = $5
  UNION ALL
  SELECT user_id, 'has the same e-mail address' FROM email_addresses
  WHERE environment_id = $1 AND almoner_plain(email) LIKE '%' || almoner_plain($6::text) || '%' AND lower(email) = lower($6)
  UNION ALL
  SELECT e.welkin_id, 'has this id in another system' FROM unnest($7::text[], $8::text[]) AS given (namespace, external_id)
  JOIN external_ids e ON e.environment_id = $1 AND hashtextextended(e.external_id, 0) = hashtextextended(given.external_id, 0)
    AND e.external_id = given.external_id AND e.namespace = given.namespace AND e.resource = 'patients'
)
SELECT p.id::text, p.first_name, p.last_name, p.birthday, p.phase, string_agg(DISTINCT why, '; ' ORDER BY why) AS why,
  coalesce($2::uuid IS NULL OR p.coach_id = $2, false) AS shown
FROM hits LEFT JOIN patient_merges m ON m.environment_id = $1 AND m.patient_id = hits.id
JOIN patients p ON p.environment_id = $1 AND p.id = coalesce(m.kept_id, hits.id)
GROUP BY p.environment_id, p.id ORDER BY count(DISTINCT why) DESC, p.id LIMIT {_MOST}
"""


@dataclass(frozen=True)
class Likely:
    """A patient who may be the same person, and why. ``shown``: whether the visitor's role shows them; if not, only say so."""

    id: str
    first_name: str
    last_name: str
    birthday: date | None
    phase: str
    why: str
    shown: bool

    @property
    def name(self) -> str:
        """The whole name."""
        return f"{self.first_name} {self.last_name}"


async def likely(connection: Connection, environment_id: int, only: str | None, row: Mapping[str, Any]) -> Sequence[Likely]:
    """Patients who may be the one of ``row``, which holds checked values by the names of the fields of a Create."""
    mapped = row.get("external_ids") or ()
    name = f"{row.get('last_name', '')} {row.get('first_name', '')}"
    async with connection.transaction():
        await connection.execute("SET LOCAL pg_trgm.word_similarity_threshold = 0.5")
        rows = await connection.fetch(
            _LIKELY,
            *(environment_id, only, name, row.get("birthday"), row.get("phone"), row.get("email")),
            *([one["namespace"] for one in mapped], [one["external_id"] for one in mapped]),
        )
    return [Likely(**found) for found in rows]
