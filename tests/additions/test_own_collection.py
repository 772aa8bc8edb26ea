"""A collection about a patient is one file in ``resources/`` and a generated migration: looked at
over HTTP in a clone.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.additions.clone import Site, as_read, document, form_of, names_in
from tests.web.document import Document

# A clone takes half a minute of a processor.
pytestmark = pytest.mark.slow


def somebody(site: Site, number: int = 0) -> tuple[str, str]:
    """A patient's id, and the address of their allergies."""
    patient = site.find("patients")[number]["id"]
    return patient, f"/patients/{patient}/allergies"


def noted(site: Site, patient: str, substance: str, **values: Any) -> str:
    """An allergy that a program sends; its id."""
    answer = site.api.post(
        "/v1/allergies", json={"user_id": patient, "substance": substance, **values}
    )
    assert answer.status_code == 200, answer.text
    row_id: str = answer.json()["id"]
    return row_id


def timeline(site: Site, patient: str, show: str = "changes") -> str:
    return site.page(f"/patients/{patient}?show={show}")


def test_the_api_its_document_the_reference_and_the_demo_have_it(site: Site) -> None:
    rows = site.find("allergies")
    # Of the demo, beside what other tests have written.
    demo = [row for row in rows if row["substance"] == "Penicillin"]
    assert {row["severity"] for row in demo} <= {"mild", "very_severe", None}
    assert demo
    assert {"/v1/allergies", "/v1/allergies/{id}"} <= set(document(site)["paths"])
    assert "What it is against." in Document(site.api.get("/docs/allergies").text).main()
    patient, _ = somebody(site)
    mapping = {
        "resource": "allergies",
        "namespace": "ehr",
        "external_id": "A-1",
        "welkin_id": noted(site, patient, "Latex"),
    }
    assert site.api.post("/v1/external_ids", json=mapping).status_code == 200
    changes = site.api.get("/v1/changes", params={"after": "latest", "resource": "allergies"})
    assert changes.status_code == 200, changes.text


def test_it_is_added_changed_and_removed_on_its_page_and_the_timeline_tells_it(site: Site) -> None:
    patient, here = somebody(site)
    assert names_in(form_of(site.html(here), here)) >= {
        "substance",
        "severity",
        "noted_on",
        "noted_by_id",
    }
    added = site.send(here, here, substance="Peanuts", severity="mild", noted_on="2026-03-02")
    assert added.status_code == 303, as_read(added.text)[:400]
    page = site.page(here)
    assert "Peanuts" in page
    assert "Severity Mild Noted on 2 Mar 2026" in page
    assert re.search(
        r"Allergy added · Peanuts Severity: Mild · Noted on: 2 Mar 2026", timeline(site, patient)
    ), timeline(site, patient)[:1500]
    row = next(
        allergy
        for allergy in site.find("allergies", user_id=patient)
        if allergy["substance"] == "Peanuts"
    )
    worker = site.find("workers")[0]
    values = {"substance": "Peanuts", "severity": "very_severe", "noted_by_id": worker["id"]}
    assert site.send(here, f"{here}/{row['id']}", **values).status_code == 303
    changed = timeline(site, patient)
    assert "Allergy Peanuts changed" in changed
    assert re.search(r"Severity:? Mild →(?: to)? Very severe", changed), changed[:1500]
    assert re.search(
        rf"Noted by:? nothing →(?: to)? {worker['first_name']} {worker['last_name']}", changed
    ), changed[:1500]
    assert "Peanuts" in site.page(f"/patients/{patient}")
    assert site.send(here, f"{here}/{row['id']}/remove").status_code == 303
    assert "Allergy removed · Peanuts" in timeline(site, patient)
    assert "Peanuts" not in site.page(here)


def test_what_is_wrong_is_said_at_its_field_and_two_who_change_one_see_both_values(
    site: Site,
) -> None:
    patient, here = somebody(site, 1)
    refused = site.send(here, here, severity="mild")
    assert refused.status_code == 400
    assert Document(refused.text).form(to=here).field("substance").error
    row = noted(site, patient, "Wasps")
    form = form_of(site.html(here), f"{here}/{row}")
    stale = {
        name: value.replace("&#34;", '"')
        for name, value in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', form)
    }
    site.api.put(f"/v1/allergies/{row}", json={"substance": "Bees"})
    clash = site.send(here, f"{here}/{row}", **{**stale, "substance": "Hornets"})
    assert clash.status_code == 409
    assert {"Wasps", "Bees", "Hornets"} <= set(as_read(clash.text).split())


def test_nobody_reaches_the_row_of_another_patient(site: Site) -> None:
    patient, _ = somebody(site, 0)
    row = noted(site, patient, "Iodine")
    other, there = somebody(site, 1)
    assert other != patient
    assert site.send(there, there, substance="Dust").status_code == 303
    pairs = dict(
        re.findall(
            r'type="hidden" name="([^"]*)" value="([^"]*)"', form_of(site.html(there), there)
        )
    )
    for action in (f"{there}/{row}", f"{there}/{row}/remove"):
        assert (
            site.coach.post(
                action, data={"csrf": pairs["csrf"], "substance": "Changed"}
            ).status_code
            == 404
        )
    assert site.find("allergies", ids=row)[0]["substance"] == "Iodine"


def test_a_merge_moves_it_an_export_has_it_and_the_audit_trail_names_it(site: Site) -> None:
    body = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": "Mira",
        "last_name": "Lund",
        "birthday": "1980-02-03",
    }
    survivor, other = (site.api.post("/v1/patients", json=body).json()["id"] for _ in range(2))
    noted(site, other, "Sulfites")
    here = f"/patients/{survivor}/merge"
    assert "1 Allergy" in site.page(f"{here}/{other}")
    merged = site.send(f"{here}/{other}", here)
    assert merged.status_code == 303, as_read(merged.text)[:600]
    assert [row["substance"] for row in site.find("allergies", user_id=survivor)] == ["Sulfites"]
    assert "moved: 1 allergy" in timeline(site, survivor, "care")
    exported = site.send("/admin/export", "/admin/export", collections="allergies", format="ndjson")
    assert json.loads(exported.text.splitlines()[0])["substance"]
    assert "an allergy" in site.page("/admin/audit")


def test_a_designer_places_its_card(site: Site) -> None:
    patient, _ = somebody(site)
    noted(site, patient, "Pollen")
    before = site.page(f"/patients/{patient}")
    assert before.index("Other systems") < before.index("Allergies Edit")
    assert '<option value="allergies">Allergies</option>' in site.html("/workshop/new/sidebar")
    program = site.command("workshop", "show", "--environment", "demo")
    placed = program.replace(
        "sidebar:\n", "sidebar:\n  - {title: What to avoid, shows: allergies}\n"
    )
    assert placed != program
    (site.folder / "program.yaml").write_text(placed)
    site.command("workshop", "publish", "program.yaml", "--environment", "demo")
    page = site.page_with(f"/patients/{patient}", "What to avoid")
    assert "Allergies" not in page.partition("What to avoid")[2]
