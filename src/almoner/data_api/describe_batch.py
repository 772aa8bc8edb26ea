"""Batches in the OpenAPI document: their operation and their schemas."""

from __future__ import annotations

from typing import Any, Final

from almoner.data_api import describe_examples as examples
from almoner.data_api import describe_schemas as schemas
from almoner.data_api.batch_serve import MOST_ROWS, ON_EXISTING
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.describe_answers import refusals, success
from almoner.data_api.describe_operations import IDEMPOTENCY_KEY, Described, Operation
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Schema

_ABOUT = (
    f"Up to {MOST_ROWS} rows at once, each as the body of a single Create, or of an Update with its"
    " `id`. All of them are written or none, and every problem is told with the row's place in its"
    " path (`.create[3].user_id`); with `atomic: false` each row is written or refused by itself,"
    " and the answer has a status for each. A new row may come with `external_ids`, whatever the"
    " collection (beside patients' and where a Create has them, that needs `external_ids.write`)."
    " `on_existing` says what becomes of one that has an external id of a row that is there: it is"
    " refused (`refuse`), left as it is (`keep`) or changed (`update`, which adds ids of further"
    " systems), so that a load can be repeated. Who prefers a minimal return has the `id` of each"
    " row in place of the row, and spares the server to read it back."
)
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": (
        "`return=minimal` (RFC 7240): `row` has the `id` alone, and `ignored_fields` names what was"
        " said of fields that are not set, whatever they are."
    ),
    "schema": {"type": "string"},
    "example": "return=minimal",
}


def batch(described: Described, resource: Resource) -> Operation:
    """The operation of a collection that has a Create or an Update: additive."""
    name, shape = schemas.component(resource), described.shape
    samples: dict[str, Any] = {}
    if Verb.CREATE in resource.verbs:
        samples["create"] = {"create": [examples.create_body(resource, shape=shape)]}
    if Verb.UPDATE in resource.verbs:
        row = {"id": examples.row_id(resource.name), **examples.update_body(resource, shape)}
        samples["update"] = {"update": [row], "atomic": False}
    row = examples.row(resource, shape)
    answered = {"data": [{"status": 200, "outcome": "updated", "row": row}]}
    content = {
        "schema": schemas.ref(f"{name}Batch"),
        "examples": {key: {"value": value} for key, value in samples.items()},
    }
    return {
        "operationId": f"batch{schemas.plural(resource)}",
        "tags": [resource.name],
        "summary": f"Write many {resource.title.lower()}",
        "description": _ABOUT,
        "security": [{"bearer": [f"{resource.name}.write"]}],
        "parameters": [IDEMPOTENCY_KEY, _PREFER],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": success(
                "What came of each row, in their order.",
                schemas.ref(f"{name}Written"),
                answered,
                "Preference-Applied",
                "Idempotent-Replayed",
            ),
            **refusals(400, 401, 403, 404, 422),
        },
    }


def batch_schemas(resource: Resource, shape: Shape) -> dict[str, Schema]:
    """The body of a batch, and its answer."""
    name = schemas.component(resource)
    atomic = {"type": "boolean", "default": True, "description": "Whether all are written or none."}
    # Rows and bodies have names of their own, which generated clients call them by.
    bodies: dict[str, Schema] = {}
    rows: dict[str, Schema] = {}
    if Verb.CREATE in resource.verbs:
        existing = {"type": "string", "enum": list(ON_EXISTING), "default": ON_EXISTING[0]}
        rows[f"{name}ToCreate"] = _new(resource, shape)
        options = {"atomic": atomic, "on_existing": existing}
        bodies[f"{name}CreateBatch"] = _body("create", schemas.ref(f"{name}ToCreate"), options)
    if Verb.UPDATE in resource.verbs:
        changed = schemas.update(resource, shape)
        with_id = {"id": {"type": "string", "format": "uuid"}}
        changed["properties"] = changed["properties"] | with_id
        changed["required"] = ["id", *changed.get("required", [])]
        rows[f"{name}ToUpdate"] = changed
        body = _body("update", schemas.ref(f"{name}ToUpdate"), {"atomic": atomic})
        bodies[f"{name}UpdateBatch"] = body
    either = {"oneOf": [schemas.ref(body) for body in bodies]}
    return {
        **rows,
        **bodies,
        f"{name}Batch": either,
        f"{name}Written": _written(schemas.ref(name)),
    }


# What a minimal return has in place of a row, and what a scope without read sees of it.
_MINIMAL_ROW: Final[Schema] = {
    "type": "object",
    "properties": {"id": {"type": "string", "format": "uuid"}},
    "required": ["id"],
    "additionalProperties": False,
}


def _new(resource: Resource, shape: Shape) -> Schema:
    schema = schemas.create(resource, shape)
    if "external_ids" not in schema["properties"] and resource.any_reference is None:
        texts = {key: {"type": "string"} for key in ("namespace", "external_id")}
        mapping = {
            "type": "object",
            "properties": texts,
            "required": list(texts),
            "additionalProperties": False,
        }
        mappings = {
            "type": "array",
            "items": mapping,
            "description": "Ids in other systems, written along.",
        }
        schema["properties"] = schema["properties"] | {"external_ids": mappings}
    return schema


def _body(name: str, row: Schema, options: dict[str, Any]) -> Schema:
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": MOST_ROWS}
    return {
        "type": "object",
        "properties": {name: rows, **options},
        "required": [name],
        "additionalProperties": False,
    }


def _written(row: Schema) -> Schema:
    entry = {
        "type": "object",
        "properties": {
            "status": {"type": "integer", "description": "As of a single write; 200 is done."},
            "outcome": {
                "type": "string",
                "enum": ["created", "updated", "kept", "unchanged"],
                "description": "Absent where the row was refused.",
            },
            "row": {"anyOf": [row, _MINIMAL_ROW]},
            "ignored_fields": {
                "type": "array",
                "items": {"type": "string"},
                "description": "As the header `X-Ignored-Fields` of a single write.",
            },
            "errors": {"type": "array", "items": schemas.ref("Problem")},
        },
        "required": ["status"],
    }
    return {
        "type": "object",
        "properties": {"data": {"type": "array", "items": entry}},
        "required": ["data"],
    }
