"""What starts a process, and which members go with which trigger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta, Struct

from almoner.workshop.design_words import about, names

# What each trigger may be narrowed to, and what it needs.
TRIGGERS: Final[Mapping[str, tuple[str, ...]]] = {
    "patient_created": (),
    "phase_entered": ("phase",),
    "phase_left": ("phase",),
    "assessment_finished": ("assessment",),
    "record_written": ("record",),
    "message_received": (),
    "appointment_booked": ("appointment",),
    "appointment_missed": ("appointment",),
    "appointment_ahead": ("appointment", "hours"),
    "consent_given": ("consent",),
    "no_activity": ("activity", "days"),
    "date_reached": ("record", "field", "days", "at", "yearly"),
    "schedule": ("cron", "zone"),
    "hook_called": ("hook",),
}
# Those that no change is behind: they come with the time.
BY_CLOCK: Final = ("appointment_ahead", "no_activity", "date_reached", "schedule")
# What may count as activity: what the patient wrote, answered, and what was recorded or booked.
ACTIVITY: Final = ("messages", "answers", "records", "appointments")


class Trigger(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What starts a process. A member that is blank narrows nothing. ``hours`` is the time between
    the trigger and the beginning of the appointment; ``days`` how long a silence lasts, or how far
    behind a date (before it where negative) the trigger is; ``at`` a time of day in the patient's
    zone.
    """

    is_whole: ClassVar[bool] = True

    event: Annotated[
        Literal[tuple(TRIGGERS)],  # type: ignore[valid-type]  # they are declared with what they take
        about(
            "What happens",
            "The process starts whenever this happens to a patient.",
            widget="redraws",
        ),
    ]
    phase: Annotated[
        str, names("phases", "Phase", "For phases: only this one. Any where nothing is chosen.")
    ] = ""
    assessment: Annotated[
        str, names("assessments", "Assessment", "For assessments: only answers to this one.")
    ] = ""
    record: Annotated[
        str,
        names(
            "custom_data_types",
            "Custom data type",
            "For records: only of this type. For a date: of the newest record of this type; blank:"
            " of the patient.",
        ),
    ] = ""
    appointment: Annotated[
        str, names("appointment_types", "Appointment", "For appointments: only of this type.")
    ] = ""
    hours: Annotated[
        Annotated[int, Meta(ge=1, le=720)] | None,
        about("Hours ahead", "For appointments ahead: so many hours before one begins, up to 720."),
    ] = None
    consent: Annotated[
        str,
        about("Consent", "sms, calls or email: only this one. Any where nothing is said."),
    ] = ""
    activity: Annotated[
        tuple[Literal[ACTIVITY], ...],  # type: ignore[valid-type]  # they are declared once
        about(
            "What counts as activity",
            "Messages that the patient wrote, answers to assessments, records, appointments. One"
            " that is still to come counts as well.",
        ),
    ] = ()
    field: Annotated[
        str, about("Date", "The name of the patient's or the record's field.", widget="code")
    ] = ""
    days: Annotated[
        Annotated[int, Meta(ge=-3650, le=3650)] | None,
        about(
            "Days",
            "For a silence: how long it lasts. For a date: so many days after it, or before it with"
            " a minus.",
        ),
    ] = None
    at: Annotated[str, about("At", "A time of day where the patient lives.", example="09:00")] = ""
    yearly: Annotated[bool, about("Every year", "On each anniversary too.")] = False
    cron: Annotated[
        str,
        about(
            "Schedule",
            "As cron writes it: minute, hour, day of the month, month, day of the week. Once an"
            " hour at most.",
            example="0 8 * * 1",
        ),
    ] = ""
    zone: Annotated[
        str, about("Time zone", "Whose clocks the schedule goes by.", example="America/New_York")
    ] = ""
    hook: Annotated[
        str,
        about(
            "Hook",
            "The name of the address that another system calls: small letters, digits and"
            " underscores. Open it under Process hooks.",
            widget="code",
        ),
    ] = ""
