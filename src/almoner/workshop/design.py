"""A program as its designer states it: plain values, the same whether they come from a file, a page or the database.

This is the one declaration of what a program may hold. The file's reader and writer, its JSON Schema, the editors of the Workshop,
the comparison of two versions and the merge of two designers' edits are derived from these types; what the API checks against is
made from them (``almoner.vocabulary.definitions``).

``identity`` names the member that tells an item from its neighbours in a list, and from one version to the next; ``distinct`` names
further members that no two items of a list may share. ``said_as_one`` keeps a merge from mixing the members of two.
``names("phases")`` marks a text that names an item of that group of the program. A member's title and description are what a
designer reads beside it.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Protocol

from msgspec import Meta, Struct, field

from almoner.vocabulary.definitions import BUILT_IN, Permission

# Names go into an index of the database, whose entries are of limited length.
LONGEST_NAME: Final = 200
Scalar = str | bool | int | float


def about(title: str, description: str = "", *, widget: str = "", names: str = "", example: Any = None) -> Meta:
    """What a designer reads beside a member, and how it is edited: ``widget`` where its type does not tell enough."""
    extra = {key: value for key, value in (("widget", widget), ("names", names)) if value}
    return Meta(title=title, description=description or None, examples=None if example is None else [example], extra=extra or None)


def names(group: str, title: str, description: str = "") -> Meta:
    """A text that names an item of this group of the program; it must exist there."""
    return about(title, description, names=group)


ApiName = Annotated[
    str,
    Meta(
        title="Name in the API",
        description="What programs call it. Small letters and underscores are what they expect; it stays when the title changes.",
        min_length=1,
        max_length=LONGEST_NAME,
        pattern=r"\S",
        extra={"widget": "code"},
    ),
]
Title = Annotated[str, about("Title", "What people read. The name is shown where this is blank.")]
LongWords = Annotated[str, about("Description", "What it is for, in your own words.", widget="textarea")]


class Condition(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"equals": "is"}):
    """When a follow-up question is shown: what was answered to another question of the same assessment.

    Exactly one of the tests is given. ``is`` compares a choice, a text, a number or yes and no; ``one_of`` a choice with several;
    ``includes`` asks whether several choices include any of these; ``above``, ``below``, ``at_least`` and ``at_most`` compare
    numbers and scales; ``answered`` is true where any answer will do.
    """

    said_as_one: ClassVar[bool] = True

    question: Annotated[str, about("Question", "The name of the question whose answer decides.")]
    equals: Annotated[Scalar | None, about("is", "The answer is exactly this.")] = None
    one_of: Annotated[tuple[str, ...], about("is one of", "The answer is one of these.")] = ()
    includes: Annotated[tuple[str, ...], about("includes", "At least one of these was chosen.")] = ()
    above: Annotated[int | float | None, about("is above", "The number is above this.")] = None
    below: Annotated[int | float | None, about("is below", "The number is below this.")] = None
    at_least: Annotated[int | float | None, about("is at least", "The number is this or above.")] = None
    at_most: Annotated[int | float | None, about("is at most", "The number is this or below.")] = None
    answered: Annotated[bool, about("is answered", "There is any answer.")] = False


class FieldDesign(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field of an assessment or of a custom data type.

    ``kind`` is a name of ``field_kinds.FIELD_KINDS``. ``low`` and ``high`` are inclusive limits, None for no limit.
    """

    identity: ClassVar[str] = "name"

    name: ApiName
    kind: Annotated[str, about("Kind", "What sort of answer it takes.", widget="kind")]
    label: Annotated[str, about("Label", "What people read beside it. The name is shown where this is blank.")] = ""
    help: Annotated[str, about("Help", "A sentence below it that helps to answer.", widget="textarea")] = ""
    required: Annotated[bool, about("Required", "It must be answered.")] = False
    choices: Annotated[tuple[str, ...], about("Choices", "What can be chosen, in this order.", widget="lines")] = ()
    low: Annotated[int | float | None, about("Lowest", "The smallest number that is accepted.")] = None
    high: Annotated[int | float | None, about("Highest", "The largest number that is accepted.")] = None


class Question(FieldDesign, frozen=True, kw_only=True, omit_defaults=True):
    """A field of an assessment, which may be a follow-up and may count towards the score.

    ``points`` maps a choice to its points; ``weight`` multiplies a number, a scale, or 1 for yes. Neither: it does not count.
    """

    shown_when: Annotated[Condition | None, about("Shown when", "A follow-up: asked only where this holds.")] = None
    points: Annotated[dict[str, int | float], about("Points", "What each choice adds to the score.")] = field(default_factory=dict)
    weight: Annotated[int | float | None, about("Weight", "The number is multiplied by this and added to the score.")] = None


class Section(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of an assessment under one heading."""

    identity: ClassVar[str] = "heading"

    heading: Annotated[str, about("Heading", "Stands above the questions.")] = ""
    description: Annotated[str, about("Description", "Stands between the heading and the questions.", widget="textarea")] = ""
    footer: Annotated[str, about("Footer", "Stands below the questions.", widget="textarea")] = ""
    questions: Annotated[tuple[Question, ...], about("Questions")] = ()


class Band(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a range of scores means. Both ends belong to it."""

    identity: ClassVar[str] = "name"

    name: Annotated[str, about("Band", "What this range means.", example="moderate")]
    low: Annotated[int | float, about("From", "The lowest score that belongs to it.")]
    high: Annotated[int | float, about("To", "The highest score that belongs to it.")]


class Scoring(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That an assessment has a score: the sum of what its questions count. A score outside of every band has none."""

    bands: Annotated[tuple[Band, ...], about("Bands", "What ranges of the score mean.")] = ()


class Assessment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A form whose answers are kept as assessment responses. API clients name it by ``id`` or by ``name``."""

    identity: ClassVar[str] = "id"
    distinct: ClassVar[tuple[str, ...]] = ("name",)

    id: Annotated[
        str,
        Meta(
            title="Id in the API",
            description="spec_id of its responses. It stays when the name changes.",
            min_length=1,
            max_length=LONGEST_NAME,
            pattern=r"\S",
            extra={"widget": "code"},
        ),
    ]
    name: Annotated[
        str,
        Meta(
            title="Name",
            description="spec_name of its responses, and what coaches pick it by.",
            min_length=1,
            max_length=LONGEST_NAME,
            pattern=r"\S",
        ),
    ]
    title: Annotated[str, about("Title", "Stands above the form. The name is shown where this is blank.")] = ""
    audience: Annotated[
        Literal["coach", "coach_and_patient"], about("Who fills it in", "A coach only, or a coach and the patient.")
    ] = "coach"
    sections: Annotated[tuple[Section, ...], about("Sections")] = ()
    scoring: Annotated[Scoring | None, about("Scoring", "Whether the answers add up to a score.")] = None

    @property
    def questions(self) -> tuple[Question, ...]:
        """All its questions, in order."""
        return tuple(question for section in self.sections for question in section.questions)


class CustomDataType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of record that patients can have, in the program's own form."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    description: LongWords = ""
    records: Annotated[Literal["one", "many"], about("Records", "Whether a patient has one record of it or many.")] = "many"
    fields: Annotated[tuple[FieldDesign, ...], about("Fields")] = ()


class Phase(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stage of care that a patient can be in. ``next`` None: any phase may follow; empty: none, it is an end."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    description: LongWords = ""
    next: Annotated[
        tuple[Annotated[str, names("phases", "Phase")], ...] | None,
        about("May be followed by", "The phases that coaches may move a patient to from here. Any phase where nothing is said."),
    ] = None


class AppointmentType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of appointment; ``minutes`` is how long one usually takes, None where that is left open."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    minutes: Annotated[
        Annotated[int, Meta(ge=1, le=24 * 60)] | None, about("Minutes", "How long one usually takes. Up to 1440, a day.")
    ] = None
    modalities: Annotated[
        tuple[Literal["call", "phone", "video", "visit"], ...],
        about(
            "How it is held",
            "The ways that coaches are offered: call, video and visit where nothing is said. Phone is another word for call.",
        ),
    ] = ()


class Intervention(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step towards a goal. ``due_in_days`` counts from the day when the flow begins."""

    identity: ClassVar[str] = "title"

    title: Annotated[str, Meta(title="What is to be done", min_length=1, pattern=r"\S")]
    instructions: Annotated[str, about("Instructions", "How to do it.", widget="textarea")] = ""
    due_in_days: Annotated[
        Annotated[int, Meta(ge=0, le=3650)] | None, about("Due in days", "Days after the flow begins. No date where blank.")
    ] = None
    assignee: Annotated[str, names("roles", "Assigned to", "The role of who does it. Nobody in particular where blank.")] = ""


class Goal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be reached, and the steps to it."""

    identity: ClassVar[str] = "title"

    title: Annotated[str, Meta(title="Goal", min_length=1, pattern=r"\S")]
    interventions: Annotated[tuple[Intervention, ...], about("Interventions")] = ()


class CareFlowTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a coach starts a care flow from. A flow keeps no link to it (clarification 20)."""

    identity: ClassVar[str] = "name"

    name: Annotated[
        str, Meta(title="Name", description="What coaches pick it by.", min_length=1, max_length=LONGEST_NAME, pattern=r"\S")
    ]
    description: Annotated[str, about("Description", "What the flow is for.", widget="textarea")] = ""
    diagnosis: Annotated[str, about("Diagnosis", "Why it is needed.", widget="textarea")] = ""
    goals: Annotated[tuple[Goal, ...], about("Goals")] = ()


class TaskType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kind of task that a patient is shown."""

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    description: LongWords = ""


class MessageTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Words that a coach begins a message with. ``{{patient.first_name}}`` stands for what it names."""

    identity: ClassVar[str] = "name"

    name: Annotated[
        str, Meta(title="Name", description="What coaches pick it by.", min_length=1, max_length=LONGEST_NAME, pattern=r"\S")
    ]
    channel: Annotated[
        Literal["any", "phone", "email", "app", "third_party_app"],
        about("Conversation", "The type of conversation that it is offered in; phone is SMS."),
    ] = "any"
    body: Annotated[str, about("Message", "Names in double braces are filled in: {{patient.first_name}}.", widget="textarea")] = ""


class Role(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What workers are, and so what they may do and see.

    ``may``: ``give_care`` opens the Coach Portal, ``design`` the Workshop, ``integrate`` clients and webhooks, ``administer``
    workers, environments, the audit trail and exports. ``patients`` ``own``: only those whose coach the worker is.
    """

    identity: ClassVar[str] = "name"

    name: ApiName
    title: Title = ""
    may: Annotated[tuple[Permission, ...], about("May", "What the role opens.")] = ()
    patients: Annotated[Literal["all", "own"], about("Patients", "All patients, or those whose coach the worker is.")] = "all"
    hidden_data: Annotated[
        tuple[Annotated[str, names("custom_data_types", "Custom data type")], ...],
        about("Custom data that stays hidden", "Records of these types are not shown to the role."),
    ] = ()
    hidden_assessments: Annotated[
        tuple[Annotated[str, names("assessments", "Assessment")], ...],
        about("Assessments that stay hidden", "Answers to these are not shown to the role."),
    ] = ()
    second_factor: Annotated[bool, about("Second factor", "Signing in takes a code from an authenticator app as well.")] = False


class Terminology(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the program calls people, in lower case."""

    patient: Annotated[str, about("A patient is called", example="member")] = "patient"
    patients: Annotated[str, about("Several are called", example="members")] = "patients"
    coach: Annotated[str, about("A coach is called", example="care guide")] = "coach"
    coaches: Annotated[str, about("Several coaches are called", example="care guides")] = "coaches"


class SidebarModule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A card beside a patient's timeline.

    ``of`` names the assessment (by id) or the custom data type that a chart or a list of records shows; ``field`` the number that
    a chart draws, the score where it is blank.
    """

    identity: ClassVar[str] = "title"

    title: Annotated[str, Meta(title="Title", description="Stands above the card.", min_length=1, pattern=r"\S")]
    shows: Annotated[
        Literal["care_flows", "contact", "appointments", "tasks", "external_ids", "assessments", "records", "chart"],
        about("Shows", "What the card holds."),
    ]
    of: Annotated[str, about("Of", "For a chart: an assessment or custom data type. For records: a custom data type.")] = ""
    field: Annotated[str, about("Field", "For a chart: the number to draw. The score where it is blank.")] = ""


class ProgramDesign(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"name": "program"}):
    """A whole program, as one file holds it. Everything keeps the order in which the designer wrote it."""

    name: Annotated[
        str, Meta(title="Program", description="The name of the program.", min_length=1, max_length=LONGEST_NAME, pattern=r"\S")
    ]
    phases: Annotated[tuple[Phase, ...], about("Phases", "Where a patient is on the way through the program.")] = ()
    appointment_types: Annotated[tuple[AppointmentType, ...], about("Appointments", "Kinds of appointment.")] = ()
    assessments: Annotated[tuple[Assessment, ...], about("Assessments", "Forms whose answers are kept.")] = ()
    custom_data_types: Annotated[tuple[CustomDataType, ...], about("Custom data", "Records in the program's own form.")] = ()
    care_flows: Annotated[tuple[CareFlowTemplate, ...], about("Care flows", "Goals and steps that coaches start from.")] = ()
    task_types: Annotated[tuple[TaskType, ...], about("Tasks", "Kinds of task that a patient is shown.")] = ()
    message_templates: Annotated[tuple[MessageTemplate, ...], about("Messages", "Words that coaches begin a message with.")] = ()
    roles: Annotated[tuple[Role, ...], about("Roles", "What workers may do and see.")] = ()
    terminology: Annotated[Terminology, about("Terminology", "What the program calls people.")] = Terminology()
    sidebar: Annotated[tuple[SidebarModule, ...], about("Profile layout", "The cards beside a patient's timeline.")] = ()


class Named(Protocol):
    """Anything of a program that has a name of its own."""

    @property
    def name(self) -> str: ...


# Roles that every program has, whatever its designer says; one of the same name in the program adds to what is here.
BUILT_IN_ROLES: Final = tuple(Role(name=name, title=title, may=may) for name, (title, may) in BUILT_IN.items())


def roles(design: ProgramDesign) -> dict[str, Role]:
    """The roles in force, by name: the built-in ones, then the program's. A built-in role keeps what it may do."""
    found = {role.name: role for role in BUILT_IN_ROLES}
    for role in design.roles:
        kept = found[role.name].may if role.name in found else ()
        found[role.name] = Role(
            name=role.name,
            title=role.title,
            may=tuple(dict.fromkeys((*kept, *role.may))),
            patients=role.patients,
            hidden_data=role.hidden_data,
            hidden_assessments=role.hidden_assessments,
            second_factor=role.second_factor,
        )
    return found
