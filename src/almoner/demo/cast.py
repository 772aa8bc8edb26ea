"""The patients whom a coach of the demo meets first: one of whom there is everything to see, and
some of the world's scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.demo.chart import guid
from almoner.demo.own_fields import filled
from almoner.demo.showpiece import NUMBERS, Story
from almoner.resources import BY_NAME
from almoner.vocabulary.times import iso

# Given and family name, birthday, time zone, phase, hours since they wrote, and what.
_OTHERS: Final = (
    (
        "太郎",
        "山田",
        date(1949, 4, 2),
        "Pacific/Honolulu",
        "active_coaching",
        3,
        "おはようございます。今朝の血圧は132でした。",
    ),
    (
        "Олена",
        "Шевченко",
        date(1971, 8, 24),
        "America/Chicago",
        "onboarding",
        5,
        "The scale has arrived. Which battery does it need?",
    ),
    (
        "أمينة",
        "الحداد",
        date(1983, 1, 17),
        "America/Denver",
        "active_coaching",
        20,
        "Can we speak at 3 instead of 2?",
    ),
    (
        "Σοφία",
        "Παπαδοπούλου",
        date(1955, 11, 3),
        "America/New_York",
        "maintenance",
        60,
        "Walked every day but one.",
    ),
    (
        "Hương",
        "Nguyễn Thị",
        date(1990, 6, 30),
        "America/Los_Angeles",
        "intake",
        70,
        "I have sent you the insurance card.",
    ),
    (
        "민서",
        "김",
        date(2001, 2, 11),
        "America/Chicago",
        "active_coaching",
        90,
        "어제는 잠을 잘 잤어요.",
    ),
    (
        "Juan Carlos",
        "de Oñate y Salazar",
        date(1966, 9, 5),
        "America/Phoenix",
        "active_coaching",
        110,
        "Gracias, hasta el lunes.",
    ),
)
_STORY = (
    "INSERT INTO timeline_stars (environment_id, patient_id, resource, row_id, starred_by) VALUES"
    " ($1, $2, $3, $4, $5)"
)
_CONSENT = """
INSERT INTO consent_records (environment_id, patient_id, resource, row_id, consent, given, how,
    received_on, note, recorded_by)
VALUES ($1, $2, 'phone_numbers', $3, $4, $5, $6, $7, $8, $9)
"""


async def appear(
    database: Database, store: Store, by: Actor, coach_id: str, now: datetime
) -> list[str]:
    """Sees to it that these patients are there, and returns their ids, who has most to see first.
    New, they are the coach's.

    All of them or none; where they are there already nothing is changed. ``now`` has an offset.
    """
    rng = Random("cast")  # noqa: S311 -- made-up data, which must come out the same each time
    ids = [guid(rng) for _ in range(1 + len(_OTHERS))]
    async with database.transaction() as connection:
        calendar = await connection.fetchval(
            "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2",
            by.environment_id,
            coach_id,
        )
        there = "SELECT 1 FROM patients WHERE environment_id = $1 AND id = $2"
        if calendar is None or await connection.fetchval(there, by.environment_id, ids[0]):
            return ids if calendar else []
        inside = store.within(connection)
        story = Story(ids[0], coach_id, calendar, now, rng).tell()
        for name, rows in _together(story.rows, _others(ids[1:], coach_id, now, rng)).items():
            await inside.load(
                by, BY_NAME[name], [filled(BY_NAME[name], row, now.date()) for row in rows]
            )
        for resource, row_id in story.starred:
            await connection.execute(
                _STORY, by.environment_id, ids[0], resource, row_id, f"worker:{coach_id}"
            )
        received = (
            (96, "opted_in_to_sms", True, "voice", "In the intake call"),
            (40, "opted_in_to_voicemail", False, "voice", ""),
        )
        for days, consent, consented, how, note in received:
            day = (now - timedelta(days=days)).date()
            values = (consent, consented, how, day, note, f"worker:{coach_id}")
            await connection.execute(_CONSENT, by.environment_id, ids[0], story.phone_id, *values)
        # Another system has corrected the number since.
        sync = Actor(by.environment_id, "ehr-sync", "api", by.request_id, whole=True)
        await inside.update(
            sync, BY_NAME["phone_numbers"], story.phone_id, {"phone_number": NUMBERS[1]}, None
        )
    return ids


def _others(ids: list[str], coach_id: str, now: datetime, rng: Random) -> dict[str, list[Row]]:
    """A patient each, with a number and a conversation."""
    rows: dict[str, list[Row]] = {
        name: []
        for name in ("patients", "phone_numbers", "conversations", "messages", "external_ids")
    }
    for number, (patient_id, (first, last, birthday, zone, phase, hours, text)) in enumerate(
        zip(ids, _OTHERS, strict=True)
    ):
        joined, answered = now - timedelta(days=20 + 9 * number), now - timedelta(hours=hours)
        about: Row = {
            "id": patient_id,
            "first_name": first,
            "last_name": last,
            "birthday": birthday.isoformat(),
            "timezone": zone,
        }
        rows["patients"].append(
            about | {"phase": phase, "coach_id": coach_id, "created_at": joined}
        )
        mine: dict[str, Any] = {"user_id": patient_id, "created_at": joined}
        phone = {
            "phone_number": f"555-555-01{40 + number}",
            "phone_number_type": "cell",
            "opted_in_to_sms": True,
        }
        rows["phone_numbers"].append({"id": guid(rng), **mine, **phone})
        conversation = guid(rng)
        rows["conversations"].append({"id": conversation, **mine, "conversation_type": "phone"})
        asked = {
            "worker_id": coach_id,
            "direction": "outbound",
            "contents": f"Hello {first}, how are you today?",
        }
        for values, at in (
            (asked, answered - timedelta(hours=2)),
            ({"direction": "inbound", "contents": text}, answered),
        ):
            message = {
                "id": guid(rng),
                "user_id": patient_id,
                "conversation_id": conversation,
                **values,
            }
            rows["messages"].append(message | {"send_time": iso(at), "created_at": at})
        mapping = {
            "id": guid(rng),
            "resource": "patients",
            "namespace": "kiwihealth_ehr",
            "external_id": f"MRN-CAST-{number + 1}",
        }
        rows["external_ids"].append(mapping | {"welkin_id": patient_id})
    return rows


def _together(*files: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """The rows of several files, in the order of the first."""
    return {name: [row for file in files for row in file.get(name, [])] for name in files[0]}
