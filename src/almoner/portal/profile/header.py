"""What is next with a patient, and what can be begun: the head of a profile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from almoner.database import Connection
from almoner.pages.notation import time_of_day
from almoner.pages.visit import Visit
from almoner.portal.calendar.ahead import next_of
from almoner.portal.patient import Patient
from almoner.portal.profile.timeline_words import day_in_words
from almoner.processes import pauses
from almoner.processes.pauses import Pause
from almoner.processes.programs import titles_in
from almoner.resources.messages import UNREAD
from almoner.vocabulary import clocks
from almoner.workshop import published_programs

_UNREAD: Final = (
    f"SELECT count(*) FROM messages WHERE environment_id = $1 AND user_id = $2 AND {UNREAD}"
)
_NEXT = next_of("$2", "$3::text", "e.id::text, e.start_time, e.day, e.appointment_type")


@dataclass(frozen=True)
class Next:
    """The next appointment. ``when`` is in the patient's zone, ``yours`` in the visitor's where
    that differs, else empty.
    """

    id: str
    when: str
    yours: str
    title: str


@dataclass(frozen=True)
class ProfilePause:
    """A pause that keeps processes from acting for the patient, and what it is of in words."""

    pause: Pause
    title: str


@dataclass(frozen=True, kw_only=True)
class ProfileHeader:
    """What the head shows. ``next`` is None where nothing is booked; ``may_pause`` and
    ``may_resume`` say what may be done with the patient's own pause.

    ``unread`` is how many messages nobody has read, ``tab`` the part of the profile below it.
    """

    patient: Patient
    next: Next | None
    pauses: tuple[ProfilePause, ...]
    may_pause: bool
    may_resume: bool
    unread: int
    tab: str = "overview"


async def header(visit: Visit, connection: Connection, patient: Patient) -> ProfileHeader:
    """The head of this patient's profile."""
    now, mine = datetime.now(UTC), visit.worker.timezone
    row = await connection.fetchrow(
        _NEXT, visit.environment_id, patient.id, visit.parts.database.zones.of(patient.timezone)
    )
    coming = None
    if row:
        kind = visit.program.title("appointment_types", row["appointment_type"])
        when, yours = appointment_words(row["start_time"], row["day"], patient.timezone, mine, now)
        coming = Next(row["id"], when, yours, kind)
    unread = await connection.fetchval(_UNREAD, visit.environment_id, patient.id)
    paused = await _pauses(visit, connection, patient)
    kinds = {each.pause.kind for each in paused}
    return ProfileHeader(
        patient=patient,
        next=coming,
        pauses=paused,
        may_pause=visit.program.acts and not kinds & {"patient", "all"},
        may_resume="patient" in kinds,
        unread=unread,
    )


async def _pauses(
    visit: Visit, connection: Connection, patient: Patient
) -> tuple[ProfilePause, ...]:
    paused = await pauses.of_patient(connection, visit.environment_id, patient.id)
    titles: dict[str, str] = {}
    # That a process would have acted on hidden answers or records tells what is in them.
    hides = visit.rights.hidden_assessments or visit.rights.hidden_data
    if not hides and any(pause.kind == "process" for pause in paused):
        outline = await published_programs.outline_at(
            connection, visit.environment_id, visit.program.version
        )
        titles = titles_in(outline)
    return tuple(
        ProfilePause(
            pause,
            titles.get(pause.name, "A process") if pause.kind == "process" else "Processes",
        )
        for pause in paused
    )


def appointment_words(
    start: datetime | None, day: date | None, zone: str, mine: str, now: datetime
) -> tuple[str, str]:
    """When an appointment is, in the patient's zone, and in the visitor's where their clocks differ
    then (else empty).
    """
    today = clocks.day_of(now, zone)
    if start is None:
        return f"{_short(day or today, today)}, all day", ""
    there, here = clocks.local(start, zone), clocks.local(start, mine)
    words = f"{_short(there.date(), today)} {time_of_day(there)}"
    if not clocks.differ(zone, mine, start):
        return words, ""
    yours = time_of_day(here)
    return words, yours if here.date() == there.date() else f"{here:%a} {yours}"


def _short(day: date, today: date) -> str:
    words = day_in_words(day, today)
    return (
        words
        if "," not in words
        else f"{day:%a} {day.day} {day:%b}" + (f" {day.year}" if day.year != today.year else "")
    )
