"""The page of what processes do: tried, paused, and what has failed with what to do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from html import unescape
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import expect

from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.pages.filters import day
from almoner.processes import firings, pauses, trial
from almoner.processes.events import Event
from almoner.processes.would import monday
from almoner.resources import BY_NAME
from almoner.workshop import drafts, kiwi_health
from almoner.workshop.pages.automation import trial_page
from almoner.workshop.pages.runs import MOST_MISSES, RUNS, Runs
from almoner.workshop.process_design import Process, ProcessAction
from almoner.workshop.program_file import parse
from almoner.workshop.publish import publish
from almoner.workshop.trigger_design import Trigger
from tests.browsers import Screens
from tests.changes.writing import until_true
from tests.conftest import new_environment
from tests.people import People, Person
from tests.web.document import Document

PATH = "/workshop/automation"


async def came_of(person: Person, path: str) -> str:
    """The page of a trial, once it is over."""
    page = (await person.get(path)).text
    while (follow := re.search(r'id="trial"[^>]*hx-get="([^"]+)"', page)) is not None:
        page = (await person.get(unescape(follow[1]))).text
    return page


async def test_a_process_is_tried_paused_and_tried_again_where_it_failed(
    people: People, database: Database, store: Store
) -> None:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")
    by = Actor(environment, "test", "api", "test", whole=True)
    patient = await store.create(
        by,
        BY_NAME["patients"],
        {
            "first_name": "Grace",
            "last_name": "Hopper",
            "birthday": "1906-12-09",
            "timezone": "UTC",
            "phase": "intake",
        },
    )
    now = datetime.now(UTC)
    event = Event(
        on="patient_created",
        of="",
        patient_id=patient.id,
        resource="patients",
        row_id=patient.id,
        cause="a cause",
        at=now,
    )
    failed = firings.new(event, "low_mood", 1, (), now)
    async with database.transaction() as connection:
        await firings.add(connection, environment, [(failed, 3600)])
        error = {"code": "no_coach", "message": "Assign a coach, then try again."}
        await firings.move(connection, environment, [failed.id], firings.FAILED, error)
    async with await people(environment, "designer") as designer:
        page = (await designer.get(PATH)).text
        assert Document(page).row("Assign a coach, then try again.")
        assert Document(page).link("Low mood")
        assert Document(page).row("1 failed")
        assert patient.id not in page
        assert Document(await designer.get("/workshop/processes")).link(to=PATH)
        for do, is_paused in (("pause", True), ("resume", False)):
            answer = await designer.send_form(PATH, do=do, process="low_mood")
            assert answer.status_code == 303
            async with database.connection() as connection:
                assert bool(await pauses.all_of(connection, environment)) == is_paused
            again = await designer.send_form(PATH, do=do, process="low_mood")
            assert again.status_code == 303
        assert (await designer.send_form(PATH, do="pause", process="nobody")).status_code == 404
        async with database.connection() as connection:
            assert not await pauses.all_of(connection, environment)
            events = await connection.fetch(
                "SELECT event, actor, object FROM worker_events WHERE environment_id = $1"
                " AND event LIKE 'processes %' ORDER BY id",
                environment,
            )
        by_designer = (f"worker:{designer.worker_id}", "process:low_mood")
        assert [tuple(row) for row in events] == [
            ("processes paused", *by_designer),
            ("processes resumed", *by_designer),
        ]
        gone = await designer.send_form(PATH, do="retry", firing="nothing")
        assert gone.status_code == 404
        answer = await designer.send_form(PATH, do="retry", firing=failed.id)
        assert answer.headers["location"].endswith("?done=retried")
        assert "Nothing has failed" in Document(await designer.get(PATH)).region("Failures")
        assert Document(await came_of(designer, f"{PATH}/try/low_mood")).heading(
            "it would have acted 0 times"
        )
        assert (await designer.get(f"{PATH}/try/nothing")).status_code == 404
        await store.create(
            by,
            BY_NAME["assessment_responses"],
            {
                "user_id": patient.id,
                "spec_id": "mood_check",
                "model": {"low_mood": "nearly every day", "lost_interest": "most days"},
            },
        )
        for role, sees in (("", False), ("coach", True)):
            async with await people(environment, "designer", *filter(None, (role,))) as person:
                tried = await came_of(person, f"{PATH}/try/low_mood")
                assert Document(tried).mentions(f"/patients/{patient.id}") == sees
                assert Document(tried).heading("it would have acted 1 time")
                # It has failed once, and has not acted yet on the answers.
                week = monday(now)
                assert Document(tried).link(
                    f"1 waiting in the week of {day(date.fromisoformat(week))}"
                )
                rows = await person.get(f"{PATH}/firings/low_mood?week={week}&of=waiting")
                assert Document(rows).heading(f"Week of {day(date.fromisoformat(week))}: waiting")
                assert Document(rows).mentions(f"/patients/{patient.id}") == sees
                other = await person.get(f"{PATH}/firings/low_mood?week={week}&of=done")
                assert "There are none" in Document(other).testid("empty")


async def test_a_process_is_tried_as_it_is_drafted_before_it_is_published(
    people: People, database: Database, store: Store
) -> None:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")
    by = Actor(environment, "test", "api", "test", whole=True)
    for phase in ("intake", "onboarding"):
        row = {
            "first_name": "Grace",
            "last_name": "Hopper",
            "birthday": "1906-12-09",
            "timezone": "UTC",
            "phase": phase,
        }
        await store.create(by, BY_NAME["patients"], row)
    async with await people(environment, "designer") as designer:
        assert (await designer.get(f"{PATH}/try/welcome?of=draft")).status_code == 404
        for action, sentence in (
            ("nowhere", "These keep the draft from being tried."),
            ("onboarding", "it would have acted 1 time"),
        ):
            welcome = Process(
                name="welcome",
                when=Trigger(event="phase_entered", phase="intake"),
                actions=(ProcessAction(do="change_phase", phase=action),),
            )
            design = replace(parse(kiwi_health.source()), processes=(welcome,))
            async with database.connection() as connection:
                base = (await drafts.current(connection, environment)).revision
                await drafts.save(connection, environment, base, design, "test")
            assert (
                sentence in Document(await came_of(designer, f"{PATH}/try/welcome?of=draft")).main()
            )
        assert (await designer.get(f"{PATH}/try/welcome")).status_code == 404
        assert Document(await designer.get("/workshop/processes/welcome")).mentions(
            "welcome?of=draft"
        )


async def test_a_process_that_is_gone_is_listed_and_resumed(
    people: People, database: Database
) -> None:
    environment, elsewhere = [await new_environment(database) for _ in range(2)]
    async with database.transaction() as connection:
        for of, name in ((environment, "retired"), (elsewhere, "of_others")):
            await pauses.pause(connection, of, "process", name, by=AT_THE_TERMINAL)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")
    async with await people(environment, "designer") as designer:
        page = Document(await designer.get(PATH))
        assert not page.mentions("of_others")
        row = page.row("retired")
        assert "gone from the program" in row
        assert not page.links(to=f"{PATH}/try/retired")
        assert (await designer.send_form(PATH, do="pause", process="never")).status_code == 404
        await designer.send_form(PATH, do="pause", process="retired")
        await designer.send_form(PATH, do="resume", process="retired")
        assert not Document(await designer.get(PATH)).mentions("retired")


async def test_the_editor_shows_what_goes_with_the_trigger_and_the_action_that_are_chosen(
    people: People, database: Database, screens: Screens
) -> None:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")
    async with await people(environment, "designer") as designer:
        process = Document(await designer.get(PATH)).row("Low mood When Mood check is finished")
        assert "0 done, 0 failed. Now: 0 waiting, 0 held" in process
        page = await screens(designer)
        await page.goto("/workshop/processes/low_mood")
        await expect(page.locator("[name='when.assessment']")).to_have_value("mood_check")
        await expect(page.locator("[name='when.hours']")).to_have_count(0)
        await page.select_option("[name='when.event']", "appointment_ahead")
        await expect(page.locator("[name='when.hours']")).to_be_visible()
        await page.click("[id='add:then']")
        await page.select_option("[name='then.1.do']", "give_task")
        await expect(page.locator("[name='then.1.task']")).to_be_visible()
        await expect(page.locator("[name='then.1.record']")).to_have_count(0)


async def test_a_trial_that_is_under_way_says_how_far_it_is_and_is_cancelled(
    people: People, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")

    async def endless(*_: Any, progress: Callable[[int, int], None], **__: Any) -> None:
        progress(4_000, 10_000)
        await asyncio.Event().wait()

    async with await people(environment, "designer") as designer:
        with monkeypatch.context() as patched:
            patched.setattr(trial, "try_out", endless)
            page = Document(await designer.get(f"{PATH}/try/low_mood?days=30"))
        reading = page.region("The last 30 days are read")
        assert "4,000 of about 10,000 changes and patients looked at" in reading
        run = reading.form(f"{PATH}/try/low_mood").field("run").value
        cancelled = await designer.send_form(f"{PATH}/try/low_mood", run=run)
        page = Document(await designer.get(cancelled.headers["location"]))
        assert "The trial was cancelled. Nothing was done by it." in page.testid("banner")
        assert page.link("Try again")
        assert Document(await came_of(designer, f"{PATH}/try/low_mood?days=30")).heading(
            "it would have acted 0 times"
        )
        again = await designer.send_form(f"{PATH}/try/low_mood", run="")
        assert again.headers["location"].endswith(f"{PATH}/try/low_mood")


async def test_a_trial_is_cancelled_by_another_process_of_the_server_than_the_one_that_has_it(
    people: People, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")

    async def endless(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    path = f"{PATH}/try/low_mood"
    async with await people(environment, "designer") as designer:
        with monkeypatch.context() as patched:
            patched.setattr(trial, "try_out", endless)
            begun = Document(await designer.get(f"{path}?days=30"))
        run = begun.form(path).field("run").value
        follow = f"{path}?days=30&of=live&run={run}"
        with monkeypatch.context() as patched:
            # What another process of the server knows: nothing of this trial.
            patched.setattr(trial_page, "RUNS", Runs())
            elsewhere = await designer.get(follow)
            assert "Looking for the trial" in Document(elsewhere).testid("trial-progress")
            fields = Document(elsewhere).form(path)
            sent = {name: fields.field(name).value for name in ("run", "days", "of")}
            cancelled = await designer.send_form(path, **sent)
            assert cancelled.headers["location"].endswith(follow)
            page = Document(await designer.get(cancelled.headers["location"]))
            assert "The trial was cancelled." in page.testid("banner")
        known = RUNS.find(environment, run)
        assert known is not None

        # Its task is of the server's loop, in another thread, and nothing wakes this one.
        async def known_is_over() -> bool:
            return known.is_over

        await until_true(known_is_over, "the trial is over")
        assert "The trial was cancelled." in Document(await designer.get(follow)).testid("banner")


async def test_a_trial_that_nobody_knows_any_more_is_begun_again_only_by_who_asks_for_that(
    people: People, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")
    known = Runs()
    monkeypatch.setattr(trial_page, "RUNS", known)
    follow = f"{PATH}/try/low_mood?days=30&of=live&run=of-another-process"
    async with await people(environment, "designer") as designer:
        for misses in (0, MOST_MISSES - 1):
            page = Document(await designer.get(f"{follow}&misses={misses}"))
            assert "Looking for the trial" in page.testid("trial-progress")
        page = Document(await designer.get(f"{follow}&misses={MOST_MISSES}"))
        assert "does not know it any more" in page.testid("banner")
        assert page.link("Try again").attribute("href") == f"{PATH}/try/low_mood?days=30&of=live"
        assert not known._runs


async def test_a_trial_tells_how_much_of_the_log_it_has_read(
    database: Database, store: Store
) -> None:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")
    design = parse(kiwi_health.source())
    noted: list[tuple[int, int]] = []
    by = Actor(environment, "test", "api", "test", whole=True)
    row = {"first_name": "Grace", "last_name": "Hopper", "birthday": "1906-12-09"}
    for _ in range(5):
        await store.create(by, BY_NAME["patients"], row | {"timezone": "UTC", "phase": "intake"})
    process = Process(
        name="welcome",
        when=Trigger(event="patient_created"),
        actions=(ProcessAction(do="give_task", task="survey"),),
    )
    span = trial.last_days(1, datetime.now(UTC))

    def note(done: int, total: int) -> None:
        noted.append((done, total))

    await trial.try_out(database, environment, design, process, span, progress=note)
    assert noted[-1][0] == 5
    assert noted[-1][1] >= 5
