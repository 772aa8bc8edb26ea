"""The card of the records of one type beside a patient's timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient
from almoner.portal.records import queries
from almoner.portal.records.queries import PatientRecord, Type
from almoner.portal.records.values import FieldValue, Zones, field_values

SHOWS: Final = {"records": "custom_data_type_records"}
_FEW: Final = 4


@dataclass(frozen=True)
class Records:
    """What the card shows: the newest records, each with its values in words. ``more``: there are further ones."""

    type: Type
    rows: tuple[tuple[PatientRecord, tuple[FieldValue, ...]], ...]
    more: bool


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel | None:
    """The card of the type ``card.of``; None where the program has none of it, or the visitor's role hides it."""
    found = await queries.types(visit, connection, [card.of])
    if not found:
        return None
    data_type = found[0]
    zones = Zones(patient.timezone, visit.worker.timezone)
    records = (await queries.rows(visit, connection, patient.id, [data_type.name], _FEW + 1))[data_type.name]
    rows = tuple(
        (record, tuple(one for one in field_values(data_type.design.fields, record.body, zones) if one.value))
        for record in records[:_FEW]
    )
    return Panel(card, "portal/records/panel.html", Records(data_type, rows, len(records) > _FEW))
