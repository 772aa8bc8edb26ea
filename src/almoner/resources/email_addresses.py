"""E-mail addresses of a patient, each with its own consents (contract: Email Addresses)."""

from almoner.data_api.declare import (
    CREATED_AT,
    ID,
    UPDATED_AT,
    Filter,
    Resource,
    Verb,
    patient_reference,
)
from almoner.data_api.indexed import Search
from almoner.data_api.presented import Presented
from almoner.resources.phone_numbers import CALLED
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Boolean, Consent, Email, Text

EMAIL = Search("email", "{row}email")
# The index of what is searched holds every address: another one would cost each write.
HAS_ADDRESS = f"{EMAIL.plain} LIKE '%' || almoner_plain({{value}}) || '%' AND email = {{value}}"

email_addresses = Resource(
    name="email_addresses",
    title="Email Addresses",
    singular="email address",
    about=(
        "Where a patient can be written to. Keep a record of how and when each consent was"
        " received."
    ),
    verbs=(Verb.GET, Verb.UPDATE, Verb.CREATE, Verb.FIND),
    part_of="patients",
    searches=(EMAIL,),
    finders=(
        Filter(
            "email", Email(), "The address, letter by letter.", HAS_ADDRESS, sample=Email.sample
        ),
    ),
    presented=Presented(
        "e-mail address", "E-mail addresses", page="contact", slug="emails", card="contact"
    ),
    fields=(
        ID,
        Field(
            "email",
            Email(),
            "The address. Its format is not checked.",
            required=True,
            label="Address",
            help="",
        ),
        Field(
            "friendly_name",
            Text(),
            "Tells workers which address it is.",
            sample="work",
            label="Called",
            help=CALLED,
            titled=False,
        ),
        patient_reference("The patient whose address it is."),
        Field(
            "verified",
            Boolean(),
            "Whether the patient has confirmed it by a link in a message.",
            default=False,
            sample=False,
            label="The patient has confirmed it",
        ),
        Field(
            "opted_in_to_email",
            Consent(),
            "Whether the patient consents to e-mail here. Without it, nothing is sent.",
            default=False,
            label="E-mail",
        ),
        Field(
            "automatic_recipient",
            Consent("opted_in_to_email"),
            "Whether the patient consents to automated e-mail here.",
            default=False,
            sample=False,
            label="Automated e-mail",
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
