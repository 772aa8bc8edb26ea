"""The card of the records of one type beside a patient's timeline: lines of records, or the newest
number of each thing that they measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.measures.measure import Measure, choosing, numbers, rows
from almoner.portal.measures.readings import Readings, read
from almoner.portal.measures.sparkline import Sparkline, on, sparkline, trend
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient
from almoner.portal.records import queries
from almoner.portal.records.queries import PatientRecord
from almoner.portal.values import Fact, facts, speaking
from almoner.vocabulary import clocks
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.definitions import DataType

SHOWS: Final = {"records": "custom_data_type_records"}
_FEW: Final = 4
_MOST_NUMBERS: Final = 8


@dataclass(frozen=True)
class RecordsCard:
    """What the card shows: the newest records, each with its values in words. ``more``: there are
    further ones.
    """

    type: DataType
    rows: Sequence[tuple[PatientRecord, Sequence[Fact]]]
    more: bool


@dataclass(frozen=True, kw_only=True)
class MeasuredLine:
    """The newest of what is measured, when it was, how it stands to the one before (blank where it
    is alone), and what its record says yes to. ``rows`` is where all values are.
    """

    title: str
    now: str
    when: str
    trend: str
    marks: tuple[str, ...]
    sparkline: Sparkline | None
    rows: str


@dataclass(frozen=True)
class MeasuredCard:
    """What the card of a type shows whose records measure something. ``more``: there is more of it
    on their page.
    """

    type: DataType
    lines: Sequence[MeasuredLine]
    more: bool


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel | None:
    """The card of the type ``card.of``; None where the program has none of it, or the visitor's
    role hides it.
    """
    for data_type in queries.types(visit, [card.of]):
        new = f"/patients/{patient.id}/records/new?type={quote(data_type.name)}"
        measured = await _measured(visit, connection, patient, data_type)
        if measured:
            lines = MeasuredCard(data_type, measured[:_MOST_NUMBERS], len(measured) > _MOST_NUMBERS)
            return Panel(card=card, template="portal/records/measured.html", context=lines)
        by_type = await queries.rows(visit, connection, patient.id, [card.of], _FEW + 1)
        records, fields = by_type[card.of], queries.column_fields(data_type)
        of_rows = [record.values for record in records]
        words = await speaking(visit, connection, patient, queries.BESIDE, *of_rows)
        listed = [(row, list(facts(fields, row.values, words))) for row in records[:_FEW]]
        context = RecordsCard(data_type, listed, len(records) > _FEW)
        return Panel(
            card=card,
            template="portal/records/panel.html",
            context=context,
            begins="" if records else new,
        )
    return None


async def _measured(
    visit: Visit, connection: Connection, patient: Patient, data_type: DataType
) -> list[MeasuredLine]:
    """A line for each number that every record of the type has, and for each thing that they choose
    to be of; none where the type measures nothing, or a patient has one record of it.
    """
    required = [field for field in numbers(data_type.body.fields) if field.required]
    if data_type.single or not required:
        return []
    measures = {Measure(data_type.name, field.name): field for field in required}
    coded_by = choosing(data_type)
    kind = coded_by.kind if coded_by else None
    lines = []
    for measure, readings in (await read(visit, connection, patient, measures)).items():
        field = measures[measure]
        for choice in dict.fromkeys(reading.choice for reading in reversed(readings)):
            words = kind.in_words(choice) if isinstance(kind, Choice) and choice else ""
            titles = (words, field.title if len(required) > 1 or not words else "")
            of_choice = tuple(reading for reading in readings if reading.choice == choice)
            of_measure = Measure(measure.of, measure.field, choice)
            where = f"/patients/{patient.id}{rows(visit, of_measure)}"
            lines.append(_line(patient, " ".join(filter(None, titles)), of_choice, where))
    return lines


def _line(patient: Patient, title: str, readings: Readings, where: str) -> MeasuredLine:
    zone, today = patient.timezone, clocks.today(patient.timezone)
    return MeasuredLine(
        title=title,
        now=readings[-1].text,
        when=on(readings[-1], zone, today),
        trend=trend(readings, zone, today),
        marks=readings[-1].marks,
        sparkline=sparkline(readings, zone, today),
        rows=where,
    )
