"""The digest in the OpenAPI document: its operation and its schema."""

from __future__ import annotations

from typing import Any

from almoner.data_api import describe_examples as examples
from almoner.data_api import describe_schemas as schemas
from almoner.data_api.describe_answers import refusals, success
from almoner.data_api.describe_operations import Described, Operation
from almoner.vocabulary.kinds import Schema

_ABOUT = (
    "How many rows of a collection there are, and a digest of them that does not depend on their"
    " order: the sum, modulo 2**64, of a hash of each row, as sixteen hexadecimal digits. Whoever"
    " keeps a copy computes the same of it, and finds the rows that differ by going down the tree"
    " of ids with `prefix`. The hash of a row is the first eight bytes of the SHA-256 of its JSON,"
    " byte for byte as a Find gives it in the client's shape; with `by=version` of its id and its"
    " `updated_at`, which a million rows take a second or two for. Every filter of the collection's"
    " Find is taken too, but one that is called `resource`."
)
_DIGEST = "b5bb9d8014a0f9b1"


def digest(described: Described) -> Operation:
    """The operation: additive, not in the contract's document."""
    names = [resource.name for resource in described.resources]
    about = next((r.name for r in described.resources if r.patient == "id"), names[0])
    parameters: dict[str, tuple[str, Schema, Any]] = {
        "resource": ("The collection.", {"type": "string", "enum": names}, about),
        "prefix": (
            (
                "Only rows whose ids, without hyphens, begin with these digits; the answer tells of"
                " their parts too: `children`, or of at most 1000 rows `rows`. May be empty."
            ),
            {"type": "string", "pattern": "^[0-9a-f]{0,32}$"},
            "01",
        ),
        "by": (
            "What a hash is of: the row's JSON, or its id and `updated_at` alone.",
            {"type": "string", "enum": ["json", "version"], "default": "json"},
            "version",
        ),
    }
    for name, text, schema in schemas.page_parameters():
        if name in ("page[from]", "page[to]"):
            parameters[name] = (text, schema, examples.MOMENT)
    example = {
        "resource": about,
        "by": "version",
        "prefix": "01",
        "count": 1,
        "digest": _DIGEST,
        "rows": [{"id": examples.row_id(about), "digest": _DIGEST}],
    }
    current = {"page[from]": examples.MOMENT, "page[to]": examples.MOMENT}
    meta = {"current": current, "complete_until": examples.MOMENT}
    return {
        "operationId": "digestRows",
        "tags": ["changes"],
        "summary": "Compare a copy",
        "description": _ABOUT,
        "security": [{"bearer": [f"{about}.read"]}],
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": name == "resource",
                "description": text,
                "schema": schema,
                "example": example,
            }
            for name, (text, schema, example) in parameters.items()
        ],
        "responses": {
            "200": success("A digest.", schemas.ref("Digest"), {"data": example, "meta": meta}),
            **refusals(400, 401, 403),
        },
    }


def digest_schema() -> Schema:
    """What a digest is answered with."""
    digits: Schema = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
    prefix: Schema = {"type": "string", "pattern": "^[0-9a-f]{0,32}$"}
    count: Schema = {"type": "integer", "minimum": 0}
    child = _object({"prefix": prefix, "count": count, "digest": digits})
    row = _object({"id": {"type": "string", "format": "uuid"}, "digest": digits})
    digest = _object(
        {
            "resource": {"type": "string"},
            "by": {"type": "string", "enum": ["json", "version"]},
            "count": count,
            "digest": digits,
        }
    )
    digest["properties"] |= {
        "prefix": prefix,
        "children": {"type": "array", "items": child},
        "rows": {"type": "array", "items": row},
    }
    moment: Schema = {"type": "string", "format": "date-time"}
    current = _object({"page[from]": moment, "page[to]": moment})
    until = moment | {"description": "Up to here the digest has every change."}
    return _object({"data": digest, "meta": _object({"current": current, "complete_until": until})})


def _object(properties: dict[str, Any]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}
