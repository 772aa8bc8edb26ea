"""The buttons of the inbox: what each does, and the way back that stands in its row for a
moment.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages.visit import Form, Visit
from almoner.portal.care_flows import changes, flow_form
from almoner.portal.care_flows.changes import At
from almoner.portal.inbox import services
from almoner.portal.inbox.answering import answer
from almoner.portal.inbox.rows import Action
from almoner.portal.inbox.view import InboxActionResult
from almoner.portal.inbox.wording import ticking
from almoner.portal.patient import Patient
from almoner.vocabulary import clocks
from almoner.vocabulary.times import iso

# A form of the inbox is about one step, which stands alone in its base.
_ONLY: Final = At(0, 0)


async def complete(visit: Visit) -> Response:
    async def do(connection: Connection, form: Form) -> InboxActionResult:
        done = changes.complete(_ONLY, visit.worker.worker_id, iso(datetime.now(UTC)))
        patient, merging = await services.tick(visit, connection, form, done)
        undo = Action(
            "Undo", "/inbox/reopen", "u", ticking(form.text("flow"), merging.around(_ONLY))
        )
        return InboxActionResult(f"Done: {merging.before(_ONLY)['title']}", patient, undo)

    return await answer(visit, do, "care_flows")


async def reopen(visit: Visit) -> Response:
    """Opens a step again. Where somebody else has completed it anew meanwhile, both are shown to
    choose from.
    """

    async def do(connection: Connection, form: Form) -> InboxActionResult | Response:
        patient, merging = await services.tick(visit, connection, form, changes.reopen(_ONLY))
        if merging.conflicts:
            return await flow_form.conflict(
                visit, connection, patient, form.text("flow"), merging=merging, form=form
            )
        return InboxActionResult(f"Open again: {merging.before(_ONLY)['title']}", patient)

    return await answer(visit, do, "care_flows")


async def read(visit: Visit) -> Response:
    async def do(connection: Connection, form: Form) -> InboxActionResult:
        conversation = form.text("conversation")
        patient, at = await services.read(
            visit, connection, conversation, _moment(form.text("until"))
        )
        if at is None:
            return InboxActionResult("The messages had been read already.", patient)
        fields = (("conversation", conversation), ("at", at.isoformat()))
        return InboxActionResult(
            "The messages are marked as read.",
            patient,
            Action("Undo", "/inbox/unread", "u", fields),
        )

    return await answer(visit, do, "message_reads")


async def unread(visit: Visit) -> Response:
    async def do(connection: Connection, form: Form) -> InboxActionResult:
        patient = await services.unread(
            visit, connection, form.text("conversation"), _moment(form.text("at"))
        )
        return InboxActionResult("The messages are unread again.", patient)

    return await answer(visit, do, "message_reads")


async def assign(visit: Visit) -> Response:
    async def do(connection: Connection, form: Form) -> InboxActionResult:
        patient = await services.assign(
            visit, connection, form.text("patient"), visit.worker.worker_id, None
        )
        return InboxActionResult(
            "Assigned to you.",
            patient,
            Action("Undo", "/inbox/unassign", "u", (("patient", patient.id),)),
        )

    return await answer(visit, do, "patients")


async def unassign(visit: Visit) -> Response:
    async def do(connection: Connection, form: Form) -> InboxActionResult:
        patient = await services.assign(
            visit, connection, form.text("patient"), None, visit.worker.worker_id
        )
        return InboxActionResult("With no coach again.", patient)

    return await answer(visit, do, "patients")


async def take_alert(visit: Visit) -> Response:
    return await _about_alert(visit, services.take_alert, "You take care of it.", "alert-return")


async def return_alert(visit: Visit) -> Response:
    give_back = partial(services.take_alert, taken=False)
    return await _about_alert(visit, give_back, "Nobody takes care of it now.")


async def dismiss_alert(visit: Visit) -> Response:
    return await _about_alert(visit, services.dismiss_alert, "The alert is done.", "alert-reopen")


async def reopen_alert(visit: Visit) -> Response:
    reopen = partial(services.dismiss_alert, done=False)
    return await _about_alert(visit, reopen, "The alert is open again.")


async def _about_alert(
    visit: Visit,
    write: Callable[[Visit, Connection, str], Awaitable[Patient]],
    words: str,
    way_back: str = "",
) -> Response:
    async def do(connection: Connection, form: Form) -> InboxActionResult:
        alert = form.text("alert")
        patient = await write(visit, connection, alert)
        undo = Action("Undo", f"/inbox/{way_back}", "u", (("alert", alert),)) if way_back else None
        return InboxActionResult(words, patient, undo)

    return await answer(visit, do, "alerts")


def _moment(text: str) -> datetime:
    """A moment that one of our own forms sent; one that is none is before everything."""
    try:
        return clocks.in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return datetime(1, 1, 2, tzinfo=UTC)
