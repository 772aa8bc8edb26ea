"""Answers to an assessment, given here or in another system (contract: Assessment Responses)."""

from almoner.data_api.declare import (
    CREATED_AT,
    ID,
    UPDATED_AT,
    Related,
    Resource,
    Row,
    Verb,
    patient_reference,
)
from almoner.data_api.presented import Presented
from almoner.errors import Problem
from almoner.resources._entered_in_error import ENTERED_IN_ERROR
from almoner.resources._entered_in_error import NAMES as ERROR_NAMES
from almoner.resources.alerts import SCORE
from almoner.vocabulary.definitions import Program, Spec
from almoner.vocabulary.fields import MORE, Field, FormSection, missing_field
from almoner.vocabulary.kinds import AnyObject, Problems, Ref, Text
from almoner.vocabulary.numbers import Integer


class SpecName(Text):
    """What the assessment is called in the version that was answered: as the published program has
    it.
    """

    def to_json(self, column: str) -> str:
        row = column.rpartition(".")[0]
        return (
            "(SELECT e.definition ->> 'name' FROM program_elements e WHERE e.environment_id ="
            f" {row}.environment_id AND e.kind = 'assessment' AND e.name = {row}.spec_id AND"
            f" e.version = {row}.version)"
        )


class SpecVersion(Text):
    """The version that was answered, which is kept as a number beside it."""

    def to_json(self, column: str) -> str:
        return f"{column.rpartition('.')[0]}.version::text"


def fits_its_spec(row: Row, program: Program, problems: Problems) -> None:
    """Names the spec by id or name, as which its id is taken too, in the version asked for or the
    newest, and checks the model (clarification 19).
    """
    spec = _spec(row, program, problems)
    if spec is None:
        return
    row["spec_id"], row["version"] = spec.id, spec.version
    if type(row.get("model")) is dict:
        row["model"] = spec.model.keep(row["model"], ".model", problems)


def _spec(row: Row, program: Program, problems: Problems) -> Spec | None:
    spec_id, name, version = row.get("spec_id"), row.get("spec_name"), row.get("spec_version")
    if spec_id is None and name is None:
        problems.append(missing_field(".spec_id"))
        return None
    path = ".spec_name" if spec_id is None else ".spec_id"
    asked = program.spec_ids.get(name or "", name or "") if spec_id is None else spec_id
    newest = program.newest_specs.get(asked)
    if newest is None:
        problems.append(_unknown(path, _assessments(program)))
        return None
    if name not in (None, newest.name, newest.id):
        problems.append(_unknown(".spec_name", "spec_id and spec_name name different assessments"))
        return None
    if version is None:
        return newest
    spec = (
        program.specs.get((newest.id, int(version)))
        if version.isascii() and version.isdigit() and len(version) < 10
        else None
    )
    if spec is None:
        problems.append(
            _unknown(".spec_version", f"the newest published version is {newest.version}")
        )
    return spec


def alert_where_somebody_must_act(row: Row, program: Program) -> tuple[Related, ...]:
    """The alert that comes with answers whose score is in a band that asks for somebody."""
    score = program.specs[row["spec_id"], row["version"]].score(row["model"])
    if score is None or score.severity != "act":
        return ()
    alert = {
        "patient_id": row["user_id"],
        "alert_type": SCORE,
        "assessment_response_id": row["id"],
    }
    return (Related("alerts", alert, ".model", tells=True),)


def _assessments(program: Program) -> str:
    there = (f"{spec_id} ({name})" for name, spec_id in sorted(program.spec_ids.items()))
    known = ", ".join(there) or "none; publish a program first"
    return f"the published program defines these assessments: {known}"


def _unknown(path: str, hint: str) -> Problem:
    return Problem("parse_exception", f"Failed to parse spec at {path}: {hint}", {"path": path})


assessment_responses = Resource(
    name="assessment_responses",
    title="Assessment Responses",
    singular="assessment response",
    about=(
        "Answers to an assessment that the program defines. The model must satisfy the version of"
        " the spec that it names."
    ),
    verbs=(Verb.GET, Verb.CREATE, Verb.FIND),
    checks=(fits_its_spec,),
    on_create=alert_where_somebody_must_act,
    presented=Presented(
        things="Assessments",
        named="spec_id",
        versions=("version", "title"),
        place="/assessments/{id}",
    ),
    sections=(
        FormSection(
            "answers",
            "Answers",
            (
                *("spec_id", "model", "spec_name", "spec_version", "worker_id", "title"),
                *ERROR_NAMES,
            ),
        ),
        MORE,
    ),
    fields=(
        ID,
        Field(
            "spec_id",
            Text(),
            "Id of the assessment spec. Required unless spec_name is given.",
            sample="intake_assessment",
        ),
        patient_reference("The patient whom the answers are about."),
        Field(
            "model",
            AnyObject(),
            "The answers, by the names of the spec's fields.",
            required=True,
            sample={
                "insurance_provider": "Acme Insurance",
                "plan_type": "SILVER",
                "active": True,
                "years_active": 2,
                "last_hcp_visit": "2018-07-14",
                "pain_scale": 0.4,
                "completed_at": "2018-08-12T10:20:15",
            },
        ),
        UPDATED_AT,
        CREATED_AT,
        Field(
            "spec_name",
            SpecName(),
            "Names the spec instead of spec_id: by its name, or by its id as well.",
            stored=False,
            returned=False,
            returned_when_enveloped=True,
            sample="Intake assessment",
        ),
        Field(
            "spec_version",
            SpecVersion(),
            "Version of the spec; the newest when left out.",
            stored=False,
            returned=False,
            returned_when_enveloped=True,
            sample="1",
        ),
        Field(
            "worker_id",
            Ref("workers"),
            "The worker who filled it in; null where it was the patient, or where nobody said.",
            only_enveloped=True,
        ),
        Field(
            "title",
            Text(),
            "What the response is called in the portal.",
            returned=False,
            sample="Intake",
        ),
        *ENTERED_IN_ERROR,
        Field("version", Integer(), "", create=False, update=False, returned=False),
    ),
)
