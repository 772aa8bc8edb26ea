"""What is published: the programs of an environment, read back from the database in any version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from almoner.database import Connection
from almoner.vocabulary.definitions import (
    CALL_OUTCOMES,
    REACHED,
    AppointmentKind,
    Program,
    Rights,
    SidebarCard,
    Spec,
)
from almoner.vocabulary.definitions import DataType as CheckedType
from almoner.workshop import questions
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.design import (
    AppointmentType,
    CallOutcome,
    CareFlowTemplate,
    CustomDataType,
    MessageTemplate,
    NamedElement,
    NoteType,
    Phase,
    ProgramDesign,
    Role,
    SidebarModule,
    TaskType,
    Terminology,
    roles,
)
from almoner.workshop.process_design import Process, WorkingHours
from almoner.workshop.score import Scorer

# The elements that have versions of their own; the rest of a program is kept in its outline.
ELEMENTS: Final[Mapping[str, type[Any]]] = {
    "assessment": Assessment,
    "custom_data_type": CustomDataType,
}
Element = Assessment | CustomDataType
Key = TypeVar("Key")
Value = TypeVar("Value")
T = TypeVar("T", bound=Struct)


class Outline(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a version of a program consists of, as the element of kind ``program`` keeps it.

    ``assessments`` and ``custom_data_types`` pair the id or name with the version that this program
    has of it, in the designer's order; everything else is kept whole."""

    name: str
    phases: tuple[Phase, ...] = ()
    appointment_types: tuple[AppointmentType, ...] = ()
    assessments: tuple[tuple[str, int], ...] = ()
    custom_data_types: tuple[tuple[str, int], ...] = ()
    care_flows: tuple[CareFlowTemplate, ...] = ()
    task_types: tuple[TaskType, ...] = ()
    message_templates: tuple[MessageTemplate, ...] = ()
    call_outcomes: tuple[CallOutcome, ...] = ()
    note_types: tuple[NoteType, ...] = ()
    processes: tuple[Process, ...] = ()
    working_hours: WorkingHours = WorkingHours()
    roles: tuple[Role, ...] = ()
    terminology: Terminology = Terminology()
    sidebar: tuple[SidebarModule, ...] = ()

    @property
    def elements(self) -> Iterator[tuple[str, str, int]]:
        """Kind, id or name, and version of each element that has one."""
        yield from (("assessment", key, version) for key, version in self.assessments)
        yield from (("custom_data_type", key, version) for key, version in self.custom_data_types)


def outline_of(design: ProgramDesign, versions: Mapping[tuple[str, str], int]) -> Outline:
    """The outline of a design; ``versions`` has the version of every element, by kind and id or
    name.
    """
    whole = {name: getattr(design, name) for name in Outline.__struct_fields__}
    return Outline(
        **whole
        | {
            "assessments": tuple((a.id, versions["assessment", a.id]) for a in design.assessments),
            "custom_data_types": tuple(
                (t.name, versions["custom_data_type", t.name]) for t in design.custom_data_types
            ),
        }
    )


_FORMER: Final = """
SELECT DISTINCT ON (of, element.name) of, element.name, item ->> 'title' AS title
FROM program_elements p CROSS JOIN unnest(ARRAY[
    'phases', 'appointment_types', 'task_types', 'call_outcomes', 'note_types']) AS of
CROSS JOIN LATERAL json_array_elements(coalesce(p.definition -> of, '[]')) AS item
CROSS JOIN LATERAL (SELECT item ->> 'name') AS element(name)
WHERE p.environment_id = $1 AND p.kind = 'program' ORDER BY of, element.name, p.program_version DESC
"""


class OnDemand(Mapping[Key, Value]):
    """Values that are made when somebody asks for one, and then kept: a version that nobody names
    costs nothing.
    """

    def __init__(self, sources: Mapping[Key, Any], make: Callable[[Any], Value]) -> None:
        self._sources = sources
        self._make = make
        self._values: dict[Key, Value] = {}

    def __getitem__(self, key: Key) -> Value:
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = self._make(self._sources[key])
        return value

    def __iter__(self) -> Iterator[Key]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, key: object) -> bool:
        return key in self._sources


async def newest_version(connection: Connection, environment_id: int) -> int:
    """The number of the newest published program; 0 where there is none."""
    version: int = await connection.fetchval(
        "SELECT coalesce(max(version), 0) FROM programs WHERE environment_id = $1", environment_id
    )
    return version


async def load(connection: Connection, environment_id: int) -> Program:
    """The newest published program as the API checks against it, with every published version of
    its specs.
    """
    # One statement, so that what is read belongs together even while someone publishes.
    rows = await connection.fetch(
        "SELECT kind, name, version, definition FROM program_elements WHERE environment_id = $1 AND"
        " (kind <> 'program' OR program_version = (SELECT max(version) FROM programs WHERE"
        " environment_id = $1))",
        environment_id,
    )
    program = next((r for r in rows if r["kind"] == "program"), None)
    if program is None:
        return Program()
    outline = decoded(program, Outline)
    assessments = {(r["name"], r["version"]): r for r in rows if r["kind"] == "assessment"}
    types = {(r["name"], r["version"]): r for r in rows if r["kind"] == "custom_data_type"}
    specs = OnDemand(assessments, _spec)
    newest = {spec_id: (spec_id, number) for spec_id, number in outline.assessments}
    return Program(
        version=program["version"],
        name=outline.name,
        phases=_names(outline.phases),
        appointment_types=_names(outline.appointment_types),
        task_types=_names(outline.task_types),
        note_types=_names(outline.note_types),
        call_outcomes=tuple(dict.fromkeys((*CALL_OUTCOMES, *_names(outline.call_outcomes)))),
        specs=specs,
        newest_specs=OnDemand(newest, specs.__getitem__),
        spec_ids={
            _called(assessments[spec_id, number]): spec_id
            for spec_id, number in outline.assessments
        },
        custom_data_types=OnDemand(
            {name: types[name, number] for name, number in outline.custom_data_types}, _type
        ),
        roles=rights(ProgramDesign(name=outline.name, roles=outline.roles)),
        next_phases={phase.name: phase.next for phase in outline.phases},
        silent_phases=frozenset(phase.name for phase in outline.phases if not phase.reminders),
        titles=await _former(connection, environment_id) | _titles(outline),
        terminology=msgspec.structs.asdict(outline.terminology),
        sidebar=tuple(
            SidebarCard(module.title, module.shows, module.of, module.field)
            for module in outline.sidebar
        ),
        appointments={
            kind.name: AppointmentKind(kind.minutes, kind.modalities)
            for kind in outline.appointment_types
        },
        colors={("phases", phase.name): phase.color for phase in outline.phases}
        | {("appointment_types", kind.name): kind.color for kind in outline.appointment_types},
        acts=bool(outline.processes),
        completing_outcomes=(
            REACHED,
            *(outcome.name for outcome in outline.call_outcomes if outcome.completes),
        ),
        note_templates={kind.name: kind.template for kind in outline.note_types},
    )


async def program_at(
    connection: Connection, environment_id: int, version: int
) -> tuple[ProgramDesign, datetime] | None:
    """The design of a published version, and when it was published; None where there is no such
    version.
    """
    published_at = await connection.fetchval(
        "SELECT published_at FROM programs WHERE environment_id = $1 AND version = $2",
        environment_id,
        version,
    )
    return (
        None
        if published_at is None
        else (await design_of(connection, environment_id, version), published_at)
    )


async def design_of(connection: Connection, environment_id: int, version: int) -> ProgramDesign:
    """The design of a published version, exactly as it was published. Raises LookupError where
    there is no such version.
    """
    outline = await outline_at(connection, environment_id, version)
    if outline is None:
        raise LookupError(f"there is no version {version} of the program")
    # What is published never changes, so that a second statement reads what belongs to the first.
    parts = list(outline.elements)
    rows = await connection.fetch(
        "SELECT kind, name, version, definition FROM program_elements WHERE environment_id = $1 "
        "AND (kind, name, version) IN (SELECT * FROM unnest($2::text[], $3::text[],"
        " $4::integer[]))",
        *(environment_id, *([part[n] for part in parts] for n in range(3))),
    )
    return _assembled(outline, {(r["kind"], r["name"], r["version"]): r for r in rows})


async def outline_at(connection: Connection, environment_id: int, version: int) -> Outline | None:
    """The outline of a published version; None where there is no such version."""
    row = await connection.fetchrow(
        "SELECT definition FROM program_elements WHERE environment_id = $1 AND kind = 'program' AND"
        " program_version = $2",
        *(environment_id, version),
    )
    return None if row is None else decoded(row, Outline)


async def element(
    connection: Connection, environment_id: int, kind: str, key: str, version: int
) -> Element | None:
    """A version of an ``assessment`` (``key`` is its id) or a ``custom_data_type`` (its name); None
    where there is none.
    """
    row = await connection.fetchrow(
        "SELECT definition FROM program_elements WHERE environment_id = $1 AND kind = $2 AND name ="
        " $3 AND version = $4",
        *(environment_id, kind, key, version),
    )
    decoded_element: Element | None = None if row is None else decoded(row, ELEMENTS[kind])
    return decoded_element


async def latest_elements(
    connection: Connection, environment_id: int
) -> dict[tuple[str, str], tuple[int, Element]]:
    """The last published version of every assessment and type, those included that the program no
    longer has.
    """
    rows = await connection.fetch(
        "SELECT DISTINCT ON (kind, name) kind, name, version, definition FROM program_elements "
        "WHERE environment_id = $1 AND kind <> 'program' ORDER BY kind, name, version DESC",
        environment_id,
    )
    return {(r["kind"], r["name"]): (r["version"], decoded(r, ELEMENTS[r["kind"]])) for r in rows}


def encoded(value: Struct) -> str:
    """A part of a program as the database keeps it."""
    return msgspec.json.encode(value).decode()


def decoded(row: Mapping[str, Any], of: type[T]) -> T:
    """The part of a program that a row of ``program_elements`` holds."""
    part: T = _decoded(row["definition"], of)
    return part


# What is published is asked for again and again, and never changes.
@lru_cache(maxsize=128)
def _decoded(definition: str, of: type[Any]) -> Any:
    return msgspec.json.decode(definition, type=of)


def _assembled(
    outline: Outline, rows: Mapping[tuple[str, str, int], Mapping[str, Any]]
) -> ProgramDesign:
    whole = {name: getattr(outline, name) for name in Outline.__struct_fields__}
    return ProgramDesign(
        **whole
        | {
            "assessments": tuple(
                decoded(rows["assessment", key, n], Assessment) for key, n in outline.assessments
            ),
            "custom_data_types": tuple(
                decoded(rows["custom_data_type", key, n], CustomDataType)
                for key, n in outline.custom_data_types
            ),
        }
    )


class _Heading(Struct, frozen=True):
    """As much of an assessment as tells its name; the rest is not even read."""

    name: str


def _called(row: Mapping[str, Any]) -> str:
    return decoded(row, _Heading).name


def _names(group: Iterable[NamedElement]) -> Any:
    """The names in the designer's order, quick to look one up in."""
    return dict.fromkeys(item.name for item in group).keys()


async def _former(connection: Connection, environment_id: int) -> dict[tuple[str, str], str]:
    """What phases, types and outcomes were called last, those that the program no longer has: rows
    still name them.
    """
    rows = await connection.fetch(_FORMER, environment_id)
    return {(r["of"], r["name"]): r["title"] or r["name"] for r in rows}


def _titles(outline: Outline) -> dict[tuple[str, str], str]:
    groups: dict[
        str, tuple[Phase | AppointmentType | TaskType | CallOutcome | NoteType | Role, ...]
    ] = {
        "phases": outline.phases,
        "appointment_types": outline.appointment_types,
        "task_types": outline.task_types,
        "call_outcomes": outline.call_outcomes,
        "note_types": outline.note_types,
        "roles": outline.roles,
    }
    return {
        (group, item.name): item.title or item.name
        for group, items in groups.items()
        for item in items
    }


def _spec(row: Mapping[str, Any]) -> Spec:
    design = decoded(row, Assessment)
    return Spec(
        design.id,
        design.name,
        row["version"],
        design.title,
        questions.of_assessment(design, row["version"]),
        score=Scorer(design).score,
    )


def _type(row: Mapping[str, Any]) -> CheckedType:
    design = decoded(row, CustomDataType)
    body = questions.of_custom_data_type(design, row["version"])
    return CheckedType(
        design.name,
        row["version"],
        body,
        single=design.records == "one",
        title=design.title or design.name,
        description=design.description,
    )


def rights(design: ProgramDesign) -> dict[str, Rights]:
    """What each role in force opens, by its name."""
    return {name: _rights(role) for name, role in roles(design).items()}


def _rights(role: Role) -> Rights:
    return Rights(
        frozenset(role.may),
        role.patients == "all",
        frozenset(role.hidden_data),
        frozenset(role.hidden_assessments),
        role.second_factor,
        hidden_notes=frozenset(role.hidden_notes),
    )
