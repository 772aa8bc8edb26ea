"""What a form can name: the parts of a program by their group, and what is chosen for a member by
``Part.key``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from almoner.resources.conversations import CHANNELS
from almoner.workshop.assessment_design import FieldDesign
from almoner.workshop.design import CustomDataType, ProgramDesign, SidebarModule, roles
from almoner.workshop.field_kinds import FIELD_KINDS, kind_title
from almoner.workshop.goal_target import PATIENT, GoalTarget, choosing
from almoner.workshop.measure_checks import PATIENT_NUMBERS
from almoner.workshop.process_design import ProcessAction
from almoner.workshop.shape import Member


class Option(NamedTuple):
    """A value that can be chosen, and what people read for it."""

    value: str
    title: str


_NAMED: Final = ("phases", "appointment_types", "care_flows", "task_types", "message_templates")
_RULES: Final = (
    Option("", "Who has the fewest patients"),
    Option("round_robin", "Each in turn"),
    Option("same_as_appointment", "Whose appointment it is"),
)
_SCORE: Final = Option("", "The score")
_NOTHING: Final = Option("", "Nothing to choose")
Sources = Mapping[str, tuple[Option, ...]]


def sources(design: ProgramDesign) -> Sources:
    """What can be named in a program, by its group; and for a member whose values the program
    knows, by ``Part.key``.
    """
    kinds = tuple(
        Option(name, f"{kind_title(name)}: {kind.about}") for name, kind in FIELD_KINDS.items()
    )
    assessments = tuple(Option(item.id, item.name) for item in design.assessments)
    types = tuple(Option(item.name, item.title or item.name) for item in design.custom_data_types)
    parts: list[tuple[str, tuple[FieldDesign, ...]]] = [
        (item.name, item.questions) for item in design.assessments
    ]
    parts += [(item.title or item.name, item.fields) for item in design.custom_data_types]
    theirs = tuple(Option(name, label(name)) for name in PATIENT_NUMBERS)
    numbers = {item.id: (_SCORE, *_own_numbers(item.questions)) for item in design.assessments}
    numbers |= {item.name: tuple(_own_numbers(item.fields)) for item in design.custom_data_types}
    return {
        **{
            group: tuple(
                Option(item.name, getattr(item, "title", "") or item.name)
                for item in getattr(design, group)
            )
            for group in _NAMED
        },
        "custom_data_types": types,
        "assessments": assessments,
        "roles": tuple(Option(name, role.title or name) for name, role in roles(design).items()),
        "FieldDesign.kind": kinds,
        "Question.kind": kinds,
        f"{ProcessAction.__name__}.rule": _RULES,
        f"{SidebarModule.__name__}.of": assessments + types,
        f"{SidebarModule.__name__}.field": tuple(_numbers(parts)),
        f"{GoalTarget.__name__}.of": (
            *assessments,
            *types,
            *((Option(PATIENT, label(PATIENT)),) if theirs else ()),
        ),
        f"{GoalTarget.__name__}.field": (*_numbers(parts), *theirs),
        **_narrowed(f"{SidebarModule.__name__}.field", numbers),
        **_narrowed(f"{GoalTarget.__name__}.field", {**numbers, PATIENT: theirs}),
        **_narrowed(
            f"{GoalTarget.__name__}.choice",
            {item.name: tuple(_measured((item,))) for item in design.custom_data_types},
        ),
        f"{GoalTarget.__name__}.choice": tuple(_measured(design.custom_data_types)),
    }


def _narrowed(
    member: str, options: Mapping[str, tuple[Option, ...]]
) -> dict[str, tuple[Option, ...]]:
    """The options of a member by what is chosen beside it, as ``options_of`` looks them up."""
    return {f"{member}:{of}": fitting or (_NOTHING,) for of, fitting in options.items()}


def _own_numbers(fields: Iterable[FieldDesign]) -> Iterable[Option]:
    """The numbers among the fields of one part."""
    return (
        Option(field.name, field.label or field.name)
        for field in fields
        if field.kind in FIELD_KINDS and FIELD_KINDS[field.kind].answer == "number"
    )


def _numbers(parts: Iterable[tuple[str, tuple[FieldDesign, ...]]]) -> Iterable[Option]:
    """The fields that a chart can draw, each with where it stands."""
    places: dict[str, list[str]] = {}
    for title, fields in parts:
        for field in fields:
            if field.kind in FIELD_KINDS and FIELD_KINDS[field.kind].answer == "number":
                places.setdefault(field.name, []).append(title)
    return (
        Option(name, f"{name} ({', '.join(dict.fromkeys(titles))})")
        for name, titles in places.items()
    )


def _measured(types: Iterable[CustomDataType]) -> Iterable[Option]:
    """What the records of a type can choose to be of, each with its type."""
    places: dict[str, list[str]] = {}
    for data_type in types:
        coded_by = choosing(data_type.fields)
        for choice in coded_by.choices if coded_by else ():
            places.setdefault(choice, []).append(data_type.title or data_type.name)
    return (Option(name, f"{name} ({', '.join(titles)})") for name, titles in places.items())


def label(value: str) -> str:
    """What people read for a value that is a word of the declaration."""
    return value.replace("_", " ").capitalize()


def options_of(
    struct: type[Struct], member: Member, known: Sources, of: str = ""
) -> tuple[Option, ...]:
    """What can be chosen for a member; ``of`` is what is chosen beside it, where that decides."""
    if member.choices:
        titles = CHANNELS if member.key == "channel" else {}
        return tuple(Option(choice, titles.get(choice, label(choice))) for choice in member.choices)
    return (
        known.get(member.names, ())
        if member.names
        else known.get(f"{struct.__name__}.{member.key}:{of}")
        or known.get(f"{struct.__name__}.{member.key}", ())
    )


def with_strays(
    chosen: tuple[str, ...], options: tuple[Option, ...], first: bool = False
) -> tuple[Option, ...]:
    """The options, and what was chosen though the program does not have it. ``first``: what is
    chosen stands first.
    """
    titles = {option.value: option for option in options}
    picked = [
        titles.get(value) or Option(value, f"{value} (not in the program)") for value in chosen
    ]
    if first:
        return (*picked, *(option for option in options if option.value not in chosen))
    return (*(option for option in picked if option.value not in titles), *options)
