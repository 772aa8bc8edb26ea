"""The two shapes of an answer (clarifications 4 and 5). What PostgreSQL rendered goes through as bytes."""

from __future__ import annotations

from typing import Any

import msgspec

from almoner.data_api.find import Page, address

_encode = msgspec.json.Encoder().encode


def one(body: bytes, enveloped: bool) -> bytes:
    """A single object."""
    return b'{"data":' + body + b"}" if enveloped else body


def many(page: Page, resource: str, url: str, enveloped: bool, given: tuple[tuple[str, str], ...]) -> tuple[bytes, str | None]:
    """A page of objects, and the address of the next one (None on the last)."""
    following = None if page.follows is None else address(url, resource, page.follows)
    if enveloped:
        here = address(url, resource, {**dict(given), **page.current})
        return b'{"data":[' + page.rows + b'],"links":' + _encode(_links(page, here, following)) + b"}", following
    meta: dict[str, Any] = {"current": page.current, "complete_until": page.complete_until}
    tail: dict[str, Any] = {"meta": meta}
    if following is not None:
        meta["next"] = page.follows
        tail["links"] = {"next": {"href": following}}
    return b'[{"data":[' + page.rows + b"]," + _encode(tail)[1:] + b"]", following


def _links(page: Page, here: str, following: str | None) -> dict[str, Any]:
    current = {"href": here, "meta": page.current}
    meta = {"current": page.current, "complete_until": page.complete_until}
    if following is None:
        return {"href": {"current": here}, "current": current, "meta": meta}
    return {
        "href": {"current": here, "next": following},
        "current": current,
        "next": {"href": following, "meta": page.follows},
        "meta": {**meta, "next": page.follows},
    }
