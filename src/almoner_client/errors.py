"""What can go wrong with a request, as exceptions: each says what the server said, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec


class AlmonerError(Exception):
    """Everything that this package raises by itself."""


class ConnectionFailed(AlmonerError):
    """The server cannot be reached, or the connection broke, as often as was tried."""


class NotAnAnswer(AlmonerError):
    """What came back is none of the API's answers: a proxy's page, or a body cut short."""


class TokenRefused(AlmonerError):
    """The token endpoint gave no token (RFC 6749, section 5.2). ``code`` is its ``error``."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"No token was given, {code}: {description}")
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``path`` names the field or parameter, as ``.email`` or
    ``.rows[3].birthday``; None where it is the request as a whole.
    """

    status: int
    code: str
    title: str
    detail: str
    path: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


class ApiError(AlmonerError):
    """The server refused a request. ``problems`` has all that is wrong with it.

    ``status`` is HTTP's. ``request_id`` finds the request in the server's log. ``retry_after`` are
    the seconds after which the server is to be asked again, as ``Retry-After`` says; None where it
    says none."""

    def __init__(
        self,
        status: int,
        problems: tuple[Problem, ...],
        request_id: str,
        retry_after: float | None = None,
    ) -> None:
        reasons = "; ".join(problem.detail for problem in problems) or "no reason was given"
        later = "" if not retry_after else f", to be asked again in {retry_after:.0f} s"
        super().__init__(f"{status}: {reasons}{later} (request {request_id or 'without an id'})")
        self.retry_after = retry_after
        self.status = status
        self.problems = problems
        self.request_id = request_id

    @property
    def code(self) -> str:
        """The code of the first problem; empty where the server named none."""
        return self.problems[0].code if self.problems else ""

    @property
    def paths(self) -> dict[str, str]:
        """What is wrong at each field or parameter that a problem names."""
        return {p.path: p.detail for p in self.problems if p.path is not None}


class InvalidRequest(ApiError):
    """400 or 422: a field or parameter does not fit. Mend what ``paths`` names."""


class Unauthorized(ApiError):
    """401: the server takes neither the token nor a new one."""


class Forbidden(ApiError):
    """403: the scope of the token does not cover this."""


class NotFound(ApiError):
    """404: there is no such row, collection or referenced row."""


class Conflict(ApiError):
    """409: the same request is under way, or another has changed the row meanwhile."""


class Gone(ApiError):
    """410: what a cursor points behind was removed. Take a new one, and read every row anew."""


class PreconditionFailed(ApiError):
    """412: the row has changed since its ``ETag`` was read. Get it again first."""


class TooManyRequests(ApiError):
    """429, as often as was tried, or for longer than was to be waited."""


class ServerError(ApiError):
    """5xx, as often as was tried, or for longer than was to be waited."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: PreconditionFailed,
    422: InvalidRequest,
    429: TooManyRequests,
}


def problem_of(value: Mapping[str, Any], status: int) -> Problem:
    """A problem as an answer has it (contract: Errors)."""
    extra = value.get("extra") or {}
    return Problem(
        status=value.get("status", status),
        code=value.get("code", ""),
        title=value.get("title", ""),
        detail=value.get("detail", ""),
        path=extra.get("path"),
        extra=extra,
    )


def api_error(
    status: int, body: bytes, request_id: str, retry_after: float | None = None
) -> ApiError:
    """The exception of an answer whose status is not 200."""
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    try:
        listed = msgspec.json.decode(body)["errors"]
        problems = tuple(problem_of(value, status) for value in listed)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        excerpt = body[:200].decode("utf-8", "replace")
        problems = (Problem(status, "", "", excerpt),) if excerpt else ()
    return kind(status, problems, request_id, retry_after)
