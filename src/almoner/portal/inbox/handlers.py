"""The buttons of the inbox: what each does, and the way back that stands in its row for a
moment.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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
from almoner.portal.tasks import news
from almoner.portal.tasks import services as tasks
from almoner.portal.tasks.queries import WholeTask
from almoner.vocabulary import clocks
from almoner.vocabulary.times import iso

# A form of the inbox is about one step, which stands alone in its base.
_ONLY: Final = At(0, 0)
Doing = Callable[[Visit, Connection, Form], Awaitable[InboxActionResult | Response]]


async def complete(visit: Visit, connection: Connection, form: Form) -> InboxActionResult:
    done = changes.complete(_ONLY, visit.worker.worker_id, iso(datetime.now(UTC)))
    patient, merging = await services.tick(visit, connection, form, done)
    undo = Action("Undo", "/inbox/reopen", "u", ticking(form.text("flow"), merging.around(_ONLY)))
    return InboxActionResult(f"Done: {merging.before(_ONLY)['title']}", patient, undo)


async def reopen(visit: Visit, connection: Connection, form: Form) -> InboxActionResult | Response:
    """Opens a step again. Where somebody else has completed it anew meanwhile, both are shown to
    choose from.
    """

    patient, merging = await services.tick(visit, connection, form, changes.reopen(_ONLY))
    if merging.conflicts:
        return await flow_form.conflict(
            visit, connection, patient, form.text("flow"), merging=merging, form=form
        )
    return InboxActionResult(f"Open again: {merging.before(_ONLY)['title']}", patient)


async def read(visit: Visit, connection: Connection, form: Form) -> InboxActionResult:
    conversation = form.text("conversation")
    patient, at = await services.read(visit, connection, conversation, _moment(form.text("until")))
    if at is None:
        return InboxActionResult("The messages had been read already.", patient)
    fields = (("conversation", conversation), ("at", at.isoformat()))
    return InboxActionResult(
        "The messages are marked as read.",
        patient,
        Action("Undo", "/inbox/unread", "u", fields),
    )


async def unread(visit: Visit, connection: Connection, form: Form) -> InboxActionResult:
    patient = await services.unread(
        visit, connection, form.text("conversation"), _moment(form.text("at"))
    )
    return InboxActionResult("The messages are unread again.", patient)


async def assign(visit: Visit, connection: Connection, form: Form) -> InboxActionResult:
    patient = await services.assign(
        visit, connection, form.text("patient"), visit.worker.worker_id, None
    )
    return InboxActionResult(
        "Assigned to you.",
        patient,
        Action("Undo", "/inbox/unassign", "u", (("patient", patient.id),)),
    )


async def unassign(visit: Visit, connection: Connection, form: Form) -> InboxActionResult:
    patient = await services.assign(
        visit, connection, form.text("patient"), None, visit.worker.worker_id
    )
    return InboxActionResult("With no coach again.", patient)


def _about_alert(
    write: Callable[[Visit, Connection, str], Awaitable[Patient]], words: str, way_back: str = ""
) -> Doing:
    """Something that is written of an alert, with what is said then, and what takes it back."""

    async def do(visit: Visit, connection: Connection, form: Form) -> InboxActionResult:
        alert = form.text("alert")
        patient = await write(visit, connection, alert)
        undo = Action("Undo", f"/inbox/{way_back}", "u", (("alert", alert),)) if way_back else None
        return InboxActionResult(words, patient, undo)

    return do


def _about_task(
    write: Callable[[Visit, Connection, str], Awaitable[WholeTask]],
    words: str,
    way_back: str = "",
) -> Doing:
    """The same of a task of a worker; ``words`` have its title."""

    async def do(visit: Visit, connection: Connection, form: Form) -> InboxActionResult:
        task, patient = await services.about_task(visit, connection, form.text("task"), write)
        fields = (("task", task.id),)
        undo = Action("Undo", f"/inbox/{way_back}", "u", fields) if way_back else None
        return InboxActionResult(words.format(task.title), patient, undo)

    return do


def _moment(text: str) -> datetime:
    """A moment that one of our own forms sent; one that is none is before everything."""
    try:
        return clocks.in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return datetime(1, 1, 2, tzinfo=UTC)


_GIVE_BACK_ALERT: Final = partial(services.take_alert, taken=False)
_BACK: Final = partial(news.note, known=False)
_REOPEN_ALERT: Final = partial(services.dismiss_alert, done=False)
# By their address, with the collection that they write.
ACTIONS: Final[Mapping[str, tuple[Doing, str]]] = {
    "/inbox/done": (complete, "care_flows"),
    "/inbox/reopen": (reopen, "care_flows"),
    "/inbox/read": (read, "message_reads"),
    "/inbox/unread": (unread, "message_reads"),
    "/inbox/assign": (assign, "patients"),
    "/inbox/unassign": (unassign, "patients"),
    "/inbox/alert-take": (
        _about_alert(services.take_alert, "You take care of it.", "alert-return"),
        "alerts",
    ),
    "/inbox/alert-return": (
        _about_alert(_GIVE_BACK_ALERT, "Nobody takes care of it now."),
        "alerts",
    ),
    "/inbox/alert-done": (
        _about_alert(services.dismiss_alert, "The alert is done.", "alert-reopen"),
        "alerts",
    ),
    "/inbox/alert-reopen": (_about_alert(_REOPEN_ALERT, "The alert is open again."), "alerts"),
    "/inbox/task-done": (_about_task(tasks.complete, "Done: {}", "task-reopen"), "worker_tasks"),
    "/inbox/news-noted": (_about_task(news.note, "Noted: {}", "news-back"), "worker_tasks"),
    "/inbox/news-back": (_about_task(_BACK, "New again: {}"), "worker_tasks"),
    "/inbox/task-reopen": (_about_task(tasks.reopen, "Open again: {}"), "worker_tasks"),
    "/inbox/task-take": (_about_task(tasks.take, "Yours now: {}", "task-return"), "worker_tasks"),
    "/inbox/task-return": (
        _about_task(tasks.give_back, "Given back: {}", "task-take"),
        "worker_tasks",
    ),
}


def handler(path: str) -> Callable[[Visit], Awaitable[Response]]:
    """What answers a form that is sent to this address."""
    do, changed = ACTIONS[path]

    async def handle(visit: Visit) -> Response:
        return await answer(visit, partial(do, visit), changed)

    return handle
