"""The forms of a collection's rows on a patient's page: their controls, what was sent, and what is
wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from almoner.data_api.declare import Resource, Row, Verb
from almoner.database import Connection
from almoner.pages.filters import birthday_error
from almoner.pages.forms.controls import FieldView
from almoner.pages.parsing import day
from almoner.pages.visit import Form, Visit
from almoner.portal import editing
from almoner.portal.collections.queries import StoredRow
from almoner.portal.inputs import form_fields, inputs, to_choose
from almoner.portal.patient import Patient
from almoner.vocabulary import clocks
from almoner.vocabulary.choices import ProgramName
from almoner.vocabulary.fields import Field
from almoner.vocabulary.times import Birthday


@dataclass(frozen=True)
class RefusedForm:
    """The form that could not be saved, by its id: what was typed, what is wrong with it by field,
    and what it was made from.
    """

    id: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    base_fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RowForm:
    """A form: its controls, what is wrong with none of them in particular, and the hidden fields
    that say what it was made from.

    ``first_wrong`` names the first control with something wrong in it, empty where there is none.
    """

    id: str
    controls: Sequence[FieldView]
    error: str
    base_fields: tuple[tuple[str, str], ...]
    is_open: bool

    @property
    def first_wrong(self) -> str:
        return next((control.name for control in self.controls if control.error), "")


def new_id(resource: Resource) -> str:
    """The id of the form of a new row."""
    return f"{resource.presented.slug}-new" if resource.presented.slug else "new"


def new_fields(resource: Resource) -> Sequence[Field]:
    """What can be set on a new row; nothing of a patient, whose creation has a page of its own."""
    return (
        _fields(resource, new=True)
        if Verb.CREATE in resource.verbs and resource.patient != "id"
        else ()
    )


def changed_fields(resource: Resource) -> Sequence[Field]:
    """What can be set on a row that is there."""
    return _fields(resource, new=False) if Verb.UPDATE in resource.verbs else ()


async def row_form(
    visit: Visit,
    connection: Connection,
    fields: Sequence[Field],
    row: StoredRow | str,
    refused: RefusedForm,
) -> RowForm | None:
    """The form of a row, or of the new one of this id, as it is or as it was refused; None where
    none of its fields can be set.
    """
    form_id, stored = (row, {}) if isinstance(row, str) else (row.id, row.values)
    controls = inputs(fields, visit, await to_choose(visit, connection, fields, stored))
    if not controls:
        return None
    drawn = {field.name: stored.get(field.name) for field in fields}
    base_fields = () if isinstance(row, str) else editing.hidden_fields(row.updated_at, drawn)
    is_refused = refused.id == form_id
    values, errors = (refused.values, refused.errors) if is_refused else (stored, {})
    return RowForm(
        id=form_id,
        controls=[
            control.view(values.get(control.name), errors.get(control.name, ""), f"{form_id}-")
            for control in controls
        ],
        error=errors.get("", ""),
        base_fields=refused.base_fields if is_refused else base_fields,
        is_open=is_refused,
    )


def submitted(visit: Visit, fields: Sequence[Field], form: Form) -> Row:
    """What was typed, by field: blank is None. A field that the form does not have is left out."""
    return {
        control.name: control.value(form)
        for control in inputs(fields, visit)
        if control.is_sent_in(form)
    }


def dismissed(resource: Resource, form: Form) -> Row:
    """What a form says that puts a row away or brings it back; nothing where it is another form."""
    name = resource.presented.dismissal
    return {name: form.text(name) == "yes"} if name and name in form else {}


def wrong(visit: Visit, patient: Patient, fields: Sequence[Field], values: Row) -> dict[str, str]:
    """What people may not type though programs may send it, by field: what a list does not offer, a
    birthday still to come.
    """
    errors = {}
    for control in inputs(fields, visit):
        value = values.get(control.name)
        if (
            type(control.field.kind) is ProgramName
            and value is not None
            and value not in dict(control.options)
        ):
            errors[control.name] = "Choose one of these."
        elif isinstance(control.field.kind, Birthday) and (
            error := birthday_error(day(value or ""), clocks.today(patient.timezone))
        ):
            errors[control.name] = error
    return errors


def _fields(resource: Resource, new: bool) -> Sequence[Field]:
    sections = resource.presented.sections or ("",)
    fields = (field for section in sections for field in form_fields(resource, section, new))
    return [field for field in fields if field.name != resource.presented.dismissal]
