"""Two cards of a profile: charts, and the appointments that are to come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from almoner.database import Connection
from almoner.pages.filters import zone_in_words
from almoner.pages.visit import Visit
from almoner.portal.calendar.ahead import next_of, starts
from almoner.portal.panels import Card, Panel
from almoner.portal.patient import Patient
from almoner.portal.profile.chart import RECENT_DAYS, chart
from almoner.portal.profile.header import appointment_words
from almoner.vocabulary.names import full_name_sql

SHOWS: Final = {
    "appointments": "calendar_events",
    "chart": "assessment_responses custom_data_type_records",
}
_COMING: Final = 5

_APPOINTMENTS = f"""
SELECT e.id::text, e.start_time, e.day, e.modality, e.appointment_type,
    {full_name_sql("w")} AS worker
FROM ({next_of("$2", "$3::text", "e.*", _COMING + 1)}) AS e
JOIN calendars k ON k.environment_id = e.environment_id AND k.id = e.calendar_id
JOIN workers w ON w.environment_id = k.environment_id AND w.id = k.worker_id
ORDER BY {starts("$3::text")}, e.id
"""

_ANY: Final = """
SELECT EXISTS (SELECT FROM assessment_responses WHERE environment_id = $1 AND user_id = $2
    AND spec_id = $3 AND entered_in_error_at IS NULL)
  OR EXISTS (SELECT FROM custom_data_type_records WHERE environment_id = $1 AND user_id = $2
    AND type_name = $3)
"""


@dataclass(frozen=True, kw_only=True)
class Appointment:
    """An appointment to come; ``when`` is in the patient's zone, ``yours`` in the visitor's where
    that differs, else empty.
    """

    id: str
    title: str
    when: str
    yours: str
    how: str
    worker: str


@dataclass(frozen=True)
class Appointments:
    """The next few appointments. ``more``: there are others behind them; ``zone`` is the patient's,
    in words.
    """

    coming: tuple[Appointment, ...]
    more: bool
    zone: str


async def panel(visit: Visit, connection: Connection, patient: Patient, card: Card) -> Panel | None:
    """The card; None for a chart of what the visitor may not see."""
    if card.shows == "chart":
        drawn = await chart(visit, connection, patient, card)
        if drawn is None:
            return None
        begins = "" if drawn.points else await _begins(visit, connection, patient, card)
        context = ChartCard(drawn, RECENT_DAYS)
        return Panel(
            card=card, template="portal/profile/chart.html", context=context, begins=begins
        )
    appointments = await _appointments(visit, connection, patient)
    begins = "" if appointments.coming else f"/calendar/new?patient={patient.id}"
    return Panel(
        card=card, template="portal/profile/appointments.html", context=appointments, begins=begins
    )


@dataclass(frozen=True)
class ChartCard:
    """A chart, and how many days are recent."""

    chart: object
    recent_days: int


async def _begins(visit: Visit, connection: Connection, patient: Patient, card: Card) -> str:
    """Where the first of what a chart shows is added; blank where there is some, if long ago."""
    if await connection.fetchval(_ANY, visit.environment_id, patient.id, card.of):
        return ""
    if card.of in visit.program.newest_specs:
        return f"/patients/{patient.id}/assessments/new?spec={quote(card.of)}"
    return f"/patients/{patient.id}/records/new?type={quote(card.of)}"


async def _appointments(visit: Visit, connection: Connection, patient: Patient) -> Appointments:
    now, mine, zone = datetime.now(UTC), visit.worker.timezone, patient.timezone
    rows = await connection.fetch(
        _APPOINTMENTS, visit.environment_id, patient.id, visit.parts.database.zones.of(zone)
    )
    coming = []
    for row in rows:
        when, yours = appointment_words(row["start_time"], row["day"], zone, mine, now)
        title = visit.program.title("appointment_types", row["appointment_type"])
        coming.append(
            Appointment(
                id=row["id"],
                title=title,
                when=when,
                yours=yours,
                how=row["modality"],
                worker=row["worker"],
            )
        )
    return Appointments(tuple(coming[:_COMING]), len(coming) > _COMING, zone_in_words(zone))
