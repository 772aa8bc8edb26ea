"""Calls and visits that the demo's appointments became, unplanned calls, alerts and notes.

Chance is asked here by the patient's id, so that what the demo says elsewhere stays as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from almoner.data_api.declare import Row
from almoner.demo.chart import PatientRows
from almoner.vocabulary.times import iso

_BY_TELEPHONE: Final = ("phone", "call")
_OUTCOMES: Final = ("reached", "reached", "voicemail", "no_answer", "wrong_number")
_NOTES: Final = (
    "Feels well. Walks every morning and sleeps through.",
    "Asked about side effects of the new tablets; will bring the box next time.",
    "Blood pressure at home is around 135 over 80. Goes on writing it down.",
    "Was at the pharmacy, the refill is there.",
    "Wants to speak about meals next time.",
    None,
)
_SIGNED: Final = (
    ("progress", "How it goes: steady. Walks to the bakery and back every day.\nNext: the stairs."),
    ("progress", "How it goes: tired since the new tablets.\nWhat was agreed: asks the doctor."),
    ("progress", "How it goes: writes down every reading.\nNext: look at the evenings together."),
    ("care_conference", "Present: coach, nurse, daughter.\nDecided: the daughter fills the box."),
    ("care_conference", "Present: coach, pharmacist.\nDecided: one tablet fewer in the evening."),
    ("supervision", "Slow to answer for two weeks. Try a visit before the next letter."),
)
_ADDED: Final = ("The daughter has called: it works.", "The doctor agrees.", "Done on Friday.")


# How long an alert of the app waits for somebody at this clinic, at most.
_OPEN: Final = timedelta(days=2)


def add_contacts(chart: PatientRows) -> None:
    """Fills in the calls, visits, alerts and notes of a patient."""
    rng = Random(f"{chart.client.id}:contacts")  # noqa: S311 -- made-up data, the same each time
    own = replace(chart, rng=rng)
    workers = {worker.calendar_id: worker.id for worker in chart.client.team}
    for event in chart.rows["calendar_events"]:
        if event["outcome"] != "completed" or "start_time" not in event:
            continue
        if event["modality"] in _BY_TELEPHONE:
            _add_call(own, event, workers[event["calendar_id"]])
        elif event["modality"] == "visit":
            _add_visit(own, event, workers[event["calendar_id"]])
    for at in own.times(rng.randrange(3)):
        outcome = rng.choice(_OUTCOMES)
        _call(own, at, chart.client.coach.id, outcome, inbound=rng.random() < 0.3)
    if rng.random() < 0.7:
        at = own.sometime()
        is_open = chart.latest - at < _OPEN
        ending: Row = {} if is_open else {"completed": True, "finished_time": iso(chart.latest)}
        config = {"count": rng.randint(1, 4)}
        own.add(
            "alerts", at, alert_type="app_message", active_time=iso(at), config=config, **ending
        )
    _add_notes(replace(chart, rng=Random(f"{chart.client.id}:notes")))  # noqa: S311 -- see above


def _add_notes(chart: PatientRows) -> None:
    """None to three notes of the patient's team; now and then one of them is pinned or added to."""
    rng = chart.rng
    for at in chart.times(rng.choice((0, 1, 1, 2, 3))):
        note_type, text = rng.choice(_SIGNED)
        signed = {
            "worker_id": rng.choice(chart.client.team).id,
            "note_type": note_type,
            "signed_at": iso(at),
        }
        note = chart.add("notes", at, **signed, text=text, pinned=rng.random() < 0.2)
        if rng.random() < 0.2:
            chart.add("notes", at, **signed, text=rng.choice(_ADDED), adds_to_note_id=note)


def _add_call(chart: PatientRows, event: Row, worker_id: str) -> None:
    start = datetime.fromisoformat(event["start_time"])
    length = datetime.fromisoformat(event["end_time"]) - start
    rng = chart.rng
    start += timedelta(seconds=rng.randrange(240))
    lasted = int(length.total_seconds() * rng.uniform(0.4, 1.1))
    _call(chart, start, worker_id, "reached", event=event["id"], duration=lasted)


def _call(
    chart: PatientRows,
    start: datetime,
    worker_id: str,
    outcome: str,
    inbound: bool = False,
    event: str | None = None,
    duration: int = 0,
) -> None:
    rng = chart.rng
    numbers = chart.rows["phone_numbers"]
    number = numbers[0]["phone_number"] if numbers else None
    if inbound:
        outcome = "reached"
    if outcome == "reached" and not duration:
        duration = rng.randrange(90, 1500)
    chart.add(
        "calls",
        min(start + timedelta(seconds=duration + 40), chart.latest),
        call_type="inbound" if inbound else "outbound",
        from_number=number if inbound else None,
        to_number=None if inbound else number,
        start_time=iso(start),
        duration=duration,
        calendar_event_id=event,
        worker_id=worker_id,
        outcome=outcome,
        note=rng.choice(_NOTES) if outcome == "reached" else None,
    )


def _add_visit(chart: PatientRows, event: Row, worker_id: str) -> None:
    start = datetime.fromisoformat(event["start_time"])
    end = datetime.fromisoformat(event["end_time"]) + timedelta(minutes=chart.rng.randrange(-5, 20))
    chart.add(
        "visits",
        min(end + timedelta(minutes=5), chart.latest),
        worker_id=worker_id,
        calendar_event_id=event["id"],
        start_time=iso(start),
        end_time=iso(end),
        note=chart.rng.choice(_NOTES),
    )
