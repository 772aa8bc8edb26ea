"""The change feed in the OpenAPI document: its operation and its schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from almoner.data_api import describe_examples as examples
from almoner.data_api import describe_schemas as schemas
from almoner.data_api.declare import Resource
from almoner.data_api.describe_answers import refusals, success
from almoner.data_api.describe_operations import Described, Operation
from almoner.vocabulary.kinds import Schema

_FEED = (
    "Every create, update and delete in the order in which they are final, without gaps. Keep"
    " `meta.after` and pass it as `after` next time: what is committed later is never behind"
    " it, and a cursor outlives a restored backup. Cursors sort as texts: the greatest that you"
    " have seen is as good. An entry of the kind `epoch` tells that the database goes on from"
    " an earlier state: look again at the rows whose cursors are greater than its"
    " `survived_until`. Where changes behind a cursor were removed because they were old, the"
    " answer is 410."
)


def changes(described: Described) -> Operation:
    """The change feed: additive, not in the contract's document."""
    return {
        "operationId": "findChanges",
        "tags": ["changes"],
        "summary": "Follow the changes",
        "description": _FEED,
        "security": [{"bearer": ["changes.read"]}],
        "parameters": [
            {"name": name, "in": "query", "description": text, "schema": schema, "example": example}
            for name, (text, schema, example) in _parameters(described.resources).items()
        ],
        "responses": {
            "200": success(
                "Changes.", schemas.ref("Changes"), examples.changes(tuple(described.resources))
            ),
            **refusals(400, 401, 403, 410),
        },
    }


def _parameters(resources: Sequence[Resource]) -> dict[str, tuple[str, Schema, Any]]:
    names = [resource.name for resource in resources]
    about = next((r.name for r in resources if r.patient == "id"), names[0])
    return {
        "after": (
            (
                "Continues behind this cursor. Empty is the beginning, as if it were left out;"
                " `latest` is the end."
            ),
            {"type": "string"},
            examples.CURSOR,
        ),
        "limit": (
            "Entries of one answer; above 1000 it is 1000.",
            {"type": "integer", "minimum": 1, "default": 100},
            100,
        ),
        "resource": (
            (
                "Only changes of these collections: several times, or with commas between them."
                " Epochs are told in any case."
            ),
            {"type": "array", "items": {"type": "string", "enum": names}, "minItems": 1},
            [about],
        ),
        "include": (
            (
                "`rows` gives each entry the row as it is now, as Find gives it; null where it is"
                " gone. It needs the read scope of each collection that is asked for, and is noted"
                " as a read."
            ),
            {"type": "string", "enum": ["rows"]},
            "rows",
        ),
        "wait": (
            (
                "Where nothing is there yet, the answer comes as soon as something is, and after so"
                " many seconds without (above 30 it is 30). It may come sooner without: then ask"
                " again."
            ),
            {"type": "integer", "minimum": 0, "default": 0},
            0,
        ),
    }


def change(resources: Sequence[Resource]) -> Schema:
    """An entry of the feed."""
    collections = [*(r.name for r in resources), None]
    properties: dict[str, Any] = {
        "resource": _nullable("The collection; null of an epoch.", enum=collections),
        "id": _nullable("The row; null of an epoch.", format="uuid"),
        "kind": schemas.string(
            "What was done to it. `epoch`: the database goes on from an earlier state, after a"
            " backup was restored or a standby took over.",
            enum=["create", "update", "delete", "epoch"],
        ),
        "changed_at": schemas.string("When: the row's `updated_at` after it.", format="date-time"),
        "patient_id": _nullable("The patient whom the row is about.", format="uuid"),
        "fields": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "The fields that are others than before, whatever else was sent.",
        },
        "actor": schemas.string("Who did it."),
        "through": schemas.string("By what way: the API, the portal, an import."),
        "request_id": schemas.string("The `X-Request-Id` of the request that did it."),
        "cursor": schemas.string(
            "The position behind this change. Opaque, but that cursors sort as texts."
        ),
    }
    required = list(properties)
    properties["row"] = {
        "type": ["object", "null"],
        "description": (
            "With `include=rows`: the row as it is now, as Find gives it in the client's shape;"
            " null where it is gone."
        ),
    }
    properties["survived_until"] = schemas.string(
        "Of an epoch: the cursor of the last change before it that is still there. What was told"
        " behind it may be gone."
    )
    return schemas.object_of(properties, required)


def _nullable(description: str, **constraints: Any) -> Schema:
    return schemas.string(description, **constraints) | {"type": ["string", "null"]}


def changes_page() -> Schema:
    after = schemas.string("Pass it as `after` to go on from here.")
    more = {"type": "boolean", "description": "Whether further changes are waiting already."}
    environment = schemas.string(
        "Which environment the changes are of: a text that no other has, and that stays after a"
        " backup was restored and after a move. A copy notes whose it is by this."
    )
    meta = schemas.object_of({"after": after, "more": more, "environment": environment})
    properties = {"data": {"type": "array", "items": schemas.ref("Change")}, "meta": meta}
    return schemas.object_of(properties, ["data", "meta"])
