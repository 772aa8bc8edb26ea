"""A field is one line in each collection of the contract: what follows from it is looked for in all
of them.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from almoner.data_api.declare import Verb
from almoner.resources import BY_NAME
from tests.additions.clone import Site, as_read, document, form_of, names_in, refusals
from tests.cases import every_case
from tests.web.document import Document

# A clone takes half a minute of a processor.
pytestmark = pytest.mark.slow

# By collection: where a row is read, then the page of a form that sets the field and where that
# goes to. Of the last three, no form sets a field of one's own.
PAGES: Mapping[str, tuple[str, str, str] | None] = {
    "patients": ("{of}", "{of}/contact", "{of}/contact/details"),
    "phone_numbers": ("{of}/contact", "{of}/contact", "{of}/contact/phones"),
    "email_addresses": ("{of}/contact", "{of}/contact", "{of}/contact/emails"),
    "external_ids": ("{of}/contact", "{of}/contact", "{of}/contact/ids"),
    "patient_tasks": ("{of}/tasks", "{of}/tasks", "{of}/tasks"),
    "calendar_events": ("/calendar/events/{id}",) * 3,
    "conversations": ("{of}/conversations/{id}", *("{of}/conversations/new",) * 2),
    "messages": ("{of}/conversations/{conversation_id}",) * 3,
    "care_flows": (
        "{of}/care-flows/{id}",
        "{of}/care-flows/{id}?open=about",
        "{of}/care-flows/{id}",
    ),
    "assessment_responses": (
        "{of}/assessments/{id}",
        "{of}/assessments/new?spec={spec_id}",
        "{of}/assessments/answer",
    ),
    "custom_data_type_records": ("{of}/records?type={type_name}", *("{of}/records/{id}",) * 2),
    "workers": ("/admin/workers/{id}", "/admin/workers/{id}/edit", "/admin/workers/{id}/edit"),
    "visits": ("{of}/visits",) * 3,
    "alerts": ("{of}/alerts",) * 3,
    "worker_tasks": ("{of}/worker-tasks",) * 3,
    "calls": ("{of}/calls", *("{of}/call",) * 2),
    "notes": ("{of}/notes", *("{of}/note",) * 2),
    "calendars": None,
    "snoozes": None,
    "integration_tasks": None,
}
NOTE, SAYS = "site_note", "as a site says"
# What an update has to name besides.
NAMED = {"custom_data_type_records": ("body",)}


def noted(site: Site, collection: str) -> dict[str, Any]:
    """The newest row of a collection in which the demo says something."""
    rows = [row for row in site.find(collection) if row[NOTE] == SAYS]
    if collection == "external_ids":
        rows = [row for row in rows if row["resource"] == "patients"]
    return max(rows, key=lambda row: row.get("send_time") or row.get("created_at", ""))


def place(template: str, row: Mapping[str, Any]) -> str:
    patient = row.get("user_id") or row.get("patient_id") or row.get("welkin_id") or row["id"]
    return template.format(of=f"/patients/{patient}", **row)


def test_a_field_of_each_collection_is_in_api_document_reference_demo_and_export(
    site: Site,
) -> None:
    described = document(site)["components"]["schemas"]
    with_it = [name for name, schema in described.items() if NOTE in schema.get("properties", ())]
    with every_case() as cases:
        for name, resource in BY_NAME.items():
            with cases.case(name):
                rows = site.find(name)
                assert all(NOTE in row for row in rows), "the API"
                # Calendars are made with their workers, of whom alone the demo speaks.
                assert name == "calendars" or SAYS in {row[NOTE] for row in rows}, "the demo"
                singular = resource.singular.replace(" ", "").lower()
                assert any(singular in place.replace("_", "").lower() for place in with_it), with_it
                reference = site.api.get(f"/docs/{name}").text
                assert "What the site notes of it." in Document(reference).main(), "the reference"
                fields = {"collections": name, "format": "csv"}
                exported = site.send("/admin/export", "/admin/export", **fields).text
                assert NOTE in exported.partition("\n")[0], exported[:200]


def test_a_field_of_each_collection_is_on_its_page_in_its_form_and_in_what_the_timeline_tells(
    site: Site,
) -> None:
    assert PAGES.keys() == BY_NAME.keys()
    with every_case() as cases:
        for name, where in PAGES.items():
            if where is None:
                continue
            with cases.case(name):
                row = noted(site, name)
                page, form, action = (place(template, row) for template in where)
                read = site.page(page)
                # A table has its titles above.
                assert re.search(f"Site note.*{SAYS}", read), f"{page}: {read[:1500]}"
                controls = names_in(form_of(site.html(form), action))
                assert any(control.split(".")[-1] == NOTE for control in controls), controls
                if Verb.UPDATE not in BY_NAME[name].verbs or name == "external_ids":
                    continue
                body = {NOTE: f"else of {name}", **{key: row[key] for key in NAMED.get(name, ())}}
                changed = site.api.put(f"/v1/{name}/{row['id']}", content=json.dumps(body))
                assert changed.status_code == 200, changed.text
                timeline = site.page(place("{of}?show=changes", row))
                expected = rf"Site note:?(?: changed)? {SAYS} →(?: to)? else of {name}"
                assert re.search(expected, timeline), timeline[:1500]


def test_what_another_environment_notes_stands_nowhere_here(
    site: Site, elsewhere: httpx.Client
) -> None:
    row = {"first_name": "Ada", "last_name": "King", "timezone": "US/Eastern", "phase": "intake"}
    row |= {"birthday": "1950-01-01", NOTE: "of elsewhere"}
    created = elsewhere.post("/v1/patients", json=row)
    assert created.status_code == 200, created.text
    theirs = elsewhere.get("/v1/patients").json()[0]["data"]
    assert [row[NOTE] for row in theirs] == ["of elsewhere"]
    notes = {row[NOTE] for row in site.find("patients")}
    assert SAYS in notes
    assert "of elsewhere" not in notes
    for path in (f"/v1/patients/{theirs[0]['id']}", f"/patients/{theirs[0]['id']}/contact"):
        client = site.api if path.startswith("/v1") else site.coach
        assert client.get(path).status_code == 404, path
    form = {"collections": "patients", "format": "csv"}
    lines = site.send("/admin/export", "/admin/export", **form).text.splitlines()
    exported = {row[NOTE] for row in csv.DictReader(lines)}
    assert SAYS in exported
    assert "of elsewhere" not in exported


def test_a_care_flow_is_begun_and_changed_with_it_and_two_who_change_it_see_both(
    site: Site,
) -> None:
    patient = site.find("patients")[1]["id"]
    here = f"/patients/{patient}"
    new = f"{here}/care-flows/new"
    begun = site.send(new, new, description="Walk more", do="start", **{"own.site_note": "by foot"})
    assert begun.status_code == 303, as_read(begun.text)[-1500:]
    flow = begun.headers["location"].partition("?")[0]
    assert "Site note by foot" in site.page(flow)
    assert "Walk more · Site note: by foot" in site.page(f"{here}?show=care")
    about = {"description": "Walk more", "do": "about"}
    stale = site.hidden(f"{flow}?open=about", flow)
    saved = site.send(f"{flow}?open=about", flow, **about, site_note="by bicycle")
    assert saved.status_code == 303, refusals(saved.text)
    assert "Site note by bicycle" in site.page(flow)
    assert re.search(r"Site note:? by foot →(?: to)? by bicycle", site.page(f"{here}?show=changes"))
    clash = site.post(flow, stale, **about, site_note="by boat")
    assert clash.status_code == 409, as_read(clash.text)[:600]
    assert {"foot", "bicycle", "boat"} <= set(as_read(clash.text).split())


def test_an_assessment_is_filled_in_with_it_and_a_draft_keeps_it(site: Site) -> None:
    row = noted(site, "assessment_responses")
    here = f"/patients/{row['user_id']}/assessments"
    form, action = f"{here}/new?spec={row['spec_id']}", f"{here}/answer"
    answers = {
        f"a-{name}": ("no", "yes")[value] if isinstance(value, bool) else str(value)
        for name, value in row["model"].items()
        if value is not None
    }
    fields = {**answers, "a-.site_note": "read aloud"}
    answer = site.send(form, action, do="save", **fields)
    assert answer.status_code == 303, refusals(answer.text)
    control = re.search(r'<input[^>]* name="a-.site_note"[^>]*>', site.html(form))
    assert control
    assert 'value="read aloud"' in control[0]
    done = site.send(form, action, do="finish", **fields)
    assert done.status_code == 303, as_read(done.text)[:1500]
    assert "Site note read aloud" in site.page(done.headers["location"])
    timeline = site.page(f"/patients/{row['user_id']}?show=assessments")
    assert "Site note: read aloud" in timeline, timeline[:1500]


def test_a_conversation_is_begun_with_it(site: Site) -> None:
    patient = site.find("patients")[2]["id"]
    here = f"/patients/{patient}/conversations/new"
    fields = {"direction": "inbound", "contents": "I am well.", "type": "app", "do": "record"}
    notes = {"conversation.site_note": "for questions", "site_note": "by hand"}
    sent = site.send(here, here, **fields, **notes)
    assert sent.status_code == 303, refusals(sent.text)
    page = site.page(sent.headers["location"])
    assert "Site note: for questions" in page
    assert "Site note: by hand" in page


def test_a_task_of_a_worker_is_added_and_changed_with_it(site: Site) -> None:
    new = site.html("/tasks/new")
    me = re.findall(r'<option value="([^"]+)"', new)[0]
    fields = {"title": "Ring the pharmacy", "who": me, "priority": "medium"}
    added = site.send("/tasks/new", "/tasks", **fields, **{"own.site_note": "by telephone"})
    assert added.status_code == 303, refusals(added.text)
    page = added.headers["location"]
    assert "Site note by telephone" in site.page(page)
    stale = site.hidden(page, page)
    saved = site.post(page, stale, **fields, **{"own.site_note": "by letter"})
    assert saved.status_code == 303, refusals(saved.text)
    assert "Site note by letter" in site.page(page)
    # What somebody else has changed stays where this form was not touched.
    later = {**fields, "title": "Ring them"}
    saved = site.post(page, stale, **later, **{"own.site_note": "by telephone"})
    assert saved.status_code == 303, refusals(saved.text)
    assert "Site note by letter" in site.page(page)


def test_a_call_and_a_note_are_written_down_with_it_and_a_draft_keeps_it(site: Site) -> None:
    patient = site.find("patients")[3]["id"]
    sheets = {"call": {"outcome": "reached", "call_type": "outbound"}, "note": {"text": "Well."}}
    with every_case() as cases:
        for name, fields in sheets.items():
            with cases.case(name):
                sheet = f"/patients/{patient}/{name}"
                own = {"own.site_note": f"of the {name}"}
                if name == "note":
                    fields["note_type"] = re.findall(r'<option value="([^"]+)"', site.html(sheet))[
                        0
                    ]
                site.send(sheet, sheet, do="keep", **own)
                control = re.search(r'<input[^>]* name="own.site_note"[^>]*>', site.html(sheet))
                assert control
                assert f'value="of the {name}"' in control[0]
                signed = site.send(sheet, sheet, do="save", **fields, **own)
                assert signed.status_code == 303, refusals(signed.text)
                assert f"Site note: of the {name}" in site.page(f"{sheet}s")
                control = re.search(r'<input[^>]* name="own.site_note"[^>]*>', site.html(sheet))
                assert control
                assert "of the" not in control[0]
