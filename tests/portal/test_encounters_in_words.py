"""What the fields of a call say, as people read them."""

from __future__ import annotations

from almoner.data_api.writes import new_id
from almoner.portal.value_words import Zones
from almoner.portal.values import Speaking, facts
from almoner.resources.calls import calls
from almoner.vocabulary.definitions import Program


def test_a_call_says_minutes_and_whether_it_was_planned_and_no_id() -> None:
    zone = Zones("US/Eastern", "US/Eastern")
    worker, appointment = new_id(), new_id()
    speaking = Speaking(Program(), zone, {worker: "Ada Coach"}, "patient")
    row = {
        "call_type": "outbound",
        "duration": 1186,
        "calendar_event_id": appointment,
        "worker_id": worker,
    }
    words = {fact.title: fact.words for fact in facts(calls.fields, row, speaking)}
    assert words == {
        "Direction": "to the patient",
        "Duration": "20 min",
        "Appointment": "planned",
        "Worker": "Ada Coach",
    }
    short = facts(calls.fields, {"duration": 4}, speaking)
    assert [fact.words for fact in short] == ["1 min"]
