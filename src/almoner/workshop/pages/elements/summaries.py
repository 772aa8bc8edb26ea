"""What the row of an element says of it, derived from what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from almoner.pages.filters import counted
from almoner.resources.conversations import CHANNELS
from almoner.workshop import process_words
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.design import (
    AppointmentType,
    CallOutcome,
    CareFlowTemplate,
    CustomDataType,
    MessageTemplate,
    NoteType,
    Phase,
    Role,
    SidebarModule,
)
from almoner.workshop.pages.editor.sources import label
from almoner.workshop.process_design import Process
from almoner.workshop.titles import Titles

_LONGEST: Final = 120


def summary(element: Struct, titles: Titles) -> str:
    """A short line about an element, with what the others that it names are called; its description
    where its type has no line of its own.
    """
    if naming := _NAMING.get(type(element)):
        text = naming(element, titles)
    else:
        alone = _BY_TYPE.get(type(element))
        text = alone(element) if alone else getattr(element, "description", "")
    line = " ".join(text.split())
    if len(line) <= _LONGEST:
        return line
    cut = line[: _LONGEST - 1]
    # A placeholder is cut off whole.
    opened = cut.rfind("{{")
    return f"{cut[:opened] if opened > cut.rfind('}}') else cut}…"


def either(words: Sequence[str]) -> str:
    """``call, video or visit``."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def _phase(phase: Phase, titles: Titles) -> str:
    if phase.next is None:
        return "any phase may follow"
    following = either([titles.get(("phases", name), name) for name in phase.next])
    return f"may be followed by {following}" if phase.next else "an end: no phase follows"


def _appointment_type(kind: AppointmentType) -> str:
    parts = (
        "" if kind.minutes is None else counted(kind.minutes, "minute"),
        either(kind.modalities),
    )
    return ", ".join(filter(None, parts)) or "any length, any way"


def _assessment(assessment: Assessment) -> str:
    parts = [
        counted(len(assessment.questions), "question"),
        "scored" if assessment.scoring else "",
        AUDIENCE[assessment.audience],
    ]
    return ", ".join(filter(None, parts))


def _custom_data_type(kind: CustomDataType) -> str:
    return (
        f"{counted(len(kind.fields), 'field')},"
        f" {'one record' if kind.records == 'one' else 'many records'} for each patient"
    )


def _care_flow(flow: CareFlowTemplate) -> str:
    steps = sum(len(goal.interventions) for goal in flow.goals)
    return f"{counted(len(flow.goals), 'goal')}, {counted(steps, 'intervention')}"


def _message(template: MessageTemplate) -> str:
    return (
        f"{'any conversation' if template.channel == 'any' else CHANNELS[template.channel]}:"
        f" {template.body}"
    )


def _call_outcome(outcome: CallOutcome) -> str:
    return "completes the appointment" if outcome.completes else "leaves the appointment open"


def _note_type(note_type: NoteType) -> str:
    return note_type.description or note_type.template


def _role(role: Role) -> str:
    may = ", ".join(label(permission).lower() for permission in role.may) or "opens nothing"
    return ", ".join(
        filter(None, (may, "own patients only" if role.patients == "own" else "", _second(role)))
    )


def _second(role: Role) -> str:
    return "second factor" if role.second_factor else ""


def _module(module: SidebarModule, titles: Titles) -> str:
    field = f", {label(module.field).lower()}" if module.field else ""
    of = titles.get(("assessments", module.of)) or titles.get(
        ("custom_data_types", module.of), module.of
    )
    return label(module.shows) + (f" of {of}{field}" if of else "")


AUDIENCE: Final = {
    "coach": "filled in by a coach",
    "coach_and_patient": "filled in by a coach and the patient",
}
_BY_TYPE: Final[Mapping[type[Struct], Callable[[Any], str]]] = {
    AppointmentType: _appointment_type,
    Assessment: _assessment,
    CustomDataType: _custom_data_type,
    CareFlowTemplate: _care_flow,
    MessageTemplate: _message,
    CallOutcome: _call_outcome,
    NoteType: _note_type,
    Role: _role,
}
_NAMING: Final[Mapping[type[Struct], Callable[[Any, Titles], str]]] = {
    Phase: _phase,
    Process: process_words.summary,
    SidebarModule: _module,
}
