"""What somebody else does appears on an open page: over plain HTTP, and in a browser under
somebody's hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest
from playwright.async_api import expect

from almoner.access import accounts, sessions
from almoner.changes import feed, watch
from almoner.changes.feed import BEGINNING, Position
from almoner.changes.watch import Stream, Watch
from almoner.data_api.store import Store
from almoner.data_api.writes import new_id
from almoner.database import Connection, Database
from almoner.resources import BY_NAME
from tests.access.door import BY
from tests.browsers import Screens, violations
from tests.changes.writing import PATIENCE
from tests.conftest import Api
from tests.people import People, Person
from tests.portal.profiles import DAY, PATIENT, Chart, booked, new_patient, summary

pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture
async def grace(store: Store, program: int) -> Chart:
    return await new_patient(store, program)


def events(
    person: Person, patient_id: str, since: str = ""
) -> AbstractAsyncContextManager[AsyncIterator[dict[str, object]]]:
    """The events of a patient's page."""
    return events_of(person, f"/patients/{patient_id}/live?since={since}")


@asynccontextmanager
async def events_of(person: Person, path: str) -> AsyncIterator[AsyncIterator[dict[str, object]]]:
    """The events that say what changed, until the stream ends. The first block of the stream has
    arrived.
    """
    async with person.stream("GET", path) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("retry:")

        async def changed() -> AsyncIterator[dict[str, object]]:
            async for line in lines:
                if line.startswith("data: {"):
                    yield msgspec.json.decode(line.removeprefix("data: "))

        yield changed()


async def test_a_change_is_told_within_two_seconds_to_the_pages_of_its_patient(
    coach: Person, grace: Chart, store: Store
) -> None:
    other = await new_patient(store, grace.by.environment_id)
    async with events(coach, grace.id) as stream, events(coach, other.id) as elsewhere:
        # Between two looks at the log passes less than half of that.
        assert watch.SECONDS < 1
        await grace.change("patients", grace.id, city="Oakland")
        event = await asyncio.wait_for(anext(stream), PATIENCE)
        assert event["resources"] == ["patients"]
        assert event["by"] == "test, on the command line"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(elsewhere), 1)


async def test_a_change_of_another_transaction_that_is_still_open_holds_nobody_up(
    coach: Person, grace: Chart, database: Database, program: int
) -> None:
    async with events(coach, grace.id) as stream, database.transaction() as long:
        await long.execute("SELECT pg_current_xact_id()")
        await grace.change("patients", grace.id, city="Oakland")
        assert (await asyncio.wait_for(anext(stream), PATIENCE))["resources"] == ["patients"]


async def test_pages_hear_of_everything_however_much_was_written_since_a_transaction_began_that_is_still_open(
    grace: Chart, store: Store, database: Database, aside: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_MOST_CHANGES", 3)
    monkeypatch.setattr(watch, "_READS", 2)
    other = await new_patient(store, grace.by.environment_id)
    async with aside.transaction() as long, database.connection() as connection:
        await long.execute("SELECT pg_current_xact_id()")
        watched = watch._OpenPages(grace.by.environment_id, await feed.horizon(connection))
        page = Stream(
            environment_id=grace.by.environment_id,
            patient_id=grace.id,
            digest=b"",
            roles=("coach",),
            own_only=False,
            position=watched._settled,
        )
        watched.streams.add(page)

        async def heard(looks: int) -> list[str]:
            for _ in range(looks):
                await watched.look(connection)
            return [message.resource for message in page.take()]

        for number in range(20):
            await grace.change("patients", grace.id, city=f"Oakland {number}")
            await other.change("patients", other.id, city=f"Oakland {number}")
        assert await heard(4) == ["patients"] * 20
        assert await heard(8) == [], "nothing is told twice"
        await grace.add("patient_tasks", task_type="weigh_in")
        assert await heard(4) == ["patient_tasks"]
    await other.change("patients", other.id, city="Berkeley")
    await grace.change("patients", grace.id, city="Berkeley")
    async with database.connection() as connection:
        assert await heard(5) == ["patients"]


async def test_an_id_of_another_system_is_told_too(coach: Person, grace: Chart) -> None:
    async with events(coach, grace.id) as stream:
        await grace.add(
            "external_ids",
            resource="patients",
            welkin_id=grace.id,
            namespace="ehr",
            external_id="G-1",
        )
        assert "external_ids" in (await asyncio.wait_for(anext(stream), PATIENCE))["resources"]  # type: ignore[operator]


async def test_what_changed_between_the_page_and_its_stream_is_told(
    coach: Person, grace: Chart
) -> None:
    page = await coach.get(f"/patients/{grace.id}")
    since = page.text.partition("/live?since=")[2].partition('"')[0]
    await grace.change("patients", grace.id, city="Oakland")
    async with events(coach, grace.id, since) as stream:
        assert (await asyncio.wait_for(anext(stream), PATIENCE))["resources"] == ["patients"]


async def test_a_page_that_was_away_while_more_was_written_than_is_read_at_once_hears_of_every_collection(
    coach: Person, grace: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_MOST_CHANGES", 3)
    page = await coach.get(f"/patients/{grace.id}")
    since = page.text.partition("/live?since=")[2].partition('"')[0]
    for number in range(4):
        await grace.change("patients", grace.id, city=f"Oakland {number}")
    await grace.add("patient_tasks", task_type="weigh_in")
    async with events(coach, grace.id, since) as stream:
        first = await asyncio.wait_for(anext(stream), 2)
    assert first["resources"] == ["patients", "patient_tasks"]


async def test_a_session_that_was_ended_closes_its_streams_and_no_other(
    coach: Person, grace: Chart, people: People, database: Database
) -> None:
    async with (
        await people(grace.by.environment_id, "coach") as colleague,
        events(coach, grace.id) as stream,
        events(colleague, grace.id) as others,
    ):
        async with database.connection() as connection:
            await sessions.end_all(connection, grace.by.environment_id, coach.worker_id)
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(stream), PATIENCE)
        await grace.change("patients", grace.id, city="Oakland")
        assert (await asyncio.wait_for(anext(others), PATIENCE))["resources"] == ["patients"]


async def test_the_streams_of_a_worker_whose_account_is_disabled_or_gone_are_closed(
    people: People, grace: Chart, database: Database
) -> None:
    environment = grace.by.environment_id
    async with (
        await people(environment, "coach") as disabled,
        await people(environment, "coach") as gone,
        events(disabled, grace.id) as of_disabled,
        events(gone, grace.id) as of_gone,
    ):
        async with database.connection() as connection:
            await accounts.disable(connection, environment, disabled.worker_id, BY)
            await connection.execute(
                "DELETE FROM worker_accounts WHERE environment_id = $1 AND worker_id = $2",
                environment,
                gone.worker_id,
            )
        for stream in (of_disabled, of_gone):
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(anext(stream), PATIENCE)


async def test_a_stream_does_not_prolong_its_session(
    coach: Person, grace: Chart, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE worker_sessions SET seen_at = seen_at - interval '5 minutes' WHERE"
            " environment_id = $1",
            grace.by.environment_id,
        )
        before = await connection.fetchval(
            "SELECT seen_at FROM worker_sessions WHERE environment_id = $1", grace.by.environment_id
        )
        async with events(coach, grace.id) as stream:
            await grace.change("patients", grace.id, city="Oakland")
            await asyncio.wait_for(anext(stream), PATIENCE)
        after = await connection.fetchval(
            "SELECT seen_at FROM worker_sessions WHERE environment_id = $1", grace.by.environment_id
        )
    assert before == after


async def test_a_patient_who_goes_to_another_coach_is_told_of_no_more(
    people: People, grace: Chart, store: Store
) -> None:
    async with await people(grace.by.environment_id, "community_health_worker") as health_worker:
        await store.update(
            grace.by, BY_NAME["patients"], grace.id, {"coach_id": health_worker.worker_id}, None
        )
        async with events(health_worker, grace.id) as stream:
            await grace.change("patients", grace.id, coach_id=None)
            assert (await asyncio.wait_for(anext(stream), PATIENCE))["resources"] == ["patients"]
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(anext(stream), PATIENCE)
        assert (await health_worker.get(f"/patients/{grace.id}/live")).status_code == 404


async def test_a_calendar_that_was_away_for_long_is_told_once_and_holds_nobody_up(
    coach: Person, grace: Chart, store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tab of last week says where it was then: nobody reads all that was written since, nor is
    any other page behind for it.
    """
    monkeypatch.setattr(watch, "_FAR", 5)
    looked_from: list[Position] = []
    look = watch._OpenPages.look

    async def noted(self: watch._OpenPages, connection: Connection) -> None:
        looked_from.append(self._settled)
        await look(self, connection)

    monkeypatch.setattr(watch._OpenPages, "look", noted)
    async with database.connection() as connection:
        begin = await feed.horizon(connection)
    for number in range(6):
        await booked(grace, store, coach.worker_id, datetime.now(UTC) + (number + 1) * DAY)
    async with database.connection() as connection:
        here = await feed.horizon(connection)
    for since in (begin, BEGINNING):
        async with (
            events_of(coach, f"/calendar/live?since={since.cursor()}") as calendar,
            events(coach, grace.id) as profile,
        ):
            message = await asyncio.wait_for(anext(calendar), PATIENCE)
            assert (message["resources"], message["by"], message["requests"]) == (
                ["calendar_events"],
                "somebody",
                [""],
            )
            await grace.change("patients", grace.id, city=f"Oakland {since.xid}")
            assert (await asyncio.wait_for(anext(profile), PATIENCE))["resources"] == ["patients"]
    assert min(looked_from) >= here


async def test_calendars_are_told_of_an_import_and_of_what_follows_it(
    coach: Person, grace: Chart, store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_FAR", 5)
    async with events_of(coach, "/calendar/live") as stream:
        rows = [PATIENT | {"id": new_id()} for _ in range(10)]
        await store.load(grace.by, BY_NAME["patients"], rows)
        assert (await asyncio.wait_for(anext(stream), PATIENCE))["by"] == "somebody"
        await booked(grace, store, coach.worker_id, datetime.now(UTC) + DAY)
        # By whom is said too, unless it came with the last of the import.
        assert (await asyncio.wait_for(anext(stream), PATIENCE))["resources"] == ["calendar_events"]


async def test_calendars_are_told_once_more_when_an_import_is_over(
    grace: Chart, store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_FAR", 5)
    async with database.connection() as connection:
        watched = watch._OpenPages(grace.by.environment_id, await feed.horizon(connection))
    page = Stream(
        environment_id=grace.by.environment_id,
        patient_id="",
        digest=b"",
        roles=("coach",),
        own_only=False,
        position=watched._settled,
        calendar_ids=frozenset({new_id()}),
    )
    watched.streams.add(page)

    async def heard_after(imported: int) -> list[str]:
        if imported:
            rows = [PATIENT | {"id": new_id()} for _ in range(imported)]
            await store.load(grace.by, BY_NAME["patients"], rows)
        async with database.connection() as connection:
            await watched.look(connection)
        return [message.resource for message in page.take()]

    assert await heard_after(10) == ["calendar_events"]
    assert await heard_after(10) == [], "pages are not drawn anew with each part of an import"
    assert await heard_after(0) == ["calendar_events"]
    assert await heard_after(0) == []


async def test_in_a_browser_a_change_through_the_api_appears_and_what_is_typed_stays(
    coach: Person, grace: Chart, api: Api, screens: Screens
) -> None:
    await summary(grace, "the first words")
    page = await screens(coach)
    await page.goto(f"/patients/{grace.id}")
    await expect(page.locator("#timeline")).to_contain_text("the first words")
    assert await violations(page) == []
    # Somebody is typing in a card that would change.
    await page.evaluate(
        """() => { const field = document.createElement("input"); field.id = "typing";
           document.getElementById("card-0").append(field); }"""
    )
    await page.fill("#typing", "half a sentence")
    answer = await api.post(
        "/v1/phone_numbers",
        json={"user_id": grace.id, "phone_number": "415-555-9876", "phone_number_type": "cell"},
    )
    assert answer.status_code == 200
    await expect(page.locator("#timeline")).to_contain_text("1 change by test phone number")
    await expect(page.locator("#card-0 .changed-line")).to_contain_text(
        "Changed by test, through the API."
    )
    assert await page.input_value("#typing") == "half a sentence"
    assert "415-555-9876" not in await page.inner_text("#card-0")
    await page.click("#card-0 .changed-line button")
    await expect(page.locator("#card-0")).to_contain_text("415-555-9876")


async def test_a_session_a_worker_and_an_environment_have_so_many_open_pages_and_others_have_theirs(
    database: Database, grace: Chart
) -> None:
    watch = Watch(database, idle_minutes=30, most=40)
    here = grace.by.environment_id

    def stream(session: int, worker: int, environment: int) -> Stream:
        digest, who = str(session).encode(), str(worker)
        return Stream(
            environment_id=environment,
            patient_id=grace.id,
            digest=digest,
            roles=("coach",),
            own_only=False,
            position=BEGINNING,
            worker_id=who,
        )

    with ExitStack() as pages:

        def opened(*of: tuple[int, int, int]) -> int:
            return sum(pages.enter_context(watch.open(stream(*place))) for place in of)

        assert opened(*[(1, 1, here)] * 9) == 2, "a session has a twentieth"
        assert opened(*[(session, 1, here) for session in range(2, 11)]) == 2, (
            "a worker has a tenth, with all sessions"
        )
        assert opened(*[(100 + worker, worker, here) for worker in range(2, 50)]) == 16, (
            "an environment has half"
        )
        assert opened(*[(200 + worker, worker, -here) for worker in range(100, 150)]) == 20, (
            "another has the other half"
        )
        assert opened((999, 999, -here - 1)) == 0, "the process has no more"
    assert not watch.is_full_for(stream(1, 1, here))
