"""What the contact page edits: the patient's own fields, and rows of three collections that each have a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from almoner.data_api.declare import Resource
from almoner.pages.visit import Form, Visit
from almoner.portal.inputs import Input, inputs, typed_in
from almoner.portal.workers import Worker
from almoner.resources.email_addresses import email_addresses
from almoner.resources.external_ids import external_ids
from almoner.resources.patients import patients
from almoner.resources.phone_numbers import phone_numbers
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Consent


@dataclass(frozen=True, kw_only=True)
class ContactSection:
    """A collection on the page. ``slug`` stands in addresses; ``parts`` names the sections of its declaration that are edited here,
    none for all; ``first`` the consents that stand before the others.
    """

    slug: str
    resource: Resource
    title: str
    one: str
    empty: str
    parts: tuple[str, ...] = ("",)
    first: tuple[str, ...] = ()

    @cached_property
    def consents(self) -> Mapping[str, str]:
        """What each consent is called."""
        known = {field.name: field.title for field in self.resource.stored if isinstance(field.kind, Consent)}
        return {name: known[name] for name in dict.fromkeys((*self.first, *known))}

    @cached_property
    def needs(self) -> Mapping[str, str]:
        """The consent without which another one means nothing: that one is given after it, and ends with it."""
        kinds = {field.name: field.kind for field in self.resource.stored}
        return {name: kind.needs for name, kind in kinds.items() if isinstance(kind, Consent) and kind.needs}

    def idle(self, row: Mapping[str, Any], consent: str) -> str:
        """What a consent that was given waits for, as that is called; empty where it is in force or was not given."""
        needed = self.needs.get(consent, "")
        return self.consents[needed] if needed and row[consent] and not row[needed] else ""

    def ends_with(self, consent: str) -> tuple[str, ...]:
        """The consents that end with this one."""
        return tuple(name for name, needed in self.needs.items() if needed == consent)

    def fields(self, new: bool = False) -> tuple[Field, ...]:
        """The fields that the form of a row has, or that of a ``new`` one."""
        return tuple(field for part in self.parts for field in typed_in(self.resource, part, new))

    def inputs(self, visit: Visit, new: bool = False, people: Sequence[Worker] = ()) -> tuple[Input, ...]:
        """The controls of that form. ``people``: the workers to choose from, where there are any."""
        return inputs(self.fields(new), visit, people)

    def given(self, visit: Visit, form: Form, new: bool) -> dict[str, Any]:
        """What was typed, by field. What is blank is left out of a new row, and clears a field of one that is there.

        A field that the form does not have, as one from before an upgrade, is left as it is; an empty checkbox is never sent.
        """
        sent = {name for name, _ in form.pairs}
        asked = [one for one in self.inputs(visit, new) if one.is_ticked or one.name in sent]
        typed = {one.name: one.value(form) for one in asked}
        return {name: value for name, value in typed.items() if value is not None} if new else typed

    @property
    def titles(self) -> dict[str, str]:
        """What each field is called."""
        return {field.name: field.title for field in self.resource.fields}


PHONES: Final = ContactSection(
    slug="phones",
    resource=phone_numbers,
    title="Phone numbers",
    one="phone number",
    empty="No number is known. Without one, nobody can call.",
    first=("opted_in_to_phone", "opted_in_to_sms", "opted_in_to_voicemail"),
)
EMAILS: Final = ContactSection(
    slug="emails", resource=email_addresses, title="E-mail addresses", one="e-mail address", empty="No address is known."
)
IDS: Final = ContactSection(
    slug="ids", resource=external_ids, title="Ids in other systems", one="id", empty="No other system knows this patient here."
)
SECTIONS: Final = {section.slug: section for section in (PHONES, EMAILS, IDS)}
DETAILS: Final = ContactSection(
    slug="details", resource=patients, title="Name, address and more", one="patient", empty="", parts=("who", "reach", "more")
)
# How a consent was received, as it is kept and as it is said.
HOW: Final = (("voice", "By voice"), ("writing", "In writing"), ("digital", "Digitally"))
