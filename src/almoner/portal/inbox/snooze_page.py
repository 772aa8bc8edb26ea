"""Putting patients off in the inbox until a moment, and bringing them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages import notation
from almoner.pages.filters import counted
from almoner.pages.visit import Form, Visit
from almoner.portal import alerts, moment_words
from almoner.portal.inbox import row_form
from almoner.portal.inbox.answering import answer
from almoner.portal.inbox.put_off import put_off
from almoner.portal.inbox.rows import Action
from almoner.portal.inbox.services import Gone
from almoner.portal.inbox.view import InboxActionResult
from almoner.portal.moment_words import AFTERNOON, DayAndTime
from almoner.portal.patient import Patient
from almoner.portal.tasks import services
from almoner.portal.tasks.queries import WholeTask, whole
from almoner.portal.tasks.services import Faster
from almoner.vocabulary import clocks

_FORM: Final = "snooze"
_THURSDAY: Final = 3
# What is put off until no particular time is put off until the next morning.
_USUAL: Final = "tomorrow"


@dataclass(frozen=True)
class Suggestion:
    """A moment to choose: the words that are sent, and those that it is called by, with when."""

    text: str
    label: str
    when: str


@dataclass(frozen=True, kw_only=True)
class SnoozeForm:
    """Until when: patients, or a ``task`` that is about none. ``fields`` are those of the view of
    the inbox that is drawn again; ``words`` were refused for ``problem``, both blank at first.
    """

    patients: Sequence[Patient]
    suggestions: Sequence[Suggestion]
    fields: Sequence[tuple[str, str]]
    task: WholeTask | None = None
    words: str = ""
    problem: str = ""


async def show(visit: Visit) -> Response:
    return await _asked(visit, visit.queries("patient"), visit.query)


async def show_several(visit: Visit) -> Response:
    """The form for the rows that are ticked."""
    form = await visit.form()
    return await _asked(visit, form.texts("patient"), form.text)


async def _asked(visit: Visit, ids: Sequence[str], text: Callable[[str], str]) -> Response:
    return row_form.draw(visit, _FORM, await _form(visit, ids, text))


async def _form(visit: Visit, ids: Sequence[str], text: Callable[[str], str]) -> SnoozeForm:
    """The form before anything was typed."""
    patients, task = [], None
    async with visit.connection() as connection:
        if text("task"):
            task = await whole(visit, connection, text("task"))
        else:
            patients = await row_form.patients(visit, connection, ids)
    fields = row_form.hidden_fields(visit, text)
    return SnoozeForm(patients=patients, suggestions=_suggestions(visit), fields=fields, task=task)


async def snooze(visit: Visit) -> Response:
    form = await visit.form()
    asked = form.text("until") or form.text("words").strip() or _USUAL
    now, zone = datetime.now(UTC), visit.worker.timezone
    meant = moment_words.meant(asked, clocks.local(now, zone))
    until = meant.moment(zone) if meant else None
    if until is None or until <= now:
        problem = "Type a day or a time in the future, such as fri 9."
        blank = await _form(visit, form.texts("patient"), form.text)
        refused = replace(blank, words=form.text("words").strip(), problem=problem)
        return row_form.draw(visit, _FORM, refused, 400)
    when = moment_words.in_words(until, zone, clocks.day_of(now, zone))

    async def do(connection: Connection, form: Form) -> InboxActionResult:
        if form.text("task"):
            return await _task_moved(visit, connection, form, until, when)
        return await _moved(visit, connection, form, until, f"Put off until {when}.")

    return await answer(visit, do, "snoozes", "worker_tasks")


async def _task_moved(
    visit: Visit, connection: Connection, form: Form, until: datetime, when: str
) -> InboxActionResult:
    """A task that is about no patient is put off by being due later."""
    later = {"due_date": None, "due_time": clocks.iso(until)}
    task = await _due_changed(visit, connection, form.text("task"), later)
    before = task.due_date.isoformat() if task.due_date else ""
    if task.due_time is not None:
        before = clocks.iso(task.due_time)
    fields = (("task", task.id), ("due", before))
    undo = Action("Undo", "/inbox/task-due", "u", fields)
    return InboxActionResult(f"Put off until {when}: {task.title}", undo=undo)


async def give_due_back(visit: Visit) -> Response:
    """Makes a task due again when it was before it was put off."""

    async def do(connection: Connection, form: Form) -> InboxActionResult:
        due = form.text("due")
        is_time = "T" in due
        before = {
            "due_date": None if is_time else due or None,
            "due_time": due if is_time else None,
        }
        task = await _due_changed(visit, connection, form.text("task"), before)
        return InboxActionResult(f"Back in the list: {task.title}")

    return await answer(visit, do, "worker_tasks")


async def _due_changed(
    visit: Visit, connection: Connection, task_id: str, due: dict[str, str | None]
) -> WholeTask:
    """Writes when the visitor's own task is due; answers with what it was before. Raises Gone."""
    task = await whole(visit, connection, task_id)
    if task.completed_at is not None or task.worker_id != visit.worker.worker_id:
        raise Gone("This task is not yours to put off.")
    try:
        return await services.change(visit, connection, task.id, due, task.updated_at)
    except Faster as faster:
        raise Gone(faster.text) from faster


async def wake(visit: Visit) -> Response:
    async def do(connection: Connection, form: Form) -> InboxActionResult:
        return await _moved(visit, connection, form, datetime.now(UTC), "Back in the list.")

    return await answer(visit, do, "snoozes")


async def _moved(
    visit: Visit, connection: Connection, form: Form, until: datetime, words: str
) -> InboxActionResult:
    is_ahead = until > datetime.now(UTC)
    async with connection.transaction():
        chosen = await row_form.patients(visit, connection, form.texts("patient"))
        ids = [patient.id for patient in chosen]
        urgent = await alerts.needing_somebody(visit, connection, ids) if is_ahead else set()
        patients = [patient for patient in chosen if patient.id not in urgent]
        await put_off(visit, connection, [patient.id for patient in patients], until)
    if not patients:
        raise Gone("Their answers ask for somebody: take that first.")
    if urgent:
        words += f" {counted(len(urgent), 'patient')} stayed: their answers ask for somebody."
    fields = tuple(("patient", patient.id) for patient in patients)
    undo = Action("Undo", "/inbox/wake", "u", fields) if is_ahead else None
    if len(patients) == 1:
        return InboxActionResult(words, patients[0], undo)
    return InboxActionResult(f"{len(patients)} patients: {words}", undo=undo)


def _suggestions(visit: Visit) -> list[Suggestion]:
    zone = visit.worker.timezone
    now = clocks.now_in(zone)
    today = now.date()
    hour = (now + timedelta(hours=2)).time().replace(minute=0, second=0, microsecond=0)
    soon = ("this afternoon", "This afternoon", DayAndTime(today, AFTERNOON))
    if now.time() >= time(13):
        later = DayAndTime(today, hour) if now.hour < 22 else DayAndTime(today, time(23, 59))
        soon = (f"today {notation.time_of_day(later.at or hour)}", "Later today", later)
    tomorrow = clocks.shifted(today, 1)
    ahead = (_THURSDAY - today.weekday() - 1) % 7 + 1
    # On a Wednesday, tomorrow is Thursday.
    thursday = clocks.shifted(today, ahead if ahead > 1 else 8)
    next_week = moment_words.next_week(today)
    named = (
        soon,
        ("tomorrow", "Tomorrow", DayAndTime(tomorrow)),
        (thursday.isoformat(), "Thursday", DayAndTime(thursday)),
        ("next week", "Next week", DayAndTime(next_week)),
    )
    return [
        Suggestion(text, label, moment_words.in_words(when.moment(zone), zone, today))
        for text, label, when in named
    ]
