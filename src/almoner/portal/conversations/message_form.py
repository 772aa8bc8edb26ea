"""The form that records a message: what was typed in it, what is wrong with that, and what is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages import parsing
from almoner.pages.forms.refusals import refusal
from almoner.pages.moment_fields import two_meanings
from almoner.pages.visit import Form, Visit
from almoner.portal.conversations import consents, queries
from almoner.portal.conversations.consents import Consent
from almoner.portal.conversations.queries import Conversation
from almoner.portal.patient import Patient
from almoner.portal.workers import to_choose
from almoner.resources.conversations import conversations
from almoner.resources.messages import messages
from almoner.vocabulary.names import full_name
from almoner.vocabulary.times import iso
from almoner.workshop.placeholders import pieces

INBOUND, OUTBOUND = "inbound", "outbound"
_CONTENTS: Final = "Write what was said or sent."


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A message as its form states it. ``date`` and ``time`` blank: now; ``zone`` is ``theirs`` or ``mine``.

    ``type`` is that of a new conversation; ``which`` is ``0`` or ``1`` where ``twice`` asks which of two moments was meant.
    ``status`` is said beside the form.
    """

    direction: str = ""
    contents: str = ""
    date: str = ""
    time: str = ""
    zone: str = "mine"
    worker_id: str = ""
    type: str = ""
    which: str = ""
    twice: Sequence[tuple[str, str]] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    status: str = ""

    @property
    def details(self) -> bool:
        """Whether anything is said that is usually left alone."""
        return bool(self.date or self.time or {"when", "worker_id"} & self.errors.keys())


def parse_message(form: Form) -> Composed:
    return Composed(
        direction=form.text("direction"),
        contents=form.text("contents"),
        date=form.text("date"),
        time=form.text("time"),
        zone=form.text("zone"),
        worker_id=form.text("worker_id"),
        type=form.text("type"),
        which=form.text("which"),
    )


async def senders(visit: Visit, connection: Connection) -> dict[str, str]:
    """Everybody who may have sent a message, the visitor first."""
    found = await to_choose(connection, visit.environment_id)
    return _me(visit) | {one.id: one.name for one in found if one.id != visit.worker.worker_id}


async def likely(visit: Visit, connection: Connection, patient: Patient, known: Iterable[str]) -> dict[str, str]:
    """The patient's coach, who wrote in the conversation, and the visitor, as far as they may still send."""
    ids = [one for one in (patient.coach_id, *known) if one]
    return {one.id: one.name for one in await to_choose(connection, visit.environment_id, among=ids)} | _me(visit)


def fresh(visit: Visit, consent: Consent, new_type: str = "") -> Composed:
    """The form before anybody typed. Where nothing may be sent to the patient, whoever records says themselves who wrote it: words

    that a coach has sent must never stand there as the patient's.
    """
    return Composed(direction="" if consent.refusal else OUTBOUND, worker_id=visit.worker.worker_id, type=new_type)


def unfilled(contents: str) -> list[str]:
    """The placeholders of a template that nothing was put in for."""
    return [piece.text for piece in pieces(contents) if piece.name and not piece.problem]


async def record(
    visit: Visit, connection: Connection, patient: Patient, of: Conversation | None, said: Composed, seen: Sequence[str]
) -> tuple[str, Composed]:
    """Writes the message, and its conversation where ``of`` is None; what the visitor has seen of it counts as read.

    ``connection`` is in a transaction. Returns the conversation's id, empty where something is wrong, which the form then says.
    """
    sent_at, twice, errors = _sent_at(visit, patient, said)
    said = replace(said, twice=twice)
    if said.direction not in (INBOUND, OUTBOUND):
        errors["direction"] = "Say whether it came from the patient or went to them."
    if not said.contents.strip():
        errors["contents"] = _CONTENTS
    elif said.direction == OUTBOUND and (left := unfilled(said.contents)):
        errors["contents"] = f"Fill in what still stands in braces first: {', '.join(left)}."
    if of is None and said.type not in queries.TYPES:
        errors["type"] = "Choose how the messages travel."
    if said.direction == OUTBOUND and "type" not in errors:
        kind = said.type if of is None else of.type
        refused = (await consents.consent(connection, visit.environment_id, patient.id, kind, hold=True)).refusal
        if refused:
            errors["consent"] = refused
        if said.worker_id and said.worker_id not in await senders(visit, connection):
            errors["worker_id"] = _GONE
    if errors:
        return "", replace(said, errors=errors)
    store = visit.parts.store.within(connection)
    try:
        conversation_id = of.id if of else ""
        if of is None:
            started = {"user_id": patient.id, "conversation_type": said.type}
            conversation_id = (await store.create(visit.actor, conversations, started)).id
        message = await store.create(visit.actor, messages, _row(visit, patient, conversation_id, said, sent_at))
    except ApiError as refused_row:
        return "", replace(said, errors=_by_field(refused_row))
    # Who types in what was received has read it. For somebody else's patient it stays unread, so that their coach hears of it.
    own = [message.id] if said.direction == INBOUND and patient.coach_id in (None, visit.worker.worker_id) else []
    await queries.mark_read(visit, connection, conversation_id, [*seen, *own])
    return conversation_id, said


def _row(visit: Visit, patient: Patient, conversation_id: str, said: Composed, sent_at: datetime | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "user_id": patient.id,
        "conversation_id": conversation_id,
        "direction": said.direction,
        "contents": said.contents.strip(),
    }
    if said.direction == OUTBOUND:
        row["worker_id"] = said.worker_id or visit.worker.worker_id
    if sent_at is not None:
        row["send_time"] = iso(sent_at)
    return row


def _sent_at(visit: Visit, patient: Patient, said: Composed) -> tuple[datetime | None, Sequence[tuple[str, str]], dict[str, str]]:
    """The moment that was typed, in UTC, and both to choose from where there are two; None stands for now."""
    if not said.date.strip() and not said.time.strip():
        return None, (), {}
    timezone = patient.timezone if said.zone == "theirs" else visit.worker.timezone
    day, at = parsing.day(said.date, 1900, 2200), parsing.time_of_day(said.time)
    if day is None or at is None:
        unclear = two_meanings(said.date, "date") or two_meanings(said.time, "time")
        return None, (), {"when": unclear or "Give both the day and the time, or leave both blank for now."}
    meant = parsing.moment(day, at, timezone, said.which)
    twice = tuple((str(n), words) for n, (_, words) in enumerate(parsing.choices(meant.twice, timezone)))
    if meant.moment is None:
        return None, twice, {"when": meant.error}
    if meant.moment > datetime.now(UTC):
        return None, twice, {"when": "This has not happened yet. A message is recorded when it was sent."}
    return meant.moment, twice, {}


_GONE: Final = "This worker is not here any more. Choose another one."


def _by_field(error: ApiError) -> dict[str, str]:
    """Problems of a row at the fields of the form; one of a field that the form does not have stands above it.

    Raises the error again where the server is at fault: that is no matter of what was typed.
    """
    if error.status >= 500:
        raise error
    known = {"contents": "contents", "worker_id": "worker_id", "send_time": "when", "direction": "direction"}
    found: dict[str, str] = {}
    for one in error.problems:
        name = known.get(str(one.extra.get("path", "")).strip("."), "contents")
        found[name] = _GONE if name == "worker_id" else refusal(one)
    return found


def _me(visit: Visit) -> dict[str, str]:
    return {visit.worker.worker_id: f"{full_name(visit.worker.first_name, visit.worker.last_name)} (you)"}
