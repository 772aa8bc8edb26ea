"""The form that records a message: what was typed in it, what is wrong with that, and what is
written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages import parsing
from almoner.pages.forms.refusals import refusal
from almoner.pages.moment_fields import two_meanings
from almoner.pages.visit import Form, Visit
from almoner.portal.conversations import consents, queries
from almoner.portal.conversations.consents import ChannelConsent
from almoner.portal.conversations.queries import Conversation
from almoner.portal.patient import Patient
from almoner.portal.workers import to_choose
from almoner.resources.conversations import CHANNELS, conversations
from almoner.resources.messages import messages
from almoner.vocabulary.names import full_name
from almoner.vocabulary.times import iso
from almoner.workshop.placeholders import pieces

INBOUND, OUTBOUND = "inbound", "outbound"
# What of a form is in view without being opened.
_IN_VIEW: Final = {"direction", "contents", "consent", "type"}
_CONTENTS: Final = "Write what was said or sent."


@dataclass(frozen=True, kw_only=True)
class MessageForm:
    """A message as its form states it. ``date`` and ``time`` blank: now; ``zone`` is ``theirs`` or
    ``mine``.

    ``type`` is that of a new conversation; ``which`` is ``0`` or ``1`` where ``twice`` asks which
    of two moments was meant. ``own`` has what a site has added, ``conversation`` what it
    has to a new one; ``status`` is said beside the form."""

    direction: str = ""
    contents: str = ""
    date: str = ""
    time: str = ""
    zone: str = "mine"
    worker_id: str = ""
    type: str = ""
    which: str = ""
    twice: Sequence[tuple[str, str]] = ()
    own: Row = field(default_factory=dict)
    conversation: Row = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    status: str = ""

    @property
    def details(self) -> bool:
        """Whether anything is said that is usually left alone."""
        return bool(
            self.date or self.time or self.own or self.conversation or self.errors.keys() - _IN_VIEW
        )


def parse_message(visit: Visit, form: Form) -> MessageForm:
    return MessageForm(
        direction=form.text("direction"),
        contents=form.text("contents"),
        date=form.text("date"),
        time=form.text("time"),
        zone=form.text("zone"),
        worker_id=form.text("worker_id"),
        type=form.text("type"),
        which=form.text("which"),
        own=queries.OWN.read(visit, form, new=True),
        conversation=queries.OWN_OF_CONVERSATION.read(visit, form, new=True),
    )


async def senders(visit: Visit, connection: Connection) -> dict[str, str]:
    """Everybody who may have sent a message, the visitor first."""
    workers = await to_choose(connection, visit.environment_id)
    return _me(visit) | {w.id: w.name for w in workers if w.id != visit.worker.worker_id}


async def likely(
    visit: Visit, connection: Connection, patient: Patient, known: Iterable[str]
) -> dict[str, str]:
    """The patient's coach, who wrote in the conversation, and the visitor, as far as they may still
    send.
    """
    ids = [worker_id for worker_id in (patient.coach_id, *known) if worker_id]
    return {
        worker.id: worker.name
        for worker in await to_choose(connection, visit.environment_id, among=ids)
    } | _me(visit)


def fresh(visit: Visit, consent: ChannelConsent, new_type: str = "") -> MessageForm:
    """The form before anybody typed. Where nothing may be sent to the patient, whoever records says
    themselves who wrote it: words that a coach has sent must never stand there as the patient's.
    """
    return MessageForm(
        direction="" if consent.refusal else OUTBOUND,
        worker_id=visit.worker.worker_id,
        type=new_type,
    )


def unfilled(contents: str) -> list[str]:
    """The placeholders of a template that nothing was put in for."""
    return [piece.text for piece in pieces(contents) if piece.name and not piece.problem]


async def record(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    of: Conversation | None,
    message: MessageForm,
    read_ids: Sequence[str],
) -> tuple[str, MessageForm]:
    """Writes the message, and its conversation where ``of`` is None; what the visitor has seen of
    it counts as read.

    ``connection`` is in a transaction. Returns the conversation's id, empty where something is
    wrong, which the form then says."""
    sent_at, twice, errors = _sent_at(visit, patient, message)
    message = replace(message, twice=twice)
    if message.direction not in (INBOUND, OUTBOUND):
        errors["direction"] = "Say whether it came from the patient or went to them."
    if not message.contents.strip():
        errors["contents"] = _CONTENTS
    elif message.direction == OUTBOUND and (left := unfilled(message.contents)):
        errors["contents"] = f"Fill in what still stands in braces first: {', '.join(left)}."
    if of is None and message.type not in CHANNELS:
        errors["type"] = "Choose a channel."
    if message.direction == OUTBOUND and "type" not in errors:
        kind = message.type if of is None else of.type
        refused = (
            await consents.consent(connection, visit.environment_id, patient.id, kind, hold=True)
        ).refusal
        if refused:
            errors["consent"] = refused
        if message.worker_id and message.worker_id not in await senders(visit, connection):
            errors["worker_id"] = _GONE
    if errors:
        return "", replace(message, errors=errors)
    store = visit.parts.store.within(connection)
    try:
        conversation_id = of.id if of else ""
        if of is None:
            started = {
                "user_id": patient.id,
                "conversation_type": message.type,
                **message.conversation,
            }
            conversation_id = (await store.create(visit.actor, conversations, started)).id
        written = await store.create(
            visit.actor, messages, _row(visit, patient, conversation_id, message, sent_at)
        )
    except ApiError as error:
        return "", replace(message, errors=_by_field(error))
    # Who types in what was received has read it. For somebody else's patient it stays unread, so
    # that their coach hears of it.
    own = (
        [written.id]
        if message.direction == INBOUND and patient.coach_id in (None, visit.worker.worker_id)
        else []
    )
    await queries.mark_read(visit, connection, conversation_id, [*read_ids, *own])
    return conversation_id, message


def _row(
    visit: Visit,
    patient: Patient,
    conversation_id: str,
    message: MessageForm,
    sent_at: datetime | None,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "user_id": patient.id,
        "conversation_id": conversation_id,
        "direction": message.direction,
        "contents": message.contents.strip(),
        **message.own,
    }
    if message.direction == OUTBOUND:
        row["worker_id"] = message.worker_id or visit.worker.worker_id
    if sent_at is not None:
        row["send_time"] = iso(sent_at)
    return row


def _sent_at(
    visit: Visit, patient: Patient, message: MessageForm
) -> tuple[datetime | None, Sequence[tuple[str, str]], dict[str, str]]:
    """The moment that was typed, in UTC, and both to choose from where there are two; None stands
    for now.
    """
    if not message.date.strip() and not message.time.strip():
        return None, (), {}
    timezone = patient.timezone if message.zone == "theirs" else visit.worker.timezone
    day, at = parsing.day(message.date, 1900, 2200), parsing.time_of_day(message.time)
    if day is None or at is None:
        unclear = two_meanings(message.date, "date") or two_meanings(message.time, "time")
        return (
            None,
            (),
            {"when": unclear or "Give both the day and the time, or leave both blank for now."},
        )
    meant = parsing.moment(day, at, timezone, message.which)
    twice = tuple(
        (str(n), words) for n, (_, words) in enumerate(parsing.choices(meant.twice, timezone))
    )
    if meant.moment is None:
        return None, twice, {"when": meant.error}
    if meant.moment > datetime.now(UTC):
        return (
            None,
            twice,
            {"when": "This has not happened yet. A message is recorded when it was sent."},
        )
    return meant.moment, twice, {}


_GONE: Final = "This worker is not here any more. Choose another one."


def _by_field(error: ApiError) -> dict[str, str]:
    """Problems of a row at the fields of the form; one of a field that the form does not have
    stands above it.

    Raises the error again where the server is at fault: that is no matter of what was typed.
    """
    if error.status >= 500:
        raise error
    known = {
        "contents": "contents",
        "worker_id": "worker_id",
        "send_time": "when",
        "direction": "direction",
        **{
            field.name: field.name
            for own in (queries.OWN, queries.OWN_OF_CONVERSATION)
            for field in own.settable(new=True)
        },
    }
    errors: dict[str, str] = {}
    for refused in error.problems:
        name = known.get(str(refused.extra.get("path", "")).strip("."), "contents")
        errors[name] = _GONE if name == "worker_id" else refusal(refused)
    return errors


def _me(visit: Visit) -> dict[str, str]:
    return {
        visit.worker.worker_id: (
            f"{full_name(visit.worker.first_name, visit.worker.last_name)} (you)"
        )
    }
