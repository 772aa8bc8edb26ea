"""The OpenAPI 3.1 document, derived from the declarations: nothing in it is written a second
time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almoner.data_api import describe_schemas as schemas
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.describe_answers import headers, responses
from almoner.data_api.describe_batch import batch, batch_schemas
from almoner.data_api.describe_changes import change, changes, changes_page
from almoner.data_api.describe_digest import digest, digest_schema
from almoner.data_api.describe_operations import Described, paths
from almoner.data_api.describe_token import token, token_refused_schema
from almoner.vocabulary.fields import Shape

_ABOUT = """\
Reads and writes the data of a care program: patients, what is known of them, and what happens with
them.

**Requests.** A body is a JSON object, whatever its `Content-Type` says. A field or parameter that
does not exist is refused by name. A slash at the end of a path makes no difference. Every id is a
GUID and belongs to one environment; an id of another environment is unknown.

**Answers.** Success is always status 200. Every answer carries `X-Request-Id`. Times are UTC with
six fraction digits. A verb that a collection does not offer is answered 405 with `Allow`.

**Trying a bad day.** A sandbox client, which there is in test environments, may send
`Almoner-Sandbox` to be refused, left waiting, or told twice: `status=429, retry-after=3, times=2`,
`status=503, done`, `delay=40`, `cut`, `notification=duplicate`, `clock=2026-12-24T09:00Z`. To
others it is nothing.

**Shapes.** A client is registered for one of two shapes, and gets every answer in it. {shape}
"""
_DOCUMENTED = (
    "This document describes the *documented* shape: a row is the bare object, a Find answers with"
    " a list of one page. The *enveloped* shape is described by `/v1/openapi.json?shape=enveloped`."
)
_ENVELOPED = (
    "This document describes the *enveloped* shape: a row is `{data: {...}}`, a Find answers with"
    " one object that has `data` and `links`. The *documented* shape is described by"
    " `/v1/openapi.json`."
)
_SECURITY = """\
An access token from `POST /v1/token`, as `Authorization: Bearer ...` (RFC 7523: an assertion signed
with the client's secret is exchanged for a token; OpenAPI has no flow of that name). A token covers
the scopes it was asked for, separated by spaces:

{scopes}
"""


@dataclass(frozen=True)
class Addition:
    """Operations besides those of the collections, as the room that serves them describes them.

    ``scopes`` are names with what each allows; ``schemas`` are components that the paths refer to.
    """

    tag: str
    about: str
    scopes: tuple[tuple[str, str], ...]
    paths: Mapping[str, Any]
    schemas: Mapping[str, Any]


def openapi(
    resources: Sequence[Resource],
    public_url: str,
    *,
    enveloped: bool = False,
    additions: Sequence[Addition] = (),
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these collections and additions, in the documented or the
    enveloped shape.

    ``public_url`` is the address by which clients reach the server, without a slash at the end. The
    additions are of the same shape."""
    described = Described(resources, public_url, enveloped)
    about = _ABOUT.format(shape=_ENVELOPED if enveloped else _DOCUMENTED)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Almoner Data API",
            "version": "1",
            "summary": "The data of a care program.",
            "description": about,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "contact": {
                "name": "Whoever runs this server; its reference",
                "url": f"{public_url}/docs",
            },
        },
        "servers": [{"url": public_url}],
        "tags": [
            *_tags(resources),
            *({"name": addition.tag, "description": addition.about} for addition in additions),
        ],
        "security": [{"bearer": ["all"]}],
        "paths": (
            {"/v1/token": {"post": token(public_url)}}
            | paths(described)
            | {
                f"/v1/{resource.name}/batch": {"post": batch(described, resource)}
                for resource in resources
                if {Verb.CREATE, Verb.UPDATE} & set(resource.verbs)
            }
            | {"/v1/changes": {"get": changes(described)}}
            | {"/v1/digest": {"get": digest(described)}}
            | {path: item for addition in additions for path, item in addition.paths.items()}
        ),
        "components": {
            "securitySchemes": {"bearer": _security(resources, additions)},
            "headers": headers(),
            "responses": responses(),
            "schemas": (
                _schemas(resources, enveloped)
                | {name: s for addition in additions for name, s in addition.schemas.items()}
            ),
        },
    }


def scopes(
    resources: Sequence[Resource], additions: Sequence[Addition] = ()
) -> list[tuple[str, str]]:
    """Every scope that a token can have, with what it allows."""
    scopes = [
        ("all", "Everything."),
        ("changes.read", "The change feed, with changes of every collection."),
    ]
    for resource in resources:
        scopes.append((f"{resource.name}.read", f"Get and Find of {resource.title.lower()}."))
        writing = [
            v.name.capitalize() for v in resource.verbs if v.name in ("CREATE", "UPDATE", "DELETE")
        ]
        if writing:
            scopes.append(
                (f"{resource.name}.write", f"{' and '.join(writing)} of {resource.title.lower()}.")
            )
    return scopes + [scope for addition in additions for scope in addition.scopes]


def _security(resources: Sequence[Resource], additions: Sequence[Addition]) -> dict[str, Any]:
    listed = "\n".join(f"- `{name}`: {about}" for name, about in scopes(resources, additions))
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "opaque",
        "description": _SECURITY.format(scopes=listed),
    }


def _tags(resources: Sequence[Resource]) -> list[dict[str, str]]:
    own = [{"name": r.name, "description": " ".join([r.about, *r.notes])} for r in resources]
    token = {"name": "token", "description": "Access tokens."}
    changes = {"name": "changes", "description": "What has changed, in order."}
    return [token, *own, changes]


def _schemas(resources: Sequence[Resource], enveloped: bool) -> dict[str, Any]:
    components: dict[str, Any] = {}
    shape = Shape.ENVELOPED if enveloped else Shape.DOCUMENTED
    verbs = {"CREATE": schemas.create, "UPDATE": schemas.update}
    for resource in resources:
        name = schemas.component(resource)
        components[name] = schemas.returned(resource, shape)
        for verb in resource.verbs:
            if verb.name in verbs:
                components[f"{name}{verb.name.capitalize()}"] = verbs[verb.name](resource, shape)
        components[f"{name}Find"] = schemas.find_body(resource, shape)
        components[f"{name}FindForm"] = schemas.find_form(resource, shape)
        components[f"{name}Page"] = schemas.find_page(resource, enveloped)
        if {Verb.CREATE, Verb.UPDATE} & set(resource.verbs):
            components |= batch_schemas(resource, shape)
    return (
        components
        | schemas.shared(resources, enveloped)
        | {"Change": change(resources), "Changes": changes_page(), "Digest": digest_schema()}
        | {"TokenRefused": token_refused_schema()}
    )
