"""What the tests of a profile share: a patient about whom things happen, and how the timeline is
read.
"""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME

DAY = timedelta(days=1)
PATIENT = {
    "phase": "intake",
    "timezone": "America/Los_Angeles",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


class Chart:
    """Writes rows about one patient as somebody inside the house."""

    def __init__(self, store: Store, environment: int, patient_id: str = "") -> None:
        self.store, self.by, self.id = (
            store,
            Actor(environment, "test", "cli", "test", whole=True),
            patient_id,
        )

    async def add(self, collection: str, **values: Any) -> str:
        """Adds a row; returns its id."""
        resource = BY_NAME[collection]
        body = values if resource.patient != "user_id" else {"user_id": self.id, **values}
        written = await self.store.create(self.by, resource, body)
        return str(msgspec.json.decode(written.body)["id"])

    async def change(self, collection: str, row_id: str, **values: Any) -> None:
        """Changes a row."""
        await self.store.update(self.by, BY_NAME[collection], row_id, values, None)


async def new_patient(store: Store, environment: int, **values: Any) -> Chart:
    """A patient with nothing about them yet."""
    chart = Chart(store, environment)
    chart.id = await chart.add("patients", **(PATIENT | values))
    return chart


async def summary(
    chart: Chart, contents: str, at: datetime | None = None, conversation: str = ""
) -> str:
    """A message of the patient."""
    conversation = conversation or await chart.add("conversations", conversation_type="phone")
    values = {} if at is None else {"send_time": at.isoformat()}
    return await chart.add(
        "messages", conversation_id=conversation, direction="inbound", contents=contents, **values
    )


async def booked(chart: Chart, store: Store, worker_id: str, start: datetime, **values: Any) -> str:
    """An appointment of half an hour on the worker's calendar."""
    async with store._database.connection() as connection:
        calendar = await connection.fetchval(
            "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2",
            chart.by.environment_id,
            worker_id,
        )
    body = {
        "calendar_id": calendar,
        "start_time": start.isoformat(),
        "end_time": (start + timedelta(minutes=30)).isoformat(),
        "modality": "phone",
        "appointment_type": "intake_call",
    }
    return await chart.add("calendar_events", **(body | values))


def timeline(page: httpx.Response) -> str:
    """The part of a page that is the timeline's entries; a fragment of older ones is nothing
    else.
    """
    _, separator, behind = page.text.partition('<ol class="entries"')
    return (
        behind.partition("</ol>")[0]
        if separator
        else page.text
        if page.text.lstrip().startswith("<li")
        else ""
    )


def read(page: str) -> str:
    """What people read, and what is read to them."""
    text = re.sub(r"<[^>]+>", " ", re.sub(r'<span aria-hidden="true">[^<]*</span>', "", page))
    return re.sub(r"\s+([,:])", r"\1", re.sub(r"\s+", " ", html.unescape(text)))


def titles(page: httpx.Response) -> list[str]:
    """What the timeline's entries are called, from top to bottom."""
    matches = re.findall(r'<div class="grow">\s*<p>(?:<a[^>]*>)?([^<]*)', timeline(page))
    return [row.strip() for row in matches]
