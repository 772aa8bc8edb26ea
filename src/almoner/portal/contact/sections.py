"""What the contact page edits: the patient's own fields, and rows of three collections that each have a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from almoner.choices import STATES, Choice
from almoner.data_api.declare import Resource
from almoner.fields import MISSING, Field
from almoner.kinds import Boolean
from almoner.pages.visit import Form
from almoner.resources.email_addresses import email_addresses
from almoner.resources.external_ids import external_ids
from almoner.resources.patients import patients
from almoner.resources.phone_numbers import phone_numbers
from almoner.times import TIMEZONES


@dataclass(frozen=True)
class Input:
    """A field of a form. ``fixed``: it is set when the row is made, and never again; ``options``: values and their labels."""

    name: str
    label: str
    help: str = ""
    type: str = "text"
    required: bool = False
    fixed: bool = False
    options: tuple[tuple[str, str], ...] = ()
    autocomplete: str = "off"

    def value(self, form: Form) -> Any:
        """What was typed, as the API takes it: blank is nothing."""
        if self.type == "checkbox":
            return form.truth(self.name)
        typed = form.text(self.name)
        kept = typed if self.name == "external_id" else typed.strip()
        return kept or None

    def shown(self, value: Any) -> Any:
        """A stored value as the form has it."""
        return str(value).lower() if isinstance(value, bool) and self.options else value

    def words(self, value: Any) -> str:
        """A stored value as people read it; blank where there is none."""
        return "" if value is None else dict(self.options).get(self.shown(value), str(value))


def declared(field: Field) -> Input:
    """The input of a field as its declaration has it: its label from the name, its choices from the kind."""
    label = field.name.removeprefix("is_").replace("_", " ").capitalize()
    options: tuple[tuple[str, str], ...] = ()
    if isinstance(field.kind, Boolean):
        options = (("true", "yes"), ("false", "no"))
    elif isinstance(field.kind, Choice):
        options = tuple((value, value.replace("_", " ").capitalize()) for value in field.kind.values)
    if options and field.nullable:
        options = (("", "not known"), *options)
    return Input(field.name, label, "" if options else field.about, options=options)


@dataclass(frozen=True)
class ContactSection:
    """A collection on the page. ``slug`` stands in addresses; ``consents`` maps each consent to what it is called.

    ``needs`` maps a consent to the one without which it means nothing: it is given after that one, and ends with it.
    """

    slug: str
    resource: Resource
    title: str
    one: str
    inputs: tuple[Input, ...]
    consents: Mapping[str, str]
    empty: str
    needs: Mapping[str, str] = field(default_factory=dict)

    def idle(self, row: Mapping[str, Any], consent: str) -> str:
        """What a consent that was given waits for, as that is called; empty where it is in force or was not given."""
        needed = self.needs.get(consent, "")
        return self.consents[needed] if needed and row[consent] and not row[needed] else ""

    def ends_with(self, consent: str) -> tuple[str, ...]:
        """The consents that end with this one."""
        return tuple(name for name, needed in self.needs.items() if needed == consent)

    def given(self, form: Form, new: bool) -> dict[str, Any]:
        """What was typed, by field. What is blank is left out of a new row, and clears a field of one that is there.

        A field that the form does not have, as one from before an upgrade, is left as it is; an empty checkbox is never sent.
        """
        sent = {name for name, _ in form.pairs}
        asked = [one for one in self.inputs if one.type == "checkbox" or one.name in sent]
        typed = {one.name: one.value(form) for one in asked if new or not one.fixed}
        return {name: value for name, value in typed.items() if value is not None} if new else typed

    @cached_property
    def inputs_by_name(self) -> Mapping[str, Input]:
        return {one.name: one for one in self.inputs}

    @property
    def titles(self) -> dict[str, str]:
        """What each field is called."""
        return {one.name: one.label for one in self.inputs} | dict(self.consents)


_FRIENDLY: Final = Input("friendly_name", "Called", "Such as work, or her daughter's.")

PHONES: Final = ContactSection(
    "phones",
    phone_numbers,
    "Phone numbers",
    "phone number",
    (
        Input("phone_number", "Number", "Ten digits, such as 555-555-5555.", "tel", required=True, fixed=True),
        Input(
            "phone_number_type",
            "Kind",
            required=True,
            options=(("cell", "Mobile"), ("landline", "Landline"), ("other", "Other")),
        ),
        _FRIENDLY,
        Input("verified", "A call has confirmed that it is the patient's", type="checkbox"),
    ),
    {
        "opted_in_to_phone": "Calls",
        "opted_in_to_sms": "SMS",
        "opted_in_to_voicemail": "Voicemail",
        "opted_in_to_call_recording": "Recording of calls",
        "automatic_recipient": "Automated SMS",
    },
    "No number is known. Without one, nobody can call.",
    {"automatic_recipient": "opted_in_to_sms"},
)
EMAILS: Final = ContactSection(
    "emails",
    email_addresses,
    "E-mail addresses",
    "e-mail address",
    (
        Input("email", "Address", type="email", required=True),
        _FRIENDLY,
        Input("verified", "The patient has confirmed it", type="checkbox"),
    ),
    {"opted_in_to_email": "E-mail", "automatic_recipient": "Automated e-mail"},
    "No address is known.",
    {"automatic_recipient": "opted_in_to_email"},
)
IDS: Final = ContactSection(
    "ids",
    external_ids,
    "Ids in other systems",
    "id",
    (
        Input("namespace", "System", "Whose id it is, as its integration calls it.", required=True),
        Input("external_id", "Id there", required=True),
    ),
    {},
    "No other system knows this patient here.",
)
SECTIONS: Final = {section.slug: section for section in (PHONES, EMAILS, IDS)}

_STATES: Final = (("", "unknown"), *((state, state) for state in STATES))
_ZONES: Final = tuple((zone, zone.replace("_", " ")) for zone in sorted(TIMEZONES))
# What the contract's later edition has of a patient besides.
MORE: Final = tuple(declared(one) for one in patients.stored if one.only_enveloped)
# What those are where nobody said anything: a form begins with it, and a profile need not tell it.
USUAL: Final = {one.name: one.default for one in patients.stored if one.only_enveloped and one.default is not MISSING}
DETAILS: Final = ContactSection(
    "details",
    patients,
    "Name, address and more",
    "patient",
    (
        Input("first_name", "First name", required=True),
        Input("last_name", "Last name", required=True),
        Input("birthday", "Born", type="date", required=True),
        Input("timezone", "Time zone", required=True, options=_ZONES),
        Input("street", "Street and number"),
        Input("street_line_two", "Second line"),
        Input("city", "City"),
        Input("state", "State", options=_STATES),
        Input("zip_code", "Zip code", "Five digits, or nine."),
        Input("county", "County"),
        Input("country", "Country"),
        *MORE,
    ),
    {},
    "",
)
# How a consent was received, as it is kept and as it is said.
HOW: Final = (("voice", "By voice"), ("writing", "In writing"), ("digital", "Digitally"))
