"""What can be wrong with what a number is drawn or measured by: a card of the profile, or the
target of a goal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from almoner.resources import BY_NAME
from almoner.vocabulary.numbers import Integer, Number
from almoner.workshop.assessment_design import Assessment, FieldDesign
from almoner.workshop.design import CustomDataType, SidebarModule
from almoner.workshop.design_problem import DesignProblem, instead, short
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.goal_target import PATIENT, GoalTarget, choosing

Known = Mapping[str, Mapping[str, Any]]
# Fields of a patient that are numbers: those that a site has added.
PATIENT_NUMBERS: Final = tuple(
    field.name
    for field in BY_NAME["patients"].stored
    if isinstance(field.kind, Integer | Number) and field.returned
)


def of_module(module: SidebarModule, path: str, known: Known) -> Iterator[DesignProblem]:
    """What is wrong with a card of the profile."""
    types = known["custom_data_types"]
    for option in ("of", "field") if module.shows not in ("chart", "records") else ():
        if getattr(module, option):
            yield DesignProblem(
                f"{path}.{option}",
                f"{option} does not go with {module.shows}",
                rests_on=(f"{path}.shows",),
            )
    if module.shows == "records":
        if module.field:
            yield DesignProblem(
                f"{path}.field", "field does not go with records", rests_on=(f"{path}.shows",)
            )
        if not module.of:
            yield DesignProblem(
                path, "of is missing; name a custom data type", rests_on=(f"{path}.of",)
            )
        elif module.of not in types:
            text, hint = (
                f"there is no custom data type {short(module.of)}",
                partial(instead, module.of, types),
            )
            yield DesignProblem(f"{path}.of", text, rests_on=("custom_data_types",), hint=hint)
    elif module.shows == "chart":
        yield from _of_number(module, path, known, "draw")


def of_target(target: GoalTarget, path: str, known: Known) -> Iterator[DesignProblem]:
    """What is wrong with the number that a goal is measured by."""
    if target.of == PATIENT:
        if target.field not in PATIENT_NUMBERS:
            text = f"patients have no number {short(target.field)}"
            hint = partial(instead, target.field, PATIENT_NUMBERS)
            yield DesignProblem(f"{path}.field", text, hint=hint)
    else:
        yield from _of_number(target, path, known, "measure")
    data_type = known["custom_data_types"].get(target.of)
    coded_by = choosing(data_type.fields) if data_type and target.of != PATIENT else None
    choices = coded_by.choices if coded_by else ()
    if target.choice and target.choice not in choices:
        text = (
            f"{short(coded_by.name)} has no choice {short(target.choice)}"
            if coded_by
            else "choice goes with records alone that choose what is measured"
        )
        yield DesignProblem(
            f"{path}.choice",
            text,
            rests_on=("custom_data_types", f"{path}.of"),
            hint=partial(instead, target.choice, choices) if choices else None,
        )
    elif coded_by and not target.choice:
        text = f"choice is missing; say which {coded_by.name} is measured"
        yield DesignProblem(path, text, rests_on=("custom_data_types", f"{path}.choice"))


def _of_number(
    part: SidebarModule | GoalTarget, path: str, known: Known, purpose: str
) -> Iterator[DesignProblem]:
    """What is wrong with a number of the program. ``purpose`` is what it is there for."""
    types, assessments = known["custom_data_types"], known["assessments"]
    if not part.of:
        text = "of is missing; name an assessment or a custom data type"
        yield DesignProblem(path, text, rests_on=(f"{path}.of",))
    elif part.of not in types and part.of not in assessments:
        text = f"there is no assessment or custom data type {short(part.of)}"
        hint = partial(instead, part.of, [*assessments, *types])
        yield DesignProblem(
            f"{path}.of", text, rests_on=("assessments", "custom_data_types"), hint=hint
        )
    else:
        source = assessments.get(part.of) or types[part.of]
        yield from _of_field(part, source, path, purpose)


def _of_field(
    part: SidebarModule | GoalTarget,
    source: Assessment | CustomDataType,
    path: str,
    purpose: str,
) -> Iterator[DesignProblem]:
    fields: tuple[FieldDesign, ...] = (
        source.questions if isinstance(source, Assessment) else source.fields
    )
    numbers = [
        field.name
        for field in fields
        if field.kind in FIELD_KINDS and FIELD_KINDS[field.kind].answer == "number"
    ]
    rests_on = "assessments" if isinstance(source, Assessment) else "custom_data_types"
    if not part.field:
        if not isinstance(source, Assessment):
            yield DesignProblem(
                path,
                f"field is missing; name the number to {purpose}",
                rests_on=(f"{path}.field",),
            )
        elif source.scoring is None:
            text = f"field is missing; {short(part.of)} has no score to {purpose}, so name a number"
            yield DesignProblem(path, text, rests_on=(rests_on,))
    elif part.field not in (field.name for field in fields):
        text, hint = (
            f"{short(part.of)} has no field {short(part.field)}",
            partial(instead, part.field, numbers),
        )
        yield DesignProblem(f"{path}.field", text, rests_on=(rests_on,), hint=hint)
    elif part.field not in numbers and all(field.kind in FIELD_KINDS for field in fields):
        what = "a chart draws" if purpose == "draw" else "a goal is measured by"
        text, hint = (
            f"{what} numbers, and {short(part.field)} is none",
            partial(instead, part.field, numbers),
        )
        yield DesignProblem(f"{path}.field", text, rests_on=(rests_on,), hint=hint)
