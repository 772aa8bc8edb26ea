"""Care flows: what is to be done for one patient, goal by goal (contract: Care Flows)."""

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Verb, patient_reference
from almoner.data_api.indexed import IndexedPart
from almoner.data_api.presented import Presented
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.fields import MORE, Field, FormSection, ListOf, Object
from almoner.vocabulary.kinds import Guid, LongText, Text
from almoner.vocabulary.numbers import Number
from almoner.vocabulary.times import IsoDate, IsoDateTime

INTERVENTION = Object(
    (
        Field(
            "title",
            Text(),
            "What is to be done.",
            required=True,
            sample="decide on type of exercise",
        ),
        Field(
            "reminder_date", IsoDateTime(), "When it is due.", sample="2018-08-07T00:00:00+00:00"
        ),
        Field(
            "completed_at", IsoDateTime(), "When it was done; null while it is open.", sample=None
        ),
        Field("completed_by_worker_id", Guid(), "The worker who did it.", sample=None),
        Field("worker_id", Guid(), "The worker to whom it is assigned.", sample=None),
        Field(
            "instructions",
            LongText(),
            "How to do it.",
            sample="Help the patient choose an exercise to commit to.",
        ),
    )
)
# How far a goal is can be a number. It is there where the goal has one alone: all others are as the
# document has them (clarification 20).
TARGET = Object(
    (
        Field(
            "of",
            Text(),
            "What it is measured by: the spec_id of an assessment, a custom data type, or patient.",
            required=True,
            sample="lab_result",
        ),
        Field("field", Text(), "The question or field; null for the score.", sample="value"),
        Field("choice", Text(), "Which of the records count, by what they are of.", sample="hba1c"),
        Field("from", Number(), "Where it begins; null: the value as the flow began.", sample=8.9),
        Field("value", Number(), "The number at which it is reached.", required=True, sample=7),
        Field(
            "direction",
            Choice(("down", "up")),
            "Whether it is reached at the number or below it, or at it or above.",
            required=True,
            sample="down",
        ),
        Field("by", IsoDate(), "By when, where the patient lives.", sample="2018-11-07"),
    )
)
GOAL = Object(
    (
        Field("title", Text(), "What is to be reached.", required=True, sample="Make a plan"),
        Field("interventions", ListOf(INTERVENTION), "The steps to it.", required=True),
        Field("target", TARGET, "The number that it is reached at, where there is one."),
    )
)
CARE_FLOW = Object(
    (
        Field(
            "description",
            Text(),
            "What the flow is for.",
            required=True,
            sample="increase daily exercise",
        ),
        Field(
            "diagnosis",
            Text(),
            "Why it is needed.",
            sample="patient needs at least 30min exercise per day",
        ),
        Field("goals", ListOf(GOAL), "The goals, in order.", required=True),
    )
)

# When the first reminder of what is still open is.
OPEN_SINCE = "almoner_open_since(care_flow)"
_IS_OPEN = f"{OPEN_SINCE} IS NOT NULL"
# What is due is found by patient, for everybody, and by the worker to whom a step is assigned.
_PARTS = (
    IndexedPart("open", ("user_id", OPEN_SINCE), _IS_OPEN),
    IndexedPart("due", (OPEN_SINCE,), _IS_OPEN),
    IndexedPart("assigned", ("almoner_open_workers(care_flow)",), _IS_OPEN, using="gin"),
)

care_flows = Resource(
    name="care_flows",
    title="Care Flows",
    singular="care flow",
    about=(
        "Goals and interventions of one patient. A flow keeps no link to the template that it was"
        " made from."
    ),
    verbs=(Verb.GET, Verb.FIND),
    parts=_PARTS,
    presented=Presented(named="care_flow ->> 'description'", place="/care-flows/{id}"),
    sections=(FormSection("flow", "Care flow", ("care_flow",)), MORE),
    fields=(
        ID,
        patient_reference("The patient whom the flow is for."),
        Field(
            "care_flow", CARE_FLOW, "The flow, its goals and their interventions.", required=True
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
