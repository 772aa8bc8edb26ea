"""Mappings between ids here and ids in other systems (contract: External Ids)."""

from almoner.choices import Choice
from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Search, Unique, Verb
from almoner.fields import Field
from almoner.kinds import Guid, Text

COLLECTIONS = (
    "assessment_responses",
    "calendar_events",
    "calendars",
    "care_flows",
    "conversations",
    "custom_data_type_records",
    "email_addresses",
    "integration_tasks",
    "messages",
    "patient_tasks",
    "patients",
    "phone_numbers",
    "workers",
)

EXTERNAL_ID = Search("external_id", "{row}external_id")

external_ids = Resource(
    name="external_ids",
    title="External Ids",
    singular="external id",
    about="Mappings between the ids of this system and those of others, each in a namespace.",
    provisional=True,
    verbs=(Verb.GET, Verb.UPDATE, Verb.CREATE, Verb.FIND),
    patient=None,
    any_reference=("resource", "welkin_id"),
    unique=(
        Unique(
            ("namespace", "external_id"),
            ".external_id",
            "This external id is taken in its namespace",
        ),
        Unique(
            ("namespace", "welkin_id", "resource"),
            ".welkin_id",
            "This resource has an external id in this namespace already",
        ),
    ),
    searches=(EXTERNAL_ID,),
    fields=(
        ID,
        Field(
            "resource",
            Choice(COLLECTIONS),
            "The collection that welkin_id is in.",
            required=True,
            filter=True,
            sample="patients",
        ),
        Field("namespace", Text(), "Whose id it is. Any string.", required=True, filter=True, sample="kiwihealth"),
        Field(
            "external_id",
            Text(),
            "The id in the other system. Any string.",
            required=True,
            filter=True,
            sample="MRN-20417",
        ),
        Field("welkin_id", Guid(), "The id here. It must exist in the collection.", required=True, filter=True),
        Field("updated_at", UPDATED_AT.kind, "", create=False, update=False, returned=False),
        Field("created_at", CREATED_AT.kind, "", create=False, update=False, returned=False),
    ),
)
