"""The charts of the supervisor's page: bars beside their words and numbers, so that no colour has
to be told from another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from almoner.pages.visit import Visit
from almoner.portal.supervisor.queries import AGES, HOURS, SPAN, WAITED, SupervisorNumbers
from almoner.workshop.assessment_design import Assessment

WIDTH: Final = 200
# So many coaches are drawn; a file has all.
_DRAWN: Final = 40


@dataclass(frozen=True, kw_only=True)
class ChartBar:
    """A line of a chart: its words, its number, how long its bar is, and where the rows behind it
    are: blank where the panel cannot show them. ``note`` stands behind the number.
    """

    title: str
    number: int
    length: float
    rows: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """A chart. ``about`` says what is counted, ``most`` how many a bar over the whole width is."""

    name: str
    title: str
    about: str
    bars: Sequence[ChartBar]
    most: int

    @property
    def drawn(self) -> Sequence[ChartBar]:
        """The lines that a page draws."""
        return self.bars[:_DRAWN]

    @property
    def more(self) -> int:
        """How many lines the file alone has."""
        return max(len(self.bars) - _DRAWN, 0)


# Words, number, filters of the panel, note.
_Line = tuple[str, int, Sequence[tuple[str, str]], str]


def charts(
    visit: Visit, numbers: SupervisorNumbers, assessments: Sequence[Assessment]
) -> list[BarChart]:
    """All charts of these numbers."""
    program, days = visit.program, SPAN.days
    reminded = [("all", f"phase:not:{phase}") for phase in sorted(program.silent_phases)]
    return [
        _chart(
            "caseload",
            "Caseload",
            "Patients by coach.",
            [
                (name, number, (("all", f"coach:is:{key}"),), "")
                for key, name, number in numbers.coaches
            ],
        ),
        _chart(
            "late",
            "Overdue",
            "Patients by how long the oldest open step or team task is late; phases without"
            " reminders are left out.",
            [
                (_age(place), number, [*_late_filters(place), *reminded], "")
                for place, number in enumerate(numbers.late)
            ],
        ),
        _chart(
            "phases",
            "Phases",
            "Patients by phase, in the order of the program.",
            [
                (
                    program.title("phases", phase),
                    numbers.phases.get(phase, 0),
                    (("all", f"phase:is:{phase}"),),
                    "",
                )
                for phase in dict.fromkeys((*program.phases, *numbers.phases))
            ],
        ),
        _chart(
            "answered",
            "Response time",
            f"Messages of patients in the last {days} days, by how soon somebody answered.",
            [
                (title, number, (), "")
                for title, number in zip(_within(), numbers.answered, strict=True)
            ],
        ),
        *([_waiting(numbers.waiting)] if numbers.waiting is not None else []),
        _chart(
            "missed",
            "No-shows",
            f"Missed appointments in the last {days} days, by whose calendar they were in.",
            [(name, number, (), f"of {expected}") for _, name, number, expected in numbers.missed],
        ),
        *(_bands(design, numbers) for design in assessments),
    ]


def _waiting(numbers: Sequence[int]) -> BarChart:
    return _chart(
        "waiting",
        "Waiting for an answer",
        "Patients by how long their oldest message without an answer has waited.",
        [
            (_waited(place), number, _waited_filters(place), "")
            for place, number in enumerate(numbers)
        ],
    )


def _bands(design: Assessment, numbers: SupervisorNumbers) -> BarChart:
    assert design.scoring is not None
    counts = numbers.bands.get(design.id, {})
    return _chart(
        f"bands-{design.id}",
        design.name,
        "Patients by the band of their newest score.",
        [
            (
                band.name,
                counts.get(band.name, 0),
                (("all", f"band.{design.id}:is:{band.name}"),),
                "",
            )
            for band in design.scoring.bands
        ],
    )


def _chart(name: str, title: str, about: str, lines: Iterable[_Line]) -> BarChart:
    listed = list(lines)
    most = _rounded_up(max((number for _, number, _, _ in listed), default=0))
    return BarChart(
        name=name,
        title=title,
        about=about,
        bars=[
            ChartBar(
                title=title,
                number=number,
                length=round(WIDTH * number / most, 1),
                rows=_rows(filters),
                note=note,
            )
            for title, number, filters, note in listed
        ],
        most=most,
    )


def _rounded_up(number: int) -> int:
    """The end of a scale for numbers up to this one: its half is a number too."""
    tens = int("1".ljust(len(str(number)), "0"))
    return next(end for end in (2 * tens, 4 * tens, 10 * tens) if end >= number)


def _rows(filters: Sequence[tuple[str, str]]) -> str:
    """The panel with those who were counted, as they are today."""
    if not filters:
        return ""
    columns = ("columns", "phase,coach,last_contact,next,due,flow")
    return f"/panel?{urlencode([('view', 'all'), columns, *filters])}"


def _age(place: int) -> str:
    """``3 to 7 days late``."""
    if place + 1 == len(AGES):
        return f"{AGES[place]} days late or more"
    return f"{AGES[place]} to {AGES[place + 1] - 1} days late"


def _late_filters(place: int) -> list[tuple[str, str]]:
    filters = [("all", f"due:least:{AGES[place]}")]
    if place + 1 < len(AGES):
        filters.append(("all", f"due:most:{AGES[place + 1] - 1}"))
    return filters


def _waited(place: int) -> str:
    """``7 to 28 days``."""
    if place == 0:
        return "Less than a day"
    if place == len(WAITED):
        return f"More than {WAITED[-1]} days"
    return f"{WAITED[place - 1]} to {WAITED[place]} days"


def _waited_filters(place: int) -> list[tuple[str, str]]:
    filters = [("all", f"waiting:before:{WAITED[place - 1]}")] if place else []
    if place < len(WAITED):
        filters.append(("all", f"waiting:within:{WAITED[place]}"))
    return filters


def _within() -> list[str]:
    return [*(f"Within {hours} hours" for hours in HOURS), "Later", "Not yet"]
