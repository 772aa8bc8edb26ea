"""What waits in words: how late it is, and the one thing to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from almoner.pages.filters import counted
from almoner.pages.notation import time_of_day
from almoner.pages.visit import Visit
from almoner.portal import alerts, moment_words
from almoner.portal.alerts import Alert
from almoner.portal.calendar import zones
from almoner.portal.calendar.appointment_detail import has_begun
from almoner.portal.calendar.queries import MODALITIES, CalendarEvent
from almoner.portal.care_flows.changes import Part
from almoner.portal.inbox.entries import DueStep, Inactive, InboxPatient, New, Unread
from almoner.portal.inbox.put_off import Snoozes
from almoner.portal.inbox.rows import (
    TASK,
    Action,
    DueChip,
    InboxItem,
    InboxReason,
    InboxRow,
    PatientItems,
    WaitingItems,
    digest,
)
from almoner.portal.inbox.task_wording import TaskWording
from almoner.portal.inbox.today import CalendarDay
from almoner.portal.tasks.news import TaskNews
from almoner.resources.conversations import CHANNELS
from almoner.resources.worker_tasks import COMMENTED
from almoner.vocabulary import clocks

SOON: Final = timedelta(hours=1)


class Wording:
    """Puts what was found in words, for one reader at one moment."""

    def __init__(
        self, visit: Visit, day: CalendarDay, now: datetime, phases: Mapping[str, str]
    ) -> None:
        """``phases``: those of the patients of the day's appointments, by id."""
        self._visit = visit
        self._day = day
        self._now = now
        self._phases = phases
        self._zone = visit.worker.timezone

    def items(self, waiting: WaitingItems) -> list[InboxItem]:
        """Everything, in no order."""
        items = [self._alert(alert) for alert in waiting.alerts.entries]
        items += [self._step(step) for step in waiting.steps.entries]
        items += [self._event(event) for event in waiting.events]
        items += [self._unread(unread) for unread in waiting.unread.entries]
        items += [self._inactive(inactive) for inactive in waiting.inactive.entries]
        items += [self._new(new) for new in waiting.new.entries]
        wording = TaskWording(self._visit, self._now)
        items += [item for task in waiting.tasks.entries for item in wording.items(task)]
        return items + [self._news(news) for news in waiting.news.entries]

    def _alert(self, alert: Alert) -> InboxItem:
        patient = InboxPatient(
            id=alert.patient_id,
            first_name=alert.first_name,
            last_name=alert.last_name,
            phase=alert.phase,
            timezone=alert.timezone,
        )
        key = f"alert-{alert.id}-{alert.taken_by_worker_id or ''}"
        is_others = alert.taken_by_worker_id not in (None, self._visit.worker.worker_id)
        section, rank = ("today", 1) if is_others else ("now", 0)
        return InboxItem(
            key=key,
            section=section,
            patient=patient,
            rank=(rank, alert.active_time.timestamp()),
            in_words=partial(self._alert_reason, alert, patient),
        )

    def _alert_reason(self, alert: Alert, patient: InboxPatient) -> InboxReason:
        fields = (("alert", alert.id),)
        # What is for one worker alone is theirs without a word.
        is_own = alert.for_worker_id is not None
        is_taken = is_own or alert.taken_by_worker_id is not None
        is_mine = alert.taken_by_worker_id == self._visit.worker.worker_id
        audience = alerts.audience(alert, self._visit.program, self._visit.worker.worker_id)
        taken = f"taken by {'you' if is_mine else alert.taken_by}" if is_taken else "alert"
        words = [alert.text, f"for {audience}, {self._ago(alert.active_time)}"]
        if alert.answers is not None:
            words[0] = alert.answers.in_words(self._visit.program)
            taken = taken if is_taken else "needs somebody"
        if alert.taken_time is not None:
            words.append(f"taken {self._ago(alert.taken_time)}")
        return InboxReason(
            text=" · ".join(words),
            chip=DueChip(
                f"for {audience}" if is_own else taken,
                "info" if is_taken else "bad",
                alert.active_time,
                self._exact(alert.active_time, patient),
            ),
            main=Action("Done", "/inbox/alert-done", "e", fields)
            if is_taken
            else Action("Take", "/inbox/alert-take", "e", fields),
            other=Action("Answers", f"/patients/{patient.id}/assessments/{alert.answers.id}")
            if alert.answers
            else None,
        )

    def _step(self, step: DueStep) -> InboxItem:
        late = step.late > 0
        key = f"step-{step.flow_id}-{step.goal}-{step.step}-{digest([str(step.base)])}"
        return InboxItem(
            key=key,
            section="late" if late else "today",
            patient=step.patient,
            rank=(step.due.timestamp(),),
            in_words=partial(self._step_reason, step),
        )

    def _step_reason(self, step: DueStep) -> InboxReason:
        late, theirs = step.late > 0, clocks.local(step.due, step.patient.timezone)
        if late:
            chip = DueChip(
                f"{counted(step.late, 'day')} late",
                "bad",
                step.due,
                self._exact(step.due, step.patient),
            )
        else:
            # What is due at no time of its day begins with it, where the patient lives.
            whole = (theirs.hour, theirs.minute) == (0, 0)
            at = "today" if whole else f"today {zones.clock(step.due, self._zone, self._day.date)}"
            chip = DueChip(
                at,
                "warn" if step.due <= self._now else "",
                step.due,
                self._exact(step.due, step.patient),
            )
        fields = ticking(step.flow_id, step.base)
        return InboxReason(
            text=f"{step.title} · care flow “{step.flow}”",
            chip=chip,
            main=Action("Done", "/inbox/done", "e", fields),
        )

    def _event(self, event: CalendarEvent) -> InboxItem:
        patient = InboxPatient(
            id=event.patient_id or "",
            first_name=event.first_name or "",
            last_name=event.last_name or "",
            phase=self._phases.get(event.patient_id or "", ""),
            timezone=event.timezone or self._zone,
        )
        key, start = f"event-{event.id}", event.start_time or self._day.start
        is_soon = event.start_time is not None and start - self._now <= SOON
        section, rank = ("now", (1, start.timestamp())) if is_soon else ("today", _rank(start))
        return InboxItem(
            key=key,
            section=section,
            patient=patient,
            rank=rank,
            in_words=partial(self._event_reason, event, patient),
        )

    def _event_reason(self, event: CalendarEvent, patient: InboxPatient) -> InboxReason:
        kind = self._title("appointment_types", event.appointment_type)
        words = [kind, MODALITIES.get(event.modality, event.modality)]
        start, end = event.start_time or self._day.start, event.end_time or self._day.end
        if event.start_time:
            words.append(zones.span(start, end, self._zone))
        theirs = self._theirs(start, patient) if event.start_time else ""
        path = f"/calendar/events/{event.id}"
        over = event.start_time is not None and end <= self._now
        begun = has_begun(event, self._zone, self._now)
        main = (
            Action("Outcome", path, "o")
            if over
            else Action("Prepare", f"/patients/{patient.id}", "p")
        )
        return InboxReason(
            text=" · ".join([*words, theirs] if theirs else words),
            chip=self._event_chip(event, start, end, patient),
            main=main,
            other=None if over else Action("Outcome", path, "o") if begun else Action("Open", path),
        )

    def _event_chip(
        self, event: CalendarEvent, start: datetime, end: datetime, patient: InboxPatient
    ) -> DueChip:
        exact = self._exact(start, patient)
        if event.start_time is None:
            return DueChip(
                "today, all day",
                "",
                start,
                f"{self._day.date:%A}, {self._day.date.day} {self._day.date:%B %Y}, all day",
            )
        if end <= self._now:
            return DueChip("no outcome yet", "warn", start, exact)
        if start <= self._now:
            return DueChip("now", "good", start, exact)
        minutes = -int((self._now - start).total_seconds() // 60)
        if start - self._now <= SOON:
            return DueChip(f"in {minutes} min", "good", start, exact)
        return DueChip(zones.clock(start, self._zone), "", start, exact)

    def _unread(self, unread: Unread) -> InboxItem:
        at = unread.at.timestamp()
        key = f"message-{unread.conversation_id}-{at}"
        reason = partial(self._unread_reason, unread)
        return InboxItem(
            key=key, section="messages", patient=unread.patient, rank=(at,), in_words=reason
        )

    def _unread_reason(self, unread: Unread) -> InboxReason:
        days = self._days_since(unread.at)
        when = (
            f"{'yesterday ' if days == 1 else ''}{zones.clock(unread.at, self._zone)}"
            if days <= 1
            else f"{counted(days, 'day')} ago"
        )
        more = f" · {unread.number:,} unread" if unread.number > 1 else ""
        fields = (("conversation", unread.conversation_id), ("until", unread.at.isoformat()))
        return InboxReason(
            text=f"“{' '.join(unread.contents.split())}”{more}",
            chip=DueChip(
                f"{CHANNELS.get(unread.kind or '', 'Message')} {when}",
                "info",
                unread.at,
                self._exact(unread.at, unread.patient),
            ),
            main=Action("Reply", f"/patients/{unread.patient.id}?tab=messages#conversation", "r"),
            other=Action("Mark read", "/inbox/read", "e", fields),
        )

    def _inactive(self, inactive: Inactive) -> InboxItem:
        key = f"inactive-{inactive.patient.id}"
        return InboxItem(
            key=key,
            section="watch",
            patient=inactive.patient,
            rank=(inactive.last_at.timestamp(),),
            in_words=partial(self._inactive_reason, inactive),
        )

    def _inactive_reason(self, inactive: Inactive) -> InboxReason:
        days = self._days_since(inactive.last_at)
        return InboxReason(
            text=f"No activity for {counted(days, 'day')}, and nothing booked",
            chip=DueChip(
                counted(days, "day"),
                "warn",
                inactive.last_at,
                f"Last: {self._exact(inactive.last_at, inactive.patient)}",
            ),
            main=Action("Schedule", f"/calendar/new?patient={inactive.patient.id}", "s"),
        )

    def _news(self, news: TaskNews) -> InboxItem:
        patient = InboxPatient(
            id=news.patient_id or "",
            first_name=(news.first_name or "") if news.patient_id else news.title,
            last_name=news.last_name or "",
            phase=news.phase or "",
            timezone=news.timezone or self._zone,
        )
        at = news.happened_at.timestamp()
        reason = partial(self._news_reason, news, patient)
        key = f"{TASK}{news.id}-news-{at}"
        return InboxItem(
            key=key,
            section="watch",
            patient=patient,
            rank=(at,),
            in_words=reason,
            path=f"/tasks/{news.id}",
        )

    def _news_reason(self, news: TaskNews, patient: InboxPatient) -> InboxReason:
        words = [f"{news.what} by {news.by} {self._ago(news.happened_at)}"]
        if patient.id:
            words.insert(0, news.title)
        if news.what == COMMENTED and news.comment:
            words.append(f"“{' '.join(news.comment.split())}”")
        return InboxReason(
            text=" · ".join(words),
            chip=DueChip(
                "you watch it", "info", news.happened_at, self._exact(news.happened_at, patient)
            ),
            main=Action("Noted", "/inbox/news-noted", "e", (("task", news.id),)),
            other=Action("Open", f"/tasks/{news.id}"),
        )

    def _new(self, new: New) -> InboxItem:
        key = f"new-{new.patient.id}"
        return InboxItem(
            key=key,
            section="new",
            patient=new.patient,
            rank=(-new.at.timestamp(),),
            in_words=partial(self._new_reason, new),
        )

    def _new_reason(self, new: New) -> InboxReason:
        by = f" by {new.by}" if new.by else ""
        fields = (("patient", new.patient.id),)
        return InboxReason(
            text=(
                f"{'New, yours' if new.is_mine else 'New, with no coach yet'} · created{by}"
                f" {self._ago(new.at)}"
            ),
            chip=DueChip("new", "info", new.at, self._exact(new.at, new.patient)),
            main=(
                Action("Open", f"/patients/{new.patient.id}", "o")
                if new.is_mine
                else Action("Assign to me", "/inbox/assign", "a", fields)
            ),
        )

    def _days_since(self, at: datetime) -> int:
        """Whole days of the reader's calendar."""
        return (self._day.date - clocks.local(at, self._zone).date()).days

    def _ago(self, at: datetime) -> str:
        days, minutes = self._days_since(at), int((self._now - at).total_seconds() // 60)
        if days > 0:
            return "yesterday" if days == 1 else f"{days} days ago"
        return (
            f"{counted(minutes // 60, 'hour')} ago"
            if minutes >= 60
            else f"{counted(minutes, 'minute')} ago"
            if minutes > 0
            else "just now"
        )

    def _theirs(self, at: datetime, patient: InboxPatient) -> str:
        """The time where the patient is, where it is another."""
        if not clocks.differ(self._zone, patient.timezone, at):
            return ""
        return (
            f"their time {zones.clock(at, patient.timezone, clocks.local(at, self._zone).date())}"
        )

    def _exact(self, at: datetime, patient: InboxPatient) -> str:
        here, theirs = clocks.local(at, self._zone), self._theirs(at, patient)
        exact = f"{here:%A}, {here.day} {here:%B %Y} {time_of_day(here)} {here.tzname()}"
        return f"{exact}; {theirs}" if theirs else exact

    def rows(
        self, drawn: Iterable[PatientItems], snoozes: Snoozes, first: int = 0
    ) -> tuple[InboxRow, ...]:
        """These patients in words, numbered from ``first`` on."""
        return tuple(
            InboxRow(
                number=number,
                name=of.patient.name,
                path=f"/patients/{of.patient.id}" if of.patient.id else of.items[0].path,
                patient=of.patient,
                phase=self._title("phases", of.patient.phase) if of.patient.id else "task",
                section=of.section,
                reasons=tuple(item.in_words() for item in of.items),
                note=self._note(snoozes, of.patient.id),
                marks=tuple(item.key for item in of.items),
                own_task=of.items[0].own_task,
            )
            for number, of in enumerate(drawn, first)
        )

    def _note(self, snoozes: Snoozes, patient_id: str) -> str:
        snooze = snoozes.asleep.get(patient_id) or snoozes.back.get(patient_id)
        if snooze is None:
            return ""
        until = moment_words.in_words(snooze.until, self._zone, self._day.date)
        return f"put off until {until}"

    def _title(self, group: str, name: str) -> str:
        return self._visit.program.title(group, name)


def _rank(at: datetime) -> tuple[float, ...]:
    return (at.timestamp(),)


def ticking(flow_id: str, base: Part) -> tuple[tuple[str, str], ...]:
    """The fields of a form that completes or reopens the one intervention of ``base``, as it was
    seen.
    """
    return (("flow", flow_id), ("was.care_flow", msgspec.json.encode(base).decode()))
