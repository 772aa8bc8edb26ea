"""What values are, by their JSON Schema: what a column of a table holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# What a column holds. Ids and times are distinguished from other texts where a database can.
TEXT, ID, INTEGER, NUMBER, BOOLEAN, TIME, DATE, JSON = (
    "text",
    "id",
    "integer",
    "number",
    "boolean",
    "time",
    "date",
    "json",
)
_FORMATS: Final = {"uuid": ID, "date-time": TIME, "date": DATE}
_TYPES: Final = {
    "string": TEXT,
    "integer": INTEGER,
    "number": NUMBER,
    "boolean": BOOLEAN,
    "object": JSON,
    "array": JSON,
}


def kind_of(schema: Mapping[str, Any]) -> str:
    """What a column of such values holds; JSON where they may be of several kinds."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else [t for t in types if t != "null"]
    if types == ["string"]:
        return _FORMATS.get(schema.get("format", ""), TEXT)
    if set(types) == {"integer", "number"}:
        return NUMBER
    return _TYPES.get(types[0], JSON) if len(types) == 1 else JSON
