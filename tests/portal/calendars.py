"""What the tests of the calendar share: workers with calendars, patients in other zones, and
appointments that must never show.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from almoner.vocabulary.times import iso
from tests.people import Person
from tests.programs import published

PROGRAM: Final = """
program: Kiwi Health
phases: [{name: intake}]
appointment_types:
  - {name: intake_call, title: Intake call, minutes: 45}
  - {name: home_visit, title: Home visit, minutes: 90, modalities: [visit]}
  - {name: other, title: Something else}
roles:
  - {name: helper, may: [give_care], patients: own}
  - {name: nurse, may: [give_care]}
"""
# Where the people of the tests are: Person lives in US/Eastern.
HERE: Final = "US/Eastern"


@dataclass
class Book:
    """An environment with the program, and what writes into it."""

    environment: int
    database: Database
    store: Store

    @property
    def by(self) -> Actor:
        return Actor(self.environment, "test", "cli", "test", whole=True)

    async def create(self, resource: str, **values: Any) -> str:
        return (await self.store.create(self.by, BY_NAME[resource], values)).id

    async def patient(
        self,
        first_name: str = "Grace",
        last_name: str = "Hopper",
        timezone: str = "US/Central",
        calls: bool = True,
        **fields: Any,
    ) -> str:
        """``calls``: with a phone number that they agreed to be called at."""
        values = {
            "first_name": first_name,
            "last_name": last_name,
            "timezone": timezone,
            "phase": "intake",
        }
        patient = await self.create("patients", birthday="1950-01-01", **values, **fields)
        if calls:
            await self.number(patient, opted_in_to_phone=True)
        return patient

    async def number(self, patient: str, number: str = "415-555-0100", **values: Any) -> str:
        return await self.create(
            "phone_numbers",
            user_id=patient,
            phone_number=number,
            phone_number_type="cell",
            **values,
        )

    async def calendar(self, worker: Person) -> str:
        calendar_id: str = await self.value(
            "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2",
            worker.worker_id,
        )
        return calendar_id

    async def event(
        self, worker: Person, patient: str, start: datetime, minutes: int = 30, **fields: Any
    ) -> str:
        times = {"start_time": iso(start), "end_time": iso(start + timedelta(minutes=minutes))}
        values = {"modality": "phone", "appointment_type": "intake_call", **times, **fields}
        return await self.create(
            "calendar_events", calendar_id=await self.calendar(worker), user_id=patient, **values
        )

    async def all_day(self, worker: Person, patient: str, day: date) -> str:
        return await self.event(
            worker, patient, datetime.now(UTC), start_time=None, end_time=None, day=day.isoformat()
        )

    async def row(self, event_id: str) -> dict[str, Any]:
        async with self.database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT * FROM calendar_events WHERE environment_id = $1 AND id = $2",
                self.environment,
                event_id,
            )
        return dict(row)

    async def value(self, sql: str, *parameters: Any) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchval(sql, self.environment, *parameters)

    async def hours(self, worker: Person, *spans: tuple[int, int, int]) -> None:
        async with self.database.connection() as connection:
            await connection.executemany(
                "INSERT INTO working_hours VALUES ($1, $2, $3, $4, $5)",
                [(self.environment, worker.worker_id, *span) for span in spans],
            )


async def new_book(environment: int, database: Database, store: Store) -> Book:
    async with database.connection() as connection:
        await published(connection, environment, PROGRAM)
    return Book(environment, database, store)


def at(day: date, hour: int, minute: int = 0, zone: str = HERE) -> datetime:
    """A time of day in a zone, as a moment."""
    return datetime.combine(day, time(hour, minute), ZoneInfo(zone)).astimezone(UTC)


def coming(weekday: int) -> date:
    """The next day of this weekday (Monday is 0) at least three days away, on which no clock of the
    tests changes.
    """
    day = datetime.now(UTC).date() + timedelta(days=3)
    while day.weekday() != weekday or ZoneInfo(HERE).utcoffset(
        datetime.combine(day, time(0))
    ) != ZoneInfo(HERE).utcoffset(datetime.combine(day, time(23))):
        day += timedelta(days=1)
    return day


def words(page: str) -> str:
    """What a person reads of a page, in one line."""
    bare = re.sub(r"<(script|style|head).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def was_fields(page: str) -> list[tuple[str, str]]:
    """The hidden fields that a form was made from."""
    matches = re.findall(
        r'<input type="hidden" name="(updated_at|was\.[^"]+)" value="([^"]*)"', page
    )
    return [(name, html.unescape(value)) for name, value in matches]


def known(page: str) -> list[tuple[str, str]]:
    """What a form sends with ``anyway`` of the reasons that it told."""
    return [
        ("known", value)
        for value in re.findall(r'<input type="hidden" name="known" value="([^"]*)"', page)
    ]
