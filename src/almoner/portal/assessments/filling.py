"""Filling in an assessment: kept as a draft while somebody types, finished into a response through the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.kinds import Guid
from almoner.pages.visit import Form, Visit
from almoner.portal import sight
from almoner.portal.assessments import drafts, responses, typed
from almoner.portal.assessments.drafts import Texts
from almoner.portal.assessments.responses import Answered
from almoner.portal.records.stated import Stated, day
from almoner.portal.sight import Patient
from almoner.resources.assessment_responses import assessment_responses
from almoner.workshop.design import Assessment
from almoner.workshop.pages.preview.view import FormView
from almoner.workshop.published import element

_NO_SPEC: Final = "The program has no such assessment, or your role does not show it."
_FOLDER: Final = "portal/assessments"
_NOTHING_YET: Final = "Nothing is answered yet. Answer at least one question, then finish."


@dataclass(frozen=True)
class FillPart:
    """The part of the page that is drawn again at each answer.

    ``saved`` is when the draft was kept last, in the worker's zone, blank where nothing is kept yet. ``asked`` names the questions
    that stand in the form. ``checked``: finishing was tried, so that what is wrong is told at once. ``gone``: the draft was
    finished or dropped in another tab.
    """

    view: FormView
    asked: tuple[str, ...]
    saved: str
    checked: bool = False
    refused: tuple[str, ...] = ()
    wrong: int = 0
    gone: bool = False
    # Where the focus goes, an id: to the first that is wrong, where finishing was tried just now.
    focus: str = ""


@dataclass(frozen=True)
class FillPage:
    """The whole page. ``newest`` is the version that the program asks now, 0 where it has the assessment no more.

    ``left_over`` is what was typed for questions that this version does not ask; ``back`` the version that asked them, 0 where no
    other is known. ``earlier`` are the last answers to the same assessment.
    """

    patient: Patient
    assessment: Assessment
    version: int
    newest: int
    back: int
    left_over: tuple[Stated, ...]
    earlier: list[Answered]
    part: FillPart


@dataclass(frozen=True)
class _Sent:
    """What a form of the page sent."""

    patient_id: str
    assessment: Assessment
    version: int
    texts: Texts
    form: Form

    @property
    def checked(self) -> bool:
        return self.form.truth("checked")


async def show(visit: Visit) -> Response:
    """The form of one assessment, with what the draft has."""
    spec_id = visit.query("spec")
    async with visit.parts.database.connection() as connection:
        patient = await sight.patient(visit, connection, visit.path("id"))
        patient_path = f"/patients/{patient.id}"
        if not spec_id:
            return visit.go(f"{patient_path}/assessments#start")
        draft = await drafts.find(visit, connection, patient.id, spec_id)
        version = draft.version if draft else _newest(visit, spec_id)
        assessment = await _assessment(visit, connection, spec_id, version)
        texts, saved_at = (draft.texts, draft.saved_at) if draft else ({}, None)
        part = _part(visit, assessment, texts, saved_at)
        return visit.page(f"{_FOLDER}/fill.html", await _page(visit, connection, patient, assessment, version, texts, part))


async def answer(visit: Visit) -> Response:
    """Keeps what was typed, and does what was asked for: ``finish``, ``save`` and leave, ``again`` where the draft is gone, go on
    in another version (``version:4``), or nothing but draw the form again."""
    form = await visit.form()
    do = form.text("do")
    async with visit.parts.database.connection() as connection:
        sent = await _sent(visit, connection, form)
        version = sent.version
        if do.startswith("version:"):
            version = _number(do.partition(":")[2])
            await _assessment(visit, connection, sent.assessment.id, version)
        begun = form.truth("begun") and do != "again"
        draft = await drafts.save(visit, connection, sent.patient_id, sent.assessment.id, version, sent.texts, begun)
        if draft is None:
            # Either the draft is gone, or the patient is none whom the visitor may see: that raises.
            await sight.patient(visit, connection, sent.patient_id)
            part = _part(visit, sent.assessment, sent.texts, None, there=sent.texts, checked=sent.checked)
            return await _drawn(visit, sent, FillPart(part.view, part.asked, "", sent.checked, gone=True), 409)
    here = f"/patients/{sent.patient_id}/assessments"
    if version != sent.version:
        return visit.go(f"{here}/new?spec={quote(sent.assessment.id, safe='')}&from={sent.version}")
    if do == "save":
        return visit.go(here)
    if do == "finish":
        return await _finish(visit, sent, draft)
    there = sent.texts if visit.is_fragment else ()
    errors = _wrong(visit, sent, draft.texts) if sent.checked else {}
    return await _drawn(visit, sent, _part(visit, sent.assessment, draft.texts, draft.saved_at, errors, there, sent.checked))


async def discard(visit: Visit) -> Response:
    """Removes the visitor's draft of one assessment."""
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        patient = await sight.patient(visit, connection, visit.path("id"))
        await drafts.drop(visit, connection, patient.id, form.text("spec"))
    return visit.go(f"/patients/{patient.id}/assessments")


async def _finish(visit: Visit, sent: _Sent, draft: drafts.Draft) -> Response:
    """Makes the response and drops the draft, both or neither."""
    here = f"/patients/{sent.patient_id}/assessments"
    given = typed.answers(sent.assessment, draft.texts, visit.worker.timezone)
    kept = typed.model(sent.assessment, given)
    row = {"user_id": sent.patient_id, "spec_id": sent.assessment.id, "spec_version": str(sent.version), "model": kept}
    refused: list[str] = [] if kept else [_NOTHING_YET]
    errors = {} if kept else _wrong(visit, sent, draft.texts)
    if kept:
        try:
            async with visit.parts.database.transaction() as connection:
                if not await drafts.drop(visit, connection, sent.patient_id, sent.assessment.id):
                    # The same form was sent twice: the first has made the response.
                    return visit.go(here)
                written = await visit.parts.store.within(connection).create(visit.actor, assessment_responses, row)
            return visit.go(f"{here}/{written.id}")
        except ApiError as error:
            if error.status >= 500:
                raise
            errors, refused = typed.by_question(error.problems, [question.name for question in sent.assessment.questions])
    there = sent.texts if visit.is_fragment else ()
    part = _part(visit, sent.assessment, draft.texts, draft.saved_at, errors, there, True, tuple(refused), refocus=True)
    return await _drawn(visit, sent, part, 400)


async def _sent(visit: Visit, connection: Connection, form: Form) -> _Sent:
    patient_id = Guid().decode(visit.path("id"), "", [])
    if not patient_id:
        raise problem("not_found", "There is no such patient, or your role does not show them.")
    version = _number(form.text("version"))
    assessment = await _assessment(visit, connection, form.text("spec"), version)
    return _Sent(patient_id, assessment, version, typed.texts_of(form), form)


async def _assessment(visit: Visit, connection: Connection, spec_id: str, version: int) -> Assessment:
    found = None
    if spec_id not in visit.rights.hidden_assessments:
        found = await element(connection, visit.environment_id, "assessment", spec_id, version)
    if not isinstance(found, Assessment):
        raise problem("not_found", _NO_SPEC)
    return found


def _newest(visit: Visit, spec_id: str) -> int:
    spec = visit.program.newest_specs.get(spec_id)
    return spec.version if spec else 0


def _number(text: str) -> int:
    """A version as a form names it; 0, which no version has, where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _wrong(visit: Visit, sent: _Sent, texts: Texts) -> dict[str, str]:
    given = typed.answers(sent.assessment, texts, visit.worker.timezone)
    spec = visit.program.specs.get((sent.assessment.id, sent.version))
    return typed.wrong(spec, typed.model(sent.assessment, given))


def _part(
    visit: Visit,
    assessment: Assessment,
    texts: Texts,
    saved_at: datetime | None,
    errors: Mapping[str, str] | None = None,
    there: Iterable[str] = (),
    checked: bool = False,
    refused: tuple[str, ...] = (),
    refocus: bool = False,
) -> FillPart:
    told = errors or {}
    given = typed.answers(assessment, texts, visit.worker.timezone)
    view = typed.drawn(assessment, given, told, visit.worker.timezone, there)
    names = tuple(one.name.removeprefix(typed.PREFIX) for section in view.sections for one in section.fields)
    wrong = [one.id for section in view.sections for one in section.fields if one.error]
    focus = wrong[0] if wrong else "fill-refused-words"
    saved = "" if saved_at is None else _clock(saved_at, visit.worker.timezone)
    return FillPart(view, names, saved, checked, refused, len(wrong), focus=focus if refocus else "")


def _clock(at: datetime, timezone: str) -> str:
    """When something was kept, by the worker's clock."""
    here, today = at.astimezone(ZoneInfo(timezone)), datetime.now(UTC).astimezone(ZoneInfo(timezone)).date()
    return f"{here:%H:%M}" if here.date() == today else f"{day(here)} {here:%H:%M}"


async def _drawn(visit: Visit, sent: _Sent, part: FillPart, status: int = 200) -> Response:
    """The form again: its part where a part of the page asked, else the page."""
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/form.html", Fragment(part), status)
    async with visit.parts.database.connection() as connection:
        patient = await sight.patient(visit, connection, sent.patient_id)
        page = await _page(visit, connection, patient, sent.assessment, sent.version, sent.texts, part)
    return visit.page(f"{_FOLDER}/fill.html", page, status)


@dataclass(frozen=True)
class Fragment:
    """What the form's template sees where it is drawn alone."""

    part: FillPart


async def _page(
    visit: Visit, connection: Connection, patient: Patient, assessment: Assessment, version: int, texts: Texts, part: FillPart
) -> FillPage:
    asked = {question.name for question in assessment.questions}
    left = {name: [text for text in given if text.strip()] for name, given in texts.items() if name not in asked}
    back = _number(visit.query("from"))
    labels: dict[str, Any] = {}
    if any(left.values()) and back:
        older = await element(connection, visit.environment_id, "assessment", assessment.id, back)
        labels = {q.name: q.label for q in older.questions} if isinstance(older, Assessment) else {}
    left_over = tuple(Stated(name, labels.get(name) or name, ", ".join(given)) for name, given in left.items() if given)
    earlier = await responses.of_spec(visit, connection, patient.id, assessment.id)
    return FillPage(patient, assessment, version, _newest(visit, assessment.id), back, left_over, earlier, part)
