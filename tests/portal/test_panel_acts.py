"""What is done with many patients of a panel: looked at first, done, and taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.people import People, Person
from tests.portal.chart import PROGRAM, Chart
from tests.portal.panels import Practice, ids
from tests.web.document import Document

WITH_ACTS = (
    PROGRAM.replace(
        "phases: [{name: intake}]",
        "phases: [{name: intake, next: [active]}, {name: active, next: [intake]}, {name: ended, next: []}]",
    )
    + """
care_flows:
  - name: walking
    description: Walk more
    goals:
      - {title: Begin, interventions: [{title: Agree on a way, due_in_days: 1, assignee: coach}]}
"""
)


@pytest.fixture
async def coach(people: People, chart: Chart) -> AsyncIterator[Person]:
    await chart.publish(WITH_ACTS)
    async with await people(
        chart.environment, "coach", first_name="Ann", last_name="Lee"
    ) as person:
        yield person


@pytest.fixture
def practice(chart: Chart, coach: Person) -> Practice:
    return Practice(chart, coach)


async def acted(person: Person, act: str, *patients: str) -> tuple[Document, Document]:
    """What is shown before it is done, and what is shown then."""
    chosen = [("patient", patient) for patient in patients]
    looked = await person.send_form("/panel/act", *chosen, act=act)
    assert looked.status_code == 200, looked.text
    before = Document(looked)
    able = [("patient", value) for value in before.field("patient").values]
    done = await person.send_form("/panel/act/do", *able, act=act)
    return before, Document(done)


async def phases(practice: Practice, *patients: str) -> list[str]:
    return [(await practice.chart.row("patients", patient))["phase"] for patient in patients]


async def test_a_phase_is_changed_where_it_may_follow_and_taken_back(
    practice: Practice, coach: Person, people: People
) -> None:
    first, second = await practice.patient("Al"), await practice.patient("Bo")
    there = await practice.patient("Cy", phase="active")
    ended = await practice.patient("Di", phase="ended")
    before, after = await acted(coach, "phase:active", first, second, there, ended)
    assert before.row("in this phase already")
    assert before.row("does not follow ended").mentions("Di Hopper")
    assert await phases(practice, first, second, there, ended) == ["active"] * 3 + ["ended"]
    assert after.status("2 patients are now in active")
    request = after.field("request").value
    async with await people(practice.chart.environment, "coach") as other:
        refused = await other.send_form("/panel/act/undo", request=request)
        assert Document(refused).alert("cannot be taken back")
    await practice.change(second, phase="intake")
    undone = Document(await coach.send_form("/panel/act/undo", request=request))
    assert undone.status("Undone for 1 patient")
    assert await phases(practice, first, second, there) == ["intake", "intake", "active"]


async def test_all_of_a_view_get_a_task_a_flow_and_a_coach_and_lose_them_again(
    practice: Practice, coach: Person, people: People
) -> None:
    mine = [await practice.patient(name) for name in ("Al", "Bo")]
    stranger = await practice.patient("Stranger", mine=False)
    async with await people(practice.chart.environment, "coach") as other:
        acts = ("task:survey", "flow:walking", f"coach:{other.worker_id}")
        for act in acts:
            looked = Document(await coach.send_form("/panel/act?view=mine", all="yes", act=act))
            assert sorted(looked.field("patient").values) == sorted(mine)
            chosen = [("patient", patient) for patient in mine]
            done = Document(
                await coach.send_form("/panel/act/do?view=all&columns=flow,tasks", *chosen, act=act)
            )
            row = done.row("Al Hopper")
            if act.startswith("task"):
                assert "1" in row
            if act.startswith("flow"):
                assert "0 of 1 done" in row
            undone = await coach.send_form(
                "/panel/act/undo?view=all", request=done.field("request").value
            )
            assert Document(undone).status("Undone for 2 patients")
        patient = await practice.chart.row("patients", mine[0])
        assert str(patient["coach_id"]) == coach.worker_id
    assert await practice.chart.rows("patient_tasks", mine[0]) == []
    assert await practice.chart.rows("care_flows", mine[0]) == []
    assert await practice.chart.rows("patient_tasks", stranger) == []


async def test_of_a_role_with_own_patients_nobody_elses_are_acted_on(
    practice: Practice, people: People
) -> None:
    stranger = await practice.patient("Stranger")
    async with await people(practice.chart.environment, "helper") as helper:
        looked = Document(
            await helper.send_form("/panel/act", ("patient", stranger), act="phase:active")
        )
        assert looked.row("not there any more, or not shown")
        await helper.send_form("/panel/act/do", ("patient", stranger), act="phase:active")
    assert await phases(practice, stranger) == ["intake"]


async def test_without_anybody_or_anything_chosen_nothing_is_done(
    practice: Practice, coach: Person
) -> None:
    patient = await practice.patient("Al")
    nobody = await coach.send_form("/panel/act", act="phase:active")
    assert Document(nobody).alert("Nobody was chosen")
    nothing = await coach.send_form("/panel/act", ("patient", patient), act="")
    assert Document(nothing).alert("Choose what is to be done")
    assert ids(nothing.text) == [patient]
