"""A field is one line in ``resources/`` and a generated migration: a clone that has several of
them, looked at over HTTP.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.additions.clone import Site, as_read, document, form_of, names_in, refusals
from tests.web.document import Document

# A clone takes half a minute of a processor.
pytestmark = pytest.mark.slow


def details(patient: dict[str, str]) -> dict[str, str]:
    return {name: patient[name] for name in ("first_name", "last_name", "birthday", "timezone")}


def test_the_api_its_document_and_the_reference_have_both(site: Site) -> None:
    patients, events = site.find("patients"), site.find("calendar_events")
    assert "Ada" in {patient["preferred_name"] for patient in patients}
    assert {event["room"] for event in events} >= {"blue_room", "garden"}
    schemas = json.dumps(document(site)["components"]["schemas"])
    assert "preferred_name" in schemas
    assert "blue_room" in schemas
    for collection, words in (
        ("patients", "How the patient wants to be called."),
        ("calendar_events", "Where the two meet."),
    ):
        assert words in Document(site.api.get(f"/docs/{collection}").text).main(), collection
    patient = site.api.post(
        "/v1/patients", json={**details(patients[0]), "phase": "intake", "preferred_name": "Bo"}
    ).json()
    changed = site.api.put(f"/v1/patients/{patient['id']}", json={"preferred_name": "Bob"}).json()
    assert (patient["preferred_name"], changed["preferred_name"]) == ("Bo", "Bob")


def test_a_field_of_any_kind_may_be_null_or_empty_however_it_is_written(site: Site) -> None:
    blank = dict.fromkeys(("diets", "nicknames", "wishes", "shoe_size", "children"))
    full = {
        "diets": ["vegan", "no_nuts"],
        "nicknames": ["Bo", ""],
        "wishes": {"a": [1, None]},
        "shoe_size": 41.5,
        "children": 0,
    }
    empty = blank | {"diets": [], "nicknames": [], "wishes": []}
    written = [full, empty, blank, {}]
    whole = {**details(site.find("patients")[0]), "phase": "intake"}
    bodies = [whole | row for row in written]

    def values(row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in blank}

    def batch(rows: list[dict[str, Any]], verb: str) -> list[dict[str, Any]]:
        answer = site.api.post("/v1/patients/batch", json={verb: rows})
        assert answer.status_code == 200, answer.text
        return [entry["row"] for entry in answer.json()["data"]]

    expected = [full, empty, blank, blank]
    alone = [site.api.post("/v1/patients", json=body).json() for body in bodies]
    together = batch(bodies, "create")
    assert [values(row) for row in alone] == expected
    assert [values(row) for row in together] == expected
    turned = [dict(id=row["id"], **new) for row, new in zip(together, expected[::-1], strict=True)]
    assert [values(row) for row in batch(turned, "update")] == expected[::-1]
    answer = site.api.get("/v1/patients", params={"ids": ",".join(row["id"] for row in together)})
    stored = {row["id"]: values(row) for row in answer.json()[0]["data"]}
    assert [stored[row["id"]] for row in together] == expected[::-1]


def test_the_pages_of_a_patient_have_it_and_the_timeline_tells_of_its_change(site: Site) -> None:
    patient = next(row for row in site.find("patients") if row["preferred_name"])
    here = f"/patients/{patient['id']}"
    assert "Preferred name Ada" in site.page(here)
    assert "Preferred name How the patient wants to be called." in site.page(f"{here}/contact")
    saved = site.send(
        f"{here}/contact", f"{here}/contact/details", **details(patient), preferred_name=""
    )
    assert saved.status_code == 303, as_read(saved.text)[:400]
    again = site.send(
        f"{here}/contact", f"{here}/contact/details", **details(patient), preferred_name="Bea"
    )
    assert again.status_code == 303
    timeline = site.page(f"{here}?show=changes")
    assert re.search(r"Preferred name changed nothing →(?: to)? Bea", timeline), timeline[:1500]
    assert "Preferred name Bea" in site.page(here)
    other = next(
        row for row in site.find("patients") if row["id"] != patient["id"] and row["preferred_name"]
    )
    assert f"Preferred name Bea {other['preferred_name']}" in site.page(
        f"{here}/merge/{other['id']}"
    )


def test_two_who_change_it_see_both_values(site: Site) -> None:
    patient = site.find("patients")[-1]
    here = f"/patients/{patient['id']}/contact"
    before = re.findall(
        r'<input type="hidden" name="([^"]*)" value="([^"]*)"',
        form_of(site.html(here), f"{here}/details"),
    )
    site.api.put(f"/v1/patients/{patient['id']}", json={"preferred_name": "Theirs"})
    stale = {name: value.replace("&#34;", '"') for name, value in before}
    clash = site.send(
        here, f"{here}/details", **{**stale, **details(patient), "preferred_name": "Mine"}
    )
    assert clash.status_code == 409
    assert re.search(
        "Preferred name.*Mine.*Theirs|Preferred name.*Theirs.*Mine", as_read(clash.text)
    )


def test_a_new_patient_has_it_and_one_like_them_is_compared_in_it(site: Site) -> None:
    assert "preferred_name" in names_in(form_of(site.html("/patients/new"), "/patients/new"))
    there = site.find("patients")[0]
    fields = {**details(there), "phase": "intake", "is_active": "yes", "preferred_name": "Cleo"}
    near = site.send("/patients/new", "/patients/new", **fields)
    assert near.status_code == 409
    stored = there["preferred_name"] or "nothing"
    assert Document(near.text).row(f"Preferred name Cleo {stored}")
    answer = site.send("/patients/new", "/patients/new", **fields, anyway="yes")
    assert answer.status_code == 303
    assert (
        site.find("patients", ids=answer.headers["location"].rsplit("/", 1)[1])[0]["preferred_name"]
        == "Cleo"
    )


def test_an_appointment_is_booked_shown_and_changed_with_it(site: Site) -> None:
    assert "room" in names_in(form_of(site.html("/calendar/new"), "/calendar/new"))
    event = next(row for row in site.find("calendar_events") if row["room"] == "garden")
    here = f"/calendar/events/{event['id']}"
    assert "Room Garden" in site.page(here)
    assert site.send(here, here, room="blue_room").status_code == 303
    assert "Room Blue room" in site.page(here)
    assert re.search(
        r"Garden →(?: to)? Blue room", site.page(f"/patients/{event['user_id']}?show=changes")
    )


def test_numbers_addresses_and_tasks_are_added_changed_and_told_with_theirs(site: Site) -> None:
    # Somebody of whom the demo says nothing: how often something is told is counted.
    somebody = {**details(site.find("patients")[0]), "phase": "intake"}
    patient = site.api.post("/v1/patients", json=somebody).json()["id"]
    here = f"/patients/{patient}"
    number = {
        "phone_number": "415-555-0177",
        "phone_number_type": "cell",
        "best_time": "after five",
    }
    address = {"email": "own@example.org", "belongs_to": "her sister"}
    for page, action, fields in (
        (f"{here}/contact", f"{here}/contact/phones", number),
        (f"{here}/contact", f"{here}/contact/emails", address),
        (f"{here}/tasks", f"{here}/tasks", {"task_type": "survey", "is_urgent": "yes"}),
    ):
        added = site.send(page, action, **fields)
        assert added.status_code == 303, (action, as_read(added.text)[:400])
    contact, profile = site.page(f"{here}/contact"), site.page(f"{here}?show=all")
    assert "Best time after five" in contact
    assert "Belongs to her sister" in contact
    assert "Urgent · added" in site.page(f"{here}/tasks")
    for words in ("Best time: after five", "Belongs to: her sister", "Urgent "):
        # In the card and in the timeline.
        assert profile.count(words) == 2, (words, profile[:3000])
    phone = next(
        row
        for row in site.find("phone_numbers", user_id=patient)
        if row["best_time"] == "after five"
    )
    changed = site.send(
        f"{here}/contact",
        f"{here}/contact/phones/{phone['id']}",
        **number | {"best_time": "before noon"},
    )
    assert changed.status_code == 303, as_read(changed.text)[:400]
    assert re.search(
        r"Best time:? after five →(?: to)? before noon", site.page(f"{here}?show=changes")
    )


def test_a_record_has_it_behind_the_fields_of_its_type(site: Site) -> None:
    patient = site.find("patients")[2]["id"]
    here = f"/patients/{patient}/records"
    new = f"{here}/new?type=lab_result"
    needed = {
        "body.test": "ldl",
        "body.value": "100",
        "body.unit": "mg/dL",
        "body.collected_at": "2 Jan 2026 14:30",
    }
    answer = site.send(new, here, **needed, is_confirmed="yes")
    assert answer.status_code == 303, refusals(answer.text)
    assert "LDL 100 mg/dL" in site.page(answer.headers["location"])
    assert "Confirmed" in site.page(f"/patients/{patient}?show=changes")
    rows = site.find("custom_data_type_records", user_id=patient)
    record = max(rows, key=lambda row: row["created_at"])
    assert record["is_confirmed"]
    page = f"{here}/{record['id']}"
    changed = site.send(page, page, **needed)
    assert changed.status_code == 303, refusals(changed.text)
    assert re.search(r"Confirmed:? yes →(?: to)? no", site.page(page))


def test_a_message_is_recorded_and_shown_with_it(site: Site) -> None:
    patient = site.find("patients")[2]["id"]
    here = f"/patients/{patient}/conversations/new"
    fields = {"direction": "inbound", "contents": "I am well.", "type": "app", "do": "record"}
    sent = site.send(here, here, **fields, tone="cheerful")
    assert sent.status_code == 303, refusals(sent.text)
    assert "Tone: cheerful" in site.page(sent.headers["location"])
    for tab in ("timeline", "messages"):
        assert site.page(f"/patients/{patient}?tab={tab}").count("Tone: cheerful") == 1, tab


def test_an_export_has_it(site: Site) -> None:
    answer = site.send("/admin/export", "/admin/export", collections="patients", format="csv")
    assert "preferred_name" in answer.content.partition(b"\n")[0].decode(), as_read(answer.text)[
        :400
    ]
