"""What no schema can tell schemathesis: which rows there are, what the program defines, and what
two fields mean together.

Loaded by the process that test_openapi_stateful.py starts. Only values that fit the schema are
replaced, by ones that exist; what schemathesis breaks on purpose stays broken."""

from __future__ import annotations

import itertools
import json
import os
import re
from datetime import datetime
from typing import Any

import schemathesis

from almoner.data_api import nested
from almoner.data_api.declare import Resource
from almoner.resources import BY_NAME
from almoner.vocabulary.fields import Field, Shape
from almoner.vocabulary.kinds import Boolean

KNOWN: dict[str, Any] = json.loads(os.environ["ALMONER_TEST_KNOWN"])
SHAPE = Shape[KNOWN["shape"].upper()]
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_LINE = re.compile(r"[ -~]{0,150}[!-~]")
_ZONE = re.compile(r"[A-Za-z0-9_+/-]+")
FORM = "application/x-www-form-urlencoded"
MOST_ROWS = 2
_count = itertools.count(1)


def is_id(value: Any) -> bool:
    return isinstance(value, str) and _GUID.fullmatch(value) is not None


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """A batch has few rows: a thousand go deeper than what makes them up can follow."""
    for name, schema in raw_schema["components"]["schemas"].items():
        for rows in schema.get("properties", {}).values() if name.endswith("Batch") else ():
            if "maxItems" in rows:
                rows["maxItems"] = MOST_ROWS


@schemathesis.hook
def map_path_parameters(
    context: Any, path_parameters: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Every other id is of a row that there is."""
    collection = context.operation.path.split("/")[2]
    if path_parameters and is_id(path_parameters.get("id")) and next(_count) % 2:
        path_parameters["id"] = KNOWN["rows"].get(collection, path_parameters["id"])
    return path_parameters


@schemathesis.hook
def map_query(context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    if query:
        first_page_alone(query)
        if context.operation.path == "/v1/changes" and isinstance(query.get("after"), str):
            query["after"] = KNOWN["cursor"]
        if isinstance(query.get("wait"), int):
            query["wait"] = 0  # where nothing is there, the test would wait as well
    return query


def first_page_alone(asked: dict[str, Any]) -> None:
    """Only a whole position continues behind a row, and each filter is given under one of its
    names.
    """
    if asked.get("page[from]") is None and is_id(asked.get("page[after]")):
        del asked["page[after]"]
    for name, other in (
        ("worker_id", "worker"),
        ("user_id", "patient_id"),
        ("coach_id", "primary_worker_id"),
    ):
        if name in asked and (asked.get(other, "") is None or is_id(asked.get(other))):
            del asked[other]


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """A form says a value or a list of ids: what else is made up is lost as it is written, so that
    another request would be sent than the one that is judged.
    """
    if case.media_type != FORM or not isinstance(case.body, dict):
        return True
    return all(
        is_value(value)
        or (name == "ids" and isinstance(value, list) and value and all(map(is_value, value)))
        for name, value in case.body.items()
    )


def is_value(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    path = context.operation.path
    if path.endswith("/find"):
        first_page_alone(body)
        return body
    collection = path.split("/")[2]
    if path.endswith("/batch"):
        rows_in_the_house(collection, body)
        return body
    in_the_house(collection, body, context.operation.method.upper() == "POST")
    if path == "/v1/subscriptions/{id}":
        unlike_before(body)
    return body


def in_the_house(collection: str, body: dict[str, Any], creating: bool) -> None:
    """What a body names is there, in it and in the rows that come with it."""
    resource = BY_NAME.get(collection)
    if resource is not None:
        single_spelling(resource, body, creating)
    for name, value in KNOWN["ids"].items():
        if is_id(body.get(name)):
            body[name] = value
    for name, value in KNOWN["program"].items():
        if name in body and type(body[name]) is type(value):
            body[name] = value
    if collection in SENSES:
        SENSES[collection](body)
    for field, kind in nested.fields(resource) if resource is not None else ():
        rows = body.get(field.name)
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                in_the_house(kind.resource.name, row, creating=True)


def rows_in_the_house(collection: str, body: dict[str, Any]) -> None:
    """The same of the rows of a batch. Each of an update is another row: the first is of the
    house.
    """
    for name in ("create", "update"):
        rows = body.get(name)
        for number, row in enumerate(rows if isinstance(rows, list) else ()):
            if isinstance(row, dict):
                in_the_house(collection, row, creating=name == "create")
                mappings = row.get("external_ids")
                for mapping in mappings if isinstance(mappings, list) else ():
                    if isinstance(mapping, dict):
                        external_id(mapping)
                if name == "update" and number == 0 and is_id(row.get("id")):
                    row["id"] = KNOWN["rows"].get(collection, row["id"])


def single_spelling(resource: Resource, body: dict[str, Any], creating: bool) -> None:
    """A field that is given under two of its names has one value, which no schema can say: one of
    them is enough. What does not fit the schema stays.
    """
    spelled = resource.spelled[SHAPE]
    for field in spelled.fields:
        spellings = [name for name in body if spelled.names.get(name) is field]
        writable = field.create if creating else field.update
        if writable and all(fits(field, body[name], creating) for name in spellings):
            for other in spellings[1:]:
                del body[other]


def fits(field: Field, value: Any, creating: bool) -> bool:
    """Whether a value of a field with two names, a reference or a consent, is one of its schema."""
    if value is None:
        return not field.required and (creating or field.nullable)
    return type(value) is bool if isinstance(field.kind, Boolean) else is_id(value)


def external_id(body: dict[str, Any]) -> None:
    number = next(_count)
    for name in ("namespace", "external_id"):
        if isinstance(body.get(name), str):
            body[name] += str(number)
    if body.get("resource") in KNOWN["rows"] and is_id(body.get("welkin_id")):
        body["welkin_id"] = KNOWN["rows"][body["resource"]]


def message(body: dict[str, Any]) -> None:
    if body.get("direction") == "inbound" and (
        is_id(body.get("worker_id")) or body.get("worker_id") is None
    ):
        body.pop("worker_id", None)
    if body.get("direction") == "outbound" and body.get("worker_id") is None:
        body["worker_id"] = KNOWN["ids"]["worker_id"]


def calendar_event(body: dict[str, Any]) -> None:
    """A time of day or a day, whichever is given, in order."""
    if (
        is_moment(body.get("start_time"))
        and is_moment(body.get("end_time"))
        and is_day(body.get("day"))
    ):
        body |= KNOWN["day"] if body.get("day") is not None else KNOWN["span"]


def visit(body: dict[str, Any]) -> None:
    """One that has an end ends after its beginning."""
    if body.get("start_time") and body.get("end_time"):
        span = {"start_time": "2018-09-10T18:56:19+00:00", "end_time": "2018-09-10T19:26:19+00:00"}
        if is_moment(body["start_time"]) and is_moment(body["end_time"]):
            body |= span


def worker_task(body: dict[str, Any]) -> None:
    """Due on a day or at a time, also where the row was due at the other."""
    if body.get("due_date") is not None and is_moment(body.get("due_time")):
        body["due_time"] = None
    elif body.get("due_time") is not None and is_day(body.get("due_date")):
        body["due_date"] = None


def is_moment(value: Any) -> bool:
    if value is None:
        return True
    try:
        return _MOMENT.fullmatch(value) is not None and bool(datetime.fromisoformat(value.upper()))
    except (TypeError, ValueError):
        return False


def is_day(value: Any) -> bool:
    return value is None or is_moment(f"{value}T00:00:00Z")


def assessment_response(body: dict[str, Any]) -> None:
    if body.get("spec_id") is None and body.get("spec_name") is None:
        body["spec_id"] = KNOWN["program"]["spec_id"]


def token(body: dict[str, Any]) -> None:
    if isinstance(body.get("assertion"), str):
        body["assertion"] = KNOWN["assertion"]
        if isinstance(body.get("scope"), str):
            body["scope"] = "all"


def subscription(body: dict[str, Any]) -> None:
    """A name of its own, the way to authenticate as it was, and a span in order that is past."""
    if isinstance(body.get("name"), str) and _LINE.fullmatch(body["name"]):
        body["name"] += str(next(_count))
    if is_moment(body.get("from", "")) and is_moment(body.get("to")):
        body |= {
            name: value
            for name, value in zip(("from", "to"), KNOWN["span"].values(), strict=False)
            if body.get(name)
        }


def unlike_before(body: dict[str, Any]) -> None:
    """Whether a token endpoint is needed or refused depends on what the subscription was before."""
    if body.get("authentication") in ("token_exchange", "bearer_jwt"):
        del body["authentication"]
    if body.get("token_url", "") is None or "authentication" not in body:
        body.pop("token_url", None)


def with_timezone(body: dict[str, Any]) -> None:
    """What looks like the name of a time zone is one."""
    if isinstance(body.get("timezone"), str) and _ZONE.fullmatch(body["timezone"]):
        body["timezone"] = "US/Pacific"


@schemathesis.hook
def before_add_examples(context: Any, examples: list[Any]) -> None:
    """The document's own examples are of rows and assertions that are not here either."""
    for case in examples:
        if isinstance(case.body, dict):
            case.body = map_body(context, dict(case.body))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """What a link filled in may meet what was made up: the same row under another name, or nothing
    where a row was awaited.
    """
    if "Idempotency-Key" in (case.headers or {}):
        # Each key is used once; that a second use is refused has a test of its own.
        case.headers["Idempotency-Key"] = f'"{next(_count)}"'
    if isinstance(case.query, dict):
        first_page_alone(case.query)
    if case.operation.path.endswith("/batch"):
        # Each by itself, rows that are refused are told in an answer that is none of a refusal.
        if is_broken(case) and isinstance(case.body, dict) and case.body.get("atomic") is False:
            case.body["atomic"] = True
    elif isinstance(case.body, dict):
        resource = BY_NAME.get(case.operation.path.split("/")[2])
        if resource is not None:
            single_spelling(resource, case.body, case.operation.method.upper() == "POST")
        if case.operation.path.startswith("/v1/subscriptions"):
            subscription(case.body)
        if (
            case.operation.path.startswith("/v1/subscriptions")
            and isinstance(case.body.get("name"), str)
            and case.body["name"].strip()
        ):
            case.body["name"] = f"{case.body['name'][:50]} {next(_count)}"
        if case.operation.path == "/v1/subscriptions/{id}":
            unlike_before(case.body)
    if (
        case.path_parameters
        and case.path_parameters.get("id") is None
        and "{id}" in case.operation.path
    ):
        case.path_parameters["id"] = KNOWN["rows"].get(
            case.operation.path.split("/")[2], KNOWN["rows"]["patients"]
        )


def is_broken(case: Any) -> bool:
    """Whether schemathesis has broken something of the request on purpose."""
    return bool(case.meta and case.meta.generation.mode.is_negative)


SENSES = {
    "external_ids": external_id,
    "patients": with_timezone,
    "messages": message,
    "calendar_events": calendar_event,
    "visits": visit,
    "worker_tasks": worker_task,
    "assessment_responses": assessment_response,
    "token": token,
    "subscriptions": subscription,
}
