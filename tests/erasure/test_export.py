"""A person is given all that is known of them, and nothing of others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from almoner.erasure import coverage, house, person
from almoner.settings import Settings
from tests.conftest import Api
from tests.erasure.calling import called
from tests.erasure.known import ERASED, STRANGER, Known, expected
from tests.portal.test_patients_lossless import Records


@pytest.fixture
async def exported(known: Known, settings: Settings, name: str, tmp_path: Path) -> Path:
    """The folder with all that is known of a patient on whom a hold is, beside a stranger."""
    patient = await known.patient(1, ERASED)
    await known.patient(2, STRANGER)
    called(settings, "patient", "hold", patient, "--reason", "case 12", "-e", name)
    folder = tmp_path / "x"
    called(settings, "patient", "export", patient, "--to", str(folder), "-e", name)
    return folder


@pytest.fixture
def gathered(exported: Path) -> Mapping[str, Any]:
    rows: Mapping[str, Any] = msgspec.json.decode(next(exported.glob("*.json")).read_bytes())
    return rows


def test_an_export_has_every_table_that_can_tell_of_a_patient(
    gathered: Mapping[str, Any],
) -> None:
    tables = coverage.ROWS.keys() | {table for table, _ in coverage.BLANKED | coverage.IDS.keys()}
    untold = {table for table, _ in coverage.NOT_EXPORTED} - {"integration_calls", "patients"}
    there = gathered["collections"].keys() | gathered["house"].keys()
    assert {house.title(table) for table in tables - untold} - there == set()


def test_an_export_has_the_word_wherever_the_database_has_it(gathered: Mapping[str, Any]) -> None:
    assert expected()
    lacks = [
        f"{table}.{column}"
        for table, column in sorted(place.split(".") for place in expected())
        if (table, column) not in coverage.NOT_EXPORTED
        and not any(ERASED in str(row.get(column, row)) for row in _exported(gathered, table))
    ]
    assert lacks == []
    others = {"import_parts": "row", "patient_figures": "word", "bulk_recipients": "contents"}
    for table, column in others.items():
        assert any(ERASED in str(row[column]) for row in _exported(gathered, table)), table
    assert [row["reason"] for row in _exported(gathered, "erasure_holds")] == ["case 12"]


def _exported(gathered: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]]
    rows = gathered["collections"].get(table) or gathered["house"].get(house.title(table)) or []
    return rows


def test_a_person_has_what_is_of_others_in_no_row_but_of_texts_that_went_to_them(
    gathered: Mapping[str, Any], exported: Path
) -> None:
    page = next(exported.glob("*.html")).read_text()
    for words in ("contents", "said so", "was"):
        assert f"{ERASED} {words}" in page
    sections = gathered["collections"] | gathered["house"]
    assert [name for name, rows in sections.items() if STRANGER in str(rows)] == [
        house.title("bulk_recipients")
    ]
    assert len(sections[house.title("import_parts")]) == 2
    assert "neighbour of a file" not in page
    assert len(sections["visits"]) == len(sections["messages"]) == 1
    assert {oct(path.stat().st_mode & 0o777) for path in exported.iterdir()} == {"0o600"}


async def test_what_a_person_was_known_by_and_somebody_else_is_now_is_not_looked_for(
    records: Records, connection: Any, api: Api
) -> None:
    patient = await records.patient(1, first_name="Twinfirst", last_name="Twinlast")
    email = await records.make("email_addresses", user_id=patient, email="handed@example.org")
    alone = await records.make("email_addresses", user_id=patient, email="former@example.org")
    for row, text in ((email, "now@example.org"), (alone, "later@example.org")):
        changed = await api.put(f"/v1/email_addresses/{row}", json={"email": text})
        assert changed.status_code == 200
    renamed = {"first_name": "Other", "last_name": "Newlast"}
    assert (await api.put(f"/v1/patients/{patient}", json=renamed)).status_code == 200
    before = await person.terms(connection, api.environment_id, [patient])
    twin = await records.patient(2, first_name="Twinfirst", last_name="Twinlast")
    await records.make("email_addresses", user_id=twin, email="handed@example.org")
    after = await person.terms(connection, api.environment_id, [patient])
    assert set(before.texts) - set(after.texts) == {"handed@example.org", "Twinlast^Twinfirst"}
    assert {"former@example.org", "now@example.org", "Newlast^Other"} <= set(after.texts)
    assert set(before.pairs) - set(after.pairs) == {('"Twinfirst"', '"Twinlast"')}
