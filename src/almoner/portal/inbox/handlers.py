"""The buttons of the inbox: what each does, and the way back that stands in its row for a moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from almoner.pages import parsing
from almoner.pages.visit import Form, Visit
from almoner.portal import live
from almoner.portal.care_flows import changes, flow_form
from almoner.portal.care_flows.changes import At
from almoner.portal.inbox import services
from almoner.portal.inbox.rows import Action, ticking
from almoner.portal.inbox.services import Gone
from almoner.portal.inbox.view import MOST_SHOWN, ActionResult, gather, view_of
from almoner.vocabulary import clocks
from almoner.vocabulary.times import iso

_FOLDER: Final = "portal/inbox"
# A form of the inbox is about one step, which stands alone in its base.
_ONLY: Final = At(0, 0)


async def complete(visit: Visit) -> Response:
    async def do(form: Form) -> ActionResult:
        done = changes.complete(_ONLY, visit.worker.worker_id, iso(datetime.now(UTC)))
        patient, merging = await services.tick(visit, form, done)
        undo = Action("Undo", "/inbox/reopen", "u", ticking(form.text("flow"), merging.around(_ONLY)))
        return ActionResult(f"Done: {merging.seen(_ONLY)['title']}", patient, undo)

    return await _done(visit, do, "care_flows")


async def reopen(visit: Visit) -> Response:
    """Opens a step again. Where somebody else has completed it anew meanwhile, both are shown to choose from."""

    async def do(form: Form) -> ActionResult | Response:
        patient, merging = await services.tick(visit, form, changes.reopen(_ONLY))
        if merging.conflicts:
            return await flow_form.conflict(visit, patient, form.text("flow"), merging, form)
        return ActionResult(f"Open again: {merging.seen(_ONLY)['title']}", patient)

    return await _done(visit, do, "care_flows")


async def read(visit: Visit) -> Response:
    async def do(form: Form) -> ActionResult:
        conversation = form.text("conversation")
        patient, at = await services.read(visit, conversation, _moment(form.text("until")))
        if at is None:
            return ActionResult("The messages had been read already.", patient)
        fields = (("conversation", conversation), ("at", at.isoformat()))
        return ActionResult("The messages are marked as read.", patient, Action("Undo", "/inbox/unread", "u", fields))

    return await _done(visit, do, "message_reads")


async def unread(visit: Visit) -> Response:
    async def do(form: Form) -> ActionResult:
        patient = await services.unread(visit, form.text("conversation"), _moment(form.text("at")))
        return ActionResult("The messages are unread again.", patient)

    return await _done(visit, do, "message_reads")


async def assign(visit: Visit) -> Response:
    async def do(form: Form) -> ActionResult:
        patient = await services.assign(visit, form.text("patient"), visit.worker.worker_id, None)
        return ActionResult("Assigned to you.", patient, Action("Undo", "/inbox/unassign", "u", (("patient", patient.id),)))

    return await _done(visit, do, "patients")


async def unassign(visit: Visit) -> Response:
    async def do(form: Form) -> ActionResult:
        patient = await services.assign(visit, form.text("patient"), None, visit.worker.worker_id)
        return ActionResult("With no coach again.", patient)

    return await _done(visit, do, "patients")


async def _done(visit: Visit, do: Callable[[Form], Awaitable[ActionResult | Response]], changed: str) -> Response:
    """Does something and draws the list again, with what was done; the focus goes to the row that took the place of this one.

    ``changed`` is the collection that was written, for what else on the page shows it. A Response of ``do`` is a question first.
    """
    form = await visit.form()
    view = view_of(visit, form.text)
    try:
        told = await do(form)
    except Gone as gone:
        told = ActionResult(gone.text, refused=True)
    if isinstance(told, Response):
        return told
    if not visit.is_fragment and not told.refused:
        return visit.go(view.path())
    inbox = await gather(visit, view, told, parsing.whole(form.text("row"), high=MOST_SHOWN) or 0)
    status = 409 if told.refused else 200
    if not visit.is_fragment:
        return visit.page(f"{_FOLDER}/inbox.html", inbox, status)
    return visit.fragment(f"{_FOLDER}/list.html", inbox, status, live.trigger(changed))


def _moment(text: str) -> datetime:
    """A moment that one of our own forms sent; one that is none is before everything."""
    try:
        return clocks.in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return datetime(1, 1, 2, tzinfo=UTC)
