"""The conversations with a patient: read, marked as read, and written down. Nothing here sends a message."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal import live, patient_access
from almoner.portal.conversations import message_form, templates
from almoner.portal.conversations.message_form import Composed
from almoner.portal.conversations.queries import Conversation, Talk, chosen, conversations, mark_read, talk
from almoner.portal.conversations.view import ConversationView, view
from almoner.portal.patient import Patient

_FOLDER: Final = "portal/conversations"
NEW: Final = "new"
_PUT_IN: Final = "Put in. Change what you like before you record it."


@dataclass(frozen=True)
class ConversationsPage:
    view: ConversationView
    patient: Patient
    since: str


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


async def show(visit: Visit) -> Response:
    """A conversation, the newest where none is named; the inside of its card where a part of a page asks."""
    async with visit.parts.database.connection() as connection:
        since = await live.since(connection)
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        conversation_id = visit.request.path_params.get("conversation", "")
        shown = await view(visit, connection, patient, conversation_id, _in_card(visit))
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/inside.html", ConversationPart(shown))
    return visit.page(f"{_FOLDER}/page.html", ConversationsPage(shown, patient, since))


async def show_now(visit: Visit) -> Response:
    """The messages as they are now; the form below them is left alone."""
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        shown = await view(visit, connection, patient, visit.path("conversation"), _in_card(visit))
    return visit.fragment(f"{_FOLDER}/talk.html", ConversationPart(shown))


async def show_earlier(visit: Visit) -> Response:
    """The messages before the one of the path; the page where no part of one asks."""
    if not visit.is_fragment:
        return visit.go(f"/patients/{visit.path('id')}/conversations/{visit.path('conversation')}")
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        of = chosen(await conversations(visit, connection, patient), visit.path("conversation"))
        found = await talk(visit, connection, patient, of, visit.path("message"))
    here = f"/patients/{patient.id}/conversations/{of.id}"
    return visit.fragment(f"{_FOLDER}/earlier.html", Earlier(found, patient, here, f"compose-{of.id}"))


async def act(visit: Visit) -> Response:
    """Records a message, marks messages as read, or begins one from a template: what the button ``do`` says."""
    form = await visit.form()
    said, do = message_form.parse_message(form), form.text("do") or "record"
    async with visit.parts.database.transaction() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        conversation_id = visit.path("conversation")
        of = None
        if conversation_id != NEW:
            of = chosen(await conversations(visit, connection, patient), conversation_id)
        if do == "fill":
            said = await _filled(visit, connection, patient=patient, of=of, said=said, form=form)
        elif do == "read" and of:
            await mark_read(visit, connection, of.id, form.texts("seen"))
        elif do == "record":
            recorded, said = await message_form.record(
                visit, connection, patient=patient, of=of, said=said, seen=form.texts("seen")
            )
            if recorded:
                return await _recorded(visit, connection, patient, recorded, said)
        return await _shown(
            visit,
            connection,
            patient=patient,
            conversation_id=conversation_id,
            said=said,
            changed="message_reads" if do == "read" else "",
        )


async def _recorded(visit: Visit, connection: Connection, patient: Patient, conversation_id: str, said: Composed) -> Response:
    """The conversation with the new message in it, and a form that is empty again."""
    if not visit.is_fragment:
        return visit.go(f"/patients/{patient.id}/conversations/{conversation_id}")
    if visit.path("conversation") == NEW and not _in_card(visit):
        return visit.go(f"/patients/{patient.id}/conversations/{conversation_id}")
    blank = Composed(direction=said.direction, worker_id=said.worker_id, status="Recorded. Nothing was sent.")
    return await _shown(visit, connection, patient=patient, conversation_id=conversation_id, said=blank, changed="message_reads")


async def _shown(
    visit: Visit, connection: Connection, patient: Patient, conversation_id: str, said: Composed, changed: str
) -> Response:
    shown = await view(visit, connection, patient=patient, conversation_id=conversation_id, card=_in_card(visit), composed=said)
    status = 400 if said.errors else 200
    if not visit.is_fragment:
        return visit.page(f"{_FOLDER}/page.html", ConversationsPage(shown, patient, await live.since(connection)), status)
    # The card is in this answer already: only what shows everything, such as a timeline, draws itself again.
    return visit.fragment(f"{_FOLDER}/inside.html", ConversationPart(shown), status, live.trigger(changed) if changed else {})


async def _filled(
    visit: Visit, connection: Connection, patient: Patient, of: Conversation | None, said: Composed, form: Form
) -> Composed:
    """What was typed with the chosen template behind it."""
    offered = await templates.templates(visit, connection, of.type if of else said.type)
    template = next((one for one in offered if one.name == form.text("template")), None)
    if template is None:
        told = "Choose a template first." if not form.text("template") else "The program has no such template any more."
        return replace(said, status=told)
    begun = await templates.begun(visit, connection, patient, template)
    before = said.contents.rstrip()
    contents = f"{before}\n\n{begun.text}" if before else begun.text
    return replace(said, contents=contents, direction=message_form.OUTBOUND, status=begun.told or _PUT_IN)


def _in_card(visit: Visit) -> bool:
    return visit.query("in") == "card"


def _route(path: str, answer: object, *methods: str, background: bool = False) -> PageRoute:
    return PageRoute(f"/patients/{{id}}/conversations{path}", answer, "give_care", methods or ("GET",), background)  # type: ignore[arg-type]


ROUTES = (
    _route("", show),
    _route("/{conversation}", show),
    _route("/{conversation}", act, "POST"),
    _route("/{conversation}/now", show_now, background=True),
    _route("/{conversation}/before/{message}", show_earlier),
)
