"""Tasks of custom integrations, with the errors that they ended in (contract: Integration
Tasks).
"""

from almoner.data_api.declare import CREATED_AT, ID, PATIENT, UPDATED_AT, Resource, Verb
from almoner.data_api.presented import Presented
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.fields import Field, ListOf, Object
from almoner.vocabulary.kinds import Json, Text, Texts

INTEGRATION_ERROR = Object(
    (
        Field("code", Text(), "For programs.", required=True, sample="user_not_found"),
        Field(
            "message", Text(), "For people.", required=True, sample="There is no user with that ID."
        ),
        Field(
            "extra",
            Json(),
            "What else is known of it.",
            sample={"user_id": "abc", "attempt_number": 7},
        ),
    )
)

integration_tasks = Resource(
    name="integration_tasks",
    title="Integration Tasks",
    singular="integration task",
    about="What custom integrations did, task by task. Tasks with one job_id belong together.",
    provisional=True,
    verbs=(Verb.GET, Verb.FIND),
    presented=Presented(named="task_name", place="", in_timeline=False),
    fields=(
        ID,
        Field(
            "status",
            Choice(("unattempted", "running", "failed", "succeeded")),
            "How far it is.",
            required=True,
            sample="failed",
        ),
        Field(
            "user_id",
            PATIENT,
            "The patient whom it is about, where there is one.",
            enveloped_name="patient_id",
            label="Patient",
        ),
        Field(
            "ref_ids",
            Texts(),
            "The ids in other systems that it works with.",
            default=[],
            filter=True,
            filter_as="ref_id",
        ),
        Field(
            "job_id",
            Text(),
            "The job that it belongs to.",
            required=True,
            filter=True,
            sample="8bf1e295-4944-1027-d382-0c36846acd4c",
        ),
        Field(
            "task_name",
            Text(),
            "Its name, behind the job's.",
            required=True,
            filter=True,
            sample="kiwihealth_pull.process_item",
        ),
        UPDATED_AT,
        CREATED_AT,
        Field("errors", ListOf(INTEGRATION_ERROR), "The errors of this task alone.", default=[]),
    ),
)
