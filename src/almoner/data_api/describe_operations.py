"""The operations of the OpenAPI document: those of the collections, verb by verb."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from almoner.data_api import describe_examples as examples
from almoner.data_api import describe_schemas as schemas
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.describe_answers import not_modified, refusals, success
from almoner.data_api.find import LARGEST_OF_LINES
from almoner.data_api.shapes import LINES
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Ref, Schema

Operation = dict[str, Any]
_CHANGED = "The row as it is now. Under a token that may only write, its `id` alone."


@dataclass(frozen=True)
class Described:
    """What all operations of one document have in common: who is there, where it is, and in which
    shape it answers.
    """

    resources: Sequence[Resource]
    url: str
    enveloped: bool

    def row(self, resource: Resource) -> Schema:
        """The schema of a single row in this shape."""
        row_schema = schemas.ref(schemas.component(resource))
        if not self.enveloped:
            return row_schema
        return schemas.object_of({"data": row_schema})

    @property
    def shape(self) -> Shape:
        """The shape that the document is of."""
        return Shape.ENVELOPED if self.enveloped else Shape.DOCUMENTED

    def wrapped(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row of this shape as an answer of it."""
        return {"data": row} if self.enveloped else row

    @property
    def id_of_row(self) -> str:
        return "$response.body#/data/id" if self.enveloped else "$response.body#/id"

    @property
    def id_of_first(self) -> str:
        return "$response.body#/data/0/id" if self.enveloped else "$response.body#/0/data/0/id"


def a(singular: str) -> str:
    return f"{'an' if singular[0] in 'aeiou' else 'a'} {singular}"


def operation_id(verb: Verb, resource: Resource) -> str:
    """``findPatients``, ``getPatient``, ``createPatient``: stable, so that generated clients keep
    their names.
    """
    if verb is Verb.FIND:
        return f"find{schemas.plural(resource)}"
    return f"{verb.name.lower()}{schemas.component(resource)}"


def paths(described: Described) -> dict[str, Any]:
    """Every path of the collections with its operations."""
    operations: dict[str, Any] = {}
    for resource in described.resources:
        builders = {
            Verb.FIND: find,
            Verb.CREATE: create,
            Verb.GET: get,
            Verb.UPDATE: update,
            Verb.DELETE: delete,
        }
        collection = {
            m: builders[v](described, resource) for v, m in _ON_COLLECTION if v in resource.verbs
        }
        row = {m: builders[v](described, resource) for v, m in _ON_ROW if v in resource.verbs}
        operations[f"/v1/{resource.name}"] = collection
        operations[f"/v1/{resource.name}/{{id}}"] = {"parameters": [_id_parameter(resource)], **row}
        operations[f"/v1/{resource.name}/find"] = {"post": find_by_body(described, resource)}
    return operations


_ON_COLLECTION = ((Verb.FIND, "get"), (Verb.CREATE, "post"))
# The schemas of a Find by POST, each with what it is sent as.
_FIND_BODIES = (("Find", "application/json"), ("FindForm", "application/x-www-form-urlencoded"))
_ON_ROW = ((Verb.GET, "get"), (Verb.UPDATE, "put"), (Verb.DELETE, "delete"))


def _operation(verb: Verb, resource: Resource, summary: str, description: str) -> Operation:
    scope = "read" if verb in (Verb.GET, Verb.FIND) else "write"
    return {
        "operationId": operation_id(verb, resource),
        "tags": [resource.name],
        "summary": summary,
        "description": description,
        "security": [{"bearer": [f"{resource.name}.{scope}"]}],
    }


def _id_parameter(resource: Resource) -> dict[str, Any]:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": f"The id of the {resource.singular}, in any letter case.",
        "schema": {"type": "string", "format": "uuid"},
        "example": examples.row_id(resource.name),
    }


_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": (
        "The `ETag` of what is known already. When the row is still that, the answer is 304 without"
        " a body."
    ),
    "schema": {"type": "string"},
    "example": f'"{examples.MOMENT}"',
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": (
        "The `ETag` that was read. When the row has changed since, nothing is done and the answer"
        " is 412."
    ),
    "schema": {"type": "string"},
    "example": "*",
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "Makes it safe to send this again (draft-ietf-httpapi-idempotency-key-header): what was"
        " done under a key is answered as before for a day where the same request comes, and 422"
        " where another one does. Of two at once the second waits. What was refused is not"
        " remembered."
    ),
    "schema": {"type": "string", "pattern": r'^"[ !#-\[\]-~]{1,255}"$'},
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}


def _body(
    schema: Schema, samples: dict[str, Any], media_type: str = "application/json"
) -> dict[str, Any]:
    named = {name: {"value": value} for name, value in samples.items()}
    return {"required": True, "content": {media_type: {"schema": schema, "examples": named}}}


def get(described: Described, resource: Resource) -> Operation:
    text = f"One {resource.singular} by its id."
    answer = success(
        f"The {resource.singular}.",
        described.row(resource),
        described.wrapped(examples.row(resource, described.shape)),
        "ETag",
    )
    return _operation(Verb.GET, resource, f"Get {a(resource.singular)}", text) | {
        "parameters": [_IF_NONE_MATCH],
        "responses": {"200": answer, "304": not_modified(), **refusals(400, 401, 403, 404)},
    }


def find(described: Described, resource: Resource) -> Operation:
    text = (
        "Rows in the order of `updated_at`, then `id`, a page at a time. Several filters must all"
        " hold. A parameter that is not listed here is refused."
        f" With `Accept: {LINES.decode()}` the rows come as lines, for whoever reads all: up to"
        f" {LARGEST_OF_LINES} a page, and the `Link` header alone names the next page."
    )
    onward, _ = examples.following(resource, described.url)
    parameters = [
        {
            "name": name,
            "in": "query",
            "description": about,
            "schema": schema,
            "example": onward[name],
        }
        for name, about, schema in schemas.page_parameters()
    ]
    for name, finder in resource.spelled[described.shape].filters.items():
        schema, about = finder.kind.schema(), f"Filters. {finder.about}"
        example = examples.filter_value(finder)
        parameters.append(
            {
                "name": name,
                "in": "query",
                "description": about,
                "schema": schema,
                "example": example,
            }
        )
    return _operation(Verb.FIND, resource, f"Find {resource.title.lower()}", text) | {
        "parameters": parameters,
        "responses": {"200": _page_answer(described, resource), **refusals(400, 401, 403)},
    }


def find_by_body(described: Described, resource: Resource) -> Operation:
    text = (
        "A Find with its parameters in a JSON body, or in a form"
        " (`application/x-www-form-urlencoded`), so that personal data stays out of addresses and"
        " their logs."
    )
    operation = _operation(Verb.FIND, resource, f"Find {resource.title.lower()} by a body", text)
    name, example = schemas.component(resource), {"example": examples.find_body(resource)}
    body, form = (
        _body(schemas.ref(f"{name}{kind}"), example, media_type)
        for kind, media_type in _FIND_BODIES
    )
    return operation | {
        "operationId": f"{operation_id(Verb.FIND, resource)}ByBody",
        "requestBody": {"required": True, "content": body["content"] | form["content"]},
        "responses": {"200": _page_answer(described, resource), **refusals(400, 401, 403)},
    }


def _page_answer(described: Described, resource: Resource) -> dict[str, Any]:
    schema = schemas.ref(f"{schemas.component(resource)}Page")
    answer = success(
        "A page.", schema, examples.page(resource, described.url, described.shape), "Link"
    )
    answer["content"][LINES.decode()] = {
        "schema": {"type": "string", "description": "Each row of `data` on a line of its own."},
        "example": json.dumps(examples.row(resource, described.shape)) + "\n",
    }
    return answer | {"links": _links_by_id(resource, described.id_of_first)}


def _links_by_id(resource: Resource, expression: str) -> dict[str, Any]:
    """From an answer to what can be done with the row in it."""
    verbs = [v for v, _ in _ON_ROW if v in resource.verbs]
    return {
        f"{v.name.capitalize()}{schemas.component(resource)}": {
            "operationId": operation_id(v, resource),
            "parameters": {"id": expression},
        }
        for v in verbs
    }


def _links_to_related(described: Described, resource: Resource) -> dict[str, Any]:
    """From a row that was created to the Finds that filter by it."""
    links = {}
    for other in described.resources:
        for field in other.filters:
            is_there = field.filter_names[0] in other.spelled[described.shape].filters
            if is_there and isinstance(field.kind, Ref) and field.kind.to == resource.name:
                links[f"Find{schemas.plural(other)}Of{schemas.component(resource)}"] = {
                    "operationId": operation_id(Verb.FIND, other),
                    "parameters": {field.filter_names[0]: described.id_of_row},
                }
    return links


def create(described: Described, resource: Resource) -> Operation:
    text = (
        f"Makes {a(resource.singular)}. All problems of the body are reported at once, and nothing"
        " is kept of a body that has one."
    )
    samples = {"example": examples.create_body(resource, shape=described.shape)}
    everything = examples.create_body(resource, True, described.shape)
    if everything != samples["example"]:
        samples["everything"] = everything
    answer = success(
        _CHANGED,
        described.row(resource),
        described.wrapped(examples.created(resource, described.shape)),
        "ETag",
        "X-Ignored-Fields",
        "Idempotent-Replayed",
    )
    links = _links_by_id(resource, described.id_of_row) | _links_to_related(described, resource)
    return _operation(Verb.CREATE, resource, f"Create {a(resource.singular)}", text) | {
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": _body(schemas.ref(f"{schemas.component(resource)}Create"), samples),
        "responses": {"200": answer | {"links": links}, **refusals(400, 401, 403, 404, 422)},
    }


def update(described: Described, resource: Resource) -> Operation:
    text = (
        "Changes the fields that the body names; the others stay as they are. Null clears a field"
        " that can be null. A row that has these values already is not changed: `updated_at` stays,"
        " and nobody is told."
    )
    answer = success(
        _CHANGED,
        described.row(resource),
        described.wrapped(examples.updated(resource, described.shape)),
        "ETag",
        "X-Ignored-Fields",
        "Idempotent-Replayed",
    )
    return _operation(Verb.UPDATE, resource, f"Update {a(resource.singular)}", text) | {
        "parameters": [_IF_MATCH, IDEMPOTENCY_KEY],
        "requestBody": _body(
            schemas.ref(f"{schemas.component(resource)}Update"),
            {"example": examples.update_body(resource, described.shape)},
        ),
        "responses": {
            "200": answer | {"links": _links_by_id(resource, described.id_of_row)},
            **refusals(400, 401, 403, 404, 412, 422),
        },
    }


def delete(described: Described, resource: Resource) -> Operation:
    text = f"Removes {a(resource.singular)} for good. The answer is what it was."
    answer = success(
        text,
        described.row(resource),
        described.wrapped(examples.row(resource, described.shape)),
        "Idempotent-Replayed",
    )
    return _operation(Verb.DELETE, resource, f"Delete {a(resource.singular)}", text) | {
        "parameters": [_IF_MATCH, IDEMPOTENCY_KEY],
        "responses": {"200": answer, **refusals(400, 401, 403, 404, 412, 422)},
    }
