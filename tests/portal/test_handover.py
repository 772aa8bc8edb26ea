"""A caseload goes from one worker to others in one act: looked at first, and taken back."""

from __future__ import annotations

import re
from typing import Any

from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME
from tests.people import People, Person
from tests.portal.test_inbox import Clinic, Row, clinic, days, step
from tests.web.document import Document

__all__ = ["clinic"]


async def rows(clinic: Clinic, statement: str, *more: object) -> list[tuple[Any, ...]]:
    async with clinic.database.connection() as connection:
        records = await connection.fetch(statement, clinic.me.environment_id, *more)
    return [tuple(row) for row in records]


def pairs(rows: list[tuple[Any, ...]]) -> list[tuple[str, Any]]:
    return [(str(row[0]), row[1]) for row in rows]


async def coaches(clinic: Clinic, patients: list[Row]) -> list[object]:
    sql = "SELECT id::text, coach_id::text FROM patients WHERE environment_id = $1"
    of = dict(pairs(await rows(clinic, sql)))
    return [of[patient["id"]] for patient in patients]


async def assignees(clinic: Clinic, flow: Row) -> list[object]:
    body = await clinic.care_flow(flow)
    return [each.get("worker_id") for each in body["goals"][0]["interventions"]]


def form(clinic: Clinic, *to: Person, **more: str) -> list[tuple[str, str]]:
    named = [("to", person.worker_id) for person in to]
    ticked = [("tasks", "on"), ("steps", "on")]
    return [("from", clinic.other.worker_id), *named, *ticked, *more.items()]


async def test_a_caseload_is_shared_evenly_with_what_is_open_and_comes_back_at_once(
    clinic: Clinic, people: People
) -> None:
    me, other = clinic.me, clinic.other
    third = await people(me.environment_id, "coach", first_name="Thea")
    theirs = [await clinic.patient(f"Patient{n}", other) for n in range(5)]
    mine = await clinic.patient("Mine", me)
    task = {"title": "Ring", "worker_id": other.worker_id}
    about = await clinic.make("worker_tasks", **task, patient_id=theirs[0]["id"])
    about_none = await clinic.make("worker_tasks", **task)
    done = await clinic.make("worker_tasks", **task, completed_at=days(-1))
    by_name = {"worker_id": other.worker_id}
    flow = await clinic.flow(
        theirs[0],
        step("Open", days(1), **by_name),
        step("Done", days(-1), **by_name, completed_at=days(-1)),
        step("Of nobody", days(2)),
    )
    noise = await clinic.flow(mine, step("Mine", days(1), worker_id=me.worker_id))

    asked = form(clinic, me, third, note="Theo likes letters.")
    look = Document(await me.send_form("/handover", *asked))
    shares = look.testid("shares")
    assert "3 patients" in shares
    assert "2 patients" in shares
    assert await coaches(clinic, theirs) == [other.worker_id] * 5

    answer = await me.send_form("/handover/do", *asked)
    handed = await coaches(clinic, theirs)
    assert sorted(map(handed.count, (me.worker_id, third.worker_id))) == [2, 3]
    workers = "SELECT id::text, worker_id::text FROM worker_tasks WHERE environment_id = $1"
    of = dict(pairs(await rows(clinic, workers)))
    assert of[about["id"]] == handed[0]
    assert of[about_none["id"]] in (me.worker_id, third.worker_id)
    assert of[done["id"]] == other.worker_id
    assert await assignees(clinic, flow) == [handed[0], other.worker_id, None]
    assert await assignees(clinic, noise) == [me.worker_id]
    assert await coaches(clinic, [mine]) == [me.worker_id]
    notes = "SELECT note FROM worker_tasks WHERE environment_id = $1 AND title ~ '^Handover'"
    assert await rows(clinic, notes) == [("Theo likes letters.",)] * 2

    # What somebody has changed since stays as it is.
    by = Actor(me.environment_id, "client:ehr", "api", "test")
    await clinic.store.update(by, BY_NAME["patients"], theirs[1]["id"], {"coach_id": None}, None)
    request = re.search(r'name="request" value="([^"]+)"', answer.text)
    assert request is not None
    stranger = await other.send_form("/handover/undo", request=request[1])
    assert Document(stranger).status("cannot be taken back")
    await me.send_form("/handover/undo", request=request[1])
    expected: list[object] = [other.worker_id] * 5
    expected[1] = None
    assert await coaches(clinic, theirs) == expected
    assert await assignees(clinic, flow) == [other.worker_id, other.worker_id, None]
    assert set(dict(pairs(await rows(clinic, workers))).values()) == {other.worker_id}
    assert await rows(clinic, notes) == []
    await third.aclose()


async def test_what_is_about_anothers_patient_goes_to_who_sees_them_or_stays(
    clinic: Clinic, people: People
) -> None:
    me, other = clinic.me, clinic.other
    nurse = await people(me.environment_id, "community_health_worker", first_name="Nora")
    mine = await clinic.patient("Mine", me)
    by_name = {"worker_id": other.worker_id}
    await clinic.make("worker_tasks", title="Ring", patient_id=mine["id"], **by_name)
    flow = await clinic.flow(mine, step("Open", days(1), **by_name))
    workers = "SELECT id::text, worker_id::text FROM worker_tasks WHERE environment_id = $1"
    for takers, whose in (([nurse], other), ([nurse, me], me)):
        await me.send_form("/handover/do", *form(clinic, *takers))
        assert set(dict(pairs(await rows(clinic, workers))).values()) == {whose.worker_id}
        assert await assignees(clinic, flow) == [whose.worker_id]
    await nurse.aclose()


async def test_patients_are_offered_to_nobody_whose_roles_do_not_let_them_care(
    clinic: Clinic, people: People
) -> None:
    billing = await people(clinic.me.environment_id, "billing", first_name="Bill")
    patient = await clinic.patient("Mine", clinic.me)
    for path, field in ((f"/inbox/hand-over?patient={patient['id']}", "coach"), ("/panel", "do")):
        offered = Document(await clinic.me.get(path)).field(field).options
        assert any(clinic.other.worker_id in value for value in offered)
        assert not any(billing.worker_id in value for value in offered)
    refused = await clinic.me.send_form(
        "/inbox/hand-over", patient=patient["id"], coach=billing.worker_id
    )
    assert refused.status_code == 400
    await billing.aclose()


async def test_what_is_missing_is_said_at_its_field_and_who_sees_their_own_hands_over_their_own(
    clinic: Clinic, people: People
) -> None:
    refused = Document(await clinic.me.send_form("/handover", *form(clinic, clinic.other)))
    assert refused.field("to").error
    helper = await people(clinic.me.environment_id, "community_health_worker")
    page = Document(await helper.get("/handover"))
    assert set(page.field("from").options) - {""} == {helper.worker_id}
    answer = await helper.send_form("/handover", *form(clinic, clinic.me))
    assert answer.status_code == 400
    await helper.aclose()


async def test_the_workers_page_leads_to_it(clinic: Clinic, people: People) -> None:
    admin = await people(clinic.me.environment_id, "admin")
    page = await admin.get(f"/admin/workers/{clinic.other.worker_id}")
    path = Document(page).link("Hand over").attribute("href")
    form_page = Document(await admin.get(path))
    assert form_page.field("from").value == clinic.other.worker_id
    await admin.aclose()
