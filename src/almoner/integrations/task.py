"""What a task's function is given: settings, the store, HTTP, and other tasks to call.

A task that calls others is left while they run, and begun anew when they have ended: what it called
already answers at once then. So what stands before a call is done more than once, and only what
comes after the last call may write."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID, uuid5

import msgspec

from almoner.data_api.declare import Resource, Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor, new_id
from almoner.database import Connection
from almoner.integrations.declare import Integration, IntegrationError, TaskFunction
from almoner.integrations.http import GuardedHttp
from almoner.integrations.store import ScopedStore
from almoner.work import queries
from almoner.work.step import DONE, OPEN, NewStep, Step, StepRun

# Rows of one statement: more of them take no less time each.
_BATCH: Final = 5_000
# Tasks that are created in one transaction, in some four seconds: while it is open, nobody reads
# what comes after it in the log.
PORTION: Final = 10_000
ItemT = TypeVar("ItemT")
# What a partner calls something; None where it has no name there.
RefId = str | int | None


class Waiting(BaseException):
    """The task is left until what it called has ended. No error: what an author catches does not
    catch it.
    """


class CalledTaskError(Exception):
    """A task that was called did not succeed. Its errors are its own (contract: they do not roll
    up).
    """


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many tasks of a fan-out succeeded, and how many did not."""

    succeeded: int
    failed: int


@dataclass(frozen=True)
class TaskRows:
    """What writes the rows of integration_tasks of one job."""

    store: Store
    resource: Resource
    by: Actor
    job_id: str

    async def add(
        self,
        connection: Connection,
        integration: Integration,
        kind: str,
        tasks: Sequence[tuple[str, Sequence[RefId]]],
    ) -> None:
        """Writes tasks of one kind, each an id and its ``ref_ids``, as not attempted yet.

        A number is its digits. An id that is none, or that no text can hold, is left out: that of
        one item is not to keep all others from being begun.
        """
        rows: list[Row] = [
            {
                "id": task_id,
                "status": "unattempted",
                "job_id": self.job_id,
                "task_name": integration.task_name(kind),
                "ref_ids": [str(each) for each in ref_ids if _is_stored(each)],
            }
            for task_id, ref_ids in tasks
        ]
        within = self.store.within(connection)
        for start in range(0, len(rows), _BATCH):
            await within.load(self.by, self.resource, rows[start : start + _BATCH])


class Task:
    """One try of a task. ``id`` is that of its row and the same in each try, ``attempt`` is the
    number of this one.
    """

    def __init__(
        self,
        integration: Integration,
        run: StepRun,
        rows: TaskRows,
        settings: Any,
        store: ScopedStore,
        http: GuardedHttp,
        portion: int = PORTION,
    ) -> None:
        self.id = run.step.id
        self.job_id = run.step.job_id
        self.attempt = run.step.attempts
        self.settings = settings
        self.store = store
        self.http = http
        self.user_id: str | None = None
        self._integration = integration
        self._run = run
        self._rows = rows
        self._portion = portion
        self._calls = 0

    def about(self, user_id: str) -> None:
        """Says which patient the task is about: ``user_id`` of its row. Raises IntegrationError
        where it is no id of ours.
        """
        try:
            self.user_id = str(UUID(user_id))
        except (ValueError, TypeError, AttributeError):
            raise IntegrationError(
                "malformed_id", "The task is about what is no patient's id.", user_id=user_id
            ) from None

    async def call(self, function: TaskFunction, *args: Any, ref_ids: Iterable[RefId] = ()) -> Any:
        """What another task of this integration returns, once it has succeeded. Where it does not,
        this one fails as well.
        """
        number, kind = self._next_call(), self._integration.kinds[function.__name__]
        async with self._looking() as connection:
            there = await queries.child(connection, self._run.step, number)
        if there is None:
            keys = _keys(self._run.step, number, kind.name, None)
            await self._create(kind.name, number, [(list(args), list(ref_ids))], keys)
            raise Waiting
        state, result = there
        if state in OPEN:
            raise Waiting
        if state != DONE:
            raise CalledTaskError(kind.name)
        return msgspec.convert(result, kind.returns) if kind.returns is not Any else result

    async def each(
        self,
        function: TaskFunction,
        items: Sequence[ItemT],
        ref_ids: Callable[[ItemT], Iterable[RefId]] = lambda item: (),
    ) -> Outcomes:
        """One task for each item, side by side; how they ended, once all of them have.

        One that fails keeps no other from going on. Of more than ten thousand items the next are
        begun once those before have ended, each portion in a transaction of its own: they have to
        be the same, and in the same order, each time the task is begun anew.
        """
        number, kind = self._next_call(), self._integration.kinds[function.__name__]
        async with self._looking() as connection:
            steps, opened, succeeded = await queries.counted(connection, self._run.step, number)
        if opened:
            raise Waiting
        # What was created in full portions goes on behind them; anything else was all of it.
        if steps < len(items) and steps % self._portion == 0:
            end = steps + self._portion
            keys = _keys(self._run.step, number, kind.name, items[:end], steps)
            calls = [([item], list(ref_ids(item))) for item in items[steps:end]]
            await self._create(kind.name, number, calls, keys, first=steps)
            raise Waiting
        return Outcomes(succeeded, steps - succeeded)

    async def results(self) -> AsyncIterator[Any]:
        """What those tasks of the last ``each`` returned that succeeded, as JSON, in the order of
        their items; a few are read at a time.
        """
        place = -1
        while True:
            async with self._looking() as connection:
                page = await queries.results(connection, self._run.step, self._calls, place)
            for place, result in page:  # noqa: B007  # where the next page begins
                yield result
            if not page:
                return

    def _next_call(self) -> int:
        if self._run.writes:
            raise RuntimeError(
                "A task calls others first and writes then: it is begun anew when they have ended."
            )
        self._calls += 1
        return self._calls

    def _looking(self) -> Any:
        return self._run.database.connection()

    async def _create(
        self,
        kind: str,
        number: int,
        calls: Sequence[tuple[list[Any], list[RefId]]],
        keys: Sequence[str],
        first: int = 0,
    ) -> None:
        step = self._run.step
        new = [
            NewStep(new_id(), kind, args, number, place, key=key)
            for place, ((args, _), key) in enumerate(zip(calls, keys, strict=True), first)
        ]
        connection = await self._run.transaction()
        tasks = [(new_step.id, ref_ids) for new_step, (_, ref_ids) in zip(new, calls, strict=True)]
        await self._rows.add(connection, self._integration, kind, tasks)
        await queries.add(
            connection,
            step.environment_id,
            queue=step.queue,
            job_id=step.job_id,
            parent_id=step.id,
            steps=new,
        )


def _is_stored(ref_id: RefId) -> bool:
    text = str(ref_id)
    return (
        ref_id is not None and "\0" not in text and text == text.encode(errors="replace").decode()
    )


def _keys(
    step: Step, number: int, kind: str, items: Sequence[Any] | None, first: int = 0
) -> list[str]:
    """The keys of the tasks of one call: the same in each run of the job, though the caller was
    given something else; where there are many, by the item that each is given, from the ``first``
    on.
    """
    place = f"{number} {kind}"
    if items is None:
        return [str(uuid5(UUID(step.key), place))]
    equals: Counter[bytes] = Counter()
    keys = []
    for place_of, item in enumerate(items):
        encoded = msgspec.json.encode(item, order="deterministic")
        equals[encoded] += 1
        if place_of < first:
            continue
        keys.append(str(uuid5(UUID(step.key), f"{place} {equals[encoded]} {encoded.decode()}")))
    return keys
