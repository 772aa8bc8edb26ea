"""Filling in an assessment: kept as a draft while somebody types, finished into a response through
the store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages import parsing
from almoner.pages.forms.problems import by_name
from almoner.pages.visit import Form, Visit
from almoner.portal import patient_access
from almoner.portal.assessments import answer_form, drafts, responses
from almoner.portal.assessments.responses import OWN
from almoner.portal.assessments.view import (
    FillPage,
    FillPart,
    FillTab,
    Fragment,
    errors_of,
    own_errors,
    part_of,
)
from almoner.portal.patient import Patient
from almoner.portal.value_words import FieldValue
from almoner.resources.assessment_responses import assessment_responses
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.forms import UNANSWERED, asked_answers
from almoner.workshop.published_programs import element

_NO_SPEC: Final = "The program has no such assessment, or your role does not show it."
_FOLDER: Final = "portal/assessments"
_CHOOSE_FIRST: Final = (
    "Two tabs answered a question differently. Choose which answer holds, then finish."
)
_NOTHING_YET: Final = "Nothing is answered yet. Answer at least one question, then finish."


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """The form of one assessment, with what the draft has."""
    spec_id = visit.query("spec")
    if not spec_id:
        return visit.go(f"/patients/{patient.id}/assessments#start")
    draft = await drafts.find(visit, connection, patient.id, spec_id)
    version = draft.version if draft else _newest(visit, spec_id)
    tab = FillTab(
        patient_id=patient.id,
        assessment=await _assessment(visit, connection, spec_id, version),
        version=version,
        timezone=visit.worker.timezone,
        own=await OWN.inputs(visit, connection, {}, new=True),
        draft=draft,
    )
    page = await _page(visit, connection, patient, tab, part_of(tab))
    return visit.page(f"{_FOLDER}/fill.html", page)


async def answer(visit: Visit) -> Response:
    """Keeps what was typed, and does what was asked for: ``finish``, ``save`` and leave, ``again``
    where the draft is gone, go on in another version (``version:4``), settle a conflict
    (``other:dose``), or nothing but draw the form again.

    It is asked at each answer and tells nothing of the patient, who is therefore not loaded unless
    nothing was saved, or a whole page is drawn: no reading is noted."""
    form = await visit.form()
    action = form.text("do")
    async with visit.transaction() as connection:
        tab = await _sent(visit, connection, form)
        version = tab.version
        if action.startswith("version:"):
            version = _number(action.partition(":")[2])
            await _assessment(visit, connection, tab.assessment.id, version)
        saved = await drafts.save(
            visit,
            connection,
            patient_id=tab.patient_id,
            spec_id=tab.assessment.id,
            version=version,
            entered=tab.entered,
            begun=form.truth("begun") and action != "again",
        )
        if saved is None or saved.draft.saved_at is None:
            # Nothing is saved, perhaps since the patient is none whom the visitor may see: that
            # raises.
            await patient_access.patient(visit, connection, tab.patient_id)
    if saved is None:
        lost = part_of(replace(tab, left=frozenset(tab.entered.texts)))
        return await _drawn(visit, tab, replace(lost, gone=True), 409)
    here = f"/patients/{tab.patient_id}/assessments"
    if version != tab.version:
        return visit.go(f"{here}/new?spec={quote(tab.assessment.id, safe='')}&from={tab.version}")
    if action == "save":
        return visit.go(here)
    after = tab.after(saved, visit.is_fragment)
    if action == "finish":
        return await _finish(visit, replace(after, checked=True))
    return await _drawn(visit, tab, part_of(after, errors_of(visit, after) if tab.checked else {}))


async def discard(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """Removes the visitor's draft of one assessment."""
    form = await visit.form()
    await drafts.drop(visit, connection, patient.id, form.text("spec"))
    return visit.go(f"/patients/{patient.id}/assessments")


async def _finish(visit: Visit, tab: FillTab) -> Response:
    """Makes the response and drops the draft, both or neither; not while two answers to one
    question are kept.
    """
    assert tab.draft is not None
    here, spec_id = f"/patients/{tab.patient_id}/assessments", tab.assessment.id
    model = asked_answers(tab.assessment, tab.answers(tab.draft.texts))
    refused: list[str] = [] if model else [_NOTHING_YET]
    errors = {} if model else errors_of(visit, tab)
    if part_of(tab).conflicts:
        refused = [_CHOOSE_FIRST]
    elif model:
        try:
            async with visit.transaction() as connection:
                if not await drafts.drop(visit, connection, tab.patient_id, spec_id):
                    # The same form was sent twice: the first has made the response.
                    return visit.go(here)
                row = {
                    "user_id": tab.patient_id,
                    "spec_id": spec_id,
                    "spec_version": str(tab.version),
                    "worker_id": visit.worker.worker_id,
                    "model": model,
                    **tab.own_values,
                }
                written = await visit.parts.store.within(connection).create(
                    visit.actor, assessment_responses, row
                )
            return visit.go(f"{here}/{written.id}")
        except ApiError as error:
            if error.status >= 500:
                raise
            asked = [question.name for question in tab.assessment.questions]
            own, others = own_errors(error.problems)
            errors, refused = by_name(others, asked, ".model", UNANSWERED)
            errors |= own
    part = part_of(tab, errors, tuple(refused), refocus=True)
    return await _drawn(visit, tab, part, 400)


async def _sent(visit: Visit, connection: Connection, form: Form) -> FillTab:
    patient_id = await patient_access.current_id(visit, connection, visit.path("id"))
    version = _number(form.text("version"))
    return FillTab(
        patient_id=patient_id,
        assessment=await _assessment(visit, connection, form.text("spec"), version),
        version=version,
        timezone=visit.worker.timezone,
        own=await OWN.inputs(visit, connection, {}, new=True),
        entered=answer_form.tab_input(form, form.text("do")),
        checked=form.truth("checked"),
    )


async def _assessment(
    visit: Visit, connection: Connection, spec_id: str, version: int
) -> Assessment:
    assessment = None
    if spec_id not in visit.rights.hidden_assessments:
        assessment = await element(connection, visit.environment_id, "assessment", spec_id, version)
    if not isinstance(assessment, Assessment):
        raise problem("not_found", _NO_SPEC)
    return assessment


def _newest(visit: Visit, spec_id: str) -> int:
    spec = visit.program.newest_specs.get(spec_id)
    return spec.version if spec else 0


def _number(text: str) -> int:
    """A version as a form names it; 0, which no version has, where it is none."""
    return parsing.whole(text, high=10**8) or 0


async def _drawn(visit: Visit, tab: FillTab, part: FillPart, status: int = 200) -> Response:
    """The form again: its part where a part of the page asked, else the page."""
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/form.html", Fragment(part), status)
    async with visit.connection() as connection:
        patient = await patient_access.patient(visit, connection, tab.patient_id)
        page = await _page(visit, connection, patient, tab, part)
    return visit.page(f"{_FOLDER}/fill.html", page, status)


async def _page(
    visit: Visit, connection: Connection, patient: Patient, tab: FillTab, part: FillPart
) -> FillPage:
    asked = {q.name for q in tab.assessment.questions} | {f".{own.name}" for own in tab.own}
    back = _number(visit.query("from"))
    left_over = {
        name: answer
        for name, texts in tab.texts.items()
        if name not in asked and (answer := ", ".join(text for text in texts if text.strip()))
    }
    labels: dict[str, str] = {}
    if left_over and back:
        older = await element(
            connection, visit.environment_id, "assessment", tab.assessment.id, back
        )
        labels = {q.name: q.label for q in older.questions} if isinstance(older, Assessment) else {}
    return FillPage(
        patient=patient,
        assessment=tab.assessment,
        version=tab.version,
        newest=_newest(visit, tab.assessment.id),
        back=back,
        left_over=tuple(
            FieldValue(name, labels.get(name) or name, answer) for name, answer in left_over.items()
        ),
        earlier=await responses.of_spec(visit, connection, patient.id, tab.assessment.id),
        part=part,
    )
