"""A patient's page of one or several collections: rows are shown, added, changed, put away and
removed, and consents recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from almoner.data_api.declare import Resource, Row, Verb
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages import parsing
from almoner.pages.forms.problems import by_field
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal import editing, live
from almoner.portal.collections import consents, forms
from almoner.portal.collections.consents import (
    WAYS,
    Records,
    needed_for,
)
from almoner.portal.collections.forms import RefusedForm
from almoner.portal.collections.queries import MOST, CollectionRow, owned, rows
from almoner.portal.collections.shared_pages import PAGES, address, page_address, title
from almoner.portal.collections.view import (
    AnswerDone,
    CollectionSection,
    ConsentTable,
    EditedRow,
    RowConsent,
    answer_done,
    consent_table,
)
from almoner.portal.consent_answers import answers
from almoner.portal.editing import EditConflict, SavedRow
from almoner.portal.patient import Patient
from almoner.portal.patient_routes import patient_route
from almoner.resources._consents import consents_of
from almoner.vocabulary import clocks
from almoner.vocabulary.consent_words import Answer

_TOO_LATE: Final = (
    "This cannot be taken back any more: somebody has answered since, or an hour is over. Answer it"
    " anew below."
)


@dataclass(frozen=True, kw_only=True)
class CollectionPage:
    """The page. ``details`` is the patient's own row, None where that is edited elsewhere.

    ``today`` is the day at the visitor, ``done`` what they just answered, None of nothing;
    ``problem`` is why it could not be taken back."""

    patient: Patient
    title: str
    address: str
    sections: Sequence[CollectionSection]
    details: CollectionSection | None
    consents: ConsentTable
    today: date
    done: AnswerDone | None = None
    problem: str = ""
    most: int = MOST
    ways: tuple[tuple[str, str], ...] = WAYS


async def show(
    resource: Resource, visit: Visit, connection: Connection, patient: Patient
) -> Response:
    return await _page(resource, visit, connection, patient)


async def add(
    resource: Resource, visit: Visit, connection: Connection, patient: Patient
) -> Response:
    form, fields = await visit.form(), forms.new_fields(resource)
    values = forms.submitted(visit, fields, form)
    errors = forms.wrong(visit, patient, fields, values)
    if not errors:
        row = {name: value for name, value in values.items() if value is not None}
        try:
            store = visit.parts.store.within(connection)
            await store.create(visit.actor, resource, row | _about(resource, patient))
            return _done(visit, resource, patient, resource.presented.slug)
        except ApiError as error:
            errors = by_field(error)
    refused = RefusedForm(forms.new_id(resource), values, errors)
    return await _page(resource, visit, connection, patient, refused)


async def save(
    resource: Resource, visit: Visit, connection: Connection, patient: Patient
) -> Response:
    """Saves what was changed of a row, or shows both values where somebody else has changed one."""
    form, row_id = await visit.form(), await _row_id(resource, visit, connection, patient)
    fields = forms.changed_fields(resource)
    values = forms.dismissed(resource, form) or forms.submitted(visit, fields, form)
    if not values:
        raise problem("bad_request", "This form is not whole. Load the page again.")
    errors = forms.wrong(visit, patient, fields, values)
    if not errors:
        try:
            result = await editing.update(visit, resource, row_id, values, form, within=connection)
        except ApiError as error:
            errors = by_field(error)
        else:
            return _saved(resource, visit, patient, result, form)
    refused = RefusedForm(row_id, values, errors, editing.sent_again(form))
    return await _page(resource, visit, connection, patient, refused)


async def remove(
    resource: Resource, visit: Visit, connection: Connection, patient: Patient
) -> Response:
    """Removes a row for good."""
    row_id = await _row_id(resource, visit, connection, patient)
    await visit.parts.store.within(connection).delete(visit.actor, resource, row_id, None)
    return _done(visit, resource, patient)


async def consent(
    resource: Resource, visit: Visit, connection: Connection, patient: Patient
) -> Response:
    """Gives a consent or takes it back, and records how and when that was received."""
    form, name = await visit.form(), visit.path("consent")
    if name not in consents_of(resource):
        raise problem("not_found", "There is no such consent.")
    row_id = await _row_id(resource, visit, connection, patient)
    result = await consents.record(
        visit, connection, patient, resource, row_id=row_id, consent=name, form=form
    )
    if isinstance(result, EditConflict):
        return editing.conflict(visit, result, form)
    if not isinstance(result, dict):
        return visit.go(f"{page_address(resource, patient.id)}?answered={row_id}-{name}")
    base_fields = editing.sent_again(form)
    refused = RefusedForm(f"{row_id}-{name}", consents.answer_of(form), result, base_fields)
    return await _page(resource, visit, connection, patient, refused)


async def undo(
    resource: Resource, visit: Visit, connection: Connection, patient: Patient
) -> Response:
    """Takes an answer back that the visitor has just given, with what ended by it."""
    row_id = await _row_id(resource, visit, connection, patient)
    numbers = (await visit.form()).texts("record")
    record_ids = [number for text in numbers if (number := parsing.whole(text)) is not None]
    is_undone = await consents.undo(
        visit, connection, patient, resource, row_id=row_id, record_ids=record_ids
    )
    if is_undone:
        return visit.go(f"{page_address(resource, patient.id)}?undone={row_id}")
    return await _page(resource, visit, connection, patient, problem=_TOO_LATE)


def _saved(
    resource: Resource, visit: Visit, patient: Patient, result: SavedRow | EditConflict, form: Form
) -> Response:
    """Back to the row, or both values where somebody else has changed one."""
    if isinstance(result, EditConflict):
        return editing.conflict(visit, result, form)
    return _done(visit, resource, patient, str(result.row["id"]))


def _done(visit: Visit, resource: Resource, patient: Patient, anchor: str = "") -> Response:
    """Back to the page; where a part of one asked, it draws itself again."""
    return live.redraw(
        visit, f"{page_address(resource, patient.id)}{anchor and f'#{anchor}'}", resource.name
    )


def _about(resource: Resource, patient: Patient) -> Row:
    """What of a new row says whom it is about."""
    if resource.any_reference:
        return dict(zip(resource.any_reference, ("patients", patient.id), strict=True))
    return {resource.patient or "": patient.id}


async def _row_id(
    resource: Resource, visit: Visit, connection: Connection, patient: Patient
) -> str:
    """The row of the address. Raises a 404 ApiError where it is none of this patient's."""
    if resource.patient == "id":
        return patient.id
    return await owned(
        connection, visit.environment_id, resource, patient.id, row_id=visit.path("row")
    )


async def _page(
    resource: Resource,
    visit: Visit,
    connection: Connection,
    patient: Patient,
    refused: RefusedForm | None = None,
    problem: str = "",
) -> Response:
    sections = [
        await _section(visit, connection, shared, patient, refused or RefusedForm())
        for shared in PAGES[resource.page]
    ]
    own = next((section for section in sections if section.resource.patient == "id"), None)
    page = CollectionPage(
        patient=patient,
        title=title(resource.page),
        address=page_address(resource, patient.id),
        sections=[section for section in sections if section is not own],
        details=own,
        consents=consent_table(sections),
        today=clocks.today(visit.worker.timezone),
        done=None if refused or problem else answer_done(sections, visit),
        problem=problem,
    )
    status = 400 if refused else 409 if problem else 200
    return visit.page("portal/collections/page.html", page, status)


async def _section(
    visit: Visit, connection: Connection, resource: Resource, patient: Patient, refused: RefusedForm
) -> CollectionSection:
    fields = forms.changed_fields(resource)
    patient_rows = await rows(visit, connection, resource, patient)
    names = tuple(consents_of(resource))
    row_ids = [row.id for row in patient_rows] if names else []
    records = await consents.records_of(connection, visit.environment_id, row_ids)
    of_rows = await answers(connection, visit.environment_id, patient.id, resource, row_ids)
    return CollectionSection(
        resource=resource,
        address=f"/patients/{patient.id}{address(resource)}",
        rows=[
            EditedRow(
                row=row,
                consents=[
                    _consent(resource, row, name, (records, of_rows), refused) for name in names
                ],
                form=await forms.row_form(visit, connection, fields, row, refused),
            )
            for row in patient_rows
        ],
        new=await forms.row_form(
            visit, connection, forms.new_fields(resource), forms.new_id(resource), refused
        ),
        can_remove=Verb.DELETE in resource.verbs,
    )


def _consent(
    resource: Resource,
    row: CollectionRow,
    name: str,
    known: tuple[Records, Mapping[tuple[str, str], Answer]],
    refused: RefusedForm,
) -> RowConsent:
    records, of_rows = known
    titles, needed, form_id = consents_of(resource), needed_for(resource, name), f"{row.id}-{name}"
    is_granted, is_refused = row.values[name], refused.id == form_id
    drawn = RefusedForm(
        form_id, base_fields=editing.hidden_fields(row.updated_at, {name: is_granted})
    )
    return RowConsent(
        name=name,
        title=titles[name],
        state=of_rows[row.id, name],
        waits_for=titles[needed] if is_granted and needed and not row.values[needed] else "",
        records=records.get((row.id, name), ()),
        form=refused if is_refused else drawn,
        is_open=is_refused,
    )


def _routes(page: str, together: Sequence[Resource]) -> Iterator[PageRoute]:
    shows = together[0].name if len(together) == 1 else "patients"
    yield patient_route(f"/{page}", partial(show, together[0]), shows=shows)
    for resource in together:
        for path, handler in _handlers(resource):
            answer = partial(handler, resource)
            yield patient_route(f"{address(resource)}{path}", answer, "POST", shows=shows)


def _handlers(
    resource: Resource,
) -> Iterator[
    tuple[str, Callable[[Resource, Visit, Connection, Patient], Coroutine[Any, Any, Response]]]
]:
    """What answers the forms of a collection, behind its address."""
    if resource.patient == "id":
        yield "", save
        return
    if forms.new_fields(resource):
        yield "", add
    if forms.changed_fields(resource) or resource.presented.dismissal:
        yield "/{row}", save
    if Verb.DELETE in resource.verbs:
        yield "/{row}/remove", remove
    if consents_of(resource):
        yield "/{row}/{consent}", consent
        yield "/{row}/{consent}/undo", undo


ROUTES = tuple(route for page, together in PAGES.items() for route in _routes(page, together))
