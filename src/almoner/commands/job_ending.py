"""Waiting at the terminal for a job to end, and what to say of how it did."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from almoner.commands.session import called, warn
from almoner.database import Database
from almoner.integrations import jobs
from almoner.work.step import DONE

_LOOK_SECONDS = 0.2
# After so long without any process that takes the job up, somebody who waits is told.
_PATIENCE = 15.0
_MOST_ERRORS = 10


async def ended(database: Database, owner: int, job_id: str) -> None:
    """Waits until a job has ended; says so where nobody takes it up."""
    waited = 0.0
    while True:
        async with database.connection() as connection:
            if await jobs.has_ended(connection, owner, job_id):
                return
            if waited > _PATIENCE and not await jobs.is_begun(connection, owner, job_id):
                warn(_why_not_begun(await jobs.any_runner(connection)))
                waited = -3600.0
        await asyncio.sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS


def why_not_through(job: Mapping[str, Any]) -> list[str]:
    """Why a job that has ended (``jobs.show``) did not go through: the errors of its top task and
    of those that it could not go on without, a line each. Empty where it did, though some of its
    items may have failed.
    """
    tasks = job["tasks"]
    stopped = {task["id"] for task in tasks if task["state"] != DONE}
    if tasks[0]["id"] not in stopped:
        return []
    errors = dict.fromkeys(
        f"{task['task_name']}: {error['code']}: {error['message']}"
        for task in tasks
        if task["id"] in stopped and (task["parent_id"] is None or task["parent_id"] in stopped)
        for error in task["errors"]
    )
    return [f"{job['integration']} did not go through.", *list(errors)[:_MOST_ERRORS]]


def _why_not_begun(is_somebody_there: bool) -> str:
    if not is_somebody_there:
        return f"Nobody is there to do it. Start who does: {called()} worker"
    return (
        f"No process has begun it for {_PATIENCE:.0f} seconds: all are busy, or were started before"
        f" the integration was installed and do not know it. Start `{called()} worker`, or a server"
        " that has one, again."
    )
