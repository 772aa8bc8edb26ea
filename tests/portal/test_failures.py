"""What processes and integrations could not do is in the inbox of whoever administers, until it is
mended.
"""

from __future__ import annotations

from datetime import UTC, datetime

from almoner.access import worker_events
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.processes import firings
from almoner.processes.events import Event
from almoner.resources import BY_NAME
from tests.conftest import Callers, new_environment
from tests.people import People
from tests.web.document import Document
from tests.workshop.pages import clinic_jobs

PATH = "/inbox/failures"
GRACE = {
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
    "phase": "intake",
    "timezone": "US/Pacific",
}


async def failed(callers: Callers, environment: int, patient: str, state: str, text: str) -> str:
    """A firing of the demo's process that could not act. Its id."""
    now = datetime.now(UTC)
    event = Event(
        on="patient_created",
        of="",
        patient_id=patient,
        resource="patients",
        row_id=patient,
        cause=f"{patient} {state}",
        at=now,
    )
    firing = firings.stopped(
        firings.new(event, "low_mood", 1, (), now), {"code": "no_coach", "message": text}, state
    )
    async with callers.database.transaction() as connection:
        await firings.add(connection, environment, [(firing, 3600)])
    return firing.id


async def test_failures_are_listed_for_who_administers_and_go_when_they_are_tried_again(
    people: People, callers: Callers, store: Store, program: int
) -> None:
    elsewhere = await new_environment(callers.database)
    by = Actor(program, "test", "cli", "test", whole=True)
    patient = (await store.create(by, BY_NAME["patients"], GRACE)).id
    firing = await failed(callers, program, patient, firings.FAILED, "Assign a coach.")
    await failed(callers, program, patient, firings.STOPPED, "It was stopped.")
    await failed(callers, elsewhere, patient, firings.FAILED, "Of another environment.")
    job = await clinic_jobs.begun(callers, store, program, [patient], items=6)
    await clinic_jobs.done(callers, store, program, job)
    async with await people(program, "admin", "coach", "designer") as person:
        assert Document(await person.get("/inbox")).link(to=PATH).words == "Failures 3"
        page = (await person.get(PATH)).text
        for words in ("Assign a coach.", "no_coach", "Low mood", "It was stopped.", "Grace Hopper"):
            assert words in Document(page).main(), words
        for words in ("There is no such code.", "unknown_code", "clinic_pull", "2 tasks"):
            assert words in Document(page).main(), words
        assert Document(page).links(to=f"/workshop/integrations/jobs/{job}")
        assert not Document(page).mentions("Of another environment.")
        assert page.count("Try again") == 2
        for of, of_id in (("process", firing), ("integration", job)):
            answer = await person.send_form(PATH, of=of, id=of_id)
            assert answer.headers["location"] == f"{PATH}?done=retried"
        again = await person.send_form(PATH, of="process", id=firing)
        assert again.status_code == 404
        page = (await person.get(PATH)).text
        assert not Document(page).mentions("Assign a coach.")
        assert not Document(page).mentions("unknown_code")
        assert Document(page).region("1 failure of")
        # Nobody has mended the codes, so what is done again fails again.
        await clinic_jobs.done(callers, store, program, job)
        assert Document(await person.get(PATH)).row("unknown_code")


async def events_of(callers: Callers, environment: int, about: str) -> list[tuple[str, str]]:
    """What the audit trail says was done with a process or an integration, the newest first, with
    the reason where there is one.
    """
    async with callers.database.connection() as connection:
        events = await worker_events.list_events(connection, environment)
    return [
        (event.event, (event.after or {}).get("reason", ""))
        for event in events
        if event.object == about
    ]


async def test_a_failure_is_dismissed_with_a_reason_and_comes_up_anew_when_it_fails_anew(
    people: People, callers: Callers, store: Store, program: int
) -> None:
    by = Actor(program, "test", "cli", "test", whole=True)
    patient = (await store.create(by, BY_NAME["patients"], GRACE)).id
    firing = await failed(callers, program, patient, firings.FAILED, "Assign a coach.")
    stopped = await failed(callers, program, patient, firings.STOPPED, "It was stopped.")
    job = await clinic_jobs.begun(callers, store, program, [patient], items=6)
    await clinic_jobs.done(callers, store, program, job)
    async with await people(program, "admin", "coach", "designer") as person:
        ask = Document(await person.get(f"{PATH}/{job}/dismiss"))
        assert "There is no such code." in ask.region("Dismiss this failure?")
        refused = await person.send_form(f"{PATH}/{job}/dismiss", reason=" ")
        assert refused.status_code == 400
        assert Document(refused).form(f"{PATH}/{job}/dismiss").field("reason").error
        assert Document(await person.get(PATH)).row("unknown_code")
        for of, of_id in (("process", firing), ("process", stopped), ("integration", job)):
            answer = await person.send_form(
                f"{PATH}/{of_id}/dismiss", reason=f"Mended by hand: {of}"
            )
            assert answer.headers["location"] == f"{PATH}?done=dismissed"
        assert "Nothing has failed" in Document(await person.get(PATH)).main()
        assert Document(await person.get("/inbox")).link(to=PATH).words == "Failures 0"
        automation = Document(await person.get("/workshop/automation"))
        assert "Nothing has failed" in automation.region("Failures")
        assert "2 failures were dismissed" in automation.region("Failures")
        again = await person.send_form(f"{PATH}/{firing}/dismiss", reason="Twice")
        assert again.status_code == 404
        page = Document(await person.get(f"{PATH}?of=dismissed"))
        row = page.row("There is no such code.")
        assert "Mended by hand: integration" in row.testid("dismissal")
        assert "Emily Smith" in row.testid("dismissal")
        assert page.row("It was stopped.").lacks("button", "Try again")
        # It may still be tried again, and what fails anew is a failure anew.
        await person.send_form(PATH, of="integration", id=job)
        await clinic_jobs.done(callers, store, program, job)
        assert Document(await person.get(PATH)).row("unknown_code")
        await person.send_form(f"{PATH}/{firing}/bring-back")
        assert Document(await person.get(PATH)).row("Assign a coach.")
        assert (await person.send_form(f"{PATH}/{firing}/bring-back")).status_code == 404
    assert await events_of(callers, program, "integration:clinic_pull") == [
        ("failure tried again", ""),
        ("failure dismissed", "Mended by hand: integration"),
        ("integration set", ""),
    ]
    assert await events_of(callers, program, "process:low_mood") == [
        ("failure brought back", ""),
        ("failure dismissed", "Mended by hand: process"),
        ("failure dismissed", "Mended by hand: process"),
    ]


async def test_a_failure_is_for_whoever_administers_until_somebody_takes_it(
    people: People, callers: Callers, store: Store, program: int
) -> None:
    elsewhere = await new_environment(callers.database)
    by = Actor(program, "test", "cli", "test", whole=True)
    patient = (await store.create(by, BY_NAME["patients"], GRACE)).id
    firing = await failed(callers, program, patient, firings.FAILED, "Assign a coach.")
    foreign = await failed(callers, elsewhere, patient, firings.FAILED, "Of another environment.")
    async with callers.database.transaction() as connection:
        for owner, name in ((program, "low_mood"), (elsewhere, "other")):
            await connection.execute(
                "INSERT INTO work_faults (environment_id, begun, name, id, code, message) VALUES"
                " ($1, 'process', $2, gen_random_uuid(), 'schedule_never', 'It never comes.')",
                *(owner, name),
            )
    async with await people(program, "admin", "coach") as person:
        page = Document(await person.get(PATH))
        for words in ("Assign a coach.", "It never comes."):
            assert "whoever administers" in page.row(words).testid("owner")
        # It is tried again without anybody.
        assert page.row("It never comes.").lacks("button", "Try again")
        path = f"{PATH}/{firing}/take"
        assert (await person.send_form(path, do="take")).status_code == 303
        row = Document(await person.get(PATH)).row("Assign a coach.")
        assert "You see to it" in row.testid("owner")
        for of in (foreign, "x"):
            assert (await person.send_form(f"{PATH}/{of}/take", do="take")).status_code == 404
        async with await people(program, "admin") as other:
            row = Document(await other.get(PATH)).row("Assign a coach.")
            assert "Emily Smith sees to it" in row.testid("owner")
            await other.send_form(path, do="take")
        row = Document(await person.get(PATH)).row("Assign a coach.")
        assert "Emily Smith sees to it" in row.testid("owner")
        await person.send_form(path, do="leave")
        row = Document(await person.get(PATH)).row("Assign a coach.")
        assert "whoever administers" in row.testid("owner")
    taken, left = ("failure taken", ""), ("failure left", "")
    assert await events_of(callers, program, "process:low_mood") == [left, taken, taken]


async def test_a_failure_is_tried_again_wherever_it_is_shown_and_the_trail_says_by_whom(
    people: People, callers: Callers, store: Store, program: int
) -> None:
    by = Actor(program, "test", "cli", "test", whole=True)
    patient = (await store.create(by, BY_NAME["patients"], GRACE)).id
    firing = await failed(callers, program, patient, firings.FAILED, "Assign a coach.")
    job = await clinic_jobs.begun(callers, store, program, [patient], items=6)
    await clinic_jobs.done(callers, store, program, job)
    jobs_path, automation = f"/workshop/integrations/jobs/{job}", "/workshop/automation"
    async with await people(program, "admin", "coach", "designer") as person:
        for path in (PATH, automation):
            if path == PATH:
                answer = await person.send_form(path, of="process", id=firing)
            else:
                assert Document(await person.get(path)).button("Try again")
                answer = await person.send_form(path, do="retry", firing=firing)
            assert answer.headers["location"] == f"{path}?done=retried"
            assert (await state(callers, program, firing)) == firings.OPEN
            async with callers.database.transaction() as connection:
                await firings.move(
                    connection,
                    program,
                    [firing],
                    firings.FAILED,
                    {"code": "no_coach", "message": "Assign one."},
                )
        assert Document(await person.get(jobs_path)).button("Retry what failed")
        for _ in range(2):
            assert (await person.send_form(f"{jobs_path}/retry")).status_code == 303
            await clinic_jobs.done(callers, store, program, job)
        async with callers.database.connection() as connection:
            events = await worker_events.list_events(connection, program)
        assert {event.actor for event in events if event.event == "failure tried again"} == {
            f"worker:{person.worker_id}"
        }
    again = [("failure tried again", "")] * 2
    assert await events_of(callers, program, "process:low_mood") == again
    assert (await events_of(callers, program, "integration:clinic_pull"))[:2] == again


async def state(callers: Callers, environment: int, firing_id: str) -> str:
    async with callers.database.connection() as connection:
        firing = await firings.get(connection, environment, firing_id)
    assert firing is not None
    return firing.state


async def test_a_pause_is_told_wherever_what_is_not_done_would_be_missed(
    people: People, callers: Callers, store: Store, program: int
) -> None:
    by = Actor(program, "test", "cli", "test", whole=True)
    patient, noise = [(await store.create(by, BY_NAME["patients"], GRACE)).id for _ in range(2)]
    await failed(callers, program, patient, firings.ON_HOLD, "")
    tried = "/workshop/automation/try/low_mood"
    automation = "/workshop/automation"
    profile, other = f"/patients/{patient}", f"/patients/{noise}"
    async with await people(program, "admin", "coach", "designer") as person:
        for path in (PATH, "/inbox", tried, automation, profile):
            assert Document(await person.get(path)).lacks("testid", "pause"), path
        # That of a process is told of in the profile of whom it holds something for.
        await person.send_form(automation, do="pause", process="low_mood")
        for path, words in ((PATH, "Low mood is"), ("/inbox", "1 process"), (tried, "It is")):
            pause = Document(await person.get(path)).testid("pause")
            assert words in pause, path
            assert "by Emily Smith" in pause, path
        assert "Low mood" in Document(await person.get(profile)).testid("pause")
        assert Document(await person.get(other)).lacks("testid", "pause")
        assert Document(await person.get(profile)).button("Pause processes")
        assert "paused" in Document(await person.get(automation)).row("Low mood")
        await person.send_form(automation, do="resume", process="low_mood")
        await person.send_form(f"{other}/processes", do="pause")
        assert "for 1 patient" in Document(await person.get(PATH)).testid("pause")
        await person.send_form(f"{other}/processes", do="resume")
        await person.send_form(automation, do="pause")
        for path in (PATH, "/inbox", tried, automation, profile, other):
            assert Document(await person.get(path)).testid("pause"), path
        assert Document(await person.get(profile)).lacks("button", "Pause processes")
    paused, resumed = ("processes paused", ""), ("processes resumed", "")
    assert await events_of(callers, program, "process:low_mood") == [resumed, paused]
    assert await events_of(callers, program, f"patient:{noise}") == [resumed, paused]
    assert await events_of(callers, program, "processes") == [paused]


async def test_who_gives_no_care_sees_no_patient_and_who_does_not_administer_no_failure(
    people: People, callers: Callers, store: Store, program: int
) -> None:
    by = Actor(program, "test", "cli", "test", whole=True)
    patient = (await store.create(by, BY_NAME["patients"], GRACE)).id
    await failed(callers, program, patient, firings.FAILED, "Assign a coach.")
    async with await people(program, "admin") as admin:
        page = (await admin.get(PATH)).text
        assert Document(page).row("Assign a coach.")
        assert not Document(page).mentions("Hopper")
        assert patient not in page
        assert Document(await admin.get("/admin")).links(to=PATH)
    for role in ("coach", "designer"):
        async with await people(program, role) as person:
            assert (await person.get(PATH)).status_code == 403
            assert not Document(await person.get("/inbox")).links(to=PATH)
