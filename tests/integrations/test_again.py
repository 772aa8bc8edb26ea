"""A task that succeeded is run again, with all that comes after it; what was stays as an earlier run."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.errors import ApiError
from almoner.integrations import Integration, IntegrationError, Task, again, jobs
from almoner.resources import BY_NAME
from almoner.work import forgetting
from tests.integrations.conftest import Place
from tests.integrations.test_jobs import GRACE

TASKS = BY_NAME["integration_tasks"]


class Clinic:
    """A partner with people, whom an integration takes in: it looks for each first."""

    def __init__(self) -> None:
        self.people = ["Ada", "Bea"]
        self.keys: list[tuple[str, str]] = []
        self.integration = Integration(
            name="again_pull", title="Again", scopes=("patients.read", "patients.write")
        )
        task = self.integration.task

        @task()
        async def run_again_pull(task: Task) -> None:
            people = await task.call(fetch)
            await task.call(process, people)
            await task.call(tell)

        @task()
        async def fetch(task: Task) -> list[str]:
            self.keys.append(("fetch", task.http._run.step.effects_key))
            return self.people

        @task()
        async def process(task: Task, people: list[str]) -> None:
            await task.each(process_item, people, lambda name: [name])

        @task()
        async def process_item(task: Task, name: str) -> None:
            self.keys.append((name, task.http._run.step.effects_key))
            there = [row for row in await task.store.find("patients") if row["first_name"] == name]
            if name == "Bad":
                raise IntegrationError("bad_item", "This item is bad.")
            if there:
                await task.store.update("patients", there[0]["id"], {"city": "Oakland"})
            else:
                await task.store.create("patients", GRACE | {"first_name": name})

        @task()
        async def tell(task: Task) -> None:
            self.keys.append(("tell", task.http._run.step.effects_key))


async def run_again(place: Place, task_id: str) -> again.RunAgain:
    async with place.database.transaction() as connection:
        return await again.run_again_within(
            connection, place.store, TASKS, place.environment, task_id, AT_THE_TERMINAL
        )


async def planned(place: Place, task_id: str) -> again.RunAgain:
    async with place.database.connection() as connection:
        return await again.plan(connection, place.environment, task_id)


async def job_as_json(place: Place, job_id: str) -> dict[str, Any]:
    async with place.database.connection() as connection:
        return await jobs.show(connection, place.environment, job_id, earlier=True)


def of(job: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [task for task in job["tasks"] if task["task_name"] == f"again_pull.{name}"]


async def names(place: Place) -> list[str]:
    rows = await place.rows("SELECT first_name FROM patients WHERE environment_id = $1")
    return sorted(row["first_name"] for row in rows)


async def test_a_task_that_succeeded_is_run_again_with_what_rests_on_it(place: Place) -> None:
    clinic = Clinic()
    pull = clinic.integration
    await place.configure(pull)
    job = await place.run(pull)
    await place.run(pull)  # another job, which stays as it is
    assert await names(place) == ["Ada", "Bea"]
    first_keys = dict(clinic.keys[:4])
    clinic.keys.clear()
    clinic.people = ["Cis", "Ada", "Bea"]
    (fetch,) = of(job, "fetch")

    plan = await planned(place, fetch["id"])
    assert (len(plan.repeat.below), len(plan.repeat.after)) == (0, 4)
    assert plan.written == ("2 patients created",)
    assert "4 tasks called after it" in plan.about
    assert "2 patients created" in plan.about
    done = await run_again(place, fetch["id"])
    assert done == plan
    now = await place.show(job["job_id"])
    assert (now["status"], now["counts"]) == ("running", {"running": 1, "unattempted": 1})
    await place.work(pull, job["job_id"])

    assert await names(place) == ["Ada", "Bea", "Cis"]
    now = await place.show(job["job_id"])
    assert (now["status"], now["counts"]) == ("succeeded", {"succeeded": 7})
    (again_fetched,), (top,) = of(now, "fetch"), of(now, "run_again_pull")
    assert (again_fetched["id"], again_fetched["earlier_runs"]) == (fetch["id"], 1)
    assert (top["id"], top["earlier_runs"]) == (job["tasks"][0]["id"], 1)
    # Whoever knows the keys does no work twice: they are those of the same work.
    keys = dict(clinic.keys)
    assert {name: keys[name] for name in first_keys} == first_keys
    assert keys["Cis"] not in first_keys.values()
    # What was is there still, and says that it is of an earlier run.
    whole = await job_as_json(place, job["job_id"])
    earlier = [task for task in whole["tasks"] if task["state"] == "superseded"]
    assert len(earlier) == 6
    assert {task["status"] for task in earlier} == {"succeeded"}
    assert {task["errors"][-1]["code"] for task in earlier} == {"earlier_run"}
    events = await place.rows(
        "SELECT actor, object, detail FROM worker_events"
        " WHERE environment_id = $1 AND event = 'job run again'"
    )
    detail = f"job {job['job_id']}, from again_pull.fetch {fetch['id']}"
    assert events == [{"actor": "operator", "object": "integration:again_pull", "detail": detail}]
    listed = await place.rows("SELECT 1 FROM work_steps WHERE environment_id = $1 AND call = -1")
    assert len(listed) == 2


async def test_of_many_beside_each_other_the_one_that_was_asked_for_is_run_again(
    place: Place,
) -> None:
    clinic = Clinic()
    clinic.people = ["Ada", "Bad", "Bea"]
    pull = clinic.integration
    await place.configure(pull)
    job = await place.run(pull)
    assert job["status"] == "failed"
    (ada,) = [task for task in of(job, "process_item") if task["ref_ids"] == ["Ada"]]
    clinic.keys.clear()
    for runs in (1, 2):
        plan = await run_again(place, ada["id"])
        # What told of it comes after it.
        assert (len(plan.repeat.below), len(plan.repeat.after)) == (0, 1)
        await place.work(pull, job["job_id"])
        assert [name for name, _ in clinic.keys] == ["Ada", "tell"] * runs
        now = await place.show(job["job_id"])
        assert now["counts"] == {"succeeded": 5, "failed": 2}
        (ada,) = [task for task in of(now, "process_item") if task["ref_ids"] == ["Ada"]]
        assert ada["earlier_runs"] == runs
    assert await names(place) == ["Ada", "Bea"]


async def refusal(work: Awaitable[Any]) -> str:
    with pytest.raises(ApiError) as refused:
        await work
    return refused.value.problems[0].detail


async def test_what_cannot_be_run_again_says_why(place: Place) -> None:
    clinic = Clinic()
    pull = clinic.integration
    await place.configure(pull)
    job_id = await place.begin(pull)
    (top,) = (await place.show(job_id))["tasks"]
    assert "under way" in await refusal(run_again(place, top["id"]))
    await place.work(pull, job_id)
    await run_again(place, top["id"])
    assert "under way" in await refusal(run_again(place, top["id"]))
    await place.work(pull, job_id)
    whole = await job_as_json(place, job_id)
    earlier = next(task for task in whole["tasks"] if task["state"] == "superseded")
    assert "earlier run" in await refusal(planned(place, earlier["id"]))
    assert "no task" in await refusal(planned(place, "0193a8a2-6e6c-7e6b-9d7b-2f6f0f3f3f3f"))
    async with place.database.connection() as connection:
        await connection.execute(
            "UPDATE work_steps SET finished_at = finished_at - interval '60 days'"
            " WHERE environment_id = $1",
            place.environment,
        )
    await forgetting.forget(place.database, 30)
    assert "no longer kept" in await refusal(planned(place, top["id"]))


async def test_who_begins_a_job_by_hand_is_noted_and_what_begins_by_itself_is_not(
    place: Place,
) -> None:
    clinic = Clinic()
    await place.configure(clinic.integration)
    await place.begin(clinic.integration)
    job_id = await jobs.begin(
        place.database,
        place.store,
        TASKS,
        place.environment,
        clinic.integration,
        by=AT_THE_TERMINAL,
    )
    events = await place.rows(
        "SELECT actor, object, detail FROM worker_events"
        " WHERE environment_id = $1 AND event = 'job begun'"
    )
    about = {"actor": "operator", "object": "integration:again_pull", "detail": f"job {job_id}"}
    assert events == [about]
