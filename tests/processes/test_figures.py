"""The figures of patients follow answers one by one, and are as if all were counted anew."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from almoner.data_api.writes import Actor
from almoner.figures.follower import FigureFollower
from almoner.resources import BY_NAME
from tests.processes.conftest import Place
from tests.processes.test_acting import LOW, PROGRAM, answer

OTHER = """
  - id: sleep
    name: Sleep
    sections:
      - questions:
          - {name: low, kind: scale, low: 0, high: 6, weight: 1}
    scoring: {bands: [{name: short, low: 0, high: 6}]}
"""


async def figures(place: Place) -> list[dict[str, Any]]:
    """All of them, once the log has been read."""
    while await place._is_unsettled():
        await asyncio.sleep(0.02)
    await FigureFollower(place.database).look()
    return await place.rows(
        "SELECT patient_id::text, figure, number, word, before FROM patient_figures"
        " WHERE environment_id = $1 ORDER BY patient_id, figure"
    )


async def test_an_answer_changes_the_score_of_its_assessment_alone(place: Place) -> None:
    program = PROGRAM.replace("custom_data_types:", f"{OTHER[1:]}custom_data_types:")
    await place.publish(program + LOW)
    patient, noise = await place.patient(), await place.patient()
    await answer(place, noise, 1)
    await place.create(
        "assessment_responses", {"user_id": patient, "spec_id": "sleep", "model": {"low": 4}}
    )
    await place.create("patient_tasks", {"user_id": patient, "task_type": "survey"})
    before = await figures(place)
    assert [row["figure"] for row in before if row["patient_id"] == patient] == [
        "score.sleep",
        "tasks",
    ]
    mood = {"patient_id": patient, "figure": "score.mood", "number": 6.0, "word": "low"}
    await answer(place, patient, 6)
    assert await figures(place) == sorted(
        [*before, mood | {"before": None}], key=lambda row: (row["patient_id"], row["figure"])
    )
    await answer(place, patient, 2)
    now = [row for row in await figures(place) if row["figure"] == "score.mood"]
    assert mood | {"number": 2.0, "word": "fine", "before": 6.0} in now
    # What was answered long ago and is loaded now is neither the newest nor the one before.
    by = Actor(place.environment, "test", "api", "test", whole=True)
    old = {"user_id": patient, "spec_id": "mood", "model": {"low": 5}}
    loaded = old | {"created_at": datetime.now(UTC) - timedelta(days=400)}
    await place.store.load(by, BY_NAME["assessment_responses"], [loaded])
    counted = await figures(place)
    assert [row for row in counted if row["figure"] == "score.mood"] == now
    async with place.database.connection() as connection:
        await connection.execute("DELETE FROM patient_figures")
        await connection.execute("DELETE FROM figure_positions")
    assert await figures(place) == counted
