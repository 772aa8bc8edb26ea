"""The orders of a panel, by keys that indexes hold.

An order by a figure or by a coach has two parts: those who have one, by it, then those who have
none, by name. A page may begin in one and end in the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.portal.panel.conditions import Conditions, PanelAbout
from almoner.portal.panel.panel_view import PanelView
from almoner.resources.patients import NAME_ORDER

# So many of an order are walked through first: where many fit, the page is full by then, and nobody
# else has to be looked for.
WALKED: Final = 1000
_OF_FIGURE: Final = "f.environment_id = $1 AND f.figure = {figure} AND f.{part} IS NOT NULL"
_PLACE: Final = """
SELECT {keys} FROM patients p WHERE p.environment_id = $1 AND p.id = $2::uuid
"""
_PLACE_OF_FIGURE: Final = """
SELECT f.{part} FROM patient_figures f WHERE f.environment_id = $1 AND f.figure = $2
  AND f.patient_id = $3::uuid AND f.{part} IS NOT NULL
"""
# Coaches stand in the order in which they are chosen from, and are put in it before their patients
# are looked for.
_WITH_COACH: Final = """
(SELECT p.*, w.coach_order FROM (SELECT id, almoner_plain(last_name || ' ' || first_name)
    COLLATE "C" AS coach_order FROM workers WHERE environment_id = $1
  ORDER BY coach_order {way}, id {way} OFFSET 0) AS w
JOIN patients p ON p.environment_id = $1 AND p.coach_id = w.id) AS p WHERE p.environment_id = $1"""
_NAMES: Final = (NAME_ORDER, "id")
_COACH_KEYS: Final = ("coach_order", "coach_id", *_NAMES)
_KINDS: Final = {"id": "uuid", "coach_id": "uuid", "created_at": "timestamptz"}


@dataclass(frozen=True, kw_only=True)
class OrderPart:
    """A part of an order: who is in it, and its keys. ``place`` are the keys of the patient behind
    whom the page begins; None where it begins before all of the part. ``walk`` reads the order by
    itself as ``walk``, and joins patients to that; None where it cannot be read so. ``lean`` is
    the order without patients, whose ids are ``id``.
    """

    source: str
    keys: tuple[str, ...]
    descends: bool
    place: tuple[str, ...] | None
    walk: tuple[str, str] | None = None
    lean: str = ""
    id: str = "p.id"

    def statement(self, limit: int, is_backwards: bool, where: str = "", fits: str = "") -> str:
        """Of all in the order, or of those whose ids a query ``fits`` has."""
        behind, order = self._order(is_backwards)
        source = f"{self.source}{where}"
        if fits:
            source = f"{self.lean or self.source} AND {self.id} IN ({fits})"
        return f"SELECT {self.id}::text AS id FROM {source}{behind} ORDER BY {order} LIMIT {limit}"

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


async def parts_of(
    connection: Connection,
    about: PanelAbout,
    view: PanelView,
    beyond: str,
    conditions: Conditions,
    is_backwards: bool,
) -> list[OrderPart]:
    """The parts of the order that the page can touch, in the direction in which it is read."""
    column = about.columns[view.sort]
    if not column.figure and column.key != "coach":
        place = await _place(connection, about, column.keys, beyond, conditions)
        keys = tuple(f"p.{key}" for key in column.keys)
        source = "patients p WHERE p.environment_id = $1"
        walk = (f"SELECT p.* FROM {source}", "walk p")
        return [OrderPart(source=source, keys=keys, descends=view.descends, place=place, walk=walk)]
    if column.figure:
        front, rest = await _by_figure(connection, about, view, beyond, conditions)
    else:
        front, rest = await _by_coach(
            connection, about, view, beyond, conditions=conditions, is_backwards=is_backwards
        )
    in_front = front.place is not None
    behind = None if in_front else await _place(connection, about, _NAMES, beyond, conditions)
    names = tuple(f"p.{name}" for name in _NAMES)
    back = OrderPart(
        source=f"patients p WHERE p.environment_id = $1 AND {rest}",
        keys=names,
        descends=False,
        place=behind,
    )
    parts = [back, front] if is_backwards else [front, back]
    if not beyond:
        return parts
    # The page begins in the part of the patient behind whom it lies; what is before that is over.
    return parts[parts.index(front if in_front else back) :]


async def _by_figure(
    connection: Connection, about: PanelAbout, view: PanelView, beyond: str, conditions: Conditions
) -> tuple[OrderPart, str]:
    """Those who have the figure, and the condition of those who have none."""
    column = about.columns[view.sort]
    figure = conditions.parameter(column.figure, "text")
    of_figure = _OF_FIGURE.format(figure=figure, part=column.part)
    lean = f"patient_figures f WHERE {of_figure}"
    joined = "JOIN patients p ON p.environment_id = $1 AND p.id = f.patient_id"
    place = None
    if beyond:
        value = await connection.fetchval(
            _PLACE_OF_FIGURE.format(part=column.part), about.environment_id, column.figure, beyond
        )
        if value is not None:
            kind = "float8" if column.part == "number" else "text"
            place = (conditions.parameter(value, kind), conditions.parameter(beyond, "uuid"))
    front = OrderPart(
        source=f"patient_figures f {joined} WHERE {of_figure}",
        keys=(f"f.{column.part}", "f.patient_id"),
        descends=view.descends,
        place=place,
        walk=(f"SELECT f.{column.part}, f.patient_id FROM {lean}", f"walk f {joined}"),
        lean=lean,
        id="f.patient_id",
    )
    return front, f"NOT EXISTS (SELECT FROM {lean} AND f.patient_id = p.id)"


async def _by_coach(
    connection: Connection,
    about: PanelAbout,
    view: PanelView,
    beyond: str,
    conditions: Conditions,
    is_backwards: bool,
) -> tuple[OrderPart, str]:
    """Those who have a coach, by coach and then by name, and the condition of those who have none.
    Of the coaches before the one that the page begins with nobody is looked at.
    """
    down = view.descends is not is_backwards
    source, place = _WITH_COACH.format(way="DESC" if down else "ASC"), None
    row = beyond and await connection.fetchrow(
        f"SELECT {', '.join(f'p.{key}' for key in _COACH_KEYS)} FROM {source} AND p.id = $2::uuid",
        *(about.environment_id, beyond),
    )
    if row:
        place = tuple(
            conditions.parameter(row[key], _KINDS.get(key, "text")) for key in _COACH_KEYS
        )
        source += f" AND p.coach_order {'<=' if down else '>='} {place[0]}"
    keys = tuple(f"p.{key}" for key in _COACH_KEYS)
    walk = (f"SELECT p.* FROM {source}", "walk p")
    return OrderPart(
        source=source, keys=keys, descends=view.descends, place=place, walk=walk
    ), "p.coach_id IS NULL"


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
    return tuple(conditions.parameter(row[key], _KINDS.get(key, "text")) for key in keys)
