"""What somebody else does appears on an open page: server-sent events that say which collections
changed, and by whom.

The page then draws its own parts again (``data-live`` in live.js), so that no event holds anything
of a patient. A stream ends by itself after a while and the browser comes back to where it was,
which lets a server stop without waiting for anybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec
from starlette.responses import Response, StreamingResponse

from almoner.changes import feed
from almoner.changes.feed import Position
from almoner.changes.watch import ChangeEvent, Stream, missed
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.security import HEADERS
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.vocabulary.kinds import Guid

LONGEST_SECONDS: Final = 25.0
_BEAT_SECONDS: Final = 10.0  # proxies cut what is silent for longer
_COME_BACK: Final = b"retry: 1000\n\n"
_COME_BACK_LATER: Final = b"retry: 15000\n\n"
_TYPE: Final = "text/event-stream"
_VISIBLE: Final = (
    f"SELECT p.id::text FROM patients p WHERE p.environment_id = $1 AND {patient_access.OF_WORKER}"
    " AND p.id = $3"
)


async def since(connection: Connection) -> str:
    """Where the log is before a page reads what it shows: from there on its stream tells it of
    changes.
    """
    return (await feed.horizon(connection)).cursor()


async def stream(visit: Visit) -> Response:
    """The events of one patient's page, for the path part ``id``. Raises a 404 ApiError where the
    visitor may not see them.
    """
    patient_id = Guid().decode(visit.path("id"), "", [])
    async with visit.connection() as connection:
        visible_id = patient_id and await connection.fetchval(
            _VISIBLE, visit.environment_id, patient_access.only_of(visit), patient_id
        )
        here = await feed.horizon(connection)
    if not visible_id:
        raise problem("not_found", "There is no such patient, or your role does not show them.")
    return _opened(visit, here, visible_id, frozenset(), own_only=not visit.rights.all_patients)


async def of_calendars(visit: Visit, calendar_ids: Iterable[str]) -> Response:
    """The events of a page that shows these calendars: of their appointments."""
    async with visit.connection() as connection:
        here = await feed.horizon(connection)
    return _opened(visit, here, "", frozenset(calendar_ids), own_only=False)


def _opened(
    visit: Visit, here: Position, patient_id: str, calendar_ids: frozenset[str], own_only: bool
) -> Response:
    me = visit.worker
    opened = Stream(
        environment_id=visit.environment_id,
        patient_id=patient_id,
        digest=me.digest,
        roles=me.roles,
        own_only=own_only,
        position=here,
        calendar_ids=calendar_ids,
        worker_id=me.worker_id,
    )
    return StreamingResponse(
        _events(visit, opened, _since(visit, here)),
        200,
        {**HEADERS, "X-Accel-Buffering": "no"},
        _TYPE,
    )


def redraw(visit: Visit, path: str, *resources: str) -> Response:
    """The answer to an action of a card: the parts of the page that show these collections draw
    themselves again, at once.

    Where no part of a page asked, the browser goes on to ``path``.
    """
    if not visit.is_fragment:
        return visit.go(path)
    return Response(status_code=204, headers={**HEADERS, **trigger(*resources)})


def trigger(*resources: str) -> dict[str, str]:
    """The header of an answer after which the parts of the page that show these collections draw
    themselves again.
    """
    return {
        "HX-Trigger": msgspec.json.encode({"almoner-changed": {"resources": resources}}).decode()
    }


def _since(visit: Visit, here: Position) -> Position:
    """Where the browser was: what it says itself when it comes back, else what its page was drawn
    with.
    """
    cursor = visit.request.headers.get("last-event-id") or visit.query("since")
    problems: list[object] = []
    position = feed.position(cursor, "", problems) if cursor else here  # type: ignore[arg-type]
    return here if problems else position


async def _events(visit: Visit, opened: Stream, since: Position) -> AsyncIterator[bytes]:
    """``since``: where the browser was."""
    ends_at = time.monotonic() + LONGEST_SECONDS
    with visit.parts.watch.open(opened) as is_open:
        if not is_open:
            # Not an error, since a browser would not come back after one.
            yield _COME_BACK_LATER
            return
        yield _COME_BACK
        async with visit.connection() as connection:
            before = await missed(connection, opened, since)
        if before:
            yield _event(before, opened.position)
            opened.end_where_taken_away(before)
        while not opened.ended and time.monotonic() < ends_at:
            try:
                await asyncio.wait_for(opened.woken.wait(), _BEAT_SECONDS)
            except TimeoutError:
                yield _beat(opened.position)
                continue
            changed = opened.take()
            if changed:
                yield _event(changed, opened.position)
        yield _beat(opened.position)


def _event(changed: Iterable[ChangeEvent], position: Position) -> bytes:
    redraw = list(changed)
    by = dict.fromkeys(change.by for change in redraw if change.by)
    detail = {
        "resources": list(dict.fromkeys(change.resource for change in redraw)),
        "by": next(iter(by)) if len(by) == 1 else "several people" if by else "somebody",
        "requests": list(dict.fromkeys(change.request_id for change in redraw)),
    }
    return b"event: changed\nid: %s\ndata: %s\n\n" % (
        position.cursor().encode(),
        msgspec.json.encode(detail),
    )


def _beat(position: Position) -> bytes:
    return b"event: at\nid: %s\ndata: -\n\n" % position.cursor().encode()
