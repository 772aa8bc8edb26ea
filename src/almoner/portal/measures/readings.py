"""What was measured of a patient, read for several measures at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.measures.measure import Measure, choosing, is_readable
from almoner.portal.patient import Patient
from almoner.portal.profile.published_designs import designs
from almoner.portal.value_words import UNIT
from almoner.vocabulary import clocks
from almoner.vocabulary.numbers import number
from almoner.vocabulary.times import IsoDate, IsoDateTime
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.design import CustomDataType
from almoner.workshop.goal_target import PATIENT
from almoner.workshop.score import score

# The newest so many of each; what lies before is too dense to be read.
MOST: Final = 120
EVER: Final = datetime(1, 1, 2, tzinfo=UTC)
_ANSWERS, _RECORDS = "assessment", "custom_data_type"

# asked: what is measured, in its order; key: the field that says of what a record is, of which
# choice alone counts, where there is any; for a patient the field.
READINGS: Final = f"""
SELECT asked.place, r.at, r.version, r.body
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
  WITH ORDINALITY AS asked(kind, name, key, choice, place)
CROSS JOIN LATERAL (
  (SELECT a.created_at AS at, a.version, a.model::text AS body FROM assessment_responses a
  WHERE asked.kind = '{_ANSWERS}' AND a.environment_id = $1 AND a.user_id = $2
    AND a.spec_id = asked.name AND a.created_at >= $7 AND a.entered_in_error_at IS NULL
  ORDER BY a.created_at DESC, a.id DESC LIMIT {MOST})
  UNION ALL
  (SELECT c.created_at, c.version, c.body::text FROM custom_data_type_records c
  WHERE asked.kind = '{_RECORDS}' AND c.environment_id = $1 AND c.user_id = $2
    AND c.type_name = asked.name AND c.created_at >= $7
    AND (asked.choice = '' OR c.body ->> asked.key = asked.choice)
  ORDER BY c.created_at DESC, c.id DESC LIMIT {MOST})
  UNION ALL
  (SELECT l.changed_at, NULL, json_build_array(l.differences -> asked.key -> 0,
    l.differences -> asked.key -> 1)::text FROM changes l
  WHERE asked.kind = '{PATIENT}' AND l.environment_id = $1 AND l.patient_id = $2 AND l.row_id = $2
    AND l.resource = 'patients' AND asked.key = ANY (l.fields)
  ORDER BY l.changed_at DESC, l.seq DESC LIMIT {MOST})
  UNION ALL
  (SELECT p.created_at, 0, (row_to_json(p) -> asked.key)::text FROM patients p
  WHERE asked.kind = '{PATIENT}' AND p.environment_id = $1 AND p.id = $2)
) r
"""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A number that was measured at a moment (UTC). ``unit`` and what it means (``band``) are blank
    where nothing is said; ``choice`` is what it is of, where records say so; ``marks`` are what its
    record says yes to.
    """

    at: datetime
    value: int | float
    unit: str = ""
    band: str = ""
    choice: str = ""
    marks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The number as people write it, with its unit."""
        return f"{number(self.value)} {self.unit}".rstrip()


Readings = tuple[Reading, ...]


async def read(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    measures: Iterable[Measure],
    since: datetime = EVER,
) -> dict[Measure, Readings]:
    """What was measured, the earliest first; without those whose numbers the visitor's role hides,
    or the program has no more.
    """
    kinds = {
        measure: kind
        for measure in measures
        if is_readable(visit, measure) and (kind := _kind(visit, measure))
    }
    if not kinds:
        return {}
    rows = await connection.fetch(
        READINGS,
        visit.environment_id,
        patient.id,
        list(kinds.values()),
        [measure.of for measure in kinds],
        [_key(visit, measure) for measure in kinds],
        [measure.choice for measure in kinds],
        since,
    )
    by_place: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_place.setdefault(row["place"], []).append(row)
    measured = {}
    for place, (measure, kind) in enumerate(kinds.items(), 1):
        of_measure = by_place.get(place, [])
        if kind == PATIENT:
            measured[measure] = of_patient(of_measure)
        else:
            measured[measure] = await _of_forms(visit, connection, kind, measure, of_measure)
    return measured


def _kind(visit: Visit, measure: Measure) -> str:
    if measure.of == PATIENT:
        return PATIENT
    if measure.of in visit.program.newest_specs:
        return _ANSWERS
    return _RECORDS if measure.of in visit.program.custom_data_types else ""


def _key(visit: Visit, measure: Measure) -> str:
    """What tells records of a type apart; the field of a patient; else blank."""
    if measure.of == PATIENT:
        return measure.field
    data_type = visit.program.custom_data_types.get(measure.of)
    coded_by = choosing(data_type) if data_type else None
    return coded_by.name if coded_by else ""


async def _of_forms(
    visit: Visit,
    connection: Connection,
    kind: str,
    measure: Measure,
    rows: Sequence[Mapping[str, Any]],
) -> Readings:
    """The numbers of answers or records, each by the version that it was checked against."""
    program = visit.program
    newest = (
        program.newest_specs[measure.of]
        if kind == _ANSWERS
        else program.custom_data_types[measure.of]
    ).version
    keys = {(kind, measure.of, row["version"] or newest) for row in rows}
    known = await designs(connection, visit.environment_id, keys)
    key = _key(visit, measure)
    readings = []
    for row in rows:
        design = known.get((kind, measure.of, row["version"] or newest))
        body = msgspec.json.decode(row["body"])
        value, band = _number(design, body, measure.field)
        if value is not None:
            readings.append(
                Reading(
                    at=_when(design, body, row["at"]),
                    value=value,
                    unit=body[UNIT] if isinstance(body.get(UNIT), str) else "",
                    band=band,
                    choice=str(body.get(key) or "") if key else "",
                    marks=_marks(design, body),
                )
            )
    return tuple(sorted(readings, key=lambda reading: reading.at))


def of_patient(rows: Sequence[Mapping[str, Any]]) -> Readings:
    """The numbers that a field of the patient has had, from the change log: what it held before the
    first change, it held since the record began.
    """
    values = []
    for row in sorted(rows, key=lambda row: (row["at"], row["version"] is None)):
        value = msgspec.json.decode(row["body"] or "null")
        is_change = row["version"] is None
        values.append((row["at"], value[1] if is_change else value))
        if is_change and len(values) == 2:
            # What the record holds today is not what it began with.
            values[0] = (values[0][0], value[0])
    return tuple(Reading(at=at, value=value) for at, value in values if type(value) in (int, float))


def _number(design: Any, body: Mapping[str, Any], name: str) -> tuple[int | float | None, str]:
    """The number and what it means; None where there is none."""
    if name:
        value = body.get(name)
        return (value if type(value) in (int, float) else None), ""
    scored = score(design, body) if isinstance(design, Assessment) else None
    return (scored.total, scored.band or "") if scored else (None, "")


def _marks(design: Any, body: Mapping[str, Any]) -> tuple[str, ...]:
    """What the record of a number says yes to."""
    if not isinstance(design, CustomDataType):
        return ()
    return tuple(
        field.label or field.name.replace("_", " ").capitalize()
        for field in design.fields
        if field.kind == "boolean" and body.get(field.name) is True
    )


def _when(design: Any, body: Mapping[str, Any], entered: datetime) -> datetime:
    """When a record was true: the first day or moment that its type requires, else when it was
    entered.
    """
    if isinstance(design, CustomDataType):
        for field in design.fields:
            value = body.get(field.name)
            if field.required and field.kind in ("date", "datetime") and isinstance(value, str):
                return _moment(value) or entered
    return entered


def _moment(value: str) -> datetime | None:
    try:
        return (
            clocks.start_of(IsoDate().parse(value), "UTC")
            if len(value) == 10
            else IsoDateTime().parse(value)
        )
    except (ValueError, OverflowError):
        return None
