"""How a patient is reached, what they consented to and when, their name, address and ids in other systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.responses import Response

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages import parsing
from almoner.pages.filters import birthday_error
from almoner.pages.forms.problems import by_field
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal import editing, live, patient_access
from almoner.portal.contact.queries import ContactRow, details, everything, owned
from almoner.portal.contact.sections import DETAILS, HOW, SECTIONS, ContactSection
from almoner.portal.editing import EditConflict, SavedRow, hidden_fields
from almoner.portal.inputs import Input, to_choose
from almoner.portal.patient import Patient
from almoner.portal.workers import Worker
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Guid

_HOW = dict(HOW)
_RECORD = """
INSERT INTO consent_records (environment_id, patient_id, resource, row_id, consent, given, how, received_on, note, recorded_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


@dataclass(frozen=True)
class Failed:
    """A form that could not be saved: which one, what was typed, and what is wrong with it by field."""

    form: str
    typed: Mapping[str, Any]
    errors: Mapping[str, str]
    was: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FormValues:
    """What the page's forms hold: what was typed into the one that was refused, and in all others what is stored."""

    failed: Failed

    def was(self, form: str, section: ContactSection, held: ContactRow) -> tuple[tuple[str, str], ...]:
        """What the form of a row is made from; a form that was refused keeps what it was made from."""
        if self.failed.form == form:
            return self.failed.was
        return hidden_fields(held.updated_at, {field.name: held.row.get(field.name) for field in section.fields()})

    def consent_was(self, form: str, held: ContactRow, name: str) -> tuple[tuple[str, str], ...]:
        """The same of a consent."""
        return self.failed.was if self.failed.form == form else hidden_fields(held.updated_at, {name: held.row[name]})

    def values(self, form: str, stored: Row) -> Mapping[str, Any]:
        """The values that a form shows."""
        return self.failed.typed if self.failed.form == form else stored

    def errors(self, form: str) -> Mapping[str, str]:
        """What is wrong with a form, by field."""
        return self.failed.errors if self.failed.form == form else {}


@dataclass(frozen=True, kw_only=True)
class ContactPage:
    """The page. ``today`` is the day at the visitor; ``since`` is where the change log was before it was read."""

    patient: Patient
    details: ContactRow
    rows: Mapping[str, list[ContactRow]]
    since: str
    today: date
    filled: FormValues
    people: Sequence[Worker]
    sections: tuple[ContactSection, ...] = tuple(SECTIONS.values())
    about: ContactSection = DETAILS
    how: tuple[tuple[str, str], ...] = HOW


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def add(visit: Visit) -> Response:
    """Adds a phone number, an e-mail address or an id."""
    section, form = _section(visit), await visit.form()
    patient = await _patient(visit)
    given = section.given(visit, form, new=True)
    given |= {"resource": "patients", "welkin_id": patient.id} if section.slug == "ids" else {"user_id": patient.id}
    try:
        await visit.parts.store.create(visit.actor, section.resource, given)
    except ApiError as error:
        return await _refused(visit, f"{section.slug}-new", section.inputs(visit, new=True), form, error)
    return visit.go(f"/patients/{patient.id}/contact#{section.slug}")


async def save(visit: Visit) -> Response:
    """Saves what was edited of one of them, or of the patient."""
    form, patient = await visit.form(), await _patient(visit)
    if "section" in visit.request.path_params:
        section = _section(visit)
        async with visit.parts.database.connection() as connection:
            row_id = await owned(connection, visit.environment_id, patient.id, section, _row_id(visit))
        name = row_id
    else:
        section, row_id, name = DETAILS, patient.id, "details"
        wrong = birthday_error(parsing.day(form.text("birthday")), clocks.today(patient.timezone))
        if wrong:
            typed = {one.name: one.value(form) for one in section.inputs(visit)}
            return await _page(visit, Failed(name, typed, {"birthday": wrong}, editing.sent_again(form)), 400)
    try:
        result = await editing.update(visit, section.resource, row_id, section.given(visit, form, new=False), form)
    except ApiError as error:
        return await _refused(visit, name, section.inputs(visit), form, error)
    if isinstance(result, EditConflict):
        return editing.conflict(visit, result, form, section.titles)
    return visit.go(f"/patients/{patient.id}/contact#{name}")


async def consent(visit: Visit) -> Response:
    """Gives a consent or takes it back, and keeps how and when that was received: both or neither."""
    section, form, name = _section(visit), await visit.form(), visit.path("consent")
    if name not in section.consents:
        raise problem("not_found", "There is no such consent.")
    patient = await _patient(visit)
    errors = _consent_errors(form, clocks.today(visit.worker.timezone))
    async with visit.parts.database.connection() as connection:
        row_id = await owned(connection, visit.environment_id, patient.id, section, _row_id(visit))
    result = errors or await _record(visit, patient, section, row_id, form)
    if isinstance(result, dict):
        typed = {key: form.text(key) for key in ("given", "how", "received_on", "note")}
        return await _page(visit, Failed(f"{row_id}-{name}", typed, result, editing.sent_again(form)), 400)
    if isinstance(result, EditConflict):
        return editing.conflict(visit, result, form, section.titles)
    return visit.go(f"/patients/{patient.id}/contact#{row_id}")


async def _record(
    visit: Visit, patient: Patient, section: ContactSection, row_id: str, form: Form
) -> SavedRow | EditConflict | dict[str, str]:
    """Writes an answer, how it was received, and what ends with it. Errors by field where it cannot be given yet."""
    name, given = visit.path("consent"), form.text("given") == "yes"
    async with visit.parts.database.transaction() as connection:
        needed = section.needs.get(name)
        if given and needed and not await _is_given(connection, visit, section, row_id, needed):
            return {"given": f"Record the consent to {section.consents[needed]} first: without it, this one is of no use."}
        result = await editing.update(visit, section.resource, row_id, {name: given}, form, within=connection)
        # Who took the other's answer has received nothing that could be recorded.
        if isinstance(result, EditConflict) or result.row[name] != given:
            return result
        ended = () if given else tuple(other for other in section.ends_with(name) if result.row[other])
        if ended:
            store = visit.parts.store.within(connection)
            await store.update(visit.actor, section.resource, row_id, dict.fromkeys(ended, False), None)
        for consent in (name, *ended):
            await connection.execute(
                _RECORD,
                *(visit.environment_id, patient.id, section.resource.name, row_id, consent, given),
                *(form.text("how"), parsing.day(form.text("received_on")), form.text("note").strip(), visit.actor.actor),
            )
    return result


async def _is_given(connection: Connection, visit: Visit, section: ContactSection, row_id: str, consent: str) -> bool:
    """Whether another consent of the row is given; it stays so until the transaction ends."""
    query = f"SELECT {consent} FROM {section.resource.name} WHERE environment_id = $1 AND id = $2 FOR SHARE"
    return bool(await connection.fetchval(query, visit.environment_id, row_id))


def _consent_errors(form: Form, today: date) -> dict[str, str]:
    errors = {}
    if form.text("given") not in ("yes", "no"):
        errors["given"] = "Say whether the patient consents."
    if form.text("how") not in _HOW:
        errors["how"] = "Say how it was received."
    received = parsing.day(form.text("received_on"))
    if received is None:
        errors["received_on"] = "Give the day on which it was received."
    elif received > today:
        errors["received_on"] = "It cannot have been received on a day that is still to come."
    if len(form.text("note")) > 2000:
        errors["note"] = "Keep the note below 2,000 characters."
    return errors


def _section(visit: Visit) -> ContactSection:
    section = SECTIONS.get(visit.path("section"))
    if section is None:
        raise problem("not_found", "There is nothing of this sort to edit.")
    return section


def _row_id(visit: Visit) -> str | None:
    parsed: str | None = Guid().decode(visit.path("row"), "", [])
    return parsed


async def _patient(visit: Visit) -> Patient:
    async with visit.parts.database.connection() as connection:
        return await patient_access.patient(visit, connection, visit.path("id"))


async def _refused(visit: Visit, name: str, inputs: Sequence[Input], form: Form, error: ApiError) -> Response:
    typed = {one.name: one.value(form) for one in inputs}
    return await _page(visit, Failed(name, typed, by_field(error), editing.sent_again(form)), 400)


async def _page(visit: Visit, failed: Failed | None = None, status: int = 200) -> Response:
    async with visit.parts.database.connection() as connection:
        since = await live.since(connection)
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        page = await _read(visit, connection, patient, since, failed)
    return visit.page("portal/contact/contact.html", page, status)


async def _read(visit: Visit, connection: Connection, patient: Patient, since: str, failed: Failed | None) -> ContactPage:
    environment_id = visit.environment_id
    own = await details(connection, environment_id, patient.id)
    return ContactPage(
        patient=patient,
        details=own,
        rows=await everything(connection, environment_id, patient.id),
        since=since,
        today=clocks.today(visit.worker.timezone),
        filled=FormValues(failed or Failed("", {}, {})),
        people=await to_choose(visit, connection, DETAILS.fields(), own.row),
    )


ROUTES = (
    PageRoute("/patients/{id}/contact", show, may="give_care"),
    PageRoute("/patients/{id}/contact/details", save, may="give_care", methods=("POST",)),
    PageRoute("/patients/{id}/contact/{section}", add, may="give_care", methods=("POST",)),
    PageRoute("/patients/{id}/contact/{section}/{row}", save, may="give_care", methods=("POST",)),
    PageRoute("/patients/{id}/contact/{section}/{row}/{consent}", consent, may="give_care", methods=("POST",)),
)
