"""The SQL of a view's filters, on figures and fields of patients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.portal.panel.columns import ME, NOBODY, WITHOUT_VALUE, Columns, PanelColumn
from almoner.portal.panel.panel_view import PanelFilter, PanelView, number_of

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

    Two filters by figures or more, of everybody's patients, are met by the ids that all of them
    have in common: read from the index and hashed, whatever the planner thinks of how rare each is.
    ``begin`` is what a statement begins with for that, ``all`` what must hold. ``singly``:
    each figure is looked up of the patient instead, for who walks through some of them.
    """

    def __init__(
        self, about: PanelAbout, view: PanelView, parameters: list[Any], singly: bool = False
    ) -> None:
        self._about = about
        self._now = about.now.timestamp()
        self._parameters = parameters
        self._common: list[str] = []
        self._singly = singly
        self._is_alternative = False
        self._has_common = not singly and self._by_figures(view) > 1
        every = [self._of(each) for each in view.every]
        self.begin = ""
        if self._common:
            self.begin = f"WITH fits AS MATERIALIZED ({' INTERSECT '.join(self._common)}) "
            every.append("p.id IN (SELECT patient_id FROM fits)")
        # Who is met by sets of all patients, whoever is on the page.
        self.reads_sets = bool(self._common or view.some) and about.only is None
        self._has_common, self._is_alternative = False, True
        some = " OR ".join(self._of(each) for each in view.some)
        self.all = "".join(f" AND {each}" for each in [*every, *([f"({some})"] if some else [])])

    def _by_figures(self, view: PanelView) -> int:
        """How many filters are met by ids that an index has together; none where the patients are
        those of one coach, who are few.
        """
        of_coach = any(each.column == "coach" and each.test == "is" for each in view.every)
        if self._about.only is not None or of_coach:
            return 0
        return sum(
            bool(self._about.columns[each.column].figure)
            and each.test not in (*WITHOUT_VALUE, "not")
            for each in view.every
        )

    def _of(self, asked: PanelFilter) -> str:
        column = self._about.columns[asked.column]
        if column.key == "coach":
            return self._coach(asked)
        return self._figure(column, asked) if column.figure else self._looked_up(column, asked)

    def _coach(self, asked: PanelFilter) -> str:
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

    def _figure(self, column: PanelColumn, asked: PanelFilter) -> str:
        figure = self.parameter(column.figure, "text")
        rows = (
            "SELECT f.patient_id FROM patient_figures f WHERE f.environment_id = $1 AND f.figure ="
            f" {figure}"
        )
        if asked.test in WITHOUT_VALUE:
            has = f"{rows} AND f.patient_id = p.id AND f.{column.part} IS NOT NULL"
            return f"{'NOT ' if asked.test == 'none' else ''}EXISTS ({has})"
        if asked.test == "not":
            value = self.parameter(asked.value, "text")
            return f"NOT EXISTS ({rows} AND f.patient_id = p.id AND f.word = {value})"
        if column.sort == "late":
            return self._late(rows, asked)
        ids = f"{rows} AND f.{column.part} {self._compared(column, asked)}"
        if self._singly:
            return f"EXISTS ({ids} AND f.patient_id = p.id)"
        if self._has_common:
            self._common.append(ids)
            return "true"
        return f"p.id IN ({ids})"

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

    def _late(self, rows: str, asked: PanelFilter) -> str:
        """By the days where each patient lives. The index is walked between the days that are the
        first and the last in the world.
        """
        days = number_of(asked.value) or 0.0
        zones, number = self.parameter(self._about.zones, "jsonb"), self.parameter(days, "float8")
        is_set = self._is_alternative and not self._singly
        zone = f"coalesce({zones} ->> {'q' if is_set else 'p'}.timezone, 'UTC')"
        today = f"((now() AT TIME ZONE {zone})::date - date '1970-01-01')"
        day = self._now // _SECONDS
        if asked.test == "most":
            earliest = self.parameter(day - 1 - days, "float8")
            late = f"f.number >= {earliest} AND f.number BETWEEN {today} - {number} AND {today}"
        else:
            latest = self.parameter(day + 1 - days, "float8")
            late = f"f.number <= {latest} AND f.number <= {today} - {number}"
        if not is_set:
            return f"EXISTS ({rows} AND f.patient_id = p.id AND {late})"
        # Beside an alternative nothing is joined: what is asked patient by patient would be asked
        # of all of them, and a set is read once.
        of_all = rows.replace(
            " WHERE ", " JOIN patients q ON q.environment_id = $1 AND q.id = f.patient_id WHERE ", 1
        )
        return f"p.id IN ({of_all} AND {late})"

    def parameter(self, value: Any, kind: str) -> str:
        """A value as a parameter of the statement."""
        self._parameters.append(value)
        return f"${len(self._parameters)}::{kind}"
