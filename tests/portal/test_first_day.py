"""The first day of an organisation: an administrator is led from nothing to the first call."""

from __future__ import annotations

import re

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from almoner.workshop import kiwi_health
from tests.conftest import new_environment
from tests.people import People, Person
from tests.programs import published
from tests.web.document import Document


async def steps(admin: Person) -> list[str]:
    """How each step stands, in their order."""
    page = Document(await admin.get("/admin/first-day"))
    chips = r"(done|next|to do)$"
    return [
        match[1]
        for row in page.testid("first-day").all("listitem")
        if (match := re.search(chips, row.words))
    ]


async def test_the_steps_know_what_is_done_and_are_put_away(
    environment: int, people: People, store: Store, database: Database
) -> None:
    # Another environment has everything already.
    elsewhere = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, elsewhere, kiwi_health.source())
    far = await people(elsewhere, "coach")
    by = Actor(elsewhere, "test", "cli", "test", whole=True)
    await store.create(by, BY_NAME["patients"], patient(far))

    admin = await people(environment, "admin")
    assert Document(await admin.get("/admin")).region("From nothing to the first call")
    assert await steps(admin) == ["next", "to do", "to do", "to do", "to do", "to do"]
    # Who administers alone is led to their own roles.
    first = Document(await admin.get("/admin")).testid("first-day").all("link")[0]
    assert first.attribute("href") == f"/admin/workers/{admin.worker_id}"
    assert (await admin.get(first.attribute("href"))).status_code == 200
    async with database.connection() as connection:
        await published(connection, environment, kiwi_health.source())
    assert (await steps(admin))[:2] == ["done", "next"]
    coach = await people(environment, "coach")
    by = Actor(environment, "test", "cli", "test", whole=True)
    await store.create(by, BY_NAME["patients"], patient(coach))
    assert await steps(admin) == ["done", "done", "done", "done", "next", "to do"]
    await admin.send_form("/admin/first-day/away")
    assert Document(await admin.get("/admin")).lacks("region", "From nothing to the first call")
    await admin.send_form("/admin/first-day/away", back="on")
    assert Document(await admin.get("/admin")).region("From nothing to the first call")
    for person in (far, admin, coach):
        await person.aclose()


def patient(coach: Person) -> dict[str, str]:
    return {
        "first_name": "Grace",
        "last_name": "Hopper",
        "birthday": "1906-12-09",
        "timezone": "US/Eastern",
        "phase": "intake",
        "coach_id": coach.worker_id,
    }
