"""Reading conversations: which a patient has, and the messages of one, newest last, by day where
the patient lives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.filters import zone_in_words
from almoner.pages.notation import time_of_day, to_the_second
from almoner.pages.visit import Visit
from almoner.portal import read_marks
from almoner.portal.calendar.zones import clock
from almoner.portal.own_fields import Facts, OwnFields
from almoner.portal.patient import Patient
from almoner.portal.profile.timeline_words import day_in_words
from almoner.portal.value_words import Zones
from almoner.resources import BY_NAME
from almoner.resources.conversations import CHANNELS
from almoner.resources.messages import UNREAD
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql

PAGE: Final = 30
# What became of a message that was written here: the portal itself sends none.
RECORDED: Final = "Recorded. Nothing was sent."

# What a message says beside what its bubble lays out, and a conversation beside its messages.
OWN: Final = OwnFields(BY_NAME["messages"])
OWN_OF_CONVERSATION: Final = OwnFields(BY_NAME["conversations"], "conversation.")

_QUOTED: Final = 60
_CONVERSATIONS = f"""
WITH counted AS (
  SELECT m.conversation_id, max(m.send_time) AS last,
    (array_agg(m.id ORDER BY m.send_time DESC, m.id DESC))[1] AS newest,
    count(*) FILTER (WHERE {UNREAD}) AS unread
  FROM messages m WHERE m.environment_id = $1 AND m.user_id = $2 GROUP BY m.conversation_id
)
SELECT v.id::text, v.conversation_type, v.created_at, c.last, coalesce(c.unread, 0) AS unread,
  CASE WHEN n.entered_in_error_at IS NULL THEN left(n.contents, {_QUOTED + 1})
    ELSE 'entered in error' END AS words, n.direction = 'inbound' AS inbound,
  {OWN_OF_CONVERSATION.row_sql("v")}
FROM conversations v LEFT JOIN counted c ON c.conversation_id = v.id
LEFT JOIN messages n ON n.environment_id = $1 AND n.id = c.newest
WHERE v.environment_id = $1 AND v.user_id = $2 ORDER BY coalesce(c.last, v.created_at) DESC, v.id
"""
_MESSAGES = f"""
SELECT m.id::text, m.direction, m.contents, m.automatically_sent, m.send_time, m.worker_id::text,
  {full_name_sql("w")} AS worker, {UNREAD} AS unread, CASE WHEN m.entered_in_error_at IS NOT NULL
    THEN coalesce(m.entered_in_error_reason, '') END AS error, {OWN.row_sql("m")}
FROM messages m
LEFT JOIN workers w ON w.environment_id = $1 AND w.id = m.worker_id
WHERE m.environment_id = $1 AND m.user_id = $2 AND m.conversation_id = $3
"""
_ORDER: Final = f" ORDER BY m.send_time DESC, m.id DESC LIMIT {PAGE + 1}"
_BEFORE: Final = (
    " AND (m.send_time, m.id) < (SELECT b.send_time, b.id FROM messages b WHERE b.environment_id ="
    " $1 AND b.id = $4)"
)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A conversation. ``type`` is as in the API, None where it was not given; ``last`` when its
    newest message was sent.

    ``title`` is what people call its type, with the day on which it began where there are several
    of that. ``words`` are the first of its newest message, blank where there is none; ``row`` is as
    ``OwnFields.row`` has it."""

    id: str
    type: str | None
    title: str
    last: datetime | None
    words: str
    unread: int
    row: Row


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message. ``clock`` is the time of day where the patient lives, with the name of the zone.

    ``yours`` is the same for the reader, blank where the clocks agree; ``exact`` the whole of it in
    both zones; ``error`` is why it was entered in error, None where it holds."""

    id: str
    inbound: bool
    contents: str
    clock: str
    yours: str
    exact: str
    sent_at: datetime
    by: str
    unread: bool
    error: str | None
    facts: Facts


@dataclass(frozen=True)
class ConversationDay:
    """The messages of a day where the patient lives; ``title`` says which, and where that is."""

    day: date
    title: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A page of a conversation. ``before`` is the id of the message that earlier ones come before,
    empty where there are none.

    ``upto`` is the day that follows on the page already, None on the newest page. ``workers`` have
    the names of who wrote, by id."""

    days: tuple[ConversationDay, ...]
    before: str
    unread: int
    workers: Mapping[str, str]
    upto: ConversationDay | None = None


async def conversations(
    visit: Visit, connection: Connection, patient: Patient
) -> tuple[Conversation, ...]:
    """The patient's conversations, the one with the newest message first."""
    rows = await connection.fetch(_CONVERSATIONS, visit.environment_id, patient.id)
    of_type = Counter(row["conversation_type"] for row in rows)
    return tuple(_conversation(row, patient, of_type[row["conversation_type"]] > 1) for row in rows)


def chosen(known: Iterable[Conversation], conversation_id: str) -> Conversation:
    """The conversation of this id. Raises a 404 ApiError where the patient has none such."""
    parsed = Guid().decode(conversation_id, "", [])
    conversation = next((c for c in known if c.id == parsed), None)
    if conversation is None:
        raise problem("not_found", "This patient has no such conversation.")
    return conversation


async def talk(
    visit: Visit, connection: Connection, patient: Patient, of: Conversation, before: str = ""
) -> Talk:
    """The newest messages, or those before the one of the id ``before``."""
    after = Guid().decode(before, "", []) if before else None
    keys = (visit.environment_id, patient.id, of.id)
    if after:
        rows = await connection.fetch(_MESSAGES + _BEFORE + _ORDER, *keys, after)
        edge = await connection.fetchval(
            "SELECT m.send_time FROM messages m WHERE m.environment_id = $1 AND m.user_id = $2 AND"
            " m.id = $3",
            *(visit.environment_id, patient.id, after),
        )
    else:
        rows, edge = await connection.fetch(_MESSAGES + _ORDER, *keys), None
    newest = rows[:PAGE][::-1]
    now = datetime.now(UTC)
    facts = await OWN.facts(visit, connection, patient, [OWN.row(row) for row in newest])
    zones = Zones(patient.timezone, visit.worker.timezone)
    grouped = _by_day(zip(newest, facts, strict=True), zones, now)
    upto = None
    if edge is not None:
        day = clocks.day_of(edge, patient.timezone)
        upto = (
            None
            if grouped and grouped[-1].day == day
            else ConversationDay(day, _titled(day, patient.timezone, now), ())
        )
    workers = {row["worker_id"]: row["worker"] for row in newest if row["worker_id"]}
    return Talk(
        days=grouped,
        before=newest[0]["id"] if len(rows) > PAGE else "",
        unread=sum(row["unread"] for row in newest),
        workers=workers,
        upto=upto,
    )


async def mark_read(
    visit: Visit, connection: Connection, conversation_id: str, ids: Iterable[str]
) -> None:
    """Notes that these inbound messages of a conversation were read; those that were already keep
    who read them first.
    """
    parsed_ids = [parsed for text in ids if (parsed := Guid().decode(text, "", []))]
    if parsed_ids:
        await read_marks.note(connection, visit.actor, conversation_id, ids=parsed_ids)


def _conversation(row: Any, patient: Patient, is_dated: bool) -> Conversation:
    title, begun = (
        CHANNELS.get(row["conversation_type"] or "", "Messages"),
        clocks.local(row["created_at"], patient.timezone),
    )
    if is_dated:
        title += f" of {begun.day} {begun:%b %Y}"
    words = " ".join((row["words"] or "").split())
    quoted = f"“{words[:_QUOTED]}{'…' if len(words) > _QUOTED else ''}”" if words else ""
    quotation = f"To {patient.first_name}: {quoted}" if quoted and not row["inbound"] else quoted
    return Conversation(
        id=row["id"],
        type=row["conversation_type"],
        title=title,
        last=row["last"],
        words=quotation,
        unread=row["unread"],
        row=OWN_OF_CONVERSATION.row(row),
    )


def _by_day(
    rows: Iterable[tuple[Any, Facts]], zones: Zones, now: datetime
) -> tuple[ConversationDay, ...]:
    theirs, days = zones.patient, dict[date, list[Message]]()
    for row, facts in rows:
        there = clocks.local(row["send_time"], theirs)
        days.setdefault(there.date(), []).append(_message(row, facts, there, zones.worker))
    return tuple(
        ConversationDay(day, _titled(day, theirs, now), tuple(of_day))
        for day, of_day in days.items()
    )


def _message(row: Any, facts: Facts, there: datetime, mine: str) -> Message:
    exact, yours = (
        (
            f"{there:%A}, {there.day} {there:%B %Y} {to_the_second(there)} {there.tzname()}, where"
            " the patient lives"
        ),
        "",
    )
    if clocks.differ(str(there.tzinfo), mine, there):
        here = clocks.local(there, mine)
        exact += f" · {here:%A} {to_the_second(here)} {here.tzname()} where you are"
        yours = f"{clock(here, mine, there.date())} {zone_in_words(mine)}"
    by = row["worker"] or ("a program" if row["automatically_sent"] else "")
    inbound = row["direction"] == "inbound"
    return Message(
        facts=facts,
        id=row["id"],
        inbound=inbound,
        contents=row["contents"],
        clock=f"{time_of_day(there)} {zone_in_words(str(there.tzinfo))}",
        yours=yours,
        exact=exact,
        sent_at=row["send_time"],
        by=by,
        unread=row["unread"],
        error=row["error"],
    )


def _titled(day: date, timezone: str, now: datetime) -> str:
    return f"{day_in_words(day, clocks.day_of(now, timezone))} · {zone_in_words(timezone)}"
