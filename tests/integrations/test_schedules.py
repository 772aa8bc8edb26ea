"""Jobs begin by themselves when their schedule says so: once, whoever looks and whatever was missed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from almoner.errors import ApiError
from almoner.integrations import Integration, Task, jobs, schedules
from almoner.resources import BY_NAME
from almoner.vocabulary.cron import following
from almoner.work import faults
from tests.integrations.conftest import Place

UNCLEAR = ("R 6 * * *", "H 6 * * *", "0 5-3 * * *", "0-59/61 * * * *", "0 */24 * * *")
TASKS = BY_NAME["integration_tasks"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_schedule_is_in_its_zone_whatever_the_clocks_do() -> None:
    six, night, twice = "0 6 * * *", "30 2 * * *", "30 1 * * *"
    for schedule, after, then in (
        (six, "2026-12-01T10:59", "2026-12-01T11:00"),
        (six, "2026-07-01T00:00", "2026-07-01T10:00"),
        (six, "2026-07-01T10:00", "2026-07-02T10:00"),
        # There is no half past two in this night.
        (night, "2026-03-08T06:30", "2026-03-08T07:00"),
        # In this one there is half past one twice: the first is meant, and of each hour both are.
        (twice, "2026-11-01T05:00", "2026-11-01T05:30"),
        (twice, "2026-11-01T05:30", "2026-11-02T06:30"),
        (twice, "2026-11-01T06:00", "2026-11-02T06:30"),
        ("30 * * * *", "2026-11-01T05:30", "2026-11-01T06:30"),
        ("*/20 1 * * *", "2026-11-01T05:40", "2026-11-01T06:00"),
    ):
        assert following(schedule, "US/Eastern", at(after)) == at(then)


async def test_a_due_job_is_begun_once_by_whoever_looks_first_and_missed_ones_are_one(
    place: Place,
) -> None:
    integration = Integration(name="nightly", title="Nightly")

    @integration.task()
    async def run_nightly(task: Task) -> None:
        pass

    known = {"nightly": integration}
    values = (place.database, place.store, TASKS, known)
    await place.configure(integration)

    async def plan(schedule: str, zone: str = "UTC") -> datetime | None:
        async with place.database.transaction() as connection:
            return await schedules.set_schedule(
                connection, place.environment, "nightly", schedule, zone, at("2026-12-01T00:00")
            )

    for wrong in ("every day", "61 * * * *", "0 6 * * * *", "0 0 30 2 *", *UNCLEAR):
        with pytest.raises(ApiError):
            await plan(wrong)
    with pytest.raises(ApiError):
        await plan("0 6 * * *", "Mars/Olympus")
    assert await plan("0 6 * * *") == at("2026-12-01T06:00")
    assert await schedules.begin_due(*values, at("2026-12-01T05:59")) == []
    looks = [schedules.begin_due(*values, at("2026-12-04T07:00")) for _ in range(4)]
    begun = [job_id for jobs_of in await asyncio.gather(*looks) for job_id in jobs_of]
    assert len(begun) == 1
    assert await schedules.begin_due(*values, at("2026-12-05T05:59")) == []
    await place.work(integration, begun[0])
    assert (await place.show(begun[0]))["status"] == "succeeded"
    assert await plan("") is None
    assert await schedules.begin_due(*values, at("2027-01-01T00:00")) == []
    async with place.database.connection() as connection:
        latest = await jobs.latest(connection, place.environment, ["nightly", "other"])
        assert list(latest) == ["nightly"]


async def test_a_schedule_with_a_fault_keeps_no_other_from_being_begun_and_is_noted(
    place: Place,
) -> None:
    """Of one that an earlier release let through."""
    known = {name: Integration(name=name, title=name) for name in ("early", "late")}

    @known["early"].task()
    async def run_early(task: Task) -> None:
        pass

    @known["late"].task()
    async def run_late(task: Task) -> None:
        pass

    for integration in known.values():
        await place.configure(integration)
    async with place.database.transaction() as connection:
        for name in known:
            of = (connection, place.environment, name, "0 6 * * *", "UTC")
            await schedules.set_schedule(*of, at("2026-12-01T00:00"))
        await connection.execute(
            "UPDATE integrations SET schedule = '0 0 30 2 *' WHERE environment_id = $1 AND name ="
            " 'early'",
            place.environment,
        )
    values = (place.database, place.store, TASKS, known)
    for day in ("02", "03"):
        (job_id,) = await schedules.begin_due(*values, at(f"2026-12-{day}T07:00"))
        assert (await place.show(job_id))["integration"] == "late"
        assert await faults_of(place) == [("early", "schedule_never")]
    async with place.database.transaction() as connection:
        of = (connection, place.environment, "early", "0 6 * * *", "UTC")
        await schedules.set_schedule(*of, at("2026-12-03T08:00"))
    await schedules.begin_due(*values, at("2026-12-03T08:00"))
    assert await faults_of(place) == []


async def faults_of(place: Place) -> list[tuple[str, str]]:
    async with place.database.connection() as connection:
        standing = await faults.standing(connection, place.environment)
    return [(row["name"], row["code"]) for row in standing]
