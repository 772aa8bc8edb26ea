"""What workers are told about a patient until one of them has seen to it (contract's later edition:
Alerts).
"""

from dataclasses import replace

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Verb
from almoner.data_api.indexed import IndexedPart
from almoner.data_api.presented import Presented
from almoner.resources._encounters import later_patient_reference
from almoner.vocabulary.choices import ProgramName
from almoner.vocabulary.fields import NOW, Field, Object
from almoner.vocabulary.kinds import Boolean, Ref, Text, Word
from almoner.vocabulary.numbers import Integer
from almoner.vocabulary.times import IsoDateTime

# Neither finished by the program that raised it nor dismissed by a worker.
IS_OPEN = "NOT completed AND NOT dismissed"
# The type of those that come with answers whose score asks for somebody.
SCORE = "score"

alerts = Resource(
    name="alerts",
    title="Alerts",
    singular="alert",
    about=(
        "Entries of the inbox about a patient, raised by a program or a process. A worker dismisses"
        " one, a program finishes it."
    ),
    verbs=(Verb.GET, Verb.CREATE, Verb.UPDATE, Verb.FIND),
    patient="patient_id",
    parts=(
        IndexedPart("open", ("role", "active_time", "id"), IS_OPEN),
        IndexedPart(
            "for_worker", ("for_worker_id", "id"), f"{IS_OPEN} AND for_worker_id IS NOT NULL"
        ),
    ),
    presented=Presented("alert", "Alerts", named="alert_type"),
    fields=(
        ID,
        later_patient_reference("The patient whom it is about."),
        Field("worker_id", Ref("workers"), "Who raised it.", update=False, label="Raised by"),
        Field(
            "alert_type",
            Word(),
            "What it is about, as `app_message`. Any string.",
            required=True,
            update=False,
            filter=True,
            sample="app_message",
            label="Alert",
        ),
        Field(
            "config",
            Object((Field("count", Integer(low=0), "How many there are.", sample=2),)),
            "How many things it is about; one where that is absent.",
            sample={"count": 2},
            label="How many",
        ),
        Field(
            "active_time",
            IsoDateTime(),
            "Since when it shows.",
            default=NOW,
            sample="2020-10-23T09:00:00+00:00",
            label="Since",
        ),
        Field(
            "finished_time",
            IsoDateTime(),
            "When it was finished; null while it is open.",
            create=False,
            sample=None,
            label="Finished",
        ),
        Field(
            "completed",
            Boolean(),
            "Whether the program that raised it has finished it.",
            default=False,
            create=False,
        ),
        Field(
            "dismissed",
            Boolean(),
            "Whether a worker has seen to it.",
            default=False,
            create=False,
            update=False,
            label="Done",
        ),
        Field(
            "dismissed_by_worker_id",
            Ref("workers"),
            "The worker who has seen to it; null while nobody has.",
            create=False,
            update=False,
            label="Done by",
        ),
        Field(
            "role",
            ProgramName("roles"),
            "The role whose holders are told; null for all who care for the patient.",
            not_enveloped=True,
            update=False,
            sample="coach",
            label="For",
        ),
        Field(
            "for_worker_id",
            Ref("workers"),
            "The one worker who is told, as by a mention or a reminder; null where it is for a role"
            " or for all.",
            not_enveloped=True,
            update=False,
            sample=None,
            label="For whom",
        ),
        Field(
            "text",
            Text(),
            "What they are told.",
            not_enveloped=True,
            update=False,
            sample="Ask how the night was.",
        ),
        Field(
            "taken_by_worker_id",
            Ref("workers"),
            "The worker who takes care of it; null while nobody does.",
            create=False,
            update=False,
            not_enveloped=True,
            label="Taken by",
        ),
        Field(
            "taken_time",
            IsoDateTime(),
            "When they took it; null while nobody has.",
            create=False,
            update=False,
            not_enveloped=True,
            sample=None,
            label="Taken",
        ),
        Field(
            "assessment_response_id",
            Ref("assessment_responses"),
            "The answers whose score asks for somebody; null where it is about something else.",
            create=False,
            update=False,
            not_enveloped=True,
            sample=None,
            label="Answers",
        ),
        replace(UPDATED_AT, not_enveloped=True),
        replace(CREATED_AT, not_enveloped=True),
    ),
)
