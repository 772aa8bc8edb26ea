"""The records of a patient in the program's own types: a table a type, and the form of one
record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.cursors import Cursor
from almoner.pages.forms.problems import by_name
from almoner.pages.visit import Form, Visit
from almoner.portal import editing
from almoner.portal.collections import forms
from almoner.portal.collections.forms import RefusedForm, RowForm
from almoner.portal.editing import EditConflict
from almoner.portal.measures.measure import choosing
from almoner.portal.patient import Patient
from almoner.portal.patient_routes import patient_route
from almoner.portal.records import queries
from almoner.portal.records.history import History, history
from almoner.portal.records.queries import PatientRecord
from almoner.portal.value_words import Zones, in_unit, is_numeric, kind_in_words, without_units
from almoner.portal.values import Speaking, in_words, speaking
from almoner.resources.custom_data_type_records import custom_data_type_records as records
from almoner.vocabulary.definitions import DataType
from almoner.vocabulary.fields import Field

_FOLDER: Final = "portal/records"
_FEW, _MOST = 10, 50


@dataclass(frozen=True)
class RecordRow:
    """A record as a row of its table: what it says in each column. ``left_over`` are values that
    the type has no field for any more, by their names.
    """

    record: PatientRecord
    cells: Sequence[str]
    left_over: Mapping[str, str]


@dataclass(frozen=True)
class RecordGroup:
    """The records of one type. ``columns`` are the fields, each with whether its values are
    numbers, which stand right. ``older`` leads on to what does not fit, blank where all is shown.
    """

    type: DataType
    columns: Sequence[tuple[Field, bool]]
    rows: Sequence[RecordRow]
    older: str


@dataclass(frozen=True)
class RecordsPage:
    """All types, or one where ``only`` names it by its title. ``choice`` is what the records are
    of, in words, where those of that alone are listed.
    """

    patient: Patient
    groups: Sequence[RecordGroup]
    only: str
    choice: str = ""


@dataclass(frozen=True, kw_only=True)
class RecordFormPage:
    """The form of a record; of a new one where ``record`` is None.

    ``left_over`` are values that the type has no field for any more, by their names: saving drops
    them. ``refused`` are sentences about no field, ``wrong`` counts those that are at one."""

    patient: Patient
    type: DataType
    record: PatientRecord | None
    form: RowForm | None
    left_over: Mapping[str, str]
    refused: Sequence[str]
    wrong: int
    history: History


async def show_all(visit: Visit, connection: Connection, patient: Patient) -> Response:
    only, before = visit.query("type"), Cursor.parse(visit.query("before"))
    types = [_type(visit, only)] if only else queries.types(visit)
    coded_by = choosing(types[0]) if only else None
    choice = visit.query("only") if coded_by else ""
    limit = _MOST if only else _FEW
    by_type = await queries.rows(
        visit,
        connection,
        patient_id=patient.id,
        names=[data_type.name for data_type in types],
        limit=limit + 1,
        before=before if only else None,
        only=(coded_by.name, choice) if coded_by and choice else ("", ""),
    )
    rows = [record.values for of_type in by_type.values() for record in of_type]
    words = await speaking(visit, connection, patient, queries.BESIDE, *rows)
    groups = [
        _group(
            data_type,
            by_type[data_type.name],
            limit,
            words,
            alone=bool(only),
            choice=choice,
        )
        for data_type in types
    ]
    in_choice = in_words(coded_by, choice, words) if coded_by and choice else ""
    page = RecordsPage(patient, groups, types[0].title if only else "", in_choice)
    return visit.page(f"{_FOLDER}/list.html", page)


async def show_new(visit: Visit, connection: Connection, patient: Patient) -> Response:
    data_type = _type(visit, visit.query("type"))
    if data_type.single:
        names = [data_type.name]
        there = await queries.rows(visit, connection, patient.id, names=names, limit=1)
        if there[data_type.name]:
            return visit.go(f"/patients/{patient.id}/records/{there[data_type.name][0].id}")
    return await _form(visit, connection, patient, data_type)


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    record = await _record(visit, connection, patient)
    data_type = _type(visit, record.values["type_name"])
    return await _form(visit, connection, patient, data_type, record)


async def save(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Saves a record, or a new one, or shows both values where somebody else has changed one."""
    form = await visit.form()
    is_new = "record" not in visit.request.path_params
    record = None if is_new else await _record(visit, connection, patient)
    data_type = _type(visit, record.values["type_name"] if record else form.text("type"))
    fields = queries.settable_fields(data_type, is_new)
    values = forms.submitted(visit, fields, form)
    try:
        if record is None:
            about = {"user_id": patient.id, "type_name": data_type.name}
            row = editing.put_together({"body": {}}, values) | about
            await visit.parts.store.within(connection).create(visit.actor, records, row)
        else:
            dropped = dict.fromkeys(record.left_over(data_type))
            result = await editing.update(
                visit, records, record.id, values | dropped, form, within=connection
            )
            if isinstance(result, EditConflict):
                return await _conflict(
                    visit, connection, patient, fields, conflict=result, form=form
                )
    except ApiError as error:
        if error.status != 400:
            raise
        errors, sentences = by_name(error.problems, [field.name for field in fields], "")
        form_id = record.id if record else "new"
        refused = RefusedForm(form_id, values, errors, editing.sent_again(form))
        return await _form(
            visit, connection, patient, data_type, record, refused=refused, sentences=sentences
        )
    return visit.go(f"/patients/{patient.id}/records{_of_type(data_type)}")


async def _conflict(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    fields: Sequence[Field],
    conflict: EditConflict,
    form: Form,
) -> Response:
    by_path = {field.name: field for field in fields}
    sides = [{c.path: side} for c in conflict.conflicts for side in (c.base, c.mine, c.theirs)]
    words = await speaking(visit, connection, patient, fields, *sides)

    def side_in_words(path: str, value: Any) -> str:
        return in_words(by_path[path], value, words) or "nothing"

    titles = {path: field.title for path, field in by_path.items()}
    return editing.conflict(visit, conflict, form, titles, side_in_words)


async def _record(visit: Visit, connection: Connection, patient: Patient) -> PatientRecord:
    """The record of the address. Raises a 404 ApiError where there is none, or where the role
    hides its type.
    """
    record = await queries.record_by_id(visit, connection, patient.id, visit.path("record"))
    if record is None:
        raise problem(
            "not_found", "This patient has no such record, or your role does not show it."
        )
    return record


def _type(visit: Visit, name: str) -> DataType:
    for data_type in queries.types(visit, [name]):
        return data_type
    raise problem(
        "not_found", "The program has no such type of record, or your role does not show it."
    )


async def _form(
    visit: Visit,
    connection: Connection,
    patient: Patient,
    data_type: DataType,
    record: PatientRecord | None = None,
    refused: RefusedForm | None = None,
    sentences: Sequence[str] = (),
) -> Response:
    """The form of a record, or of a new one: as it is, or as it was refused."""
    fields = queries.settable_fields(data_type, record is None)
    form = await forms.row_form(
        visit, connection, fields, record or "new", refused or RefusedForm()
    )
    page = RecordFormPage(
        patient=patient,
        type=data_type,
        record=record,
        form=form,
        left_over=_left_over(data_type, record, Zones(patient.timezone, visit.worker.timezone))
        if record
        else {},
        refused=sentences,
        wrong=sum(bool(control.error) for control in form.controls) if form else 0,
        history=await history(visit, connection, patient, data_type, record.id)
        if record
        else History(),
    )
    return visit.page(f"{_FOLDER}/form.html", page, 400 if refused else 200)


def _group(
    data_type: DataType,
    records: Sequence[PatientRecord],
    limit: int,
    words: Speaking,
    alone: bool,
    choice: str,
) -> RecordGroup:
    every = queries.column_fields(data_type)
    fields = without_units(every)
    rows = [
        RecordRow(
            record,
            [_cell(field, record, every, words) for field in fields],
            _left_over(data_type, record, words.zones),
        )
        for record in records[:limit]
    ]
    older = ""
    if len(records) > limit:
        last = rows[-1].record
        before = f"&before={Cursor(last.updated_at, UUID(last.id)).text()}" if alone else ""
        of_choice = f"&only={quote(choice, safe='')}" if choice else ""
        older = f"{_of_type(data_type)}{of_choice}{before}"
    columns = [(field, is_numeric(field.kind)) for field in fields]
    return RecordGroup(data_type, columns, rows, older)


def _cell(field: Field, record: PatientRecord, fields: Sequence[Field], speaking: Speaking) -> str:
    words = in_words(field, record.values.get(field.name), speaking)
    return in_unit(words, field, record.values, fields)


def _left_over(data_type: DataType, record: PatientRecord, zones: Zones) -> Mapping[str, str]:
    return {
        path.removeprefix("body."): kind_in_words(None, value, zones)
        for path, value in record.left_over(data_type).items()
    }


def _of_type(data_type: DataType) -> str:
    return f"?type={quote(data_type.name, safe='')}"


ROUTES = (
    patient_route("/records", show_all),
    patient_route("/records", save, "POST"),
    patient_route("/records/new", show_new),
    patient_route("/records/{record}", show),
    patient_route("/records/{record}", save, "POST"),
)
