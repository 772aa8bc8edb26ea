"""Whom a panel shows by what they said of being reached."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from almoner.portal.panel import columns
from almoner.portal.panel.conditions import Conditions, PanelAbout
from almoner.portal.panel.panel_view import PanelFilter, PanelView
from tests.changes.writing import until_true
from tests.people import People, Person
from tests.portal.chart import Chart
from tests.portal.panels import Practice, ids

_NEVER = "consent.calls:is:never%20asked"
_NO = "consent.calls:is:no"
_NUMBER = {"phone_number": "415-555-0001", "phone_number_type": "cell"}
_PATIENTS = """
WITH noise AS (
  INSERT INTO patients (environment_id, id, phase, timezone, first_name, last_name, birthday)
  SELECT $1, gen_random_uuid(), 'intake', 'US/Eastern', 'Other', n::text, '1950-12-09'
  FROM generate_series(1, 4000) n RETURNING id
)
INSERT INTO patient_figures (environment_id, figure, patient_id, word)
SELECT $1, f.figure, m.id, CASE WHEN hashtext(m.id::text) % 20 = 0 THEN 'no' ELSE 'yes' END
FROM noise m, unnest(ARRAY['consent.calls', 'consent.sms', 'consent.email']) AS f(figure)
"""


@pytest.fixture
async def coach(people: People, chart: Chart) -> AsyncIterator[Person]:
    async with await people(
        chart.environment, "coach", first_name="Ann", last_name="Lee"
    ) as person:
        yield person


async def test_a_no_to_what_was_never_given_is_found_although_no_row_changes(
    chart: Chart, coach: Person
) -> None:
    practice = Practice(chart, coach)
    patient, other = await practice.patient("Ada"), await practice.patient("Ben")
    number = await chart.make("phone_numbers", user_id=patient, **_NUMBER)
    await chart.make("phone_numbers", user_id=other, **_NUMBER)

    async def are(asked: str, *fitting: str) -> None:
        async def fits() -> bool:
            text = (await coach.get(f"/panel?columns=consent.calls&all={asked}")).text
            return set(ids(text)) == set(fitting)

        await until_true(fits, asked)

    await are(_NEVER, patient, other)
    saved = await coach.send_form(
        f"/patients/{patient}/contact/phones/{number}/opted_in_to_phone",
        given="no",
        how="voice",
        received_on="2026-03-03",
        note="",
    )
    assert saved.status_code == 303, saved.text
    await are(_NO, patient)
    await are(_NEVER, other)


async def test_all_who_said_no_are_read_from_an_index(chart: Chart, coach: Person) -> None:
    of_consents = {column.key: column for column in columns._of_consents()}
    asked = PanelFilter("consent.calls", "is", "no")
    view = PanelView(every=(asked,))
    about = PanelAbout(
        environment_id=chart.environment,
        worker_id=coach.worker_id,
        only=None,
        columns=of_consents,
        now=datetime.now(UTC),
        zones="{}",
    )
    parameters: list[Any] = [chart.environment]
    statement = f"EXPLAIN {Conditions(about, view, parameters).fits()} SELECT id FROM fits"
    async with chart.database.connection() as connection:
        trial = connection.transaction()
        await trial.start()
        await connection.execute(_PATIENTS, chart.environment)
        await connection.execute("ANALYZE patients, patient_figures")
        plan = "\n".join(row[0] for row in await connection.fetch(statement, *parameters))
        await trial.rollback()
    assert re.search(r"(using|on) patient_figures_\w+", plan), plan
    assert "Seq Scan on patient_figures" not in plan, plan
    assert not re.search(r"phone_numbers|consent_records|changes", plan), plan
