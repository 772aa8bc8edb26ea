"""Every problem that the API answers with, and the one renderer of them (clarification 6).

A problem is declared once in ``PROBLEMS``: its code, status, title and what a caller does about it.
The page of errors in the docs is printed from that table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True)
class ProblemType:
    """One kind of problem: the HTTP status it is answered with, its title, and what the caller can
    do.

    ``example`` and ``extra`` are the detail and the extra of the one that the documentation shows.
    """

    code: str
    status: int
    title: str
    remedy: str
    example: str
    extra: Mapping[str, Any] = field(default_factory=dict)


_TYPES = (
    ProblemType(
        code="parse_exception",
        status=400,
        title="Parse Exception",
        remedy=(
            "A field or parameter does not parse or does not fit. `extra.path` says which one; mend"
            " it and send again."
        ),
        example="Failed to parse guid at .user_id",
        extra={"path": ".user_id"},
    ),
    ProblemType(
        code="uniqueness_exception",
        status=400,
        title="Uniqueness Exception",
        remedy=(
            "A value that must be unique is taken. `extra.path` names it; find the row that holds"
            " it, or choose another."
        ),
        example="This external id is taken in its namespace.",
        extra={"path": ".external_id"},
    ),
    ProblemType(
        "bad_request",
        400,
        "Bad Request",
        "The request as a whole cannot be understood, or its parts contradict each other. `detail`"
        " says why.",
        "The body is empty. Send a JSON object.",
    ),
    ProblemType(
        "unauthorized",
        401,
        "Unauthorized",
        "There is no valid access token. Fetch one from `POST /v1/token` and send it as"
        " `Authorization: Bearer ...`.",
        "An access token is needed. Fetch one from POST /v1/token; send Authorization: Bearer ...",
    ),
    ProblemType(
        code="forbidden",
        status=403,
        title="Forbidden",
        remedy=(
            "The token is valid, but its scope does not cover this operation. Ask for a token with"
            " the scope in `extra.scope`."
        ),
        example="The token's scope does not cover this. It needs patients.write or all.",
        extra={"scope": "patients.write"},
    ),
    ProblemType(
        "not_found",
        404,
        "Not Found",
        "There is no such route, or no such resource in this environment. Check the path and"
        " the id.",
        "There is no patient with this id.",
    ),
    ProblemType(
        code="resource_not_found",
        status=404,
        title="Resource Not Found",
        remedy=(
            "A field refers to a resource that does not exist in this environment. `extra.path`"
            " names the field."
        ),
        example="There is no patient with the id at .user_id.",
        extra={"path": ".user_id"},
    ),
    ProblemType(
        "method_not_allowed",
        405,
        "Method Not Allowed",
        "The collection does not offer this verb. The `Allow` header lists the ones it does.",
        "/v1/patients/:id allows GET, PUT.",
    ),
    ProblemType(
        "request_timeout",
        408,
        "Request Timeout",
        "The request did not arrive in time. Send it again.",
        "The head of the request did not arrive in time.",
    ),
    ProblemType(
        "gone",
        410,
        "Gone",
        "Changes behind the cursor were removed, since they are older than the environment keeps"
        " them. Take a new cursor (`after=latest`), then read every row anew.",
        "Changes behind this cursor were removed. Read every row anew.",
    ),
    ProblemType(
        "precondition_failed",
        412,
        "Precondition Failed",
        "The row has changed since its `ETag` was read. Get it again, apply the change to what it"
        " is now, and send that.",
        "The row has changed since the ETag in If-Match was read. Get it again first.",
    ),
    ProblemType(
        code="payload_too_large",
        status=413,
        title="Payload Too Large",
        remedy=(
            "The body is longer than this server accepts. `extra.limit_bytes` tells the limit; send"
            " less at once."
        ),
        example="The body is longer than 1048576 bytes.",
        extra={"limit_bytes": 1048576},
    ),
    ProblemType(
        "uri_too_long",
        414,
        "URI Too Long",
        "The address is longer than this server accepts. Use `POST /v1/<collection>/find`, which"
        " takes a body.",
        "The query string is longer than 16384 bytes.",
    ),
    ProblemType(
        "unsupported_media_type",
        415,
        "Unsupported Media Type",
        "The body is compressed in a way that this server does not unpack. Send it as it is, or"
        " with `Content-Encoding: gzip`.",
        "The body's Content-Encoding is not gzip. Send it as it is, or with gzip.",
    ),
    ProblemType(
        "idempotency_key_reused",
        422,
        "Idempotency Key Reused",
        "The `Idempotency-Key` came with another request before. Send that request again as it was,"
        " or use a new key.",
        "This Idempotency-Key came with another request before. Use a new key for a new request.",
    ),
    ProblemType(
        "header_fields_too_large",
        431,
        "Request Header Fields Too Large",
        "The header fields are longer than this server accepts. Send fewer or shorter ones.",
        "The header fields have more than 65536 bytes.",
    ),
    ProblemType(
        "too_many_requests",
        429,
        "Too Many Requests",
        "Too many failed attempts, or too many requests at once of a kind that is limited. Wait for"
        " as many seconds as the `Retry-After` header says.",
        "Too many failed attempts. Wait a little.",
    ),
    ProblemType(
        code="internal_server_error",
        status=500,
        title="Internal Server Error",
        remedy=(
            "A fault in the server. Tell its operator the request id in `extra.request_id`; the log"
            " has it too."
        ),
        example="A fault in the server; its log has it.",
        extra={"request_id": "5f2c9a41d07b-1a3"},
    ),
    ProblemType(
        "service_unavailable",
        503,
        "Service Unavailable",
        "The database cannot be reached, is full or is too busy. Nothing was changed; try again"
        " after `Retry-After`. Only where `extra.outcome` is `unknown`, the answer to a write was"
        " lost: look whether it was done before you repeat it.",
        "The database cannot be reached. Nothing was changed.",
    ),
)

NOT_KNOWN = "It is not known whether this was done; look before you repeat it."

PROBLEMS: Mapping[str, ProblemType] = {t.code: t for t in _TYPES}


@dataclass(frozen=True)
class Problem:
    """One problem of one request.

    ``detail`` is a sentence for a person; ``extra`` is for programs (``path`` names the field, as
    ``.user_id``). Neither ever holds another environment's data, a secret or what the caller sent
    as a value. ``rule`` is what a value of a field breaks: ``kind``, ``required``,
    ``unknown_field``, and ``if_match`` of a row as a whole; blank where it is about none of these.
    ``kind`` is the name of the kind that the value does not fit, for pages, which say it in other
    words; else blank."""

    code: str
    detail: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    rule: str = ""
    kind: str = ""

    @property
    def status(self) -> int:
        return PROBLEMS[self.code].status


# Nobody mends more of them at once, and whoever sends nonsense shall not keep the server busy
# describing it.
MOST_PROBLEMS = 100
# Of "Failed to parse url at .notify_url: it must begin with https://", what tells a person
# something.
_PARSED = re.compile(r"Failed to parse [^:]*?: (.*)", re.DOTALL)


class Answerable(Exception):  # noqa: N818  # its kinds are errors by their names
    """What a request is answered with instead of what it asked for: one or more problems, and
    headers that go with the answer.

    Beyond ``MOST_PROBLEMS`` the last one says how many more were found.
    """

    def __init__(
        self, problems: Problem | Sequence[Problem], headers: Mapping[str, str] | None = None
    ) -> None:
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        more = len(self.problems) - MOST_PROBLEMS
        if more > 0:
            detail = (
                f"At least {more} more problems were found. Mend the first {MOST_PROBLEMS} and send"
                " again."
            )
            self.problems = (
                *self.problems[:MOST_PROBLEMS],
                Problem(self.problems[0].code, detail, {"more": more}),
            )
        self.headers: Mapping[str, str] = headers or {}
        super().__init__(", ".join(p.code for p in self.problems))

    @property
    def status(self) -> int:
        """The status that all problems share; 400 where they differ."""
        statuses = {p.status for p in self.problems}
        return statuses.pop() if len(statuses) == 1 else 400


class ApiError(Answerable):
    """A refused request: something in it, or about who sent it, does not fit. A form shows it where
    it was typed.
    """


class UnavailableError(Answerable):
    """A request that could not be served at this moment, whatever it was (503).

    It is no ApiError, so that no form takes it for something that is wrong with what was typed.
    """


class SettingError(Exception):
    """A setting that cannot be used, in words that say what is expected. Raised to operators, never
    to callers.
    """


def problem(
    code: str, detail: str, headers: Mapping[str, str] | None = None, **extra: Any
) -> ApiError:
    """An error of a single problem, ready to be raised. ``headers`` go with its answer."""
    return ApiError(Problem(code, detail, extra), headers)


def unavailable(detail: str, seconds: int = 2, **extra: Any) -> UnavailableError:
    """The 503 of what cannot be done at this moment; it may be asked for again after so many
    seconds.
    """
    return UnavailableError(
        Problem("service_unavailable", detail, extra), {"Retry-After": str(seconds)}
    )


def not_known() -> UnavailableError:
    """The 503 where a write was sent and its outcome is not known: whoever just repeats it may do
    it twice.
    """
    return unavailable("The answer of the database did not arrive. " + NOT_KNOWN, outcome="unknown")


def parse_problem(kind: str, path: str, hint: str = "") -> Problem:
    """The problem of a value that does not parse as ``kind``, in the words of clarification 6."""
    detail = f"Failed to parse {kind} at {path}"
    return Problem(
        "parse_exception", f"{detail}: {hint}" if hint else detail, {"path": path}, "kind", kind
    )


def without_path(refused: Problem) -> str:
    """What a problem tells a person: what is expected, without the names of kind and path."""
    match = _PARSED.fullmatch(refused.detail)
    return match[1] if match else refused.detail


def render(error: Answerable) -> bytes:
    """The body of an error answer: ``{"errors": [...]}``, one entry a problem, in the order they
    were found.
    """
    return msgspec.json.encode({"errors": problem_objects(error)})


def problem_objects(error: Answerable) -> list[dict[str, Any]]:
    """The entries of ``errors`` as plain objects, for answers that carry more than them (the token
    endpoint).
    """
    return [
        {
            "status": p.status,
            "code": p.code,
            "title": PROBLEMS[p.code].title,
            "detail": p.detail,
            "extra": dict(p.extra),
        }
        for p in error.problems
    ]
