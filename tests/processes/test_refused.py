"""What PostgreSQL refuses of one patient or one process is a failure of that alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.processes import firings
from almoner.work import backoff
from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM, answer

BOTH = """
  - name: first
    when: {event: assessment_finished, assessment: mood}
    then: [{do: give_task, task: survey}]
  - name: second
    when: {event: assessment_finished, assessment: mood}
    then: [{do: give_task, task: survey}]
"""
DAILY = """
  - name: daily
    when: {event: schedule, cron: "0 9 * * *", zone: UTC}
    then: [{do: give_task, task: survey}]
"""
WAITS = """
  - name: waits
    when: {event: patient_created}
    wait: {for: {event: assessment_finished, assessment: mood}, days: 3}
    then: [{do: give_task, task: survey}]
"""


@asynccontextmanager
async def refusing(place: Place, table: str, condition: str) -> AsyncIterator[None]:
    """A site's own rule: PostgreSQL refuses new rows of a table that are so."""
    async with place.database.connection() as connection:
        await connection.execute(
            "CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF"
            f" {condition} THEN RAISE check_violation; END IF; RETURN NEW; END $$;"
            f" CREATE TRIGGER refused BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE"
            " FUNCTION refused()"
        )
    yield
    async with place.database.connection() as connection:
        await connection.execute("DROP FUNCTION refused CASCADE")


async def outcomes(place: Place) -> dict[str, list[tuple[str, str]]]:
    """The processes that each patient has set off, and what became of them."""
    rows = await place.rows(
        "SELECT patient_id::text, process, state FROM process_firings WHERE environment_id = $1"
        " ORDER BY process"
    )
    patients = dict.fromkeys(row["patient_id"] for row in rows)
    return {
        patient: [(row["process"], row["state"]) for row in rows if row["patient_id"] == patient]
        for patient in patients
    }


async def tried_again(place: Place) -> None:
    async with place.database.transaction() as connection:
        for failed in await firings.recent(connection, place.environment, states=("failed",)):
            await firings.retry(connection, place.environment, failed.id, AT_THE_TERMINAL)
    await place.work()


async def test_a_firing_that_postgresql_refuses_fails_alone_and_is_tried_again(
    place: Place,
) -> None:
    await place.publish(PROGRAM + BOTH)
    patients = [await place.patient() for _ in range(5)]
    broken = patients[2]
    for patient in patients:
        await answer(place, patient, 6)
    condition = f"NEW.process = 'first' AND NEW.patient_id = '{broken}' AND NEW.state = 'open'"
    async with refusing(place, "process_firings", condition):
        await place.work()
        done = [("first", "done"), ("second", "done")]
        sound = {patient: done for patient in patients if patient != broken}
        assert await outcomes(place) == sound | {broken: [("first", "failed"), ("second", "done")]}
        # It is in the inbox of whoever administers, and the log is read on behind it.
        async with place.database.connection() as connection:
            (failure,) = await firings.failures(connection, place.environment)
        assert (failure.process, failure.error["code"]) == ("first", "fault")
        assert await place.rows("SELECT FROM work_faults WHERE environment_id = $1") == []
        await answer(place, patients[0], 6)
        await place.work()
        assert [state for _, state in (await outcomes(place))[patients[0]]] == ["done"] * 4
    await tried_again(place)
    assert (await outcomes(place))[broken] == done


async def test_an_effect_that_postgresql_refuses_fails_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.publish(PROGRAM + BOTH)
    patients = [await place.patient() for _ in range(3)]
    for patient in patients:
        await answer(place, patient, 6)
    monkeypatch.setattr(backoff, "wait", lambda *_: 0.0)
    async with refusing(place, "patient_tasks", f"NEW.user_id = '{patients[1]}'"):
        await place.work()
    failed = [("first", "failed"), ("second", "failed")]
    assert {*map(str, (await outcomes(place))[patients[1]])} == {*map(str, failed)}
    assert len(await place.rows("SELECT FROM patient_tasks WHERE environment_id = $1")) == 4
    await tried_again(place)
    assert len(await place.rows("SELECT FROM patient_tasks WHERE environment_id = $1")) == 6


async def test_what_the_clock_sets_off_and_what_waited_fail_alone_too(place: Place) -> None:
    await place.publish(PROGRAM + DAILY + WAITS)
    patients = [await place.patient() for _ in range(3)]
    await place.read()
    place.clock.at = datetime.now(UTC) + timedelta(days=1)
    broken = patients[1]
    condition = f"NEW.patient_id = '{broken}' AND NEW.process = 'daily' AND NEW.state = 'open'"
    async with refusing(place, "process_firings", condition):
        await place.read()
    assert {patient: of["daily"] for patient, of in (await states(place)).items()} == {
        patient: "failed" if patient == broken else "open" for patient in patients
    }
    for patient in patients:
        await answer(place, patient, 6)
    condition = f"NEW.patient_id = '{broken}' AND NEW.happened IS NOT NULL"
    async with refusing(place, "process_firings", condition):
        await place.read()
    assert {patient: of["waits"] for patient, of in (await states(place)).items()} == {
        patient: "failed" if patient == broken else "open" for patient in patients
    }
    gone_on = "SELECT FROM process_firings WHERE environment_id = $1 AND happened IS NOT NULL"
    assert len(await place.rows(gone_on)) == 2


async def states(place: Place) -> dict[str, dict[str, str]]:
    return {patient: dict(pairs) for patient, pairs in (await outcomes(place)).items()}
