"""The headers and the refusals that operations share."""

from __future__ import annotations

from typing import Any

from almoner.data_api import describe_examples as examples
from almoner.errors import PROBLEMS
from almoner.vocabulary.kinds import Schema

TEXT: Schema = {"type": "string"}
# What any request can be answered with, whatever it asks for.
ANY = (408, 413, 414, 415, 429, 431, 500, 503)

_HEADERS: dict[str, tuple[str, Schema, Any]] = {
    "X-Request-Id": (
        (
            "Names this request in the server's log, in the change feed and in the audit trail. It"
            " is the server's own."
        ),
        TEXT,
        examples.REQUEST_ID,
    ),
    "X-Client-Request-Id": (
        (
            "The `X-Request-Id` that the request came with, if it has at most 128 letters, digits"
            " and `._:/+=-`; the log has it too."
        ),
        TEXT,
        "order-4711",
    ),
    "ETag": (
        "The version of the row. Send it as `If-Match` with an Update or a Delete.",
        TEXT,
        f'"{examples.MOMENT}"',
    ),
    "X-Ignored-Fields": (
        (
            "What the body said of fields that were not set by it, and that is not what the row"
            " has. Absent where there is none."
        ),
        TEXT,
        "calendar_id, modality",
    ),
    "Idempotent-Replayed": (
        "`true` where the answer was given before, under the same `Idempotency-Key`. Else absent.",
        TEXT,
        "true",
    ),
    "Link": (
        'The next page, as `<...>; rel="next"`. Absent on the last page.',
        TEXT,
        '<https://.../next>; rel="next"',
    ),
    "Preference-Applied": (
        "Which preference the answer is by (RFC 7240). Absent where there was none.",
        TEXT,
        "return=minimal",
    ),
    "WWW-Authenticate": ("How to authenticate.", TEXT, 'Bearer realm="almoner"'),
    "Retry-After": (
        "Seconds to wait before the next attempt.",
        {"type": "integer", "minimum": 0},
        1,
    ),
    "Allow": ("The methods that are offered here.", TEXT, "GET, POST"),
}
_BESIDES = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def headers() -> dict[str, Any]:
    return {
        name.replace("-", ""): {"description": text, "schema": schema, "example": sample}
        for name, (text, schema, sample) in _HEADERS.items()
    }


def header_refs(*names: str) -> dict[str, Any]:
    every = ("X-Request-Id", "X-Client-Request-Id", *names)
    return {name: {"$ref": f"#/components/headers/{name.replace('-', '')}"} for name in every}


def statuses() -> list[int]:
    return sorted({kind.status for kind in PROBLEMS.values()})


def responses() -> dict[str, Any]:
    """One response a status, with an example for each problem that has it."""
    return {f"Status{status}": _refusal(status) for status in statuses()}


def _refusal(status: int) -> dict[str, Any]:
    kinds = examples.problems_of(status)
    samples = {k.code: {"summary": k.title, "value": examples.problem_body(k)} for k in kinds}
    content = {"schema": {"$ref": "#/components/schemas/Errors"}, "examples": samples}
    return {
        "description": " Or: ".join(f"`{k.code}`: {k.remedy}" for k in kinds),
        "headers": header_refs(*_BESIDES.get(status, ())),
        "content": {"application/json": content},
    }


def refusals(*others: int) -> dict[str, Any]:
    """References to the responses of these statuses and of those that any request can get."""
    return {
        str(status): {"$ref": f"#/components/responses/Status{status}"}
        for status in sorted({*others, *ANY})
    }


def success(description: str, schema: Schema, example: Any, *header_names: str) -> dict[str, Any]:
    return {
        "description": description,
        "headers": header_refs(*header_names),
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def not_modified() -> dict[str, Any]:
    """The 304 of a Get whose row is still what the caller has."""
    return {
        "description": "The row is what the caller has already.",
        "headers": header_refs("ETag"),
    }
