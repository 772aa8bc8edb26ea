"""What processes and integrations could not do is in the inbox of whoever administers, until it is
mended.
"""

from __future__ import annotations

from datetime import UTC, datetime

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
        await firings.add(connection, environment, firing, 3600)
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
