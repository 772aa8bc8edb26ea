"""What a page or card of a conversation shows, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from almoner.database import Connection
from almoner.pages.filters import zone_in_words
from almoner.pages.forms.controls import FieldView
from almoner.pages.visit import Visit
from almoner.portal.conversations import consents, message_form, templates
from almoner.portal.conversations.consents import ChannelConsent
from almoner.portal.conversations.message_form import MessageForm
from almoner.portal.conversations.queries import (
    OWN,
    OWN_OF_CONVERSATION,
    Conversation,
    Talk,
    chosen,
    conversations,
    talk,
)
from almoner.portal.own_fields import Facts
from almoner.portal.patient import Patient
from almoner.resources.conversations import CHANNELS
from almoner.vocabulary import clocks

# The type of a new conversation that is offered first.
_USUAL: Final = "phone"


@dataclass(frozen=True, kw_only=True)
class ConversationView:
    """A conversation with the form below it. ``of`` is None for one that is about to begin.

    ``card``: it is the card of the profile. ``stays``: another conversation than the newest was
    chosen, which stays in view. ``their_zone`` and ``your_zone`` are in words, both empty where the
    clocks are the same; ``own`` are the controls of what a site has added, and ``facts`` what the
    conversation says in that."""

    patient: Patient
    known: tuple[Conversation, ...]
    of: Conversation | None
    talk: Talk
    consent: ChannelConsent
    message: MessageForm
    templates: tuple[str, ...]
    workers: Mapping[str, str]
    card: bool
    stays: bool
    their_zone: str
    your_zone: str
    types: Mapping[str, str]
    own: Sequence[FieldView]
    facts: Facts

    @property
    def base(self) -> str:
        """The address that the patient's conversations are below."""
        return f"/patients/{self.patient.id}/conversations"

    @property
    def here(self) -> str:
        """The address of this conversation."""
        return f"{self.base}/{self.of.id if self.of else 'new'}"

    @property
    def ending(self) -> str:
        """What an address of it ends with where the card asks."""
        return "?in=card" if self.card else ""


async def view(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    conversation_id: str,
    card: bool,
    message: MessageForm | None = None,
) -> ConversationView:
    """The conversation of this id, the newest where it is blank, a new one for ``new``. Raises a
    404 ApiError.
    """
    known = await conversations(visit, connection, patient)
    is_new = conversation_id == "new" or not (conversation_id or known)
    of = None if is_new else chosen(known, conversation_id) if conversation_id else known[0]
    messages = (
        await talk(visit, connection, patient, of)
        if of
        else Talk(days=(), before="", unread=0, workers={})
    )
    kind = of.type if of else (message.type if message else visit.query("type")) or _USUAL
    consent = await consents.consent(connection, visit.environment_id, patient.id, kind)
    offered = await templates.templates(visit, connection, kind)
    if message is None:
        message = message_form.fresh(visit, consent, "" if of else kind or _USUAL)
    elif of is None and not message.type:
        message = replace(message, type=kind or _USUAL)
    workers = (
        await message_form.likely(visit, connection, patient, messages.workers)
        if card
        else await message_form.senders(visit, connection)
    )
    apart = clocks.differ(patient.timezone, visit.worker.timezone, datetime.now(UTC))
    row = of.row if of else {}
    (facts,) = await OWN_OF_CONVERSATION.facts(visit, connection, patient, [row])
    return ConversationView(
        patient=patient,
        known=known,
        of=of,
        talk=messages,
        consent=consent,
        message=message,
        templates=tuple(template.name for template in offered),
        workers=workers,
        card=card,
        stays=card and bool(known) and (of is None or of.id != known[0].id),
        their_zone=zone_in_words(patient.timezone) if apart else "",
        your_zone=zone_in_words(visit.worker.timezone) if apart else "",
        types=CHANNELS,
        own=await _own(visit, connection, of, message),
        facts=facts,
    )


async def _own(
    visit: Visit, connection: Connection, of: Conversation | None, message: MessageForm
) -> Sequence[FieldView]:
    """The controls of what a site has added to messages, and to conversations where one is to
    begin.
    """
    errors, at = message.errors, f"{of.id if of else 'new'}-"
    own = await OWN.controls(visit, connection, message.own, errors, new=True, at=at)
    if of:
        return own
    values = message.conversation
    begun = await OWN_OF_CONVERSATION.controls(
        visit, connection, values, errors, new=True, at=f"{at}begun-"
    )
    return (*begun, *own)
