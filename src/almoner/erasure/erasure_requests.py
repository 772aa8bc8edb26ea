"""Erasures that are asked for, decided by a second person and done, and holds against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.access import worker_events
from almoner.access.grants import require_second_person
from almoner.access.secrets import SecretBox
from almoner.access.worker_events import By, Kind
from almoner.data_api.writes import Actor, new_id
from almoner.database import Connection
from almoner.erasure import person
from almoner.erasure.erase import erase
from almoner.errors import problem
from almoner.vocabulary import clocks

WAITING: Final = "waiting"
ERASED: Final = "erased"
REFUSED: Final = "refused"
WITHDRAWN: Final = "withdrawn"

_COLUMNS: Final = """
SELECT id::text, patient_id::text, record_ids::text[], reason, state, asked_by, asked_at,
  decided_by, decided_at, counts::text, cleared_at FROM erasures WHERE environment_id = $1
"""
_ASK: Final = """
INSERT INTO erasures (environment_id, id, patient_id, record_ids, reason, state, asked_by)
VALUES ($1, $2, $3, $4, $5, 'waiting', $6)
"""
_DECIDE: Final = """
UPDATE erasures SET state = $3, decided_by = $4, decided_at = clock_timestamp(), record_ids = $5,
  counts = $6, xid = CASE WHEN $3 = 'erased' THEN pg_current_xact_id()::text::bigint END
WHERE environment_id = $1 AND id = $2 AND state = 'waiting' RETURNING true
"""
_HOLD: Final = """
INSERT INTO erasure_holds (environment_id, patient_id, reason, placed_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, patient_id) DO UPDATE SET reason = excluded.reason,
  placed_by = excluded.placed_by, placed_at = clock_timestamp()
"""
_RELEASE: Final = """
DELETE FROM erasure_holds WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[])
RETURNING reason
"""
# Holds of before a moment.
_RELEASE_OLDER: Final = """
DELETE FROM erasure_holds WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[])
  AND placed_at < $3 RETURNING reason
"""
_HOLDS: Final = """
SELECT patient_id::text, reason, placed_by, placed_at FROM erasure_holds WHERE environment_id = $1
  AND ($2::uuid[] IS NULL OR patient_id = ANY ($2)) ORDER BY placed_at DESC
"""


@dataclass(frozen=True)
class Hold:
    """That a record may not be erased, and why. ``placed_at`` is in UTC."""

    patient_id: str
    reason: str
    placed_by: str
    placed_at: datetime


@dataclass(frozen=True)
class Erasure:
    """An erasure that was asked for. ``state`` is waiting, erased, refused or withdrawn.

    ``record_ids`` are the person's records, those that were merged into the one that is named
    included; ``decided_by`` is blank and ``decided_at`` None while it waits; times are in UTC.
    ``counts`` are the rows that went, by table; ``cleared_at`` is when what the database had not
    written over was cleared away."""

    id: str
    patient_id: str
    record_ids: Sequence[str]
    reason: str
    state: str
    asked_by: str
    asked_at: datetime
    decided_by: str
    decided_at: datetime | None
    counts: Mapping[str, int]
    cleared_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """For programs, and for a list that is kept apart from the database."""
        return {
            "id": self.id,
            "patient_id": self.patient_id,
            "record_ids": list(self.record_ids),
            "reason": self.reason,
            "state": self.state,
            "asked_by": self.asked_by,
            "asked_at": clocks.iso(self.asked_at),
            "decided_by": self.decided_by,
            "decided_at": None if self.decided_at is None else clocks.iso(self.decided_at),
            "counts": dict(self.counts),
        }


async def ask(
    connection: Connection, environment_id: int, patient_id: str, reason: str, by: By
) -> str:
    """Lets an erasure wait for a second person; answers with its id. In a transaction.

    Raises ApiError: 404 where there is no such patient, 400 without a reason, where a hold is on
    the patient or one waits already.
    """
    if not reason.strip():
        raise problem("bad_request", "Say why the patient is to be erased.", path=".reason")
    records = await person.locked(connection, environment_id, patient_id)
    await _require_no_hold(connection, environment_id, records)
    if await _waiting(connection, environment_id, records) is not None:
        raise problem("bad_request", "This patient's erasure waits already for a second person.")
    erasure_id = new_id()
    values = (records[0], records, reason.strip(), by.actor)
    await connection.execute(_ASK, environment_id, erasure_id, *values)
    await _note(
        connection, environment_id, "erasure asked", by, about=records[0], reason=reason.strip()
    )
    return erasure_id


async def approve(
    connection: Connection, environment_id: int, box: SecretBox, erasure_id: str, by: By
) -> Erasure:
    """Erases the patient. In a transaction. Raises ApiError: 403 where this is who asked or nobody
    who administers, 404, 400 where it does not wait any more or a hold is on the patient.
    """
    asked = await find(connection, environment_id, erasure_id)
    require_second_person(by.holds, by.actor, asked.asked_by)
    return await _do(connection, environment_id, box, asked, by)


async def erase_now(
    connection: Connection,
    environment_id: int,
    box: SecretBox,
    patient_id: str,
    reason: str,
    by: By,
) -> Erasure:
    """Asks for an erasure and does it: for whoever runs the server, at its command line. One that
    waits for a second person already is what is done then. In a transaction. Raises what ``ask``
    does.
    """
    records = await person.locked(connection, environment_id, patient_id)
    asked = await _waiting(connection, environment_id, records)
    if asked is None:
        erasure_id = await ask(connection, environment_id, patient_id, reason, by)
        asked = await find(connection, environment_id, erasure_id)
    return await _do(connection, environment_id, box, asked, by)


async def erase_again(
    connection: Connection,
    environment_id: int,
    box: SecretBox,
    patient_id: str,
    reason: str,
    by: By,
    *,
    decided_at: datetime | None,
) -> Erasure:
    """The same of who was erased at a moment (UTC; None where it is not known), after a database of
    before was restored: a hold that is older had been ended by then.
    """
    records = await person.locked(connection, environment_id, patient_id)
    if decided_at is not None:
        rows = await connection.fetch(_RELEASE_OLDER, environment_id, records, decided_at)
        for row in rows:
            await _note(
                *(connection, environment_id, "erasure hold ended", by),
                about=records[0],
                reason=row["reason"],
            )
    return await erase_now(
        connection, environment_id, box, patient_id=patient_id, reason=reason, by=by
    )


async def refuse(connection: Connection, environment_id: int, erasure_id: str, by: By) -> None:
    """Ends what waits; whoever asked may do so too. In a transaction. Raises ApiError as
    ``approve``.
    """
    asked = await find(connection, environment_id, erasure_id)
    own = asked.asked_by == by.actor
    if not own:
        require_second_person(by.holds, by.actor, asked.asked_by)
    state = WITHDRAWN if own else REFUSED
    await _decide(connection, environment_id, asked, state, by)
    event: Kind = "erasure withdrawn" if own else "erasure refused"
    await _note(connection, environment_id, event, by, about=asked.patient_id, reason=asked.reason)


async def find(connection: Connection, environment_id: int, erasure_id: str) -> Erasure:
    """The erasure of this id. Raises a 404 ApiError where there is none."""
    row = await connection.fetchrow(f"{_COLUMNS} AND id::text = $2", environment_id, erasure_id)
    if row is None:
        raise problem("not_found", "There is no such erasure in your environment.")
    return _erasure(row)


async def listed(connection: Connection, environment_id: int) -> list[Erasure]:
    """Every erasure of the environment, the newest first."""
    rows = await connection.fetch(f"{_COLUMNS} ORDER BY asked_at DESC, id", environment_id)
    return [_erasure(row) for row in rows]


async def hold(
    connection: Connection, environment_id: int, patient_id: str, reason: str, by: By
) -> None:
    """Keeps a patient from being erased until ``release``. In a transaction. Raises ApiError: 404,
    400 without a reason.
    """
    if not reason.strip():
        raise problem("bad_request", "Say why the patient may not be erased.", path=".reason")
    records = await person.locked(connection, environment_id, patient_id)
    await connection.execute(_HOLD, environment_id, records[0], reason.strip(), by.actor)
    await _note(
        connection,
        environment_id,
        "erasure hold placed",
        by,
        about=records[0],
        reason=reason.strip(),
    )


async def release(connection: Connection, environment_id: int, patient_id: str, by: By) -> None:
    """Ends a hold. In a transaction. Raises a 404 ApiError where there is none."""
    records = await person.locked(connection, environment_id, patient_id)
    reason = await connection.fetchval(_RELEASE, environment_id, records)
    if reason is None:
        raise problem("not_found", "No hold is on this patient.")
    await _note(
        connection, environment_id, "erasure hold ended", by, about=records[0], reason=reason
    )


async def holds(
    connection: Connection, environment_id: int, records: Sequence[str] | None = None
) -> list[Hold]:
    """The holds on these records, or all of the environment."""
    rows = await connection.fetch(_HOLDS, environment_id, records)
    return [Hold(**row) for row in rows]


async def _waiting(
    connection: Connection, environment_id: int, records: Sequence[str]
) -> Erasure | None:
    """The erasure of one of these records that waits for a second person."""
    row = await connection.fetchrow(
        f"{_COLUMNS} AND patient_id = ANY ($2::uuid[]) AND state = 'waiting' ORDER BY asked_at",
        environment_id,
        list(records),
    )
    return None if row is None else _erasure(row)


async def _do(
    connection: Connection, environment_id: int, box: SecretBox, asked: Erasure, by: By
) -> Erasure:
    records = await person.locked(connection, environment_id, asked.patient_id)
    await _require_no_hold(connection, environment_id, records)
    actor = Actor(environment_id, by.actor, "erasure", by.request_id, whole=True)
    counts = await erase(connection, box, actor, records, asked.id)
    await _decide(connection, environment_id, asked, ERASED, by, records=records, counts=counts)
    # What waits for another record of theirs would wait for ever.
    while (other := await _waiting(connection, environment_id, records)) is not None:
        await _decide(connection, environment_id, other, ERASED, by, records=records)
    await _note(
        connection, environment_id, "patient erased", by, about=records[0], reason=asked.reason
    )
    return await find(connection, environment_id, asked.id)


async def _decide(
    connection: Connection,
    environment_id: int,
    asked: Erasure,
    state: str,
    by: By,
    *,
    records: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
) -> None:
    values = (
        list(records or asked.record_ids),
        None if counts is None else msgspec.json.encode(counts).decode(),
    )
    if not await connection.fetchval(_DECIDE, environment_id, asked.id, state, by.actor, *values):
        raise problem("bad_request", "This does not wait any more: somebody has decided it.")


async def _require_no_hold(
    connection: Connection, environment_id: int, records: Sequence[str]
) -> None:
    for there in await holds(connection, environment_id, list(records)):
        raise problem(
            "bad_request",
            f"A hold keeps this patient from being erased: {there.reason}. End it first.",
        )


async def _note(
    connection: Connection, environment_id: int, event: Kind, by: By, about: str, reason: str
) -> None:
    await worker_events.changed(
        connection, environment_id, event, by, f"patient:{about}", detail=reason
    )


def _erasure(row: Any) -> Erasure:
    values = dict(row)
    counts = values.pop("counts")
    return Erasure(**values, counts=msgspec.json.decode(counts) if counts else {})
