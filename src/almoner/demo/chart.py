"""A patient's file while it is being made up, and the moments in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from almoner.data_api.declare import Row
from almoner.demo.people import DemoPerson
from almoner.demo.places import City
from almoner.resources import BY_NAME
from almoner.vocabulary import clocks


@dataclass(frozen=True, slots=True)
class DemoWorker:
    """A worker of the patient's team, with the id of the worker's calendar."""

    id: str
    first_name: str
    timezone: str
    calendar_id: str


@dataclass(frozen=True, slots=True)
class DemoPatient:
    """Who the patient is. ``days``: for how many days they have been in the program, at least
    six.
    """

    seed: int
    index: int
    id: str
    person: DemoPerson
    place: City
    conditions: tuple[str, ...]
    days: int
    phase: str
    team: tuple[DemoWorker, ...]

    @property
    def coach(self) -> DemoWorker:
        return self.team[0]

    @property
    def record_number(self) -> str:
        """The patient's number in the clinic's record system; no two patients of any two seeds have
        the same.
        """
        return f"MRN-{self.seed}-{self.index + 20417:06d}"


@dataclass(frozen=True, slots=True)
class PatientRows:
    """The rows of one patient by collection, and the source of chance that they come from.

    How often chance is asked must not depend on ``today``: the ids come from it too.
    """

    rng: Random
    today: date
    client: DemoPatient
    rows: dict[str, list[Row]]

    @property
    def joined(self) -> datetime:
        """When the patient was entered: in the morning, by the clocks where they live."""
        return moment(
            self.today,
            self.client.days,
            9 * 60 + self.client.index % 420,
            self.client.place.timezone,
        )

    @property
    def latest(self) -> datetime:
        """The last moment that has certainly passed."""
        return datetime.combine(self.today, time(), UTC)

    def add(self, collection: str, created_at: datetime, **values: Any) -> str:
        """Adds a row about the patient; returns its id."""
        row_id, owner = guid(self.rng), BY_NAME[collection].patient or ""
        self.rows[collection].append(
            {"id": row_id, owner: self.client.id, **values, "created_at": created_at}
        )
        return row_id

    def map(self, namespace: str, collection: str, row_id: str, external_id: str) -> None:
        """Adds a mapping to an id of another system."""
        row = {
            "id": guid(self.rng),
            "resource": collection,
            "namespace": namespace,
            "external_id": external_id,
        }
        self.rows["external_ids"].append({**row, "welkin_id": row_id})

    def sometime(self) -> datetime:
        """A moment of the day between the patient's coming and yesterday."""
        return moment(
            self.today,
            self.rng.randrange(2, self.client.days),
            self.rng.randrange(8 * 60, 20 * 60),
            self.client.place.timezone,
        )

    def times(self, count: int) -> list[datetime]:
        """So many such moments, the earliest first."""
        return sorted(self.sometime() for _ in range(count))


def guid(rng: Random) -> str:
    """A version 4 UUID (RFC 9562) out of this source of chance."""
    bits = rng.getrandbits(128) & ~(0xF000 << 64) & ~(0xC << 60) | (0x4000 << 64) | (0x8 << 60)
    digits = f"{bits:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def moment(today: date, days_ago: int, minute: int, timezone: str) -> datetime:
    """The moment (UTC) at which it was, so many days ago, this minute of the day in the time
    zone.
    """
    return clocks.earliest(
        today - timedelta(days=days_ago), time(minute // 60, minute % 60), timezone
    )
