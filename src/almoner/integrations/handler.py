"""How the engine does the tasks of an integration, and how their rows of integration_tasks
follow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from almoner.access.audit import ReadAudit
from almoner.access.secrets import SecretBox
from almoner.access.tokens import Access
from almoner.data_api.declare import Resource, Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection, Database
from almoner.errors import ApiError
from almoner.integrations import installed
from almoner.integrations.declare import (
    Integration,
    IntegrationError,
    TaskKind,
    TemporaryError,
)
from almoner.integrations.error_rows import error_row
from almoner.integrations.http import GuardedHttp
from almoner.integrations.installed import Configured
from almoner.integrations.store import ScopedStore
from almoner.integrations.task import PORTION, CalledTaskError, Task, TaskRows, Waiting
from almoner.outbound.http import HttpClient
from almoner.vocabulary import json_values
from almoner.work import backoff, queries
from almoner.work.step import BLOCKED, DONE, FAILED, REFUSED, Outcome, Step, StepRun

TASKS: Final = "integration_tasks"
# What ends more than a task where nobody takes it: a task that raises it ends itself alone.
_ENDS: Final = (SystemExit, KeyboardInterrupt, asyncio.CancelledError)
_IS_PATIENT: Final = "SELECT EXISTS (SELECT FROM patients WHERE environment_id = $1 AND id = $2)"


@dataclass(frozen=True, slots=True)
class IntegrationParts:
    """What the tasks of every integration are given their parts from. ``portion``: so many tasks
    of a fan-out are created in one transaction.
    """

    database: Database
    store: Store
    resources: Mapping[str, Resource]
    audit: ReadAudit
    box: SecretBox
    client: HttpClient
    portion: int = PORTION


@dataclass(frozen=True, slots=True)
class _Ending:
    """What a try leaves for the row: its errors, and the patient that it was about."""

    errors: Sequence[Mapping[str, Any]] = ()
    user_id: str | None = None


def writer(environment_id: int, integration: str, job_id: str) -> Actor:
    """Who writes the rows of a job's tasks."""
    return Actor(environment_id, f"integration:{integration}", "integration", job_id, whole=True)


class IntegrationHandler:
    """Does the tasks of one integration (``work.step.Handler``). Its queue is named after it."""

    def __init__(self, integration: Integration, parts: IntegrationParts) -> None:
        self.queue = integration.name
        self.concurrency = integration.concurrency
        self._integration = integration
        self._parts = parts
        self._tasks = parts.resources[TASKS]
        # As they were when steps were last taken up; or what is wrong with them.
        self._configured: dict[int, Configured | ApiError] = {}

    async def claimed(
        self, connection: Connection, environment_id: int, steps: Sequence[Step]
    ) -> None:
        try:
            configured = await installed.configured(
                connection, self._parts.box, environment_id, self._integration
            )
        except ApiError as error:
            self._configured[environment_id] = error
        else:
            self._configured[environment_id] = configured
        await self._set(
            connection, environment_id, [step.id for step in steps], {"status": "running"}
        )

    async def released(
        self, connection: Connection, environment_id: int, step_ids: Sequence[str]
    ) -> None:
        await self._set(connection, environment_id, step_ids, {"status": "unattempted"})

    async def settled(
        self, connection: Connection, environment_id: int, settled: Sequence[tuple[Step, Outcome]]
    ) -> None:
        plain: list[str] = []
        for step, outcome in settled:
            ending: _Ending = outcome.note
            if outcome.state == BLOCKED:
                continue
            if (
                outcome.state == DONE
                and step.parent_id
                and step.attempts == 1
                and ending.user_id is None
            ):
                plain.append(step.id)
                continue
            fields = await self._row(connection, step, outcome, ending)
            await self._set(connection, environment_id, [step.id], fields)
        if plain:
            await self._set(connection, environment_id, plain, {"status": "succeeded"})

    async def run(self, run: StepRun) -> Outcome:
        step = run.step
        kind = self._integration.kinds.get(step.name)
        if kind is None:
            gone = IntegrationError(
                "unknown_task", f"The integration has no task {step.name} any more."
            )
            return self._refused([error_row(gone, step.attempts)])
        if step.attempts > kind.attempts:
            lost = IntegrationError(
                "runner_lost", "Whoever ran the task ended again and again before the task did."
            )
            return Outcome(FAILED, note=_Ending([error_row(lost, step.attempts)]))
        task: Task | None = None
        try:
            task = self._task(run)
            args = [
                msgspec.convert(value, of)
                for value, of in zip(step.args or (), kind.takes, strict=False)
            ]
            async with asyncio.timeout(kind.seconds):
                result = await kind.function(task, *args)
            result = msgspec.to_builtins(result)
            # What cannot be stored is a fault of the task, not of whoever settles it.
            json_values.encode(result)
            return Outcome(DONE, result=result, note=_Ending(user_id=task.user_id))
        except Waiting:
            return Outcome(BLOCKED, note=_Ending())
        except CalledTaskError:
            return Outcome(FAILED, note=_Ending(user_id=_about(task)))
        except TimeoutError as error:
            # What the connection is in the middle of is not known.
            await run.undo(error)
            late = TemporaryError("timeout", f"The task took longer than {kind.seconds:g} s.")
            return self._failed(kind, step, late, task)
        except TemporaryError as error:
            return self._failed(kind, step, error, task)
        except IntegrationError as error:
            return self._refused([error_row(error, step.attempts)], task)
        except ApiError as refused:
            problems = [IntegrationError(p.code, p.detail, **p.extra) for p in refused.problems]
            return self._refused([error_row(problem, step.attempts) for problem in problems], task)
        except msgspec.ValidationError as error:
            unfit = IntegrationError(
                "malformed_item", f"What the task was given does not fit: {error}."
            )
            return self._refused([error_row(unfit, step.attempts)], task)
        except backoff.SESSION_ENDED:
            raise
        except (Exception, *_ENDS) as error:
            if isinstance(error, asyncio.CancelledError) and _is_called_off():
                raise
            # What the connection is in the middle of is not known.
            await run.undo(error)
            task_name = self._integration.task_name(kind.name)
            backoff.log_fault("an integration", error, task=task_name)
            broken = TemporaryError(
                "fault", f"The integration has a fault of its own: {type(error).__name__}."
            )
            return self._failed(kind, step, broken, task)

    def _task(self, run: StepRun) -> Task:
        step, parts = run.step, self._parts
        configured = self._configured[step.environment_id]
        if isinstance(configured, ApiError):
            raise configured
        by = writer(step.environment_id, self._integration.name, step.job_id)
        access = Access(
            environment_id=step.environment_id,
            client_id="",
            shape="documented",
            scopes=frozenset(configured.scopes),
            actor=by.actor,
            expires_at=float("inf"),
        )
        store = ScopedStore(
            run=run,
            store=parts.store,
            resources=parts.resources,
            access=access,
            audit=parts.audit,
            job_id=step.job_id,
        )
        return Task(
            integration=self._integration,
            run=run,
            rows=TaskRows(parts.store, self._tasks, by, step.job_id),
            settings=configured.settings,
            store=store,
            http=GuardedHttp(parts.client, run),
            portion=parts.portion,
        )

    def _failed(
        self, kind: TaskKind, step: Step, error: TemporaryError, task: Task | None
    ) -> Outcome:
        note = _Ending([error_row(error, step.attempts)], _about(task))
        ending = Outcome(FAILED, note=note)
        return backoff.again(step, kind.attempts, ending, note=note, after=error.after)

    def _refused(self, errors: Sequence[Mapping[str, Any]], task: Task | None = None) -> Outcome:
        return Outcome(REFUSED, note=_Ending(errors, _about(task)))

    async def _row(
        self, connection: Connection, step: Step, outcome: Outcome, ending: _Ending
    ) -> Row:
        """What the row says then. The top task's status is that of the whole job; errors stay with
        the task that they are of.
        """
        well = outcome.state == DONE
        if well and step.parent_id is None:
            well = not await queries.any_unsuccessful(connection, step.environment_id, step.job_id)
        row: Row = {"status": "succeeded" if well else "failed", "errors": list(ending.errors)}
        # A patient whom the task made itself is gone where the try was undone.
        known = ending.user_id and await connection.fetchval(
            _IS_PATIENT, step.environment_id, ending.user_id
        )
        return row | {"user_id": ending.user_id} if known else row

    async def _set(
        self, connection: Connection, environment_id: int, ids: Sequence[str], fields: Row
    ) -> None:
        by = writer(environment_id, self._integration.name, "")
        await self._parts.store.within(connection).update_all(by, self._tasks, ids, fields)


def _is_called_off() -> bool:
    """Whether the worker ends what it does, and not the task itself."""
    doing = asyncio.current_task()
    return doing is not None and doing.cancelling() > 0


def _about(task: Task | None) -> str | None:
    return None if task is None else task.user_id
