"""The figures of patients, worked out from their rows as they are now, and written where they
differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.resources._consent_answers import answer_of_patient_sql
from almoner.resources._contact_channels import CONTACT_CHANNELS
from almoner.resources._entered_in_error import HOLDS
from almoner.resources.care_flows import OPEN_SINCE
from almoner.resources.messages import BY_A_PROGRAM, UNREAD
from almoner.resources.worker_tasks import IS_OPEN
from almoner.vocabulary import json_values
from almoner.vocabulary.clocks import DatabaseZones
from almoner.vocabulary.times import TIMEZONES
from almoner.workshop.published_at_hand import PublishedAtHand

LAST_CONTACT: Final = "last_contact"
NEXT: Final = "next"
DUE: Final = "due"
FLOW: Final = "flow"
TASKS: Final = "tasks"
TEAM_TASKS: Final = "team_tasks"
UNREAD_MESSAGES: Final = "unread"
NO_SHOW: Final = "no_show"
WAITING: Final = "waiting"
# A longer word of a record is no choice, and nobody sorts by it.
_LONGEST_WORD: Final = 60

_ZONE: Final = "coalesce($3::jsonb ->> p.timezone, 'UTC')"
_NEXT_AT: Final = (
    f"coalesce(e.start_time, greatest(e.day, '0001-01-02')::timestamp AT TIME ZONE {_ZONE})"
)
# Calls that nobody answered are no contact, and neither is what a program sends; what else came of
# a call, the program says.
_CONTACT: Final = f"""
SELECT 'last_contact', extract(epoch FROM c.at)::float8, c.word, NULL::float8, c.at,
  NULL::timestamptz FROM (
  (SELECT send_time AS at, 'message' AS word FROM messages WHERE environment_id = $1
    AND user_id = p.id AND {HOLDS} AND NOT {BY_A_PROGRAM} AND send_time <= now()
    ORDER BY send_time DESC LIMIT 1)
  UNION ALL (SELECT start_time, 'call' FROM calls WHERE environment_id = $1 AND patient_id = p.id
    AND {HOLDS} AND outcome NOT IN ('voicemail', 'no_answer', 'wrong_number')
    AND start_time <= now()
    ORDER BY start_time DESC LIMIT 1)
  UNION ALL (SELECT start_time, 'visit' FROM visits WHERE environment_id = $1
    AND patient_id = p.id AND start_time <= now() ORDER BY start_time DESC LIMIT 1)
  UNION ALL (SELECT start_time, 'appointment' FROM calendar_events WHERE environment_id = $1
    AND user_id = p.id AND outcome = 'completed' AND start_time <= now()
    ORDER BY start_time DESC LIMIT 1)
) AS c WHERE c.at IS NOT NULL
"""
# An appointment on a day as a whole is ahead until that day is over where the patient lives.
_AHEAD: Final = f"""
SELECT 'next', extract(epoch FROM {_NEXT_AT})::float8, e.appointment_type, NULL::float8, {_NEXT_AT},
  coalesce(e.start_time, {_NEXT_AT} + interval '1 day')
FROM calendar_events e WHERE e.environment_id = $1 AND e.user_id = p.id AND e.outcome IS NULL
  AND (e.start_time >= now() OR e.day >= (now() AT TIME ZONE {_ZONE})::date)
"""
# A due day is counted in days since 1970. Steps of care flows are due where the patient lives, and
# what a worker has to do about the patient where that worker does, whose zone is the word then.
_ZONE_THERE: Final = "coalesce($3::jsonb ->> coalesce(w.timezone, p.timezone), 'UTC')"
_DUE: Final = f"""
SELECT 'due', (d.day - date '1970-01-01')::float8, d.zone, NULL::float8, d.at, NULL::timestamptz
FROM (
  SELECT ({OPEN_SINCE} AT TIME ZONE {_ZONE})::date AS day, {OPEN_SINCE} AS at, NULL::text AS zone
  FROM care_flows WHERE environment_id = $1 AND user_id = p.id AND {OPEN_SINCE} IS NOT NULL
  UNION ALL SELECT coalesce(t.due_date, (t.due_time AT TIME ZONE {_ZONE_THERE})::date),
    coalesce(t.due_time, greatest(t.due_date, '0001-01-02')::timestamp AT TIME ZONE {_ZONE_THERE}),
    w.timezone
  FROM worker_tasks t LEFT JOIN workers w ON w.environment_id = $1 AND w.id = t.worker_id
  WHERE t.environment_id = $1 AND t.patient_id = p.id AND {IS_OPEN}
) AS d WHERE d.day IS NOT NULL
"""
_FLOW: Final = """
SELECT 'flow', (count(s.value ->> 'completed_at')::float8 / count(*)),
  count(s.value ->> 'completed_at') || ' of ' || count(*), NULL::float8, NULL::timestamptz,
  NULL::timestamptz
FROM care_flows f CROSS JOIN LATERAL json_array_elements(f.care_flow -> 'goals') AS g
CROSS JOIN LATERAL json_array_elements(g.value -> 'interventions') AS s
WHERE f.environment_id = $1 AND f.user_id = p.id HAVING count(*) > 0
"""
_NO_SHOW: Final = """
SELECT 'no_show', extract(epoch FROM max(start_time))::float8, NULL::text, NULL::float8,
  max(start_time), NULL::timestamptz FROM calendar_events
WHERE environment_id = $1 AND user_id = p.id AND outcome = 'no-show'
HAVING max(start_time) IS NOT NULL
"""
# Since when a message of the patient has had no answer of a person.
_WAITING: Final = f"""
SELECT 'waiting', extract(epoch FROM min(m.send_time))::float8, NULL::text, NULL::float8,
  min(m.send_time), NULL::timestamptz FROM messages m
WHERE m.environment_id = $1 AND m.user_id = p.id AND m.direction = 'inbound'
  AND m.{HOLDS} AND m.send_time > coalesce((SELECT send_time FROM messages
    WHERE environment_id = $1 AND user_id = p.id AND direction = 'outbound' AND {HOLDS}
    AND NOT {BY_A_PROGRAM} ORDER BY send_time DESC LIMIT 1), '-infinity')
HAVING count(*) > 0
"""
_COUNT: Final = """
SELECT '{figure}', count(*)::float8, NULL::text, NULL::float8, NULL::timestamptz, NULL::timestamptz
FROM {table} WHERE environment_id = $1 AND {patient} = p.id AND {condition} HAVING count(*) > 0
"""
_CONSENT: Final = """
SELECT '{figure}', NULL::float8, c.answer, NULL::float8, NULL::timestamptz, NULL::timestamptz
FROM (SELECT {answer} AS answer) AS c WHERE c.answer IS NOT NULL
"""
# An answer may be recorded without a change of the row that it is of, which no log tells then.
_CONSENT_RECORDED: Final = """
UPDATE patient_figures SET until = now()
WHERE environment_id = $1 AND patient_id = $2 AND figure = ANY ($3::text[])
"""


def consent_to(channel: str) -> str:
    """The figure of what a patient says of being reached by a channel; its word is the answer."""
    return f"consent.{channel}"


def _count(figure: str, table: str, condition: str, patient: str = "user_id") -> str:
    return _COUNT.format(figure=figure, table=table, condition=condition, patient=patient)


_PARTS: Final = " UNION ALL ".join(
    f"({part})"
    for part in (
        _CONTACT + " ORDER BY c.at DESC LIMIT 1",
        _AHEAD + f" ORDER BY {_NEXT_AT}, e.id LIMIT 1",
        _DUE + " ORDER BY d.day, d.at LIMIT 1",
        _FLOW,
        _NO_SHOW,
        _WAITING,
        _count(TASKS, "patient_tasks", "dismissed IS NOT TRUE"),
        _count(TEAM_TASKS, "worker_tasks", IS_OPEN, "patient_id"),
        _count(UNREAD_MESSAGES, "messages", UNREAD),
        *(
            _CONSENT.format(figure=consent_to(name), answer=answer_of_patient_sql(channel, "p.id"))
            for name, channel in CONTACT_CHANNELS.items()
        ),
    )
)
# Patient by patient through indexes of (environment, patient): as a join the planner would read the
# tables whole.
_COUNTED: Final = f"""
SELECT of.id::text AS patient_id, f.* FROM unnest($2::uuid[]) AS of(id)
CROSS JOIN LATERAL (SELECT id, timezone FROM patients WHERE environment_id = $1 AND id = of.id
  LIMIT 1) AS p
CROSS JOIN LATERAL ({_PARTS}) AS f (figure, number, word, before, at, until)
"""
_ANSWERS: Final = f"""
SELECT of.id::text AS patient_id, r.spec_id, r.version, r.model::text, r.created_at
FROM unnest($2::uuid[]) AS of(id) CROSS JOIN LATERAL (
  SELECT * FROM (SELECT spec_id, version, model, created_at, row_number() OVER (
    PARTITION BY spec_id ORDER BY created_at DESC, id DESC) AS place
    FROM assessment_responses WHERE environment_id = $1 AND user_id = of.id AND {HOLDS}
  ) AS newest
  WHERE place <= 2 ORDER BY spec_id, place
) AS r
"""
# The same of those assessments alone that answers were created to.
_NEW_ANSWERS: Final = """
SELECT of.user_id::text AS patient_id, r.* FROM (
  SELECT DISTINCT user_id, spec_id FROM assessment_responses
  WHERE environment_id = $1 AND id = ANY ($2::uuid[])) AS of
CROSS JOIN LATERAL (SELECT spec_id, version, model::text, created_at FROM assessment_responses
  WHERE environment_id = $1 AND user_id = of.user_id AND spec_id = of.spec_id
  ORDER BY created_at DESC, id DESC LIMIT 2) AS r
"""
_RECORDS: Final = """
SELECT of.id::text AS patient_id, r.* FROM unnest($2::uuid[]) AS of(id) CROSS JOIN LATERAL (
  SELECT DISTINCT ON (type_name) type_name, body::text, created_at FROM custom_data_type_records
  WHERE environment_id = $1 AND user_id = of.id ORDER BY type_name, created_at DESC, id DESC
) AS r
"""
# One at a time in each environment reads the log on. No row is locked for it, so that a look writes
# nothing.
_LOCK: Final = "hashtextextended('figure_positions', $1::int)"
READING_ON: Final = f"SELECT pg_try_advisory_xact_lock({_LOCK})"
BEING_READ_ON: Final = f"SELECT pg_advisory_xact_lock_shared({_LOCK})"
# Of the patients $2 all figures, or of each the one of $10. Rows that stay as they are are not
# touched.
_WRITE: Final = """
WITH new AS MATERIALIZED (
  SELECT * FROM unnest($3::uuid[], $4::text[], $5::float8[], $6::text[], $7::float8[],
    $8::timestamptz[], $9::timestamptz[]) AS n (patient_id, figure, number, word, before, at, until)
), gone AS (
  DELETE FROM patient_figures f WHERE f.environment_id = $1 AND f.patient_id = ANY ($2::uuid[])
    AND ($10::text[] IS NULL
      OR (f.patient_id, f.figure) IN (SELECT * FROM unnest($2::uuid[], $10::text[])))
    AND NOT EXISTS (SELECT FROM new n WHERE n.patient_id = f.patient_id AND n.figure = f.figure)
)
INSERT INTO patient_figures AS f
  (environment_id, figure, patient_id, number, word, before, at, until)
SELECT $1, figure, patient_id, number, word, before, at, until FROM new
ON CONFLICT (environment_id, figure, patient_id) DO UPDATE SET number = excluded.number,
  word = excluded.word, before = excluded.before, at = excluded.at, until = excluded.until
WHERE (f.number, f.word, f.before, f.at, f.until) IS DISTINCT FROM (excluded.number, excluded.word,
  excluded.before, excluded.at, excluded.until)
"""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a patient. ``number`` is what lists sort by: a score, seconds since 1970, a
    count; None where there is only a ``word``. ``before`` is the score before this one.

    ``at`` is when it was so, and ``until`` when it has to be worked out anew although nothing
    changes, in UTC."""

    patient_id: str
    figure: str
    number: float | None = None
    word: str | None = None
    before: float | None = None
    at: datetime | None = None
    until: datetime | None = None


def score_of(assessment: str) -> str:
    """The figure of an assessment's newest score; its word is the band."""
    return f"score.{assessment}"


def value_of(record: str, field: str) -> str:
    """The figure of a field of the newest record of a type."""
    return f"record.{record}.{field}"


async def renew(
    connection: Connection,
    environment_id: int,
    patient_ids: Collection[str],
    zones: DatabaseZones,
    published: PublishedAtHand,
) -> None:
    """Works out the figures of these patients anew. ``published`` is what is at hand of
    programs.
    """
    ids = sorted(set(patient_ids))
    if not ids:
        return
    of = (environment_id, ids)
    counted = await connection.fetch(_COUNTED, *of, zones.document(TIMEZONES))
    figures = [Figure(**row) for row in counted]
    figures += await _scores(
        connection, environment_id, await connection.fetch(_ANSWERS, *of), published
    )
    for record in await connection.fetch(_RECORDS, *of):
        figures += _values(record)
    await connection.execute(_WRITE, *of, *_columns(figures), None)


async def consent_recorded(connection: Connection, environment_id: int, patient_id: str) -> None:
    """Has the patient's consents worked out anew, within the transaction that records an answer.
    Whoever works figures out at this moment is waited for: what was read before the answer would be
    written behind it.
    """
    await connection.execute(BEING_READ_ON, environment_id)
    names = [consent_to(name) for name in CONTACT_CHANNELS]
    await connection.execute(_CONSENT_RECORDED, environment_id, patient_id, names)


async def renew_scores(
    connection: Connection,
    environment_id: int,
    answer_ids: Collection[str],
    published: PublishedAtHand,
) -> None:
    """Works out anew what answers that were created change: the score of that assessment."""
    if not answer_ids:
        return
    rows = await connection.fetch(_NEW_ANSWERS, environment_id, sorted(answer_ids))
    figures = await _scores(connection, environment_id, rows, published)
    pairs = sorted({(row["patient_id"], score_of(row["spec_id"])) for row in rows})
    patients, names = [patient for patient, _ in pairs], [name for _, name in pairs]
    await connection.execute(_WRITE, environment_id, patients, *_columns(figures), names)


def _columns(figures: Sequence[Figure]) -> list[list[Any]]:
    return [
        [getattr(figure, name) for figure in figures]
        for name in ("patient_id", "figure", "number", "word", "before", "at", "until")
    ]


async def _scores(
    connection: Connection,
    environment_id: int,
    answers: Sequence[Mapping[str, Any]],
    published: PublishedAtHand,
) -> list[Figure]:
    """The newest score of each patient and assessment, beside the one before."""
    newest: dict[tuple[str, str], list[Figure]] = {}
    for row in answers:
        version = row["spec_id"], row["version"]
        scorer = await published.scorer(connection, environment_id, *version)
        score = scorer.score(json_values.decode(row["model"])) if scorer is not None else None
        if score is None:
            continue
        newest.setdefault((row["patient_id"], row["spec_id"]), []).append(
            Figure(
                patient_id=row["patient_id"],
                figure=score_of(row["spec_id"]),
                number=float(score.total),
                word=score.band,
                at=row["created_at"],
            )
        )
    return [
        Figure(
            patient_id=scores[0].patient_id,
            figure=scores[0].figure,
            number=scores[0].number,
            word=scores[0].word,
            before=scores[1].number if len(scores) > 1 else None,
            at=scores[0].at,
        )
        for scores in newest.values()
    ]


def _values(record: Mapping[str, Any]) -> Iterator[Figure]:
    """Each value of a record that can be sorted by: numbers, choices, days, yes and no."""
    for name, value in json_values.decode(record["body"]).items():
        number, word = None, None
        if isinstance(value, bool):
            word = "true" if value else "false"
        elif isinstance(value, str):
            word = value
        elif value is not None and not isinstance(value, (list, dict)):
            number = float(value)
        if number is not None or (word and len(word) <= _LONGEST_WORD):
            yield Figure(
                patient_id=record["patient_id"],
                figure=value_of(record["type_name"], name),
                number=number,
                word=word,
                at=record["created_at"],
            )
