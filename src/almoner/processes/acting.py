"""What the actions of processes are done with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.processes import firings
from almoner.processes.firings import Firing
from almoner.resources import BY_NAME
from almoner.workshop.published_programs import Outline

_PATIENTS: Final = """
SELECT id::text, phase, coach_id::text, timezone, first_name, last_name FROM patients
WHERE environment_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""


class ActionError(Exception):
    """Why an action cannot be done as things stand: ``code`` for programs, and what to do in
    words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class PatientsActedFor:
    """The patients whom firings are for, as they are now: read when the first is asked for, and
    kept from changing until the transaction ends.
    """

    def __init__(
        self, connection: Connection, environment_id: int, patient_ids: Iterable[str]
    ) -> None:
        self._connection = connection
        self._environment_id = environment_id
        self._unread = set(patient_ids)
        self._rows: dict[str, Mapping[str, Any]] = {}

    async def get(self, patient_id: str) -> Mapping[str, Any] | None:
        """A patient; None where they are not there."""
        if patient_id not in self._rows:
            ids = [patient_id, *self._unread]
            rows = await self._connection.fetch(_PATIENTS, self._environment_id, ids)
            self._rows |= {row["id"]: row for row in rows}
            self._unread.clear()
        return self._rows.get(patient_id)

    def changed(self, patient_id: str) -> None:
        """A patient is to be read again."""
        self._rows.pop(patient_id, None)


class Effects:
    """Which rows the actions of firings wrote, to be written down at once. ``writes`` counts what
    they have written so far.
    """

    def __init__(self, connection: Connection, environment_id: int) -> None:
        self._connection = connection
        self._environment_id = environment_id
        self._noted: list[tuple[str, int, str, str]] = []
        self.writes = 0

    def note(self, firing_id: str, place: int, written: tuple[str, str]) -> None:
        """An action, by its place in the process, wrote a row: a collection and an id."""
        self._noted.append((firing_id, place, *written))

    async def write(self) -> None:
        """Writes down what was noted."""
        noted, self._noted = self._noted, []
        if noted:
            await firings.note_effects(self._connection, self._environment_id, noted)


@dataclass(frozen=True)
class Acting:
    """What an action is done with. ``at`` is now, in UTC; ``place`` numbers the action among those
    of its process; ``patients`` and ``effects`` are those of all firings of the transaction.
    """

    connection: Connection
    store: Store
    by: Actor
    firing: Firing
    program: Outline
    at: datetime
    patients: PatientsActedFor
    effects: Effects
    place: int = 0

    async def patient(self) -> Mapping[str, Any]:
        """The patient as they are now, kept from changing. Raises ActionError."""
        row = await self.patients.get(self.firing.patient_id)
        if row is None:
            raise ActionError("patient_gone", "The patient is not there any more.")
        return row

    async def create(self, collection: str, row: Row) -> tuple[str, str]:
        """Creates a row; the answer is its collection and id."""
        self.effects.writes += 1
        written = await self.store.create(self.by, BY_NAME[collection], row)
        return collection, written.id

    async def update_patient(self, patient_id: str, row: Row) -> tuple[str, str]:
        self.effects.writes += 1
        self.patients.changed(patient_id)
        await self.store.update(self.by, BY_NAME["patients"], patient_id, row, None)
        return "patients", patient_id
