"""Meetings in person that took place (contract's later edition: Visits)."""

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Row, Verb
from almoner.data_api.endings import Ending
from almoner.data_api.presented import Presented
from almoner.errors import Problem
from almoner.resources._encounters import later_patient_reference, of_same_patient
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Problems, Ref, Text
from almoner.vocabulary.times import IsoDateTime


def _ends_after_start(row: Row, program: Program, problems: Problems) -> None:
    start, end = row.get("start_time"), row.get("end_time")
    if start is not None and end is not None and end <= start:
        detail = "Failed to parse visit at .end_time: the end must be after the start"
        problems.append(Problem("parse_exception", detail, {"path": ".end_time"}))


visits = Resource(
    name="visits",
    title="Visits",
    singular="visit",
    about="Meetings of a worker and a patient in person, that took place.",
    verbs=(Verb.GET, Verb.CREATE, Verb.UPDATE, Verb.FIND),
    happened="start_time",
    checks=(_ends_after_start,),
    checked_fields=frozenset({"start_time", "end_time"}),
    questions=(
        of_same_patient("calendar_event_id", "calendar_events"),
        of_same_patient("assessment_response_id", "assessment_responses"),
    ),
    ends=(Ending("calendar_event_id", "calendar_events", {"outcome": "completed"}),),
    patient="patient_id",
    presented=Presented("visit", "Visits", named="start_time"),
    fields=(
        ID,
        Field(
            "worker_id", Ref("workers"), "The worker who was there.", required=True, update=False
        ),
        later_patient_reference("The patient whom the visit was with."),
        Field(
            "calendar_event_id",
            Ref("calendar_events"),
            "The appointment that it was, which a Create completes; null where it was not planned.",
            label="Appointment",
        ),
        Field(
            "assessment_response_id",
            Ref("assessment_responses"),
            "The answers that were taken down; null where there are none.",
            label="Assessment",
        ),
        Field(
            "disposition",
            Choice(("completed", "no_show")),
            "Not used any more: always null.",
            create=False,
            update=False,
            sample=None,
        ),
        Field(
            "start_time",
            IsoDateTime(),
            "When it began.",
            required=True,
            update=False,
            sample="2020-09-10T18:56:19.357228+00:00",
            label="Began",
        ),
        Field(
            "end_time",
            IsoDateTime(),
            "When it ended.",
            required=True,
            update=False,
            sample="2020-09-10T19:26:19.357540+00:00",
            label="Ended",
        ),
        CREATED_AT,
        UPDATED_AT,
        Field(
            "note",
            Text(),
            "What it was about.",
            not_enveloped=True,
            sample="Walked to the park and back.",
        ),
    ),
)
