"""A program as its designer states it: plain values, the same whether they come from a file, a page
or the database.

This is the one declaration of what a program may hold. The file's reader and writer, its JSON
Schema, the editors of the Workshop, the comparison of two versions and the merge of two designers'
edits are derived from these types; what the API checks against is made from them
(``almoner.vocabulary.definitions``).

``identity`` names the member that tells an item from its neighbours in a list, and from one version
to the next; ``distinct`` names further members that no two items of a list may share.
``is_whole`` keeps a merge from mixing the members of two. ``names("phases")`` marks a text that
names an item of that group of the program. A member's title and description are what a designer
reads beside it. The widget ``rows`` makes a list of texts rows of their own, beside which stands
what is ``beside`` them; what is an ``outline`` is laid out on the page of its element, and each
part of it edited by itself."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Protocol

from msgspec import Meta, Struct

from almoner.resources import RESOURCES
from almoner.vocabulary.definitions import BUILT_IN, BY_ORDER, COLORS, Permission
from almoner.workshop.assessment_design import Assessment, FieldDesign
from almoner.workshop.design_words import (
    LONGEST_NAME,
    ApiName,
    LongWords,
    Title,
    about,
    names,
    needed,
)
from almoner.workshop.goal_target import GoalTarget
from almoner.workshop.process_design import Process, WorkingHours

Color = Annotated[
    Literal[(BY_ORDER, *COLORS)],  # type: ignore[valid-type]  # the palette is declared once
    about(
        "Color",
        "What it is told apart by, beside its words. By order: the next of the eight.",
        widget="swatches",
    ),
]


class CustomDataType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of record that patients can have, in the program's own form."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    description: LongWords = ""
    records: Annotated[
        Literal["one", "many"], about("Records", "Whether a patient has one record of it or many.")
    ] = "many"
    fields: Annotated[tuple[FieldDesign, ...], about("Fields")] = ()


class Phase(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stage of care that a patient can be in. ``next`` None: any phase may follow; empty: none,
    it is an end.
    """

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    description: LongWords = ""
    next: Annotated[
        tuple[Annotated[str, names("phases", "Phase")], ...] | None,
        about(
            "May be followed by",
            "The phases that coaches may move a patient to from here. Any phase where nothing is"
            " said.",
        ),
    ] = None
    reminders: Annotated[
        bool,
        about(
            "Reminders",
            "Whether the inbox reminds of patients in it: of steps, of silence, and that they are"
            " new. Messages and alerts come up in any phase.",
        ),
    ] = True
    color: Color = BY_ORDER


class AppointmentType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of appointment; ``minutes`` is how long one usually takes, None where that is left
    open.
    """

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    minutes: Annotated[
        Annotated[int, Meta(ge=1, le=24 * 60)] | None,
        about("Minutes", "How long one usually takes. Up to 1440, a day."),
    ] = None
    modalities: Annotated[
        tuple[Literal["call", "phone", "video", "visit"], ...],
        about(
            "How it is held",
            "The ways that coaches are offered: call, video and visit where nothing is said. Phone"
            " is another word for call.",
        ),
    ] = ()
    color: Color = BY_ORDER


class Intervention(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step towards a goal. ``due_in_days`` counts from the day when the flow begins."""

    identity: ClassVar[str] = "title"

    title: Annotated[str, needed("What is to be done")]
    instructions: Annotated[str, about("Instructions", "How to do it.", widget="textarea")] = ""
    due_in_days: Annotated[
        Annotated[int, Meta(ge=0, le=3650)] | None,
        about("Due in days", "Days after the flow begins. No date where blank."),
    ] = None
    assignee: Annotated[
        str,
        names("roles", "Assigned to", "The role of who does it. Nobody in particular where blank."),
    ] = ""


class Goal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be reached, and the steps to it."""

    identity: ClassVar[str] = "title"

    title: Annotated[str, needed("Goal")]
    target: Annotated[
        GoalTarget | None,
        about("Measured", "A number tells how far it is, and when it is reached."),
    ] = None
    interventions: Annotated[tuple[Intervention, ...], about("Interventions")] = ()


class CareFlowTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a coach starts a care flow from. A flow keeps no link to it (clarification 20)."""

    identity: ClassVar[str] = "name"

    name: Annotated[
        str,
        needed("Name", "What coaches pick it by.", longest=LONGEST_NAME),
    ]
    description: Annotated[
        str, about("Description", "What the flow is for.", widget="textarea")
    ] = ""
    diagnosis: Annotated[str, about("Diagnosis", "Why it is needed.", widget="textarea")] = ""
    goals: Annotated[tuple[Goal, ...], about("Goals")] = ()


class TaskType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of task that a patient is shown."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    description: LongWords = ""


class MessageTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Words that a coach begins a message with. ``{{patient.first_name}}`` stands for what it
    names.
    """

    identity: ClassVar[str] = "name"

    name: Annotated[
        str,
        needed("Name", "What coaches pick it by.", longest=LONGEST_NAME),
    ]
    channel: Annotated[
        Literal["any", "phone", "email", "app", "third_party_app"],
        about("Conversation", "The type of conversation that it is offered in; phone is SMS."),
    ] = "any"
    body: Annotated[
        str,
        about(
            "Message",
            "Names in double braces are filled in: {{patient.first_name}}.",
            widget="textarea",
        ),
    ] = ""


class CallOutcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What can come of a call besides what every program has (``definitions.CALL_OUTCOMES``)."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    completes: Annotated[
        bool,
        about(
            "Completes the appointment",
            "The call that was planned has taken place with it. Else its appointment stays open.",
        ),
    ] = False


class NoteType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of note that workers write of a patient, or of a call with one."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    description: LongWords = ""
    template: Annotated[
        str,
        about("Template", "What a note of this type begins with.", widget="textarea"),
    ] = ""


class Role(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What workers are, and so what they may do and see.

    ``may``: ``give_care`` opens the Coach Portal, ``supervise`` the supervisor's page, ``design``
    the Workshop, ``integrate`` clients and webhooks, ``administer`` workers, environments, the
    audit trail and exports, ``correct`` says of what others have recorded that it was entered in
    error. ``patients`` ``own``: only those whose coach the worker is."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    may: Annotated[tuple[Permission, ...], about("May", "What the role opens.")] = ()
    patients: Annotated[
        Literal["all", "own"],
        about("Patients", "All patients, or those whose coach the worker is."),
    ] = "all"
    hidden_data: Annotated[
        tuple[Annotated[str, names("custom_data_types", "Custom data type")], ...],
        about("Custom data that stays hidden", "Records of these types are not shown to the role."),
    ] = ()
    hidden_assessments: Annotated[
        tuple[Annotated[str, names("assessments", "Assessment")], ...],
        about("Assessments that stay hidden", "Answers to these are not shown to the role."),
    ] = ()
    hidden_notes: Annotated[
        tuple[Annotated[str, names("note_types", "Note type")], ...],
        about("Notes that stay hidden", "Notes of these types are not shown to the role."),
    ] = ()
    second_factor: Annotated[
        bool, about("Second factor", "Signing in takes a code from an authenticator app as well.")
    ] = False


class Terminology(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the program calls people, in lower case."""

    patient: Annotated[str, about("A patient is called", example="member")] = "patient"
    patients: Annotated[str, about("Several are called", example="members")] = "patients"
    coach: Annotated[str, about("A coach is called", example="care guide")] = "coach"
    coaches: Annotated[str, about("Several coaches are called", example="care guides")] = "coaches"


_CARDS: Final = (
    "care_flows",
    "contact",
    "appointments",
    "tasks",
    "external_ids",
    "assessments",
    "records",
    "chart",
    "notes",
)
# What a card can show: behind the others, the collections that a site has added.
CARDS: Final = tuple(dict.fromkeys((*_CARDS, *(r.card for r in RESOURCES if r.card))))


class SidebarModule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A card beside a patient's timeline.

    ``of`` names the assessment (by id) or the custom data type that a chart or a list of records
    shows; ``field`` the number that a chart draws, the score where it is blank."""

    identity: ClassVar[str] = "title"

    title: Annotated[str, needed("Title", "Stands above the card.")]
    shows: Annotated[
        Literal[CARDS],  # type: ignore[valid-type]  # what a site has added is known once it is declared
        about("Shows", "What the card holds."),
    ]
    of: Annotated[
        str,
        about(
            "Of",
            "For a chart: an assessment or custom data type. For records: a custom data type.",
            widget="redraws",
        ),
    ] = ""
    field: Annotated[
        str, about("Field", "For a chart: the number to draw. The score where it is blank.")
    ] = ""


class ProgramDesign(
    Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"name": "program"}
):
    """A whole program, as one file holds it. Everything keeps the order in which the designer wrote
    it.
    """

    name: Annotated[
        str,
        needed("Program", "The name of the program.", longest=LONGEST_NAME),
    ]
    phases: Annotated[
        tuple[Phase, ...], about("Phases", "Where a patient is on the way through the program.")
    ] = ()
    appointment_types: Annotated[
        tuple[AppointmentType, ...], about("Appointments", "Kinds of appointment.")
    ] = ()
    assessments: Annotated[
        tuple[Assessment, ...], about("Assessments", "Forms whose answers are kept.")
    ] = ()
    custom_data_types: Annotated[
        tuple[CustomDataType, ...], about("Custom data", "Records in the program's own form.")
    ] = ()
    care_flows: Annotated[
        tuple[CareFlowTemplate, ...],
        about("Care flows", "Goals and steps that coaches start from."),
    ] = ()
    task_types: Annotated[
        tuple[TaskType, ...], about("Tasks", "Kinds of task that a patient is shown.")
    ] = ()
    message_templates: Annotated[
        tuple[MessageTemplate, ...], about("Messages", "Words that coaches begin a message with.")
    ] = ()
    call_outcomes: Annotated[
        tuple[CallOutcome, ...],
        about(
            "Call outcomes",
            "What can come of a call, besides reached, voicemail, no answer and wrong number.",
        ),
    ] = ()
    note_types: Annotated[
        tuple[NoteType, ...], about("Notes", "Kinds of note, each with what it begins with.")
    ] = ()
    processes: Annotated[
        tuple[Process, ...], about("Processes", "What is done by itself when something happens.")
    ] = ()
    working_hours: Annotated[
        WorkingHours,
        about("Working hours", "When a process acts that waits for them."),
    ] = WorkingHours()
    roles: Annotated[tuple[Role, ...], about("Roles", "What workers may do and see.")] = ()
    terminology: Annotated[Terminology, about("Terminology", "What the program calls people.")] = (
        Terminology()
    )
    sidebar: Annotated[
        tuple[SidebarModule, ...], about("Profile layout", "The cards beside a patient's timeline.")
    ] = ()


class NamedElement(Protocol):
    """Anything of a program that has a name of its own."""

    @property
    def name(self) -> str: ...


# Roles that every program has, whatever its designer says; one of the same name in the program adds
# to what is here.
BUILT_IN_ROLES: Final = tuple(
    Role(name=name, title=title, may=may) for name, (title, may) in BUILT_IN.items()
)


def roles(design: ProgramDesign) -> dict[str, Role]:
    """The roles in force, by name: the built-in ones, then the program's. A built-in role keeps
    what it may do.
    """
    by_name = {role.name: role for role in BUILT_IN_ROLES}
    for role in design.roles:
        built_in = by_name[role.name].may if role.name in by_name else ()
        by_name[role.name] = Role(
            name=role.name,
            title=role.title,
            may=tuple(dict.fromkeys((*built_in, *role.may))),
            patients=role.patients,
            hidden_data=role.hidden_data,
            hidden_assessments=role.hidden_assessments,
            hidden_notes=role.hidden_notes,
            second_factor=role.second_factor,
        )
    return by_name
