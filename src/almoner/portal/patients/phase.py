"""Changing the phase and the coach of one patient: in the bar above each of their pages, and on
pages of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages.forms.refusals import refusals
from almoner.pages.visit import Visit
from almoner.portal import live, patient_access, patient_bar
from almoner.portal.patient import Patient
from almoner.portal.patient_access import only_of
from almoner.portal.patient_bar import PatientBarPart
from almoner.portal.workers import Worker, to_choose
from almoner.resources.patients import patients
from almoner.vocabulary.kinds import Guid

_FASTER: Final = "The patient has just been changed by somebody else. Look again, then choose."


@dataclass(frozen=True)
class PhaseStep:
    """A phase and whether it may follow the present one; ``why`` it may not, blank where it may."""

    name: str
    title: str
    is_open: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class PhaseForm:
    """The phases to choose from. ``problem`` is why a choice was not taken, blank where none was
    made.
    """

    patient: Patient
    now: str
    steps: Sequence[PhaseStep]
    problem: str
    fragment: bool

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Every phase with its title, the present one first."""
        return [(self.patient.phase, self.now), *((step.name, step.title) for step in self.steps)]

    @property
    def disabled(self) -> list[str]:
        """Those that may not follow the present one."""
        return [step.name for step in self.steps if not step.is_open]

    @property
    def notes(self) -> dict[str, str]:
        """What stands behind the titles."""
        return {self.patient.phase: "now"} | dict.fromkeys(
            self.disabled, f"does not follow {self.now}"
        )


@dataclass(frozen=True, kw_only=True)
class CoachForm:
    """The coaches to choose from. ``leaves``: with another coach the visitor's role shows them the
    patient no more.
    """

    patient: Patient
    coaches: Sequence[Worker]
    leaves: bool
    problem: str
    fragment: bool


@dataclass(frozen=True)
class PhaseFormPage:
    """One of the two forms as a page of its own."""

    form: PhaseForm | CoachForm


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    return _phase_form(visit, patient, "", 200)


async def change(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Moves the patient on, where the program lets this phase follow the one that the form was made
    from.
    """
    form = await visit.form()
    phase, was = form.text("phase"), form.text("was.phase")
    titles = {name: visit.program.title("phases", name) for name in visit.program.phases}
    if was != patient.phase:
        text = (
            f"Somebody has moved them to {titles.get(patient.phase, patient.phase)} meanwhile."
            " Choose again from there."
        )
        return _phase_form(visit, patient, text, 409)
    if phase == patient.phase:
        return await _changed(visit, connection, patient, "phase")
    if not any(step.is_open and step.name == phase for step in _steps(visit, patient)):
        why = next((f" {step.why}" for step in _steps(visit, patient) if step.name == phase), "")
        text = (
            f"{titles.get(phase, 'This')} does not follow"
            f" {titles.get(patient.phase, patient.phase)} in the program.{why}"
        )
        return _phase_form(visit, patient, text, 400)
    try:
        await _update(visit, connection, patient, {"phase": phase})
    except ApiError as error:
        if error.status >= 500:
            raise
        return _phase_form(
            visit, patient, _FASTER if error.status == 412 else refusals(error), error.status
        )
    return await _changed(visit, connection, patient, "phase")


async def show_coach(visit: Visit, connection: Connection, patient: Patient) -> Response:
    return _coach_form(
        visit,
        patient,
        await to_choose(connection, visit.environment_id, [patient.coach_id]),
        "",
        200,
    )


async def assign(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Gives the patient to a coach, or to nobody."""
    form = await visit.form()
    coaches = await to_choose(connection, visit.environment_id, [patient.coach_id])
    coach_id = Guid().decode(form.text("coach"), "", []) if form.text("coach") else None
    if form.text("coach") and coach_id not in {coach.id for coach in coaches}:
        return _coach_form(visit, patient, coaches, "Choose one of the coaches.", 400)
    if form.text("was.coach_id") != (patient.coach_id or ""):
        text = f"The coach is {patient.coach or 'nobody'} now: somebody was faster. Choose again."
        return _coach_form(visit, patient, coaches, text, 409)
    try:
        await _update(visit, connection, patient, {"coach_id": coach_id})
    except ApiError as error:
        if error.status != 412:
            raise
        patient = await patient_access.patient(visit, connection, patient.id)
        return _coach_form(visit, patient, coaches, _FASTER, 412)
    if only_of(visit) in (None, coach_id):
        return await _changed(visit, connection, patient, "coach")
    return visit.go("/patients")


async def _update(visit: Visit, connection: Connection, patient: Patient, values: Row) -> None:
    store = visit.parts.store.within(connection)
    await store.update(visit.actor, patients, patient.id, values, frozenset({patient.updated_at}))


async def _changed(visit: Visit, connection: Connection, patient: Patient, focus: str) -> Response:
    """The bar as it is now, on whichever page that is; the profile where no part of a page
    asked.
    """
    if not visit.is_fragment:
        return visit.go(f"/patients/{patient.id}")
    patient = await patient_access.patient(visit, connection, patient.id)
    part = PatientBarPart(patient_bar.of(visit, patient), focus=focus)
    return visit.fragment("portal/patient_bar.html", part, headers=live.trigger("patients"))


def _steps(visit: Visit, patient: Patient) -> list[PhaseStep]:
    program = visit.program
    following = program.next_phases.get(patient.phase)
    return [
        PhaseStep(
            name, program.title("phases", name), is_open, "" if is_open else _why(visit, name)
        )
        for name in program.phases
        if name != patient.phase
        for is_open in [following is None or name in following]
    ]


def _why(visit: Visit, name: str) -> str:
    """From where the program lets one come into a phase."""
    program = visit.program
    before = [
        phase
        for phase in program.phases
        if phase != name and name in (program.next_phases.get(phase) or ())
    ]
    titles = [program.title("phases", phase) for phase in before]
    return f"It comes after {' or '.join(titles)}." if titles else "No phase leads to it."


def _phase_form(visit: Visit, patient: Patient, problem: str, status: int) -> Response:
    now = visit.program.title("phases", patient.phase)
    form = PhaseForm(
        patient=patient,
        now=now,
        steps=_steps(visit, patient),
        problem=problem,
        fragment=visit.is_fragment,
    )
    return _opened(visit, patient, "phase", form, status)


def _coach_form(
    visit: Visit, patient: Patient, coaches: Sequence[Worker], problem: str, status: int
) -> Response:
    form = CoachForm(
        patient=patient,
        coaches=coaches,
        leaves=only_of(visit) is not None,
        problem=problem,
        fragment=visit.is_fragment,
    )
    return _opened(visit, patient, "coach", form, status)


def _opened(
    visit: Visit, patient: Patient, what: str, form: PhaseForm | CoachForm, status: int
) -> Response:
    """The form: open in the bar where a part of a page asked, else a page of its own."""
    if visit.is_fragment:
        part = PatientBarPart(patient_bar.of(visit, patient), what, form)
        return visit.fragment("portal/patient_bar.html", part, status)
    return visit.page(f"portal/patients/{what}_page.html", PhaseFormPage(form), status)
