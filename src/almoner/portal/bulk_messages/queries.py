"""The rows of messages to many: what was written, by whom, and what came of it for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from almoner.data_api.writes import new_id
from almoner.database import Connection
from almoner.errors import problem
from almoner.portal.bulk_messages.recipients import BulkText, Recipient
from almoner.portal.patient_access import OF_WORKER
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql
from almoner.work import queries
from almoner.work.step import NewStep

# No integration has this name, since it is no identifier.
QUEUE: Final = "almoner.bulk_messages"
SEND: Final = "send"
WAITING: Final = "waiting"
SENT: Final = "sent"
NOT_SENT: Final = "not sent"
TAKEN_BACK: Final = "taken back"
# So many are sent in one transaction.
PART: Final = 50
# Before the first is sent: long enough to see that it was the wrong one.
PAUSE: Final = 30.0
LISTED: Final = 30
_NAMED: Final = 100
_ADD: Final = """
INSERT INTO bulk_messages (environment_id, id, worker_id, channel, contents, request_id)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING true
"""
_ADD_RECIPIENTS: Final = """
INSERT INTO bulk_recipients (environment_id, bulk_message_id, patient_id, part, state, reason)
SELECT $1, $2, r.* FROM unnest($3::uuid[], $4::int[], $5::text[], $6::text[])
  AS r (patient_id, part, state, reason)
"""
_BULK: Final = f"""
SELECT b.id::text, b.worker_id::text, {full_name_sql("w")} AS worker, b.channel, b.contents,
  b.created_at, b.request_id, c.waiting, c.sent, c.not_sent, c.taken_back
FROM bulk_messages b JOIN workers w ON w.environment_id = $1 AND w.id = b.worker_id
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE r.state = '{WAITING}') AS waiting,
    count(*) FILTER (WHERE r.state = '{SENT}') AS sent,
    count(*) FILTER (WHERE r.state = '{NOT_SENT}') AS not_sent,
    count(*) FILTER (WHERE r.state = '{TAKEN_BACK}') AS taken_back
  FROM bulk_recipients r WHERE r.environment_id = $1 AND r.bulk_message_id = b.id) AS c
WHERE b.environment_id = $1 AND ($2::uuid IS NULL OR b.worker_id = $2)
"""
_GET: Final = f"{_BULK} AND b.id = $3"
_NEWEST: Final = f"{_BULK} ORDER BY b.created_at DESC, b.id LIMIT {LISTED}"
_LEFT_OUT: Final = f"""
SELECT p.id::text, {full_name_sql("p")} AS name,
  CASE r.state WHEN '{TAKEN_BACK}' THEN 'cancelled' ELSE r.reason END AS reason
FROM bulk_recipients r
JOIN patients p ON p.environment_id = $1 AND p.id = r.patient_id
WHERE r.environment_id = $1 AND r.bulk_message_id = $3 AND r.state IN ('{NOT_SENT}', '{TAKEN_BACK}')
  AND {OF_WORKER}
ORDER BY r.state, r.reason, p.id LIMIT {_NAMED}
"""
_TAKE_BACK: Final = f"""
UPDATE bulk_recipients SET state = '{TAKEN_BACK}', settled_at = clock_timestamp()
WHERE environment_id = $1 AND bulk_message_id = $2 AND state = '{WAITING}'
"""
# In the order in which everybody locks several.
_TAKE_UP: Final = f"""
SELECT patient_id::text FROM bulk_recipients
WHERE environment_id = $1 AND bulk_message_id = $2 AND part = $3 AND state = '{WAITING}'
ORDER BY patient_id FOR UPDATE
"""
_SETTLE: Final = """
UPDATE bulk_recipients SET state = $4, reason = $5, message_id = $6, settled_at = clock_timestamp()
WHERE environment_id = $1 AND bulk_message_id = $2 AND patient_id = $3
"""
_GIVE_UP: Final = f"""
UPDATE bulk_recipients SET state = '{NOT_SENT}', reason = $4, settled_at = clock_timestamp()
WHERE environment_id = $1 AND bulk_message_id = $2 AND part = $3 AND state = '{WAITING}'
"""
_MAY_SEND: Final = """
SELECT EXISTS (SELECT FROM worker_accounts WHERE environment_id = $1 AND worker_id = $2
  AND disabled_at IS NULL)
"""


@dataclass(frozen=True, kw_only=True)
class BulkMessage:
    """A message to many, and how many have it by now. ``created_at`` is in UTC; ``request_id`` is
    that of the request by which it was put into the queue.
    """

    id: str
    worker_id: str
    worker: str
    channel: str
    contents: str
    created_at: datetime
    request_id: str
    waiting: int
    sent: int
    not_sent: int
    taken_back: int

    @property
    def text(self) -> BulkText:
        return BulkText(self.channel, self.contents)

    @property
    def number(self) -> int:
        """How many were chosen."""
        return self.waiting + self.sent + self.not_sent + self.taken_back


@dataclass(frozen=True)
class LeftOut:
    """A patient who did not get it, and why."""

    id: str
    name: str
    reason: str


async def add(
    connection: Connection,
    environment_id: int,
    bulk_id: str,
    worker_id: str,
    message: BulkText,
    request_id: str,
) -> bool:
    """Writes what is to be sent. False where it was already: a form that comes twice is one
    message.
    """
    new = (worker_id, message.channel, message.contents, request_id)
    return bool(await connection.fetchval(_ADD, environment_id, bulk_id, *new))


async def queue(
    connection: Connection, environment_id: int, bulk_id: str, judged: Sequence[Recipient]
) -> int:
    """Puts the recipients into the queue, and notes those who do not get it. Answers with how many
    wait.
    """
    able = [each for each in judged if not each.why]
    rows: list[tuple[str, int, str, str | None]] = [
        (each.id, place // PART, WAITING, None) for place, each in enumerate(able)
    ]
    rows += [(each.id, 0, NOT_SENT, each.why) for each in judged if each.why]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
    await connection.execute(_ADD_RECIPIENTS, environment_id, bulk_id, *columns)
    parts = -(-len(able) // PART)
    steps = [
        NewStep(id=new_id(), name=SEND, args={"part": part}, wait=PAUSE) for part in range(parts)
    ]
    if steps:
        await queries.add(
            connection, environment_id, QUEUE, job_id=bulk_id, parent_id=None, steps=steps
        )
    return len(able)


async def get(
    connection: Connection, environment_id: int, bulk_id: str, worker_id: str | None = None
) -> BulkMessage:
    """A message to many; ``worker_id`` is whose it has to be, None for anybody's. Raises a 404
    ApiError.
    """
    parsed = Guid().decode(bulk_id, "", [])
    row = parsed and await connection.fetchrow(_GET, environment_id, worker_id, parsed)
    if not row:
        raise problem("not_found", "There is no such message to many.")
    return BulkMessage(**row)


async def newest(
    connection: Connection, environment_id: int, worker_id: str | None
) -> list[BulkMessage]:
    """The newest first, of one worker or of all."""
    rows = await connection.fetch(_NEWEST, environment_id, worker_id)
    return [BulkMessage(**row) for row in rows]


async def left_out(
    connection: Connection, environment_id: int, only: str | None, bulk_id: str
) -> list[LeftOut]:
    """Some of those who did not get it; ``only``: a coach to whose patients they are kept."""
    rows = await connection.fetch(_LEFT_OUT, environment_id, only, bulk_id)
    return [LeftOut(**row) for row in rows]


async def take_back(connection: Connection, environment_id: int, bulk_id: str) -> int:
    """Takes those back who still wait. Answers with how many they were."""
    done = await connection.execute(_TAKE_BACK, environment_id, bulk_id)
    return int(done.rpartition(" ")[2])


async def take_up(
    connection: Connection, environment_id: int, bulk_id: str, part: int
) -> list[str]:
    """The ids of those of a part who wait, who stay so until the transaction ends."""
    rows = await connection.fetch(_TAKE_UP, environment_id, bulk_id, part)
    return [row["patient_id"] for row in rows]


async def settle(
    connection: Connection,
    environment_id: int,
    bulk_id: str,
    patient_id: str,
    message_id: str | None = None,
    reason: str | None = None,
) -> None:
    """Notes the message that a patient got, or why there is none."""
    state = SENT if message_id else NOT_SENT
    settled = (patient_id, state, reason, message_id)
    await connection.execute(_SETTLE, environment_id, bulk_id, *settled)


async def give_up(
    connection: Connection, environment_id: int, bulk_id: str, part: int, reason: str
) -> None:
    """Notes why those of a part who still wait get nothing."""
    await connection.execute(_GIVE_UP, environment_id, bulk_id, part, reason)


async def may_send(connection: Connection, environment_id: int, worker_id: str) -> bool:
    """Whether a worker may still sign in."""
    return bool(await connection.fetchval(_MAY_SEND, environment_id, worker_id))
