"""The conversations with a patient: read, marked as read, and written down. Nothing here sends a
message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.visit import Form, Visit
from almoner.portal import live
from almoner.portal.conversations import message_form, templates
from almoner.portal.conversations.message_form import MessageForm
from almoner.portal.conversations.queries import (
    RECORDED,
    Conversation,
    Talk,
    chosen,
    conversations,
    mark_read,
    talk,
)
from almoner.portal.conversations.view import ConversationView, view
from almoner.portal.patient import Patient
from almoner.portal.patient_routes import patient_route

_FOLDER: Final = "portal/conversations"
NEW: Final = "new"
_PUT_IN: Final = "Inserted. Change what you like before you record it."


@dataclass(frozen=True)
class ConversationsPage:
    view: ConversationView
    patient: Patient


@dataclass(frozen=True)
class ConversationPart:
    """The inside of the card."""

    view: ConversationView


@dataclass(frozen=True)
class Earlier:
    """Messages before those on the page."""

    talk: Talk
    patient: Patient
    here: str
    composer: str


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """A conversation, the newest where none is named; the inside of its card where a part of a page
    asks.
    """
    conversation_id = visit.request.path_params.get("conversation", "")
    conversation = await view(visit, connection, patient, conversation_id, _in_card(visit))
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/inside.html", ConversationPart(conversation))
    return visit.page(f"{_FOLDER}/page.html", ConversationsPage(conversation, patient))


async def show_now(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The messages as they are now; the form below them is left alone."""
    conversation = await view(
        visit, connection, patient, visit.path("conversation"), _in_card(visit)
    )
    return visit.fragment(f"{_FOLDER}/talk.html", ConversationPart(conversation))


async def show_earlier(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The messages before the one of the path; the page where no part of one asks."""
    if not visit.is_fragment:
        return visit.go(f"/patients/{visit.path('id')}/conversations/{visit.path('conversation')}")
    of = chosen(await conversations(visit, connection, patient), visit.path("conversation"))
    messages = await talk(visit, connection, patient, of, visit.path("message"))
    here = f"/patients/{patient.id}/conversations/{of.id}"
    return visit.fragment(
        f"{_FOLDER}/earlier.html", Earlier(messages, patient, here, f"compose-{of.id}")
    )


async def act(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Records a message, marks messages as read, or begins one from a template: what the button
    ``do`` says.
    """
    form = await visit.form()
    message, do, conversation_id = (
        message_form.parse_message(visit, form),
        form.text("do") or "record",
        visit.path("conversation"),
    )
    async with connection.transaction():
        of = (
            chosen(await conversations(visit, connection, patient), conversation_id)
            if conversation_id != NEW
            else None
        )
        if do == "fill":
            message = await _filled(
                visit, connection, patient=patient, of=of, message=message, form=form
            )
        elif do == "read" and of:
            await mark_read(visit, connection, of.id, form.texts("unread"))
        elif do == "record":
            recorded, message = await message_form.record(
                visit,
                connection,
                patient=patient,
                of=of,
                message=message,
                read_ids=form.texts("unread"),
            )
            if recorded:
                return await _recorded(visit, connection, patient, recorded, message)
        changed = "message_reads" if do == "read" else ""
        return await _answer(
            visit, connection, patient, conversation_id, message=message, changed=changed
        )


async def _recorded(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    conversation_id: str,
    message: MessageForm,
) -> Response:
    """The conversation with the new message in it, and a form that is empty again."""
    if not visit.is_fragment or (visit.path("conversation") == NEW and not _in_card(visit)):
        return visit.go(f"/patients/{patient.id}/conversations/{conversation_id}")
    blank = MessageForm(
        direction=message.direction,
        worker_id=message.worker_id,
        status=RECORDED,
    )
    return await _answer(
        visit, connection, patient, conversation_id, message=blank, changed="message_reads"
    )


async def _answer(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    conversation_id: str,
    message: MessageForm,
    changed: str,
) -> Response:
    conversation = await view(
        visit, connection, patient, conversation_id, card=_in_card(visit), message=message
    )
    status = 400 if message.errors else 200
    if not visit.is_fragment:
        return visit.page(f"{_FOLDER}/page.html", ConversationsPage(conversation, patient), status)
    # The card is in this answer already: only what shows everything, such as a timeline, draws
    # itself again.
    headers = live.trigger(changed) if changed else {}
    return visit.fragment(f"{_FOLDER}/inside.html", ConversationPart(conversation), status, headers)


async def _filled(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    of: Conversation | None,
    message: MessageForm,
    form: Form,
) -> MessageForm:
    """What was typed with the chosen template behind it."""
    offered = await templates.templates(visit, connection, of.type if of else message.type)
    template = next((t for t in offered if t.name == form.text("template")), None)
    if template is None:
        is_chosen = form.text("template")
        return replace(
            message,
            status=(
                "The program has no such template any more."
                if is_chosen
                else "Choose a template first."
            ),
        )
    begun = await templates.begun(visit, connection, patient, template)
    before = message.contents.rstrip()
    contents = f"{before}\n\n{begun.text}" if before else begun.text
    return replace(
        message, contents=contents, direction=message_form.OUTBOUND, status=begun.unknown or _PUT_IN
    )


def _in_card(visit: Visit) -> bool:
    return visit.query("in") == "card"


ROUTES = (
    patient_route("/conversations", show),
    patient_route("/conversations/{conversation}", show),
    patient_route("/conversations/{conversation}", act, "POST"),
    patient_route("/conversations/{conversation}/now", show_now, background=True),
    patient_route("/conversations/{conversation}/before/{message}", show_earlier),
)
