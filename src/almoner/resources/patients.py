"""Patients: the people whom a program cares for. Almost everything else is attached to one
(contract: Patients).
"""

from collections.abc import Sequence
from typing import Any

from almoner.data_api.declare import (
    CREATED_AT,
    ID,
    UPDATED_AT,
    Filter,
    Related,
    Resource,
    Row,
    Through,
    Verb,
)
from almoner.data_api.indexed import IndexedPart, Search
from almoner.data_api.nested import NewRows
from almoner.data_api.presented import Presented
from almoner.resources._languages import LANGUAGES
from almoner.resources.custom_data_type_records import custom_data_type_records
from almoner.resources.email_addresses import HAS_ADDRESS, email_addresses
from almoner.resources.external_ids import external_ids
from almoner.resources.phone_numbers import HAS_NUMBER, phone_numbers
from almoner.vocabulary.choices import Choice, ProgramChoice, State
from almoner.vocabulary.contact_kinds import Name, Phone, ZipCode
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import MISSING, Field, FormSection
from almoner.vocabulary.kinds import BooleanOrWord, Email, Kind, Ref, Text
from almoner.vocabulary.times import Birthday, Timezone


def contact_records(row: Row, program: Program) -> Sequence[Related]:
    """The contact records that ``email`` and ``phone`` write along (clarification 15), but for
    those listed beside them.
    """
    related = []
    email, phone = row.get("email"), row.get("phone")
    if email is not None and email not in {
        email["email"] for email in row.get("email_addresses") or ()
    }:
        related.append(Related("email_addresses", {"email": email, "user_id": row["id"]}, ".email"))
    if phone is not None and phone not in {
        phone["phone_number"] for phone in row.get("phone_numbers") or ()
    }:
        values = {"phone_number": phone, "phone_number_type": "other", "user_id": row["id"]}
        related.append(Related("phone_numbers", values, ".phone"))
    return related


def along(
    name: str, kind: NewRows, what: str, only_enveloped: bool = True, inside: bool = False
) -> Field:
    """Rows of another collection that a Create writes along, all or nothing. ``inside``: the later
    edition has them in the row.
    """
    return Field(
        name,
        kind,
        f"Creates {what} along." if not inside else f"The {what}. Creates them along.",
        update=False,
        stored=False,
        returned=False,
        returned_when_enveloped=inside,
        only_enveloped=only_enveloped,
    )


def address(name: str, kind: Kind, about: str, sample: Any = MISSING, label: str = "") -> Field:
    """A line of the address, which says itself what it is."""
    return Field(name, kind, about, sample=sample, label=label, help="", section="reach")


def later(name: str, kind: Kind, about: str, sample: Any, default: Any = MISSING) -> Field:
    """A field of the contract's later edition: stored, but not in the documented shape
    (clarification 7).
    """
    return Field(name, kind, about, sample=sample, default=default, only_enveloped=True)


# What names are searched by, and what lists of people are sorted by: the same on every server,
# whatever its locale.
NAME = Search(
    "name", "{row}last_name || ' ' || {row}first_name", column="plain_name", beside=("birthday",)
)
NAME_ORDER = NAME.plain
# The index of names holds the first 200 characters of both together; longer ones, of which there
# are next to none, have their own. Told as an equality, which PostgreSQL takes for rare. Of a
# comparison it expects a third of all rows, and reads them all.
_LONG = "least(length(last_name) + length(first_name), 199) = 199"
_CALLED = f"({NAME.plain} LIKE '%' || almoner_plain({{value}}) || '%' OR {_LONG})"
_NUMBERS, _ADDRESSES = Through("phone_numbers", "user_id"), Through("email_addresses", "user_id")
_MAPPINGS = Through("external_ids", "welkin_id", "resource = 'patients'")
FINDERS = (
    Filter(
        "first_name",
        Name(),
        "The given name, letter by letter.",
        f"{_CALLED} AND first_name = {{value}}",
        sample="Grace",
    ),
    Filter(
        "last_name",
        Name(),
        "The family name, letter by letter.",
        f"{_CALLED} AND last_name = {{value}}",
        sample="Hopper",
    ),
    Filter(
        "birthday", Birthday(), "The day of birth.", "birthday = {value}", sample=Birthday.sample
    ),
    Filter(
        "email",
        Email(),
        "An e-mail address of the patient, letter by letter.",
        HAS_ADDRESS,
        _ADDRESSES,
        sample=Email.sample,
    ),
    Filter(
        "phone",
        Phone(),
        "A phone number of the patient, in any notation.",
        HAS_NUMBER,
        _NUMBERS,
        sample=Phone.sample,
    ),
    Filter(
        "external_id",
        Text(),
        "An id of the patient in another system; with `namespace`, in that one.",
        Text().filter_sql("external_id", "{value}"),
        _MAPPINGS,
        sample="MRN-20417",
    ),
    Filter(
        "namespace",
        Text(),
        "The system in which the patient has an id.",
        Text().filter_sql("namespace", "{value}"),
        _MAPPINGS,
        sample="kiwihealth",
    ),
)

patients = Resource(
    name="patients",
    title="Patients",
    singular="patient",
    about=(
        "The people whom the program cares for. Nothing stops two rows for one person, so look"
        " before you create."
    ),
    verbs=(Verb.GET, Verb.FIND, Verb.CREATE, Verb.UPDATE),
    patient="id",
    on_create=contact_records,
    searches=(NAME,),
    finders=FINDERS,
    parts=(IndexedPart("long_name", ("id",), _LONG),),
    sections=(
        FormSection("who", "Who it is", ("first_name", "last_name", "birthday", "timezone")),
        FormSection("care", "Care", ("phase", "coach_id")),
        FormSection("reach", "How to reach them", ("phone", "email")),
        FormSection("more", "More about them"),
    ),
    orders={"name": (NAME_ORDER,), "phase": ("phase", NAME_ORDER), "created": ("created_at",)},
    presented=Presented(
        named="",
        page="contact",
        slug="details",
        sections=("who", "reach", "more"),
        card="contact",
    ),
    fields=(
        ID,
        Field(
            "phase",
            ProgramChoice("phases"),
            "Where in the program the patient is.",
            required=True,
            filter=True,
            sample="intake",
        ),
        Field(
            "coach_id",
            Ref("workers"),
            "The worker who is the primary coach.",
            enveloped_name="primary_worker_id",
        ),
        Field(
            "timezone",
            Timezone(),
            "Where the patient lives, as a time zone.",
            required=True,
            label="Time zone",
        ),
        Field("first_name", Name(), "Given name, in any script.", required=True, help=""),
        Field(
            "last_name",
            Name(),
            "Family name, in any script.",
            required=True,
            sample="Hopper",
            help="",
        ),
        Field(
            "birthday",
            Birthday(),
            "Day of birth.",
            required=True,
            optional_when_enveloped=True,
            help="",
        ),
        UPDATED_AT,
        CREATED_AT,
        address("street", Text(), "Street and number.", "3265 17th St", "Street and number"),
        address(
            "street_line_two", Text(), "Second line of the street address.", "#304", "Second line"
        ),
        address("city", Text(), "City.", "San Francisco"),
        address("county", Text(), "County, where it is known.", "San Francisco County"),
        address("zip_code", ZipCode(), "Zip code of five or nine digits."),
        address("state", State(), "State, territory or military region."),
        address("country", Text(), "Country.", "USA"),
        Field(
            "email",
            Email(),
            "Creates an e-mail address of the patient along.",
            update=False,
            stored=False,
            returned=False,
            label="E-mail",
            help="",
        ),
        along(
            "external_ids",
            NewRows(external_ids, "welkin_id", {"resource": "patients"}),
            "mappings to ids of other systems",
            False,
        ),
        Field(
            "phone",
            Phone(),
            "Creates a phone number of the patient along.",
            update=False,
            stored=False,
            returned=False,
            help="",
        ),
        later(
            "is_active",
            BooleanOrWord(),
            "Whether the patient takes part. Nothing else is changed with it.",
            True,
            True,
        ),
        later(
            "primary_language",
            Choice(LANGUAGES),
            "The language that the patient speaks first.",
            "english",
        ),
        later("gender", Text(), "In the patient's own words.", "Female"),
        later("height", Text(), "Height in inches.", "65"),
        later("weight", Text(), "Weight in pounds.", "130"),
        later(
            "smokes", BooleanOrWord(), "Whether the patient smokes; null where nobody knows.", False
        ),
        later("provider_id_number", Text(), "An id in a third system.", "P-20417"),
        along(
            "phone_numbers",
            NewRows(phone_numbers, "user_id"),
            "phone numbers of the patient",
            inside=True,
        ),
        along(
            "email_addresses",
            NewRows(email_addresses, "user_id"),
            "e-mail addresses of the patient",
            inside=True,
        ),
        along(
            "custom_data_type_records",
            NewRows(custom_data_type_records, "user_id", own_scope=True),
            "records about the patient",
        ),
    ),
)
