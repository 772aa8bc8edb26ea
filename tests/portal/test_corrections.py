"""What was entered in error stays: struck through with the reason, told as such by the API, and
announced to nobody as new.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from almoner.data_api import statements
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.portal.collections.shared_pages import page_address
from almoner.resources import BY_NAME
from almoner.vocabulary.fields import Shape
from tests.people import People, Person
from tests.portal.profiles import Chart, booked, new_patient, summary
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")

WHY = "Meant for somebody else"


def path(chart: Chart, row: str) -> str:
    return f"/patients/{chart.id}/errors/{row}"


async def row_of(database: Database, chart: Chart, resource: str, row_id: str, shape: Shape) -> Any:
    """A row as the API answers with it in this shape."""
    statement = statements.get(BY_NAME[resource], shape)
    async with database.connection() as connection:
        record = await connection.fetchrow(statement, chart.by.environment_id, row_id)
    return msgspec.json.decode(record["body"])


async def vouched(database: Database, supervisor: Person) -> None:
    """The role takes a second factor: somebody vouches for it."""
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE worker_sessions SET provider_factor = true WHERE worker_id = $1",
            supervisor.worker_id,
        )


@pytest.fixture
async def grace(environment: int, store: Store) -> Chart:
    return await new_patient(store, environment)


async def test_what_is_in_error_is_struck_through_and_told_as_such(
    people: People, environment: int, coach: Person, grace: Chart, database: Database
) -> None:
    worker = {"patient_id": grace.id, "worker_id": coach.worker_id}
    now = datetime.now(UTC).isoformat()
    entries = {
        "messages": await summary(grace, "Words of another"),
        "calls": await grace.add(
            "calls", **worker, call_type="inbound", start_time=now, outcome="reached", note="A call"
        ),
        "notes": await grace.add("notes", **worker, note_type="progress", text="A note"),
        "assessment_responses": await grace.add(
            "assessment_responses",
            spec_id="mood_check",
            model={"low_mood": "never", "lost_interest": "never"},
        ),
    }
    untouched = await summary(grace, "Words of theirs")
    async with await people(environment, "supervisor") as supervisor:
        await vouched(database, supervisor)
        for resource, row in entries.items():
            blank = await supervisor.send_form(path(grace, row), reason=" ", do="enter")
            assert Document(blank).field("reason").error, resource
            sent = await supervisor.send_form(path(grace, row), reason=WHY, do="enter")
            assert sent.headers["location"] == f"/patients/{grace.id}", resource
            row_now = await row_of(database, grace, resource, row, Shape.DOCUMENTED)
            assert row_now["entered_in_error_reason"] == WHY
            assert row_now["entered_in_error_by"] == supervisor.worker_id
            assert row_now["entered_in_error_at"]
            enveloped = await row_of(database, grace, resource, row, Shape.ENVELOPED)
            assert "entered_in_error_at" not in enveloped
    profile = Document(await coach.get(f"/patients/{grace.id}?show=care"))
    assert str(profile.region("Timeline").words).count(WHY) == len(entries)
    assert WHY in Document(await coach.get(f"/patients/{grace.id}/notes")).region("Progress note")
    calls = Document(await coach.get(page_address(BY_NAME["calls"], grace.id)))
    assert WHY in calls.row("Entered in error")
    assert not calls.row("Entered in error").mentions(supervisor.worker_id)
    answers = f"/patients/{grace.id}/assessments/{entries['assessment_responses']}"
    assert WHY in Document(await coach.get(answers)).status()
    async with database.connection() as connection:
        kinds = await connection.fetch(
            "SELECT row_id::text, kind FROM changes WHERE environment_id = $1"
            " AND row_id = ANY ($2::uuid[]) ORDER BY seq",
            environment,
            list(entries.values()),
        )
        unread = await connection.fetch(
            "SELECT id::text FROM messages WHERE environment_id = $1 AND user_id = $2"
            " AND read_at IS NULL",
            environment,
            grace.id,
        )
    for row in entries.values():
        assert [change["kind"] for change in kinds if change["row_id"] == row] == [
            "create",
            "update",
        ]
    assert [row["id"] for row in unread] == [untouched]


async def test_who_has_recorded_it_and_whose_role_corrects_may_say_so_and_take_it_back(
    people: People, environment: int, coach: Person, grace: Chart, database: Database
) -> None:
    own = await coach.send_form(
        f"/patients/{grace.id}/note", note_type="progress", text="A slip", do="save"
    )
    assert own.status_code == 303
    async with database.connection() as connection:
        note = await connection.fetchval(
            "SELECT id::text FROM notes WHERE environment_id = $1", environment
        )
    async with (
        await people(environment, "coach") as other,
        await people(environment, "supervisor") as supervisor,
    ):
        await vouched(database, supervisor)
        assert (await other.get(path(grace, note))).status_code == 403
        refused = await other.send_form(path(grace, note), reason=WHY, do="enter")
        assert refused.status_code == 403
        timeline = f"/patients/{grace.id}"
        assert Document(await coach.get(timeline)).links(path(grace, note))
        assert not Document(await other.get(timeline)).links(path(grace, note))
        await coach.send_form(path(grace, note), reason=WHY, do="enter")
        assert Document(await other.get(timeline)).mentions(WHY)
        await supervisor.send_form(path(grace, note), do="holds")
    assert (await row_of(database, grace, "notes", note, Shape.STORED))[
        "entered_in_error_at"
    ] is None
    for noise in (path(grace, grace.id), path(grace, "nothing")):
        assert (await coach.get(noise)).status_code == 404


async def test_the_appointment_of_a_call_that_was_none_is_open_again_until_it_holds_after_all(
    coach: Person, grace: Chart, store: Store, database: Database, environment: int
) -> None:
    start = datetime.now(UTC) - timedelta(minutes=30)
    event = await booked(grace, store, coach.worker_id, start, modality="call")
    call = {"call_type": "outbound", "outcome": "reached", "appointment": event, "do": "save"}
    await coach.send_form(f"/patients/{grace.id}/call", **call)
    assert (await row_of(database, grace, "calendar_events", event, Shape.STORED))[
        "outcome"
    ] == "completed"
    async with database.connection() as connection:
        row = await connection.fetchval(
            "SELECT id::text FROM calls WHERE environment_id = $1", environment
        )
    await coach.send_form(path(grace, row), reason=WHY, do="enter")
    assert (await row_of(database, grace, "calendar_events", event, Shape.STORED))[
        "outcome"
    ] is None
    await coach.send_form(path(grace, row), do="holds")
    assert (await row_of(database, grace, "calendar_events", event, Shape.STORED))[
        "outcome"
    ] == "completed"
