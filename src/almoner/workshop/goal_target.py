"""The number by which a goal of a care flow is reached, as a designer states it, and as a flow of
one patient has it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta, Struct

from almoner.workshop.assessment_design import FieldDesign
from almoner.workshop.design_words import about

# What a target is ``of`` where it is a field of the patient.
PATIENT: Final = "patient"


class GoalTarget(
    Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"begins_at": "from"}
):
    """A number that tells whether a goal is reached. ``of`` and ``field`` name it as a card of the
    profile does, ``choice`` which of the records of a type count.
    """

    is_whole: ClassVar[bool] = True

    of: Annotated[
        str,
        about(
            "Measured by",
            "An assessment, a custom data type, or patient for a field of theirs.",
            widget="redraws",
        ),
    ]
    field: Annotated[
        str, about("Number", "The question or field. The score where it is blank.")
    ] = ""
    choice: Annotated[
        str,
        about(
            "Of what",
            "For records that begin by choosing what is measured: which of the choices, such as"
            " hba1c.",
        ),
    ] = ""
    begins_at: Annotated[
        int | float | None,
        about("From", "Where it begins. The value as the flow begins where nothing is said."),
    ] = None
    value: Annotated[int | float, about("Target", "The goal is reached at this number.")]
    direction: Annotated[
        Literal["down", "up"],
        about("Direction", "down: reached at the target or below it. up: at it or above."),
    ]
    in_days: Annotated[
        Annotated[int, Meta(ge=1, le=3650)] | None,
        about("By when, in days", "Days after the flow begins. No day where blank."),
    ] = None


def begun(target: GoalTarget | None, day: date | None) -> dict[str, Any]:
    """The ``target`` of a goal in a flow that begins on a day, as its collection has it; nothing
    where the goal has none. Without a day it has no end."""
    if target is None:
        return {}
    by = None
    if day is not None and target.in_days is not None:
        by = (day + timedelta(days=target.in_days)).isoformat()
    return {
        "target": {
            "of": target.of,
            "field": target.field or None,
            "choice": target.choice or None,
            "from": target.begins_at,
            "value": target.value,
            "direction": target.direction,
            "by": by,
        }
    }


def choosing(fields: tuple[FieldDesign, ...]) -> FieldDesign | None:
    """The field of a custom data type that says what a record's numbers are of: the first choice
    that is required. None where all records of the type are of the same.
    """
    return next((field for field in fields if field.kind == "choice" and field.required), None)
