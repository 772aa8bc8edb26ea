"""The assessments of a patient: answered ones newest first, drafts to go on with, and what can be
started.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.cursors import Cursor
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.assessments import drafts, fill_page, responses
from almoner.portal.assessments.responses import MOST, OWN, Answered
from almoner.portal.own_fields import Facts
from almoner.portal.patient import Patient
from almoner.portal.patient_routes import patient_route
from almoner.portal.value_words import FieldValue, Zones, beyond, field_values
from almoner.vocabulary.definitions import Spec
from almoner.vocabulary.kinds import Guid
from almoner.workshop import questions
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.design import CareFlowTemplate
from almoner.workshop.field_kinds import declared
from almoner.workshop.published_programs import decoded, outline_at

_FOLDER: Final = "portal/assessments"
# So many care flows are offered after an assessment; the page of a new one has all.
_FLOWS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A draft to go on with. ``newest`` is the version that the program asks now, 0 where it has
    the assessment no more.
    """

    spec_id: str
    name: str
    version: int
    newest: int
    saved_at: datetime


@dataclass(frozen=True, kw_only=True)
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
    """One answered assessment. ``others`` are answers that its version did not ask for, ``facts``
    what a site has added; ``newest`` as in ``Begun``.

    ``flows`` names the care flows that can be begun next, those that speak of the assessment or of
    its band first."""

    patient: Patient
    answered: Answered
    sections: tuple[AnsweredSection, ...]
    others: tuple[FieldValue, ...]
    facts: Facts
    newest: int
    flows: tuple[str, ...]


async def show_all(visit: Visit, connection: Connection, patient: Patient) -> Response:
    before = Cursor.parse(visit.query("before"))
    answered = await responses.newest(visit, connection, patient.id, before)
    last = answered[MOST - 1] if len(answered) > MOST else None
    older = f"?before={Cursor(last.at, UUID(last.id)).text()}" if last else ""
    begun = await begun_here(visit, connection, patient.id)
    page = ResponsesPage(
        patient=patient,
        answered=answered[:MOST],
        older=older,
        begun=begun,
        startable=startable(visit),
    )
    return visit.page(f"{_FOLDER}/list.html", page)


async def show(visit: Visit, connection: Connection, patient: Patient) -> Response:
    """One answered assessment, in the version that was asked."""
    row_id = Guid().decode(visit.path("response"), "", [])
    answered = (
        await responses.response_by_id(visit, connection, patient.id, row_id) if row_id else None
    )
    if answered is None:
        raise problem(
            "not_found", "This patient has no such answers, or your role does not show them."
        )
    outline = await outline_at(connection, visit.environment_id, visit.program.version)
    zones = Zones(patient.timezone, visit.worker.timezone)
    assessment = answered.assessment
    parts = _parts(assessment, answered, zones) if assessment else ()
    asked = {question.name for question in assessment.questions} if assessment else set()
    others = beyond(asked, answered.model, zones)
    newest = visit.program.newest_specs.get(answered.spec_id)
    templates = _fitting(outline.care_flows if outline else (), answered)
    (facts,) = await OWN.facts(visit, connection, patient, [answered.row])
    page = ResponsePage(
        patient=patient,
        answered=answered,
        sections=parts,
        others=others,
        facts=facts,
        newest=newest.version if newest else 0,
        flows=templates[:_FLOWS],
    )
    return visit.page(f"{_FOLDER}/response.html", page)


def startable(visit: Visit) -> list[Spec]:
    """The published assessments that the visitor's role shows, in the designer's order."""
    return [
        spec
        for spec_id, spec in visit.program.newest_specs.items()
        if spec_id not in visit.rights.hidden_assessments
    ]


async def begun_here(visit: Visit, connection: Connection, patient_id: str) -> list[Begun]:
    """The visitor's drafts for a patient, the last first."""
    specs = visit.program.newest_specs
    return [
        Begun(
            spec_id=row["spec_id"],
            name=decoded(row, Assessment).name,
            version=row["version"],
            newest=specs[row["spec_id"]].version if row["spec_id"] in specs else 0,
            saved_at=row["saved_at"],
        )
        for row in await drafts.list_drafts(visit, connection, patient_id)
    ]


def _fitting(templates: Iterable[CareFlowTemplate], answered: Answered) -> tuple[str, ...]:
    """The names of templates, those first whose texts speak of the assessment or of the band that
    its score is in.
    """
    band = answered.score.band if answered.score else None
    words = [word.casefold() for word in (answered.name, band) if word]

    def is_apart(template: CareFlowTemplate) -> bool:
        text = f"{template.name}\n{template.description}\n{template.diagnosis}".casefold()
        return not any(word in text for word in words)

    return tuple(template.name for template in sorted(templates, key=is_apart))


def _parts(assessment: Assessment, answered: Answered, zones: Zones) -> tuple[AnsweredSection, ...]:
    """Its sections; of the follow-ups those that were asked or, whatever the reason, answered."""
    asked = questions.visible_questions(assessment, answered.model)
    parts = []
    for section in assessment.sections:
        fields = [
            declared(q)
            for q in section.questions
            if q.name in asked or answered.model.get(q.name) is not None
        ]
        if fields:
            parts.append(
                AnsweredSection(section.heading, field_values(fields, answered.model, zones))
            )
    return tuple(parts)


ROUTES = (
    patient_route("/assessments", show_all),
    patient_route("/assessments/new", fill_page.show),
    PageRoute(
        "/patients/{id}/assessments/answer", fill_page.answer, methods=("POST",), may="give_care"
    ),
    patient_route("/assessments/discard", fill_page.discard, "POST"),
    patient_route("/assessments/{response}", show),
)
