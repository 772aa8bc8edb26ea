"""A job is a tree of tasks, each a row of integration_tasks in the contract's words, from `unattempted` on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs

from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.errors import ApiError
from almoner.integrations import (
    Integration,
    IntegrationError,
    Outcomes,
    Secret,
    Task,
    TemporaryError,
    installed,
    jobs,
)
from almoner.integrations.declare import NoSettings
from almoner.integrations.handler import IntegrationHandler
from almoner.integrations.trial import IntegrationTrial
from almoner.resources import BY_NAME
from almoner.work import forgetting
from tests.integrations.conftest import Place
from tests.work.doing import running

TASKS = BY_NAME["integration_tasks"]
GRACE = {
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
    "phase": "intake",
    "timezone": "US/Pacific",
}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clinic: str
    token: Secret
    page_size: int = 10


class Item(msgspec.Struct):
    number: int
    user_id: str | None = None


def integration() -> Integration:
    described = Integration(
        name="clinic_pull",
        title="Clinic",
        settings=Settings,
        scopes=("patients.read", "patients.write"),
    )

    @described.task()
    async def run_clinic_pull(task: Task, count: int = 3) -> None:
        numbers = await task.call(fetch, count, ref_ids=["batch"])
        outcomes = await task.each(
            process_item,
            [{"number": number} for number in numbers],
            lambda item: [f"ref-{item['number']}"],
        )
        assert outcomes == Outcomes(count - count // 3, count // 3), outcomes

    @described.task(attempts=3)
    async def fetch(task: Task, count: int) -> list[int]:
        if task.attempt == 1:
            raise TemporaryError("partner_unavailable", "It answered 503.", status=503)
        return list(range(1, count + 1))

    @described.task()
    async def process_item(task: Task, item: Item) -> None:
        written = await task.store.create(
            "patients", GRACE | {"last_name": f"Number {item.number}"}
        )
        task.about(written["id"])
        if item.number % 3 == 0:
            raise IntegrationError(
                "user_not_found", "There is no user with that ID.", number=item.number
            )

    return described


async def test_a_job_is_told_task_by_task_and_what_a_failed_one_wrote_is_undone(
    place: Place,
) -> None:
    described = integration()
    await place.configure(described, clinic="north", token="s3cret")
    job_id = await place.begin(described, 6)
    (top,) = (await place.show(job_id))["tasks"]
    assert (top["task_name"], top["status"]) == ("clinic_pull.run_clinic_pull", "unattempted")
    await place.work(described, job_id)

    job = await place.show(job_id)
    assert (job["status"], job["counts"]) == ("failed", {"succeeded": 5, "failed": 3})
    by_name: dict[str, list[dict[str, Any]]] = {}
    for task in job["tasks"]:
        by_name.setdefault(task["task_name"], []).append(task)
    (top,), (fetch,) = by_name["clinic_pull.run_clinic_pull"], by_name["clinic_pull.fetch"]
    assert (top["status"], top["errors"], top["parent_id"]) == ("failed", [], None)
    assert (fetch["status"], fetch["errors"], fetch["ref_ids"]) == ("succeeded", [], ["batch"])
    assert (fetch["parent_id"], fetch["attempts"]) == (top["id"], 2)
    items = by_name["clinic_pull.process_item"]
    assert sorted(item["ref_ids"][0] for item in items) == [f"ref-{n}" for n in range(1, 7)]
    bad = [item for item in items if item["status"] == "failed"]
    assert sorted(error["extra"]["number"] for item in bad for error in item["errors"]) == [3, 6]
    assert bad[0]["errors"][0] | {"extra": None} == {
        "code": "user_not_found",
        "message": "There is no user with that ID.",
        "extra": None,
    }
    written = await place.rows("SELECT id::text, last_name FROM patients WHERE environment_id = $1")
    assert sorted(row["last_name"] for row in written) == [f"Number {n}" for n in (1, 2, 4, 5)]
    assert {item["user_id"] for item in items if item["status"] == "succeeded"} == {
        row["id"] for row in written
    }
    log = await place.rows(
        "SELECT DISTINCT actor, through, request_id FROM changes "
        "WHERE environment_id = $1 AND resource = 'patients'"
    )
    assert log == [
        {"actor": "integration:clinic_pull", "through": "integration", "request_id": job_id}
    ]


async def test_a_task_whose_session_ends_is_no_fault_and_is_done_again(
    place: Place, own_dsn: str
) -> None:
    cut, tries = Integration(name="cut", title="Cut", scopes=("patients.write",)), []

    @cut.task()
    async def run_cut(task: Task) -> None:
        tries.append(1)
        await task.store.create("patients", GRACE)
        if len(tries) == 1:
            aside = await asyncpg.connect(own_dsn)
            await aside.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND state = 'idle in transaction'"
            )
            await aside.close()
        await task.store.create("patients", GRACE)

    await place.configure(cut)
    with capture_logs() as logged:
        job = await place.run(cut)
    assert (job["status"], len(tries)) == ("succeeded", 2)
    assert job["tasks"][0]["errors"] == []
    assert "a fault in an integration" not in {line["event"] for line in logged}
    patients = await place.rows("SELECT FROM patients WHERE environment_id = $1")
    assert len(patients) == 2


async def test_a_retry_repairs_what_failed_and_the_whole_job_has_succeeded_then(
    place: Place,
) -> None:
    described, mended = Integration(name="mended", title="Mended"), False
    ran: list[int] = []

    @described.task()
    async def run_mended(task: Task) -> None:
        await task.each(item, [1, 2, 3])

    @described.task()
    async def item(task: Task, number: int) -> None:
        ran.append(number)
        if number == 2 and not mended:
            raise IntegrationError("unknown_code", "There is no such code.")

    job = await place.run(described)
    assert (job["status"], sorted(ran)) == ("failed", [1, 2, 3])
    mended = True
    ran.clear()
    values = (place.database, place.store, TASKS, place.environment, job["job_id"])
    assert await jobs.retry(*values, by=AT_THE_TERMINAL, failed_only=True) == 1
    await place.work(described, job["job_id"])
    job = await place.show(job["job_id"])
    assert (job["status"], job["counts"], ran) == ("succeeded", {"succeeded": 4}, [2])
    assert [task["errors"] for task in job["tasks"]] == [[]] * 4
    assert await jobs.retry(*values, by=AT_THE_TERMINAL) == 0


async def test_a_job_that_is_called_off_has_nothing_running_and_can_be_taken_up_again(
    place: Place,
) -> None:
    described, begun, go_on = (
        Integration(name="stopped", title="S"),
        asyncio.Event(),
        asyncio.Event(),
    )

    @described.task()
    async def run_stopped(task: Task) -> None:
        await task.call(waits)
        await task.call(after)

    @described.task()
    async def waits(task: Task) -> None:
        begun.set()
        await go_on.wait()

    @described.task()
    async def after(task: Task) -> None:
        pass

    values = (place.database, place.store, TASKS, place.environment)
    async with running(place.database, IntegrationHandler(described, place.parts)):
        job_id = await place.begin(described)
        await asyncio.wait_for(begun.wait(), 30)
        assert await jobs.cancel(*values, job_id, by=AT_THE_TERMINAL) == 2
        stopped = await place.show(job_id)
        assert {task["status"] for task in stopped["tasks"]} == {"failed"}
        assert {task["errors"][0]["code"] for task in stopped["tasks"]} == {"cancelled"}
        go_on.set()
        assert await jobs.cancel(*values, job_id, by=AT_THE_TERMINAL) == 0
        assert await jobs.retry(*values, job_id, by=AT_THE_TERMINAL, failed_only=True) == 0
        assert await jobs.retry(*values, job_id, by=AT_THE_TERMINAL) == 1
        await place.ended(job_id)
    assert (await place.show(job_id))["counts"] == {"succeeded": 3}


async def test_an_integration_does_what_it_was_granted_and_its_errors_say_what_kept_it(
    place: Place,
) -> None:
    described = Integration(name="curious", title="Curious", scopes=("patients.read",))
    user_id = await place.create("patients", GRACE)

    @described.task()
    async def run_curious(task: Task) -> None:
        await task.call(read)
        await task.each(write, [{"first_name": 7}, {"first_name": "Ada"}])

    @described.task()
    async def read(task: Task) -> None:
        assert (await task.store.get("patients", user_id) or {})["first_name"] == "Grace"
        assert [row["id"] for row in await task.store.find("patients", first_name="Grace")] == [
            user_id
        ]

    @described.task()
    async def write(task: Task, values: dict[str, Any]) -> None:
        await task.store.update("patients", user_id, values)

    def codes(job: dict[str, Any]) -> list[str]:
        return sorted(error["code"] for task in job["tasks"] for error in task["errors"])

    # Not configured: nothing is granted.
    assert codes(await place.run(described)) == ["forbidden"]
    await place.configure(described)
    assert codes(await place.run(described)) == ["forbidden", "forbidden"]
    object.__setattr__(described, "scopes", ("patients.read", "patients.write"))
    await place.configure(described)
    assert codes(await place.run(described)) == ["parse_exception"]
    names = await place.rows("SELECT first_name FROM patients WHERE environment_id = $1")
    assert names == [{"first_name": "Ada"}]
    await place.parts.audit.aclose()
    reads = await place.rows(
        "SELECT DISTINCT actor, through, verb FROM audit_reads WHERE environment_id = $1 "
        "ORDER BY verb"
    )
    assert [row["verb"] for row in reads] == ["find", "get"]
    assert {(row["actor"], row["through"]) for row in reads} == {
        ("integration:curious", "integration")
    }


async def test_what_goes_on_too_long_and_what_is_broken_is_tried_as_often_as_it_may_be(
    place: Place,
) -> None:
    described = Integration(name="broken", title="Broken")

    @described.task()
    async def run_broken(task: Task) -> None:
        await task.each(slow, [1])
        await task.each(faulty, [1])
        await task.each(forgetful, [{"number": "seven"}])
        await task.call(confused)

    @described.task(seconds=0.05, attempts=1)
    async def slow(task: Task, number: int) -> None:
        await asyncio.Event().wait()

    @described.task(attempts=1)
    async def faulty(task: Task, number: int) -> None:
        raise KeyError(number)

    @described.task()
    async def forgetful(task: Task, item: Item) -> None:
        pass

    @described.task(attempts=1)
    async def confused(task: Task) -> None:
        await task.store.create("patients", GRACE)
        await task.http.get("http://127.0.0.1:1/")

    await place.configure(described)
    object.__setattr__(described, "scopes", ("patients.write",))
    await place.configure(described)
    job = await place.run(described)
    errors = {task["task_name"]: task["errors"] for task in job["tasks"]}
    assert errors["broken.slow"][0]["code"] == "timeout"
    assert errors["broken.faulty"][0]["message"] == (
        "The integration has a fault of its own: KeyError."
    )
    assert errors["broken.forgetful"][0]["code"] == "malformed_item"
    assert errors["broken.confused"][0]["code"] == "fault"
    assert errors["broken.run_broken"] == []
    assert await place.rows("SELECT id FROM patients WHERE environment_id = $1") == []


async def test_settings_are_typed_and_their_secrets_sealed(place: Place) -> None:
    described = integration()
    for sentence, settings in (
        ("Expected `int`", {"clinic": "north", "token": "s3cret", "page_size": "many"}),
        ("missing required field `token`", {"clinic": "north"}),
        ("unknown field `clinik`", {"clinic": "north", "clinik": "south", "token": "s3cret"}),
    ):
        with pytest.raises(ApiError) as refused:
            await place.configure(described, **settings)
        assert sentence in refused.value.problems[0].detail
    await place.configure(described, clinic="north", token="s3cret", page_size="25")
    await place.configure(described, clinic="south")
    async with place.database.connection() as connection:
        configured = await installed.configured(
            connection, place.parts.box, place.environment, described
        )
        stored = await connection.fetchrow("SELECT * FROM integrations")
    assert configured.settings == Settings(clinic="south", token=Secret("s3cret"), page_size=25)
    assert b"s3cret" not in stored["sealed"]
    assert "s3cret" not in stored["settings"]
    with pytest.raises(ApiError) as unknown:
        installed.named("nobody", {"clinic_pull": described})
    assert "Installed: clinic_pull." in unknown.value.problems[0].detail


async def test_what_tasks_were_given_goes_some_days_after_their_job_has_ended(place: Place) -> None:
    described, go_on = Integration(name="forgetful", title="F"), asyncio.Event()

    @described.task()
    async def run_forgetful(task: Task, wait: bool) -> None:
        await task.each(item, ["Grace Hopper", "bad"])
        if wait:
            await task.call(waits)

    @described.task()
    async def item(task: Task, name: str) -> str:
        if name == "bad":
            raise IntegrationError("bad_name", "That is no name.")
        return name

    @described.task()
    async def waits(task: Task) -> None:
        await go_on.wait()

    old, recent = (
        (await place.run(described, False))["job_id"],
        (await place.run(described, False))["job_id"],
    )
    back = "UPDATE work_steps SET finished_at = finished_at - interval '31 days' WHERE job_id = $1"
    query = "SELECT count(*) FROM work_steps WHERE job_id = $2 AND environment_id = $1 AND "
    query += "(args IS NOT NULL OR result IS NOT NULL)"
    async with running(place.database, IntegrationHandler(described, place.parts)):
        under_way = await place.begin(described, True)
        async with place.database.connection() as connection:
            for job_id in (old, under_way):
                await connection.execute(back, job_id)
        while await forgetting.forget(place.database, 30):
            pass
        counts = [(await place.rows(query, job_id))[0]["count"] for job_id in (old, recent)]
        assert counts == [0, 3]
        assert (await place.rows(query, under_way))[0]["count"] > 0
        go_on.set()
        await place.ended(under_way)

    retried = (place.database, place.store, TASKS, place.environment)
    with pytest.raises(ApiError) as refused:
        await jobs.retry(*retried, old, by=AT_THE_TERMINAL)
    assert "no longer kept" in refused.value.problems[0].detail
    assert (await place.show(old))["counts"] == {"succeeded": 1, "failed": 2}
    assert await jobs.retry(*retried, recent, by=AT_THE_TERMINAL) == 1
    await place.work(described, recent)
    # Without a day, it goes with the next look.
    while await forgetting.forget(place.database, 0):
        pass
    for job_id in (recent, under_way):
        assert (await place.rows(query, job_id))[0]["count"] == 0


class _BadNameError(Exception):
    pass


async def test_a_task_goes_on_after_what_it_could_not_write_and_reads_what_others_returned(
    place: Place,
) -> None:
    described, read = (
        Integration(name="goes_on", title="G", scopes=("patients.write",)),
        list[Any](),
    )

    @described.task()
    async def run_goes_on(task: Task) -> None:
        await task.each(writes, ["Hopper", "bad", "Lovelace"])
        read[:] = [result async for result in task.results()]

    @described.task()
    async def writes(task: Task, name: str) -> str:
        try:
            async with task.store.together():
                await task.store.create("patients", GRACE | {"last_name": name})
                if name == "bad":
                    raise _BadNameError
        except _BadNameError:
            return "left out"
        return name

    await place.configure(described)
    assert (await place.run(described))["counts"] == {"succeeded": 4}
    assert read == ["Hopper", "left out", "Lovelace"]
    written = "SELECT last_name FROM patients WHERE environment_id = $1 ORDER BY last_name"
    names = [{"last_name": "Hopper"}, {"last_name": "Lovelace"}]
    assert await place.rows(written) == names

    trial = IntegrationTrial(described, NoSettings())
    assert {task.status for task in await asyncio.to_thread(trial.run)} == {"succeeded"}
    assert read == ["Hopper", "left out", "Lovelace"]
    assert [{"last_name": row["last_name"]} for row in trial.rows["patients"]] == names


async def test_many_items_are_begun_portion_by_portion_each_once_and_in_their_order(
    place: Place,
) -> None:
    described, ran = Integration(name="many", title="Many"), list[int]()
    numbers, portion = [*range(20), 3, 3], 5
    place.parts = replace(place.parts, portion=portion)
    open_at_once = []

    @described.task()
    async def run_many(task: Task) -> list[Any]:
        outcomes = await task.each(item, numbers)
        # What comes later may be more, and is not begun behind what was all of it.
        rest = await task.each(item, [1, 2, *numbers] if ran.count(1) > 1 else [1, 2])
        return [outcomes.succeeded, outcomes.failed, rest.succeeded]

    @described.task(attempts=1)
    async def item(task: Task, number: int) -> int:
        rows = await place.rows(
            "SELECT count(*) FROM work_steps WHERE environment_id = $1 AND state IN ('ready',"
            " 'running')"
        )
        open_at_once.append(rows[0]["count"])
        ran.append(number)
        if number == 7:
            raise IntegrationError("bad", "It is bad.")
        return number

    job = await place.run(described)
    assert sorted(ran) == sorted([*numbers, 1, 2])
    assert max(open_at_once) <= portion
    assert (job["status"], job["counts"]) == ("failed", {"succeeded": 23, "failed": 2})
    steps = await place.rows(
        "SELECT args ->> 0 AS number, key FROM work_steps WHERE environment_id = $1 AND call = 1"
        " ORDER BY place"
    )
    assert [int(step["number"]) for step in steps] == numbers
    assert len({step["key"] for step in steps}) == len(numbers)
    (top,) = await place.rows(
        "SELECT result::text FROM work_steps WHERE environment_id = $1 AND parent_id IS NULL"
    )
    assert top["result"] == "[21,1,2]"


@pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_a_task_that_ends_the_program_ends_itself_alone(
    place: Place, ending: BaseException
) -> None:
    described = Integration(name="ends", title="Ends")

    @described.task()
    async def run_ends(task: Task) -> None:
        await task.each(end, list(range(4)))

    @described.task(attempts=1)
    async def end(task: Task, number: int) -> None:
        if number == 1:
            raise ending

    await place.configure(described)
    job = await place.run(described)
    assert job["counts"] == {"failed": 2, "succeeded": 3}
    (error,) = [error for task in job["tasks"] for error in task["errors"]]
    assert error["code"] == "fault"
    assert type(ending).__name__ in error["message"]
