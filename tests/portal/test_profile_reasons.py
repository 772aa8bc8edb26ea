"""The timeline says why something was done by itself, to whom may know it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.processes import firings
from almoner.processes.events import Event
from almoner.resources import BY_NAME
from tests.people import People, Person
from tests.portal.profiles import new_patient
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")


async def test_what_a_process_did_says_which_version_and_what_it_began_with(
    coach: Person, people: People, store: Store, program: int, database: Database
) -> None:
    chart = await new_patient(store, program)
    model = {"low_mood": "nearly every day", "lost_interest": "most days"}
    by = Actor(program, "test", "api", "test", whole=True)
    response = await store.create(
        by,
        BY_NAME["assessment_responses"],
        {"user_id": chart.id, "spec_id": "mood_check", "model": model},
    )
    now = datetime.now(UTC)
    event = Event(
        on="assessment_finished",
        of="mood_check",
        patient_id=chart.id,
        resource="assessment_responses",
        row_id=response.id,
        cause="a cause",
        at=now,
    )
    firing = firings.new(event, "low_mood", 1, (), now)
    by_process = Actor(program, "process:low_mood", "process", firing.id, whole=True)
    flow: dict[str, Any] = {"description": "Low mood", "diagnosis": None, "goals": []}
    started = await store.create(
        by_process, BY_NAME["care_flows"], {"user_id": chart.id, "care_flow": flow}
    )
    await store.update(
        by_process, BY_NAME["patients"], chart.id, {"phase": "active_coaching"}, None
    )
    async with database.transaction() as connection:
        # It has acted already: nobody is to do it again.
        await firings.add(connection, program, [(firings.stopped(firing, {}), 0)])
        effect = (firing.id, 0, "care_flows", started.id)
        await firings.note_effects(connection, program, [effect])
    page = (await coach.get(f"/patients/{chart.id}?show=all")).text
    why = re.findall(r"By itself: [^<]*", page)
    assert [text.strip() for text in why] == [
        "By itself: process “Low mood”, version 1. When Mood check is finished, if the band is needs"
        " follow-up."
    ] * 2
    assert page.count(f'href="/patients/{chart.id}/assessments/{response.id}" data-stop>What') == 2
    # The role of whom these answers are hidden from sees their own patients alone.
    async with await people(program, "community_health_worker") as outreach:
        await store.update(
            by, BY_NAME["patients"], chart.id, {"coach_id": outreach.worker_id}, None
        )
        page = (await outreach.get(f"/patients/{chart.id}?show=all")).text
    assert set(re.findall(r"By itself: [^<]*", page)) == {
        "By itself: process “Low mood”, version 1."
    }
    assert not Document(page).mentions("What it began with")
