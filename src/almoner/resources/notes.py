"""Notes that workers have signed about a patient. A collection of this system: the contract has
none.
"""

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Verb
from almoner.data_api.presented import Presented
from almoner.resources._encounters import later_patient_reference
from almoner.resources._entered_in_error import ENTERED_IN_ERROR
from almoner.resources._entered_in_error import NAMES as ERROR_NAMES
from almoner.vocabulary.choices import ProgramName
from almoner.vocabulary.fields import MORE, NOW, Field, FormSection
from almoner.vocabulary.kinds import Boolean, Guid, LongText, Ref
from almoner.vocabulary.times import IsoDateTime

notes = Resource(
    name="notes",
    title="Notes",
    singular="note",
    about=(
        "What workers have written of a patient, and signed. A note is never changed: another one"
        " adds to it."
    ),
    verbs=(Verb.GET, Verb.FIND),
    happened="signed_at",
    patient="patient_id",
    presented=Presented("note", "Notes", named="note_type", place="/notes#{id}"),
    sections=(
        FormSection(
            "note",
            "Note",
            (
                "worker_id",
                "note_type",
                "text",
                "signed_at",
                "adds_to_note_id",
                "pinned",
                *ERROR_NAMES,
            ),
        ),
        MORE,
    ),
    fields=(
        ID,
        later_patient_reference("The patient whom it is about."),
        Field(
            "worker_id", Ref("workers"), "Who wrote and signed it.", required=True, label="Author"
        ),
        Field(
            "note_type",
            ProgramName("note_types"),
            "What sort of note it is: one of the program's note types.",
            required=True,
            filter=True,
            sample="progress",
            label="Type",
        ),
        Field(
            "text",
            LongText(),
            "What it says.",
            required=True,
            sample="Sleeps better. Walks every day.",
        ),
        Field(
            "signed_at",
            IsoDateTime(),
            "When it was signed. From then on it is not changed any more.",
            default=NOW,
            label="Signed",
        ),
        Field(
            "adds_to_note_id",
            Guid(),
            "The id of the note that it adds to; null where it stands by itself.",
            sample=None,
            label="Adds to",
        ),
        Field(
            "pinned",
            Boolean(),
            "Whether it stays in view on the patient's profile.",
            default=False,
        ),
        *ENTERED_IN_ERROR,
        UPDATED_AT,
        CREATED_AT,
    ),
)
