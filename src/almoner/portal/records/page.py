"""The records of a patient in the program's own types: a table a type, and the form of one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import msgspec
from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.cursors import Cursor
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_name
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal import editing, patient_access
from almoner.portal.editing import EditConflict
from almoner.portal.patient import Patient
from almoner.portal.records import queries, record_form
from almoner.portal.records.history import History, history
from almoner.portal.records.queries import PatientRecord, Type
from almoner.portal.records.values import FieldValue, Zones, beyond, field_values, in_words
from almoner.resources.custom_data_type_records import custom_data_type_records
from almoner.vocabulary.kinds import Guid
from almoner.workshop.forms import fields_view

_FOLDER: Final = "portal/records"
_FEW, _MOST = 10, 50


@dataclass(frozen=True)
class RecordRow:
    """A record as a row of its table; ``others`` are values that the type has no field for any more."""

    record: PatientRecord
    values: tuple[FieldValue, ...]
    others: tuple[FieldValue, ...]


@dataclass(frozen=True)
class RecordGroup:
    """The records of one type. ``older`` leads on to what does not fit, blank where all is shown."""

    type: Type
    rows: tuple[RecordRow, ...]
    older: str


@dataclass(frozen=True)
class RecordsPage:
    """All types, or one where ``only`` names it by its title."""

    patient: Patient
    groups: list[RecordGroup]
    only: str


@dataclass(frozen=True, kw_only=True)
class RecordFormPage:
    """The form of a record; of a new one where ``record`` is None.

    ``left_over`` are values that the type has no field for any more: saving drops them. ``refused`` are sentences about no field.
    """

    patient: Patient
    type: Type
    record: PatientRecord | None
    fields: tuple[FieldView, ...]
    kept: tuple[tuple[str, str], ...]
    left_over: tuple[FieldValue, ...]
    refused: tuple[str, ...]
    wrong: int
    history: History


@dataclass(frozen=True)
class RecordDetail:
    """What the address of a record names."""

    patient: Patient
    type: Type
    record: PatientRecord
    history: History


async def show_all(visit: Visit) -> Response:
    only, before = visit.query("type"), Cursor.parse(visit.query("before"))
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        types = await queries.types(visit, connection, [only] if only else None)
        if only and not types:
            raise _no_type()
        limit = _MOST if only else _FEW
        found = await queries.rows(
            visit,
            connection,
            patient_id=patient.id,
            names=[one.name for one in types],
            limit=limit + 1,
            before=before if only else None,
        )
    zones = Zones(patient.timezone, visit.worker.timezone)
    groups = [_group(one, found[one.name], limit, zones, bool(only)) for one in types]
    return visit.page(f"{_FOLDER}/list.html", RecordsPage(patient, groups, types[0].title if only else ""))


async def show_new(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        data_type = await _type(visit, connection, visit.query("type"))
        if data_type.single:
            there = (await queries.rows(visit, connection, patient.id, [data_type.name], 1))[data_type.name]
            if there:
                return visit.go(f"/patients/{patient.id}/records/{there[0].id}")
    return _form(visit, patient, data_type=data_type, found=None, body={}, kept=())


async def create(visit: Visit) -> Response:
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        data_type = await _type(visit, connection, form.text("type"))
    body = record_form.body(data_type.design.fields, form, {}, visit.worker.timezone)
    row = {"user_id": patient.id, "type_name": data_type.name, "body": body}
    try:
        await visit.parts.store.create(visit.actor, custom_data_type_records, row)
    except ApiError as error:
        return _form(visit, patient, data_type=data_type, found=None, body=body, kept=(), error=error)
    return visit.go(_back(patient, data_type))


async def show(visit: Visit) -> Response:
    found = await _found(visit)
    record = found.record
    return _form(
        visit,
        found.patient,
        data_type=found.type,
        found=found,
        body=record.body,
        kept=editing.hidden_fields(record.updated_at, {"body": record.body}),
    )


async def change(visit: Visit) -> Response:
    form = await visit.form()
    found = await _found(visit)
    patient, data_type, record = found.patient, found.type, found.record
    was = _was(form)
    body = record_form.body(data_type.design.fields, form, was, visit.worker.timezone)
    try:
        result = await editing.update(visit, custom_data_type_records, record.id, {"body": body}, form)
    except ApiError as error:
        made_from = tuple((name, form.text(name)) for name in ("updated_at", "was.body"))
        return _form(visit, patient, data_type=data_type, found=found, body=body, kept=made_from, error=error)
    if isinstance(result, EditConflict):
        zones = Zones(patient.timezone, visit.worker.timezone)
        by_path = {f"body.{one.name}": one for one in data_type.design.fields}
        titles = {path: one.label or one.name for path, one in by_path.items()}

        def words(path: str, value: Any) -> str:
            return in_words(by_path.get(path), value, zones) or "nothing"

        return editing.conflict(visit, result, form, titles, words)
    return visit.go(_back(patient, data_type))


async def _found(visit: Visit) -> RecordDetail:
    """What the address names. Raises a 404 ApiError where there is none, or where the role hides its type."""
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        row_id = Guid().decode(visit.path("record"), "", [])
        record = await queries.record_by_id(visit, connection, patient.id, row_id) if row_id else None
        if record is None:
            raise problem("not_found", "This patient has no such record, or your role does not show it.")
        data_type = await _type(visit, connection, record.type_name)
        return RecordDetail(patient, data_type, record, await history(visit, connection, patient, data_type, record))


async def _type(visit: Visit, connection: Connection, name: str) -> Type:
    found = await queries.types(visit, connection, [name])
    if not found:
        raise _no_type()
    return found[0]


def _no_type() -> ApiError:
    return problem("not_found", "The program has no such type of record, or your role does not show it.")


def _form(
    visit: Visit,
    patient: Patient,
    data_type: Type,
    found: RecordDetail | None,
    body: Mapping[str, Any],
    kept: tuple[tuple[str, str], ...],
    error: ApiError | None = None,
) -> Response:
    """The form with these values; with what is wrong at each field where it was refused. Raises what is about no form."""
    if error is not None and error.status != 400:
        raise error
    fields = data_type.design.fields
    errors, refused = by_name(error.problems if error else (), [one.name for one in fields], ".body")
    views = fields_view(fields, body, errors, record_form.PREFIX, visit.worker.timezone)
    zones = Zones(patient.timezone, visit.worker.timezone)
    left_over = beyond(fields, found.record.body, zones) if found else ()
    record, told = (found.record, found.history) if found else (None, History())
    page = RecordFormPage(
        patient=patient,
        type=data_type,
        record=record,
        fields=views,
        kept=kept,
        left_over=left_over,
        refused=tuple(refused),
        wrong=len(errors),
        history=told,
    )
    return visit.page(f"{_FOLDER}/form.html", page, 400 if error else 200)


def _group(data_type: Type, found: Sequence[PatientRecord], limit: int, zones: Zones, alone: bool) -> RecordGroup:
    fields = data_type.design.fields
    rows = tuple(RecordRow(one, field_values(fields, one.body, zones), beyond(fields, one.body, zones)) for one in found[:limit])
    older = ""
    if len(found) > limit:
        older = f"?type={quote(data_type.name, safe='')}"
        if alone:
            last = rows[-1].record
            older += f"&before={Cursor(last.updated_at, UUID(last.id)).text()}"
    return RecordGroup(data_type, rows, older)


def _back(patient: Patient, data_type: Type) -> str:
    return f"/patients/{patient.id}/records?type={quote(data_type.name, safe='')}"


def _was(form: Form) -> Mapping[str, Any]:
    """What the form was made from, as it says; nothing where it says nothing that can be read."""
    try:
        was = msgspec.json.decode(form.text("was.body") or "{}")
    except msgspec.DecodeError:
        raise problem("bad_request", "This form is not whole. Load the page again.") from None
    return was if isinstance(was, dict) else {}


ROUTES = (
    PageRoute("/patients/{id}/records", show_all, may="give_care"),
    PageRoute("/patients/{id}/records", create, methods=("POST",), may="give_care"),
    PageRoute("/patients/{id}/records/new", show_new, may="give_care"),
    PageRoute("/patients/{id}/records/{record}", show, may="give_care"),
    PageRoute("/patients/{id}/records/{record}", change, methods=("POST",), may="give_care"),
)
