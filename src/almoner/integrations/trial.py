"""Trying an integration without a server or a database, for the tests of whoever writes one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from almoner.data_api.declare import Row
from almoner.integrations.declare import Integration, IntegrationError, TaskFunction
from almoner.integrations.http import HttpResponse
from almoner.integrations.task import CalledTaskError, Outcomes, Task


@dataclass
class TrialTask:
    """A task as it was tried: ``status`` as in its row, ``error`` what it ended in."""

    name: str
    status: str = "running"
    error: IntegrationError | None = None


@dataclass
class IntegrationTrial:
    """Runs jobs of an integration in memory. ``answers`` has what a GET of each URL answers with,
    as JSON.

    ``rows`` has what was written, by collection; no rule of the real store is kept but that of ids.
    What a task that failed wrote is undone."""

    integration: Integration
    settings: msgspec.Struct
    answers: Mapping[str, Any] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def run(self, *args: Any) -> list[TrialTask]:
        """One job; its tasks in the order in which they were begun."""
        tasks: list[TrialTask] = []
        top = self.integration.top
        asyncio.run(_ended(_TrialRun(self, tasks).do(top.function, args)))
        if any(task.status == "failed" for task in tasks):
            tasks[0].status = "failed"
        return tasks

    def copied_rows(self) -> dict[str, list[Row]]:
        """The rows as they are now."""
        return {name: [dict(row) for row in rows] for name, rows in self.rows.items()}


async def _ended(work: Any) -> None:
    with suppress(CalledTaskError):
        await work


class _TrialRun:
    """What stands in for a task."""

    def __init__(self, trial: IntegrationTrial, tasks: list[TrialTask]) -> None:
        self._trial = trial
        self._tasks = tasks
        self._results: list[Any] = []
        self.settings = trial.settings
        self.store = _TrialStore(trial)
        self.http = _TrialHttp(trial)
        self.attempt = 1

    async def do(self, function: TaskFunction, args: Sequence[Any]) -> Any:
        kind = self._trial.integration.kinds[function.__name__]
        tried = TrialTask(self._trial.integration.task_name(kind.name))
        self._tasks.append(tried)
        before = self._trial.copied_rows()
        try:
            fields = [msgspec.convert(a, of) for a, of in zip(args, kind.takes, strict=False)]
            result = msgspec.to_builtins(await kind.function(cast(Task, self), *fields))
        except IntegrationError as error:
            tried.status, tried.error = "failed", error
            self._trial.rows = before
            raise CalledTaskError(kind.name) from error
        except CalledTaskError:
            tried.status = "failed"
            raise
        tried.status = "succeeded"
        return result

    def about(self, user_id: str) -> None:
        pass

    async def call(self, function: TaskFunction, *args: Any, ref_ids: Iterable[str] = ()) -> Any:
        return await self.do(function, args)

    async def each(
        self, function: TaskFunction, items: Sequence[Any], ref_ids: Callable[[Any], Any] = list
    ) -> Outcomes:
        failed = 0
        self._results.clear()
        for item in items:
            ref_ids(item)
            try:
                self._results.append(await self.do(function, [item]))
            except CalledTaskError:
                failed += 1
        return Outcomes(len(items) - failed, failed)

    async def results(self) -> AsyncIterator[Any]:
        for result in self._results:
            yield result


class _TrialHttp:
    """What stands in for HTTP: the answers that the trial was given, 404 for every other
    address.
    """

    def __init__(self, trial: IntegrationTrial) -> None:
        self._trial = trial

    async def get(self, url: str, headers: Any = None) -> HttpResponse:
        if url not in self._trial.answers:
            return HttpResponse(404, b"{}")
        return HttpResponse(200, msgspec.json.encode(self._trial.answers[url]))

    async def post(
        self, url: str, json: Any = None, form: Any = None, **headers: str
    ) -> HttpResponse:
        return await self.get(url)


class _TrialStore:
    """What stands in for the store."""

    def __init__(self, trial: IntegrationTrial) -> None:
        self._trial = trial

    async def get(self, collection: str, row_id: str) -> Row | None:
        return next((row for row in self._of(collection) if row["id"] == row_id), None)

    async def find(self, collection: str, size: int = 50, **filters: str) -> list[Row]:
        return [
            row
            for row in self._of(collection)
            if all(row.get(name) == value for name, value in filters.items())
        ][:size]

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        before = self._trial.copied_rows()
        try:
            yield
        except BaseException:
            self._trial.rows = before
            raise

    async def create(self, collection: str, fields: Row) -> Row:
        row = {**fields, "id": f"{len(self._of(collection)) + 1:032x}"}
        self._of(collection).append(row)
        return row

    async def update(self, collection: str, row_id: str, fields: Row) -> Row:
        row = next(row for row in self._of(collection) if row["id"] == row_id)
        row.update(fields)
        return row

    def _of(self, collection: str) -> list[Row]:
        return self._trial.rows.setdefault(collection, [])
