"""How the engine acts on firings (``work.step.Handler``): all actions of one, or none, together
with the mark that it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from almoner.data_api.store import Store
from almoner.database import Connection, Database
from almoner.errors import ApiError
from almoner.processes import firings
from almoner.processes.acting import ActionError
from almoner.processes.acts import Acts, failed, refused
from almoner.processes.firings import CALL, QUEUE
from almoner.processes.reader import now
from almoner.processes.setting_off import FAULT
from almoner.processes.webhooks import CALL_ATTEMPTS, WebhookCaller
from almoner.work import backoff
from almoner.work.step import DONE, FAILED, REFUSED, Outcome, PlainHandler, Step, StepRun
from almoner.workshop.published_at_hand import at_hand

ATTEMPTS: Final = 5


class ProcessHandler(PlainHandler):
    """Acts on the firings of every environment. ``clock`` tells the time, in UTC; ``caller`` calls
    what a process calls.
    """

    queue = QUEUE
    concurrency = 64
    portion = 32

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
        alike: dict[tuple[str, str], tuple[Mapping[str, str] | None, list[str]]] = {}
        for step, outcome in settled:
            if step.name == CALL and outcome.state == DONE:
                await firings.called(connection, environment_id, step.job_id)
            elif outcome.note is not None:
                state, error = outcome.note
                alike.setdefault((state, str(error)), (error, []))[1].append(step.job_id)
        for (state, _), (error, firing_ids) in alike.items():
            await firings.move(connection, environment_id, firing_ids, state, error)

    def goes_together(self, step: Step) -> bool:
        return step.name != CALL

    async def run_together(
        self, connection: Connection, environment_id: int, steps: Sequence[Step]
    ) -> Sequence[tuple[Step, Outcome]]:
        store = self._store.within(connection, undone_alone=False)
        return await self._acts(connection, environment_id, store).on(steps)

    async def run(self, run: StepRun) -> Outcome:
        step = run.step
        is_call = step.name == CALL
        attempts = CALL_ATTEMPTS if is_call else ATTEMPTS
        if step.attempts > attempts:
            words = "Whoever acted ended again and again before it was done. Try again."
            return failed(FAILED, "runner_lost", words)
        try:
            if is_call and self._caller is not None:
                return await self._caller.call(step)
            connection = await run.transaction()
            acts = self._acts(connection, step.environment_id, self._store.within(connection))
            ((_, outcome),) = await acts.on([step])
            return outcome
        except ActionError as error:
            return refused(error)
        except ApiError as error:
            words = " ".join(problem.detail for problem in error.problems)
            return failed(REFUSED, error.problems[0].code, words)
        except backoff.SESSION_ENDED:
            raise
        except Exception as error:
            backoff.log_fault("a process", error)
            ending = failed(FAILED, "fault", FAULT.format(name=type(error).__name__))
            return backoff.again(step, attempts, ending)

    def _acts(self, connection: Connection, environment_id: int, store: Store) -> Acts:
        return Acts(connection, environment_id, store, self._published, self._clock)
