"""What the tests of panels are about: patients of a coach and of others, and what is shown of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME
from almoner.vocabulary.times import iso
from tests.people import Person
from tests.portal.chart import Chart


class Practice:
    """Patients of a coach and of others, with what a panel shows of them."""

    def __init__(self, chart: Chart, coach: Person) -> None:
        self.chart, self.coach = chart, coach

    async def patient(self, name: str, mine: bool = True, **more: Any) -> str:
        fields = {
            "phase": "intake",
            "timezone": "US/Eastern",
            "first_name": name,
            "last_name": "Hopper",
            "birthday": "1906-12-09",
        } | ({"coach_id": self.coach.worker_id} if mine else {})
        return await self.chart.make("patients", **(fields | more))

    async def change(self, patient: str, **fields: Any) -> None:
        by = Actor(self.chart.environment, "test", "cli", "elsewhere", whole=True)
        await self.chart.store.update(by, BY_NAME["patients"], patient, fields, None)

    async def pain(self, patient: str, level: int) -> None:
        model = {"level": level} | ({"place": "knee"} if level > 3 else {})
        await self.chart.make("assessment_responses", spec_id="pain", user_id=patient, model=model)

    async def flow(self, patient: str, days: int, done: int = 0, steps: int = 2) -> None:
        due = iso(datetime.now(UTC) + timedelta(days=days))
        listed = [
            {"title": f"Step {n}", "reminder_date": due}
            | (
                {"completed_at": due, "completed_by_worker_id": self.coach.worker_id}
                if n < done
                else {}
            )
            for n in range(steps)
        ]
        body = {"description": "Flow", "goals": [{"title": "Goal", "interventions": listed}]}
        await self.chart.make("care_flows", user_id=patient, care_flow=body)


def ids(text: str) -> list[str]:
    """The patients of a panel, in its order."""
    return re.findall(r'data-stop href="/patients/([0-9a-f-]{36})"', text)
