"""Patients: the people whom a program cares for. Almost everything else is attached to one (contract: Patients)."""

from collections.abc import Sequence

from almoner.choices import ProgramChoice, State
from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Related, Resource, Row, Search, Verb
from almoner.fields import Field, ListOf, Object
from almoner.kinds import Email, Name, Phone, Ref, Text, ZipCode
from almoner.times import Birthday, Timezone


def contact_records(row: Row) -> Sequence[Related]:
    """The contact records and mappings that a Create writes along, all or nothing (clarification 15)."""
    related = []
    if row.get("email") is not None:
        related.append(Related("email_addresses", {"email": row["email"], "user_id": row["id"]}, ".email"))
    if row.get("phone") is not None:
        values = {"phone_number": row["phone"], "phone_number_type": "other", "user_id": row["id"]}
        related.append(Related("phone_numbers", values, ".phone"))
    for number, mapping in enumerate(row.get("external_ids") or ()):
        values = {**mapping, "resource": "patients", "welkin_id": row["id"]}
        related.append(Related("external_ids", values, f".external_ids[{number}]"))
    return related


MAPPING = Object(
    (
        Field("namespace", Text(), "Whose id it is.", required=True, sample="kiwihealth"),
        Field("external_id", Text(), "The patient's id there.", required=True, sample="MRN-20417"),
    )
)

# What names are searched by, and what lists of people are sorted by: the same on every server, whatever its locale.
NAME = Search("name", "{row}last_name || ' ' || {row}first_name", column="plain_name", beside=("birthday",))
NAME_ORDER = NAME.plain

patients = Resource(
    name="patients",
    title="Patients",
    singular="patient",
    about="The people whom the program cares for. Nothing stops two rows for one person, so look before you create.",
    verbs=(Verb.GET, Verb.FIND, Verb.CREATE, Verb.UPDATE),
    patient="id",
    on_create=contact_records,
    searches=(NAME,),
    orders={"name": (NAME_ORDER,), "phase": ("phase", NAME_ORDER), "created": ("created_at",)},
    fields=(
        ID,
        Field("phase", ProgramChoice("phases"), "Where in the program the patient is.", required=True, sample="intake"),
        Field("coach_id", Ref("workers"), "The worker who is the primary coach.", enveloped_name="primary_worker_id"),
        Field("timezone", Timezone(), "Where the patient lives, as a time zone.", required=True),
        Field("first_name", Name(), "Given name, in any script.", required=True),
        Field("last_name", Name(), "Family name, in any script.", required=True, sample="Hopper"),
        Field("birthday", Birthday(), "Day of birth.", required=True, optional_when_enveloped=True),
        UPDATED_AT,
        CREATED_AT,
        Field("street", Text(), "Street and number.", sample="3265 17th St"),
        Field("street_line_two", Text(), "Second line of the street address.", sample="#304"),
        Field("city", Text(), "City.", sample="San Francisco"),
        Field("county", Text(), "County, where it is known.", sample="San Francisco County"),
        Field("zip_code", ZipCode(), "Zip code of five digits."),
        Field("state", State(), "State, territory or military region."),
        Field("country", Text(), "Country.", sample="USA"),
        Field(
            "email",
            Email(),
            "Creates an e-mail address of the patient along.",
            update=False,
            stored=False,
            returned=False,
        ),
        Field(
            "external_ids",
            ListOf(MAPPING),
            "Creates mappings to ids of other systems along.",
            update=False,
            stored=False,
            returned=False,
        ),
        Field("phone", Phone(), "Creates a phone number of the patient along.", update=False, stored=False, returned=False),
    ),
)
