"""The small form of a task: what, until when in words, who, how much it matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages import parsing
from almoner.pages.filters import day as day_in_figures
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import is_of_form
from almoner.pages.notation import time_of_day
from almoner.pages.visit import Form, Visit
from almoner.portal import moment_words
from almoner.portal.moment_words import DayAndTime
from almoner.portal.patient import Patient
from almoner.portal.tasks.queries import OWN, WholeTask
from almoner.portal.workers import Worker
from almoner.resources.worker_tasks import LONGEST_TITLE, PRIORITIES
from almoner.vocabulary import clocks

_TEAM: Final = "team:"
# What the form has of a task that there is, and how the hidden fields begin that say what it was
# drawn with.
_FIELDS: Final = ("title", "due", "who", "priority", "note")
_WAS: Final = "was."
# The words at the end of a title that may say when it is due, as in "ring the pharmacy in 2 weeks".
_AT_END: Final = 4
NOT_UNDERSTOOD: Final = "Type a day or a time, such as fri 9, tomorrow or in 2 weeks."


@dataclass(frozen=True, kw_only=True)
class TaskForm:
    """A task as its form states it, before it is checked: ``due`` in words, ``who`` a worker's id
    or a team. ``task_id`` is blank of a new one. ``own`` is what is set of what a site has added,
    ``controls`` are its controls. ``errors`` are by field.
    """

    title: str = ""
    due: str = ""
    who: str = ""
    priority: str = "medium"
    note: str = ""
    patient: Patient | None = None
    task_id: str = ""
    whos: Sequence[tuple[str, str]] = ()
    priorities: Sequence[tuple[str, str]] = tuple((name, name.title()) for name in PRIORITIES)
    own: Row = field(default_factory=dict)
    controls: Sequence[FieldView] = ()
    base_fields: Sequence[tuple[str, str]] = ()
    errors: Mapping[str, str] = field(default_factory=dict)


async def drawn(
    visit: Visit, connection: Connection, form: TaskForm, task: WholeTask | None = None
) -> TaskForm:
    """The form with the controls of what a site has added: of a new task, or of this one."""
    values = {**(task.row if task else {}), **form.own}
    controls = await OWN.controls(
        visit, connection, values, form.errors, new=task is None, at="task-own-"
    )
    if task is None:
        return replace(form, controls=controls)
    stored = of_task(visit, task, ())
    base_fields = [(f"{_WAS}{name}", getattr(stored, name)) for name in _FIELDS]
    base_fields += OWN.base_fields(task.updated_at, task.row) if controls else ()
    return replace(form, controls=controls, base_fields=base_fields)


def fresh(visit: Visit, patient: Patient | None, workers: Sequence[Worker]) -> TaskForm:
    """The form before anybody typed: for the visitor."""
    return TaskForm(who=visit.worker.worker_id, patient=patient, whos=whos(visit, workers))


def of_task(visit: Visit, task: WholeTask, workers: Sequence[Worker]) -> TaskForm:
    """The form of a task that there is."""
    return TaskForm(
        title=task.title,
        due=due_words(task.due_date, task.due_time, visit.worker.timezone),
        who=task.worker_id or (f"{_TEAM}{task.role}" if task.role else ""),
        priority=task.priority,
        note=task.note or "",
        task_id=task.id,
        whos=whos(visit, workers),
    )


def sent(visit: Visit, form: Form, blank: TaskForm) -> TaskForm:
    """The form as it was sent, over one that nobody has filled in."""
    is_new = not blank.task_id
    return replace(
        blank,
        title=form.text("title").strip(),
        due=form.text("due").strip(),
        who=form.text("who"),
        priority=form.text("priority") or "medium",
        note=form.text("note").strip(),
        own=OWN.read(visit, form, new=True) if is_new else OWN.changed(visit, form),
    )


def merged(form: TaskForm, stored: TaskForm, sent: Form) -> tuple[TaskForm, dict[str, str]]:
    """The form with what others have changed since it was drawn, where the sender left that as it
    was; and what both have changed, by field.
    """
    errors = {}
    for name in _FIELDS:
        now = getattr(stored, name)
        was = sent.text(f"{_WAS}{name}") if f"{_WAS}{name}" in sent else now
        entered = getattr(form, name)
        if _same(entered, was):
            form = replace(form, **{name: now})
        elif not _same(now, was) and not _same(entered, now):
            words = dict(form.whos).get(now, now) or "nothing"
            errors[name] = f"Somebody has set this to “{words}” meanwhile. Save again for yours."
    return form, errors


def _same(text: str, other: str) -> bool:
    return text.split() == other.split()


def whos(visit: Visit, workers: Sequence[Worker]) -> list[tuple[str, str]]:
    """Who may be meant: the visitor, a team, anybody else."""
    me = visit.worker.worker_id
    roles = sorted({role for worker in workers for role in worker.roles})
    teams = [(f"{_TEAM}{role}", f"Team: {visit.program.role_title(role)}") for role in roles]
    others = [worker.choice for worker in workers if worker.id != me]
    return [(me, "Me"), *teams, *others]


def values(form: TaskForm, now: datetime, timezone: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of the task, and what is wrong by field. ``now`` is in the reader's zone.

    Where no due is typed, the end of the title may say one: it is taken out of it."""
    errors = {}
    title, due = form.title, moment_words.meant(form.due, now) if form.due else None
    if form.due and due is None:
        errors["due"] = NOT_UNDERSTOOD
    if not form.due and not form.task_id:
        title, due = _due_at_end(title, now)
    if not title:
        errors["title"] = "Say what is to be done."
    if len(title) > LONGEST_TITLE:
        errors["title"] = f"Say it in {LONGEST_TITLE} characters, and put the rest into the note."
    is_team = form.who.startswith(_TEAM)
    if form.who not in dict(form.whos):
        errors["who"] = "Choose who is to do it."
    return {
        "title": title,
        "note": form.note or None,
        "priority": form.priority,
        "worker_id": None if is_team else form.who,
        "role": form.who.removeprefix(_TEAM) if is_team else None,
        **_due(due, timezone),
        **form.own,
    }, errors


def refusals(error: ApiError) -> dict[str, str]:
    """What is wrong with a task that was to be written: at what a site has added, else above the
    form. Raises the error again where it is about no form.
    """
    if not is_of_form(error):
        raise error
    own, others = OWN.errors(error.problems)
    return own | ({"": others[0].detail} if others else {})


def due_words(day: Any, time: datetime | None, timezone: str) -> str:
    """When a task is due, as its form shows it and reads it again; blank where at no time."""
    if time is not None:
        here = clocks.local(time, timezone)
        return f"{day_in_figures(here)} {time_of_day(here)}"
    return day_in_figures(day) if day is not None else ""


def _due(due: DayAndTime | None, timezone: str) -> dict[str, Any]:
    if due is None:
        return {"due_date": None, "due_time": None}
    if due.at is None:
        return {"due_date": due.day.isoformat(), "due_time": None}
    return {"due_date": None, "due_time": clocks.iso(due.moment(timezone))}


def _due_at_end(title: str, now: datetime) -> tuple[str, DayAndTime | None]:
    words = title.split()
    for number in range(min(_AT_END, len(words) - 1), 0, -1):
        end = " ".join(words[-number:])
        # An hour alone may be part of what is to be done.
        due = None if parsing.time_of_day(end) else moment_words.meant(end, now)
        if due is not None:
            return " ".join(words[:-number]), due
    return title, None
