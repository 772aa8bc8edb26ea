"""An assessment that has everything, as the tests of its editor begin with, and a second one that
must stay as it is.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from almoner.database import Database
from almoner.workshop import drafts
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.checks import design_from

PATH: Final = "/workshop/assessments/intake"
_INSURANCE: Final = {
    "heading": "Insurance",
    "description": "What is on the card.",
    "questions": [
        {"name": "insurer", "kind": "text", "label": "Who insures you?", "required": True},
        {
            "name": "plan",
            "kind": "choice",
            "label": "Which plan?",
            "choices": ["SILVER", "GOLD"],
            "points": {"GOLD": 2},
        },
    ],
}
_HEALTH: Final = {
    "heading": "Health",
    "footer": "Thank you.",
    "questions": [
        {
            "name": "pain",
            "kind": "scale",
            "label": "How strong is the pain?",
            "low": 0,
            "high": 10,
            "weight": 1,
        },
        {
            "name": "place",
            "kind": "choices",
            "label": "Where does it hurt?",
            "choices": ["Knee", "Back"],
            "shown_when": {"question": "pain", "above": 3},
        },
        {"name": "call", "kind": "boolean", "label": "Shall we call?"},
    ],
}
_BANDS: Final = [{"name": "mild", "low": 0, "high": 3}, {"name": "severe", "low": 6, "high": 12}]
_OTHER: Final = {
    "id": "other",
    "name": "Other",
    "sections": [
        {"heading": "Health", "questions": [{"name": "pain", "kind": "text", "label": "Noise"}]}
    ],
}


def program(*assessments: dict[str, Any]) -> dict[str, Any]:
    """A program of these assessments; of the two of this module where none is given."""
    intake = {
        "id": "intake",
        "name": "Intake",
        "sections": [_INSURANCE, _HEALTH],
        "scoring": {"bands": _BANDS},
    }
    return {
        "program": "Kiwi Health",
        "assessments": copy.deepcopy(list(assessments or (_OTHER, intake))),
        "sidebar": [{"title": "Pain", "shows": "chart", "of": "intake", "field": "pain"}],
    }


async def draft(
    database: Database,
    environment: int,
    design: dict[str, Any] | None = None,
    by: str = "Lesley Jones",
) -> str:
    """Saves a draft in an environment. Returns its revision as forms send it."""
    async with database.connection() as connection:
        base = (await drafts.current(connection, environment)).revision
        saved = await drafts.save(
            connection, environment, base, design_from(design or program()), by
        )
        return str(saved.revision)


async def stored(database: Database, environment: int, assessment_id: str = "intake") -> Assessment:
    """An assessment as the draft has it now."""
    async with database.connection() as connection:
        design = (await drafts.current(connection, environment)).design
    return next(assessment for assessment in design.assessments if assessment.id == assessment_id)


async def charted(database: Database, environment: int) -> list[str]:
    """What the charts of the draft draw."""
    async with database.connection() as connection:
        return [
            card.field for card in (await drafts.current(connection, environment)).design.sidebar
        ]
