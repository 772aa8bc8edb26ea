"""Entering when a worker is away, and taking it back."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime
from typing import Final

from starlette.responses import Response

from almoner.data_api.writes import new_id
from almoner.errors import problem
from almoner.pages import parsing
from almoner.pages.moment_fields import example
from almoner.pages.visit import Visit
from almoner.portal.calendar import hours_page, time_form
from almoner.portal.calendar.hours_page import AbsenceForm
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.working_hours import Span

_LONGEST_REASON: Final = 200
_INSERT: Final = (
    "INSERT INTO absences (environment_id, id, worker_id, from_time, to_time, reason, cover_id)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
_DELETE: Final = """
DELETE FROM absences WHERE environment_id = $1 AND worker_id = $2 AND id = $3
    RETURNING from_time, to_time
"""
# Whether whoever covers from $3 until $4, beginning with $2, leads back to $5, or to somebody who
# is away all the while and covered by nobody.
_NOBODY_THERE: Final = """
WITH RECURSIVE covers AS (
  SELECT $2::uuid AS id
  UNION SELECT a.cover_id FROM covers c JOIN absences a ON a.environment_id = $1
    AND a.worker_id = c.id AND a.from_time < $4 AND a.to_time > $3 AND a.cover_id IS NOT NULL
)
SELECT EXISTS (SELECT FROM covers WHERE id = $5)
  OR EXISTS (SELECT FROM covers c JOIN absences a ON a.environment_id = $1 AND a.worker_id = c.id
    AND a.from_time <= $3 AND a.to_time >= $4 AND a.cover_id IS NULL)
"""


async def add(visit: Visit) -> Response:
    form = await visit.form()
    absence = AbsenceForm(**{f.name: form.text(f.name).strip() for f in fields(AbsenceForm)})
    async with visit.transaction() as connection:
        worker = await hours_page.owner(visit, connection)
        span, errors = meant(absence, worker.timezone)
        if absence.cover not in dict(await hours_page.covers(visit, connection, worker)):
            text = "Choose one of the workers who may see all patients, or nobody."
            span, errors = None, errors | {"cover": text}
        elif span is not None and absence.cover:
            about = (visit.environment_id, absence.cover, span.start, span.end, worker.id)
            if await connection.fetchval(_NOBODY_THERE, *about):
                text = "They are away then too, and nobody else covers them: nobody would be there."
                span, errors = None, {"cover": text}
        if span is None:
            return await hours_page.answer(
                visit, connection, worker, absence=absence, errors=errors, status=400
            )
        await connection.execute(
            _INSERT,
            visit.environment_id,
            new_id(),
            worker.id,
            span.start,
            span.end,
            absence.reason,
            absence.cover or None,
        )
        await visit.record_event(
            connection, "absence set", _in_words(span.start, span.end), worker.id
        )
    return visit.go(f"/calendar/hours/{worker.id}?done=absence")


async def remove(visit: Visit) -> Response:
    absence_id = Guid().decode(visit.path("id"), "", [])
    async with visit.transaction() as connection:
        worker = await hours_page.owner(visit, connection)
        row = absence_id and await connection.fetchrow(
            _DELETE, visit.environment_id, worker.id, absence_id
        )
        if not row:
            raise problem(
                "not_found", "There is no such absence. Somebody may have removed it already."
            )
        words = _in_words(row["from_time"], row["to_time"])
        await visit.record_event(connection, "absence removed", words, worker.id)
    return visit.go(f"/calendar/hours/{worker.id}?done=removed")


def meant(absence: AbsenceForm, timezone: str) -> tuple[Span | None, dict[str, str]]:
    """From when until when, in the worker's zone: whole days where no times are given. None with
    the errors by field.
    """
    errors: dict[str, str] = {}
    first = time_form.parsed_date(absence.from_day)
    last = time_form.parsed_date(absence.to_day or absence.from_day)
    if first is None:
        errors["from_day"] = f"Give the first day, such as {example('date')}."
    if last is None and absence.to_day:
        errors["to_day"] = (
            f"Give the last day, such as {example('date')}, or leave it blank for one day."
        )
    if len(absence.reason) > _LONGEST_REASON:
        errors["reason"] = f"Say it in at most {_LONGEST_REASON} characters."
    start = (
        None if first is None else _edge(first, absence.from_time, timezone, "from_time", errors)
    )
    until = None
    if last is not None:
        until = (
            _edge(last, absence.to_time, timezone, "to_time", errors)
            if absence.to_time
            else clocks.start_of(clocks.shifted(last, 1), timezone)
        )
    if errors or start is None or until is None:
        return None, errors
    if until <= start:
        return None, {"to_time" if absence.to_time else "to_day": "This is before it begins."}
    return Span(start, until), {}


def _edge(
    day: date, text: str, timezone: str, field: str, errors: dict[str, str]
) -> datetime | None:
    """The moment of one end. Where the clocks pass a time twice, an absence covers both; one that
    they skip is an error.
    """
    if not text:
        return clocks.start_of(day, timezone)
    at = parsing.time_of_day(text)
    if at is None:
        errors[field] = (
            f"Give a time such as {example('time')}, or leave it blank for the whole day."
        )
        return None
    meant = parsing.moment(day, at, timezone, which="0" if field == "from_time" else "1")
    if meant.moment is None:
        errors[field] = meant.error
    return meant.moment


def _in_words(start: datetime, end: datetime) -> str:
    return f"{clocks.in_utc(start):%Y-%m-%d %H:%M} to {clocks.in_utc(end):%Y-%m-%d %H:%M} UTC"
