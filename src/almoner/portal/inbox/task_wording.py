"""Tasks of workers as reasons of the inbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time
from functools import partial
from typing import Final

from almoner.pages.filters import counted, day_in_words
from almoner.pages.notation import time_of_day
from almoner.pages.visit import Visit
from almoner.portal.inbox.entries import InboxPatient
from almoner.portal.inbox.rows import TASK, Action, DueChip, InboxItem, InboxReason
from almoner.portal.tasks.queries import OpenTask
from almoner.vocabulary import clocks

_FIRST: Final = {"urgent": 0, "high": 1, "medium": 2, "low": 3}
_SHORT: Final = 100


class TaskWording:
    """Puts tasks in words, for one reader at one moment."""

    def __init__(self, visit: Visit, now: datetime) -> None:
        self._visit = visit
        self._now = now
        self._zone = visit.worker.timezone
        self._today = clocks.day_of(now, self._zone)

    def items(self, task: OpenTask) -> Iterator[InboxItem]:
        """The task where it is due by today; nothing of one that is due later."""
        late = self._late(task)
        if late is not None and late < 0:
            return
        section = "now" if task.priority == "urgent" else "late" if late else "today"
        at = self._due(task) or self._now
        is_own = task.worker_id == self._visit.worker.worker_id
        rank = (2, at.timestamp()) if section == "now" else (at.timestamp(), _FIRST[task.priority])
        yield InboxItem(
            key=f"{TASK}{task.id}-{task.worker_id or ''}",
            section=section,
            patient=self._patient(task),
            rank=rank,
            in_words=partial(self._reason, task, late),
            path=f"/tasks/{task.id}",
            own_task=task.id if is_own and task.patient_id is None else "",
        )

    def _reason(self, task: OpenTask, late: int | None) -> InboxReason:
        fields, path = (("task", task.id),), f"/tasks/{task.id}"
        words = ["Task" if task.patient_id is None else task.title]
        if task.priority in ("urgent", "high"):
            words.append(task.priority)
        if task.role:
            words.append(f"for {self._visit.program.role_title(task.role)}")
        if task.note:
            note = " ".join(task.note.split())
            words.append(note if len(note) <= _SHORT else f"{note[:_SHORT]}…")
        is_mine = task.worker_id is not None
        return InboxReason(
            text=" · ".join(words),
            chip=self._chip(task, late),
            main=Action("Done", "/inbox/task-done", "e", fields)
            if is_mine
            else Action("Take", "/inbox/task-take", "e", fields),
            other=Action("Give back", "/inbox/task-return", "", fields)
            if is_mine and task.role
            else Action("Open", path),
        )

    def _chip(self, task: OpenTask, late: int | None) -> DueChip:
        due = self._due(task)
        if due is None:
            return DueChip("any day", "", self._now, "due at no particular time")
        here = clocks.local(due, self._zone)
        exact = day_in_words(here.date(), self._today)
        if task.due_time is not None:
            exact = f"{exact} {time_of_day(here)}"
        if late:
            return DueChip(f"{counted(late, 'day')} late", "bad", due, exact)
        if task.due_time is None:
            return DueChip("today", "", due, exact)
        return DueChip(f"today {time_of_day(here)}", "warn" if due <= self._now else "", due, exact)

    def _due(self, task: OpenTask) -> datetime | None:
        """The moment at which it is due; the end of its day where that is what it is due on."""
        if task.due_time is not None or task.due_date is None:
            return task.due_time
        return clocks.earliest(task.due_date, time(23, 59), self._zone)

    def _late(self, task: OpenTask) -> int | None:
        """The days since the one on which it is due; None where it is due on none."""
        due = self._due(task)
        return None if due is None else (self._today - clocks.day_of(due, self._zone)).days

    def _patient(self, task: OpenTask) -> InboxPatient:
        """Whom it is about; where that is nobody, the task itself by its title."""
        if task.patient_id is None:
            return InboxPatient(
                id="", first_name=task.title, last_name="", phase="", timezone=self._zone
            )
        return InboxPatient(
            id=task.patient_id,
            first_name=task.first_name or "",
            last_name=task.last_name or "",
            phase=task.phase or "",
            timezone=task.timezone or self._zone,
        )
