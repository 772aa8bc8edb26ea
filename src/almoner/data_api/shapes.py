"""The two shapes of an answer (clarifications 4 and 5). What PostgreSQL rendered goes through as
bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from almoner.data_api.find import LONGEST_QUERY, FindPage, address, following

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
    if enveloped:
        here = address(url, resource, {**dict(parameters), **page.current})
        # What only fits a body is found where bodies go.
        here = here if len(here) <= LONGEST_QUERY else f"{url}/v1/{resource}/find"
        return (
            b'{"data":[' + page.rows + b'],"links":' + _encode(_links(page, here, after)) + b"}",
            after,
        )
    meta: dict[str, Any] = {"current": page.current, "complete_until": page.complete_until}
    tail: dict[str, Any] = {"meta": meta}
    if after is not None:
        meta["next"] = page.follows
        tail["links"] = {"next": {"href": after}}
    return b'[{"data":[' + page.rows + b"]," + _encode(tail)[1:] + b"]", after


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
