"""Everything that can still be wrong with a program whose parts have the right shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import Struct

from almoner.vocabulary.contact_kinds import is_blank
from almoner.workshop import measure_checks, process_checks, question_checks
from almoner.workshop.assessment_design import Assessment, FieldDesign, Question
from almoner.workshop.design import (
    MessageTemplate,
    ProgramDesign,
    SidebarModule,
    Terminology,
    roles,
)
from almoner.workshop.design_problem import DesignProblem, instead, short
from almoner.workshop.goal_target import GoalTarget
from almoner.workshop.placeholders import pieces
from almoner.workshop.process_design import (
    Process,
    ProcessAction,
    ProcessCondition,
    Wait,
    WorkingHours,
)
from almoner.workshop.shape import Member, distinct, members, walk
from almoner.workshop.trigger_design import Trigger

__all__ = ["DesignProblem", "design_from", "every_problem", "problems"]

_CALLED: Final = {
    "phases": "phase",
    "custom_data_types": "custom data type",
    "assessments": "assessment",
    "roles": "role",
    "appointment_types": "appointment type",
    "care_flows": "care flow",
    "task_types": "task type",
    "message_templates": "message template",
    "note_types": "note type",
}
# Nobody reads on behind so many, and finding out what was meant takes its time for each.
MOST_LISTED: Final = 500
Known = Mapping[str, Mapping[str, Any]]


def design_from(builtins: Any) -> ProgramDesign:
    """The program in plain lists and mappings, as JSON holds it. Raises msgspec.ValidationError
    where its shape is wrong.
    """
    return msgspec.convert(builtins, ProgramDesign)


def problems(design: ProgramDesign) -> list[DesignProblem]:
    """What is wrong with a program, to be listed: ``MOST_LISTED`` things at most; empty where it
    can be published.
    """
    return list(islice(every_problem(design), MOST_LISTED))


def every_problem(design: ProgramDesign) -> Iterator[DesignProblem]:
    """What is wrong with a program, in the order of its parts, to be looked through for what is
    wrong with one of them.
    """
    known: Known = {
        "phases": {phase.name: phase for phase in design.phases},
        "custom_data_types": {item.name: item for item in design.custom_data_types},
        "assessments": {item.id: item for item in design.assessments},
        "roles": roles(design),
        "appointment_types": {item.name: item for item in design.appointment_types},
        "care_flows": {item.name: item for item in design.care_flows},
        "task_types": {item.name: item for item in design.task_types},
        "message_templates": {item.name: item for item in design.message_templates},
        "note_types": {item.name: item for item in design.note_types},
    }
    for path, part in walk(design):
        for member in members(type(part)):
            value = getattr(part, member.attribute)
            if value != member.default:
                yield from _of_member(
                    member, value, f"{path}.{member.key}" if path else member.key, known
                )
        check = _CHECKS.get(type(part))
        if check is not None:
            yield from check(part, path, known)


def _of_member(member: Member, value: Any, path: str, known: Known) -> Iterator[DesignProblem]:
    if member.holds == "parts":
        yield from _distinct(value, member, path)
    elif member.holds == "texts":
        yield from _of_list(value, member, path, known)
    elif member.holds == "numbers":
        for name, number in value.items():
            yield from _storable(name, f"{path}{question_checks.key(name)}")
            yield from _storable(number, f"{path}{question_checks.key(name)}")
    elif member.holds != "part" and value is not None:
        yield from _storable(value, path)
        yield from _referred(value, member, path, known)


def _distinct(items: tuple[Struct, ...], member: Member, path: str) -> Iterator[DesignProblem]:
    """Names that are used before in the same list. Those of questions are looked at across all
    sections of an assessment.
    """
    assert member.struct is not None
    if member.struct is Question:
        return
    for name in distinct(member.struct):
        places: dict[str, str] = {}
        is_optional = not name.required
        for number, item in enumerate(items):
            value, at = getattr(item, name.attribute), f"{path}[{number}]"
            if value in places:
                what = (
                    f"the {name.key} {short(value)} is used before"
                    if value
                    else f"another one has no {name.key} either"
                )
                yield DesignProblem(f"{at}.{name.key}" if value else at, what, places[value])
            elif is_optional or not is_blank(value):
                places[value] = f"{at}.{name.key}"


def _of_list(
    values: tuple[str, ...], member: Member, path: str, known: Known
) -> Iterator[DesignProblem]:
    places: dict[str, str] = {}
    for number, value in enumerate(values):
        at = f"{path}[{number}]"
        if is_blank(value):
            yield DesignProblem(at, "this must not be blank")
        elif value in places:
            yield DesignProblem(at, f"{short(value)} is listed before", places[value])
        else:
            places[value] = at
            yield from _storable(value, at)
            yield from _referred(value, member, at, known)


def _referred(value: Any, member: Member, path: str, known: Known) -> Iterator[DesignProblem]:
    if member.names and value not in known[member.names]:
        text, hint = (
            f"there is no {_CALLED[member.names]} {short(value)}",
            partial(instead, value, known[member.names]),
        )
        yield DesignProblem(path, text, rests_on=(member.names,), hint=hint)


def _storable(value: Any, path: str) -> Iterator[DesignProblem]:
    """What neither JSON nor the database can keep."""
    if isinstance(value, str):
        if "\x00" in value:
            yield DesignProblem(path, "text cannot hold the character NUL")
        elif not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            yield DesignProblem(path, "half of a surrogate pair is not a character")
    elif isinstance(value, float) and not math.isfinite(value):
        yield DesignProblem(path, question_checks.NOT_FINITE)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield DesignProblem(path, "this number is too large")


def _of_template(template: MessageTemplate, path: str, known: Known) -> Iterator[DesignProblem]:
    if is_blank(template.body):
        yield DesignProblem(path, "body is missing; write the message", rests_on=(f"{path}.body",))
    for piece in pieces(template.body):
        if piece.problem:
            yield DesignProblem(f"{path}.body", piece.problem, hint=piece.hint)


def _of_terminology(words: Terminology, path: str, known: Known) -> Iterator[DesignProblem]:
    for member in members(Terminology):
        if is_blank(getattr(words, member.attribute)):
            yield DesignProblem(f"{path}.{member.key}", "this must not be blank")


def _of_field(field: FieldDesign, path: str, known: Known) -> Iterator[DesignProblem]:
    return question_checks.of_field(field, path)


def _of_assessment(assessment: Assessment, path: str, known: Known) -> Iterator[DesignProblem]:
    return question_checks.of_assessment(assessment, path)


_CHECKS: Final[Mapping[type[Struct], Callable[[Any, str, Known], Iterator[DesignProblem]]]] = {
    FieldDesign: _of_field,
    Question: _of_field,
    Assessment: _of_assessment,
    MessageTemplate: _of_template,
    GoalTarget: measure_checks.of_target,
    SidebarModule: measure_checks.of_module,
    Terminology: _of_terminology,
    ProgramDesign: process_checks.of_program,
    Process: process_checks.of_process,
    Trigger: process_checks.of_trigger,
    ProcessCondition: process_checks.of_condition,
    Wait: process_checks.of_wait,
    WorkingHours: process_checks.of_working_hours,
    ProcessAction: process_checks.of_action,
}
