"""What the OpenAPI document and the reference say of ``/v1/program``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from almoner.access.policy import PROGRAM
from almoner.data_api.describe import Addition
from almoner.data_api.describe_answers import not_modified, refusals, success
from almoner.vocabulary.kinds import Schema
from almoner.vocabulary.times import IsoDateTime
from almoner.workshop.assessment_design import Assessment, AssessmentSection, Question
from almoner.workshop.design import Phase, ProgramDesign
from almoner.workshop.program_api import PATH, program_json

_ABOUT: Final = (
    "What the environment's program defines, as published. The keys are those of a program file:"
    " docs/program.md."
)
_TEXT: Final = (
    "The newest version, or the one that `version` names. Each assessment and custom data type"
    " tells its own `version`, which grows when it changes, and in `schema` the JSON Schema of what"
    " fits it. A group without items is left out. Send the `ETag` as `If-None-Match` to learn"
    " whether anything has been published since."
)
_EXAMPLE: Final = program_json(
    3,
    datetime(2018, 9, 12, 1, 27, 32, 31245, UTC),
    ProgramDesign(
        name="Kiwi Health",
        phases=(
            Phase(name="intake", title="Intake", next=("graduated",)),
            Phase(name="graduated", title="Graduated", next=()),
        ),
        assessments=(
            Assessment(
                id="mood_check",
                name="Mood check",
                sections=(
                    AssessmentSection(
                        questions=(
                            Question(name="low_mood", kind="boolean", label="Low?", required=True),
                        )
                    ),
                ),
            ),
        ),
    ),
    {("assessment", "mood_check"): 2},
)
_GROUPS: Final = {
    "phases": "Where a patient is on the way through the program.",
    "appointment_types": "Kinds of appointment.",
    "assessments": (
        "Forms whose answers are kept, each with its `version` and the `schema` of its model."
    ),
    "custom_data_types": (
        "Records in the program's own form, each with its `version` and the `schema` of its body."
    ),
    "care_flows": "Goals and steps that coaches start from.",
    "task_types": "Kinds of task that a patient is shown.",
    "message_templates": "Words that coaches begin a message with.",
    "call_outcomes": "What can come of a call, besides what every program has.",
    "note_types": "Kinds of note, each with what it begins with.",
    "processes": "What is done by itself when something happens.",
    "roles": "What workers may do and see.",
    "sidebar": "The cards beside a patient's timeline.",
}
_LIST: Final[Schema] = {"type": "array", "items": {"type": "object"}}
_STRING: Final[Schema] = {"type": "string"}
_VERSIONED: Final[dict[str, Schema]] = {
    "assessments": {"id": _STRING, "name": _STRING, "sections": _LIST},
    "custom_data_types": {"name": _STRING, "fields": _LIST},
}


def addition(enveloped: bool = False) -> Addition:
    """The description of the operation in one of the shapes."""
    scope = (f"{PROGRAM}.read", "The published program.")
    return Addition(
        PROGRAM, _ABOUT, (scope,), {PATH: {"get": _operation(enveloped)}}, {"Program": _schema()}
    )


def _operation(enveloped: bool) -> dict[str, Any]:
    reference: Schema = {"$ref": "#/components/schemas/Program"}
    schema = (
        {"type": "object", "properties": {"data": reference}, "required": ["data"]}
        if enveloped
        else reference
    )
    example = {"data": _EXAMPLE} if enveloped else _EXAMPLE
    return {
        "operationId": "getProgram",
        "tags": [PROGRAM],
        "summary": "Get the program",
        "description": _TEXT,
        "security": [{"bearer": [f"{PROGRAM}.read"]}],
        "parameters": [
            {
                "name": "version",
                "in": "query",
                "description": "An older version of the program; the newest when left out.",
                "schema": {"type": "integer", "minimum": 1},
                "example": 1,
            },
            {
                "name": "If-None-Match",
                "in": "header",
                "description": (
                    "The `ETag` of the program that the caller has; 304 where it is still that."
                ),
                "schema": {"type": "string"},
                "example": '"5f2c9a41d07b1a3e5f2c9a41d07b1a3e"',
            },
        ],
        "responses": {
            "200": success("The program.", schema, example, "ETag"),
            "304": not_modified(),
            **refusals(400, 401, 403, 404),
        },
    }


def _schema() -> Schema:
    """The parts are those of the program file's schema, docs/reference/program.schema.json."""
    number: Schema = {"type": "integer", "minimum": 1}
    groups = {
        name: {
            "type": "array",
            "items": _versioned(_VERSIONED[name]) if name in _VERSIONED else {"type": "object"},
            "description": text,
        }
        for name, text in _GROUPS.items()
    }
    properties: dict[str, Any] = {
        "version": {**number, "description": "The version of the program as a whole."},
        "published_at": {**IsoDateTime().schema(), "description": "When it was published."},
        "program": {"type": "string", "description": "Its name."},
        **groups,
        "terminology": {
            "type": "object",
            "description": "What the program calls people, where it is not the usual.",
        },
    }
    return {
        "type": "object",
        "properties": properties,
        "required": ["version", "published_at", "program"],
    }


def _versioned(own: Schema) -> Schema:
    named = {**own, "version": {"type": "integer", "minimum": 1}, "schema": {"type": "object"}}
    return {"type": "object", "properties": named, "required": ["version", "schema"]}
