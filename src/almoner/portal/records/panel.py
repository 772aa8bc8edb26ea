"""The card of the records of one type beside a patient's timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient
from almoner.portal.records import queries
from almoner.portal.records.queries import PatientRecord
from almoner.portal.values import Fact, facts, speaking
from almoner.vocabulary.definitions import DataType

SHOWS: Final = {"records": "custom_data_type_records"}
_FEW: Final = 4


@dataclass(frozen=True)
class RecordsCard:
    """What the card shows: the newest records, each with its values in words. ``more``: there are
    further ones.
    """

    type: DataType
    rows: Sequence[tuple[PatientRecord, Sequence[Fact]]]
    more: bool


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel | None:
    """The card of the type ``card.of``; None where the program has none of it, or the visitor's
    role hides it.
    """
    for data_type in queries.types(visit, [card.of]):
        by_type = await queries.rows(visit, connection, patient.id, [card.of], _FEW + 1)
        records, fields = by_type[card.of], queries.column_fields(data_type)
        of_rows = [record.values for record in records]
        words = await speaking(visit, connection, patient, queries.BESIDE, *of_rows)
        rows = [(row, list(facts(fields, row.values, words))) for row in records[:_FEW]]
        context = RecordsCard(data_type, rows, len(records) > _FEW)
        new = f"/patients/{patient.id}/records/new?type={quote(data_type.name)}"
        return Panel(card, "portal/records/panel.html", context, begins="" if records else new)
    return None
