"""A message to many: written, looked at for each, put into the queue, and how far it is.

The patients come from the panel, ticked or as a view; the address has the view to go back to."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal.bulk_messages import queries
from almoner.portal.bulk_messages.queries import BulkMessage, LeftOut
from almoner.portal.bulk_messages.recipients import (
    GONE,
    BulkText,
    Recipient,
    RecipientBasis,
    recipients,
)
from almoner.portal.conversations.queries import RECORDED
from almoner.portal.patient_access import only_of
from almoner.resources.conversations import CHANNELS
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.times import TIMEZONES
from almoner.workshop import published_programs
from almoner.workshop.design import MessageTemplate
from almoner.workshop.placeholders import PLACEHOLDERS, pieces

_FOLDER: Final = "portal/bulk_messages"
_CARE: Final = "give_care"
_PATH: Final = "/panel/messages/{bulk}"
# Who may look at what others have sent to many, and stop it.
_OF_ALL: Final = frozenset({"supervise", "administer"})
# So many at once, as the panel says (``panel.acts``).
MOST: Final = 2_000
_LONGEST: Final = 4_000
_EXAMPLES: Final = 3
_NAMED: Final = 5


@dataclass(frozen=True, kw_only=True)
class BulkForm:
    """What is typed: ``channels`` and ``templates`` are to choose from, ``errors`` are by field.
    ``back`` is the address of the panel, ``query`` its view.
    """

    ids: Sequence[str]
    channels: Sequence[tuple[str, str]]
    templates: Sequence[tuple[str, str]]
    channel: str
    template: str
    contents: str
    errors: Mapping[str, str]
    back: str
    query: str
    placeholders: Sequence[str] = tuple(f"{{{{{name}}}}}" for name in PLACEHOLDERS)


@dataclass(frozen=True)
class LeftOutFor:
    """Those who do not get it for one reason: how many, and some of them."""

    why: str
    number: int
    some: Sequence[Recipient]


@dataclass(frozen=True, kw_only=True)
class BulkPreview:
    """Who would get it, some as they would read it, and who not. ``id`` is that of the message once
    it is put into the queue, so that it is one however often that is asked for. ``left_out`` are
    the ids of those who would not, and ``template`` what was chosen, for the way back to the text.
    """

    id: str
    message: BulkText
    template: str
    channel: str
    able: Sequence[Recipient]
    left_out: Sequence[str]
    examples: Sequence[Recipient]
    others: Sequence[LeftOutFor]
    pause: int
    back: str
    query: str


@dataclass(frozen=True)
class BulkPage:
    """How far a message is, and some of those who did not get it."""

    bulk: BulkMessage
    channel: str
    left_out: Sequence[LeftOut]
    recorded: str = RECORDED


@dataclass(frozen=True)
class BulkProgress:
    """How far a message is, asked again and again while somebody waits."""

    bulk: BulkMessage
    recorded: str = RECORDED


@dataclass(frozen=True)
class BulkList:
    """The newest messages to many; ``channels`` has the words of each type of conversation."""

    sent: Sequence[BulkMessage]
    channels: Mapping[str, str]


async def compose(visit: Visit, ids: Sequence[str]) -> Response:
    """The form of a message to these patients."""
    return _form(visit, await _templates(visit), ids, BulkText("phone", ""))


async def look(visit: Visit) -> Response:
    """Who would get it and who not, as things are now. Nothing is sent."""
    form = await visit.form()
    ids, channel, contents = _ids(form), form.text("channel"), form.text("contents").strip()
    template, errors = form.text("template"), dict[str, str]()
    offered = await _templates(visit)
    if form.text("do") == "change":
        contents = "" if template else contents
        return _form(visit, offered, _ids(form, "left_out"), BulkText(channel, contents), template)
    chosen = next((each for each in offered if each.name == template), None)
    if channel not in CHANNELS:
        errors["channel"] = "Choose a channel."
    if chosen is not None and chosen.channel not in ("any", channel):
        errors["template"] = f"This template is for {CHANNELS[chosen.channel]}."
    if chosen is not None and contents:
        errors["contents"] = "Choose a template or write a text, not both."
    text = chosen.body.strip() if chosen is not None else contents
    if not errors and (wrong := _wrong_with(text)):
        errors["contents"] = wrong
    if errors or not 0 < len(ids) <= MOST:
        return _form(visit, offered, ids, BulkText(channel, contents), template, errors=errors)
    message = BulkText(channel, text)
    async with visit.connection() as connection:
        judged = await recipients(connection, _basis(visit), message, ids)
    able = [each for each in judged if not each.why]
    preview = BulkPreview(
        id=str(uuid.uuid4()),
        message=message,
        template=template,
        channel=CHANNELS[channel],
        able=able,
        left_out=sorted({*ids} - {each.id for each in able}),
        examples=able[:_EXAMPLES],
        others=_others(judged, len(ids)),
        pause=int(queries.PAUSE),
        back=_back(visit),
        query=_query(visit),
    )
    return visit.page(f"{_FOLDER}/look.html", preview)


def _others(judged: Sequence[Recipient], number: int) -> list[LeftOutFor]:
    counts = Counter(each.why for each in judged if each.why)
    others = [
        LeftOutFor(why, count, [each for each in judged if each.why == why][:_NAMED])
        for why, count in counts.most_common()
    ]
    gone = number - len(judged)
    return [*others, *([LeftOutFor(GONE, gone, ())] if gone else [])]


def _wrong_with(text: str) -> str:
    if not text:
        return "Choose a template or write a text."
    if len(text) > _LONGEST:
        return f"A message to many has {_LONGEST:,} characters at most."
    problems = [piece.problem for piece in pieces(text) if piece.problem]
    return f"{problems[0]}." if problems else ""


async def send(visit: Visit) -> Response:
    """Puts the message into the queue for those who can have it, once, whatever comes twice."""
    form = await visit.form()
    bulk_id, ids = Guid().decode(form.text("id"), "", []), _ids(form)
    message = BulkText(form.text("channel"), form.text("contents").strip())
    if not bulk_id or message.channel not in CHANNELS or not 0 < len(ids) <= MOST:
        return visit.go(_back(visit))
    if wrong := _wrong_with(message.contents):
        offered = await _templates(visit)
        return _form(visit, offered, ids, message, errors={"contents": wrong})
    worker_id, environment_id = visit.worker.worker_id, visit.environment_id
    async with visit.transaction() as connection:
        new = (bulk_id, worker_id, message, visit.request_id)
        if await queries.add(connection, environment_id, *new):
            judged = await recipients(connection, _basis(visit), message, ids)
            waiting = await queries.queue(connection, environment_id, bulk_id, judged)
            channel = CHANNELS[message.channel]
            await visit.record_event(connection, "messages queued", f"{waiting:,} by {channel}")
    return visit.go(_PATH.format(bulk=bulk_id))


async def show(visit: Visit) -> Response:
    """How far it is, and who did not get it."""
    async with visit.connection() as connection:
        bulk = await _bulk(visit, connection)
        of = (visit.environment_id, only_of(visit), bulk.id)
        left_out = await queries.left_out(connection, *of)
    return visit.page(f"{_FOLDER}/sent.html", BulkPage(bulk, CHANNELS[bulk.channel], left_out))


async def show_progress(visit: Visit) -> Response:
    """How far it is."""
    async with visit.connection() as connection:
        bulk = await _bulk(visit, connection)
    return visit.fragment(f"{_FOLDER}/progress.html", BulkProgress(bulk))


async def take_back(visit: Visit) -> Response:
    """Takes those back who still wait."""
    async with visit.transaction() as connection:
        bulk = await _bulk(visit, connection)
        number = await queries.take_back(connection, visit.environment_id, bulk.id)
        if number:
            detail = f"{number:,} by {CHANNELS[bulk.channel]}"
            await visit.record_event(connection, "messages taken back", detail)
    return visit.go(_PATH.format(bulk=bulk.id))


async def show_list(visit: Visit) -> Response:
    """The newest messages to many: the visitor's own, or all."""
    async with visit.connection() as connection:
        sent = await queries.newest(connection, visit.environment_id, _whose(visit))
    return visit.page(f"{_FOLDER}/list.html", BulkList(sent, CHANNELS))


async def _bulk(visit: Visit, connection: Connection) -> BulkMessage:
    bulk_id = visit.path("bulk")
    return await queries.get(connection, visit.environment_id, bulk_id, _whose(visit))


def _whose(visit: Visit) -> str | None:
    return None if _OF_ALL & visit.rights.may else visit.worker.worker_id


def _basis(visit: Visit) -> RecipientBasis:
    zones = visit.parts.database.zones.document(TIMEZONES)
    return RecipientBasis(visit.environment_id, visit.program, zones, only_of(visit))


def _ids(form: Form, *more: str) -> Sequence[str]:
    fields = ("patient", *more)
    ids = (Guid().decode(text, "", []) for name in fields for text in form.texts(name))
    return sorted({patient_id for patient_id in ids if patient_id})


async def _templates(visit: Visit) -> Sequence[MessageTemplate]:
    async with visit.connection() as connection:
        outline = await published_programs.outline_at(
            connection, visit.environment_id, visit.program.version
        )
    return outline.message_templates if outline is not None else ()


def _form(
    visit: Visit,
    offered: Sequence[MessageTemplate],
    ids: Sequence[str],
    message: BulkText,
    template: str = "",
    *,
    errors: Mapping[str, str] | None = None,
) -> Response:
    names = [each.name for each in offered]
    form = BulkForm(
        ids=ids,
        channels=list(CHANNELS.items()),
        templates=[("", "No template: the text below"), *((name, name) for name in names)],
        channel=message.channel,
        template=template,
        contents=message.contents,
        errors=errors or {},
        back=_back(visit),
        query=_query(visit),
    )
    return visit.page(f"{_FOLDER}/compose.html", form, 400 if errors else 200)


def _query(visit: Visit) -> str:
    query: str = visit.request.scope["query_string"].decode("latin-1")
    return query


def _back(visit: Visit) -> str:
    return f"/panel?{_query(visit)}" if _query(visit) else "/panel"


ROUTES: Final = (
    PageRoute("/panel/message", look, may=_CARE, methods=("POST",), repeatable=True),
    PageRoute("/panel/message/send", send, may=_CARE, methods=("POST",)),
    PageRoute("/panel/messages", show_list, may=_CARE),
    PageRoute(_PATH, show, may=_CARE),
    PageRoute(f"{_PATH}/progress", show_progress, may=_CARE, background=True),
    PageRoute(f"{_PATH}/undo", take_back, may=_CARE, methods=("POST",)),
)
