"""What the demo makes up for a site's own fields leaves what its people say as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from almoner.data_api.declare import Resource
from almoner.demo import generate, own_fields
from almoner.resources import BY_NAME
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Boolean, Text
from almoner.vocabulary.times import IsoDate
from tests.contract.rows import CONTRACT, added_keys

TODAY = date(2026, 3, 10)
OWN = (
    Field("pet_name", Text(), sample="Ada"),
    Field("shoe", Choice(("small", "large")), required=True),
    Field("is_early", Boolean()),
    Field("met_on", IsoDate()),
)


def files() -> list[dict[str, list[dict[str, object]]]]:
    workers = generate.workers(1, TODAY)
    calendars = {worker["id"]: worker["id"] for worker in workers}
    return [generate.patient(1, index, TODAY, workers, calendars) for index in range(100)]


def test_the_contract_s_own_fields_are_told_by_its_people_alone() -> None:
    added = set()
    for file in files():
        whole = own_fields.with_own(file, TODAY)
        added |= {name for name in whole.keys() - file.keys() if name in CONTRACT}
        for name, rows in file.items():
            own = added_keys(BY_NAME[name])
            added |= {
                f"{name}.{key}"
                for row, more in zip(rows, whole[name], strict=True)
                for key in more.keys() - row
                if key not in own
            }
    assert added == set()


def test_a_field_of_a_site_is_filled_by_its_kind_and_the_same_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patients = BY_NAME["patients"]
    own: Resource = replace(patients, fields=(*patients.fields, *OWN))
    monkeypatch.setitem(BY_NAME, "patients", own)
    first_patients = [own_fields.with_own(file, TODAY)["patients"][0] for file in files()]
    assert first_patients == [own_fields.with_own(file, TODAY)["patients"][0] for file in files()]
    assert {row.get("pet_name") for row in first_patients} == {"Ada", None}
    assert {row.get("shoe") for row in first_patients} == {"small", "large"}
    assert {row.get("is_early") for row in first_patients} == {True, False, None}
    assert all(
        row.get("met_on") is None or date.fromisoformat(row["met_on"]) <= TODAY
        for row in first_patients
    )
