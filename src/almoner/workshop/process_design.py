"""A process as its designer states it: when something happens, and if something holds, wait, then
act (issue 12).

Which members go with which trigger, condition and action is said here once; checks, words and the
engine go by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta, Struct

from almoner.workshop.design_words import (
    Above,
    Answered,
    ApiName,
    AtLeast,
    AtMost,
    Below,
    Equals,
    Includes,
    LongWords,
    OneOf,
    Scalar,
    Title,
    about,
    names,
    needed,
)
from almoner.workshop.trigger_design import TRIGGERS, Trigger

# What each kind of condition looks at; a group, at other conditions.
GROUPS: Final = ("all", "any")
CONDITIONS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(GROUPS, ("conditions",)),
    "patient": ("field",),
    "answer": ("assessment", "field"),
    "score": ("assessment",),
    "band": ("assessment",),
    "record": ("record", "field"),
    "consent": ("field",),
}
WEEKDAYS: Final = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
CONSENTS: Final = ("sms", "calls", "email")
# What each action needs; ``values`` may be left out.
ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "start_care_flow": ("care_flow",),
    "give_task": ("task",),
    "change_phase": ("phase",),
    "send_message": ("message",),
    "assign_coach": ("role", "rule"),
    "write_record": ("record", "values"),
    "make_alert": ("role", "text"),
    "call_webhook": ("webhook",),
}
# How a coach is found among the holders of a role; blank: who has the fewest patients.
RULES: Final = ("", "round_robin", "same_as_appointment")


class ProcessCondition(
    Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"equals": "is", "negated": "not"}
):
    """What must hold: one test of one value, or a group of which all or any must. Exactly one of
    the tests is given, and none of a group.

    ``negated``: it must not hold. What is not there (no answer, no score, no record) passes no
    test."""

    identity: ClassVar[str] = "of"
    may_repeat: ClassVar[bool] = True

    of: Annotated[
        Literal[tuple(CONDITIONS)],  # type: ignore[valid-type]  # they are declared with what they take
        about("Of", "What is looked at.", widget="redraws"),
    ]
    assessment: Annotated[
        str,
        names(
            "assessments",
            "Assessment",
            "For answers, scores and bands: of the newest answers to this one. Blank: of those that"
            " started the process.",
        ),
    ] = ""
    record: Annotated[
        str,
        names("custom_data_types", "Custom data type", "For records: of the newest of this type."),
    ] = ""
    field: Annotated[
        str,
        about(
            "Field",
            "The name of the patient's field, the question or the record's field; for consents sms,"
            " calls or email, which is yes or no.",
            widget="code",
        ),
    ] = ""
    equals: Equals = None
    one_of: OneOf = ()
    includes: Includes = ()
    above: Above = None
    below: Below = None
    at_least: AtLeast = None
    at_most: AtMost = None
    answered: Answered = False
    conditions: Annotated[
        tuple[ProcessCondition, ...], about("Conditions", "Of a group: all or any of them.")
    ] = ()
    negated: Annotated[bool, about("not", "Only where this does not hold.")] = False

    @property
    def each(self) -> Iterator[ProcessCondition]:
        """The conditions in it that test a value; itself where it is no group."""
        if self.of not in GROUPS:
            yield self
        for condition in self.conditions:
            yield from condition.each


class ProcessConditions(
    Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"every": "all", "some": "any"}
):
    """What must hold: each of ``all`` and, where there are any, at least one of ``any``."""

    every: Annotated[
        tuple[ProcessCondition, ...], about("Conditions", "Each of them must hold.")
    ] = ()
    some: Annotated[
        tuple[ProcessCondition, ...],
        about("Alternatives", "Where there are any, at least one of them must hold."),
    ] = ()

    @property
    def each(self) -> tuple[ProcessCondition, ...]:
        """Every condition that tests a value, those in groups included."""
        return tuple(inner for outer in (*self.every, *self.some) for inner in outer.each)


class WorkingHours(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When somebody is there, by the clocks where a patient lives: what waits for working hours is
    done then.
    """

    is_whole: ClassVar[bool] = True

    days: Annotated[
        tuple[Literal[WEEKDAYS], ...],  # type: ignore[valid-type]  # they are declared once
        about("Days", "On which somebody works."),
    ] = WEEKDAYS[:5]
    start: Annotated[str, about("From", "A time of day, such as 09:00.", example="09:00")] = "09:00"
    end: Annotated[str, about("Until", "A time of day, such as 17:00.", example="17:00")] = "17:00"
    closed: Annotated[
        tuple[str, ...],
        about("Closed on", "Days on which nobody works, such as 2026-12-25."),
    ] = ()


class Wait(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"awaited": "for"}):
    """How long is waited, or for what and how long at most. The conditions are looked at again
    then.
    """

    is_whole: ClassVar[bool] = True

    days: Annotated[Annotated[int, Meta(ge=0, le=365)], about("Days", "Up to 365.")] = 0
    hours: Annotated[Annotated[int, Meta(ge=0, le=23)], about("Hours", "Up to 23.")] = 0
    minutes: Annotated[Annotated[int, Meta(ge=0, le=59)], about("Minutes", "Up to 59.")] = 0
    until: Annotated[
        str,
        about(
            "Then until",
            "A time of day where the patient lives, such as 09:00. Blank: no longer.",
            example="09:00",
        ),
    ] = ""
    working_hours: Annotated[
        bool,
        about(
            "Then in working hours",
            "At the next moment at which the program's working hours are where the patient lives.",
        ),
    ] = False
    awaited: Annotated[
        Trigger | None,
        about(
            "For something that happens",
            "It waits until this happens to the patient, and no longer than what stands above.",
        ),
    ] = None
    happened: Annotated[
        Literal["act", "end"],
        about("When it happens", "For something that happens: act, or end without acting."),
    ] = "act"
    otherwise: Annotated[
        Literal["act", "end"],
        about("When it does not", "For something that happens: act, or end without acting."),
    ] = "end"


class RecordValue(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"equals": "is"}):
    """What one field of a new record holds."""

    identity: ClassVar[str] = "field"

    field: Annotated[str, needed("Field", widget="code")]
    equals: Annotated[Scalar | None, about("Value", "What it holds.")] = None


class ProcessAction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is done for the patient."""

    identity: ClassVar[str] = "do"
    may_repeat: ClassVar[bool] = True

    do: Annotated[
        Literal[tuple(ACTIONS)],  # type: ignore[valid-type]  # they are declared with what they take
        about("Do", "What is done.", widget="redraws"),
    ]
    care_flow: Annotated[
        str, names("care_flows", "Care flow", "The template that a flow is started from.")
    ] = ""
    task: Annotated[str, names("task_types", "Task", "What the patient is to do.")] = ""
    phase: Annotated[
        str,
        names("phases", "Phase", "Where the patient goes, as the present phase lets them."),
    ] = ""
    message: Annotated[
        str,
        names(
            "message_templates",
            "Message",
            "Sent in the name of the patient's coach, where the patient has consented to automatic"
            " messages.",
        ),
    ] = ""
    role: Annotated[
        str,
        names(
            "roles",
            "Role",
            "For a coach: a patient without one is given to somebody of this role. For an alert:"
            " everybody of this role sees it in the inbox until one of them has done it.",
        ),
    ] = ""
    rule: Annotated[
        str,
        about(
            "Who of them",
            "Whoever has the fewest patients, each in turn (round_robin), or whose appointment"
            " started the process (same_as_appointment).",
        ),
    ] = ""
    text: Annotated[str, about("Text", "What the alert says: what happened and what to do.")] = ""
    webhook: Annotated[
        str,
        about(
            "Webhook",
            "The name of an address of another system. Declare it under Process webhooks.",
            widget="code",
        ),
    ] = ""
    record: Annotated[
        str, names("custom_data_types", "Custom data type", "What record is written.")
    ] = ""
    values: Annotated[
        tuple[RecordValue, ...], about("Values", "What the record's fields hold.")
    ] = ()


class Process(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={"conditions": "if", "actions": "then"},
):
    """What is done by itself: when something happens, if conditions hold, after a while."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    description: LongWords = ""
    when: Annotated[Trigger, about("When", "What starts it.")]
    conditions: Annotated[ProcessConditions, about("If", "What must hold.")] = ProcessConditions()
    wait: Annotated[Wait | None, about("Wait", "Whether time passes before it acts.")] = None
    actions: Annotated[
        tuple[ProcessAction, ...],
        about("Actions", "Then this is done, in this order, all of it or nothing."),
    ] = ()


# Of the parts whose members go with a word that is chosen: the member that it is chosen in, and
# what goes with each word.
CHOSEN: Final[Mapping[type[Struct], tuple[str, Mapping[str, tuple[str, ...]]]]] = {
    Trigger: ("event", TRIGGERS),
    ProcessCondition: ("of", CONDITIONS),
    ProcessAction: ("do", ACTIONS),
}
