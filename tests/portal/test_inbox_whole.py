"""The inbox has what is for its reader, however much else waits, and says where it has not all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from almoner.data_api.writes import Actor, new_id
from almoner.resources import BY_NAME
from tests.portal.test_inbox import EASTERN, Clinic, Row, clinic, counts
from tests.web.document import Document

__all__ = ["clinic"]

_ALERTS = """
INSERT INTO alerts (environment_id, id, patient_id, alert_type, role, text, active_time)
SELECT $1, gen_random_uuid(), $2, 'lab', 'coach', 'Noise', now() - interval '9 days'
FROM generate_series(1, $3)
"""


async def load(clinic: Clinic, collection: str, rows: list[Row]) -> None:
    by = Actor(clinic.me.environment_id, "test", "cli", "test", whole=True)
    await clinic.store.load(by, BY_NAME[collection], [{"id": new_id()} | row for row in rows])


async def people_of(clinic: Clinic, number: int) -> list[Row]:
    people = [
        {
            "id": new_id(),
            "first_name": "Noise",
            "last_name": f"Number{place}",
            "birthday": "1950-12-09",
            "timezone": "US/Eastern",
            "phase": "intake",
            "coach_id": clinic.other.worker_id,
            "created_at": datetime.now(UTC) - timedelta(days=30),
        }
        for place in range(number)
    ]
    await load(clinic, "patients", people)
    return people


async def test_every_patient_with_an_alert_counts_and_a_mention_is_never_behind_them(
    clinic: Clinic,
) -> None:
    old = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    people = await people_of(clinic, 90)
    noise = [
        {"patient_id": person["id"], "alert_type": "lab", "role": "coach", "active_time": old}
        for person in people
    ]
    await load(clinic, "alerts", noise)
    assert counts((await clinic.me.get("/inbox")).text) == {"now": "90", "all": "90"}
    async with clinic.database.connection() as connection:
        await connection.execute(_ALERTS, clinic.me.environment_id, people[0]["id"], 2000)
    grace = await clinic.patient("Grace", clinic.other)
    mention = {"alert_type": "mention", "for_worker_id": clinic.me.worker_id}
    await clinic.make("alerts", patient_id=grace["id"], text="Please ring her.", **mention)
    page = Document(await clinic.me.get("/inbox?section=now&rows=600"))
    assert "Please ring her." in page.row("Grace Hopper")
    assert counts((await clinic.me.get("/inbox")).text)["all"].endswith("+")


async def test_what_is_urgent_today_is_there_however_many_tasks_are_due_later(
    clinic: Clinic,
) -> None:
    whose = ({"worker_id": clinic.me.worker_id}, {"role": "coach"})
    later = (datetime.now(EASTERN).date() + timedelta(days=2)).isoformat()
    at = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    for of in whose:
        await load(clinic, "worker_tasks", [{"title": "Noise", "due_date": later} | of] * 400)
        await load(clinic, "worker_tasks", [{"title": "Noise", "due_time": at} | of] * 400)
    assert counts((await clinic.me.get("/inbox")).text) == {"all": "0"}
    today = datetime.now(EASTERN).date().isoformat()
    urgent = {"priority": "urgent", "due_date": today}
    await clinic.make("worker_tasks", title="Of the team", **urgent, role="coach")
    await clinic.make("worker_tasks", title="My own", **urgent, worker_id=clinic.me.worker_id)
    page = (await clinic.me.get("/inbox")).text
    assert counts(page) == {"now": "2", "all": "2"}
    assert Document(page).row("Of the team")
    assert Document(page).row("My own")
    old = {"title": "Noise", "due_date": "2020-01-01", "role": "coach"}
    await load(clinic, "worker_tasks", [old] * 2001)
    page = (await clinic.me.get("/inbox")).text
    assert counts(page)["now"] == "2+"
    assert counts(page)["late"].endswith("+")
    assert Document(page).row("My own")
