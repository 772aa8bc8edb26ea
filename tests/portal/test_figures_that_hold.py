"""What was entered in error counts nowhere, and what a program sends is no contact and no answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from almoner.data_api.writes import Actor, new_id
from almoner.resources import BY_NAME
from almoner.vocabulary import clocks
from almoner.vocabulary.times import iso
from tests.people import People, Person
from tests.portal.chart import Chart
from tests.portal.panels import Practice, ids
from tests.portal.test_supervisor import SUPERVISED, numbers
from tests.web.document import Document


@pytest.fixture
async def lead(people: People, chart: Chart) -> AsyncIterator[Person]:
    await chart.publish(SUPERVISED)
    async with await people(chart.environment, "lead", first_name="Ann", last_name="Lee") as person:
        yield person


@pytest.fixture
def practice(chart: Chart, lead: Person) -> Practice:
    return Practice(chart, lead)


async def in_error(practice: Practice, lead: Person, table: str, row: str) -> None:
    """Says of a row that it was entered in error, as the portal does."""
    by = Actor(practice.chart.environment, "test", "cli", "test", whole=True)
    fields = {
        "entered_in_error_at": iso(datetime.now(UTC)),
        "entered_in_error_by": lead.worker_id,
        "entered_in_error_reason": "Another patient's",
    }
    await practice.chart.store.update(by, BY_NAME[table], row, fields, None)


class Talk:
    """A conversation with a patient, and what is written in it at so many hours before now."""

    def __init__(self, practice: Practice, lead: Person, patient: str, conversation: str) -> None:
        self.practice, self.lead = practice, lead
        self.patient, self.conversation = patient, conversation

    async def message(self, hours: float, out: bool = False, automatic: bool = False) -> str:
        by = Actor(self.practice.chart.environment, "test", "cli", "test", whole=True)
        row: dict[str, Any] = {
            "id": new_id(),
            "user_id": self.patient,
            "conversation_id": self.conversation,
            "direction": "outbound" if out else "inbound",
            "worker_id": self.lead.worker_id if out else None,
            "contents": "Text",
            "automatically_sent": automatic,
            "send_time": iso(datetime.now(UTC) - timedelta(hours=hours)),
        }
        await self.practice.chart.store.load(by, BY_NAME["messages"], [row])
        return str(row["id"])


async def talk_with(practice: Practice, lead: Person, name: str) -> Talk:
    patient = await practice.patient(name)
    opened = await practice.chart.make("conversations", user_id=patient, conversation_type="app")
    return Talk(practice, lead, patient, opened)


async def test_answers_in_error_are_in_no_score_no_band_and_no_number(
    practice: Practice, lead: Person
) -> None:
    ada, bea = await practice.patient("Ada"), await practice.patient("Bea")
    await practice.pain(ada, 2)
    await practice.pain(bea, 9)
    model = {"level": 8, "place": "knee"}
    wrong = await practice.chart.make(
        "assessment_responses", spec_id="pain", user_id=ada, model=model
    )
    strong = "/panel?view=all&columns=score.pain&all=band.pain:is:strong"
    assert set(ids((await lead.get(strong)).text)) == {ada, bea}
    await in_error(practice, lead, "assessment_responses", wrong)
    assert ids((await lead.get(strong)).text) == [bea]
    row = Document(await lead.get("/panel?view=all&columns=score.pain")).row("Ada Hopper")
    assert "mild" in row
    assert "from" not in row
    counted = await numbers(lead)
    assert (counted["Pain check", "strong"], counted["Pain check", "mild"]) == (1, 1)


async def test_a_call_in_error_is_no_contact_and_what_a_program_sends_is_none_either(
    practice: Practice, lead: Person
) -> None:
    talk = await talk_with(practice, lead, "Ada")
    await talk.message(100, out=True)
    await talk.message(2, out=True, automatic=True)
    call = await practice.chart.make(
        "calls",
        patient_id=talk.patient,
        worker_id=lead.worker_id,
        call_type="outbound",
        outcome="reached",
        start_time=iso(datetime.now(UTC) - timedelta(minutes=5)),
    )
    columns = "/panel?view=all&columns=last_contact"
    assert "call" in Document(await lead.get(columns)).row("Ada Hopper")
    await in_error(practice, lead, "calls", call)
    row = Document(await lead.get(columns)).row("Ada Hopper")
    assert "4 days" in row
    assert "message" in row


async def test_an_answer_in_error_or_of_a_program_leaves_somebody_waiting(
    practice: Practice, lead: Person
) -> None:
    ada, bea, cy = [await talk_with(practice, lead, name) for name in ("Ada", "Bea", "Cy")]
    for talk in (ada, bea, cy):
        await talk.message(50)
    wrong = await ada.message(49, out=True)
    await bea.message(49, out=True, automatic=True)
    await cy.message(49, out=True)
    # Written into the wrong record by somebody else: nobody waits for an answer to it.
    mistaken = await cy.message(30)
    await in_error(practice, lead, "messages", wrong)
    await in_error(practice, lead, "messages", mistaken)
    counted = await numbers(lead)
    assert counted["Response time", "Within 4 hours"] == 1
    assert counted["Response time", "Not yet"] == 2
    assert counted["Waiting for an answer", "1 to 7 days"] == 2


async def test_a_task_is_late_on_the_day_where_its_worker_lives(
    practice: Practice, lead: Person
) -> None:
    """In the panel and the supervisor's numbers as in the inbox: where the patient lives it is
    another day.
    """
    zones = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
    here = clocks.today("US/Eastern")
    zone = next(zone for zone in zones if clocks.today(zone) != here)
    today, yesterday = await practice.patient("Ada"), await practice.patient("Bea")
    for patient, days in ((today, 0), (yesterday, -1)):
        await practice.change(patient, timezone=zone)
        due = clocks.shifted(here, days).isoformat()
        about = {"patient_id": patient, "due_date": due, "worker_id": lead.worker_id}
        await practice.chart.make("worker_tasks", title="Ring them", **about)
    late = "/panel?view=all&columns=due&all=due:least:1"
    assert ids((await lead.get(late)).text) == [yesterday]
    page = Document(await lead.get("/panel?view=all&columns=due"))
    assert "today" in page.row("Ada Hopper")
    assert "1 day late" in page.row("Bea Hopper")
    counted = await numbers(lead)
    assert [n for (chart, _), n in counted.items() if chart == "Overdue"] == [1, 0, 0, 0]
