"""How the demo's patients and workers meet: conversations with their messages, and appointments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from almoner.demo import texts
from almoner.demo.chart import DemoWorker, PatientRows, moment
from almoner.vocabulary.times import iso

_MINUTES: Final = {
    "intake_call": 30,
    "coaching_call": 20,
    "nutrition_consult": 45,
    "medication_review": 30,
    "device_training": 40,
    "home_visit": 60,
    "quarterly_review": 30,
}
_LATER_TYPES: Final = ("coaching_call", "coaching_call", "coaching_call", *tuple(_MINUTES)[2:])
_OUTCOMES: Final = ("completed", "cancelled", "no-show", None)
_BUSY: Final = {
    "onboarding": 3,
    "active_coaching": 7,
    "maintenance": 4,
    "graduated": 6,
    "paused": 4,
    "withdrawn": 2,
}
_HAS_FUTURE: Final = ("intake", "onboarding", "active_coaching", "maintenance")


def add_conversations(chart: PatientRows) -> None:
    """Up to three conversations, each a few dialogues long; the first begins with a welcome."""
    rng, client = chart.rng, chart.client
    topics = [*texts.GENERAL]
    for condition in client.conditions:
        topics += texts.BY_CONDITION[condition] * 2
    openings: tuple[texts.Dialogue, ...] = texts.WELCOMES
    other = texts.BY_LANGUAGE.get(client.person.language)
    if other is not None and rng.random() < 0.4:
        openings, topics = other[:1], [*other[1:]]
    for number in range(rng.choices(range(4), (6, 70, 20, 4))[0]):
        most = 1 if client.phase == "intake" else 4
        # Two days apart, so that one dialogue has ended before the next begins.
        free = range(3, client.days, 2)
        days = sorted(rng.sample(free, min(rng.randint(1, most), len(free))), reverse=True)
        kind = rng.choice(("phone", "phone", "app", "app", "email", "third_party_app", None))
        dialogues = [rng.choice(topics) for _ in days]
        if number == 0:
            dialogues[0] = rng.choice(openings)
        minutes = [rng.randrange(8 * 60, 14 * 60) for _ in days]
        begun = moment(chart.today, days[0], minutes[0], client.place.timezone)
        conversation = chart.add("conversations", begun, conversation_type=kind)
        worker = client.coach if number == 0 else rng.choice(client.team)
        for day, minute, dialogue in zip(days, minutes, dialogues, strict=True):
            _add_dialogue(chart, conversation, worker, dialogue, (day, minute))


def _add_dialogue(
    chart: PatientRows,
    conversation: str,
    worker: DemoWorker,
    dialogue: texts.Dialogue,
    begin: tuple[int, int],
) -> None:
    rng, client = chart.rng, chart.client
    words = {
        "first": client.person.first_name,
        "coach": worker.first_name,
        "day": rng.choice(texts.DAYS),
        "n": rng.randint(2, 6),
    }
    at = moment(chart.today, *begin, client.place.timezone)
    for line in dialogue:
        chart.add(
            "messages",
            at + timedelta(seconds=2),
            conversation_id=conversation,
            worker_id=worker.id if line.outbound else None,
            direction="outbound" if line.outbound else "inbound",
            contents=line.text.format(**words),
            automatically_sent=line.automatic,
            send_time=iso(at),
        )
        at += timedelta(
            minutes=rng.randint(1, 75), seconds=rng.randrange(60), microseconds=rng.randrange(10**6)
        )


def add_events(chart: PatientRows) -> None:
    """Appointments that were, with how they ended, and those that are to come."""
    rng, client = chart.rng, chart.client
    if client.phase != "intake" or rng.random() < 0.5:
        _add_event(chart, "intake_call", client.coach, client.days - 4)
    busy = _BUSY.get(client.phase, 0)
    # Not on the first days, so that one that moves off a weekend is still behind the patient's
    # coming.
    for day in sorted(
        (rng.randrange(2, client.days - 3) for _ in range(rng.randint(busy // 2, busy))),
        reverse=True,
    ):
        _add_event(chart, rng.choice(_LATER_TYPES), rng.choice(client.team), day)
    if client.phase in _HAS_FUTURE:
        for _ in range(rng.randint(0, 3)):
            kind = "intake_call" if client.phase == "intake" else rng.choice(_LATER_TYPES)
            _add_event(
                chart,
                kind,
                rng.choice((client.coach, client.coach, client.team[1])),
                -rng.randrange(60),
            )


def _add_event(chart: PatientRows, kind: str, worker: DemoWorker, days_ago: int) -> None:
    """An appointment so many days ago, or ahead where negative. Weekends are free: it moves to a
    day further away.
    """
    rng = chart.rng
    past = days_ago > 0
    minute, lead = rng.randrange(8 * 60, 17 * 60, 5), rng.randrange(1, 21)
    modality = (
        "visit"
        if kind in ("home_visit", "device_training")
        else rng.choice(("phone", "phone", "call", "video", "visit"))
    )
    outcome = rng.choices(_OUTCOMES, (78, 11, 8, 3) if past else (0, 4, 0, 96))[0]
    all_day = rng.random() < (0.4 if kind == "home_visit" else 0.05)
    days_ago += _off_the_weekend(chart, days_ago, past)
    start = moment(chart.today, days_ago, minute, worker.timezone)
    created = _created_at(chart, start, lead, past)
    when: dict[str, str] = {
        "start_time": iso(start),
        "end_time": iso(start + timedelta(minutes=_MINUTES[kind])),
    }
    if all_day:
        when = {"day": (chart.today - timedelta(days=days_ago)).isoformat()}
    chart.add(
        "calendar_events",
        created,
        calendar_id=worker.calendar_id,
        **when,
        outcome=outcome,
        modality=modality,
        appointment_type=kind,
    )


def _off_the_weekend(chart: PatientRows, days_ago: int, past: bool) -> int:
    beyond_friday = (chart.today - timedelta(days=days_ago)).weekday() - 4
    if beyond_friday <= 0:
        return 0
    return beyond_friday if past else beyond_friday - 3


def _created_at(chart: PatientRows, start: datetime, lead: int, past: bool) -> datetime:
    """When the appointment was made: ``lead`` days before it, or before today; never before the
    patient was entered.
    """
    created_at = (start if past else chart.latest) - timedelta(days=lead, minutes=7)
    return max(created_at, chart.joined + timedelta(minutes=20))
