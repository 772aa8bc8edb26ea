"""What the reference pages say of a collection, derived from its declaration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from almoner.data_api import describe_examples as examples
from almoner.data_api import describe_operations as operations
from almoner.data_api import describe_schemas as schemas
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.describe import Addition
from almoner.data_api.nested import NewRows
from almoner.reference.highlight import as_json, shell
from almoner.vocabulary.choices import Choice, ProgramChoice, Several
from almoner.vocabulary.fields import MISSING, NOW, Field, ListOf, Object
from almoner.vocabulary.kinds import Kind, Ref

# What each kind of value is, in the words of the reference.
TYPES = {
    "string": "Text of any script and length. A NUL character is refused.",
    "name": "Text with at least one visible character.",
    "email": "Text of 1 to 320 characters. The format of an address is not checked.",
    "phone": (
        "Ten digits of a +1 number, in any common notation, E.164 included; returned as"
        " `555-555-5555`, in the enveloped shape as `+15555555555`."
    ),
    "guid": (
        "Thirty-six characters of hexadecimal digits and dashes, in any letter case; returned in"
        " lower case."
    ),
    "boolean": "`true` or `false`.",
    "integer": "A whole number of at most 64 bits.",
    "number": "A number.",
    "zip_code": "Five or nine digits of a US zip code: `94110` or `94110-1234`.",
    "boolean_or_word": (
        "`true` or `false`; as a text too, as programs for the enveloped shape send them."
    ),
    "array": "A list of texts.",
    "list": "A list of objects.",
    "json": "A JSON object or value, kept as it was sent, the order of its keys included.",
    "isodate": (
        "A day, as `2018-09-15`, without a time zone: it is that day where the person lives."
    ),
    "birthday": "A day, as `2018-09-15`. A date with a time is accepted, and its date counts.",
    "isodatetime": "A moment. See Times.",
    "timezone": "An IANA name such as `America/Los_Angeles`; older names such as `US/Pacific` too.",
    "state": "The two letters that USPS uses for a state, a territory or a military region.",
    "enum": "One of the texts that the field lists, or that the program defines.",
    "choices": "A list of different ones of the texts that the field lists.",
}


@dataclass(frozen=True, kw_only=True)
class FieldLine:
    """A line of the table of fields. ``children`` are the lines of the object that the field
    holds.
    """

    name: str
    type: str
    about: str
    refers_to: str | None
    values: tuple[str, ...]
    null: str
    create: str
    update: str
    filter: str
    children: tuple[FieldLine, ...] = ()
    depth: int = 0


@dataclass(frozen=True, kw_only=True)
class VerbText:
    """A verb of a collection with a command to try it and what it answers."""

    anchor: str
    title: str
    method: str
    path: str
    about: str
    scope: str
    parameters: tuple[tuple[str, str, str], ...]
    command: Markup
    answer: Markup


@dataclass(frozen=True, kw_only=True)
class OperationText:
    """An operation that belongs to no collection, with what it takes, if anything, and what it
    answers.
    """

    title: str
    method: str
    path: str
    about: str
    scope: str
    body: Markup | None
    answer: Markup


def operations_of(addition: Addition) -> list[OperationText]:
    """The operations of an addition, in its order."""
    return [
        _operation_text(path, method, item[method])
        for path, item in addition.paths.items()
        for method in ("get", "post", "put", "delete")
        if method in item
    ]


def _operation_text(path: str, method: str, operation: dict[str, Any]) -> OperationText:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return OperationText(
        title=operation["summary"],
        method=method.upper(),
        path=path.replace("{id}", ":id"),
        about=operation["description"],
        scope=operation["security"][0]["bearer"][0],
        body=None if body is None else as_json(body["example"]),
        answer=as_json(operation["responses"]["200"]["content"]["application/json"]["example"]),
    )


_TITLES = {
    Verb.GET: "Get",
    Verb.FIND: "Find",
    Verb.CREATE: "Create",
    Verb.UPDATE: "Update",
    Verb.DELETE: "Delete",
}


def lines(resource: Resource) -> list[FieldLine]:
    """The fields that a caller sees or sends, those inside of objects below the one that holds
    them.
    """
    lines: list[FieldLine] = []
    for field in resource.fields:
        if field.returned or field.create or field.update:
            lines += _with_children(_line(resource, field), _nested(field.kind), field.name, 1)
    return lines


def _line(resource: Resource, field: Field) -> FieldLine:
    names = ", ".join(field.filter_names)
    is_filter = any(finder.name == field.name for finder in resource.finders)
    return FieldLine(
        name=field.name,
        type=field.kind.name,
        about=_about(field),
        refers_to=field.kind.to if isinstance(field.kind, Ref) else None,
        values=field.kind.values if type(field.kind) in (Choice, Several) else (),  # type: ignore[attr-defined]
        null=_null(field),
        create=_create(resource, field),
        update=_update(resource, field),
        filter=(
            ("yes" if names == field.name else names)
            if field.filters
            else "yes"
            if is_filter
            else "no"
        ),
    )


def _null(field: Field) -> str:
    if not field.returned:
        return "not returned"
    return "never" if schemas.never_null(field) else "may be null"


def _create(resource: Resource, field: Field) -> str:
    if not field.create or Verb.CREATE not in resource.verbs:
        return "no"
    return "required" if field.required else "optional"


def _update(resource: Resource, field: Field) -> str:
    if Verb.UPDATE not in resource.verbs or not (field.update or field.update_when_enveloped):
        return "no"
    return "yes" if field.update else "in the enveloped shape"


def _about(field: Field) -> str:
    more = []
    if field.default is NOW:
        more.append("Default: now.")
    elif field.default is not MISSING:
        more.append(f"Default: `{json.dumps(field.default)}`.")
    if field.enveloped_name:
        more.append(f"In the enveloped shape also `{field.enveloped_name}`.")
    if field.only_enveloped:
        more.append("In the enveloped shape only.")
    if field.not_enveloped:
        more.append("Not in the enveloped shape.")
    if field.optional_when_enveloped:
        more.append("Optional in the enveloped shape.")
    if field.aliases:
        more.append(f"`{field.aliases[0]}` is accepted too.")
    if isinstance(field.kind, ProgramChoice):
        more.append("The program defines the values.")
    return " ".join([field.about, *more])


def _nested(kind: Kind) -> tuple[Field, ...]:
    if isinstance(kind, ListOf):
        return _nested(kind.item)
    if isinstance(kind, NewRows):
        return tuple(f for f in kind.inner.fields if f.create)
    return kind.fields if isinstance(kind, Object) else ()


def _with_children(
    line: FieldLine, nested: Sequence[Field], path: str, depth: int
) -> list[FieldLine]:
    lines = [line]
    for field in nested:
        name = f"{path}.{field.name}"
        child = FieldLine(
            name=name,
            type=field.kind.name,
            about=field.about,
            refers_to=None,
            values=(),
            null="may be null" if field.nullable else "never",
            create="required" if field.required else "optional",
            update=line.update,
            filter="no",
            depth=depth,
        )
        sent = line.create != "no"
        child = child if sent else _read_only(child)
        lines += _with_children(child, _nested(field.kind), name, depth + 1)
    return lines


def _read_only(line: FieldLine) -> FieldLine:
    return FieldLine(**{**line.__dict__, "create": "no"})


def verbs(resource: Resource, url: str) -> list[VerbText]:
    """The verbs of a collection, in the order in which a newcomer tries them."""
    described = operations.Described((resource,), url, enveloped=False)
    order = (Verb.FIND, Verb.GET, Verb.CREATE, Verb.UPDATE, Verb.DELETE)
    return [_verb(described, resource, verb) for verb in order if verb in resource.verbs]


def _verb(described: operations.Described, resource: Resource, verb: Verb) -> VerbText:
    builders = {
        Verb.GET: operations.get,
        Verb.FIND: operations.find,
        Verb.CREATE: operations.create,
        Verb.UPDATE: operations.update,
        Verb.DELETE: operations.delete,
    }
    operation = builders[verb](described, resource)
    on_row = verb in (Verb.GET, Verb.UPDATE, Verb.DELETE)
    content = operation["responses"]["200"]["content"]["application/json"]
    return VerbText(
        anchor=verb.name.lower(),
        title=_TITLES[verb],
        method="GET" if verb is Verb.FIND else verb.value,
        path=f"/v1/{resource.name}" + ("/:id" if on_row else ""),
        about=operation["description"],
        scope=operation["security"][0]["bearer"][0],
        parameters=_parameters(operation),
        command=shell(_command(resource, verb, described.url)),
        answer=as_json(content["example"]),
    )


def _parameters(operation: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """Name, type and description of each parameter."""
    rows = []
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        words = {"date-time": "isodatetime", "uuid": "guid"}
        kind = words.get(schema.get("format", ""), "enum" if "enum" in schema else schema["type"])
        rows.append((parameter["name"], kind, parameter["description"]))
    return tuple(rows)


def _command(resource: Resource, verb: Verb, url: str) -> str:
    address = f"{url}/v1/{resource.name}"
    if verb in (Verb.GET, Verb.UPDATE, Verb.DELETE):
        address += f"/{examples.row_id(resource.name)}"
    authorized = '-H "Authorization: Bearer $TOKEN"'
    if verb is Verb.GET:
        return f"curl {address} \\\n  {authorized}"
    if verb is Verb.DELETE:
        return f"curl -X DELETE {address} \\\n  {authorized}"
    if verb is Verb.FIND:
        filters = {**examples.find_body(resource), "page[size]": 1}
        pairs = " \\\n".join(f"  -d '{name}={value}'" for name, value in filters.items())
        return f"curl -G {address} \\\n  {authorized} \\\n{pairs}"
    body = examples.create_body(resource) if verb is Verb.CREATE else examples.update_body(resource)
    method = "" if verb is Verb.CREATE else "-X PUT "
    sent = (
        json.dumps(body, indent=2, ensure_ascii=False).replace("'", "'\\''").replace("\n", "\n  ")
    )
    return f"curl {method}{address} \\\n  {authorized} \\\n  -d '{sent}'"


def kinds(resources: Sequence[Resource]) -> list[tuple[str, str]]:
    """The types that these collections use, with what they are."""
    used = {line.type for resource in resources for line in lines(resource)}
    return [(name, text) for name, text in TYPES.items() if name in used]
