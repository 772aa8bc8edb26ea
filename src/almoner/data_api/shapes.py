"""The two shapes of an answer (clarifications 4 and 5), and rows as lines. What PostgreSQL rendered
goes through as bytes.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from almoner.data_api.find import LONGEST_LINK, LONGEST_QUERY, FindPage, address, following
from almoner.data_api.statements import ROW_END
from almoner.errors import problem

# What an Accept names that asks for rows as lines.
LINES: Final = b"application/x-ndjson"
_encode = msgspec.json.Encoder().encode


def single(body: bytes, enveloped: bool) -> bytes:
    """A row as the caller spells answers: bare, or under ``data``."""
    return b'{"data":' + body + b"}" if enveloped else body


def many(
    page: FindPage,
    resource: str,
    url: str,
    enveloped: bool,
    parameters: tuple[tuple[str, str], ...],
) -> tuple[bytes, str | None]:
    """A page of objects, and the address of the next one (None on the last). Raises ApiError where
    that cannot be said.
    """
    after = None if page.follows is None else following(url, resource, page.follows)
    rows = page.rows.replace(ROW_END, b",")
    if enveloped:
        here = address(url, resource, {**dict(parameters), **page.current})
        # What only fits a body is found where bodies go.
        here = here if len(here) <= LONGEST_QUERY else f"{url}/v1/{resource}/find"
        return (
            b'{"data":[' + rows + b'],"links":' + _encode(_links(page, here, after)) + b"}",
            after,
        )
    meta: dict[str, Any] = {"current": page.current, "complete_until": page.complete_until}
    tail: dict[str, Any] = {"meta": meta}
    if after is not None:
        meta["next"] = page.follows
        tail["links"] = {"next": {"href": after}}
    return b'[{"data":[' + rows + b"]," + _encode(tail)[1:] + b"]", after


def are_lines(accept: bytes) -> bool:
    """Whether a caller with this ``Accept`` takes rows as lines."""
    return LINES in accept.lower()


def lines(page: FindPage, resource: str, url: str) -> tuple[bytes, str | None]:
    """The same page as lines, a row each, in either shape. Raises ApiError where the address of the
    next one is too long for the header that alone tells of it.
    """
    after = None if page.follows is None else following(url, resource, page.follows)
    if after is not None and len(after) > LONGEST_LINK:
        raise problem(
            "bad_request",
            f"There is another page, and its address would be longer than the {LONGEST_LINK} bytes"
            " of a Link header, which alone tells of it here. Ask for application/json.",
        )
    return page.rows and page.rows.replace(ROW_END, b"\n") + b"\n", after


def _links(page: FindPage, here: str, after: str | None) -> dict[str, Any]:
    current = {"href": here, "meta": page.current}
    meta = {"current": page.current, "complete_until": page.complete_until}
    if after is None:
        return {"href": {"current": here}, "current": current, "meta": meta}
    return {
        "href": {"current": here, "next": after},
        "current": current,
        "next": {"href": after, "meta": page.follows},
        "meta": {**meta, "next": page.follows},
    }
