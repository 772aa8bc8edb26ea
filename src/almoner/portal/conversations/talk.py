"""Reading conversations: which a patient has, and the messages of one, newest last, by day where the patient lives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from almoner.database import Connection
from almoner.errors import problem
from almoner.kinds import Guid
from almoner.pages.visit import Visit
from almoner.portal.calendar.zones import differ
from almoner.portal.profile.wording import day_in_words
from almoner.portal.sight import Patient

PAGE: Final = 30
TYPES: Final[Mapping[str, str]] = {"phone": "SMS", "email": "E-mail", "app": "App", "third_party_app": "Another app"}

_CONVERSATIONS = """
WITH counted AS (
  SELECT m.conversation_id, max(m.send_time) AS last,
    count(*) FILTER (WHERE m.direction = 'inbound' AND r.message_id IS NULL) AS unread
  FROM messages m LEFT JOIN message_reads r ON r.environment_id = $1 AND r.message_id = m.id
  WHERE m.environment_id = $1 AND m.user_id = $2 GROUP BY m.conversation_id
)
SELECT v.id::text, v.conversation_type, v.created_at, c.last, coalesce(c.unread, 0) AS unread
FROM conversations v LEFT JOIN counted c ON c.conversation_id = v.id
WHERE v.environment_id = $1 AND v.user_id = $2 ORDER BY coalesce(c.last, v.created_at) DESC, v.id
"""
_SHOWN = """
SELECT m.id::text, m.direction, m.contents, m.automatically_sent, m.send_time, m.worker_id::text,
  w.first_name || ' ' || w.last_name AS worker, m.direction = 'inbound' AND r.message_id IS NULL AS unread
FROM messages m
LEFT JOIN workers w ON w.environment_id = $1 AND w.id = m.worker_id
LEFT JOIN message_reads r ON r.environment_id = $1 AND r.message_id = m.id
WHERE m.environment_id = $1 AND m.user_id = $2 AND m.conversation_id = $3
"""
_ORDER: Final = f" ORDER BY m.send_time DESC, m.id DESC LIMIT {PAGE + 1}"
_BEFORE: Final = " AND (m.send_time, m.id) < (SELECT b.send_time, b.id FROM messages b WHERE b.environment_id = $1 AND b.id = $4)"
_READ = """
INSERT INTO message_reads (environment_id, message_id, read_by)
SELECT m.environment_id, m.id, $5 FROM messages m
WHERE m.environment_id = $1 AND m.user_id = $2 AND m.conversation_id = $3 AND m.direction = 'inbound' AND m.id = ANY ($4::uuid[])
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Conversation:
    """A conversation. ``type`` is as in the API, None where it was not given; ``last`` when its newest message was sent."""

    id: str
    type: str | None
    last: datetime | None
    unread: int

    @property
    def title(self) -> str:
        """What people call its type."""
        return TYPES.get(self.type or "", "Messages")


@dataclass(frozen=True)
class Message:
    """A message. ``clock`` is the time of day where the patient lives, ``exact`` the whole of it in both zones."""

    id: str
    inbound: bool
    contents: str
    clock: str
    exact: str
    sent_at: datetime
    by: str
    unread: bool


@dataclass(frozen=True)
class Day:
    """The messages of a day where the patient lives."""

    day: date
    title: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Talk:
    """A page of a conversation. ``before`` is the id of the message that earlier ones come before, empty where there are none.

    ``upto`` is the day that follows on the page already, None on the newest page. ``workers`` have the names of who wrote, by id.
    """

    days: tuple[Day, ...]
    before: str
    unread: int
    workers: Mapping[str, str]
    upto: Day | None = None


async def conversations(visit: Visit, connection: Connection, patient: Patient) -> tuple[Conversation, ...]:
    """The patient's conversations, the one with the newest message first."""
    rows = await connection.fetch(_CONVERSATIONS, visit.environment_id, patient.id)
    return tuple(Conversation(row["id"], row["conversation_type"], row["last"], row["unread"]) for row in rows)


def chosen(known: Iterable[Conversation], conversation_id: str) -> Conversation:
    """The conversation of this id. Raises a 404 ApiError where the patient has none such."""
    found = next((one for one in known if one.id == Guid().decode(conversation_id, "", [])), None)
    if found is None:
        raise problem("not_found", "This patient has no such conversation.")
    return found


async def talk(visit: Visit, connection: Connection, patient: Patient, of: Conversation, before: str = "") -> Talk:
    """The newest messages, or those before the one of the id ``before``."""
    after = Guid().decode(before, "", []) if before else None
    keys = (visit.environment_id, patient.id, of.id)
    if after:
        rows = await connection.fetch(_SHOWN + _BEFORE + _ORDER, *keys, after)
        edge = await connection.fetchval(
            "SELECT m.send_time FROM messages m WHERE m.environment_id = $1 AND m.user_id = $2 AND m.id = $3",
            *(visit.environment_id, patient.id, after),
        )
    else:
        rows, edge = await connection.fetch(_SHOWN + _ORDER, *keys), None
    shown = rows[:PAGE][::-1]
    now = datetime.now(UTC)
    grouped = _by_day(shown, patient.timezone, visit.worker.timezone, now)
    upto = None
    if edge is not None:
        day = edge.astimezone(ZoneInfo(patient.timezone)).date()
        upto = None if grouped and grouped[-1].day == day else Day(day, _titled(day, patient.timezone, now), ())
    workers = {row["worker_id"]: row["worker"] for row in shown if row["worker_id"]}
    return Talk(grouped, shown[0]["id"] if len(rows) > PAGE else "", sum(row["unread"] for row in shown), workers, upto)


async def mark_read(visit: Visit, connection: Connection, patient: Patient, of: Conversation, ids: Iterable[str]) -> None:
    """Notes that these inbound messages were read; those that were already keep who read them first."""
    wanted = [parsed for one in ids if (parsed := Guid().decode(one, "", []))]
    if wanted:
        await connection.execute(_READ, visit.environment_id, patient.id, of.id, wanted, visit.actor.actor)


def _by_day(rows: Iterable[Any], theirs: str, mine: str, now: datetime) -> tuple[Day, ...]:
    found: dict[date, list[Message]] = {}
    for row in rows:
        there = row["send_time"].astimezone(ZoneInfo(theirs))
        found.setdefault(there.date(), []).append(_message(row, there, mine))
    return tuple(Day(day, _titled(day, theirs, now), tuple(messages)) for day, messages in found.items())


def _message(row: Any, there: datetime, mine: str) -> Message:
    exact = f"{there:%A}, {there.day} {there:%B %Y %H:%M:%S %Z}, where the patient lives"
    if differ(str(there.tzinfo), mine, there):
        here = there.astimezone(ZoneInfo(mine))
        exact += f" · {here:%A %H:%M:%S %Z} where you are"
    by = row["worker"] or ("a program" if row["automatically_sent"] else "")
    inbound = row["direction"] == "inbound"
    return Message(row["id"], inbound, row["contents"], f"{there:%H:%M}", exact, row["send_time"], by, row["unread"])


def _titled(day: date, timezone: str, now: datetime) -> str:
    return day_in_words(day, now.astimezone(ZoneInfo(timezone)).date())
