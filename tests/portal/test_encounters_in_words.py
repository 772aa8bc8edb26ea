"""What the fields of calls and alerts say, as people read them."""

from __future__ import annotations

from almoner.data_api.writes import new_id
from almoner.portal.value_words import Zones, without_units
from almoner.portal.values import Speaking, facts
from almoner.resources.alerts import alerts
from almoner.resources.calls import calls
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Text
from almoner.vocabulary.numbers import Number


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


def test_an_alert_says_what_it_is_and_how_many_and_no_json() -> None:
    zone = Zones("US/Eastern", "US/Eastern")
    answers = new_id()
    row = {
        "alert_type": "app_message",
        "config": {"count": 1},
        "assessment_response_id": answers,
    }
    listed = facts(alerts.fields, row, Speaking(Program(), zone, {}, "patient"))
    assert {fact.title: fact.words for fact in listed} == {"Alert": "App message", "How many": "1"}
    other = {"config": {"count": 1, "sent_by": {"name": "ehr"}}}
    [further] = facts(alerts.fields, other, Speaking(Program(), zone, {}, "patient"))
    assert further.words == "Count: 1; sent by: name: ehr"


def test_a_number_has_its_unit_beside_it_and_a_unit_without_a_number_is_what_it_is() -> None:
    zone = Zones("US/Eastern", "US/Eastern")
    speaking = Speaking(Program(), zone, {}, "patient")
    fields = [
        Field("body.test", Text(), "", label="Test"),
        Field("body.value", Number(), "", label="Value"),
        Field("body.unit", Text(), "", label="Unit"),
        Field("body.laboratory", Text(), "", label="Laboratory"),
    ]
    row = {"body.test": "HbA1c", "body.value": 7.2, "body.unit": "%", "body.laboratory": "Harbor"}
    assert [fact.words for fact in facts(fields, row, speaking)] == ["HbA1c", "7.2 %", "Harbor"]
    assert [field.title for field in without_units(fields)] == ["Test", "Value", "Laboratory"]
    nothing = {"body.value": 7.2, "body.unit": " "}
    assert [fact.words for fact in facts(fields, nothing, speaking)] == ["7.2"]
    of_text = [field for field in fields if field.name != "body.value"]
    assert [fact.words for fact in facts(of_text, row, speaking)] == ["HbA1c", "%", "Harbor"]
