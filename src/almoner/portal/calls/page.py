"""The call sheet: what is known before a call, and what is written down of it with what comes
next, all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages import parsing
from almoner.pages.filters import zone_in_words
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_field
from almoner.pages.visit import Form, Visit
from almoner.portal import live, sheets
from almoner.portal.calendar.rules import BookingReason, Override
from almoner.portal.calls import call_form, next_step, queries, services
from almoner.portal.calls.call_form import NOT_PLANNED, OWN, CallForm
from almoner.portal.calls.next_step import STEPS, NextStep
from almoner.portal.calls.queries import CallableNumber, PlannedCall
from almoner.portal.patient import Patient
from almoner.portal.patient_routes import patient_route
from almoner.portal.sheets import ListBeside
from almoner.resources.calls import calls
from almoner.workshop import published_programs

_FOLDER: Final = "portal/calls"
_SHEET: Final = "call"
_TEMPLATE: Final = "template"
# An appointment of which somebody has said something else since the sheet was drawn.
_MEANWHILE: Final = (
    "Its appointment has been given another outcome meanwhile: {}. Saved again, the call stands"
    " beside it as one that was not planned."
)
# What may have changed on the page beneath, once a call is saved.
_CHANGED: Final = ("calls", "calendar_events", "worker_tasks", "care_flows")
Options = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class CallChoices:
    """What there is to choose from on the sheet."""

    numbers: Sequence[CallableNumber]
    outcomes: Options
    note_types: Options
    planned: Sequence[PlannedCall]
    steps: Options
    appointment_types: Options
    assessments: Options
    care_flows: Options


@dataclass(frozen=True, kw_only=True)
class CallSheet:
    """The sheet. ``errors`` by control; ``twice`` and ``next_twice`` are the moments that a time
    may mean. ``opened``: it was just asked for, and takes the focus. ``saved_at`` is when the draft
    was last written, None where there is none; ``back`` is where to go on after it, blank for back
    to the page that it stands on; ``own`` are the controls of what a site has added."""

    patient: Patient
    entry: CallForm
    choices: CallChoices
    zone: str
    back: str
    beside: ListBeside | None = None
    opened: bool = False
    saved_at: datetime | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    twice: Options = ()
    next_twice: Options = ()
    reasons: Sequence[BookingReason] = ()
    own: Sequence[FieldView] = ()


@dataclass(frozen=True)
class SavedCall:
    """What stands where the sheet was, once the call is written. ``completes``: its appointment is
    completed with it.
    """

    patient: Patient
    outcome: str
    completes: bool
    beside: ListBeside | None


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The sheet with the draft that the visitor has left; beside the timeline where that asks."""
    choices = await _choices(visit, connection, patient)
    form, saved_at = await sheets.draft(visit, connection, patient.id, _SHEET)
    entry = call_form.parse(visit, form) if form else _fresh(visit, choices)
    sheet = replace(_sheet(visit, patient, choices, entry), opened=True, saved_at=saved_at)
    return await _answer(visit, connection, sheet)


async def send(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Keeps what was typed; closes the sheet, puts a template in or writes the call where that was
    asked for (``do``).
    """
    form = await visit.form()
    do, entry = form.text("do"), call_form.parse(visit, form)
    choices = await _choices(visit, connection, patient)
    if do == sheets.SAVE:
        return await _save(visit, connection, patient, form, choices)
    if do == _TEMPLATE:
        entry = replace(entry, note=sheets.with_template(visit, entry.note, entry.note_type))
    is_blank = entry == _fresh(visit, choices)
    await sheets.renew_draft(visit, connection, patient.id, _SHEET, form, is_blank=is_blank)
    if do == sheets.CLOSE:
        beside = sheets.list_beside(form.text)
        return sheets.closed(visit, patient, form.text("back"), beside)
    if not do and visit.is_fragment:
        return visit.unchanged()
    return await _answer(visit, connection, _sheet(visit, patient, choices, entry, form))


async def _save(
    visit: Visit, connection: Connection, patient: Patient, form: Form, choices: CallChoices
) -> Response:
    """Writes the call, the end of its appointment and what comes next; or says what is wrong."""
    entry = call_form.parse(visit, form)
    if entry.number not in {number.number for number in choices.numbers}:
        entry = replace(entry, number="")
    try:
        async with connection.transaction():
            step = await _write_all(visit, connection, patient, entry, Override.of(form))
    except _RefusedCall as refused:
        zone = visit.worker.timezone
        if "appointment" in refused.errors:
            entry = replace(entry, appointment=NOT_PLANNED)
        sheet = replace(
            _sheet(visit, patient, choices, entry, form),
            errors=refused.errors,
            reasons=refused.step.reasons,
            twice=_pairs(refused.twice, zone),
            next_twice=_pairs(refused.step.twice, zone),
        )
        return await _answer(visit, connection, sheet, 400)
    back = form.text("back")
    if step.path:
        return visit.go(step.path)
    if back or not visit.is_fragment:
        return sheets.closed(visit, patient, back)
    outcome = visit.program.title("call_outcomes", entry.outcome)
    beside = sheets.list_beside(form.text)
    done = SavedCall(patient, outcome, _completes(visit, entry), beside)
    return visit.fragment(f"{_FOLDER}/saved.html", done, headers=live.trigger(*_CHANGED))


class _RefusedCall(Exception):  # noqa: N818  # what it says is for people, who did nothing wrong
    """What is wrong with a call, by control, so that nothing of it is written."""

    def __init__(
        self, errors: Mapping[str, str], twice: Sequence[datetime], step: NextStep
    ) -> None:
        super().__init__()
        self.errors, self.twice, self.step = errors, twice, step


async def _write_all(
    visit: Visit, connection: Connection, patient: Patient, entry: CallForm, override: Override
) -> NextStep:
    """Writes everything that the sheet says. ``connection`` is in a transaction, which
    ``_RefusedCall`` undoes.
    """
    if entry.appointment not in ("", NOT_PLANNED):
        outcome = await services.outcome_of(visit, connection, patient.id, entry.appointment)
        if outcome not in (None, services.COMPLETED):
            settled = {"": _MEANWHILE.format(outcome), "appointment": outcome}
            raise _RefusedCall(settled, (), NextStep())
    start, when = call_form.began(entry, visit.worker.timezone, datetime.now(UTC))
    errors = call_form.errors(entry, visit.program) | when
    step = await next_step.write(visit, connection, patient, entry, override)
    errors |= step.errors
    if errors or start.moment is None:
        raise _RefusedCall(errors, start.twice, step)
    try:
        await _write(
            visit,
            connection,
            entry,
            call_form.call_row(entry, patient.id, visit.worker.worker_id, start.moment),
        )
    except ApiError as error:
        raise _RefusedCall(by_field(error), (), step) from error
    await sheets.drop(visit, connection, patient.id, _SHEET)
    return step


async def _write(visit: Visit, connection: Connection, entry: CallForm, row: Row) -> None:
    """Writes the call, and that its appointment has taken place."""
    store = visit.parts.store.within(connection)
    await store.create(visit.actor, calls, row)
    if _completes(visit, entry):
        event_id = row["calendar_event_id"]
        await services.complete(visit, connection, row["patient_id"], event_id)


def _completes(visit: Visit, entry: CallForm) -> bool:
    planned = entry.appointment not in ("", NOT_PLANNED)
    return planned and entry.outcome in visit.program.completing_outcomes


def _fresh(visit: Visit, choices: CallChoices) -> CallForm:
    """The sheet before anybody typed: to the number that may be called, for the call about now."""
    near = next((call.id for call in choices.planned if call.is_near), NOT_PLANNED)
    number = choices.numbers[0].number if choices.numbers else ""
    own = OWN.read(visit, Form(()), new=True)
    return CallForm(number=number, appointment=near if choices.planned else "", own=own)


def _sheet(
    visit: Visit,
    patient: Patient,
    choices: CallChoices,
    entry: CallForm,
    form: Form | None = None,
) -> CallSheet:
    text = form.text if form else visit.query
    return CallSheet(
        patient=patient,
        entry=entry,
        choices=choices,
        zone=zone_in_words(visit.worker.timezone),
        back=sheets.leads_to(visit, patient, text),
        beside=sheets.list_beside(text),
    )


async def _answer(
    visit: Visit, connection: Connection, sheet: CallSheet, status: int = 200
) -> Response:
    own = await OWN.controls(
        visit, connection, sheet.entry.own, sheet.errors, new=True, at="call-own-"
    )
    drawn = replace(sheet, own=own)
    return visit.show(f"{_FOLDER}/call.html", f"{_FOLDER}/sheet.html", drawn, status)


def _pairs(twice: Sequence[datetime], zone: str) -> Options:
    return [(str(n), words) for n, (_, words) in enumerate(parsing.choices(twice, zone))]


async def _choices(visit: Visit, connection: Connection, patient: Patient) -> CallChoices:
    program = visit.program
    outline = await published_programs.outline_at(connection, visit.environment_id, program.version)
    specs = program.newest_specs
    return CallChoices(
        numbers=await queries.numbers(connection, visit.environment_id, patient.id),
        outcomes=_of(visit, "call_outcomes", "What came of it?"),
        note_types=_of(visit, "note_types", "Without a template", visit.rights.hidden_notes),
        planned=await queries.planned(visit, connection, patient, datetime.now(UTC)),
        steps=sheets.labelled(STEPS, "Nothing"),
        appointment_types=_of(visit, "appointment_types", "Which sort?"),
        assessments=sheets.labelled(
            (
                (spec_id, specs[spec_id].name)
                for spec_id in specs
                if spec_id not in visit.rights.hidden_assessments
            ),
            "Which one?",
        ),
        care_flows=sheets.labelled(
            ((flow.name, flow.name) for flow in (outline.care_flows if outline else ())),
            "Which one?",
        ),
    )


def _of(visit: Visit, group: str, blank: str, hidden: Collection[str] = ()) -> Options:
    names = [name for name in visit.program.names(group) if name not in hidden]
    return sheets.labelled(((name, visit.program.title(group, name)) for name in names), blank)


ROUTES = (
    patient_route("/call", show),
    patient_route("/call", send, "POST"),
)
