"""The operations of the OpenAPI document: those of the collections, verb by verb, and the two that stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from almoner.data_api import describe_examples as examples
from almoner.data_api import describe_schemas as schemas
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.describe_answers import not_modified, refusals, success
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Ref, Schema

Operation = dict[str, Any]
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_CHANGED = "The row as it is now. Under a token that may only write, its `id` alone."


@dataclass(frozen=True)
class Described:
    """What all operations of one document have in common: who is there, where it is, and in which shape it answers."""

    resources: Sequence[Resource]
    url: str
    enveloped: bool

    def one(self, resource: Resource) -> Schema:
        """The schema of a single row in this shape."""
        found = schemas.ref(schemas.component(resource))
        if not self.enveloped:
            return found
        return {"type": "object", "properties": {"data": found}, "required": ["data"]}

    @property
    def shape(self) -> Shape:
        """The shape that the document is of."""
        return Shape.ENVELOPED if self.enveloped else Shape.DOCUMENTED

    def wrapped(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row of this shape as an answer of it."""
        return {"data": row} if self.enveloped else row

    @property
    def id_of_one(self) -> str:
        return "$response.body#/data/id" if self.enveloped else "$response.body#/id"

    @property
    def id_of_first(self) -> str:
        return "$response.body#/data/0/id" if self.enveloped else "$response.body#/0/data/0/id"


def a(singular: str) -> str:
    """The noun with its article."""
    return f"{'an' if singular[0] in 'aeiou' else 'a'} {singular}"


def operation_id(verb: Verb, resource: Resource) -> str:
    """``findPatients``, ``getPatient``, ``createPatient``: stable, so that generated clients keep their names."""
    if verb is Verb.FIND:
        return f"find{schemas.plural(resource)}"
    return f"{verb.name.lower()}{schemas.component(resource)}"


def paths(described: Described) -> dict[str, Any]:
    """Every path of the API with its operations."""
    found: dict[str, Any] = {"/v1/token": {"post": token(described.url)}}
    for resource in described.resources:
        builders = {Verb.FIND: find, Verb.CREATE: create, Verb.GET: get, Verb.UPDATE: update, Verb.DELETE: delete}
        collection = {m: builders[v](described, resource) for v, m in _ON_COLLECTION if v in resource.verbs}
        row = {m: builders[v](described, resource) for v, m in _ON_ROW if v in resource.verbs}
        found[f"/v1/{resource.name}"] = collection
        found[f"/v1/{resource.name}/{{id}}"] = {"parameters": [_id_parameter(resource)], **row}
        found[f"/v1/{resource.name}/find"] = {"post": find_by_body(described, resource)}
    found["/v1/changes"] = {"get": changes(described)}
    return found


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
    "description": "The `ETag` of what is known already. When the row is still that, the answer is 304 without a body.",
    "schema": {"type": "string"},
    "example": f'"{examples.MOMENT}"',
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The `ETag` that was read. When the row has changed since, nothing is done and the answer is 412.",
    "schema": {"type": "string"},
    "example": "*",
}


def _body(schema: Schema, shown: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    named = {name: {"value": value} for name, value in shown.items()}
    return {"required": True, "content": {media_type: {"schema": schema, "examples": named}}}


def get(described: Described, resource: Resource) -> Operation:
    text = f"One {resource.singular} by its id."
    answer = success(
        f"The {resource.singular}.",
        described.one(resource),
        described.wrapped(examples.row(resource, described.shape)),
        "ETag",
    )
    return _operation(Verb.GET, resource, f"Get {a(resource.singular)}", text) | {
        "parameters": [_IF_NONE_MATCH],
        "responses": {"200": answer, "304": not_modified(), **refusals(400, 401, 403, 404)},
    }


def find(described: Described, resource: Resource) -> Operation:
    text = (
        "Rows in the order of `updated_at`, then `id`, a page at a time. Several filters must all hold. "
        "A parameter that is not listed here is refused."
    )
    onward, _ = examples.following(resource, described.url)
    parameters = [
        {"name": name, "in": "query", "description": about, "schema": schema, "example": onward[name]}
        for name, about, schema in schemas.page_parameters()
    ]
    for name, one in resource.spelled[described.shape].filters.items():
        schema, about = one.kind.schema(), f"Filters. {one.about}"
        shown = examples.filter_value(one)
        parameters.append({"name": name, "in": "query", "description": about, "schema": schema, "example": shown})
    return _operation(Verb.FIND, resource, f"Find {resource.title.lower()}", text) | {
        "parameters": parameters,
        "responses": {"200": _page_answer(described, resource), **refusals(400, 401, 403)},
    }


def find_by_body(described: Described, resource: Resource) -> Operation:
    text = (
        "A Find with its parameters in a JSON body, or in a form (`application/x-www-form-urlencoded`), so that personal data "
        "stays out of addresses and their logs."
    )
    found = _operation(Verb.FIND, resource, f"Find {resource.title.lower()} by a body", text)
    name, shown = schemas.component(resource), {"example": examples.find_body(resource)}
    body, form = (_body(schemas.ref(f"{name}{kind}"), shown, media_type) for kind, media_type in _FIND_BODIES)
    return found | {
        "operationId": f"{operation_id(Verb.FIND, resource)}ByBody",
        "requestBody": {"required": True, "content": body["content"] | form["content"]},
        "responses": {"200": _page_answer(described, resource), **refusals(400, 401, 403)},
    }


def _page_answer(described: Described, resource: Resource) -> dict[str, Any]:
    schema = schemas.ref(f"{schemas.component(resource)}Page")
    answer = success("A page.", schema, examples.page(resource, described.url, described.shape), "Link")
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
    found = {}
    for other in described.resources:
        for field in other.filters:
            is_there = field.filter_names[0] in other.spelled[described.shape].filters
            if is_there and isinstance(field.kind, Ref) and field.kind.to == resource.name:
                found[f"Find{schemas.plural(other)}Of{schemas.component(resource)}"] = {
                    "operationId": operation_id(Verb.FIND, other),
                    "parameters": {field.filter_names[0]: described.id_of_one},
                }
    return found


def create(described: Described, resource: Resource) -> Operation:
    text = (
        f"Makes {a(resource.singular)}. All problems of the body are reported at once, and nothing is kept of a body that has one."
    )
    shown = {"example": examples.create_body(resource, shape=described.shape)}
    everything = examples.create_body(resource, True, described.shape)
    if everything != shown["example"]:
        shown["everything"] = everything
    answer = success(
        _CHANGED,
        described.one(resource),
        described.wrapped(examples.created(resource, described.shape)),
        "ETag",
        "X-Ignored-Fields",
    )
    links = _links_by_id(resource, described.id_of_one) | _links_to_related(described, resource)
    return _operation(Verb.CREATE, resource, f"Create {a(resource.singular)}", text) | {
        "requestBody": _body(schemas.ref(f"{schemas.component(resource)}Create"), shown),
        "responses": {"200": answer | {"links": links}, **refusals(400, 401, 403, 404)},
    }


def update(described: Described, resource: Resource) -> Operation:
    text = "Changes the fields that the body names; the others stay as they are. Null clears a field that can be null."
    answer = success(
        _CHANGED,
        described.one(resource),
        described.wrapped(examples.updated(resource, described.shape)),
        "ETag",
        "X-Ignored-Fields",
    )
    return _operation(Verb.UPDATE, resource, f"Update {a(resource.singular)}", text) | {
        "parameters": [_IF_MATCH],
        "requestBody": _body(
            schemas.ref(f"{schemas.component(resource)}Update"), {"example": examples.update_body(resource, described.shape)}
        ),
        "responses": {
            "200": answer | {"links": _links_by_id(resource, described.id_of_one)},
            **refusals(400, 401, 403, 404, 412),
        },
    }


def delete(described: Described, resource: Resource) -> Operation:
    text = f"Removes {a(resource.singular)} for good. The answer is what it was."
    answer = success(text, described.one(resource), described.wrapped(examples.row(resource, described.shape)))
    return _operation(Verb.DELETE, resource, f"Delete {a(resource.singular)}", text) | {
        "parameters": [_IF_MATCH],
        "responses": {"200": answer, **refusals(400, 401, 403, 404, 412)},
    }


def changes(described: Described) -> Operation:
    """The change feed: additive, not in the contract's document."""
    text = (
        "Every create, update and delete in the order in which they are final, without gaps. Keep `meta.after` and pass "
        "it as `after` next time: what is committed later is never behind it, and a cursor outlives a restored backup. Cursors "
        "sort as texts: the greatest that you have seen is as good. An entry of the kind `epoch` tells that the database goes on "
        "from an earlier state: look again at the rows whose cursors are greater than its `survived_until`."
    )
    names = [resource.name for resource in described.resources]
    about = next((r.name for r in described.resources if r.patient == "id"), names[0])
    parameters = {
        "after": (
            "Continues behind this cursor. Empty is the beginning, as if it were left out; `latest` is the end.",
            {"type": "string"},
            examples.CURSOR,
        ),
        "limit": ("Entries of one answer; above 1000 it is 1000.", {"type": "integer", "minimum": 1, "default": 100}, 100),
        "resource": (
            "Only changes of these collections: several times, or with commas between them. Epochs are told in any case.",
            {"type": "array", "items": {"type": "string", "enum": names}, "minItems": 1},
            [about],
        ),
        "include": (
            "`rows` gives each entry the row as it is now, as Find gives it; null where it is gone. It needs the read scope of "
            "each collection that is asked for, and is noted as a read.",
            {"type": "string", "enum": ["rows"]},
            "rows",
        ),
    }
    return {
        "operationId": "findChanges",
        "tags": ["changes"],
        "summary": "Follow the changes",
        "description": text,
        "security": [{"bearer": ["changes.read"]}],
        "parameters": [
            {"name": name, "in": "query", "description": told, "schema": schema, "example": example}
            for name, (told, schema, example) in parameters.items()
        ],
        "responses": {
            "200": success("Changes.", schemas.ref("Changes"), examples.changes(tuple(described.resources))),
            **refusals(400, 401, 403),
        },
    }


def token(url: str) -> Operation:
    """Where access tokens come from (RFC 7523, RFC 6749)."""
    asked: Schema = {
        "type": "object",
        "properties": {
            "grant_type": {"type": "string", "const": JWT_BEARER},
            "assertion": {
                "type": "string",
                "description": "A JWT signed with the client secret by HS256. `iss`: the client id. `aud`: "
                f"`{url}/v1/token`. `exp`: when it ends to be of use; further than a day ahead counts as a day. "
                "`scope`: what the token shall cover; words that are no scope are left out.",
            },
        },
        "required": ["grant_type", "assertion"],
    }
    asked["properties"]["scope"] = {
        "type": "string",
        "description": "What the token shall cover. Where the assertion has a scope too, the narrower of the two.",
    }
    sample = {"grant_type": JWT_BEARER, "assertion": "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiIuLi4ifQ.c2lnbmF0dXJl"}
    given: Schema = {
        "type": "object",
        "properties": {
            "access_token": {"type": "string"},
            "token_type": {"type": "string", "const": "Bearer"},
            "expires_in": {"type": "integer", "description": "Seconds until it expires."},
            "scope": {"type": "string"},
        },
        "required": ["access_token", "token_type", "expires_in", "scope"],
    }
    answer = {"access_token": "eyJhbGciOiJIUzI1NiJ9...", "token_type": "Bearer", "expires_in": 3600, "scope": "all"}
    refused = success("The assertion was refused.", schemas.ref("TokenRefused"), token_refused())
    content = {kind: {"schema": asked, "example": sample} for kind in ("application/x-www-form-urlencoded", "application/json")}
    return {
        "operationId": "fetchToken",
        "tags": ["token"],
        "summary": "Fetch an access token",
        "description": "Exchanges an assertion, signed with a client's secret, for an access token.",
        "security": [],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": success("A token.", given, answer), **refusals(), "400": refused},
    }


def token_refused() -> dict[str, Any]:
    detail = "The assertion has expired."
    problem = {"status": 400, "code": "bad_request", "title": "Bad Request", "detail": detail, "extra": {}}
    return {"error": "invalid_grant", "error_description": detail, "errors": [problem]}


def token_refused_schema() -> Schema:
    """RFC 6749's error beside ours."""
    return {
        "type": "object",
        "properties": {
            "error": {"type": "string"},
            "error_description": {"type": "string"},
            "errors": {"type": "array", "items": schemas.ref("Problem")},
        },
        "required": ["error", "error_description", "errors"],
    }
