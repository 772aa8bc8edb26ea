"""A patient's rows of a collection: shown, added, changed and removed, by what its declaration says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.responses import Response

from almoner.data_api.declare import Resource, Row, Verb
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_field
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal import editing, live, patient_access
from almoner.portal.collections.queries import MOST, ShownRow, owned, rows
from almoner.portal.editing import EditConflict
from almoner.portal.inputs import inputs, to_choose, typed_in
from almoner.portal.patient import Patient
from almoner.resources import RESOURCES
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Guid

NEW = "new"


@dataclass(frozen=True)
class RefusedForm:
    """The form that could not be saved: that of a row, or of a NEW one, with what was typed and what is wrong with it by field."""

    row_id: str = ""
    typed: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    made_from: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RowForm:
    """A form: its controls, what is wrong with none of them in particular, and the hidden fields that say what it was made from."""

    row_id: str
    controls: Sequence[FieldView]
    error: str
    made_from: tuple[tuple[str, str], ...]
    is_open: bool


@dataclass(frozen=True, kw_only=True)
class CollectionPage:
    """The rows, each with its form (None where it cannot be changed), and the form of a new one. ``since`` is where the log was."""

    patient: Patient
    resource: Resource
    rows: Sequence[tuple[ShownRow, RowForm | None]]
    new: RowForm | None
    can_remove: bool
    since: str
    most: int = MOST


async def show(resource: Resource, visit: Visit) -> Response:
    return await _page(resource, visit)


async def add(resource: Resource, visit: Visit) -> Response:
    form, patient = await visit.form(), await _patient(visit)
    typed = _typed(resource, visit, form, new=True)
    given = {name: value for name, value in typed.items() if value is not None} | {resource.patient or "": patient.id}
    try:
        await visit.parts.store.create(visit.actor, resource, given)
    except ApiError as error:
        return await _page(resource, visit, RefusedForm(NEW, typed, by_field(error)))
    return visit.go(f"/patients/{patient.id}/{resource.slug}")


async def save(resource: Resource, visit: Visit) -> Response:
    """Saves what was changed of a row, or shows both values where somebody else has changed one."""
    form, (patient, row_id) = await visit.form(), await _row_of(resource, visit)
    typed = _typed(resource, visit, form, new=False)
    try:
        result = await editing.update(visit, resource, row_id, typed, form)
    except ApiError as error:
        return await _page(resource, visit, RefusedForm(row_id, typed, by_field(error), editing.sent_again(form)))
    if isinstance(result, EditConflict):
        return editing.conflict(visit, result, form, {one.name: one.title for one in resource.fields})
    return visit.go(f"/patients/{patient.id}/{resource.slug}#{row_id}")


async def remove(resource: Resource, visit: Visit) -> Response:
    """Removes a row for good."""
    patient, row_id = await _row_of(resource, visit)
    await visit.parts.store.delete(visit.actor, resource, row_id, None)
    return visit.go(f"/patients/{patient.id}/{resource.slug}")


def _typed(resource: Resource, visit: Visit, form: Form, new: bool) -> Row:
    controls = inputs(typed_in(resource, new=new), visit)
    return {one.name: one.value(form) for one in controls if one.is_ticked or one.name in form}


async def _patient(visit: Visit) -> Patient:
    async with visit.parts.database.connection() as connection:
        return await patient_access.patient(visit, connection, visit.path("id"))


async def _row_of(resource: Resource, visit: Visit) -> tuple[Patient, str]:
    """The patient and the row of the address. Raises a 404 ApiError where it is none of this patient's."""
    row_id: str | None = Guid().decode(visit.path("row"), "", [])
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        if not row_id or not await owned(connection, visit.environment_id, resource, patient.id, row_id):
            raise problem("not_found", f"This patient has no such {resource.thing} any more. Load the page again.")
    return patient, row_id


async def _page(resource: Resource, visit: Visit, refused: RefusedForm | None = None) -> Response:
    async with visit.parts.database.connection() as connection:
        since = await live.since(connection)
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        found = await rows(visit, connection, resource, patient)
        failed = refused or RefusedForm()
        new, changed = typed_in(resource, new=True), _changed(resource)
        page = CollectionPage(
            patient=patient,
            resource=resource,
            rows=[(one, await _form(visit, connection, changed, one, failed)) for one in found],
            new=await _form(visit, connection, new, None, failed) if Verb.CREATE in resource.verbs else None,
            can_remove=Verb.DELETE in resource.verbs,
            since=since,
        )
    return visit.page("portal/collections/list.html", page, 400 if refused else 200)


async def _form(
    visit: Visit, connection: Connection, fields: Sequence[Field], one: ShownRow | None, refused: RefusedForm
) -> RowForm | None:
    """The form of a row, or of a new one; None where none of its fields can be set."""
    row_id, stored = (one.id, one.row) if one else (NEW, {})
    controls = inputs(fields, visit, await to_choose(visit, connection, fields, stored))
    if not controls:
        return None
    is_refused = refused.row_id == row_id
    values, errors = (refused.typed, refused.errors) if is_refused else (stored, {})
    at = f"{row_id}-"
    made_from = editing.hidden_fields(one.updated_at, {field.name: stored.get(field.name) for field in fields}) if one else ()
    return RowForm(
        row_id,
        [control.view(values.get(control.name), errors.get(control.name, ""), at) for control in controls],
        errors.get("", ""),
        refused.made_from if is_refused else made_from,
        is_refused,
    )


def _changed(resource: Resource) -> Sequence[Field]:
    return typed_in(resource) if Verb.UPDATE in resource.verbs else ()


def _routes(resource: Resource) -> Iterator[PageRoute]:
    here = f"/patients/{{id}}/{resource.slug}"
    yield _route(here, show, resource, "GET")
    if Verb.CREATE in resource.verbs:
        yield _route(here, add, resource, "POST")
    if _changed(resource):
        yield _route(f"{here}/{{row}}", save, resource, "POST")
    if Verb.DELETE in resource.verbs:
        yield _route(f"{here}/{{row}}/remove", remove, resource, "POST")


def _route(path: str, answer: Callable[[Resource, Visit], Awaitable[Response]], resource: Resource, method: str) -> PageRoute:
    return PageRoute(path, partial(answer, resource), may="give_care", methods=(method,), shows=resource.name)


ROUTES = tuple(route for resource in RESOURCES if resource.slug for route in _routes(resource))
