"""The notes of a patient, and the sheet that one is written on: a draft until it is signed, and
never changed from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Final

from starlette.responses import Response

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_field
from almoner.pages.visit import Form, Visit
from almoner.portal import live, sheets
from almoner.portal.notes import queries
from almoner.portal.notes.mentions import mentions, suggested
from almoner.portal.notes.queries import OWN, Note, NoteThread
from almoner.portal.patient import Patient
from almoner.portal.patient_routes import patient_route
from almoner.portal.sheets import ListBeside
from almoner.portal.workers import Worker, to_choose
from almoner.resources.alerts import alerts
from almoner.resources.notes import notes
from almoner.vocabulary.names import full_name

_FOLDER: Final = "portal/notes"
_SHEET: Final = "note"
_TEMPLATE: Final = "template"
_PLAIN: Final = "note"


@dataclass(frozen=True, kw_only=True)
class NoteForm:
    """What was typed. ``adds_to`` is the id of the note that it adds to, blank for none; ``pin``:
    ``on`` where it is to stay in view. ``own`` is what is set of what a site has added."""

    note_type: str = ""
    text: str = ""
    adds_to: str = ""
    pin: str = ""
    own: Row = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NoteSheet:
    """The sheet. ``adds_to`` is the note that it adds to, None for none; ``errors`` by control;
    ``own`` are the controls of what a site has added; the rest is as on a ``CallSheet``."""

    patient: Patient
    entry: NoteForm
    types: Sequence[tuple[str, str]]
    adds_to: Note | None
    back: str
    beside: ListBeside | None = None
    opened: bool = False
    saved_at: datetime | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    own: Sequence[FieldView] = ()


@dataclass(frozen=True)
class NotesPage:
    patient: Patient
    threads: Sequence[NoteThread]


@dataclass(frozen=True)
class SuggestedNames:
    names: Sequence[str]


@dataclass(frozen=True)
class SignedNote:
    """What stands where the sheet was. ``names`` are those of who was mentioned."""

    patient: Patient
    title: str
    names: Sequence[str]
    beside: ListBeside | None


async def show_all(visit: Visit, connection: Connection, patient: Patient) -> Response:
    page = NotesPage(patient, await queries.threads(visit, connection, patient))
    return visit.show(f"{_FOLDER}/notes.html", f"{_FOLDER}/list.html", page)


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The sheet, with the draft that the visitor has left; of another note where one is to be
    added to.
    """
    adds_to = await _first_of(visit, connection, patient, visit.query("adds_to"))
    form, saved_at = await sheets.draft(visit, connection, patient.id, _draft_of(adds_to))
    entry = _parse(visit, form) if form else _fresh(visit)
    entry = replace(entry, adds_to=adds_to)
    sheet = await _sheet(visit, connection, patient, entry, visit.query)
    return await _answer(visit, connection, replace(sheet, opened=True, saved_at=saved_at))


async def send(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Keeps what was typed; closes the sheet, puts a template in or signs the note where that was
    asked for (``do``).
    """
    form = await visit.form()
    do, entry = form.text("do"), _parse(visit, form)
    entry = replace(entry, adds_to=await _first_of(visit, connection, patient, entry.adds_to))
    if do == sheets.SAVE:
        return await _save(visit, connection, patient, entry, form)
    if do == _TEMPLATE:
        entry = _with_template(visit, entry)
    is_blank = sheets.is_untyped(visit, entry.text) and entry.own == _blank_own(visit)
    name = _draft_of(entry.adds_to)
    await sheets.renew_draft(visit, connection, patient.id, name, form, is_blank=is_blank)
    if do == sheets.CLOSE:
        beside = sheets.list_beside(form.text)
        return sheets.closed(visit, patient, form.text("back"), beside)
    if not do and visit.is_fragment:
        return visit.unchanged()
    sheet = await _sheet(visit, connection, patient, entry, form.text)
    return await _answer(visit, connection, sheet)


async def suggest(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The colleagues whom ``@`` and what follows it may mean."""
    workers = await to_choose(connection, visit.environment_id)
    of = (workers, visit.program, patient, visit.query("note_type"))
    return visit.fragment(f"{_FOLDER}/names.html", SuggestedNames(suggested(visit.query("q"), *of)))


async def pin(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Keeps a note in view, or no longer."""
    form = await visit.form()
    note = await queries.by_id(visit, connection, patient, visit.path("note"))
    change: Row = {"pinned": form.truth("pin")}
    await visit.parts.store.within(connection).update(visit.actor, notes, note.id, change, None)
    return live.redraw(visit, f"/patients/{patient.id}/notes#{note.id}", "notes")


async def _save(
    visit: Visit, connection: Connection, patient: Patient, entry: NoteForm, form: Form
) -> Response:
    """Signs the note, and tells who is mentioned; all of it or nothing."""
    back = form.text("back")
    sheet = await _sheet(visit, connection, patient, entry, form.text)
    workers = await to_choose(connection, visit.environment_id)
    whom = mentions(entry.text, workers, visit.program, patient, entry.note_type)
    errors = {"text": " ".join(whom.refused)} if whom.refused else {}
    if not entry.text.strip():
        errors["text"] = "Write the note."
    if entry.note_type not in dict(sheet.types):
        errors["note_type"] = "Choose what sort of note it is."
    if sheet.adds_to and sheet.adds_to.error is not None:
        errors["text"] = "The note was entered in error: nothing is added to it any more."
    if errors:
        return await _answer(visit, connection, replace(sheet, errors=errors), 400)
    try:
        async with connection.transaction():
            await _sign(visit, connection, patient, entry)
            for worker in whom.workers:
                await _tell(visit, connection, patient, entry, worker)
            await sheets.drop(visit, connection, patient.id, _draft_of(entry.adds_to))
    except ApiError as error:
        return await _answer(visit, connection, replace(sheet, errors=by_field(error)), 400)
    if back or not visit.is_fragment:
        return sheets.closed(visit, patient, back)
    title = dict(sheet.types)[entry.note_type]
    names = [worker.name for worker in whom.workers]
    signed = SignedNote(patient, title, names, sheet.beside)
    headers = live.trigger("notes", "alerts")
    return visit.fragment(f"{_FOLDER}/signed.html", signed, headers=headers)


async def _sign(visit: Visit, connection: Connection, patient: Patient, entry: NoteForm) -> None:
    row = {
        "patient_id": patient.id,
        "worker_id": visit.worker.worker_id,
        "note_type": entry.note_type,
        "text": entry.text.strip(),
        "pinned": bool(entry.pin),
        "adds_to_note_id": entry.adds_to or None,
        **entry.own,
    }
    await visit.parts.store.within(connection).create(visit.actor, notes, row)


async def _tell(
    visit: Visit, connection: Connection, patient: Patient, entry: NoteForm, worker: Worker
) -> None:
    """A row in the inbox of who is mentioned. What the note says stands in the note alone."""
    me = full_name(visit.worker.first_name, visit.worker.last_name)
    title = visit.program.title("note_types", entry.note_type)
    row = {
        "patient_id": patient.id,
        "worker_id": visit.worker.worker_id,
        "for_worker_id": worker.id,
        "alert_type": "mention",
        "text": f"{me} mentions you in a note: {title}",
    }
    await visit.parts.store.within(connection).create(visit.actor, alerts, row)


def _draft_of(adds_to: str) -> str:
    """What the draft of a note is called, and of what is added to one: each has its own."""
    return f"{_SHEET}:{adds_to}" if adds_to else _SHEET


async def _first_of(visit: Visit, connection: Connection, patient: Patient, note_id: str) -> str:
    """The id of the note that is added to: where one that adds to another is asked for, of the
    first. Blank where none is. Raises a 404 ApiError.
    """
    passed: set[str] = set()
    while note_id and note_id not in passed:
        passed.add(note_id)
        note = await queries.by_id(visit, connection, patient, note_id)
        if not note.adds_to:
            return note.id
        note_id = note.adds_to
    return note_id


def _parse(visit: Visit, form: Form) -> NoteForm:
    texts: Row = {f.name: form.text(f.name) for f in fields(NoteForm) if f.name in form}
    return replace(NoteForm(**texts), own=OWN.read(visit, form, new=True))


def _blank_own(visit: Visit) -> Row:
    return OWN.read(visit, Form(()), new=True)


def _fresh(visit: Visit) -> NoteForm:
    """The sheet before anybody typed: of the first type, with what that begins with."""
    return _with_template(visit, NoteForm(note_type=_types(visit)[0][0], own=_blank_own(visit)))


def _types(visit: Visit) -> Sequence[tuple[str, str]]:
    """The types to choose from; a plain note where the program has none."""
    program, hidden = visit.program, visit.rights.hidden_notes
    names = [name for name in program.note_types if name not in hidden] or [_PLAIN]
    return [(name, program.title("note_types", name).capitalize()) for name in names]


def _with_template(visit: Visit, entry: NoteForm) -> NoteForm:
    return replace(entry, text=sheets.with_template(visit, entry.text, entry.note_type))


async def _sheet(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    entry: NoteForm,
    text: Callable[[str], str],
) -> NoteSheet:
    adds_to = (
        await queries.by_id(visit, connection, patient, entry.adds_to) if entry.adds_to else None
    )
    return NoteSheet(
        patient=patient,
        entry=entry,
        types=_types(visit),
        adds_to=adds_to,
        back=sheets.leads_to(visit, patient, text),
        beside=sheets.list_beside(text),
    )


async def _answer(
    visit: Visit, connection: Connection, sheet: NoteSheet, status: int = 200
) -> Response:
    own = await OWN.controls(
        visit, connection, sheet.entry.own, sheet.errors, new=True, at="note-own-"
    )
    drawn = replace(sheet, own=own)
    return visit.show(f"{_FOLDER}/note.html", f"{_FOLDER}/sheet.html", drawn, status)


ROUTES = (
    patient_route("/notes", show_all),
    patient_route("/notes/{note}/pin", pin, "POST"),
    patient_route("/note", show),
    patient_route("/note/names", suggest, background=True),
    patient_route("/note", send, "POST"),
)
