"""The cards of such collections beside a patient's timeline: the newest rows, and the way to all of
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.collections.consents import needed_for
from almoner.portal.collections.forms import changed_fields
from almoner.portal.collections.queries import CollectionRow, rows
from almoner.portal.collections.shared_pages import PAGES, address, page_address
from almoner.portal.consent_answers import answers
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient
from almoner.portal.values import Fact, in_sentence
from almoner.resources._consents import consents_of
from almoner.resources.patients import patients
from almoner.vocabulary.consent_words import Answer

_TOGETHER: Final[Mapping[str, Sequence[Resource]]] = {
    resource.card: [other for other in together if other.card == resource.card]
    for together in PAGES.values()
    for resource in together
}
SHOWS: Final = {
    card: " ".join(resource.name for resource in together) for card, together in _TOGETHER.items()
}
_FEW: Final = 5
# What of a patient's own row is told as one address.
_ADDRESS: Final = ("street", "street_line_two", "city", "state", "zip_code", "county", "country")


@dataclass(frozen=True, kw_only=True)
class CardRow:
    """A row in a card. ``consents``: of those that need no other, what each is called, and what the
    patient says of it, where they were asked; ``unasked`` are the others.
    """

    row: CollectionRow
    resource: Resource
    address: str
    consents: Sequence[tuple[str, bool]]
    unasked: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class CollectionCard:
    """The card: the newest rows; ``more``: there are others.

    ``postal`` are the lines of the patient's address, ``facts`` what else is known of them.
    ``page`` is where all rows stand, ``edits`` whether they can be changed there; ``thing`` is what
    people call one of the first collection.
    """

    rows: Sequence[CardRow]
    more: bool
    postal: Sequence[str]
    facts: Sequence[Fact]
    page: str
    edits: bool
    thing: str


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel:
    together = _TOGETHER[card.shows]
    listed: list[tuple[Resource, CollectionRow]] = []
    own: CollectionRow | None = None
    more = False
    for resource in together:
        of_patient = await rows(visit, connection, resource, patient, _FEW + 1, dismissed=False)
        if resource.patient == "id":
            own = of_patient[0]
            continue
        listed += [(resource, row) for row in of_patient[:_FEW]]
        more = more or len(of_patient) > _FEW
    of_rows: dict[tuple[str, str], Answer] = {}
    for resource in together:
        row_ids = [row.id for of_row, row in listed if of_row is resource]
        of_rows |= await answers(connection, visit.environment_id, patient.id, resource, row_ids)
    context = CollectionCard(
        rows=[_row(resource, patient, row, of_rows) for resource, row in listed],
        more=more,
        postal=_postal(own.values) if own else (),
        facts=_facts(own) if own else (),
        page=page_address(together[0], patient.id),
        edits=any(changed_fields(resource) for resource in together),
        thing=together[0].thing,
    )
    # That nobody knows how to reach a patient has to be seen.
    is_blank = not listed and own is None
    return Panel(
        card=card,
        template="portal/collections/panel.html",
        context=context,
        begins=context.page if is_blank else "",
    )


def _row(
    resource: Resource,
    patient: Patient,
    row: CollectionRow,
    of_rows: Mapping[tuple[str, str], Answer],
) -> CardRow:
    states = [
        (in_sentence(title), of_rows[row.id, name])
        for name, title in consents_of(resource).items()
        if not needed_for(resource, name)
    ]
    return CardRow(
        row=row,
        resource=resource,
        address=f"/patients/{patient.id}{address(resource)}",
        consents=[(title, state == "yes") for title, state in states if state != "never asked"],
        unasked=[title for title, state in states if state == "never asked"],
    )


def _facts(own: CollectionRow) -> Sequence[Fact]:
    """What is known of a patient beside their address and what stands above each of their pages."""
    apart = {*_ADDRESS, *(field.name for field in patients.by_section["who"])}
    return [fact for name, fact in own.facts.items() if name not in apart]


def _postal(values: Mapping[str, Any]) -> Sequence[str]:
    """The lines of a patient's address; none where nothing is known."""
    street = " ".join(part for part in (values["street"], values["street_line_two"]) if part)
    place = ", ".join(part for part in (values["city"], values["state"]) if part)
    lines = (
        street,
        " ".join(part for part in (place, values["zip_code"]) if part),
        values["county"],
        values["country"],
    )
    return tuple(line for line in lines if line)
