"""How often a page of the portal asks the database (docs/architecture.md says how often that is)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Final

import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from tests.pages.inhabited import busiest_patient, inhabited
from tests.people import People, Person
from tests.portal.profiles import Chart, new_patient

pytestmark = pytest.mark.usefixtures("program")

_MOST_OF_A_PROFILE: Final = 12


async def test_a_full_profile_takes_at_most_twelve(
    people: People, database: Database, store: Store, sent: list[str]
) -> None:
    async with await inhabited(people, database, store, "kiwi-round-trips", 12) as person:
        page = f"/patients/{await busiest_patient(database, person)}"
        # Published designs are read once a process, and columns of statements.
        first = await person.get(page)
        sent.clear()
        again = await person.get(page)
    assert first.text.count('class="card"') == again.text.count('class="card"') > 8
    assert 0 < len(sent) <= _MOST_OF_A_PROFILE, "\n\n".join(sent)


async def test_a_flow_is_read_once_where_an_intervention_is_completed(
    coach: Person, program: int, store: Store, sent: list[str]
) -> None:
    grace = await new_patient(store, program)
    for place in ("card", "page"):
        here = f"/patients/{grace.id}/care-flows/{await _flow(grace)}"
        base = re.search(r'name="was.care_flow" value="([^"]*)"', (await coach.get(here)).text)
        assert base
        pairs = {"was.care_flow": unescape(base[1]), "do": "complete:0.0", "from": place}
        sent.clear()
        answer = await coach.send_form(here, htmx=True, **pairs)
        assert answer.status_code == (204 if place == "card" else 200), answer.text
        assert sum("FROM care_flows f" in query for query in sent) == 1, place


async def _flow(chart: Chart) -> str:
    due = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    step = {"title": "Call them", "reminder_date": due}
    goals = [{"title": "Make a plan", "interventions": [step]}]
    return await chart.add("care_flows", care_flow={"description": "Begin well", "goals": goals})
