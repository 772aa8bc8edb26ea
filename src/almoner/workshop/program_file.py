"""program.yaml: a program as one file, read into a checked design with every problem and its line.

    program: Kiwi Health
    phases:
      - {name: intake, title: Intake}
    appointment_types:
      - {name: intake_call, title: Intake call, minutes: 30}
    assessments:
      - id: intake_assessment
        name: Intake assessment
        fields:
          - {name: plan_type, kind: choice, label: Plan, choices: [BRONZE, SILVER]}
    custom_data_types:
      - name: hcp
        fields:
          - {name: name, kind: text, required: true}
    task_types:
      - {name: survey, title: Survey}

Any text that is not blank is a name; lower case with underscores is what programs expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from almoner.workshop.design import (
    AppointmentType,
    Assessment,
    CustomDataType,
    FieldDesign,
    Phase,
    ProgramDesign,
    TaskType,
)
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.sections import FileProblem, Notes, ProgramFileError, Section, root_of

# Names go into an index of the database, whose entries are of limited length.
LONGEST_NAME: Final = 200
_TOP = ("program", "phases", "appointment_types", "assessments", "custom_data_types", "task_types")
_FIELD = ("name", "kind", "label", "help", "required", "choices", "low", "high")
_OPTIONS = ("choices", "low", "high")

__all__ = ["FileProblem", "ProgramFileError", "parse"]


def parse(source: str) -> ProgramDesign:
    """The design that a program file holds. Raises ProgramFileError with everything that is wrong with it."""
    notes = Notes()
    top = Section(notes, root_of(source), "", _TOP)
    name = top.text("program", required=True)
    phases = top.sections("phases", ("name", "title"))
    appointment_types = top.sections("appointment_types", ("name", "title", "minutes"))
    assessments = top.sections("assessments", ("id", "name", "title", "fields"))
    custom_data_types = top.sections("custom_data_types", ("name", "title", "fields"))
    task_types = top.sections("task_types", ("name", "title"))
    _check_length(top, "program", name)
    for group in (phases, appointment_types, assessments, custom_data_types, task_types):
        _distinct(group, "name")
    _distinct(assessments, "id")
    design = ProgramDesign(
        name=name,
        phases=tuple(Phase(name=s.text("name"), title=s.text("title")) for s in phases),
        appointment_types=tuple(map(_appointment_type, appointment_types)),
        assessments=tuple(
            Assessment(id=s.text("id"), name=s.text("name"), title=s.text("title"), fields=_fields(s)) for s in assessments
        ),
        custom_data_types=tuple(
            CustomDataType(name=s.text("name"), title=s.text("title"), fields=_fields(s)) for s in custom_data_types
        ),
        task_types=tuple(TaskType(name=s.text("name"), title=s.text("title")) for s in task_types),
    )
    if notes.problems:
        raise ProgramFileError(notes.problems)
    return design


def _distinct(group: Sequence[Section], key: str) -> None:
    """Notes every name that is missing, too long or used before in the same list."""
    lines: dict[str, int] = {}
    for section in group:
        name = section.text(key, required=True)
        _check_length(section, key, name)
        if name in lines:
            section.note(key, f"the {key} {name} is used before, on line {lines[name]}")
        elif name:
            lines[name] = section.line(key)


def _check_length(section: Section, key: str, name: str) -> None:
    if len(name) > LONGEST_NAME:
        section.note(key, f"this is longer than {LONGEST_NAME} characters")


def _appointment_type(section: Section) -> AppointmentType:
    minutes = section.number("minutes", whole=True)
    if minutes is not None and not 1 <= minutes <= 24 * 60:
        section.note("minutes", "a length from 1 minute to 1440, which is a day, is expected")
    return AppointmentType(
        name=section.text("name"), title=section.text("title"), minutes=None if minutes is None else int(minutes)
    )


def _fields(owner: Section) -> tuple[FieldDesign, ...]:
    sections = owner.sections("fields", _FIELD)
    _distinct(sections, "name")
    return tuple(map(_field, sections))


def _field(section: Section) -> FieldDesign:
    name = section.text("kind", required=True)
    kind = FIELD_KINDS.get(name)
    if kind is None and name.strip():
        near = get_close_matches(name, FIELD_KINDS, n=1)
        known = f"did you mean {near[0]}?" if near else f"the kinds are {', '.join(FIELD_KINDS)}"
        section.note("kind", f"there is no kind {name}; {known}")
    field = FieldDesign(
        name=section.text("name"),
        kind=name,
        label=section.text("label"),
        help=section.text("help"),
        required=section.truth("required"),
        choices=section.texts("choices"),
        low=section.number("low", whole=kind is not None and kind.whole),
        high=section.number("high", whole=kind is not None and kind.whole),
    )
    if kind is not None:
        for option in _OPTIONS:
            if option in section and option not in kind.takes:
                section.note(option, f"{option} does not go with the kind {name}")
            elif option not in section and option in kind.needs:
                section.note(None, f"{option} is missing; the kind {name} needs it")
        if "choices" in section and "choices" in kind.needs and not field.choices:
            section.note("choices", "at least one choice is expected")
    if field.low is not None and field.high is not None and field.low >= field.high:
        section.note("high", "high must be above low")
    return field
