"""Changing the phase and the coach of one patient: in the bar above each of their pages, and on pages of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from almoner.errors import ApiError
from almoner.pages.forms.refusals import refusals
from almoner.pages.visit import Visit
from almoner.portal import live, patient_bar
from almoner.portal.patient import Patient
from almoner.portal.patient_access import only_of, patient
from almoner.portal.patient_bar import PatientBarPart
from almoner.portal.workers import Worker, to_choose
from almoner.resources.patients import patients
from almoner.vocabulary.kinds import Guid


@dataclass(frozen=True)
class PhaseStep:
    """A phase and whether it may follow the present one; ``why`` it may not, blank where it may."""

    name: str
    title: str
    is_open: bool
    why: str


@dataclass(frozen=True)
class PhaseForm:
    """The phases to choose from. ``problem`` is why a choice was not taken, blank where none was made."""

    patient: Patient
    now: str
    steps: Sequence[PhaseStep]
    problem: str
    fragment: bool


@dataclass(frozen=True)
class CoachForm:
    """The coaches to choose from. ``leaves``: with another coach the visitor's role shows them the patient no more."""

    patient: Patient
    coaches: Sequence[Worker]
    leaves: bool
    problem: str
    fragment: bool


@dataclass(frozen=True)
class PhaseFormPage:
    """One of the two forms as a page of its own."""

    form: PhaseForm | CoachForm


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        found = await patient(visit, connection, visit.path("id"))
    return _phase_form(visit, found, "", 200)


async def change(visit: Visit) -> Response:
    """Moves the patient on, where the program lets this phase follow the one that the form was made from."""
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        found = await patient(visit, connection, visit.path("id"))
    wanted, was = form.text("phase"), form.text("was.phase")
    titles = {name: visit.program.title("phases", name) for name in visit.program.phases}
    if was != found.phase:
        text = f"Somebody has moved them to {titles.get(found.phase, found.phase)} meanwhile. Choose again from there."
        return _phase_form(visit, found, text, 409)
    if wanted == found.phase:
        return await _changed(visit, found.id, "phase")
    if not any(step.is_open and step.name == wanted for step in _steps(visit, found)):
        why = next((f" {step.why}" for step in _steps(visit, found) if step.name == wanted), "")
        text = f"{titles.get(wanted, 'This')} does not follow {titles.get(found.phase, found.phase)} in the program.{why}"
        return _phase_form(visit, found, text, 400)
    try:
        await visit.parts.store.update(visit.actor, patients, found.id, {"phase": wanted}, frozenset({found.updated_at}))
    except ApiError as error:
        if error.status >= 500:
            raise
        text = "The patient has just been changed by somebody else. Look again, then choose."
        return _phase_form(visit, found, text if error.status == 412 else refusals(error), error.status)
    return await _changed(visit, found.id, "phase")


async def show_coach(visit: Visit) -> Response:
    return await _coach_form(visit, "", 200)


async def assign(visit: Visit) -> Response:
    """Gives the patient to a coach, or to nobody."""
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        found = await patient(visit, connection, visit.path("id"))
        known = {one.id for one in await to_choose(connection, visit.environment_id, [found.coach_id])}
    wanted = Guid().decode(form.text("coach"), "", []) if form.text("coach") else None
    if form.text("coach") and wanted not in known:
        return await _coach_form(visit, "Choose one of the coaches.", 400)
    if form.text("was.coach_id") != (found.coach_id or ""):
        return await _coach_form(visit, f"The coach is {found.coach or 'nobody'} now: somebody was faster. Choose again.", 409)
    try:
        await visit.parts.store.update(visit.actor, patients, found.id, {"coach_id": wanted}, frozenset({found.updated_at}))
    except ApiError as error:
        if error.status != 412:
            raise
        return await _coach_form(visit, "The patient has just been changed by somebody else. Look again, then choose.", 412)
    own = only_of(visit)
    return await _changed(visit, found.id, "coach") if own is None or own == wanted else visit.go("/patients")


async def _changed(visit: Visit, patient_id: str, focus: str) -> Response:
    """The bar as it is now, on whichever page that is; the profile where no part of a page asked."""
    if not visit.is_fragment:
        return visit.go(f"/patients/{patient_id}")
    async with visit.parts.database.connection() as connection:
        found = await patient(visit, connection, patient_id)
    part = PatientBarPart(patient_bar.of(visit, found), focus=focus)
    return visit.fragment("portal/patient_bar.html", part, headers=live.trigger("patients"))


def _steps(visit: Visit, found: Patient) -> list[PhaseStep]:
    program = visit.program
    following = program.next_phases.get(found.phase)
    return [
        PhaseStep(name, program.title("phases", name), is_open, "" if is_open else _why(visit, name))
        for name in program.phases
        if name != found.phase
        for is_open in [following is None or name in following]
    ]


def _why(visit: Visit, name: str) -> str:
    """From where the program lets one come into a phase."""
    program = visit.program
    before = [one for one in program.phases if one != name and name in (program.next_phases.get(one) or ())]
    titles = [program.title("phases", one) for one in before]
    return f"It comes after {' or '.join(titles)}." if titles else "No phase leads to it."


def _phase_form(visit: Visit, found: Patient, problem: str, status: int) -> Response:
    now = visit.program.title("phases", found.phase)
    form = PhaseForm(found, now, _steps(visit, found), problem, visit.is_fragment)
    return _opened(visit, found, "phase", form, status)


async def _coach_form(visit: Visit, problem: str, status: int) -> Response:
    async with visit.parts.database.connection() as connection:
        found = await patient(visit, connection, visit.path("id"))
        offered = await to_choose(connection, visit.environment_id, [found.coach_id])
    form = CoachForm(found, offered, only_of(visit) is not None, problem, visit.is_fragment)
    return _opened(visit, found, "coach", form, status)


def _opened(visit: Visit, found: Patient, what: str, form: PhaseForm | CoachForm, status: int) -> Response:
    """The form: open in the bar where a part of a page asked, else a page of its own."""
    if visit.is_fragment:
        part = PatientBarPart(patient_bar.of(visit, found), what, form)
        return visit.fragment("portal/patient_bar.html", part, status)
    return visit.page(f"portal/patients/{what}_page.html", PhaseFormPage(form), status)
