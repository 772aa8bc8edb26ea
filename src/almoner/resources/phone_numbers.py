"""Phone numbers of a patient, each with its own consents (contract: Phone Numbers)."""

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
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.contact_kinds import Phone
from almoner.vocabulary.fields import Field, FormSection
from almoner.vocabulary.kinds import Boolean, Consent, Text


def consent(
    name: str,
    label: str,
    about: str,
    sample: bool = False,
    aliases: tuple[str, ...] = (),
    needs: str = "",
) -> Field:
    """A consent of the patient: not given until somebody records that it was."""
    return Field(
        name, Consent(needs), about, default=False, sample=sample, aliases=aliases, label=label
    )


# How to fill in what a number or an address is called.
CALLED = "Such as work, or her daughter's."
# The consents that stand before the others.
FIRST_CONSENTS = ("opted_in_to_phone", "opted_in_to_sms", "opted_in_to_voicemail")
DIGITS = Search("phone_number", "replace({row}phone_number, '-', '')")
# The index of what is searched holds every number: another one would cost each write.
HAS_NUMBER = (
    f"{DIGITS.plain} LIKE '%' || replace({{value}}, '-', '') || '%' AND phone_number = {{value}}"
)

phone_numbers = Resource(
    name="phone_numbers",
    title="Phone Numbers",
    singular="phone number",
    about=(
        "Where a patient can be called or sent an SMS. Keep a record of how and when each consent"
        " was received."
    ),
    verbs=(Verb.GET, Verb.UPDATE, Verb.CREATE, Verb.FIND),
    part_of="patients",
    searches=(DIGITS,),
    finders=(
        Filter(
            "phone_number", Phone(), "The number, in any notation.", HAS_NUMBER, sample=Phone.sample
        ),
    ),
    presented=Presented(page="contact", slug="phones", card="contact"),
    sections=(
        FormSection(
            "fields",
            "",
            ("phone_number", "phone_number_type", "friendly_name", "verified", *FIRST_CONSENTS),
        ),
    ),
    fields=(
        ID,
        patient_reference("The patient whom the number belongs to."),
        Field(
            "phone_number",
            Phone(),
            "The number: the patient's, a caregiver's or of somebody near.",
            required=True,
            update=False,
            label="Number",
            help="",
        ),
        Field(
            "phone_number_type",
            Choice(("cell", "landline", "other"), words=(("cell", "Mobile"),)),
            "What is at the other end.",
            required=True,
            sample="landline",
            label="Kind",
            titled=False,
        ),
        Field(
            "friendly_name",
            Text(),
            "Tells workers which number it is.",
            sample="main number",
            label="Called",
            help=CALLED,
            titled=False,
        ),
        Field(
            "verified",
            Boolean(),
            "Whether a call to the number has confirmed that it is the patient's.",
            default=False,
            sample=False,
            label="Confirmed by call",
        ),
        consent(
            "opted_in_to_sms", "SMS", "Whether the patient consents to SMS at this number.", True
        ),
        consent(
            "opted_in_to_call_recording",
            "Recording of calls",
            "Whether the patient consents to calls being recorded.",
        ),
        consent(
            "opted_in_to_voicemail",
            "Voicemail",
            "Whether the patient consents to voicemail at this number.",
        ),
        consent(
            "opted_in_to_phone",
            "Calls",
            "Whether the patient consents to calls at this number.",
            True,
            ("opted_on_to_phone",),
        ),
        consent(
            "automatic_recipient",
            "Automated SMS",
            "Whether the patient consents to automated SMS at this number.",
            needs="opted_in_to_sms",
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
