"""Calls by telephone that took place or were tried (contract's later edition: Calls)."""

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Verb
from almoner.data_api.presented import Presented
from almoner.resources._encounters import later_patient_reference, of_same_patient
from almoner.resources._entered_in_error import ENTERED_IN_ERROR
from almoner.resources._entered_in_error import NAMES as ERROR_NAMES
from almoner.vocabulary.choices import Choice, ProgramName
from almoner.vocabulary.contact_kinds import Phone
from almoner.vocabulary.fields import MORE, Field, FormSection
from almoner.vocabulary.kinds import Ref, Text
from almoner.vocabulary.numbers import Seconds
from almoner.vocabulary.times import IsoDateTime

calls = Resource(
    name="calls",
    title="Calls",
    singular="call",
    about="Calls by telephone with a patient, entered by workers: what came of each, and when.",
    verbs=(Verb.GET, Verb.FIND),
    happened="start_time",
    questions=(of_same_patient("calendar_event_id", "calendar_events"),),
    patient="patient_id",
    presented=Presented("call", "Calls", named="outcome"),
    sections=(
        FormSection(
            "call",
            "Call",
            (
                "call_type",
                "from_number",
                "to_number",
                "start_time",
                "duration",
                "calendar_event_id",
                "worker_id",
                "audio_url",
                "outcome",
                "note",
                *ERROR_NAMES,
            ),
        ),
        MORE,
    ),
    fields=(
        ID,
        CREATED_AT,
        UPDATED_AT,
        Field(
            "call_type",
            Choice(
                ("inbound", "outbound"),
                words=(("inbound", "from the patient"), ("outbound", "to the patient")),
            ),
            "Who called: the patient (`inbound`) or the worker (`outbound`).",
            required=True,
            sample="outbound",
            label="Direction",
        ),
        Field("from_number", Phone(), "The number that called, where it is known.", sample=None),
        Field("to_number", Phone(), "The number that was called, where it is known."),
        Field(
            "start_time",
            IsoDateTime(),
            "When it began.",
            required=True,
            sample="2020-09-10T18:56:19.357228+00:00",
            label="Began",
        ),
        Field(
            "duration",
            Seconds(low=0),
            "How long it lasted, in seconds.",
            default=0,
            sample=200,
        ),
        Field(
            "calendar_event_id",
            Ref("calendar_events"),
            "The appointment that it was made for; null where it was not planned.",
            label="Appointment",
        ),
        Field("worker_id", Ref("workers"), "The worker who spoke.", required=True, label="Worker"),
        later_patient_reference("The patient whom the call is with."),
        Field(
            "audio_url", Text(), "Where a recording is; empty without one.", default="", sample=""
        ),
        Field(
            "outcome",
            ProgramName("call_outcomes"),
            "What came of it: `reached`, `voicemail`, `no_answer`, `wrong_number`, or what the"
            " program has besides.",
            required=True,
            not_enveloped=True,
            sample="reached",
        ),
        Field(
            "note",
            Text(),
            "What was spoken of.",
            not_enveloped=True,
            sample="Sleeps better since Monday.",
        ),
        *ENTERED_IN_ERROR,
    ),
)
