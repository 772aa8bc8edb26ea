"""The assessments of a patient: answered ones newest first, drafts to go on with, and what can be started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from starlette.responses import Response

from almoner.errors import problem
from almoner.pages.cursors import Cursor
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.portal.assessments import drafts, fill_page, responses
from almoner.portal.assessments.responses import MOST, Answered
from almoner.portal.patient import Patient
from almoner.portal.records.values import FieldValue, Zones, beyond, field_values
from almoner.vocabulary.definitions import Spec
from almoner.vocabulary.kinds import Guid
from almoner.workshop import questions
from almoner.workshop.design import Assessment, CareFlowTemplate
from almoner.workshop.published_programs import decoded, outline_at

_FOLDER: Final = "portal/assessments"
# So many care flows are offered after an assessment; the page of a new one has all.
_FLOWS: Final = 4


@dataclass(frozen=True)
class Begun:
    """A draft to go on with. ``newest`` is the version that the program asks now, 0 where it has the assessment no more."""

    spec_id: str
    name: str
    version: int
    newest: int
    saved_at: datetime


@dataclass(frozen=True)
class ResponsesPage:
    """The list. ``older`` leads on to what does not fit on the page, blank where there is none."""

    patient: Patient
    answered: list[Answered]
    older: str
    begun: list[Begun]
    startable: list[Spec]


@dataclass(frozen=True)
class AnsweredSection:
    """A section of an answered assessment with its answers in words."""

    heading: str
    answers: tuple[FieldValue, ...]


@dataclass(frozen=True, kw_only=True)
class ResponsePage:
    """One answered assessment. ``others`` are answers that its version did not ask for; ``newest`` as in ``Begun``.

    ``flows`` names the care flows that can be begun next, those that speak of the assessment or of its band first.
    """

    patient: Patient
    answered: Answered
    sections: tuple[AnsweredSection, ...]
    others: tuple[FieldValue, ...]
    newest: int
    flows: tuple[str, ...]


async def show_all(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        answered = await responses.newest(visit, connection, patient.id, Cursor.parse(visit.query("before")))
        last = answered[MOST - 1] if len(answered) > MOST else None
        older = f"?before={Cursor(last.at, UUID(last.id)).text()}" if last else ""
        begun = await begun_by(visit, [dict(row) for row in await drafts.list_drafts(visit, connection, patient.id)])
    page = ResponsesPage(patient, answered[:MOST], older, begun, startable(visit))
    return visit.page(f"{_FOLDER}/list.html", page)


async def show(visit: Visit) -> Response:
    """One answered assessment, in the version that was asked."""
    async with visit.parts.database.connection() as connection:
        patient = await patient_access.patient(visit, connection, visit.path("id"))
        row_id = Guid().decode(visit.path("response"), "", [])
        answered = await responses.response_by_id(visit, connection, patient.id, row_id) if row_id else None
        outline = await outline_at(connection, visit.environment_id, visit.program.version)
    if answered is None:
        raise problem("not_found", "This patient has no such answers, or your role does not show them.")
    zones = Zones(patient.timezone, visit.worker.timezone)
    assessment = answered.assessment
    parts = _parts(assessment, answered, zones) if assessment else ()
    others = beyond(assessment.questions if assessment else (), answered.model, zones)
    newest = visit.program.newest_specs.get(answered.spec_id)
    templates = _fitting(outline.care_flows if outline else (), answered)
    page = ResponsePage(
        patient=patient,
        answered=answered,
        sections=parts,
        others=others,
        newest=newest.version if newest else 0,
        flows=templates[:_FLOWS],
    )
    return visit.page(f"{_FOLDER}/response.html", page)


def startable(visit: Visit) -> list[Spec]:
    """The published assessments that the visitor's role shows, in the designer's order."""
    return [spec for spec_id, spec in visit.program.newest_specs.items() if spec_id not in visit.rights.hidden_assessments]


async def begun_by(visit: Visit, rows: Iterable[dict[str, object]]) -> list[Begun]:
    """The drafts of these rows as they are listed."""
    found = []
    for row in rows:
        name = decoded(row, Assessment).name
        newest = visit.program.newest_specs.get(str(row["spec_id"]))
        found.append(Begun(str(row["spec_id"]), name, row["version"], newest.version if newest else 0, row["saved_at"]))  # type: ignore[arg-type]
    return found


def _fitting(templates: Iterable[CareFlowTemplate], answered: Answered) -> tuple[str, ...]:
    """The names of templates, those first whose texts speak of the assessment or of the band that its score is in."""
    band = answered.score.band if answered.score else None
    words = [one.casefold() for one in (answered.name, band) if one]

    def is_apart(template: CareFlowTemplate) -> bool:
        said = f"{template.name}\n{template.description}\n{template.diagnosis}".casefold()
        return not any(word in said for word in words)

    return tuple(one.name for one in sorted(templates, key=is_apart))


def _parts(assessment: Assessment, answered: Answered, zones: Zones) -> tuple[AnsweredSection, ...]:
    """Its sections; of the follow-ups those that were asked or, whatever the reason, answered."""
    asked = questions.visible_questions(assessment, answered.model)
    parts = []
    for section in assessment.sections:
        fields = [q for q in section.questions if q.name in asked or answered.model.get(q.name) is not None]
        if fields:
            parts.append(AnsweredSection(section.heading, field_values(fields, answered.model, zones)))
    return tuple(parts)


ROUTES = (
    PageRoute("/patients/{id}/assessments", show_all, may="give_care"),
    PageRoute("/patients/{id}/assessments/new", fill_page.show, may="give_care"),
    PageRoute("/patients/{id}/assessments/answer", fill_page.answer, methods=("POST",), may="give_care"),
    PageRoute("/patients/{id}/assessments/discard", fill_page.discard, methods=("POST",), may="give_care"),
    PageRoute("/patients/{id}/assessments/{response}", show, may="give_care"),
)
