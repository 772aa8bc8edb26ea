"""Putting patients off in the inbox until a moment, and bringing them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages import notation
from almoner.pages.visit import Form, Visit
from almoner.portal import moment_words
from almoner.portal.inbox import row_form
from almoner.portal.inbox.answering import answer
from almoner.portal.inbox.put_off import put_off
from almoner.portal.inbox.rows import Action
from almoner.portal.inbox.view import InboxActionResult
from almoner.portal.moment_words import AFTERNOON, DayAndTime
from almoner.portal.patient import Patient
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


@dataclass(frozen=True)
class SnoozeForm:
    """Until when. ``fields`` are those of the view of the inbox that is drawn again; ``words`` were
    refused for ``problem``, both blank at first.
    """

    patients: Sequence[Patient]
    suggestions: Sequence[Suggestion]
    fields: Sequence[tuple[str, str]]
    words: str = ""
    problem: str = ""


async def show(visit: Visit) -> Response:
    return await _asked(visit, visit.queries("patient"), visit.query)


async def show_several(visit: Visit) -> Response:
    """The form for the rows that are ticked."""
    form = await visit.form()
    return await _asked(visit, form.texts("patient"), form.text)


async def _asked(visit: Visit, ids: Sequence[str], text: Callable[[str], str]) -> Response:
    async with visit.connection() as connection:
        patients = await row_form.patients(visit, connection, ids)
    fields = row_form.hidden_fields(visit, text)
    return row_form.draw(visit, _FORM, SnoozeForm(patients, _suggestions(visit), fields))


async def snooze(visit: Visit) -> Response:
    form = await visit.form()
    asked = form.text("until") or form.text("words").strip() or _USUAL
    now, zone = datetime.now(UTC), visit.worker.timezone
    meant = moment_words.meant(asked, clocks.local(now, zone))
    until = meant.moment(zone) if meant else None
    if until is None or until <= now:
        problem = "That is over." if until else "These words name no day and no time."
        async with visit.connection() as connection:
            patients = await row_form.patients(visit, connection, form.texts("patient"))
        fields = row_form.hidden_fields(visit, form.text)
        refused = SnoozeForm(
            patients, _suggestions(visit), fields, form.text("words").strip(), problem
        )
        return row_form.draw(visit, _FORM, refused, 400)
    when = moment_words.in_words(until, zone, clocks.day_of(now, zone))

    async def do(connection: Connection, form: Form) -> InboxActionResult:
        return await _moved(visit, connection, form, until, f"Put off until {when}.")

    return await answer(visit, do, "snoozes")


async def wake(visit: Visit) -> Response:
    async def do(connection: Connection, form: Form) -> InboxActionResult:
        return await _moved(visit, connection, form, datetime.now(UTC), "Back in the list.")

    return await answer(visit, do, "snoozes")


async def _moved(
    visit: Visit, connection: Connection, form: Form, until: datetime, words: str
) -> InboxActionResult:
    async with connection.transaction():
        patients = await row_form.patients(visit, connection, form.texts("patient"))
        await put_off(visit, connection, [patient.id for patient in patients], until)
    is_ahead = until > datetime.now(UTC)
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
    next_week = clocks.shifted(notation.week_of(today), 7)
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
