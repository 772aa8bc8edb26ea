"""A page of a panel, by keys that indexes hold; how many there are, and who.

An order by a figure has two parts: those who have the figure, by it, then those who have none, by
name. A page may begin in one and end in the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.portal.merges_sql import is_current
from almoner.portal.panel.columns import PanelColumn
from almoner.portal.panel.conditions import Conditions, PanelAbout
from almoner.portal.panel.panel_view import PanelView
from almoner.resources.patients import NAME_ORDER
from almoner.vocabulary.names import Named, full_name_sql

PAGE: Final = 50
_PARAMETER: Final = re.compile(r"\$(\d+)")
# So many of an order are walked through first: where many fit, the page is full by then, and nobody
# has to be put in order.
WALKED: Final = 1000
# Counted so far: a number that is exact farther on says no more, and takes long.
COUNTED: Final = 1000
_COUNT_WALKED: Final = f"""
WITH walk AS MATERIALIZED (SELECT * FROM patients WHERE environment_id = $1 LIMIT {4 * COUNTED})
SELECT FROM walk p WHERE true{{where}} LIMIT {COUNTED + 1}
"""
_OF_FIGURE: Final = "f.environment_id = $1 AND f.figure = {figure} AND f.{part} IS NOT NULL"
_PLACE: Final = """
SELECT {keys} FROM patients p WHERE p.environment_id = $1 AND p.id = $2::uuid
"""
_PLACE_OF_FIGURE: Final = """
SELECT f.{part} FROM patient_figures f WHERE f.environment_id = $1 AND f.figure = $2
  AND f.patient_id = $3::uuid AND f.{part} IS NOT NULL
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
    """Who stands on a page, in order, and whether there are others on either side. ``is_dense``:
    it was full after a short walk, so that very many fit.
    """

    patients: tuple[PanelPatient, ...]
    has_before: bool
    has_after: bool
    is_dense: bool = False


@dataclass(frozen=True)
class _Part:
    """A part of an order: who is in it, and its keys. ``place`` are the keys of the patient behind
    whom the page begins; None where it begins before all of the part. ``walk`` reads the order by
    itself as ``walk``, and joins patients to that; None where it cannot be read so.
    """

    source: str
    keys: tuple[str, ...]
    descends: bool
    place: tuple[str, ...] | None
    walk: tuple[str, str] | None = None

    def statement(self, where: str, limit: int, is_backwards: bool) -> str:
        behind, order = self._order(is_backwards)
        return f"SELECT p.id::text FROM {self.source}{where}{behind} ORDER BY {order} LIMIT {limit}"

    def walking(self, where: str, limit: int, is_backwards: bool) -> str:
        """The same among the first ``WALKED`` of the order, each looked up by itself."""
        assert self.walk is not None
        behind, order = self._order(is_backwards)
        walked, joined = self.walk
        return (
            f"WITH walk AS MATERIALIZED ({walked}{behind} ORDER BY {order} LIMIT {WALKED})"
            f" SELECT p.id::text FROM {joined} WHERE true{where} ORDER BY {order} LIMIT {limit}"
        )

    def _order(self, is_backwards: bool) -> tuple[str, str]:
        """What lies behind the place, and the order of the keys."""
        down = self.descends is not is_backwards
        behind = ""
        if self.place is not None:
            sign = "<" if down else ">"
            behind = f" AND ({', '.join(self.keys)}) {sign} ({', '.join(self.place)})"
        return behind, ", ".join(f"{key} {'DESC' if down else 'ASC'}" for key in self.keys)


async def page(
    connection: Connection, about: PanelAbout, view: PanelView, after: str = "", before: str = ""
) -> PanelPage:
    """A page of a view, behind a patient or before one, who are ids or blank."""
    is_backwards = bool(before) and not after
    parameters: list[Any] = [about.environment_id]
    conditions = Conditions(about, view, parameters)
    where = _where(about, conditions)
    parts = await _parts(
        connection, about, view, after or before, conditions=conditions, is_backwards=is_backwards
    )
    ids: list[str] = []
    is_dense = False
    for part in parts:
        missing = PAGE + 1 - len(ids)
        if missing and part.walk is not None and conditions.reads_sets:
            singly = Conditions(about, view, parameters, singly=True)
            walking = part.walking(_where(about, singly), missing, is_backwards)
            first = await _ids(connection, walking, parameters)
            if len(first) == missing:
                ids, missing, is_dense = [*ids, *first], 0, True
        if missing:
            statement = conditions.begin + part.statement(where, missing, is_backwards)
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
        is_dense,
    )


async def count(
    connection: Connection, about: PanelAbout, view: PanelView, is_dense: bool = False
) -> int:
    """How many fit, counted as far as one more than ``COUNTED``. Where very many do, so many are
    met among the first patients of all.
    """
    if is_dense:
        parameters: list[Any] = [about.environment_id]
        where = _where(about, Conditions(about, view, parameters, singly=True))
        walked = await connection.fetch(_COUNT_WALKED.format(where=where), *parameters)
        if len(walked) > COUNTED:
            return len(walked)
    return len(await fitting(connection, about, view, COUNTED + 1))


async def fitting(
    connection: Connection, about: PanelAbout, view: PanelView, most: int
) -> list[str]:
    """The ids of those who fit, no more than ``most``."""
    parameters: list[Any] = [about.environment_id]
    conditions = Conditions(about, view, parameters)
    where = _where(about, conditions)
    rows = await connection.fetch(
        f"{conditions.begin}SELECT p.id::text FROM patients p WHERE p.environment_id = $1{where}"
        f" LIMIT {most}",
        *parameters,
    )
    return [row["id"] for row in rows]


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


def _where(about: PanelAbout, conditions: Conditions) -> str:
    only = (
        ""
        if about.only is None
        else f" AND p.coach_id = {conditions.parameter(about.only, 'uuid')}"
    )
    return f"{only}{conditions.all} AND {is_current('p.id')}"


async def _parts(
    connection: Connection,
    about: PanelAbout,
    view: PanelView,
    beyond: str,
    conditions: Conditions,
    is_backwards: bool,
) -> list[_Part]:
    """The parts of the order that the page can touch, in the direction in which it is read."""
    column = about.columns[view.sort]
    if not column.figure:
        place = await _place(connection, about, column.keys, beyond, conditions)
        keys = tuple(f"p.{key}" for key in column.keys)
        source = "patients p WHERE p.environment_id = $1"
        walk = (f"SELECT p.* FROM {source}", "walk p")
        return [_Part(source, keys, view.descends, place, walk)]
    figure = conditions.parameter(column.figure, "text")
    of_figure = _OF_FIGURE.format(figure=figure, part=column.part)
    ahead = (
        "patient_figures f JOIN patients p ON p.environment_id = $1 AND p.id = f.patient_id"
        f" WHERE {of_figure}"
    )
    walk = (
        f"SELECT f.{column.part}, f.patient_id FROM patient_figures f WHERE {of_figure}",
        "walk f JOIN patients p ON p.environment_id = $1 AND p.id = f.patient_id",
    )
    rest = (
        "patients p WHERE p.environment_id = $1 AND NOT EXISTS (SELECT FROM patient_figures f"
        f" WHERE {of_figure} AND f.patient_id = p.id)"
    )
    keys = (f"f.{column.part}", "f.patient_id")
    number = beyond and await connection.fetchval(
        _PLACE_OF_FIGURE.format(part=column.part), about.environment_id, column.figure, beyond
    )
    in_front = bool(beyond) and number is not None
    kind = "float8" if column.part == "number" else "text"
    place = (
        (conditions.parameter(number, kind), conditions.parameter(beyond, "uuid"))
        if in_front
        else None
    )
    front = _Part(ahead, keys, view.descends, place, walk)
    names = (NAME_ORDER, "id")
    behind = None if in_front else await _place(connection, about, names, beyond, conditions)
    back = _Part(rest, tuple(f"p.{name}" for name in names), False, behind)
    parts = [back, front] if is_backwards else [front, back]
    if not beyond:
        return parts
    # The page begins in the part of the patient behind whom it lies; what is before that is over.
    return parts[parts.index(front if in_front else back) :]


async def _place(
    connection: Connection,
    about: PanelAbout,
    keys: Sequence[str],
    beyond: str,
    conditions: Conditions,
) -> tuple[str, ...] | None:
    """The keys of a patient as parameters; None where there is no such patient."""
    if not beyond:
        return None
    row = await connection.fetchrow(
        _PLACE.format(keys=", ".join(f"p.{key}" for key in keys)), about.environment_id, beyond
    )
    if row is None:
        return None
    kinds = {"id": "uuid", "created_at": "timestamptz"}
    return tuple(conditions.parameter(row[key], kinds.get(key, "text")) for key in keys)
