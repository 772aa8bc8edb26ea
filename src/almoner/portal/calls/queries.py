"""What is known before a call: at which numbers a patient agreed to be called, and which calls are
planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.calendar.ahead import starts
from almoner.portal.patient import Patient
from almoner.portal.patient_access import NUMBERS
from almoner.portal.profile.header import appointment_words
from almoner.vocabulary.consent_words import Answer

# A call that was planned this much earlier, or so little later, is taken for the one that took
# place: another that is to come is offered, and not chosen.
NEAR: Final = timedelta(hours=12)
SOON: Final = timedelta(hours=1)

_NUMBERS: Final = NUMBERS.format(id="$2")
_PLANNED: Final = f"""
SELECT e.id::text, e.start_time, e.day, e.appointment_type,
  extract(epoch FROM {starts("$3::text")} - now()) AS away
FROM calendar_events e WHERE e.environment_id = $1 AND e.user_id = $2 AND e.outcome IS NULL
  AND e.modality IN ('call', 'phone') AND {starts("$3::text")} < now() + $4::interval
ORDER BY {starts("$3::text")} DESC, e.id LIMIT 10
"""


@dataclass(frozen=True)
class CallableNumber:
    """A number of the patient, what they call it, and whether they agreed to be called there."""

    number: str
    called: str
    answer: Answer

    @property
    def words(self) -> str:
        """The number as it is dialled from abroad, with what it is called."""
        return f"+1 {self.number} ({self.called})"

    @property
    def choice(self) -> tuple[str, str]:
        """The value and the label of an option."""
        return self.number, self.words


@dataclass(frozen=True)
class PlannedCall:
    """An appointment by telephone that nobody has said the outcome of. ``is_near``: it is about
    now.
    """

    id: str
    title: str
    is_near: bool

    @property
    def choice(self) -> tuple[str, str]:
        """The value and the label of an option."""
        return self.id, self.title


async def numbers(
    connection: Connection, environment_id: int, patient_id: str
) -> Sequence[CallableNumber]:
    """The patient's numbers, those first at which they agreed to be called."""
    rows = await connection.fetch(_NUMBERS, environment_id, patient_id)
    return [CallableNumber(row["phone_number"], row["called"], row["calls"]) for row in rows]


async def planned(
    visit: Visit, connection: Connection, patient: Patient, now: datetime
) -> Sequence[PlannedCall]:
    """The calls that were planned with a patient and are not settled, the one about now first."""
    zone = visit.parts.database.zones.of(patient.timezone)
    rows = await connection.fetch(_PLANNED, visit.environment_id, patient.id, zone, NEAR)
    calls = []
    for row in sorted(rows, key=lambda row: abs(row["away"])):
        kind = visit.program.title("appointment_types", row["appointment_type"])
        when, _ = appointment_words(
            row["start_time"], row["day"], visit.worker.timezone, visit.worker.timezone, now
        )
        is_near = -NEAR.total_seconds() < row["away"] < SOON.total_seconds()
        calls.append(PlannedCall(row["id"], f"{kind}, {when}", is_near))
    return calls
