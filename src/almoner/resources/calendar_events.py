"""Appointments on a worker's calendar, at a time of day or on a day (contract: Calendar Events)."""

from almoner.choices import Choice, ProgramChoice
from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Part, Resource, Row, Verb, patient_reference
from almoner.definitions import Program
from almoner.errors import Problem
from almoner.fields import Field
from almoner.kinds import Boolean, Problems, Ref
from almoner.times import IsoDate, IsoDateTime


def timed_or_all_day(row: Row, program: Program, problems: Problems) -> None:
    """Either ``start_time`` and ``end_time``, the end after the start, or ``day`` (clarification 18)."""
    start, end, day = row.get("start_time"), row.get("end_time"), row.get("day")
    if start is None and end is None and day is None:
        problems.append(_refused(".start_time", "give start_time and end_time, or day"))
    elif day is not None and (start is not None or end is not None):
        problems.append(_refused(".day", "an event has either a day or a start_time and end_time; set the others to null"))
    elif day is None and (start is None or end is None):
        missing = ".start_time" if start is None else ".end_time"
        problems.append(_refused(missing, "an event at a time of day needs both start_time and end_time"))
    elif start is not None and end is not None and end <= start:
        problems.append(_refused(".end_time", "the end must be after the start"))


def _refused(path: str, hint: str) -> Problem:
    return Problem("parse_exception", f"Failed to parse calendar event at {path}: {hint}", {"path": path})


# When an event begins; one on a day as a whole begins it in UTC.
STARTS = "coalesce({row}start_time, {row}day::timestamp AT TIME ZONE 'UTC')"
# An event of at most a day that overlaps a span begins in it or in the day before; the few longer ones are looked through apart.
_PARTS = (
    Part("timed", ("calendar_id", "start_time"), "start_time IS NOT NULL"),
    Part("long", ("calendar_id", "end_time"), "end_time - start_time > interval '1 day'"),
    Part("day", ("calendar_id", "day"), "day IS NOT NULL"),
    # Of everybody, by when they begin.
    Part("ahead", (STARTS.format(row=""), "user_id"), "outcome IS NULL"),
)

calendar_events = Resource(
    name="calendar_events",
    title="Calendar Events",
    singular="calendar event",
    about="Appointments of a patient on a worker's calendar: at a time of day, or on a day as a whole.",
    verbs=(Verb.GET, Verb.UPDATE, Verb.CREATE, Verb.FIND),
    checks=(timed_or_all_day,),
    checked_fields=frozenset({"start_time", "end_time", "day"}),
    parts=_PARTS,
    fields=(
        ID,
        Field("calendar_id", Ref("calendars"), "The calendar that the event is on.", required=True, update=False),
        patient_reference("The patient whom the appointment is with."),
        Field(
            "is_all_day",
            Boolean(),
            "Whether the event is on a day as a whole.",
            create=False,
            update=False,
            generated="day IS NOT NULL",
            sample=False,
        ),
        Field(
            "start_time",
            IsoDateTime(),
            "When it starts; null for an event on a day.",
            sample="2018-09-10T18:56:19.357228+00:00",
        ),
        Field(
            "end_time",
            IsoDateTime(),
            "When it ends; null for an event on a day.",
            sample="2018-09-10T19:26:19.357540+00:00",
        ),
        Field("day", IsoDate(), "The day, where no time of day is set.", sample=None),
        Field(
            "outcome",
            Choice(("completed", "cancelled", "no-show")),
            "How it ended; null while it is to come.",
            create=False,
        ),
        Field(
            "modality",
            Choice(("call", "visit", "video", "phone")),
            "How the two meet.",
            required=True,
            update=False,
            sample="phone",
        ),
        Field(
            "appointment_type",
            ProgramChoice("appointment_types"),
            "One of the program's appointment types.",
            required=True,
            update=False,
            sample="intake_call",
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
