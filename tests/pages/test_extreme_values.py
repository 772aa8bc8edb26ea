"""No stored value takes a page down: rows with the first and the last of every date and time, and
each page visited with them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from almoner.app import PAGES
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources.care_flows import care_flows
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.kinds import Kind
from almoner.vocabulary.times import IsoDate, IsoDateTime
from almoner.workshop.assessment_design import FieldDesign
from almoner.workshop.field_kinds import kind_of
from almoner.workshop.published_programs import design_of
from tests.conftest import Api
from tests.contract.rows import only_row
from tests.people import People, Person

# What other systems write for "not set" and "without an end", and notations that are taken but not
# usual.
MOMENTS = (
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59.999999Z",
    "2026-03-08t02:30:00,5 23:59",
    "2026-11-01 05:30",
)
DAYS = ("0001-01-01", "9999-12-31", "2024-02-29")
# Fourteen hours ahead of UTC, and twelve behind it.
ZONES = ("Pacific/Kiritimati", "Etc/GMT+12")
# A stream has no end, and a page for strangers no rows.
LEFT_OUT = re.compile(r"/live$|^/sign-|^/reset/|^/session")


@dataclass
class Rows:
    """Ids by the name that the routes give them, of one patient."""

    patient: str
    worker: str
    ids: dict[str, list[str]] = field(default_factory=dict)

    def keep(self, name: str, row: dict[str, Any]) -> dict[str, Any]:
        self.ids.setdefault(name, []).append(row["id"])
        return row

    def addresses(self, path: str) -> Iterator[str]:
        """The addresses of a route, with each of these rows."""
        known = {
            **self.ids,
            "id": (
                self.ids["event"]
                if path.startswith("/calendar/events")
                else [self.worker if "workers" in path else self.patient]
            ),
            "worker": [self.worker],
            "number": ["0", "1", "2", "3", "4", "5", "6", "conversation"],
        }
        names = re.findall(r"\{(\w+)(?::path)?\}", path)
        for chosen in itertools.product(*(known.get(name, ["nothing"]) for name in names)):
            address = path
            for name, value in zip(names, chosen, strict=True):
                address = re.sub(rf"\{{{name}(:path)?\}}", value, address)
            yield address


def filled(kind: Kind, moment: str, day: str) -> Any:
    """A value of a kind: an extreme one where it is about time."""
    if isinstance(kind, IsoDateTime):
        return moment
    if isinstance(kind, IsoDate):
        return day
    return kind.values[0] if isinstance(kind, Choice) else None


def body(fields: tuple[FieldDesign, ...], moment: str, day: str) -> dict[str, Any]:
    """Values for what is about time or required."""
    values = {}
    for member in fields:
        kind = kind_of(member)
        value = filled(kind, moment, day)
        if value is None and member.required:
            value = kind.example() if member.low is None else int(member.low)
        values[member.name] = value
    return {name: value for name, value in values.items() if value is not None}


async def _events(api: Api, rows: Rows, calendar: str) -> None:
    values = {
        "calendar_id": calendar,
        "user_id": rows.patient,
        "modality": "call",
        "appointment_type": "intake_call",
    }
    spans = [
        *itertools.pairwise(
            (
                "0001-01-01T00:00:00",
                "0001-01-01T01:00:00",
                "9999-12-31T23:00:00",
                "9999-12-31T23:59:59.999999",
            )
        )
    ]
    for start, end in [*spans, ("2026-11-30T00:00:00", "9999-12-31T23:59:59")]:
        rows.keep(
            "event",
            only_row(
                await api.post(
                    "/v1/calendar_events", json={**values, "start_time": start, "end_time": end}
                )
            ),
        )
    for day in DAYS:
        rows.keep(
            "event", only_row(await api.post("/v1/calendar_events", json={**values, "day": day}))
        )


async def _written(api: Api, store: Store, inside: Actor, database: Database, rows: Rows) -> None:
    conversation = only_row(
        await api.post(
            "/v1/conversations", json={"user_id": rows.patient, "conversation_type": "phone"}
        )
    )
    rows.keep("conversation", conversation)
    for moment, direction in itertools.product(MOMENTS, ("inbound", "outbound")):
        values = {
            "user_id": rows.patient,
            "conversation_id": conversation["id"],
            "direction": direction,
            "contents": "Hello",
        }
        sender = {"worker_id": rows.worker} if direction == "outbound" else {}
        rows.keep(
            "message",
            only_row(
                await api.post("/v1/messages", json={**values, **sender, "send_time": moment})
            ),
        )
    for moment in MOMENTS:
        steps = [
            {"title": "open", "reminder_date": moment, "worker_id": rows.worker},
            {
                "title": "done",
                "reminder_date": moment,
                "completed_at": moment,
                "completed_by_worker_id": rows.worker,
            },
        ]
        flow = {"description": "extreme", "goals": [{"title": "goal", "interventions": steps}]}
        written = await store.create(
            inside, care_flows, {"user_id": rows.patient, "care_flow": flow}
        )
        rows.ids.setdefault("flow", []).append(written.id)
    async with database.connection() as connection:
        design = await design_of(connection, inside.environment_id, 1)
    for moment, day in itertools.product(MOMENTS, DAYS):
        for kind in design.custom_data_types:
            if kind.records == "many":
                row = {
                    "user_id": rows.patient,
                    "type_name": kind.name,
                    "body": body(kind.fields, moment, day),
                }
                rows.keep(
                    "record", only_row(await api.post("/v1/custom_data_type_records", json=row))
                )
        for assessment in design.assessments:
            asked = tuple(
                question for question in assessment.questions if question.shown_when is None
            )
            row = {
                "user_id": rows.patient,
                "spec_id": assessment.id,
                "model": body(asked, moment, day),
            }
            rows.keep("response", only_row(await api.post("/v1/assessment_responses", json=row)))


async def visited(person: Person, rows: Rows) -> list[str]:
    """Which pages failed, of all that there are."""
    queries = (
        "",
        "?of=all",
        "?tab=overdue",
        "?sort=next",
        "?zone=mine",
        "?until=9998-12-31",
        "?until=1900-01-01",
    )
    calendar = [
        f"/calendar?view={view}&date={day}"
        for view in ("day", "week", "month")
        for day in ("1900-01-01", "2200-12-31")
    ]
    addresses = (
        [f"/patients/{rows.patient}{query}" for query in queries]
        + [f"/inbox{query}" for query in queries]
        + calendar
    )
    addresses += [f"/patients{query}" for query in queries]
    for page in PAGES:
        if "GET" in page.methods and not LEFT_OUT.search(page.path):
            addresses += rows.addresses(page.path)
    failed = []
    for address in addresses:
        answer = await person.get(address)
        if answer.status_code >= 500:
            failed.append(f"{address} answered {answer.status_code}")
    return failed


@pytest.mark.parametrize(
    ("theirs", "mine"), [ZONES, pytest.param(*ZONES[::-1], marks=pytest.mark.slow)]
)
@pytest.mark.slow
async def test_no_value_that_the_api_takes_takes_a_page_down(
    theirs: str,
    mine: str,
    people: People,
    program: int,
    api: Api,
    store: Store,
    inside: Actor,
    database: Database,
) -> None:
    async with await people(program, "coach", "designer", "admin") as person:
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE workers SET timezone = $3 WHERE environment_id = $1 AND id = $2",
                program,
                person.worker_id,
                mine,
            )
        calendar = (await api.get("/v1/calendars", params={"worker_id": person.worker_id})).json()[
            0
        ]["data"][0]["id"]
        named = {
            "first_name": "Ada",
            "last_name": "King",
            "phase": "intake",
            "coach_id": person.worker_id,
        }
        for birthday in DAYS:
            values = {**named, "timezone": theirs, "birthday": birthday}
            patient = only_row(await api.post("/v1/patients", json=values))
        rows = Rows(patient["id"], person.worker_id)
        await _events(api, rows, calendar)
        await _written(api, store, inside, database, rows)
        assert await visited(person, rows) == []
