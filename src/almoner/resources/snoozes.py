"""Until when a worker has put a patient off in the inbox (a collection of the house's own)."""

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Verb
from almoner.data_api.presented import Presented
from almoner.resources._encounters import later_patient_reference
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Ref
from almoner.vocabulary.times import IsoDateTime

snoozes = Resource(
    name="snoozes",
    title="Snoozes",
    singular="snooze",
    about=(
        "A worker put a patient off in their inbox until a moment. The newest of a worker and a"
        " patient counts: one whose moment has passed brings the patient back."
    ),
    verbs=(Verb.GET, Verb.FIND),
    patient="patient_id",
    presented=Presented(named="", place="", in_timeline=False),
    # What of a worker is still to come back.
    orders={"ahead": ("worker_id", "until_time")},
    fields=(
        ID,
        later_patient_reference("The patient who was put off."),
        Field(
            "worker_id",
            Ref("workers"),
            "The worker in whose inbox they were.",
            required=True,
            label="Worker",
        ),
        Field(
            "until_time",
            IsoDateTime(),
            "When the patient comes back.",
            required=True,
            sample="2026-12-03T14:00:00+00:00",
            label="Until",
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
