"""The JSON Schema of a program file: what an editor completes by and underlines while somebody
types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from almoner.workshop.design import ProgramDesign
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.placeholders import PLACEHOLDERS

FILE_NAME: Final = "program.schema.json"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TITLES: Final = {
    "ProgramDesign": "Program",
    "FieldDesign": "Field",
    "CareFlowTemplate": "Care flow",
    "GoalTarget": "Target of a goal",
    "CustomDataType": "Custom data type",
    "AppointmentType": "Appointment type",
    "TaskType": "Task type",
    "MessageTemplate": "Message template",
    "CallOutcome": "Call outcome",
    "NoteType": "Note type",
    "SidebarModule": "Card of the profile",
}


def schema() -> dict[str, Any]:
    """The schema, derived from ``design``. It is about shapes; what refers to what is checked by
    ``almoner workshop check``.
    """
    [top], definitions = msgspec.json.schema_components(
        [ProgramDesign], ref_template="#/$defs/{name}"
    )
    for name, definition in definitions.items():
        definition["title"] = _TITLES.get(name, name)
        definition["description"] = _first_sentence(definition["description"])
        definition["additionalProperties"] = False
    for part in _mappings(definitions):
        _tidy(part)
    kind = {
        "enum": list(FIELD_KINDS),
        "description": "\n".join(f"{name}: {kind.about}" for name, kind in FIELD_KINDS.items()),
    }
    for name in ("FieldDesign", "Question"):
        definitions[name]["properties"]["kind"] |= kind
    # A condition names its question and states exactly one test.
    definitions["Condition"] |= {"minProperties": 2, "maxProperties": 2}
    known = ", ".join(PLACEHOLDERS)
    definitions["MessageTemplate"]["properties"]["body"]["description"] = (
        f"Names in double braces are filled in. Known: {known}."
    )
    return {"$schema": _DIALECT, "$id": FILE_NAME, "$ref": top["$ref"], "$defs": definitions}


def text() -> str:
    """The JSON Schema of a program file, as docs/reference and the command publish it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _first_sentence(docstring: str) -> str:
    return re.split(r"[.;](?: |$)", " ".join(docstring.split()))[0] + "."


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in list(value.values()):
            yield from _mappings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _mappings(inner)


def _tidy(part: dict[str, Any]) -> None:
    """Leaves out that something may be null: in a file it is left out then. Lists of text hold each
    text once.
    """
    options = part.get("anyOf")
    if isinstance(options, list):
        # A whole number is a number too.
        left_out = [
            {"type": "null"},
            *([{"type": "integer"}] if {"type": "number"} in options else ()),
        ]
        remaining = [option for option in options if option not in left_out]
        if len(remaining) == 1:
            del part["anyOf"]
            part |= {name: value for name, value in remaining[0].items() if name not in part}
        else:
            part["anyOf"] = remaining
    if part.get("default", ...) is None:
        del part["default"]
    items = part.get("items")
    if (
        part.get("type") == "array"
        and isinstance(items, dict)
        and (items.get("type") == "string" or "enum" in items)
    ):
        part["uniqueItems"] = True
