"""The names of bands in a chart stand beside the line of the values, never under it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from almoner.portal.profile.chart import Chart, drawn
from almoner.workshop.assessment_design import Band

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
BANDS = (
    Band(name="little or none", low=0, high=2),
    Band(name="worth a talk", low=3, high=5),
    Band(name="経過観察が必要", low=6, high=9),
)
WIDTHS = {"little or none": 84, "worth a talk": 72, "経過観察が必要": 70}


def chart_of(values: list[int]) -> Chart:
    days = [(BEGIN + timedelta(days=number), value, "") for number, value in enumerate(values)]
    return drawn("Mood", days, False, BANDS)


def on_the_line(chart: Chart) -> list[tuple[float, float]]:
    """Places of the line, close to each other."""
    steps = [number / 50 for number in range(51)]
    points = [
        (a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t)
        for a, b in pairwise(chart.points)
        for t in steps
    ]
    return points or [(point.x, point.y) for point in chart.points]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_no_name_lies_under_the_line_or_outside_of_its_stripe(values: list[int]) -> None:
    chart = chart_of(values)
    line = on_the_line(chart)
    for zone in chart.zones:
        if zone.x is None:
            continue
        left, right, top, bottom = zone.x, zone.x + WIDTHS[zone.name], zone.y, zone.y + 12
        assert not [
            place for place in line if left <= place[0] <= right and top <= place[1] <= bottom
        ], zone
        assert (zone.height >= 12, left >= chart.left, right <= chart.right) == (True, True, True)


def test_where_the_line_leaves_room_each_name_is_there() -> None:
    assert [zone.x is not None for zone in chart_of([0, 0, 0, 9, 9, 9]).zones] == [True, True, True]
    falling = {zone.name: zone.x for zone in chart_of([9, 6, 5, 5, 4, 3, 1, 0]).zones}
    assert falling["little or none"] == chart_of([9, 9]).left + 4
