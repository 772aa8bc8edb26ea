"""What the demo's workers have asked of each other about a patient, most of it done."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from almoner.demo.chart import PatientRows, moment
from almoner.vocabulary.times import iso

_TITLES: Final = (
    ("Ring the pharmacy about the refill", "They close at six."),
    ("Send the meal plan by post", None),
    ("Ask the clinic for the last lab results", "The fax number is on the referral."),
    ("Order a new blood pressure cuff", None),
    ("Find a ride to the home visit", "Wheelchair."),
    ("Check what the insurance says", None),
)
_OPEN: Final = 0.25
_PUT_OFF: Final = 0.2


def add_team_tasks(chart: PatientRows) -> None:
    """Up to two tasks; one that is open is due some days around today."""
    rng, client = chart.rng, chart.client
    for title, note in rng.sample(_TITLES, rng.choices(range(3), (60, 30, 10))[0]):
        is_open = rng.random() < _OPEN
        days_ago = rng.randrange(-6, 3) if is_open else rng.randrange(1, max(client.days - 2, 2))
        asked = moment(chart.today, min(days_ago + 4, client.days), 600, client.coach.timezone)
        done = moment(chart.today, days_ago, 15 * 60, client.coach.timezone)
        chart.add(
            "worker_tasks",
            min(max(asked, chart.joined + timedelta(minutes=30)), chart.latest),
            title=title,
            note=note,
            worker_id=client.coach.id,
            role=None,
            priority=rng.choices(("low", "medium", "high"), (2, 6, 2))[0],
            due_date=(chart.today - timedelta(days=days_ago)).isoformat(),
            due_time=None,
            author_worker_id=rng.choice(client.team).id,
            watcher_ids=[],
            comments=[],
            completed_at=None if is_open else iso(done),
            completed_by_worker_id=None if is_open else client.coach.id,
        )


def add_snoozes(chart: PatientRows) -> None:
    """Now and then a coach has put them off for a day; that is over."""
    if chart.rng.random() >= _PUT_OFF:
        return
    since = max(chart.latest - timedelta(days=3), chart.joined + timedelta(hours=1))
    chart.add(
        "snoozes",
        since,
        worker_id=chart.client.coach.id,
        until_time=iso(since + timedelta(days=1)),
    )
