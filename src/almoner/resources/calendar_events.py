"""Appointments on a worker's calendar, at a time of day or on a day (contract: Calendar Events)."""

from almoner.data_api.declare import (
    CREATED_AT,
    ID,
    UPDATED_AT,
    Filter,
    Resource,
    Row,
    Verb,
    patient_reference,
)
from almoner.data_api.indexed import IndexedPart
from almoner.data_api.nested import NewRows
from almoner.data_api.presented import Presented
from almoner.errors import Problem
from almoner.resources._availability import QUESTIONS
from almoner.resources.external_ids import external_ids
from almoner.vocabulary.choices import Choice, ProgramChoice
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import MORE, Field, FormSection
from almoner.vocabulary.kinds import Boolean, Problems, Ref
from almoner.vocabulary.times import Bound, IsoDate, IsoDateTime


def choose_side(row: Row) -> None:
    """What a body says of when the event is, as one side of it: a time of day or a day
    (clarification 18).

    Where both come, ``is_all_day`` decides. The side that is meant clears the other, so that an
    update can turn one into the other."""
    timed = row.get("start_time") is not None or row.get("end_time") is not None
    all_day = row.get("day") is not None
    if timed and all_day and row.get("is_all_day") is not None:
        timed, all_day = not row["is_all_day"], row["is_all_day"]
    if timed and not all_day:
        row["day"] = None
    elif all_day and not timed:
        row["start_time"] = row["end_time"] = None
    row.pop("is_all_day", None)


def timed_or_all_day(row: Row, program: Program, problems: Problems) -> None:
    """Either ``start_time`` and ``end_time``, the end after the start, or ``day`` (clarification
    18).
    """
    start, end, day = row.get("start_time"), row.get("end_time"), row.get("day")
    if start is None and end is None and day is None:
        problems.append(_refused(".start_time", "give start_time and end_time, or day"))
    elif day is not None and (start is not None or end is not None):
        problems.append(
            _refused(
                ".day",
                "an event has either a day or a start_time and end_time; leave the others out, or"
                " let is_all_day say which",
            )
        )
    elif day is None and (start is None or end is None):
        missing = ".start_time" if start is None else ".end_time"
        problems.append(
            _refused(missing, "an event at a time of day needs both start_time and end_time")
        )
    elif start is not None and end is not None and end <= start:
        problems.append(_refused(".end_time", "the end must be after the start"))


def _refused(path: str, hint: str) -> Problem:
    return Problem(
        "parse_exception", f"Failed to parse calendar event at {path}: {hint}", {"path": path}
    )


def _ignoring(what: str, words: str) -> Field:
    about = f"False asks that {words} may refuse the event; left out, they do not."
    return Field(f"ignore_{what}", Boolean(), about, stored=False, returned=False)


_STARTS = "2018-09-10T18:56:19.357228+00:00"
# An event of at most a day that overlaps a span begins in it or in the day before; the few longer
# ones are looked through apart.
_PARTS = (
    IndexedPart("timed", ("calendar_id", "start_time"), "start_time IS NOT NULL"),
    IndexedPart("long", ("calendar_id", "end_time"), "end_time - start_time > interval '1 day'"),
    IndexedPart("day", ("calendar_id", "day"), "day IS NOT NULL"),
    # Of everybody, by when they begin, those that have no outcome yet: each is in one of these two.
    IndexedPart("ahead", ("start_time", "user_id"), "outcome IS NULL AND start_time IS NOT NULL"),
    IndexedPart("ahead_day", ("day", "user_id"), "outcome IS NULL AND day IS NOT NULL"),
)

OUTCOMES = ("completed", "cancelled", "no-show")
MODALITIES = ("call", "visit", "video", "phone")
# Every field of the contract has a place of its own on the pages of an appointment.
_SECTIONS = (
    FormSection(
        "appointment",
        "Appointment",
        (
            "calendar_id",
            "user_id",
            "is_all_day",
            "start_time",
            "end_time",
            "day",
            "outcome",
            "modality",
            "appointment_type",
        ),
    ),
    MORE,
)


def _as_they_are(values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """What stands in the middle of a line begins with no capital."""
    return tuple((value, value) for value in values)


calendar_events = Resource(
    name="calendar_events",
    title="Calendar Events",
    singular="calendar event",
    about=(
        "Appointments of a patient on a worker's calendar: at a time of day, or on a day as a"
        " whole."
    ),
    verbs=(Verb.GET, Verb.UPDATE, Verb.CREATE, Verb.FIND),
    settle=choose_side,
    checks=(timed_or_all_day,),
    questions=QUESTIONS,
    checked_fields=frozenset(
        {"start_time", "end_time", "day", "ignore_unavailable_times", "ignore_working_hours"}
    ),
    finders=(
        Filter(
            "start_time[from]",
            Bound(),
            "Events that start at this time or later.",
            "start_time >= {value}",
            sample=_STARTS,
        ),
        Filter(
            "start_time[to]",
            Bound(),
            "Events that start at this time or earlier.",
            "start_time <= {value}",
            sample=_STARTS,
        ),
    ),
    parts=_PARTS,
    sections=_SECTIONS,
    presented=Presented("appointment", "Appointments", "appointment_type", place=""),
    fields=(
        ID,
        Field(
            "calendar_id",
            Ref("calendars"),
            "The calendar that the event is on.",
            required=True,
            update=False,
            update_when_enveloped=True,
        ),
        patient_reference("The patient whom the appointment is with."),
        Field(
            "is_all_day",
            Boolean(),
            "Whether the event is on a day as a whole. It follows from the others; where both come,"
            " it says which count.",
            generated="day IS NOT NULL",
            sample=False,
        ),
        Field(
            "start_time",
            IsoDateTime(),
            "When it starts; null for an event on a day.",
            sample=_STARTS,
            label="Starts",
        ),
        Field(
            "end_time",
            IsoDateTime(),
            "When it ends; null for an event on a day.",
            sample="2018-09-10T19:26:19.357540+00:00",
            label="Ends",
        ),
        Field("day", IsoDate(), "The day, where no time of day is set.", sample=None),
        Field(
            "outcome",
            Choice(OUTCOMES, respelled=(("no_show", "no-show"),), words=_as_they_are(OUTCOMES)),
            "How it ended; null while it is to come.",
            create=False,
        ),
        Field(
            "modality",
            Choice(MODALITIES, words=_as_they_are(MODALITIES)),
            "How the two meet. `phone` is another word for `call`: both are by telephone.",
            required=True,
            update=False,
            update_when_enveloped=True,
            sample="phone",
        ),
        Field(
            "appointment_type",
            ProgramChoice("appointment_types"),
            "One of the program's appointment types.",
            required=True,
            update=False,
            update_when_enveloped=True,
            sample="intake_call",
        ),
        UPDATED_AT,
        CREATED_AT,
        _ignoring("unavailable_times", "absences of the worker"),
        _ignoring("working_hours", "the worker's working hours"),
        Field(
            "external_ids",
            NewRows(external_ids, "welkin_id", {"resource": "calendar_events"}),
            "Creates mappings to ids of other systems along.",
            update=False,
            stored=False,
            returned=False,
            only_enveloped=True,
        ),
    ),
)
