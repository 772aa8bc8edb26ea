"""What a process did is taken back: all of a firing, or nothing of it (decision 48).

Each row that it wrote is removed, and each field that it set has its value of before again, as
changes of whoever takes it back; their request id is the firing's, as that of what it wrote is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, NoReturn

import msgspec

from almoner.changes.differences import before_and_after
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.errors import problem
from almoner.patient_merges.current_sql import with_merged
from almoner.processes import firings
from almoner.processes.firings import CALL, Firing
from almoner.resources import BY_NAME
from almoner.resources.alerts import IS_OPEN

THROUGH: Final = "undo"
_OUTSIDE: Final = "A message that was sent, or a system that was told, cannot be taken back."
# Which of the two the kept record has its fields from is not known.
MERGED: Final = (
    "The record was merged with another since. Set its phase and coach by hand, and take out the"
    " rest."
)
_EFFECTS: Final = """
SELECT resource, row_id::text FROM process_effects WHERE environment_id = $1 AND firing_id = $2
ORDER BY place DESC
"""
_HOLD: Final = """
SELECT almoner_current_patient($1, patient_id)::text FROM process_firings
WHERE environment_id = $1 AND id = $2 FOR UPDATE
"""
# By others, since it was written; that it came to the record that goes on is no change of it.
_CHANGED: Final = f"""
SELECT EXISTS (SELECT FROM changes WHERE environment_id = $1
  AND patient_id IN ({with_merged("$2")}) AND resource = $3 AND row_id = $4 AND request_id <> $5
  AND fields IS DISTINCT FROM ARRAY['user_id'])
"""
_IS_OPEN: Final = f"""
SELECT {IS_OPEN} FROM alerts WHERE environment_id = $1 AND id = $2 FOR UPDATE
"""
_IS_THERE: Final = "SELECT EXISTS (SELECT FROM {table} WHERE environment_id = $1 AND id = $2)"
_COMPLETED: Final = """
SELECT EXISTS (SELECT FROM care_flows f, json_array_elements(f.care_flow -> 'goals') AS g,
    json_array_elements(g -> 'interventions') AS i
  WHERE f.environment_id = $1 AND f.id = $2 AND i ->> 'completed_at' IS NOT NULL)
"""
_SET: Final = """
SELECT differences::text FROM changes WHERE environment_id = $1 AND patient_id = $2
  AND resource = 'patients' AND request_id = $3 AND through = 'process' ORDER BY epoch, xid, seq
"""
_NOW: Final = """
SELECT to_json(p)::text FROM patients p WHERE environment_id = $1 AND id = $2 FOR NO KEY UPDATE
"""
# Another that acted on what this one wrote.
_ACTED_ON: Final = f"""
SELECT process FROM process_firings WHERE environment_id = $1
  AND patient_id IN ({with_merged("$2")})
  AND fired_at >= $3 AND $4 = ANY (chain) AND state = 'done' LIMIT 1
"""
# Others that are still to act on it.
_TO_ACT_ON: Final = f"""
SELECT id::text FROM process_firings WHERE environment_id = $1
  AND patient_id IN ({with_merged("$2")})
  AND fired_at >= $3 AND $4 = ANY (chain) AND state IN ('open', 'held') ORDER BY id FOR UPDATE
"""


_CALLS: Final = """
SELECT EXISTS (SELECT FROM work_steps WHERE environment_id = $1 AND job_id = $2 AND name = $3)
"""


class UndoError(Exception):
    """Why it cannot be taken back, in words, with what to do instead."""


Undoing = Callable[["_Undo", str], Awaitable[None]]


async def undo(
    connection: Connection, store: Store, by: Actor, firing_id: str, patient_id: str
) -> Firing:
    """Takes back what a firing did for a patient. In a transaction. ``by`` is whoever does so.

    Raises a 404 ApiError where there is no such firing, and UndoError where it has done nothing
    that can be taken back, or something was built on it."""
    environment_id = by.environment_id
    current_id = await connection.fetchval(_HOLD, environment_id, firing_id)
    firing = await firings.get(connection, environment_id, firing_id)
    if firing is None or current_id != patient_id:
        raise problem("not_found", "There is nothing with this id that a process has done.")
    if firing.state != firings.DONE:
        _refuse("It has not been done, or somebody has taken it back already.")
    stamped = replace(by, through=THROUGH, request_id=firing.id, whole=True)
    current = firings.about(firing, patient_id)
    undoing = _Undo(connection, store.within(connection), stamped, current)
    await undoing.check_what_followed()
    effects = await connection.fetch(_EFFECTS, environment_id, firing_id)
    # A patient of whom two fields were set has one row.
    for resource, row_id in dict.fromkeys(map(tuple, effects)):
        await _HOW.get(resource, _not_at_all)(undoing, row_id)
    following = await undoing.to_act_on()
    await firings.move(connection, environment_id, [firing_id, *following], firings.UNDONE)
    return firing


class _Undo:
    """The taking back of one firing, whose patient is the record that theirs goes on as."""

    def __init__(self, connection: Connection, store: Store, by: Actor, firing: Firing) -> None:
        self.connection = connection
        self.store = store
        self.by = by
        self.firing = firing

    async def check_what_followed(self) -> None:
        """Raises UndoError where another system was told of it, or another process acted on it."""
        firing = self.firing
        called = (self.by.environment_id, firing.id, CALL)
        if await self.connection.fetchval(_CALLS, *called):
            _refuse(_OUTSIDE)
        other = await self.connection.fetchval(
            _ACTED_ON,
            *(self.by.environment_id, firing.patient_id, firing.fired_at, firing.process),
        )
        if other is not None:
            _refuse(f"The process {other} has acted on it since. Take that back first.")

    async def to_act_on(self) -> list[str]:
        """The ids of the firings that would act on it: they end with it."""
        firing = self.firing
        rows = await self.connection.fetch(
            _TO_ACT_ON,
            *(self.by.environment_id, firing.patient_id, firing.fired_at, firing.process),
        )
        return [row["id"] for row in rows]

    async def remove(self, resource: str, row_id: str) -> None:
        """Removes a row that nobody has changed since; one that is gone already stays so."""
        owner = self.by.environment_id
        table = _IS_THERE.format(table=resource)
        if not await self.connection.fetchval(table, owner, row_id):
            return
        changed = await self.connection.fetchval(
            _CHANGED,
            *(owner, self.firing.patient_id, resource, row_id, self.firing.id),
        )
        if changed:
            name = resource.removesuffix("s").replace("_", " ")
            _refuse(f"The {name} has been changed since. Change or remove it by hand.")
        await self.store.delete(self.by, BY_NAME[resource], row_id, None)


async def _care_flow(undoing: _Undo, row_id: str) -> None:
    owner = undoing.by.environment_id
    if await undoing.connection.fetchval(_COMPLETED, owner, row_id):
        _refuse("A step of the care flow has been completed. Close the flow by hand.")
    await undoing.remove("care_flows", row_id)


async def _task(undoing: _Undo, row_id: str) -> None:
    await undoing.remove("patient_tasks", row_id)


async def _alert(undoing: _Undo, row_id: str) -> None:
    """Takes an alert away that nobody has done."""
    owner = undoing.by.environment_id
    if await undoing.connection.fetchval(_IS_OPEN, owner, row_id):
        await undoing.store.delete(undoing.by, BY_NAME["alerts"], row_id, None)


async def _record(undoing: _Undo, row_id: str) -> None:
    await undoing.remove("custom_data_type_records", row_id)


async def _patient(undoing: _Undo, row_id: str) -> None:
    """Gives the fields that were set their values of before, where they still hold what was set."""
    owner, firing = undoing.by.environment_id, undoing.firing
    if row_id != firing.patient_id:
        _refuse(MERGED)
    rows = await undoing.connection.fetch(_SET, owner, row_id, firing.id)
    before, after = before_and_after(row["differences"] for row in rows)
    text = await undoing.connection.fetchval(_NOW, owner, row_id)
    now = msgspec.json.decode(text) if text else {}
    for field, value in after.items():
        if now.get(field) != value:
            name = field.removesuffix("_id").replace("_", " ")
            _refuse(f"The {name} has been changed since. Set it by hand.")
    if before:
        await undoing.store.update(undoing.by, BY_NAME["patients"], row_id, before, None)


async def _not_at_all(undoing: _Undo, row_id: str) -> None:
    _refuse(_OUTSIDE)


_HOW: Final[Mapping[str, Undoing]] = {
    "care_flows": _care_flow,
    "patient_tasks": _task,
    "alerts": _alert,
    "custom_data_type_records": _record,
    "patients": _patient,
}
# What can be taken back, by the collection that it wrote to.
UNDOABLE: Final = tuple(_HOW)


def _refuse(reason: str) -> NoReturn:
    raise UndoError(reason)
