"""JSON Schemas (2020-12) of what goes in and what comes out, derived from the declarations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from almoner.data_api.declare import IDS, Resource
from almoner.data_api.decode import is_sent_back
from almoner.errors import PROBLEMS
from almoner.vocabulary.fields import Field, Shape, described, nullable_schema
from almoner.vocabulary.kinds import GUID_PATTERN, WITHOUT_NUL, Schema

_PAGE_TEXT = (
    "Times as ISO 8601, or a date, which is its midnight in UTC; the answer gives them in UTC."
)
# No schema can say that two values are equal (decision 63).
_EQUAL_NAMES = "Give one of the two; where both are given, they have the same value."
_SET_BY_DATABASE = ("id", "updated_at", "created_at")


def component(resource: Resource) -> str:
    """The name of this collection's schema: ``CalendarEvent`` for ``calendar event``."""
    return "".join(word.capitalize() for word in resource.singular.split())


def plural(resource: Resource) -> str:
    """The name of the collection in operation ids: ``CalendarEvents``."""
    return "".join(word.capitalize() for word in resource.name.split("_"))


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def string(about: str, **constraints: Any) -> Schema:
    """The schema of a text; ``constraints`` in the words of JSON Schema."""
    return {"type": "string", **constraints, "description": about}


def object_of(properties: dict[str, Any], required: Iterable[str] | None = None) -> Schema:
    """The schema of an object; ``required``: the keys that are always there, None for all."""
    names = list(properties if required is None else required)
    return {"type": "object", "properties": properties, "required": names}


def never_null(field: Field) -> bool:
    """Whether an answer always has a value here: the database fills it in, or Create does not do
    without it.
    """
    return not field.nullable or field.generated is not None or field.name in _SET_BY_DATABASE


def returned(resource: Resource, shape: Shape) -> Schema:
    """A row as it is answered. Every key is always there."""
    properties: dict[str, Any] = {}
    for key, field in resource.spelled[shape].answered:
        about = (
            described(field)
            if key == field.name
            else {"description": f"The same as `{field.name}`."}
        )
        properties[key] = nullable_schema(field.kind.answer_schema(), not never_null(field)) | about
    return {
        "type": "object",
        "description": resource.about,
        "properties": properties,
        "required": list(properties),
    }


def create(resource: Resource, shape: Shape) -> Schema:
    """The body of a Create. What the model has besides is accepted and ignored, so that a whole row
    can be sent.
    """
    fields = [f for f in resource.spelled[shape].fields if f.create or f.returned]
    properties: dict[str, Any] = {}
    for field in fields:
        _add(properties, field, shape, writable=field.create, nullable=not field.required)
    needed = [f for f in fields if f.create and f.required]
    schema = _closed(properties) | {
        "required": [f.name for f in needed if not _second_name(f, shape)]
    }
    either = [(f.name, second) for f in needed if (second := _second_name(f, shape))]
    if either:
        schema["allOf"] = [
            {"anyOf": [{"required": [first]}, {"required": [other]}]} for first, other in either
        ]
    return schema


def update(resource: Resource, shape: Shape) -> Schema:
    """The body of an Update: any of the fields that it sets, and those that it needs. What is left
    out stays as it is.
    """
    fields = [f for f in resource.spelled[shape].fields if is_sent_back(f, shape)]
    properties: dict[str, Any] = {}
    for field in fields:
        _add(
            properties,
            field,
            shape,
            writable=field.update,
            nullable=field.nullable and not field.required,
        )
    needed = [f.name for f in fields if f.update_required]
    return _closed(properties) | ({"required": needed} if needed else {})


def _second_name(field: Field, shape: Shape) -> str | None:
    return field.enveloped_name if shape is Shape.ENVELOPED else None


def _closed(properties: dict[str, Any]) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _add(
    properties: dict[str, Any], field: Field, shape: Shape, *, writable: bool, nullable: bool
) -> None:
    second = _second_name(field, shape)
    if not writable:
        ignored = {
            "readOnly": True,
            "description": "Accepted and ignored, so that a row can be sent back whole.",
        }
        names = (field.name, *field.aliases, second)
        properties.update({name: ignored for name in names if name})
        return
    schema = nullable_schema(field.kind.schema(), nullable) | described(field)
    properties[field.name] = schema
    for alias in field.aliases:
        properties[alias] = {
            **schema,
            "deprecated": True,
            "description": f"Another spelling of `{field.name}`. {_EQUAL_NAMES}",
        }
    if second:
        properties[second] = {
            **schema,
            "description": f"Another name of `{field.name}`. {_EQUAL_NAMES}",
        }


def page_parameters() -> list[tuple[str, str, Schema]]:
    """The parameters that every Find takes: name, description and schema."""
    moment: Schema = {"type": "string", "format": "date-time"}
    return [
        (
            "page[from]",
            "Rows that changed at this time or later. Everything when left out.",
            moment,
        ),
        ("page[to]", "Rows that changed at this time or earlier. Now when left out.", moment),
        (
            "page[size]",
            "Rows of one page; above 1000 it is 1000.",
            {"type": "integer", "minimum": 1, "default": 50},
        ),
        (
            "page[after]",
            (
                "Continues behind the row with this id, at the time `page[from]`; the two go"
                " together, as `meta.next` has them."
            ),
            {"type": "string", "format": "uuid"},
        ),
    ]


def find_form(resource: Resource, shape: Shape) -> Schema:
    """A Find by POST as a form: the same parameters, without null, which no form can say; several
    ``ids`` are as many fields.
    """
    return find_body(resource, shape, nullable=False) | {"minProperties": 1}


def find_body(resource: Resource, shape: Shape, nullable: bool = True) -> Schema:
    """A Find by POST: the parameters of the query as the keys of an object; null leaves a page
    parameter out.
    """
    properties: dict[str, Any] = {}
    for name, text, schema in page_parameters():
        properties[name] = nullable_schema(schema, nullable) | {"description": text}
    for name, finder in resource.spelled[shape].filters.items():
        properties[name] = _as_key(finder.kind.schema()) | {"description": finder.about}
    properties[IDS.name] = {
        "type": "array",
        "items": {"type": "string", "format": "uuid", "pattern": f"^{GUID_PATTERN}$"},
        "maxItems": 1000,
        "description": IDS.about,
    }
    return _closed(properties) | {"dependentRequired": {"page[after]": ["page[from]"]}}


def _as_key(schema: Schema) -> Schema:
    """A filter's schema inside a body, where a number stands for its digits."""
    free = (
        schema.get("type") == "string"
        and not schema.keys() & {"format", "enum"}
        and schema.get("pattern") in (None, WITHOUT_NUL)
    )
    return {**schema, "type": ["string", "integer"]} if free else schema


def find_page(resource: Resource, enveloped: bool) -> Schema:
    """A page of a Find in the contract's shape, a list of one object, or in the enveloped one."""
    rows = {"type": "array", "items": ref(component(resource))}
    if enveloped:
        properties = {"data": rows, "links": ref("PageLinks")}
        return object_of(properties, ["data", "links"])
    properties = {"data": rows, "meta": ref("PageMeta"), "links": ref("PageLinks")}
    page = object_of(properties, ["data", "meta"])
    return {
        "type": "array",
        "description": "One page: a list of one object.",
        "minItems": 1,
        "maxItems": 1,
        "items": page,
    }


def shared(resources: Sequence[Resource], enveloped: bool) -> dict[str, Schema]:
    """The schemas that belong to no single collection."""
    moment: Schema = {"type": "string", "format": "date-time"}
    used = {
        "page[from]": moment,
        "page[to]": moment,
        "page[size]": {"type": "integer", "minimum": 1, "maximum": 1000},
    }
    current = {
        "type": "object",
        "description": f"What was used. {_PAGE_TEXT}",
        "properties": used,
        "required": list(used),
    }
    onward = {
        "type": "object",
        "description": (
            "The parameters of the next page, filters included. Absent on the last page."
        ),
        "properties": (
            used
            | {"page[after]": {"type": "string", "format": "uuid"}}
            | _filters_echoed(resources, enveloped)
        ),
        "required": [*used, "page[after]"],
    }
    until = moment | {
        "description": (
            "Up to here no earlier change can still appear: a program that polls continues from"
            " this time."
        )
    }
    meta: Schema = object_of(
        {"current": current, "complete_until": until, "next": onward}, ["current", "complete_until"]
    )
    href = string("An absolute address, to be followed as it stands.", format="uri")
    following: Schema = object_of({"href": href})
    links: Schema = {
        "type": "object",
        "description": "Absent on the last page.",
        "properties": {"next": following},
    }
    if enveloped:
        links = _enveloped_links(href, current, onward)
    return {
        "PageMeta": meta,
        "PageLinks": links,
        "Problem": _problem(),
        "Errors": object_of({"errors": {"type": "array", "minItems": 1, "items": ref("Problem")}}),
    }


def _filters_echoed(resources: Sequence[Resource], enveloped: bool) -> dict[str, Schema]:
    """The filters of a Find as its pages give them back, whatever the collection: as they were
    sent.
    """
    text = "The filter of this name, where the Find has it."
    shape = Shape.ENVELOPED if enveloped else Shape.DOCUMENTED
    return {name: string(text) for r in resources for name in r.spelled[shape].filters}


def _enveloped_links(href: Schema, current: Schema, onward: Schema) -> Schema:
    def place(meta: Schema) -> Schema:
        return object_of({"href": href, "meta": meta})

    both = object_of({"current": href, "next": href}, ["current"])
    return {
        "type": "object",
        "description": "Where this page and the next are. On the last page `next` is absent.",
        "properties": {
            "href": both,
            "current": place(current),
            "next": place(onward),
            "meta": ref("PageMeta"),
        },
        "required": ["href", "current", "meta"],
    }


def _problem() -> Schema:
    codes = list(PROBLEMS)
    properties: dict[str, Any] = {
        "status": {"type": "integer", "description": "The status that this problem has by itself."},
        "code": string("For programs.", enum=codes),
        "title": string("The code in words."),
        "detail": string("What is wrong, and where, for a person."),
        "extra": {
            "type": "object",
            "description": (
                "For programs. `path` names the field or parameter, as `.user_id` or"
                " `.model.pain_scale`."
            ),
            "properties": {
                "path": {"type": "string"},
                "scope": string("The scope that is needed."),
                "limit_bytes": {"type": "integer", "description": "What it may have at most."},
                "request_id": string("By which the server's log knows this request."),
                "rule": string(
                    "What an answer or a record breaks: `kind`, `required`, `not_asked` ..."
                ),
                "spec": string("The id of the assessment spec that it does not fit."),
                "spec_version": {"type": "integer"},
                "type_name": string("The custom data type that it does not fit."),
                "type_version": {"type": "integer"},
            },
        },
    }
    return object_of(properties)
