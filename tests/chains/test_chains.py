"""Whoever changes, removes or puts in a row of a log is noticed, and where; an erasure is told from
that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from almoner.access import worker_events
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.chains import lag, seal
from almoner.chains.logs import BY_NAME as BY_LOG
from almoner.chains.verify import Verified, verify
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.erasure import erasure_requests
from almoner.operations.standing import exposition
from almoner.resources import BY_NAME
from almoner.settings import Settings
from tests.conftest import new_environment
from tests.erasure.calling import called

PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}
Tampering = Callable[[Any, int], Awaitable[Any]]


@asynccontextmanager
async def tampering(connection: Any) -> AsyncIterator[None]:
    """Lets rows be changed that nobody may, as whoever has the machine could."""
    await connection.execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        await connection.execute("SET session_replication_role = origin")


async def patients(store: Store, by: Actor, number: int) -> list[str]:
    """Patients, each of whom was changed: two entries of the log each."""
    ids = [(await store.create(by, BY_NAME["patients"], dict(PATIENT))).id for _ in range(number)]
    for patient in ids:
        await store.update(by, BY_NAME["patients"], patient, {"city": "Arlington"}, None)
    return ids


async def sealed(connection: Any, *environments: int) -> None:
    bounds = await seal.settled(connection, patience=60.0)
    for environment in environments:
        await seal.seal(connection, environment, bounds)


async def looked_at(
    connection: Any, environment: int, earlier: dict[str, str] | None = None
) -> Verified:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await verify(connection, environment, earlier)


def kinds(verified: Verified) -> list[tuple[str, str, int]]:
    return [(fault.log, fault.kind, fault.batch) for fault in verified.faults]


@pytest.fixture
async def trail(
    store: Store, inside: Actor, database: Database, connection: Any, program: int
) -> Actor:
    """An environment with two batches of its change log and of its events, beside another."""
    other = Actor(await new_environment(database), "test", "cli", "test", whole=True)
    for _ in range(2):
        await patients(store, inside, 3)
        async with connection.transaction():
            for name in ("x", "y"):
                await worker_events.changed(
                    connection, program, "client made", AT_THE_TERMINAL, f"client:{name}"
                )
        await connection.execute(
            "INSERT INTO audit_reads (environment_id, read_at, actor, through, request_id, verb,"
            " resource, patients) VALUES ($1, now(), 'a', 'api', 'r', 'find', 'patients', '')",
            program,
        )
        await sealed(connection, program, other.environment_id)
    return inside


async def test_what_nobody_touched_is_intact_and_what_is_not_sealed_yet_is_counted(
    store: Store, trail: Actor, connection: Any
) -> None:
    await patients(store, trail, 1)
    verified = await looked_at(connection, trail.environment_id)
    assert verified.faults == []
    by_log = {log["log"]: log for log in verified.logs}
    assert (by_log["changes"]["batches"], by_log["changes"]["unsealed"]) == (2, 2)
    assert by_log["worker_events"]["batches"] == 2
    assert by_log["audit_reads"]["rows"] == 2


async def _change(connection: Any, environment: int) -> Any:
    return await connection.fetchval(
        "UPDATE changes SET actor = 'nobody' WHERE environment_id = $1 AND seq = (SELECT min(seq)"
        " + 2 FROM changes WHERE environment_id = $1) RETURNING ARRAY[epoch, xid, seq]",
        environment,
    )


async def _remove(connection: Any, environment: int) -> Any:
    await connection.execute(
        "DELETE FROM changes WHERE environment_id = $1 AND seq = (SELECT min(seq) + 3 FROM changes"
        " WHERE environment_id = $1)",
        environment,
    )
    return await connection.fetchval(
        "SELECT ARRAY[epoch, xid, seq] FROM changes WHERE environment_id = $1 AND seq = (SELECT"
        " min(seq) + 2 FROM changes WHERE environment_id = $1)",
        environment,
    )


async def _insert(connection: Any, environment: int) -> Any:
    return await connection.fetchval(
        "INSERT INTO changes (environment_id, epoch, xid, seq, kind, resource, row_id, changed_at,"
        " actor, through, request_id) SELECT environment_id, epoch, xid, 0, kind, resource, row_id,"
        " changed_at, actor, through, request_id FROM changes WHERE environment_id = $1"
        " ORDER BY seq LIMIT 1 RETURNING ARRAY[epoch, xid, seq]",
        environment,
    )


@pytest.mark.parametrize(
    ("tamper", "kind"), [(_change, "changed"), (_remove, "removed"), (_insert, "inserted")]
)
async def test_a_row_that_is_another_is_named(
    trail: Actor, connection: Any, tamper: Tampering, kind: str
) -> None:
    async with tampering(connection):
        row = await tamper(connection, trail.environment_id)
    [fault] = (await looked_at(connection, trail.environment_id)).faults
    assert (fault.log, fault.kind, fault.batch, fault.row) == ("changes", kind, 1, row)


async def test_a_row_that_whoever_serves_puts_in_before_the_first_is_named(
    trail: Actor, connection: Any, serving: Database
) -> None:
    environment = trail.environment_id
    async with serving.connection() as server:
        for number in (0, -7):
            await server.execute(
                "INSERT INTO audit_reads (environment_id, id, read_at, actor, through, request_id,"
                " verb, resource, patients) VALUES ($1, $2, now(), 'a', 'api', 'r', 'find',"
                " 'patients', '')",
                *(environment, number),
            )
        for key in ((0, 0, 0), (0, -1, 7)):
            await server.execute(
                "INSERT INTO changes (environment_id, epoch, xid, seq, kind, resource, row_id,"
                " changed_at, actor, through, request_id) SELECT environment_id, $2, $3, $4, kind,"
                " resource, row_id, changed_at, actor, through, request_id FROM changes"
                " WHERE environment_id = $1 ORDER BY seq LIMIT 1",
                *(environment, *key),
            )
    faults = (await looked_at(connection, environment)).faults
    assert {(fault.log, fault.kind, *(fault.row or ())) for fault in faults} == {
        *(("audit_reads", "inserted", number) for number in (-7, 0)),
        *(("changes", "inserted", *key) for key in ((0, -1, 7), (0, 0, 0))),
    }


@pytest.mark.parametrize("number", [1, 2])
async def test_a_batch_that_is_gone_with_its_rows_is_named_also_the_last(
    trail: Actor, connection: Any, number: int
) -> None:
    environment = trail.environment_id
    async with tampering(connection):
        await connection.execute(
            "DELETE FROM changes WHERE environment_id = $1 AND (ARRAY[epoch, xid, seq] <= (SELECT"
            " to_key FROM chain_batches WHERE environment_id = $1 AND log = 'changes' AND number ="
            " 1)) = ($2 = 1)",
            *(environment, number),
        )
        await connection.execute(
            "DELETE FROM chain_batches WHERE environment_id = $1 AND log = 'changes'"
            " AND number = $2",
            *(environment, number),
        )
    faults = kinds(await looked_at(connection, environment))
    assert ("changes", "batch missing", number) in faults


@pytest.mark.slow
async def test_who_rewrites_the_end_of_a_chain_is_noticed_by_what_was_kept_apart(
    trail: Actor, connection: Any, settings: Settings, tmp_path: Path
) -> None:
    environment = trail.environment_id
    name = await connection.fetchval("SELECT name FROM environments WHERE id = $1", environment)
    before = called(settings, "audit", "verify", "-e", name)
    assert before["is_intact"]
    path = tmp_path / "verified.json"
    path.write_bytes(msgspec.json.encode(before))
    async with tampering(connection):
        last = "environment_id = $1 AND log = 'worker_events' AND number = 2"
        await connection.execute(
            "DELETE FROM worker_events WHERE environment_id = $1 AND id > (SELECT to_key[1] FROM"
            " chain_batches WHERE environment_id = $1 AND log = 'worker_events' AND number = 1)",
            environment,
        )
        await connection.execute(f"DELETE FROM chain_batches WHERE {last}", environment)
        await connection.execute(
            "UPDATE chain_heads SET number = 1, hash = (SELECT hash FROM chain_batches WHERE"
            " environment_id = $1 AND log = 'worker_events' AND number = 1) WHERE environment_id ="
            " $1 AND log = 'worker_events'",
            environment,
        )
    assert called(settings, "audit", "verify", "-e", name)["is_intact"]
    silent = called(settings, "audit", "verify", "-e", name, "--against", str(path), code=1)
    assert silent == ""


async def test_how_long_a_log_waits_to_be_sealed_is_told_until_it_is(
    store: Store, trail: Actor, connection: Any, database: Database
) -> None:
    environment = trail.environment_id
    assert await waiting(database, environment) == dict.fromkeys(BY_LOG, 0)
    await connection.execute(
        "INSERT INTO audit_reads (environment_id, read_at, actor, through, request_id, verb,"
        " resource, patients) VALUES ($1, now() - interval '1 hour', 'a', 'api', 'r', 'find',"
        " 'patients', '')",
        environment,
    )
    await patients(store, trail, 1)
    seconds = await waiting(database, environment)
    assert seconds["audit_reads"] >= 3600 > seconds["changes"] > 0
    assert seconds["worker_events"] == 0
    await sealed(connection, environment)
    assert await waiting(database, environment) == dict.fromkeys(BY_LOG, 0)


async def waiting(database: Database, environment: int) -> dict[str, float]:
    lines = (await exposition(database, lag.gauges)).decode().splitlines()
    start = f'almoner_unsealed_seconds{{environment="{environment}",log="'
    rows = (line.removeprefix(start).split('"} ') for line in lines if line.startswith(start))
    return {log: float(seconds) for log, seconds in rows}


async def test_batches_and_heads_cannot_be_changed_unnoticed(trail: Actor, connection: Any) -> None:
    environment = trail.environment_id
    for change in (
        "UPDATE chain_batches SET sealed_at = now() WHERE environment_id = $1 AND number = 1",
        "UPDATE chain_batches SET hashes = '' WHERE environment_id = $1 AND number = 2",
        "UPDATE chain_heads SET hash = '' WHERE environment_id = $1",
        "UPDATE chain_heads SET number = 5 WHERE environment_id = $1",
    ):
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(change, environment)
        verified = await verify(connection, environment)
        await transaction.rollback()
        assert verified.faults, change
    assert (await looked_at(connection, environment)).faults == []


async def test_rows_whose_ids_are_committed_out_of_order_are_sealed_in_none(
    connection: Any, aside: Database, program: int
) -> None:
    """Whoever has an id and has not committed holds up the end of the chain, and nobody else."""

    async def note(at: Any) -> None:
        async with at.transaction():
            await worker_events.changed(at, program, "client made", AT_THE_TERMINAL, "client:x")

    async with aside.apart() as slow, aside.apart() as quick:
        transaction = slow.transaction()
        await transaction.start()
        await worker_events.changed(slow, program, "client made", AT_THE_TERMINAL, "client:slow")
        await slow.fetchval(
            "INSERT INTO changes (environment_id, kind, resource, row_id, changed_at, actor,"
            " through, request_id) VALUES ($1, 'create', 'patients', gen_random_uuid(), now(), 'a',"
            " 'api', 'r') RETURNING seq",
            program,
        )
        await note(quick)
        bounds = await seal.settled(connection, patience=0.0)
        assert "worker_events" not in bounds
        await seal.seal(connection, program, bounds)
        waiting = asyncio.create_task(seal.settled(connection, patience=60.0))
        await transaction.commit()
        await seal.seal(connection, program, await waiting)
    rows: dict[str, int] = {}
    # Whoever is older in the database holds up the horizon.
    while not rows.get("changes"):
        await sealed(connection, program)
        verified = await looked_at(connection, program)
        assert verified.faults == []
        rows = {log["log"]: log["rows"] for log in verified.logs}
    assert rows["worker_events"] >= 2


async def test_an_erasure_is_told_from_a_manipulation_and_hides_none(
    store: Store, trail: Actor, connection: Any, settings: Settings
) -> None:
    environment = trail.environment_id
    first, second = [
        row["id"]
        for row in await connection.fetch(
            "SELECT id::text FROM patients WHERE environment_id = $1 ORDER BY id LIMIT 2",
            environment,
        )
    ]
    await connection.execute(
        "INSERT INTO consent_records (environment_id, patient_id, resource, row_id, consent, given,"
        " how, received_on, note, recorded_by) VALUES ($1, $2, 'phone_numbers', gen_random_uuid(),"
        " 'opted_in_to_sms', true, 'voice', '2026-03-02', 'x', 'x')",
        *(environment, first),
    )
    await sealed(connection, environment)
    box = SecretBox(*KeySource("", settings.home).first())
    for patient in (first, second):
        async with connection.transaction():
            await erasure_requests.erase_now(
                connection, environment, box, patient_id=patient, reason="asked", by=AT_THE_TERMINAL
            )
    verified = await looked_at(connection, environment)
    assert verified.faults == []
    assert {row["reason"] for row in verified.erasures.values()} == {"asked"}
    await sealed(connection, environment)
    assert (await looked_at(connection, environment)).faults == []
    async with tampering(connection):
        row = await _change(connection, environment)
    [fault] = (await looked_at(connection, environment)).faults
    assert (fault.kind, fault.row) == ("changed", row)
    async with tampering(connection):
        await connection.execute(
            "UPDATE erasures SET state = 'refused' WHERE environment_id = $1", environment
        )
    assert ("changes", "batch changed", 1) in kinds(await looked_at(connection, environment))
