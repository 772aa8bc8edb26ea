"""How the engine acts on firings (``work.step.Handler``): all actions of one, or none, together
with the mark that it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection, Database
from almoner.errors import ApiError
from almoner.processes import causes, firings, pauses
from almoner.processes.actions import Acting, ActionError, perform
from almoner.processes.facts import FactRows, Facts
from almoner.processes.firings import CALL, QUEUE, Firing
from almoner.processes.programs import process_in
from almoner.processes.reader import now
from almoner.processes.setting_off import ACTOR, FAULT
from almoner.processes.webhooks import CALL_ATTEMPTS, WebhookCaller
from almoner.work import backoff
from almoner.work.step import DONE, FAILED, REFUSED, Outcome, PlainHandler, Step, StepRun
from almoner.workshop.process_design import Process
from almoner.workshop.published_at_hand import at_hand
from almoner.workshop.published_programs import Outline

THROUGH: Final = "process"
ATTEMPTS: Final = 5
# Whom a record that was merged meanwhile goes on as, and how far ahead the environment's clock is.
_CURRENT: Final = """
SELECT almoner_current_patient($1, p.id)::text AS patient_id,
  (SELECT clock_ahead FROM environments WHERE id = $1) AS clock_ahead
FROM patients p WHERE p.environment_id = $1 AND p.id = $2 FOR KEY SHARE
"""


class ProcessHandler(PlainHandler):
    """Acts on the firings of every environment. ``clock`` tells the time, in UTC; ``caller`` calls
    what a process calls.
    """

    queue = QUEUE
    concurrency = 8

    def __init__(
        self,
        database: Database,
        store: Store,
        clock: Callable[[], datetime] = now,
        caller: WebhookCaller | None = None,
    ) -> None:
        self._caller = caller
        self._database = database
        self._store = store
        self._clock = clock
        self._published = at_hand(database)

    async def settled(
        self, connection: Connection, environment_id: int, settled: Sequence[tuple[Step, Outcome]]
    ) -> None:
        for step, outcome in settled:
            if step.name == CALL and outcome.state == DONE:
                await firings.called(connection, environment_id, step.job_id)
            elif outcome.note is not None:
                state, error = outcome.note
                await firings.move(connection, environment_id, step.job_id, state, error)

    async def run(self, run: StepRun) -> Outcome:
        step = run.step
        is_call = step.name == CALL
        attempts = CALL_ATTEMPTS if is_call else ATTEMPTS
        if step.attempts > attempts:
            words = "Whoever acted ended again and again before it was done. Try again."
            return _failed(FAILED, "runner_lost", words)
        try:
            if is_call and self._caller is not None:
                return await self._caller.call(step)
            return await self._act(run)
        except ActionError as error:
            return _failed(REFUSED, error.code, error.message)
        except ApiError as refused:
            words = " ".join(problem.detail for problem in refused.problems)
            return _failed(REFUSED, refused.problems[0].code, words)
        except backoff.SESSION_ENDED:
            raise
        except Exception as error:
            backoff.log_fault("a process", error)
            ending = _failed(FAILED, "fault", FAULT.format(name=type(error).__name__))
            return backoff.again(step, attempts, ending)

    async def _act(self, run: StepRun) -> Outcome:
        """Does all that is to be done, in the transaction of the step."""
        environment_id = run.step.environment_id
        connection = await run.transaction()
        firing = await firings.take(connection, environment_id, run.step.job_id)
        if firing is None or firing.state != firings.OPEN:
            return Outcome(DONE)
        if await pauses.is_paused(connection, environment_id, firing.process, firing.patient_id):
            return Outcome(DONE, note=(firings.ON_HOLD, None))
        outline = await self._published.outline(connection, environment_id, firing.version)
        process = process_in(outline, firing.process) if outline is not None else None
        if outline is None or process is None:
            words = f"The program has no process {firing.process} in version {firing.version}."
            raise ActionError("not_in_program", words)
        wait = process.wait
        if wait is not None and wait.awaited is not None:
            way = wait.otherwise if firing.happened is None else wait.happened
            if way == "end":
                return Outcome(DONE, note=(firings.ENDED, None))
        # Time has passed since it was set off: by a wait, a pause, or until it is tried again.
        patient_id, event = firing.patient_id, firing.event
        rows = FactRows(connection, environment_id, [patient_id], [event], self._published)
        facts = Facts(connection, environment_id, patient_id, event, rows)
        stands = await causes.stands(connection, environment_id, firing)
        if not stands or not await facts.hold(process.conditions):
            return Outcome(DONE, note=(firings.NOT_MET, None))
        await self._perform(connection, environment_id, firing, process, outline)
        return Outcome(DONE, note=(firings.DONE, None))

    async def _perform(
        self,
        connection: Connection,
        environment_id: int,
        firing: Firing,
        process: Process,
        outline: Outline,
    ) -> None:
        row = await connection.fetchrow(_CURRENT, environment_id, firing.patient_id)
        patient_id = firing.patient_id if row is None else row["patient_id"]
        ahead = timedelta() if row is None else row["clock_ahead"]
        acting = Acting(
            connection=connection,
            store=self._store.within(connection),
            by=Actor(environment_id, f"{ACTOR}{process.name}", THROUGH, firing.id, whole=True),
            firing=firings.about(firing, patient_id),
            program=outline,
            at=self._clock() + ahead,
        )
        for place, action in enumerate(process.actions):
            written = await perform(replace(acting, place=place), action)
            if written is not None:
                await firings.note_effect(connection, environment_id, firing.id, place, written)


def _failed(state: str, code: str, message: str) -> Outcome:
    error: Mapping[str, str] = {"code": code, "message": message}
    return Outcome(state, note=(firings.FAILED, error))
