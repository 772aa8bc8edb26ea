"""The order of the list of patients by the next appointment: whoever has one, the soonest first.

In the statements ``$1`` is the environment and ``$2`` what SQL is given for each zone
(``DatabaseZones.document``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from almoner.portal.calendar.ahead import next_of, starts

# What SQL is given for a zone. One that is none any more counts as UTC.
ZONE: Final = "coalesce($2::jsonb ->> {}, 'UTC')"
_ZONE_OF_PATIENT: Final = ZONE.format("patients.timezone")
# So many appointments at a time of day are walked, and more where too few of them are wanted: a
# limit that stands by the index is kept to. Of those on a day as a whole, ten times as many.
_WALKS: Final = (300, 3_000, 1_000_000_000)
# The last day that is today anywhere in the world.
_EARLIEST_DAY: Final = "(now() AT TIME ZONE 'UTC')::date - 1"
# Behind whom the page begins: where that one's next appointment has passed since, at the beginning.
_MARK: Final = f"""
mark AS (
  SELECT coalesce((SELECT ({next_of("patients.id", _ZONE_OF_PATIENT, starts(_ZONE_OF_PATIENT))})
    FROM patients WHERE environment_id = $1 AND id = {{place}}), '-infinity') AS starts
)
"""
_BEHIND: Final = " AND ({starts}, {owner}) {behind} ((SELECT starts FROM mark), {place})"
_DAYS_BEHIND: Final = (
    " AND e.day {from} (((SELECT starts FROM mark) {nearer} interval '1 day') AT TIME ZONE"
    " 'UTC')::date"
)
# The walk over everybody's appointments. Those at a time of day are in the order of an index. Those
# on a day are so only nearly, since it is the patient's zone that says when the day begins, less
# than a day from where it does in UTC. So they are walked a day farther, and both are put in order
# as far as both walks have come. An appointment counts where it is its patient's next.
_END: Final = "(coalesce((SELECT starts FROM timed_end), '{end}') AT TIME ZONE 'UTC')"
_OF_ALL: Final = f"""
timed AS MATERIALIZED (
  SELECT e.start_time AS starts, e.user_id, e.id FROM calendar_events e
  WHERE e.environment_id = $1 AND e.outcome IS NULL AND e.start_time >= now(){{timed_behind}}
  ORDER BY e.start_time {{way}}, e.user_id {{way}} LIMIT {{walk}}
), timed_end AS (
  SELECT starts, user_id FROM timed WHERE (SELECT count(*) FROM timed) = {{walk}}
  ORDER BY starts {{back}}, user_id {{back}} LIMIT 1
), days AS MATERIALIZED (
  SELECT e.start_time, e.day, e.user_id, e.id FROM calendar_events e
  WHERE e.environment_id = $1 AND e.outcome IS NULL AND e.day >= {_EARLIEST_DAY}{{days_behind}}
    AND e.day {{until}} ({_END} {{farther}} interval '1 day')::date
  ORDER BY e.day {{way}}, e.user_id {{way}} LIMIT {{walk}} * 10::bigint
), days_end AS (
  SELECT (day {{nearer}} 1)::timestamp AT TIME ZONE 'UTC' AS starts FROM days
  WHERE (SELECT count(*) FROM days) = {{walk}} * 10::bigint ORDER BY day {{back}} LIMIT 1
), ahead AS (
  SELECT starts, user_id, id FROM timed
  UNION ALL
  SELECT {starts(_ZONE_OF_PATIENT)}, e.user_id, e.id FROM days e
  CROSS JOIN LATERAL (SELECT timezone FROM patients WHERE environment_id = $1
      AND id = e.user_id OFFSET 0) AS patients
  WHERE e.day >= (now() AT TIME ZONE {_ZONE_OF_PATIENT})::date
), known AS (
  SELECT * FROM ahead WHERE starts {{until}} coalesce((SELECT starts FROM days_end), '{{end}}')
    AND (NOT EXISTS (SELECT FROM timed_end) OR (starts, user_id) {{until}} (SELECT starts, user_id
        FROM timed_end)){{behind}}
  ORDER BY starts {{way}}, user_id {{way}} OFFSET 0
)
SELECT known.starts, known.user_id, patients.* FROM known CROSS JOIN LATERAL (
  SELECT * FROM patients WHERE environment_id = $1 AND id = known.user_id{{conditions}} OFFSET 0
) AS patients
WHERE known.id = ({next_of("patients.id", _ZONE_OF_PATIENT, "e.id")})
ORDER BY known.starts {{way}}, known.user_id {{way}} LIMIT {{limit}}
"""
_OF_FEW: Final = f"""
known AS (
  SELECT ({next_of("patients.id", _ZONE_OF_PATIENT, starts(_ZONE_OF_PATIENT))}) AS starts,
      patients.id AS user_id, patients.*
  FROM patients WHERE environment_id = $1{{conditions}}
)
SELECT * FROM known WHERE starts IS NOT NULL{{behind}} ORDER BY starts {{way}}, user_id {{way}}
    LIMIT {{limit}}
"""
_WORDS: Final = ("way", "back", "behind", "from", "until", "farther", "nearer", "end")
_FORWARDS: Final[Mapping[str, str]] = dict(
    zip(_WORDS, ("ASC", "DESC", ">", ">=", "<=", "+", "-", "infinity"), strict=True)
)
_BACKWARDS: Final[Mapping[str, str]] = dict(
    zip(_WORDS, ("DESC", "ASC", "<", "<=", ">=", "-", "+", "-infinity"), strict=True)
)


def statements(
    conditions: str, place: str, is_backwards: bool, are_few: bool, limit: int
) -> Iterator[str]:
    """Each selects ``patients`` with ``starts`` and ``user_id``, their place in the order; where
    one finds too few, the next looks farther. ``place``: the id of the patient behind whom they
    begin, as SQL, or empty; ``are_few``: those who fit the conditions are looked up one by one."""
    words = _BACKWARDS if is_backwards else _FORWARDS
    begin, behind, timed_behind, days_behind = "WITH ", "", "", ""
    if place:
        begin = f"WITH {_MARK.format(place=place)}, "
        behind = _BEHIND.format(**{**words, "starts": "starts", "owner": "user_id", "place": place})
        timed_behind = _BEHIND.format(
            **{**words, "starts": "e.start_time", "owner": "e.user_id", "place": place}
        )
        days_behind = _DAYS_BEHIND.format(**words)
    words = {**words, "conditions": conditions, "limit": str(limit), "behind": behind}
    if are_few:
        yield begin + _OF_FEW.format(**words)
        return
    for walk in _WALKS:
        yield begin + _OF_ALL.format(
            **words, timed_behind=timed_behind, days_behind=days_behind, walk=walk
        )
