"""A page of a panel, by keys that indexes hold; how many there are, and who."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.portal.panel.columns import PanelColumn
from almoner.portal.panel.conditions import Conditions, PanelAbout
from almoner.portal.panel.orders import OrderPart, parts_of
from almoner.portal.panel.panel_view import PanelView
from almoner.vocabulary.names import Named, full_name_sql

PAGE: Final = 50
_PARAMETER: Final = re.compile(r"\$(\d+)")
# So many who fit are put in order by themselves.
_SORTED: Final = 5000
# Counted so far: a number that is exact farther on says no more, and takes long.
COUNTED: Final = 1000
_COUNT_WALKED: Final = f"""
WITH walk AS MATERIALIZED (
  SELECT * FROM patients WHERE environment_id = $1 LIMIT {4 * COUNTED}
)
SELECT FROM walk p WHERE true{{where}} LIMIT {COUNTED + 1}
"""
_ROWS: Final = f"""
SELECT p.id::text, p.first_name, p.last_name, p.birthday, p.timezone, p.phase, p.coach_id::text,
  {full_name_sql("w")} AS coach, p.created_at{{more}}
FROM patients p LEFT JOIN workers w ON w.environment_id = $1 AND w.id = p.coach_id
WHERE p.environment_id = $1 AND p.id = ANY ($2::uuid[])
"""
_FIGURES: Final = """
SELECT patient_id::text, figure, number, word, before, at, until FROM patient_figures
WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[]) AND figure = ANY ($3::text[])
"""


@dataclass(frozen=True, kw_only=True)
class PanelPatient(Named):
    """A patient in a panel: what everybody has, the figures by name, and by column what else was
    asked for. Birthday and coach may be None; ``timezone`` is an IANA name.
    """

    id: str
    first_name: str
    last_name: str
    birthday: date | None
    timezone: str
    phase: str
    coach_id: str | None
    coach: str | None
    created_at: datetime
    figures: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class PanelPage:
    """Who stands on a page, in order, and whether there are others on either side. ``number`` is
    how many fit, None where they were not counted for it.
    """

    patients: tuple[PanelPatient, ...]
    has_before: bool
    has_after: bool
    number: int | None = None


async def page(
    connection: Connection, about: PanelAbout, view: PanelView, after: str = "", before: str = ""
) -> PanelPage:
    """A page of a view, behind a patient or before one, who are ids or blank."""
    is_backwards = bool(before) and not after
    parameters: list[Any] = [about.environment_id]
    conditions = Conditions(about, view, parameters)
    parts = await parts_of(
        connection, about, view, after or before, conditions=conditions, is_backwards=is_backwards
    )
    ids, number = await _walked(connection, parts[0], conditions, is_backwards), None
    if ids is None:
        begin, fits, number = await _fits(connection, conditions)
        where = "" if fits else conditions.each()
        ids = []
        for part in parts:
            missing = PAGE + 1 - len(ids)
            if missing:
                statement = begin + part.statement(missing, is_backwards, where, fits)
                ids += await _ids(connection, statement, parameters)
    has_more, ids = len(ids) > PAGE, ids[:PAGE]
    if is_backwards:
        ids.reverse()
    patients = await rows(connection, about, view, ids)
    beyond = bool(after or before)
    return PanelPage(
        tuple(patients),
        has_more if is_backwards else beyond,
        is_backwards or has_more,
        number,
    )


async def _walked(
    connection: Connection, part: OrderPart, conditions: Conditions, is_backwards: bool
) -> list[str] | None:
    """A page and one more, out of the first of an order; None where they are not full of those who
    fit, or nobody needs to be looked for.
    """
    if conditions.of_few or not conditions.is_any or part.walk is None:
        return None
    statement = part.walking(conditions.each(), PAGE + 1, is_backwards)
    ids = await _ids(connection, statement, conditions.parameters)
    return ids if len(ids) > PAGE else None


async def _fits(connection: Connection, conditions: Conditions) -> tuple[str, str, int | None]:
    """What a statement about those who fit begins with, the query of their ids, and how many they
    are where they were counted; blank where nobody needs to be looked for.
    """
    if not conditions.is_any:
        return "", "", None
    ids = await _fitting(connection, conditions, _SORTED + 1)
    if len(ids) > _SORTED:
        return f"{conditions.fits()} ", "SELECT id FROM fits", None
    return "", f"SELECT unnest({conditions.parameter(ids, 'uuid[]')})", len(ids)


async def count(connection: Connection, about: PanelAbout, view: PanelView) -> int:
    """How many fit, counted as far as one more than ``COUNTED``. Where very many do, so many are
    met among the first patients of all.
    """
    parameters: list[Any] = [about.environment_id]
    conditions = Conditions(about, view, parameters)
    if not conditions.of_few:
        walked = _COUNT_WALKED.format(where=conditions.each())
        number = len(await connection.fetch(walked, *parameters))
        if number > COUNTED or not conditions.is_any:
            return number
    return len(await _fitting(connection, conditions, COUNTED + 1))


async def fitting(
    connection: Connection, about: PanelAbout, view: PanelView, most: int
) -> list[str]:
    """The ids of those who fit, no more than ``most``."""
    return await _fitting(connection, Conditions(about, view, [about.environment_id]), most)


async def _fitting(connection: Connection, conditions: Conditions, most: int) -> list[str]:
    statement = f"{conditions.fits()} SELECT id::text FROM fits LIMIT {most}"
    return await _ids(connection, statement, conditions.parameters)


async def rows(
    connection: Connection, about: PanelAbout, view: PanelView, ids: Sequence[str]
) -> list[PanelPatient]:
    """These patients in this order, with what the view's columns need."""
    columns = [about.columns[key] for key in view.columns]
    looked_up = [column for column in columns if column.sql]
    more = "".join(f", {column.sql} AS v{place}" for place, column in enumerate(looked_up))
    of = (about.environment_id, list(ids))
    patients = {row["id"]: row for row in await connection.fetch(_ROWS.format(more=more), *of)}
    figures: dict[str, dict[str, Mapping[str, Any]]] = {}
    names = [column.figure for column in columns if column.figure]
    for row in await connection.fetch(_FIGURES, *of, names) if names else ():
        figures.setdefault(row["patient_id"], {})[row["figure"]] = row
    return [
        _patient(dict(patients[patient_id]), figures.get(patient_id, {}), looked_up)
        for patient_id in ids
        if patient_id in patients
    ]


async def _ids(connection: Connection, statement: str, parameters: Sequence[Any]) -> list[str]:
    """The ids that a statement finds. Each part of an order has parameters that the other has not,
    and PostgreSQL takes those alone that stand in its statement.
    """
    numbers = sorted({int(number) for number in _PARAMETER.findall(statement)})
    places = {number: place for place, number in enumerate(numbers, 1)}
    text = _PARAMETER.sub(lambda match: f"${places[int(match[1])]}", statement)
    rows = await connection.fetch(text, *(parameters[number - 1] for number in numbers))
    return [row["id"] for row in rows]


def _patient(
    row: dict[str, Any],
    figures: Mapping[str, Mapping[str, Any]],
    looked_up: Sequence[PanelColumn],
) -> PanelPatient:
    values = {column.key: row.pop(f"v{place}") for place, column in enumerate(looked_up)}
    return PanelPatient(**row, figures=figures, values=values)
