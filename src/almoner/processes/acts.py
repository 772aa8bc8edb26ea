"""Acting on firings in one transaction: what is looked at is read for all of them at once, and what
was written is noted at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.processes import causes, firings, pauses
from almoner.processes.acting import Acting, ActionError, Effects, PatientsActedFor
from almoner.processes.actions import perform
from almoner.processes.facts import FactRows, Facts
from almoner.processes.firings import Firing
from almoner.processes.programs import process_in
from almoner.processes.setting_off import ACTOR
from almoner.work.step import DONE, READY, REFUSED, Outcome, Step
from almoner.workshop.process_design import Process
from almoner.workshop.published_at_hand import PublishedAtHand
from almoner.workshop.published_programs import Outline

THROUGH: Final = "process"
# For so many seconds firings are acted on in one transaction: the feed and whoever writes about
# these patients waits for its end.
LONGEST: Final = 0.25
# After so many seconds a firing is looked at again before which another one is due.
_TURN: Final = 0.2
# Whom records that were merged meanwhile go on as, and how far ahead the environment's clock is.
_CURRENT: Final = """
SELECT p.id::text AS patient_id, almoner_current_patient($1, p.id)::text AS current_id,
  (SELECT clock_ahead FROM environments WHERE id = $1) AS clock_ahead
FROM patients p WHERE p.environment_id = $1 AND p.id = ANY ($2::uuid[])
ORDER BY p.id FOR KEY SHARE
"""


def failed(state: str, code: str, message: str) -> Outcome:
    """What becomes of a step whose firing fails, for this reason in words."""
    error: Mapping[str, str] = {"code": code, "message": message}
    return Outcome(state, note=(firings.FAILED, error))


def refused(error: ActionError) -> Outcome:
    """What becomes of a step whose action cannot be done as things stand."""
    return failed(REFUSED, error.code, error.message)


@dataclass(frozen=True)
class Acts:
    """Acts on the firings of an environment. ``store`` writes in the transaction that the
    connection is in; ``clock`` tells the time, in UTC.
    """

    connection: Connection
    environment_id: int
    store: Store
    published: PublishedAtHand
    clock: Callable[[], datetime]

    async def on(self, steps: Sequence[Step]) -> list[tuple[Step, Outcome]]:
        """Does all that is to be done for these steps, each of a firing; of several, those are
        left out whose firing another transaction has in hand, or has another of the same patient
        before it, and the last where it takes long. Raises what an action does: what was written
        of all of them is then to be undone.
        """
        of, ids = (self.connection, self.environment_id), [step.job_id for step in steps]
        on_hold = await pauses.on_hold_among(*of, ids)
        taken = await firings.take(*of, ids)
        due = [f for f in taken.values() if f.state == firings.OPEN and f.id not in on_hold]
        behind = await firings.behind_others(*of, [f.id for f in due]) if due else set()
        due, at = await self._by_now(due)
        scene = _Scene(self, due, await causes.standing(*of, due, at), at)
        settled = []
        until = time.monotonic() + LONGEST
        # As they were set off: of one event in the program's order.
        for step in sorted(steps, key=lambda each: each.id):
            firing = taken.get(step.job_id)
            is_left_out = firing is None or firing.id in behind or time.monotonic() > until
            if is_left_out and len(steps) > 1:
                continue
            if firing is None or firing.state != firings.OPEN:
                settled.append((step, Outcome(DONE)))
            elif firing.id in on_hold:
                settled.append((step, Outcome(DONE, note=(firings.ON_HOLD, None))))
            elif firing.id in behind:
                settled.append((step, Outcome(READY, wait=_TURN, untried=True)))
            else:
                settled.append((step, await scene.outcome(firing.id)))
        await scene.effects.write()
        return settled

    async def _by_now(self, due: Sequence[Firing]) -> tuple[list[Firing], datetime]:
        """The firings, each of the record that the patient's goes on as, and what time it is."""
        rows: Sequence[Mapping[str, Any]] = ()
        if due:
            ids = [firing.patient_id for firing in due]
            rows = await self.connection.fetch(_CURRENT, self.environment_id, ids)
        current = {row["patient_id"]: row["current_id"] for row in rows}
        ahead = next((row["clock_ahead"] for row in rows), timedelta())
        return [
            firings.about(firing, current.get(firing.patient_id, firing.patient_id))
            for firing in due
        ], self.clock() + ahead


class _Scene:
    """What is known where firings are acted on that are due ``at`` a moment (UTC). ``standing`` are
    the ids of those whose cause still stands.
    """

    def __init__(
        self,
        acts: Acts,
        due: Sequence[Firing],
        standing: set[str],
        at: datetime,
    ) -> None:
        of = (acts.connection, acts.environment_id)
        self._acts = acts
        self._due = {firing.id: firing for firing in due}
        self._standing = standing
        self._at = at
        self._patients = PatientsActedFor(*of, [firing.patient_id for firing in due])
        self._rows = self._fresh_rows(due)
        # Of whom something was written since the rows were read.
        self._written_of: set[str] = set()
        self.effects = Effects(*of)

    async def outcome(self, firing_id: str) -> Outcome:
        """Acts on one of them. Raises what an action does that writes."""
        wrote, firing = self.effects.writes, self._due[firing_id]
        try:
            state = await self._act(firing)
        except ActionError as error:
            if self.effects.writes > wrote:
                raise
            return refused(error)
        finally:
            self._due.pop(firing_id)
        return Outcome(DONE, note=(state, None))

    async def _act(self, firing: Firing) -> str:
        """The state that the firing is in then."""
        of = (self._acts.connection, self._acts.environment_id)
        outline = await self._acts.published.outline(*of, firing.version)
        process = process_in(outline, firing.process) if outline is not None else None
        if outline is None or process is None:
            words = f"The program has no process {firing.process} in version {firing.version}."
            raise ActionError("not_in_program", words)
        wait = process.wait
        if wait is not None and wait.awaited is not None:
            way = wait.otherwise if firing.happened is None else wait.happened
            if way == "end":
                return firings.ENDED
        # Time has passed since it was set off: by a wait, a pause, or until it is tried again.
        if firing.id not in self._standing or not await self._is_met(firing, process):
            return firings.NOT_MET
        await self._perform(firing, process, outline)
        return firings.DONE

    async def _is_met(self, firing: Firing, process: Process) -> bool:
        """Whether a silence or a date stands, where that is the cause, and all conditions hold."""
        of = (self._acts.connection, self._acts.environment_id)
        if not await causes.lasts(*of, firing, process.when, self._at):
            return False
        return await self._facts(firing).hold(process.conditions)

    def _facts(self, firing: Firing) -> Facts:
        if firing.patient_id in self._written_of:
            self._rows, self._written_of = self._fresh_rows(self._due.values()), set()
        of = (self._acts.connection, self._acts.environment_id)
        return Facts(*of, firing.patient_id, firing.event, self._rows)

    def _fresh_rows(self, due: Iterable[Firing]) -> FactRows:
        pairs = [(firing.patient_id, firing.event) for firing in due]
        return FactRows(
            self._acts.connection,
            self._acts.environment_id,
            [patient_id for patient_id, _ in pairs],
            [event for _, event in pairs],
            self._acts.published,
        )

    async def _perform(self, firing: Firing, process: Process, outline: Outline) -> None:
        environment_id = self._acts.environment_id
        acting = Acting(
            connection=self._acts.connection,
            store=self._acts.store,
            by=Actor(environment_id, f"{ACTOR}{process.name}", THROUGH, firing.id, whole=True),
            firing=firing,
            program=outline,
            at=self._at,
            patients=self._patients,
            effects=self.effects,
        )
        self._written_of.add(firing.patient_id)
        for place, action in enumerate(process.actions):
            written = await perform(replace(acting, place=place), action)
            if written is not None:
                self.effects.note(firing.id, place, written)
