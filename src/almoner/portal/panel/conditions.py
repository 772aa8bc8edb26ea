"""The SQL of a view's filters, on figures and fields of patients.

Filters are met in two ways (decision 93). Patient by patient, each figure looked up by its key:
for whoever walks through some patients in an order. Or as sets of ids that indexes hold together,
cut and joined as the filters say: for all who fit. Neither leaves it to the planner to guess how
many that will be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.patient_merges.current_sql import is_current
from almoner.portal.panel.columns import ME, NOBODY, WITHOUT_VALUE, Columns, PanelColumn
from almoner.portal.panel.panel_view import Alternatives, PanelFilter, PanelView, number_of

_SECONDS: Final = 86_400


@dataclass(frozen=True, kw_only=True)
class PanelAbout:
    """What a panel is looked at with: the columns there are, for which worker, when (UTC).

    ``only`` keeps to the patients of one coach, None where the role shows all; ``zones`` is what
    SQL has for each time zone."""

    environment_id: int
    worker_id: str
    only: str | None
    columns: Columns
    now: datetime
    zones: str


class Conditions:
    """SQL of what must hold of a patient ``p``; ``parameters`` grow with it.

    ``of_few``: they are among the patients of one coach, so that each of those is looked at.
    """

    def __init__(self, about: PanelAbout, view: PanelView, parameters: list[Any]) -> None:
        self._about = about
        self._view = view
        self._now = about.now.timestamp()
        self.parameters = parameters
        self._coach = about.only or next(filter(None, map(self._coach_of, view.every)), None)
        self.of_few = self._coach is not None
        self.is_any = bool(view.every or view.some or about.only is not None)

    def _coach_of(self, asked: PanelFilter) -> str | None:
        if (asked.column, asked.test) != ("coach", "is") or asked.value == NOBODY:
            return None
        return self._about.worker_id if asked.value == ME else asked.value

    def each(self) -> str:
        """What must hold of ``p``, looked up of one patient after the other."""
        return self._where(self._view.every, self._view.some, " OFFSET 0")

    def fits(self) -> str:
        """The CTEs that end in ``fits``: the ``id`` of all who fit."""
        if self._coach is not None:
            mine = f"p.environment_id = $1 AND p.coach_id = {self.parameter(self._coach, 'uuid')}"
            return (
                f"WITH mine AS MATERIALIZED (SELECT * FROM patients p WHERE {mine}), fits AS"
                f" MATERIALIZED (SELECT p.id FROM mine p WHERE true{self.each()})"
            )
        sets, every, some = self._sets()
        if not sets:
            rest = self._where(every, some)
            return (
                "WITH fits AS MATERIALIZED (SELECT p.id FROM patients p WHERE p.environment_id ="
                f" $1{rest})"
            )
        common = f"WITH common AS MATERIALIZED ({' INTERSECT '.join(sets)})"
        if not (every or some):
            current = is_current("c.patient_id")
            return (
                f"{common}, fits AS MATERIALIZED (SELECT c.patient_id AS id FROM common c WHERE"
                f" {current})"
            )
        return (
            f"{common}, fits AS MATERIALIZED (SELECT p.id FROM common c JOIN patients p ON"
            f" p.environment_id = $1 AND p.id = c.patient_id WHERE true{self._where(every, some)})"
        )

    def _sets(self) -> tuple[list[str], list[PanelFilter], list[Alternatives]]:
        """Sets of which all who fit are in each, and what still has to be asked of those."""
        sets: list[str] = []
        every: list[PanelFilter] = []
        # Days of a calendar are asked of the others where there are others: of everybody they
        # take long.
        for asked in sorted(self._view.every, key=lambda each: self._of(each).sort == "late"):
            of_asked = "" if sets and self._of(asked).sort == "late" else self._set(asked)
            if of_asked:
                sets.append(of_asked)
            else:
                every.append(asked)
        some: list[Alternatives] = []
        for alternatives in self._view.some:
            of_each = [[self._set(asked) for asked in each] for each in alternatives]
            if all(any(each) for each in of_each):
                common = (" INTERSECT ".join(filter(None, each)) for each in of_each)
                sets.append(f"({' UNION '.join(f'({each})' for each in common)})")
            if not all(all(each) for each in of_each):
                some.append(alternatives)
        return sets, every, some

    def _where(
        self, every: Iterable[PanelFilter], some: Iterable[Alternatives], fence: str = ""
    ) -> str:
        parts = [self._condition(asked, fence) for asked in every]
        for alternatives in some:
            of_each = (
                " AND ".join(self._condition(asked, fence) for asked in each)
                for each in alternatives
            )
            parts.append(f"({' OR '.join(f'({each})' for each in of_each)})")
        if self._about.only is not None:
            parts.append(f"p.coach_id = {self.parameter(self._about.only, 'uuid')}")
        return "".join(f" AND {part}" for part in (*parts, is_current("p.id")))

    def _of(self, asked: PanelFilter) -> PanelColumn:
        return self._about.columns[asked.column]

    def _condition(self, asked: PanelFilter, fence: str) -> str:
        """What must hold of ``p``. With a ``fence`` it is asked of each patient by itself, and not
        turned into a join with all.
        """
        column = self._of(asked)
        if column.key == "coach":
            return self._with_coach(asked)
        if not column.figure:
            return self._looked_up(column, asked)
        rows = f"{self._rows(column)} AND f.patient_id = p.id"
        if asked.test in WITHOUT_VALUE:
            has = f"{rows} AND f.{column.part} IS NOT NULL{fence}"
            return f"{'NOT ' if asked.test == 'none' else ''}EXISTS ({has})"
        if asked.test == "not":
            value = self.parameter(asked.value, "text")
            return f"NOT EXISTS ({rows} AND f.word = {value}{fence})"
        if column.sort == "late":
            return f"EXISTS ({rows} AND {self._late(asked, 'p')}{fence})"
        return f"EXISTS ({rows} AND f.{column.part} {self._compared(column, asked)}{fence})"

    def _set(self, asked: PanelFilter) -> str:
        """The ids for which a filter holds as an index has them together; blank where none has."""
        column = self._of(asked)
        if not column.figure or asked.test in (*WITHOUT_VALUE, "not"):
            return ""
        rows = self._rows(column)
        if column.sort != "late":
            return f"{rows} AND f.{column.part} {self._compared(column, asked)}"
        certain, within = self._certain(asked)
        of_patients = rows.replace(
            " WHERE ", " JOIN patients p ON p.environment_id = $1 AND p.id = f.patient_id WHERE ", 1
        )
        return (
            f"({rows} AND {certain} UNION ALL {of_patients} AND {within} AND"
            f" {self._late(asked, 'p')} AND NOT ({certain}))"
        )

    def _rows(self, column: PanelColumn) -> str:
        return (
            "SELECT f.patient_id FROM patient_figures f WHERE f.environment_id = $1 AND f.figure ="
            f" {self.parameter(column.figure, 'text')}"
        )

    def _with_coach(self, asked: PanelFilter) -> str:
        if asked.test in WITHOUT_VALUE or asked.value == NOBODY:
            is_none = (asked.test == "none") or (asked.value == NOBODY and asked.test == "is")
            return f"p.coach_id IS {'' if is_none else 'NOT '}NULL"
        coach = self._about.worker_id if asked.value == ME else asked.value
        sign = "=" if asked.test == "is" else "IS DISTINCT FROM"
        return f"p.coach_id {sign} {self.parameter(coach, 'uuid')}"

    def _looked_up(self, column: PanelColumn, asked: PanelFilter) -> str:
        if asked.test in WITHOUT_VALUE:
            return f"{column.sql} IS {'' if asked.test == 'none' else 'NOT '}NULL"
        if column.sort == "past":
            return f"{column.sql} {self._past(asked)}"
        sign = "=" if asked.test == "is" else "IS DISTINCT FROM"
        return f"{column.sql} {sign} {self.parameter(asked.value, 'text')}"

    def _compared(self, column: PanelColumn, asked: PanelFilter) -> str:
        if column.part == "word":
            return f"= {self.parameter(asked.value, 'text')}"
        if column.sort == "past":
            return self._past(asked)
        number = number_of(asked.value) or 0.0
        if column.sort == "ahead":
            return f"<= {self.parameter(self._now + number * _SECONDS, 'float8')}"
        if column.sort == "share":
            number /= 100
        sign = {"least": ">=", "most": "<=", "is": "="}[asked.test]
        return f"{sign} {self.parameter(number, 'float8')}"

    def _past(self, asked: PanelFilter) -> str:
        since = self._now - (number_of(asked.value) or 0.0) * _SECONDS
        return f"{'>=' if asked.test == 'within' else '<'} {self.parameter(since, 'float8')}"

    def _late(self, asked: PanelFilter, patient: str) -> str:
        """Whether a due day is so late on the day that it is where it is due (figures.rows)."""
        zones = self.parameter(self._about.zones, "jsonb")
        zone = f"coalesce({zones} ->> coalesce(f.word, {patient}.timezone), 'UTC')"
        today = f"((now() AT TIME ZONE {zone})::date - date '1970-01-01')"
        number = self.parameter(number_of(asked.value) or 0.0, "float8")
        if asked.test == "most":
            return f"f.number BETWEEN {today} - {number} AND {today}"
        return f"f.number <= {today} - {number}"

    def _certain(self, asked: PanelFilter) -> tuple[str, str]:
        """Due days that are so late wherever somebody lives, and those that are somewhere: it is
        yesterday, today or tomorrow there, counted from Greenwich.
        """
        days, day = number_of(asked.value) or 0.0, self._now // _SECONDS
        if asked.test == "most":
            return self._between(day + 1 - days, day - 1), self._between(day - 1 - days, day + 1)
        return self._between(None, day - 1 - days), self._between(None, day + 1 - days)

    def _between(self, first: float | None, last: float) -> str:
        until = f"f.number <= {self.parameter(last, 'float8')}"
        return (
            until if first is None else f"f.number >= {self.parameter(first, 'float8')} AND {until}"
        )

    def parameter(self, value: Any, kind: str) -> str:
        """A value as a parameter of the statement."""
        self.parameters.append(value)
        return f"${len(self.parameters)}::{kind}"
