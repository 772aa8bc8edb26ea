"""Whom pages offer: everybody who may still work here, however many there are, and nobody whose
account is closed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import almoner
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from tests.pages.forms import forms_of
from tests.people import People, Person
from tests.portal.profiles import Chart, new_patient, summary
from tests.web.document import Document

pytestmark = pytest.mark.house

MANY = 1_050
_DISABLE = (
    "UPDATE worker_accounts SET disabled_at = now() WHERE environment_id = $1 AND worker_id = ANY"
    " ($2::uuid[])"
)


@pytest.fixture
async def coach(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "coach", "admin") as person:
        yield person


async def _closed(people: People, database: Database, environment: int, *names: str) -> list[str]:
    """The ids of workers who had every role, and whose accounts are closed."""
    ids = []
    for name in names:
        async with await people(
            environment, "coach", "nurse", "admin", first_name=name, last_name="Closed"
        ) as person:
            ids.append(person.worker_id)
    async with database.connection() as connection:
        await connection.execute(_DISABLE, environment, ids)
    return ids


async def _flow(chart: Chart, worker_id: str) -> str:
    step = {"title": "Call", "worker_id": worker_id}
    return await chart.add(
        "care_flows",
        care_flow={"description": "Walk", "goals": [{"title": "Go", "interventions": [step]}]},
    )


async def test_nobody_whose_account_is_closed_is_offered_anywhere(
    coach: Person, people: People, store: Store, database: Database
) -> None:
    busy, gone = await _closed(people, database, coach.environment_id, "Busy", "Gone")
    chart = await new_patient(store, coach.environment_id, coach_id=busy)
    conversation = await chart.add("conversations", conversation_type="phone")
    await summary(chart, "Hello", conversation=conversation)
    wrote = {"direction": "outbound", "contents": "Good morning", "worker_id": busy}
    await chart.add("messages", conversation_id=conversation, **wrote)
    flow = await _flow(chart, busy)
    offering = {}
    for path in (
        f"/patients/{chart.id}",
        f"/patients/{chart.id}/coach",
        f"/patients/{chart.id}/conversations",
        f"/patients/{chart.id}/conversations/{conversation}",
        f"/patients/{chart.id}/care-flows/{flow}?open=new:0",
        f"/patients/{chart.id}/care-flows/{flow}?open=step:0.0",
        f"/patients/{chart.id}/care-flows/new?template=Getting%20started",
        "/patients",
        "/patients/new",
        "/patients/coaches",
        f"/calendar/new?patient={chart.id}",
        "/calendar/people",
        "/calendar/hours",
    ):
        page = (
            await coach.get(
                path, headers={"HX-Request": "true"} if path.endswith("coaches") else {}
            )
        ).text
        offering[path] = set(re.findall(r'(?:<option|name="worker")[^>]*value="([^"]+)"', page))
    assert {path for path, ids in offering.items() if gone in ids} == set()
    # Where somebody has it already, they stay chosen until another one is.
    offering_busy = {path for path, ids in offering.items() if busy in ids}
    assert offering_busy == {
        f"/patients/{chart.id}/coach",
        f"/patients/{chart.id}/care-flows/{flow}?open=step:0.0",
    }
    assert (
        "Busy Closed (account closed)"
        in Document(await coach.get(f"/patients/{chart.id}/coach")).field("coach").options.values()
    )
    assert sum(coach.worker_id in ids for ids in offering.values()) > 6


async def test_of_many_workers_nobody_is_left_out(coach: Person, store: Store) -> None:
    by = Actor(coach.environment_id, "test", "cli", "test", whole=True)
    workers = [
        {
            "email": f"w{n}@example.org",
            "first_name": "Many",
            "last_name": f"Worker {n:04}",
            "timezone": "US/Eastern",
        }
        for n in range(MANY)
    ]
    await store.load(by, BY_NAME["workers"], workers)
    chart = await new_patient(store, coach.environment_id)
    await summary(chart, "Hello")
    flow = await _flow(chart, coach.worker_id)
    for path in (
        f"/patients/{chart.id}/conversations",
        f"/patients/{chart.id}/care-flows/{flow}?open=step:0.0",
        f"/patients/{chart.id}/coach",
        "/patients/new",
    ):
        page = (await coach.get(path)).text
        assert len(set(re.findall(r"Many Worker (\d{4})</option>", page))) == MANY, path


async def test_a_step_stays_with_whom_it_has_but_is_given_to_nobody_who_left(
    coach: Person, people: People, store: Store, database: Database
) -> None:
    busy, gone = await _closed(people, database, coach.environment_id, "Busy", "Gone")
    chart = await new_patient(store, coach.environment_id)
    flow = await _flow(chart, busy)
    path = f"/patients/{chart.id}/care-flows/{flow}"
    page = (await coach.get(f"{path}?open=step:0.0")).text
    (form,) = [form for form in forms_of(page) if ("worker_id", busy) in form.values]
    values = [
        (name, gone if name == "worker_id" else value)
        for name, value in form.values
        if name != "csrf"
    ]
    refused = await coach.send_form(path, *values, *form.buttons[:1])
    assert refused.status_code == 400
    assert "This worker is not here any more" in Document(refused).field("worker_id").error


async def test_nobody_who_left_is_a_sender_of_what_is_recorded(
    coach: Person, people: People, store: Store, database: Database
) -> None:
    """Their id may still be sent: by a page that was drawn before they left."""
    busy, gone = await _closed(people, database, coach.environment_id, "Busy", "Gone")
    chart = await new_patient(store, coach.environment_id)
    path = f"/patients/{chart.id}/conversations/new"
    for sender, status in ((gone, 400), (busy, 400), (coach.worker_id, 303)):
        answer = await coach.send_form(
            path, do="record", direction="outbound", type="app", contents="Hello", worker_id=sender
        )
        assert answer.status_code == status, answer.text
        assert status == 303 or Document(answer).field("worker_id").error


# What is cut on purpose, where the page says so or needs no more.
_CUT = {
    # The newest events that are looked through for exports.
    "portal/admin_export/page.py": "LIMIT 5000",
    # The planned calls that a call may have been: those nearest to now.
    "portal/calls/queries.py": "LIMIT 10",
}


def test_no_list_is_cut_by_a_number_that_no_page_knows() -> None:
    root = Path(almoner.__file__).parent
    offering = {}
    for file in (*root.glob("portal/**/*.py"), *root.glob("workshop/**/*.py")):
        for limit in re.findall(r"LIMIT \d{2,}", file.read_text()):
            offering[file.relative_to(root).as_posix()] = limit
    assert offering == _CUT
