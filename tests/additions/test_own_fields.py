"""A field is one line in ``resources/`` and a generated migration: a clone that has two of them, looked at over HTTP."""

from __future__ import annotations

import json
import re

import pytest

from tests.additions.clone import Site, as_read, document, form_of, names_in

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
    for collection, words in (("patients", "How the patient wants to be called."), ("calendar_events", "Where the two meet.")):
        assert words in as_read(site.api.get(f"/docs/{collection}").text), collection
    patient = site.api.post("/v1/patients", json={**details(patients[0]), "phase": "intake", "preferred_name": "Bo"}).json()
    changed = site.api.put(f"/v1/patients/{patient['id']}", json={"preferred_name": "Bob"}).json()
    assert (patient["preferred_name"], changed["preferred_name"]) == ("Bo", "Bob")


def test_the_pages_of_a_patient_have_it_and_the_timeline_tells_of_its_change(site: Site) -> None:
    patient = next(one for one in site.find("patients") if one["preferred_name"])
    here = f"/patients/{patient['id']}"
    assert "Preferred name Ada" in site.page(here)
    assert "Preferred name How the patient wants to be called." in site.page(f"{here}/contact")
    saved = site.send(f"{here}/contact", f"{here}/contact/details", **details(patient), preferred_name="")
    assert saved.status_code == 303, as_read(saved.text)[:400]
    again = site.send(f"{here}/contact", f"{here}/contact/details", **details(patient), preferred_name="Bea")
    assert again.status_code == 303
    told = site.page(f"{here}?show=changes")
    assert re.search(r"Preferred name changed nothing →(?: to)? Bea", told), told[:1500]
    assert "Preferred name Bea" in site.page(here)
    other = next(one for one in site.find("patients") if one["id"] != patient["id"] and one["preferred_name"])
    assert f"Preferred name Bea {other['preferred_name']}" in site.page(f"{here}/merge/{other['id']}")


def test_two_who_change_it_see_both_values(site: Site) -> None:
    patient = site.find("patients")[-1]
    here = f"/patients/{patient['id']}/contact"
    before = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form_of(site.html(here), f"{here}/details"))
    site.api.put(f"/v1/patients/{patient['id']}", json={"preferred_name": "Theirs"})
    stale = {name: value.replace("&#34;", '"') for name, value in before}
    clash = site.send(here, f"{here}/details", **{**stale, **details(patient), "preferred_name": "Mine"})
    assert clash.status_code == 409
    assert re.search("Preferred name.*Mine.*Theirs|Preferred name.*Theirs.*Mine", as_read(clash.text))


def test_a_new_patient_has_it_and_one_like_them_is_compared_in_it(site: Site) -> None:
    assert "preferred_name" in names_in(form_of(site.html("/patients/new"), "/patients/new"))
    there = site.find("patients")[0]
    typed = {**details(there), "phase": "intake", "is_active": "yes", "preferred_name": "Cleo"}
    near = site.send("/patients/new", "/patients/new", **typed)
    assert near.status_code == 409
    stored = there["preferred_name"] or "nothing"
    assert f"Preferred name Cleo {stored}" in as_read(near.text)
    made = site.send("/patients/new", "/patients/new", **typed, anyway="yes")
    assert made.status_code == 303
    assert site.find("patients", ids=made.headers["location"].rsplit("/", 1)[1])[0]["preferred_name"] == "Cleo"


def test_an_appointment_is_booked_shown_and_changed_with_it(site: Site) -> None:
    assert "room" in names_in(form_of(site.html("/calendar/new"), "/calendar/new"))
    event = next(one for one in site.find("calendar_events") if one["room"] == "garden")
    here = f"/calendar/events/{event['id']}"
    assert "Room Garden" in site.page(here)
    assert site.send(here, here, room="blue_room").status_code == 303
    assert "Room Blue room" in site.page(here)
    assert re.search(r"Garden →(?: to)? Blue room", site.page(f"/patients/{event['user_id']}?show=changes"))


def test_an_export_has_it(site: Site) -> None:
    answer = site.send("/admin/export", "/admin/export", collections="patients", format="csv")
    assert "preferred_name" in answer.text.partition("\n")[0], as_read(answer.text)[:400]
