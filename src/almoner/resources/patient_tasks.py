"""Tasks that a patient is shown, often a survey to fill in (contract: Patient Tasks)."""

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Verb, patient_reference
from almoner.data_api.presented import Presented
from almoner.vocabulary.choices import ProgramName
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Boolean

patient_tasks = Resource(
    name="patient_tasks",
    title="Patient Tasks",
    singular="patient task",
    about="Tasks for a patient. Deleting one removes it for good.",
    verbs=(Verb.GET, Verb.CREATE, Verb.DELETE, Verb.FIND),
    presented=Presented("task", "Tasks", page="tasks", card="tasks", dismissal="dismissed"),
    fields=(
        ID,
        patient_reference("The patient whose task it is."),
        Field(
            "task_type",
            ProgramName("task_types"),
            "What there is to do.",
            required=True,
            sample="survey",
            label="What there is to do",
            help="",
        ),
        Field(
            "dismissed",
            Boolean(),
            "Whether the patient has put it away; null while untouched.",
            create=False,
            sample=None,
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
