"""Tasks of a patient in the portal: added by type, put away, brought back, removed."""

from __future__ import annotations

import re

import pytest

from almoner.database import Database
from tests.conftest import new_environment
from tests.people import People, Person
from tests.portal.chart import Chart, text_of
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("chart")


def path(patient: str, rest: str = "") -> str:
    return f"/patients/{patient}/tasks{rest}"


async def test_a_task_is_given_put_away_and_brought_back(coach: Person, chart: Chart) -> None:
    patient, noise = await chart.patient(), await chart.patient("Noise")
    await chart.make("patient_tasks", user_id=noise, task_type="weigh_in")
    answer = await coach.send_form(path(patient), task_type="survey")
    assert answer.headers["location"] == path(patient)
    page = (await coach.get(path(patient))).text
    assert "1 task" in Document(page).region("Tasks")
    assert Document(page).button("Dismiss Fill in a survey")
    [row] = await chart.rows("patient_tasks", patient)
    assert row["task_type"] == "survey"
    assert row["dismissed"] is None
    away = await coach.send_form(path(patient, f"/{row['id']}"), htmx=True, dismissed="yes")
    assert away.status_code == 204
    assert "patient_tasks" in away.headers["HX-Trigger"]
    assert Document(await coach.get(path(patient))).button("Bring back Fill in a survey")
    assert not Document(await coach.get(f"/patients/{patient}/panels/1")).mentions(
        "Fill in a survey"
    )
    assert (await chart.row("patient_tasks", row["id"]))["dismissed"] is True
    back = await coach.send_form(path(patient, f"/{row['id']}"), dismissed="no")
    assert back.headers["location"] == path(patient, f"#{row['id']}")
    assert (await chart.row("patient_tasks", row["id"]))["dismissed"] is False
    tasks = Document(await coach.get(path(patient))).region("Tasks")
    assert "1 task" in tasks
    assert Document(await coach.get(path(noise))).button("Dismiss Weigh yourself")
    assert tasks.lacks("button", "Dismiss Weigh yourself")
    async with chart.database.connection() as connection:
        log = await connection.fetch(
            "SELECT kind, actor FROM changes WHERE environment_id = $1 AND row_id = $2",
            chart.environment,
            row["id"],
        )
    assert {(r["kind"], r["actor"]) for r in log} == {
        (kind, f"worker:{coach.worker_id}") for kind in ("create", "update")
    }


async def test_removing_asks_first_and_is_for_good(coach: Person, chart: Chart) -> None:
    patient = await chart.patient()
    task_id = await chart.make("patient_tasks", user_id=patient, task_type="weigh_in")
    task = await chart.make("patient_tasks", user_id=patient, task_type="survey")
    page = await coach.get(path(patient))
    assert re.search(
        rf'action="{path(patient, f"/{task}/remove")}"[^>]*hx-confirm="The task “Fill in a survey”'
        r" will be removed for good",
        page.text,
    )
    await coach.send_form(path(patient, f"/{task}/remove"), htmx=True)
    assert [str(row["id"]) for row in await chart.rows("patient_tasks", patient)] == [task_id]
    gone = await coach.send_form(path(patient, f"/{task}"), htmx=True, dismissed="yes")
    assert gone.status_code == 404
    assert "has no such task any more" in Document(gone).testid("problem")


async def test_a_type_that_the_program_does_not_have_is_refused_at_its_field(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    for task_type, why in (("", "Fill this in."), ("unheard_of", "Choose one of these.")):
        refused = await coach.send_form(path(patient), task_type=task_type)
        assert refused.status_code == 400
        assert Document(refused).field("task_type").error == why
    assert await chart.rows("patient_tasks", patient) == []


async def test_a_form_that_says_nothing_is_refused_rather_than_taken_for_done(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    task = await chart.make("patient_tasks", user_id=patient, task_type="survey")
    assert (await coach.send_form(path(patient, f"/{task}"), do="dismiss")).status_code == 400
    assert (await chart.row("patient_tasks", task))["dismissed"] is None


async def test_nobody_reaches_a_task_of_others(
    people: People, coach: Person, chart: Chart, database: Database
) -> None:
    helper = await people(chart.environment, "helper")
    own, others = await chart.patient(coach_id=helper.worker_id), await chart.patient("Noise")
    task = await chart.make("patient_tasks", user_id=others, task_type="survey")
    away = Chart(await new_environment(database), database, chart.store)
    await away.publish()
    stranger = await people(away.environment, "coach")
    for refused in (
        await helper.get(path(others)),
        await helper.send_form(path(others), task_type="survey"),
        await helper.send_form(path(others, f"/{task}"), dismissed="yes"),
        await helper.send_form(path(own, f"/{task}"), dismissed="yes"),
        await stranger.get(path(others)),
        await stranger.send_form(path(others, f"/{task}"), dismissed="yes"),
        await stranger.send_form(path(others), task_type="survey"),
    ):
        assert refused.status_code == 404
    assert len(await chart.rows("patient_tasks", others)) == 1
    assert (await helper.get(path(own))).status_code == 200


async def test_the_profile_has_the_cards_that_the_program_lays_out(
    people: People, coach: Person, chart: Chart
) -> None:
    helper = await people(chart.environment, "helper")
    patient, noise = await chart.patient(coach_id=helper.worker_id), await chart.patient("Noise")
    await chart.make("patient_tasks", user_id=patient, task_type="weigh_in")
    await chart.make("patient_tasks", user_id=patient, task_type="survey", dismissed=True)
    await chart.make("patient_tasks", user_id=noise, task_type="survey")
    body = {"name": "Metformin", "dose": 500, "daily": True}
    await chart.make("custom_data_type_records", user_id=patient, type_name="medicine", body=body)
    await chart.make(
        "custom_data_type_records", user_id=noise, type_name="medicine", body={"name": "Noise"}
    )
    await chart.make(
        "custom_data_type_records",
        user_id=patient,
        type_name="locked",
        body={"word": "Locked word"},
    )
    await chart.make(
        "assessment_responses", user_id=patient, spec_id="pain", model={"level": 7, "place": "hip"}
    )
    await chart.make(
        "assessment_responses", user_id=patient, spec_id="secret", model={"word": "Secret word"}
    )
    cards = {}
    for person in (coach, helper):
        page = (await person.get(f"/patients/{patient}")).text
        cards[person.worker_id] = {
            title: text_of(section)
            for section, title in re.findall(
                r"(<header>\s*<h2[^>]*>([^<]*)</h2>.*?)</section>", page, re.DOTALL
            )
        }
    read = cards[coach.worker_id]
    assert "Dismiss" in read["To do"]
    assert "Weigh yourself" in read["To do"]
    assert "survey" not in read["To do"]
    assert "Metformin 500 · yes" in read["Medicines taken"]
    # What has nothing in it is the way to begin it.
    assert "Insurance" not in read
    assert "Insurance" in [link.words.strip() for link in Document(page).testids("begin")]
    assert "Locked word" in read["Locked card"]
    assert "Pain check 7 · strong" in read["Checks"]
    assert "Secret form" in read["Checks"]
    assert "Noise" not in str(read)
    assert "Locked card" not in cards[helper.worker_id]
    assert "Secret" not in cards[helper.worker_id]["Checks"]
    assert "Pain check" in cards[helper.worker_id]["Checks"]
