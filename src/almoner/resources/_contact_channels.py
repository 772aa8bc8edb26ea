"""The ways to reach a patient that ask for their consent, and what people call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from almoner.data_api.declare import Resource
from almoner.resources.email_addresses import email_addresses
from almoner.resources.phone_numbers import phone_numbers


@dataclass(frozen=True)
class ContactChannel:
    """The collection that has its addresses, the field of the consent in it, and what people call
    one of the addresses. ``same`` is, in SQL of a ``{row}``, what is equal where two rows are one
    address.
    """

    resource: Resource
    consent: str
    noun: str
    same: str

    @property
    def title(self) -> str:
        return self.resource.field(self.consent).title

    @property
    def within(self) -> str:
        """The title within a sentence: ``SMS``, ``calls``."""
        return self.title if self.title.isupper() else self.title.lower()


# By the names that programs have for them.
CONTACT_CHANNELS: Final[Mapping[str, ContactChannel]] = {
    "sms": ContactChannel(phone_numbers, "opted_in_to_sms", "phone number", "{row}.phone_number"),
    "calls": ContactChannel(
        phone_numbers, "opted_in_to_phone", "phone number", "{row}.phone_number"
    ),
    "email": ContactChannel(
        email_addresses, "opted_in_to_email", "e-mail address", "lower({row}.email)"
    ),
}
# The types of conversation that need a consent, and to what.
OF_CONVERSATIONS: Final[Mapping[str, ContactChannel]] = {
    "phone": CONTACT_CHANNELS["sms"],
    "email": CONTACT_CHANNELS["email"],
}
