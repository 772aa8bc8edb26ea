"""What a coach will see of an element, made from the design with made-up people in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from almoner.pages import parsing
from almoner.pages.filters import day as in_figures
from almoner.pages.forms.controls import FieldView
from almoner.resources import RESOURCES
from almoner.resources.conversations import CHANNELS
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import CALL_OUTCOMES, color_number
from almoner.vocabulary.numbers import number
from almoner.workshop import process_words
from almoner.workshop.design import (
    AppointmentType,
    CallOutcome,
    CareFlowTemplate,
    CustomDataType,
    MessageTemplate,
    NoteType,
    Phase,
    ProgramDesign,
    Role,
    SidebarModule,
    TaskType,
    roles,
)
from almoner.workshop.forms import fields_view
from almoner.workshop.goal_target import GoalTarget
from almoner.workshop.pages.editor.sources import label
from almoner.workshop.pages.elements.group import ElementGroup
from almoner.workshop.pages.elements.sms_segments import sms_segments
from almoner.workshop.placeholders import Piece, pieces
from almoner.workshop.process_design import WEEKDAYS, Process, WorkingHours
from almoner.workshop.shape import by_key
from almoner.workshop.titles import titled, titles_in

# Nobody's: the names are made up, and the number is one that is kept free for stories.
_FILLED: Final[Mapping[str, str]] = {
    "patient.first_name": "Ana",
    "patient.last_name": "Reyes",
    "patient.full_name": "Ana Reyes",
    "coach.first_name": "Emily",
    "coach.last_name": "Smith",
    "coach.full_name": "Emily Smith",
    "coach.phone_number": "+1 555-0100",
    "appointment.day": "Thursday",
    "appointment.time": "10:30 AM",
}
_ROOMS: Final[Mapping[str, tuple[str, str]]] = {
    "give_care": ("Coach Portal", "Inbox, patients and calendar"),
    "supervise": ("Supervisor", "Caseloads, what is late, response times"),
    "design": ("Workshop", "The program and its drafts"),
    "integrate": ("Integration tools", "Clients and webhooks"),
    "administer": ("Administration", "Workers, environments, audit trail and exports"),
    "correct": ("Corrections", "Says of what others have recorded that it was entered in error"),
}
_CARDS: Final[Mapping[str, str]] = {
    "care_flows": "Blood sugar within range · 2 of 4 steps done",
    "contact": "+1 555-0100 · ana.reyes@example.org",
    "appointments": "Thursday, 10:30 AM",
    "notes": "Progress note · sleeps better, walks every day",
    "tasks": "Weigh yourself · due tomorrow",
    "external_ids": "EHR · 1002-77",
    "assessments": "Two answered, the last one yesterday",
    "records": "Two records",
    "chart": "Five values, the last one yesterday",
}


@dataclass(frozen=True)
class ElementPreview:
    """What is drawn: ``kind`` is the group's key, ``view`` what its template needs; None where
    there is nothing to see.
    """

    kind: str
    audience: str
    view: Any


@dataclass(frozen=True)
class PreviewStep:
    """An intervention in a plan. ``due`` is None where it has no date."""

    title: str
    instructions: str
    due: date | None
    assignee: str


@dataclass(frozen=True)
class PreviewCard:
    """A card at the side of a patient's page; ``here`` is the one that is edited."""

    title: str
    text: str
    here: bool


def preview(
    group: ElementGroup, design: ProgramDesign, index: int | None, timezone: str
) -> ElementPreview:
    """What is seen of the element at ``index``; ``timezone`` is whose today dates count from."""
    items = group.items(design)
    element = items[index] if index is not None and index < len(items) else None
    make = _VIEWS.get(group.key)
    view = make(design, element, timezone) if make and element is not None else None
    return ElementPreview(
        group.key, "as the role sees it" if group.key == "roles" else "as a coach sees it", view
    )


def _phase(design: ProgramDesign, phase: Phase, timezone: str) -> Any:
    allowed = [
        other
        for other in design.phases
        if other.name != phase.name and (phase.next is None or other.name in phase.next)
    ]
    return {
        "title": titled(phase),
        "dot": color_number(phase.color, design.phases.index(phase)),
        "description": phase.description,
        "allowed": [titled(other) for other in allowed],
    }


def _appointment_type(design: ProgramDesign, kind: AppointmentType, timezone: str) -> Any:
    ways = kind.modalities or by_key(AppointmentType)["modalities"].choices
    titles = [titled(each) for each in design.appointment_types]
    start = clocks.now_in(timezone).replace(hour=10, minute=30) + timedelta(days=1)
    end = start + timedelta(minutes=kind.minutes) if kind.minutes else None
    return {
        "title": titled(kind),
        "titles": titles,
        "ways": [label(way) for way in ways],
        "start": start,
        "end": end,
    }


def _custom_data_type(design: ProgramDesign, kind: CustomDataType, timezone: str) -> Any:
    fields: tuple[FieldView, ...] = fields_view(
        kind.fields, {}, prefix="preview-", timezone=timezone
    )
    return {
        "title": titled(kind),
        "description": kind.description,
        "many": kind.records == "many",
        "fields": fields,
    }


def _care_flow(design: ProgramDesign, flow: CareFlowTemplate, timezone: str) -> Any:
    today = clocks.today(timezone)
    named = {name: role.title or name for name, role in roles(design).items()}
    goals = []
    for goal in flow.goals:
        steps = [
            PreviewStep(
                step.title,
                step.instructions,
                None if step.due_in_days is None else today + timedelta(days=step.due_in_days),
                named.get(step.assignee, step.assignee),
            )
            for step in goal.interventions
        ]
        goals.append((goal.title, steps, _measured(goal.target, today)))
    return {
        "title": flow.name,
        "description": flow.description,
        "diagnosis": flow.diagnosis,
        "goals": goals,
    }


def _measured(target: GoalTarget | None, today: date) -> str:
    if target is None:
        return ""
    day = None if target.in_days is None else today + timedelta(days=target.in_days)
    begins = "where it is" if target.begins_at is None else number(target.begins_at)
    return (
        f"{target.choice or target.field or target.of}: from {begins} {target.direction} to"
        f" {number(target.value)}{f' by {day.day} {day:%B}' if day else ''}"
    )


def _task_type(design: ProgramDesign, kind: TaskType, timezone: str) -> Any:
    return {
        "title": titled(kind),
        "description": kind.description,
        "patient": design.terminology.patient,
    }


def _call_outcome(design: ProgramDesign, outcome: CallOutcome, timezone: str) -> Any:
    own = [titled(each) for each in design.call_outcomes]
    return {
        "title": titled(outcome),
        "titles": [*CALL_OUTCOMES.values(), *own],
        "completes": outcome.completes,
    }


def _note_type(design: ProgramDesign, note_type: NoteType, timezone: str) -> Any:
    return {
        "title": titled(note_type),
        "description": note_type.description,
        "template": note_type.template,
    }


def _message(design: ProgramDesign, template: MessageTemplate, timezone: str) -> Any:
    filled = {
        **_FILLED,
        "program.name": design.name,
        "appointment.type": _first_appointment(design),
    }
    filled_in = [
        (
            piece
            if piece.problem or not piece.name
            else Piece(filled.get(piece.name, piece.name), piece.name)
        )
        for piece in pieces(template.body)
    ]
    return {
        "pieces": filled_in,
        "length": sum(len(piece.text) for piece in filled_in),
        "sms": sms_segments("".join(piece.text for piece in filled_in))
        if template.channel in ("any", "phone")
        else None,
        "channel": "Any conversation" if template.channel == "any" else CHANNELS[template.channel],
    }


def _first_appointment(design: ProgramDesign) -> str:
    return titled(design.appointment_types[0]) if design.appointment_types else "appointment"


def _role(design: ProgramDesign, role: Role, timezone: str) -> Any:
    in_force = roles(design).get(role.name, role)
    types = {data_type.name: titled(data_type) for data_type in design.custom_data_types}
    assessments = {assessment.id: assessment.name for assessment in design.assessments}
    notes = {note_type.name: titled(note_type) for note_type in design.note_types}
    return {
        "title": titled(role),
        "rooms": [_ROOMS.get(right, (label(right), "")) for right in in_force.may],
        "own": role.patients == "own",
        "hidden": (
            [types.get(name, name) for name in role.hidden_data]
            + [assessments.get(name, name) for name in role.hidden_assessments]
            + [notes.get(name, name) for name in role.hidden_notes]
        ),
        "second_factor": role.second_factor,
        "words": design.terminology,
    }


def _terminology(design: ProgramDesign, words: Any, timezone: str) -> Any:
    return {"words": words}


def _card(module: SidebarModule) -> str:
    """What a card may say; of a collection that a site has added, what it is about."""
    return _CARDS.get(module.shows) or next(
        resource.about for resource in RESOURCES if resource.card == module.shows
    )


def _sidebar(design: ProgramDesign, module: SidebarModule, timezone: str) -> Any:
    titles = {assessment.id: assessment.name for assessment in design.assessments} | {
        data_type.name: titled(data_type) for data_type in design.custom_data_types
    }
    cards = []
    for card in design.sidebar:
        about = " · ".join(filter(None, (titles.get(card.of, card.of), card.field)))
        text = f"{about}: {_card(card)}" if about else _card(card)
        cards.append(PreviewCard(card.title, text, card is module))
    return {"cards": cards}


def _process(design: ProgramDesign, process: Process, timezone: str) -> Any:
    return {
        "title": titled(process),
        "name": process.name,
        "lines": process_words.lines(process, titles_in(design)),
    }


def _working_hours(design: ProgramDesign, hours: WorkingHours, timezone: str) -> Any:
    waiting = [
        titled(process)
        for process in design.processes
        if process.wait is not None and process.wait.working_hours
    ]
    return {
        "week": [
            (day.capitalize(), f"{hours.start} to {hours.end}" if day in hours.days else "closed")
            for day in WEEKDAYS
        ],
        "closed": [_closed(day) for day in hours.closed],
        "waiting": waiting,
    }


def _closed(text: str) -> str:
    """A day as people write it; what is none yet as it was typed."""
    day = parsing.day(text)
    return in_figures(day) if day is not None else text


_VIEWS: Final[Mapping[str, Callable[[ProgramDesign, Any, str], Any]]] = {
    "phases": _phase,
    "appointment_types": _appointment_type,
    "custom_data_types": _custom_data_type,
    "care_flows": _care_flow,
    "task_types": _task_type,
    "message_templates": _message,
    "call_outcomes": _call_outcome,
    "note_types": _note_type,
    "processes": _process,
    "working_hours": _working_hours,
    "roles": _role,
    "terminology": _terminology,
    "sidebar": _sidebar,
}
