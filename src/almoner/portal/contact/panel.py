"""Two cards of a profile: how the patient is reached and what they consented to, and their ids in other systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.contact.queries import ContactRow, address, details, rows
from almoner.portal.contact.sections import EMAILS, IDS, PHONES
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient
from almoner.portal.values import fields_in_words, speaking, value_fields
from almoner.resources.patients import patients

SHOWS: Final = {"contact": "phone_numbers email_addresses patients", "external_ids": "external_ids"}


@dataclass(frozen=True)
class ContactWay:
    """A way to reach the patient. ``consents``: words, and whether it is given; ``calls``: it is a number."""

    kind: str
    value: str
    friendly_name: str
    consents: tuple[tuple[str, bool], ...]
    calls: bool


@dataclass(frozen=True)
class ContactCard:
    """The ways, the lines of the address, and what else is known of the patient: labels and words."""

    ways: tuple[ContactWay, ...]
    address: tuple[str, ...]
    more: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class IdsCard:
    """The patient's ids elsewhere: the system, and the id there."""

    ids: tuple[tuple[str, str], ...]


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel:
    if card.shows == "external_ids":
        found = await rows(connection, visit.environment_id, patient.id, IDS)
        ids = tuple((one.row["namespace"], one.row["external_id"]) for one in found)
        return Panel(card, "portal/contact/ids_card.html", IdsCard(ids))
    phones = await rows(connection, visit.environment_id, patient.id, PHONES)
    emails = await rows(connection, visit.environment_id, patient.id, EMAILS)
    own = await details(connection, visit.environment_id, patient.id)
    ways = (*map(_phone, phones), *map(_email, emails))
    others = value_fields(patients, "more")
    more = tuple(fields_in_words(others, own.row, await speaking(visit, connection, patient, others, own.row)))
    return Panel(card, "portal/contact/contact_card.html", ContactCard(ways, address(own.row), more))


def _phone(held: ContactRow) -> ContactWay:
    row = held.row
    kind = {"cell": "Mobile", "landline": "Landline"}.get(row["phone_number_type"], "Phone")
    details = tuple(
        (words, row[name])
        for name, words in (("opted_in_to_sms", "SMS"), ("opted_in_to_phone", "calls"), ("opted_in_to_voicemail", "voicemail"))
    )
    return ContactWay(kind, row["phone_number"], row["friendly_name"] or "", details, True)


def _email(held: ContactRow) -> ContactWay:
    return ContactWay(
        "E-mail", held.row["email"], held.row["friendly_name"] or "", (("e-mail", held.row["opted_in_to_email"]),), False
    )
